//! A pointer chase: what a dependent load costs on this machine, over as many bytes as a store has.

use std::time::Instant;

use crate::workload::mix;

/// Bytes of a node: a cache line, so that each load is of a line of its own.
const NODE: usize = 64;

/// Fewest bytes that are chased through.
const LEAST: u64 = 64 << 10;

/// A random cycle through all nodes of a buffer.
pub struct Chase {
    nodes: Vec<[u32; NODE / 4]>,
}

impl Chase {
    /// Over about so many bytes.
    pub fn new(bytes: u64, seed: u64) -> Self {
        let count = (bytes.max(LEAST) as usize / NODE).min(u32::MAX as usize);
        let mut nodes = vec![[0; NODE / 4]; count];
        // Sattolo's shuffle of the identity leaves exactly one cycle.
        for (at, node) in nodes.iter_mut().enumerate() {
            node[0] = at as u32;
        }
        for at in (1..count).rev() {
            let other = (mix(seed, at as u64) % at as u64) as usize;
            let kept = nodes[at][0];
            nodes[at][0] = nodes[other][0];
            nodes[other][0] = kept;
        }
        Self { nodes }
    }

    /// Follows so many pointers from somewhere; returns where it ended.
    fn follow(&self, from: usize, loads: u64) -> usize {
        let mut at = from;
        for _ in 0..loads {
            at = self.nodes[at][0] as usize;
        }
        at
    }

    /// Nanoseconds that so many threads took, each following so many pointers.
    pub fn run(&self, threads: usize, loads: u64) -> u64 {
        let spans = std::thread::scope(|scope| {
            let running: Vec<_> = (0..threads)
                .map(|thread| {
                    let from = thread * self.nodes.len() / threads;
                    scope.spawn(move || {
                        let start = Instant::now();
                        std::hint::black_box(self.follow(from, loads));
                        (start, Instant::now())
                    })
                })
                .collect();
            let ended = running.into_iter().filter_map(|thread| thread.join().ok());
            ended.collect::<Vec<_>>()
        });
        let start = spans.iter().map(|span| span.0).min();
        let end = spans.iter().map(|span| span.1).max();
        start.zip(end).map_or(0, |(start, end)| (end - start).as_nanos() as u64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_cycle_has_every_node() {
        let chase = Chase::new(LEAST, 3);
        let nodes = chase.nodes.len() as u64;
        assert_eq!(chase.follow(0, nodes), 0);
        assert!((1..nodes).all(|loads| chase.follow(0, loads) != 0));
    }
}

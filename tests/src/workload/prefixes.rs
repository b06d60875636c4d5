//! Prefixes that mean something among a set of keys: its directories.
//!
//! Owns: which prefixes a key has, and where a directory may be moved. Never does: know which
//! keys are there at the moment.

use holt_engine::limits::MAX_KEY_BYTES;
use rand::Rng;

use super::Rand;

/// Bytes after which a key is likely to be cut: what paths and the shapes are separated by.
const SEPARATORS: [u8; 4] = [b'/', 0, b'-', u8::MAX];

/// The keys of a script, in order.
pub struct Directories {
    sorted: Vec<Vec<u8>>,
}

impl Directories {
    /// Those of `keys`.
    pub fn new(keys: &[Vec<u8>]) -> Self {
        let mut sorted = keys.to_vec();
        sorted.sort();
        sorted.dedup();
        Self { sorted }
    }

    /// A run of neighbours, at most `most` of them.
    pub fn run(&self, rng: &mut Rand, most: usize) -> &[Vec<u8>] {
        if self.sorted.is_empty() {
            return &[];
        }
        let from = rng.random_range(0..self.sorted.len());
        let len = rng.random_range(1..=most.max(1)).min(self.sorted.len() - from);
        &self.sorted[from..from + len]
    }

    /// How many keys start with `prefix`.
    pub fn share(&self, prefix: &[u8]) -> usize {
        let from = self.sorted.partition_point(|key| key.as_slice() < prefix);
        let rest = &self.sorted[from..];
        rest.partition_point(|key| key.starts_with(prefix))
    }

    /// A key that starts with `prefix`, if there is one.
    pub fn key_under(&self, rng: &mut Rand, prefix: &[u8]) -> Option<&[u8]> {
        let from = self.sorted.partition_point(|key| key.as_slice() < prefix);
        let share = self.share(prefix);
        (share > 0).then(|| self.sorted[from + rng.random_range(0..share)].as_slice())
    }

    /// A prefix of some key: mostly up to a separator or to where it parts from its neighbour.
    pub fn any(&self, rng: &mut Rand) -> Vec<u8> {
        if self.sorted.is_empty() {
            return Vec::new();
        }
        let at = rng.random_range(0..self.sorted.len());
        let key = &self.sorted[at];
        let cut = match rng.random_range(0..8) {
            0 => rng.random_range(0..=key.len()),
            1 => key.len(),
            2..4 => self.shared(rng, at),
            _ => {
                let ends: Vec<usize> =
                    (1..=key.len()).filter(|&end| SEPARATORS.contains(&key[end - 1])).collect();
                match ends.is_empty() {
                    true => self.shared(rng, at),
                    false => ends[rng.random_range(0..ends.len())],
                }
            }
        };
        key[..cut].to_vec()
    }

    /// What a key shares with the next one, or a byte more if it has one.
    fn shared(&self, rng: &mut Rand, at: usize) -> usize {
        let key = &self.sorted[at];
        let Some(next) = self.sorted.get(at + 1) else { return key.len() };
        let shared = key.iter().zip(next).take_while(|(one, other)| one == other).count();
        (shared + rng.random_range(0..=1)).min(key.len())
    }

    /// A prefix that few keys have, or now and then any prefix.
    pub fn small(&self, rng: &mut Rand) -> Vec<u8> {
        const DRAWS: usize = 12;
        let most =
            if rng.random_ratio(1, 24) { usize::MAX } else { (self.sorted.len() / 16).max(1) };
        let mut best = self.any(rng);
        for _ in 0..DRAWS {
            if self.share(&best) <= most {
                break;
            }
            let other = self.any(rng);
            if self.share(&other) < self.share(&best) {
                best = other;
            }
        }
        best
    }

    /// Where `src` may be moved: beside itself, below another directory, onto one, and now and
    /// then where it cannot go.
    pub fn destination(&self, rng: &mut Rand, src: &[u8]) -> Vec<u8> {
        let mut dst = match rng.random_range(0..12) {
            // Onto a directory, which may be a part of it or have it as a part.
            0..2 => self.small(rng),
            // Below another one.
            2..4 => {
                let mut dst = self.any(rng);
                dst.extend_from_slice(&src[src.len().saturating_sub(rng.random_range(1..9))..]);
                dst
            }
            // Into itself.
            4 if rng.random_ratio(1, 3) => [src, b"x/"].concat(),
            // Keys grow up to their limit, or over it.
            5 if rng.random_ratio(1, 3) => {
                let mut dst = vec![b'L'; MAX_KEY_BYTES - rng.random_range(0..200)];
                dst[..2].copy_from_slice(&rng.random::<[u8; 2]>());
                dst
            }
            // Much shorter.
            6 => vec![b'm', rng.random_range(0..16), b'/'],
            _ => beside(rng, src),
        };
        dst.truncate(MAX_KEY_BYTES);
        dst
    }
}

/// Another name for a directory in the same place.
fn beside(rng: &mut Rand, src: &[u8]) -> Vec<u8> {
    let mut dst = src.to_vec();
    let Some(last) = dst.pop() else { return vec![rng.random(), b'/'] };
    match SEPARATORS.contains(&last) && !dst.is_empty() {
        true => {
            dst.extend([b'~', rng.random_range(b'0'..=b'9'), last]);
            dst
        }
        false => {
            dst.push(last.wrapping_add(rng.random_range(1..4)));
            dst
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Shape, keys, rand_of};
    use super::*;

    #[test]
    fn prefixes_are_directories_of_the_keys() {
        for shape in Shape::ALL {
            let mut rng = rand_of(3);
            let paths = vec![b"/usr/bin/env".to_vec(), b"/usr/lib/a".to_vec()];
            let keys = keys(shape, &mut rng, 200, &paths);
            let directories = Directories::new(&keys);
            let (mut several, mut moves) = (0, 0);
            for _ in 0..200 {
                let prefix = directories.any(&mut rng);
                assert!(directories.share(&prefix) > 0, "{shape:?}: {prefix:?} has no key");
                several += usize::from(directories.share(&prefix) > 1);
                let src = directories.small(&mut rng);
                assert!(directories.share(&src) > 0, "{shape:?}: {src:?} has no key");
                let dst = directories.destination(&mut rng, &src);
                assert!(dst.len() <= MAX_KEY_BYTES);
                moves += usize::from(!dst.starts_with(&src) && !src.starts_with(&dst));
            }
            assert!(several > 20, "{shape:?}: only {several} prefixes of several keys");
            assert!(moves > 100, "{shape:?}: only {moves} moves that can be");
        }
    }
}

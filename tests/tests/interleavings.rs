//! Every interleaving of a few threads at the lanes of an open store, each with every value that
//! the memory model lets it read (loom): what one changes, nobody else has at the same time.
//!
//! Without one of the shim's fences loom must find a race: each is needed, and these tests can fail.

use std::time::Instant;

use loom::cell::UnsafeCell;
use loom::model::Builder;
use loom::sync::Arc;
use loom::thread;

#[path = "loomed/shim.rs"]
mod shim;

#[allow(dead_code, reason = "what only the engine's own tests use")]
#[path = "../../engine/src/sync/lanes.rs"]
mod lanes;

use holt_tests::report::figure_of;
use lanes::{Lanes, Place};
use shim::WITHOUT;

/// Two pages behind lanes. A race at them is what loom looks for.
struct Shared {
    lanes: Lanes,
    pages: [UnsafeCell<u64>; 2],
}

/// What a thread does.
#[derive(Clone, Copy, Debug)]
enum Act {
    Read(usize),
    Change(usize),
    ReadAll,
    ChangeAll,
}

impl Shared {
    fn new() -> Self {
        Self { lanes: Lanes::default(), pages: [UnsafeCell::new(0), UnsafeCell::new(0)] }
    }

    fn act(&self, act: Act) {
        // Asking for access is what loom judges; what for makes no difference.
        let look = |page: &UnsafeCell<u64>| page.with(|_| ());
        let change = |page: &UnsafeCell<u64>| page.with_mut(|_| ());
        if let Act::ChangeAll = act {
            let _closed = self.lanes.close();
            return self.pages.iter().for_each(change);
        }
        let lane = self.lanes.enter();
        match act {
            Act::Read(page) => {
                if self.lanes.read(lane, page as u64) {
                    look(&self.pages[page]);
                }
            }
            Act::Change(page) => {
                if let Some(latch) = self.lanes.latch(lane, page as u64) {
                    change(&self.pages[page]);
                    self.lanes.unlatch(lane, latch);
                }
            }
            Act::ReadAll | Act::ChangeAll => {
                self.lanes.read_all(lane);
                self.pages.iter().for_each(look);
            }
        }
        self.lanes.leave(lane);
    }
}

/// Tries all interleavings of threads that do these, with up to so many preemptions.
fn explore(acts: &'static [Act], preemptions: usize) {
    let mut builder = Builder::new();
    builder.preemption_bound = Some(preemptions);
    builder.max_branches = 100_000;
    builder.check(move || {
        let shared = Arc::new(Shared::new());
        let (first, others) = acts.split_first().expect("some thread");
        let others: Vec<_> = others
            .iter()
            .map(|&act| {
                let shared = Arc::clone(&shared);
                thread::spawn(move || shared.act(act))
            })
            .collect();
        shared.act(*first);
        others.into_iter().for_each(|other| other.join().expect("ends"));
    });
}

#[test]
fn a_page_that_changes_is_nobody_elses() {
    explore(&[Act::Change(0), Act::Read(0)], 3);
    explore(&[Act::Change(0), Act::Change(0)], 3);
    explore(&[Act::Change(0), Act::ReadAll], 3);
    explore(&[Act::Change(0), Act::ChangeAll], 3);
}

#[test]
fn who_has_everything_has_it_alone() {
    explore(&[Act::ChangeAll, Act::Read(0)], 3);
    explore(&[Act::ChangeAll, Act::ReadAll], 3);
    explore(&[Act::ChangeAll, Act::ChangeAll], 3);
}

#[test]
fn three_at_a_time() {
    explore(&[Act::Change(0), Act::Read(0), Act::ReadAll], 2);
    explore(&[Act::Change(0), Act::Change(1), Act::ReadAll], 2);
    explore(&[Act::Change(0), Act::Read(0), Act::ChangeAll], 2);
}

/// The places, each with what needs its order.
const NEEDS: &[(Place, &[Act])] = &[
    (Place::Enter, &[Act::ChangeAll, Act::Read(0)]),
    (Place::Close, &[Act::ChangeAll, Act::Read(0)]),
    (Place::Read, &[Act::Change(0), Act::Read(0)]),
    (Place::Latch, &[Act::Change(0), Act::Read(0)]),
    (Place::Latch, &[Act::Change(0), Act::ReadAll]),
    (Place::ReadAll, &[Act::Change(0), Act::ReadAll]),
];

#[test]
fn each_fence_that_is_left_out_is_missed() {
    for &(place, acts) in NEEDS {
        let begun = Instant::now();
        // Loom ends the thread it finds a race on.
        let explored = std::thread::spawn(move || {
            WITHOUT.set(Some(place));
            explore(acts, 3);
        });
        let race = explored.join().expect_err("a race");
        let said = race.downcast_ref::<String>().map_or("", String::as_str);
        assert!(said.contains("Causality violation"), "{place:?}, {acts:?}: {said}");
        println!("without {place:?}, {acts:?}: a race, found in {:?}", begun.elapsed());
    }
    figure_of("fences of the lanes missed", NEEDS.len() as u64, NEEDS.len() as u64);
}

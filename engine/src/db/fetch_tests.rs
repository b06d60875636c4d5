//! Pages read while others go on: what a lookup may answer, what a write may build on, and which
//! pages need not be read.

use alloc::collections::BTreeMap;
use alloc::format;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::ops::Bound;
use core::time::Duration;
use std::sync::mpsc;
use std::thread;

use super::kit_tests::{Devices, Faulty, Files, Random, assert_clean, dump};
use super::{RangeEntry, Tree};
use crate::error::Result;
use crate::limits::MAX_FRAME_BYTES;
use crate::sync::Mutex;

/// Long enough for a thread that is not kept out, on any machine.
const PATIENCE: Duration = Duration::from_secs(60);

/// Changes before the first lookup: more than the cache holds.
const FIRST: usize = 6000;

type Model = BTreeMap<Vec<u8>, Vec<u8>>;

/// A tree, what it should hold, and every value that a key had of late.
struct State {
    tree: Tree,
    model: Model,
    random: Random,
    /// The key that is looked up.
    key: Vec<u8>,
    /// What it had since that began.
    seen: Vec<Option<Vec<u8>>>,
    /// What the tree held at every moment since then, if that is asked for.
    states: Option<Vec<Model>>,
    meanwhile: usize,
}

impl State {
    fn change(&mut self) {
        let key = match self.random.below(3) {
            0 if !self.key.is_empty() => self.key.clone(),
            _ => self.random.key(),
        };
        match self.random.below(64) {
            0 if key.len() > 8 => {
                self.tree.delete_prefix(&key).unwrap();
                self.model.retain(|have, _| !have.starts_with(&key));
            }
            1..=12 => {
                let there = self.tree.delete(&key).unwrap();
                assert_eq!(there, self.model.remove(&key).is_some());
            }
            13..=20 => drop(self.tree.shared.checkpoint_some(20, 1).unwrap()),
            21..=23 => self.tree.checkpoint().unwrap(),
            24 => self.tree.compact().unwrap(),
            _ => {
                let value = self.random.value();
                self.tree.put(&key, &value).unwrap();
                self.model.insert(key, value);
            }
        }
        self.seen.push(self.model.get(&self.key).cloned());
        if let Some(states) = &mut self.states {
            states.push(self.model.clone());
        }
        self.meanwhile += 1;
    }
}

/// Changes the store while a page is read with nobody kept out.
fn disturb(devices: &Devices, state: &Arc<Mutex<State>>) {
    let state = Arc::clone(state);
    devices.blobs.while_reading(move || {
        let mut state = state.lock();
        if state.tree.shared.core.try_write().is_none() {
            return;
        }
        for _ in 0..state.random.below(4) {
            state.change();
        }
    });
}

/// Lookups of many records, each of which must be of one moment.
fn state_of_one_moment(tree: &Tree, state: &Mutex<State>, from: &[u8]) {
    const ENTRIES: usize = 600;
    let begin = || {
        let mut state = state.lock();
        state.states = Some(alloc::vec![state.model.clone()]);
    };
    let was = |what: &str, is: &dyn Fn(&Model) -> bool| {
        let states = state.lock().states.take().unwrap();
        assert!(states.iter().any(is), "{what} of none of {} moments", states.len());
    };
    begin();
    let page = tree.range().start_after(from).page(ENTRIES, usize::MAX).unwrap();
    let keys = page.entries.iter().map(|entry| match entry {
        RangeEntry::Key { key, .. } => key,
        RangeEntry::CommonPrefix(_) => panic!("a roll-up without a delimiter"),
    });
    let keys: Vec<&Vec<u8>> = keys.collect();
    let after = (Bound::Excluded(from.to_vec()), Bound::Unbounded);
    was("a page", &|model| {
        model.range(after.clone()).take(ENTRIES).map(|(key, _)| key).eq(keys.iter().copied())
    });
    begin();
    let wanted: Vec<Vec<u8>> = {
        let state = state.lock();
        state.model.keys().step_by(40).cloned().collect()
    };
    let got = tree.get_many(&wanted).unwrap();
    was("values", &|model| {
        wanted.iter().map(|key| model.get(key)).eq(got.iter().map(Option::as_ref))
    });
    begin();
    let count = tree.prefix_count(b"d1/", 0).unwrap().count;
    was("a count", &|model| {
        model.keys().filter(|key| key.starts_with(b"d1/")).count() as u64 == count
    });
}

fn run(seed: u64, rounds: usize) -> usize {
    let devices = Devices::hungry();
    let tree = devices.tree();
    let state = State {
        tree: tree.clone(),
        model: Model::new(),
        random: Random::new(seed),
        key: Vec::new(),
        seen: Vec::new(),
        states: None,
        meanwhile: 0,
    };
    let state = Arc::new(Mutex::new(state));
    (0..FIRST).for_each(|_| state.lock().change());
    for round in 0..rounds {
        let (key, value, dice) = {
            let mut state = state.lock();
            state.key = state.random.key();
            state.seen = alloc::vec![state.model.get(&state.key).cloned()];
            (state.key.clone(), state.random.value(), state.random.below(50))
        };
        disturb(&devices, &state);
        match dice {
            0..=27 => {
                let got = tree.get(&key).unwrap();
                assert!(state.lock().seen.contains(&got), "seed {seed}, round {round}: {got:?}");
            }
            28..=34 => {
                // The last word is this write's, whatever came between.
                tree.put(&key, &value).unwrap();
                state.lock().model.insert(key, value);
            }
            35..=40 => {
                let there = tree.delete(&key).unwrap();
                let mut state = state.lock();
                assert!(state.seen.iter().any(|seen| seen.is_some() == there));
                state.model.remove(&key);
            }
            41 => state_of_one_moment(&tree, &state, &key),
            _ => {
                let put = tree.put_if_absent(&key, &value).unwrap();
                let mut state = state.lock();
                assert!(state.seen.iter().any(|seen| seen.is_none() == put));
                if put {
                    state.model.insert(key, value);
                }
            }
        }
        devices.blobs.undisturbed();
        if round % 100 == 99 {
            let held: Model = dump(&tree).into_iter().map(|(key, value, _)| (key, value)).collect();
            assert!(held == state.lock().model, "seed {seed}, round {round}");
        }
    }
    assert_clean(tree.verify(), "at the end");
    let meanwhile = state.lock().meanwhile;
    meanwhile - FIRST
}

#[test]
#[cfg_attr(miri, ignore = "too long for Miri")]
fn what_changes_while_a_page_is_read_is_seen_or_not_but_never_undone() {
    let meanwhile: usize = (0..8).map(|seed| run(seed, 1000)).sum();
    assert!(meanwhile > 3000, "only {meanwhile} changes came between");
}

/// More records than the cache holds, all of them published.
fn many(tree: &Tree) {
    for at in 0..20_000u32 {
        tree.put(format!("dir/{at:06}").as_bytes(), &at.to_be_bytes()).unwrap();
    }
    tree.checkpoint().unwrap();
}

#[test]
#[cfg_attr(miri, ignore = "too long for Miri")]
fn nobody_waits_while_a_page_is_read() {
    let devices = Devices::hungry();
    let tree = devices.tree();
    many(&tree);
    tree.put(b"hot", b"before").unwrap();
    let (entered, began) = mpsc::channel();
    let (go, wait) = mpsc::channel::<()>();
    devices.blobs.while_reading(move || {
        // The other side is gone when all is done.
        let _ = entered.send(());
        let _ = wait.recv();
    });
    thread::scope(|scope| {
        let cold = scope.spawn(|| tree.get(b"dir/000007").unwrap());
        began.recv_timeout(PATIENCE).expect("the page is not in memory");
        let (tell, done) = mpsc::channel();
        let hot = tree.clone();
        // Not of the scope: if it has to wait, the test ends all the same.
        thread::spawn(move || {
            for round in 0..100u32 {
                hot.put(b"hot", &round.to_be_bytes()).unwrap();
                assert!(hot.get(b"hot").unwrap().is_some());
            }
            tell.send(()).unwrap();
        });
        let unhindered = done.recv_timeout(PATIENCE).is_ok();
        drop(go);
        assert_eq!(cold.join().unwrap().as_deref(), Some(&7u32.to_be_bytes()[..]));
        assert!(unhindered, "a thread with its page in memory waited for one that reads");
    });
}

#[test]
#[cfg_attr(miri, ignore = "too long for Miri")]
fn a_key_that_is_not_there_reads_no_leaf_twice() {
    let mut devices = Devices::hungry();
    // Large frames: what leads to their pages stays in memory.
    devices.blobs = Faulty::new(MAX_FRAME_BYTES);
    devices.options.cache_bytes = 2 << 20;
    let tree = devices.tree();
    for at in 0..60_000u32 {
        tree.put(format!("dir/{at:06}").as_bytes(), &[7; 64]).unwrap();
    }
    tree.checkpoint().unwrap();
    let mut random = Random::new(3);
    let mut reads = |ending: &str, found: bool| {
        let before = devices.blobs.reads();
        for _ in 0..2000 {
            let key = format!("dir/{:06}{ending}", random.below(60_000));
            assert_eq!(tree.get(key.as_bytes()).unwrap().is_some(), found, "{key}");
        }
        devices.blobs.reads() - before
    };
    // By now every page was in memory once.
    let (there, absent) = (reads("", true), reads("x", false));
    assert!(there > 1000, "{there} reads: the store fits its cache");
    assert!(absent < there / 3, "{absent} reads for keys that are not there, {there} for others");
    for _ in 0..500 {
        let key = format!("dir/{:06}y", random.below(60_000));
        assert!(!tree.delete(key.as_bytes()).unwrap());
    }
    assert_clean(tree.verify(), "afterwards");
}

#[test]
#[cfg_attr(miri, ignore = "too long for Miri")]
fn a_scan_reads_many_pages_by_a_call_and_a_lookup_one() {
    let mut devices = Devices::hungry();
    devices.blobs = Faulty::new(MAX_FRAME_BYTES);
    devices.options.cache_bytes = 8 << 20;
    let key = |at: u32| format!("dir/{at:06}").into_bytes();
    let tree = devices.tree();
    let mut random = Random::new(9);
    for _ in 0..60_000 {
        tree.put(&key(random.below(60_000) as u32), &[7; 64]).unwrap();
    }
    tree.checkpoint().unwrap();
    let all: Vec<Vec<u8>> = dump(&tree).into_iter().map(|(key, ..)| key).collect();
    drop(tree);
    let cold = |walk: &dyn Fn(&Tree) -> Vec<Vec<u8>>| {
        let tree = devices.tree();
        let before = (devices.blobs.reads(), devices.blobs.read_calls());
        let found = walk(&tree);
        (found, devices.blobs.reads() - before.0, devices.blobs.read_calls() - before.1)
    };
    let keys = |entry: Result<RangeEntry>| match entry.unwrap() {
        RangeEntry::Key { key, .. } => key,
        RangeEntry::CommonPrefix(_) => panic!("a roll-up without a delimiter"),
    };
    let (on, reads, calls) = cold(&|tree| tree.range().into_iter().map(keys).collect());
    assert!(on == all && reads > 1000, "{} keys, {reads} pages", on.len());
    assert!(calls * 6 < reads, "{reads} pages by {calls} calls");
    let (back, pages, calls) = cold(&|tree| tree.range().reverse().into_iter().map(keys).collect());
    assert!(back.iter().eq(all.iter().rev()) && pages == reads);
    assert!(calls * 6 < pages, "{pages} pages by {calls} calls on the way back");
    // Pages that are far apart: no more is read than is asked for.
    let apart: Vec<&Vec<u8>> = all.iter().step_by(4000).collect();
    let (_, pages, _) = cold(&|tree| {
        for key in &apart {
            assert!(tree.get(key).unwrap().is_some());
        }
        Vec::new()
    });
    assert!(pages as usize <= 2 * apart.len() + 2, "{pages} pages for {} lookups", apart.len());
    let (_, pages, _) = cold(&|tree| {
        assert!(tree.get_many(&apart).unwrap().iter().all(Option::is_some));
        Vec::new()
    });
    assert!(pages as usize <= 2 * apart.len() + 2, "{pages} pages for {} at once", apart.len());
}

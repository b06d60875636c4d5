//! Checkpoints beside writers: what happens while a part is away at the device.

use alloc::boxed::Box;
use alloc::collections::BTreeMap;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc;
use std::thread;

use super::kit_tests::{Devices, Files, Random, assert_clean, dump};
use super::{Keeper, Options, Snapshot, StartKeeper, Tree, Upkeep};
use crate::error::Error;
use crate::sync::Mutex;

type Model = BTreeMap<Vec<u8>, Vec<u8>>;

/// A tree and what it should hold.
struct Pair {
    tree: Tree,
    model: Model,
    random: Random,
    /// Changes made while a device was at work.
    meanwhile: usize,
}

fn contents(tree: &Tree) -> Model {
    dump(tree).into_iter().map(|(key, value, _)| (key, value)).collect()
}

impl Pair {
    fn change(&mut self) {
        let random = &mut self.random;
        match random.below(24) {
            0 => {
                let prefix = random.dir();
                self.tree.delete_prefix(&prefix).unwrap();
                self.model.retain(|key, _| !key.starts_with(&prefix));
            }
            1 => self.rename_prefix(),
            2..=6 => {
                let key = random.key();
                let there = self.tree.delete(&key).unwrap();
                assert_eq!(there, self.model.remove(&key).is_some());
            }
            _ => {
                let (key, value) = (random.key(), random.value());
                self.tree.put(&key, &value).unwrap();
                self.model.insert(key, value);
            }
        }
    }

    fn rename_prefix(&mut self) {
        let (src, dst) = (self.random.dir(), self.random.dir());
        if src.starts_with(&dst) || dst.starts_with(&src) {
            return;
        }
        self.tree.rename_prefix(&src, &dst, true).unwrap();
        if !self.model.keys().any(|key| key.starts_with(&src)) {
            return;
        }
        let moved: Model = core::mem::take(&mut self.model)
            .into_iter()
            .filter(|(key, _)| !key.starts_with(&dst))
            .map(|(key, value)| match key.strip_prefix(src.as_slice()) {
                Some(rest) => ([dst.as_slice(), rest].concat(), value),
                None => (key, value),
            })
            .collect();
        self.model = moved;
    }

    fn look(&mut self) {
        let key = self.random.key();
        assert_eq!(self.tree.get(&key).unwrap().as_ref(), self.model.get(&key));
    }
}

/// Reads and writes while a part of a checkpoint is away at the device.
fn disturb(devices: &Devices, pair: &Arc<Mutex<Pair>>) {
    let pair = Arc::clone(pair);
    devices.blobs.meanwhile(move || {
        let mut pair = pair.lock();
        // Pages are evicted under the lock, where nobody else can come between.
        if pair.tree.shared.core.try_write().is_none() {
            return;
        }
        for _ in 0..pair.random.below(4) {
            pair.change();
            pair.meanwhile += 1;
        }
        pair.look();
    });
}

fn run(seed: u64, rounds: usize) -> usize {
    let devices = Devices::hungry();
    let (model, random) = (Model::new(), Random::new(seed));
    let pair = Pair { tree: devices.tree(), model, random, meanwhile: 0 };
    let pair = Arc::new(Mutex::new(pair));
    let mut held: Vec<(Snapshot, Model)> = Vec::new();
    for round in 0..rounds {
        let (tree, dice, pages) = {
            let mut pair = pair.lock();
            pair.change();
            let (dice, pages) = (pair.random.below(60), 1 + pair.random.below(30));
            (pair.tree.clone(), dice, pages)
        };
        match dice {
            0..=11 => {
                disturb(&devices, &pair);
                tree.shared.checkpoint_some(pages, 1).unwrap();
                devices.blobs.undisturbed();
            }
            12 => tree.checkpoint().unwrap(),
            13 => tree.compact().unwrap(),
            14 => assert_clean(tree.verify(), "between parts"),
            15 if held.len() < 3 => {
                held.push((tree.snapshot(b"").unwrap(), pair.lock().model.clone()));
            }
            16 => held.truncate(1),
            17 => {
                held.clear();
                drop(tree);
                let mut pair = pair.lock();
                pair.tree = Tree::memory().unwrap();
                pair.tree = devices.tree();
                assert!(contents(&pair.tree) == pair.model, "seed {seed}, round {round}");
            }
            _ => {}
        }
        if round % 97 == 0 {
            let pair = pair.lock();
            assert!(contents(&pair.tree) == pair.model, "seed {seed}, round {round}");
            for (snapshot, then) in &held {
                let count = snapshot.prefix_count(b"", usize::MAX).unwrap().count;
                assert_eq!(count, then.len() as u64, "seed {seed}, round {round}");
                for (key, value) in then.iter().step_by(7) {
                    assert_eq!(snapshot.get(key).unwrap().as_ref(), Some(value));
                }
            }
        }
    }
    let pair = pair.lock();
    assert_clean(pair.tree.verify(), "at the end");
    assert!(contents(&pair.tree) == pair.model, "seed {seed}");
    pair.meanwhile
}

#[test]
#[cfg_attr(miri, ignore = "too long for Miri")]
fn what_changes_while_a_part_is_written_is_neither_lost_nor_published_early() {
    let meanwhile: usize = (0..12).map(|seed| run(seed, 900)).sum();
    assert!(meanwhile > 2000, "only {meanwhile} changes came between");
}

#[test]
#[cfg_attr(miri, ignore = "too long for Miri")]
fn a_published_checkpoint_is_the_moment_it_began() {
    for seed in 0..20 {
        let mut devices = Devices::new();
        devices.options.log_budget = 1 << 40;
        let (model, random) = (Model::new(), Random::new(seed));
        let pair = Pair { tree: devices.tree(), model, random, meanwhile: 0 };
        let pair = Arc::new(Mutex::new(pair));
        let tree = pair.lock().tree.clone();
        (0..300).for_each(|_| pair.lock().change());
        let then = pair.lock().model.clone();
        disturb(&devices, &pair);
        while tree.shared.checkpoint_some(8, 1).unwrap() != Some(false) {}
        devices.blobs.undisturbed();
        assert!(then != pair.lock().model, "changes came between");
        let old = Tree::open_with_devices(devices.blobs.clone(), None, Options::default());
        assert!(contents(&old.unwrap()) == then, "seed {seed}");
    }
}

#[test]
#[cfg_attr(miri, ignore = "too long for Miri")]
fn nobody_waits_for_the_device_and_the_store_closes_with_its_last_handle() {
    let mut devices = Devices::new();
    devices.options.kept_up = true;
    devices.options.start_keeper = StartKeeper(Some(joined));
    let (entered, began) = mpsc::channel();
    let (done, wait) = mpsc::channel::<()>();
    // The device stands still until the writer below has done its work.
    devices.blobs.meanwhile(move || {
        entered.send(()).unwrap();
        let _ = wait.recv();
    });
    let tree = devices.tree();
    for at in 0..1500u32 {
        tree.put(&at.to_be_bytes(), &[7; 80]).unwrap();
    }
    began.recv().unwrap();
    for at in 0..200u32 {
        tree.put(&at.to_be_bytes(), b"beside it").unwrap();
        assert_eq!(tree.get(&at.to_be_bytes()).unwrap().as_deref(), Some(&b"beside it"[..]));
    }
    assert_eq!(tree.prefix_count(b"", usize::MAX).unwrap().count, 1500);
    drop(done);
    drop(tree);
    devices.blobs.undisturbed();
    assert_eq!(Arc::strong_count(&devices.blobs), 1, "the store is closed");
    let tree = devices.tree();
    assert_eq!(tree.get(&0u32.to_be_bytes()).unwrap().as_deref(), Some(&b"beside it"[..]));
    assert_clean(tree.verify(), "after all");
}

/// A thread that is waited for.
struct Joined {
    stop: Arc<AtomicBool>,
    thread: Option<thread::JoinHandle<()>>,
}

/// Keeps a store up in a thread until the device is told to go on.
fn joined(upkeep: Upkeep) -> Keeper {
    let stop = Arc::new(AtomicBool::new(false));
    let stopped = Arc::clone(&stop);
    let thread = thread::spawn(move || {
        while !stopped.load(Ordering::Relaxed) {
            upkeep.checkpoint(64).unwrap();
            thread::yield_now();
        }
    });
    Box::new(Joined { stop, thread: Some(thread) })
}

impl Drop for Joined {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            thread.join().unwrap();
        }
    }
}

#[test]
#[cfg_attr(miri, ignore = "too long for Miri")]
fn writers_over_the_budget_help_and_end_the_checkpoint_themselves() {
    let mut devices = Devices::new();
    devices.options.kept_up = true;
    let tree = devices.tree();
    let most = AtomicUsize::new(0);
    for at in 0..6000u32 {
        tree.put(&(at % 700).to_be_bytes(), &[at as u8; 100]).unwrap();
        most.fetch_max(tree.stats().unwrap().log_bytes as usize, Ordering::Relaxed);
    }
    let stats = tree.stats().unwrap();
    assert!(stats.checkpoints > 1, "{} checkpoints", stats.checkpoints);
    let budget = devices.options.log_budget as usize;
    assert!(most.into_inner() < 2 * budget, "the log stays near its budget");
}

#[test]
#[cfg_attr(miri, ignore = "too long for Miri")]
fn a_failure_beside_the_writers_stops_them_and_loses_nothing() {
    let mut devices = Devices::new();
    devices.options.kept_up = true;
    let tree = devices.tree();
    for at in 0..1500u32 {
        tree.put(&at.to_be_bytes(), &[7; 80]).unwrap();
    }
    let held = contents(&tree);
    devices.blobs.fail_stages_after(1);
    let failed = loop {
        match tree.shared.checkpoint_some(16, 1) {
            Ok(more) => assert_eq!(more, Some(true)),
            Err(error) => break error,
        }
    };
    assert!(matches!(failed, Error::BlobStoreIo(_)), "{failed}");
    assert!(matches!(tree.put(b"key", b""), Err(Error::Poisoned { .. })));
    assert!(contents(&tree) == held, "what was acknowledged is there");
    drop(tree);
    assert!(contents(&devices.tree()) == held, "and after reopening");
}

#[test]
#[cfg_attr(miri, ignore = "too long for Miri")]
fn a_checkpoint_is_ahead_while_the_log_has_more_room_than_there_is_work() {
    let mut devices = Devices::new();
    devices.options.kept_up = true;
    let tree = devices.tree();
    let start = tree.shared.options.late_start();
    let fill = |bytes: u64| {
        for at in 0.. {
            if tree.stats().unwrap().log_bytes >= bytes {
                break;
            }
            tree.put(&u32::to_be_bytes(at), &[7; 80]).unwrap();
        }
    };
    fill(start);
    assert_eq!(tree.shared.checkpoint_some(1, start), Ok(Some(true)));
    assert!(tree.shared.core.read().is_ahead());
    // The log fills, and nobody works on it.
    fill(devices.options.log_budget - 1000);
    assert!(!tree.shared.core.read().is_ahead());
}

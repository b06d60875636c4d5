//! Following a tree: a copy of it that is filled from a snapshot, kept up to date by the change
//! feed while others write and over restarts, and filled anew when it fell too far behind.
//!
//!     cargo run --example change_feed [DIRECTORY]
//!
//! The copy is a map in memory here. It could as well be a search index, a cache on another
//! machine or a backup: whatever keeps the position beside the data can stop and go on.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::thread;

use holt::{ChangeEvent, Error, Lsn, RangeEntry, Result, Tree, TreeBuilder};

/// Bytes of committed changes that the store keeps for followers.
const RETENTION: u64 = 1 << 20;

const ACCOUNTS: u64 = 100;
const OPENING_BALANCE: u64 = 1_000;

/// A copy of a tree.
#[derive(Default)]
struct Follower {
    records: BTreeMap<Vec<u8>, Vec<u8>>,
    /// Every commit below this position is in the copy, and no other.
    position: Lsn,
    fills: u32,
    commits: u64,
}

impl Follower {
    /// Copies the whole tree as it is at one moment. Writers need not wait for that.
    fn fill(&mut self, tree: &Tree) -> Result<()> {
        let snapshot = tree.snapshot(b"")?;
        self.records.clear();
        for entry in snapshot.range() {
            if let RangeEntry::Key { key, value, .. } = entry? {
                self.records.insert(key, value);
            }
        }
        // The feed from here on has all that the snapshot has not, and nothing that it has.
        self.position = snapshot.lsn();
        self.fills += 1;
        Ok(())
    }

    /// Applies what was committed since the last time.
    fn catch_up(&mut self, tree: &Tree) -> Result<()> {
        loop {
            let page = match tree.changes_since(self.position) {
                // The store keeps no more than it was told to: begin anew from a snapshot.
                Err(Error::Expired { .. }) => {
                    self.fill(tree)?;
                    continue;
                }
                page => page?,
            };
            for change in page.changes {
                self.commits += 1;
                if !change.events.into_iter().all(|event| self.apply(event)) {
                    return self.fill(tree);
                }
            }
            self.position = page.next;
            if !page.more {
                return Ok(());
            }
        }
    }

    /// Applies one change; `false` for a kind that this program does not know.
    fn apply(&mut self, event: ChangeEvent) -> bool {
        match event {
            ChangeEvent::Put { key, value, .. } => drop(self.records.insert(key, value)),
            ChangeEvent::Delete { key, .. } => drop(self.records.remove(&key)),
            ChangeEvent::DeletePrefix { prefix, .. } => {
                self.records.retain(|key, _| !key.starts_with(&prefix));
            }
            // One event, however many records moved.
            ChangeEvent::RenamePrefix { src, dst, .. } => {
                self.records.retain(|key, _| !key.starts_with(&dst));
                let moved = self.records.extract_if(.., |key, _| key.starts_with(&src));
                let moved: Vec<(Vec<u8>, Vec<u8>)> = moved.collect();
                for (key, value) in moved {
                    self.records.insert([&dst, &key[src.len()..]].concat(), value);
                }
            }
            _ => return false,
        }
        true
    }

    /// The money in the copy. A transfer is one commit, so none is ever seen half done.
    fn total(&self) -> u64 {
        let accounts = self.records.iter().filter(|(key, _)| key.starts_with(b"account/"));
        accounts.map(|(_, balance)| number(balance)).sum()
    }
}

fn number(value: &[u8]) -> u64 {
    value.try_into().map_or(0, u64::from_be_bytes)
}

fn account(number: u64) -> Vec<u8> {
    format!("account/{number:03}").into_bytes()
}

/// Moves one unit from one account to another, as one commit.
fn transfer(tree: &Tree, from: u64, to: u64) -> Result<()> {
    let (from, to) = (account(from), account(to));
    loop {
        let (paying, paid) = (tree.get_record(&from)?, tree.get_record(&to)?);
        let (Some(paying), Some(paid)) = (paying, paid) else { return Err(Error::NotFound) };
        let (less, more) = (number(&paying.value).checked_sub(1), number(&paid.value) + 1);
        let Some(less) = less.filter(|_| from != to) else { return Ok(()) };
        let applied = tree.atomic(|batch| {
            batch.compare_and_put(&from, paying.version, &less.to_be_bytes());
            batch.compare_and_put(&to, paid.version, &more.to_be_bytes());
        })?;
        // `false`: another thread changed one of the two. Once more, from what it left.
        if applied {
            return Ok(());
        }
    }
}

fn make_transfers(tree: &Tree, count: u64) -> Result<()> {
    (0..count).try_for_each(|at| transfer(tree, at * 7 % ACCOUNTS, at * 31 % ACCOUNTS))
}

/// Follows while two threads make `count` transfers each.
fn follow_writers(tree: &Tree, follower: &mut Follower, count: u64) -> Result<()> {
    thread::scope(|scope| {
        let writers = [(); 2].map(|()| scope.spawn(|| make_transfers(tree, count)));
        let mut rounds = 0;
        while !writers.iter().all(|writer| writer.is_finished()) {
            follower.catch_up(tree)?;
            assert_eq!(follower.total(), ACCOUNTS * OPENING_BALANCE);
            rounds += 1;
        }
        println!("followed in {rounds} rounds; no transfer was ever seen half done");
        writers.into_iter().try_for_each(|writer| writer.join().expect("does not panic"))
    })?;
    follower.catch_up(tree)
}

fn open(dir: &Path) -> Result<Tree> {
    TreeBuilder::new(dir).feed_retention(RETENTION).open()
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let scratch = tempfile::tempdir()?;
    let given = std::env::args_os().nth(1).map(PathBuf::from);
    let dir = given.unwrap_or_else(|| scratch.path().join("store"));
    let tree = open(&dir)?;
    for number in 0..ACCOUNTS {
        tree.put(&account(number), &OPENING_BALANCE.to_be_bytes())?;
    }

    let mut follower = Follower::default();
    follower.fill(&tree)?;
    println!("filled with {} records, up to {}", follower.records.len(), follower.position);
    follow_writers(&tree, &mut follower, 2_000)?;
    println!("applied {} commits, up to {}", follower.commits, follower.position);
    assert_eq!(follower.fills, 1);

    // The feed is part of the store: a follower goes on where it was, whoever restarted.
    transfer(&tree, 1, 2)?;
    tree.checkpoint()?;
    drop(tree);
    let tree = open(&dir)?;
    tree.rename_prefix(b"account/00", b"closed/", true)?;
    tree.rename_prefix(b"closed/", b"account/00", true)?;
    let before = follower.commits;
    follower.catch_up(&tree)?;
    println!("after a restart: {} more commits", follower.commits - before);
    assert_eq!((follower.commits - before, follower.fills), (3, 1));

    // Who sleeps for longer than the retention reaches has to begin anew.
    make_transfers(&tree, 40_000)?;
    assert!(matches!(tree.changes_since(follower.position), Err(Error::Expired { .. })));
    follower.catch_up(&tree)?;
    println!("after a long sleep: filled anew, up to {}", follower.position);
    assert_eq!((follower.fills, follower.total()), (2, ACCOUNTS * OPENING_BALANCE));

    for entry in tree.range() {
        if let RangeEntry::Key { key, value, .. } = entry? {
            assert_eq!(follower.records.remove(&key), Some(value));
        }
    }
    assert!(follower.records.is_empty());
    println!("the copy equals the tree");
    Ok(())
}

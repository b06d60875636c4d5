//! The served store as a plugin that means harm would call it: every number and list at its
//! edges, more handles than there may be, and what is left when a run ends.

use std::sync::{Arc, Mutex};

use holt_engine::db::Tree;
use holt_engine::limits::{MAX_BATCH_OPS, MAX_KEY_BYTES, MAX_VALUE_BYTES};
use holt_wire::limits::{MAX_GET_MANY, MAX_PACKED_BATCH_BYTES, MAX_PACKED_KEYS_BYTES};
use wasmtime::component::Resource;

use super::bindings::holt::metadata::store::{self as wit, Host, HostSnapshot, HostTree};
use super::serve::{Answer, OpenTree, Served};
use super::work::PAGE_FUEL;
use super::{MAX_OPEN_SNAPSHOTS, MAX_OPEN_TREES, SharedStore};
use crate::api::{MAX_SNAPSHOTS, Reads, Store};
use crate::native::NativeStore;
use crate::sandbox::wit_types::{self as types, Change, Error};

const OPTIONS: wit::Options = wit::Options {
    cache_bytes: u64::MAX,
    sync: true,
    log_budget: 0,
    auto_checkpoint: false,
    read_only: false,
    snapshot_bytes: 0,
    feed_retention: u64::MAX,
};

/// More than these tests use.
const FUEL: u64 = 1 << 40;

fn shared() -> Arc<Mutex<NativeStore>> {
    let mut store = NativeStore::new(Tree::memory().expect("opens"));
    store.put(b"key", b"value").expect("puts");
    Arc::new(Mutex::new(store))
}

fn served(store: &Arc<Mutex<NativeStore>>) -> (Served, u32) {
    let shared: SharedStore = store.clone();
    let mut served = Served::new(shared, 1_000_000, FUEL, false);
    let tree = served.open(OPTIONS).expect("no trap").expect("opens").rep();
    (served, tree)
}

/// The handle again: each call takes one.
fn handle(rep: u32) -> Resource<OpenTree> {
    Resource::new_borrow(rep)
}

fn scan(prefix: &[u8]) -> types::ScanRequest {
    types::ScanRequest {
        prefix: prefix.into(),
        start_after: None,
        start_at: None,
        end_before: None,
        reverse: false,
        delimiter: None,
        keys_only: false,
        max_entries: u32::MAX,
        max_bytes: u32::MAX,
        resume: None,
    }
}

#[test]
fn snapshots_are_bounded_and_end_with_the_run() {
    let store = shared();
    let (mut run, tree) = served(&store);
    let mut held = Vec::new();
    for _ in 0..MAX_OPEN_SNAPSHOTS {
        held.push(run.snapshot(handle(tree), vec![]).expect("no trap").expect("fits"));
    }
    let refused = run.snapshot(handle(tree), vec![]).expect("no trap").expect_err("too many");
    assert!(matches!(refused, Error::QuotaExceeded(types::Quota { limit: 16, .. })), "{refused:?}");
    HostSnapshot::drop(&mut run, held.pop().expect("some")).expect("no trap");
    assert!(run.snapshot(handle(tree), vec![]).expect("no trap").is_ok());
    // The run ends with all its snapshots open: none of the store's own is left taken.
    drop(run);
    let mut store = store.lock().expect("not poisoned");
    let all: Vec<_> = (0..MAX_SNAPSHOTS).map(|_| store.snapshot(b"")).collect();
    assert!(all.iter().all(Result::is_ok));
}

#[test]
fn a_snapshot_shows_its_moment_and_answers_within_its_prefix() {
    let store = shared();
    let (mut run, tree) = served(&store);
    let snapshot = run.snapshot(handle(tree), b"k".to_vec()).expect("no trap").expect("fits");
    let again = || Resource::new_borrow(snapshot.rep());
    run.put(handle(tree), b"key".to_vec(), b"new".to_vec()).expect("no trap").expect("puts");
    let found = HostSnapshot::get(&mut run, again(), b"key".to_vec()).expect("no trap");
    assert_eq!(found.expect("reads").expect("is there").value, b"value");
    let page = HostSnapshot::scan(&mut run, again(), scan(b"k")).expect("no trap").expect("scans");
    assert!(page.items.len() == 1 && page.consistent && page.next.is_none());
    let outside = HostSnapshot::get(&mut run, again(), b"other".to_vec()).expect("no trap");
    assert!(matches!(outside, Err(Error::OutsideViewScope(_))), "{outside:?}");
    let long = HostSnapshot::get(&mut run, again(), vec![b'k'; 1 << 20]).expect("no trap");
    assert!(matches!(long, Err(Error::KeyTooLong(1_048_576))), "{long:?}");
    assert_eq!(run.scope(again()).expect("no trap"), b"k");
}

#[test]
fn trees_are_bounded() {
    let store = shared();
    let (mut run, _) = served(&store);
    for _ in 1..MAX_OPEN_TREES {
        run.open(OPTIONS).expect("no trap").expect("fits");
    }
    let refused = run.open(OPTIONS).expect("no trap").expect_err("too many");
    assert!(matches!(refused, Error::QuotaExceeded(_)), "{refused:?}");
}

#[test]
fn handles_that_were_never_given_out_end_the_run() {
    let store = shared();
    let (mut run, tree) = served(&store);
    assert!(HostTree::get(&mut run, handle(tree + 1), vec![]).is_err());
    assert!(HostSnapshot::get(&mut run, Resource::new_borrow(tree), vec![]).is_err());
    assert!(HostTree::get(&mut run, handle(u32::MAX), vec![]).is_err());
}

#[test]
fn lists_over_their_limits_are_refused_before_the_store_sees_them() {
    let store = shared();
    let (mut run, tree) = served(&store);
    let before = store.lock().expect("not poisoned").last_lsn().expect("tells");
    let at = || handle(tree);
    let long = || vec![0; MAX_KEY_BYTES + 1];
    let many = vec![Change::Delete(vec![]); MAX_BATCH_OPS + 1];
    let records = vec![(vec![], vec![]); MAX_BATCH_OPS + 1];
    let huge = vec![0; MAX_VALUE_BYTES + 1];
    let refusals = [
        run.commit(at(), many).expect("no trap").err(),
        run.commit(at(), vec![Change::AssertPrefixEmpty(long())]).expect("no trap").err(),
        run.commit(at(), vec![Change::Put((vec![], huge.clone()))]).expect("no trap").err(),
        run.put_many(at(), records.clone()).expect("no trap").err(),
        run.put_many_if_absent(at(), records).expect("no trap").err(),
        run.put_many(at(), vec![(vec![], huge.clone())]).expect("no trap").err(),
        run.put_many_if_absent(at(), vec![(long(), vec![])]).expect("no trap").err(),
        run.insert(at(), vec![], huge.clone()).expect("no trap").err(),
        run.put_if_absent(at(), long(), vec![]).expect("no trap").err(),
        run.compare_and_put(at(), long(), 1, vec![]).expect("no trap").err(),
        run.remove(at(), long()).expect("no trap").err(),
        run.delete_if_version(at(), long(), 1).expect("no trap").err(),
        run.rename_prefix(at(), long(), vec![], true).expect("no trap").err(),
        run.rename_prefix(at(), vec![], long(), true).expect("no trap").err(),
        run.delete_prefix(at(), long()).expect("no trap").err(),
        run.commit_packed(at(), vec![0; MAX_PACKED_BATCH_BYTES + 1]).expect("no trap").err(),
        run.get_many_packed(at(), vec![0; MAX_PACKED_KEYS_BYTES + 1]).expect("no trap").err(),
        run.get_many(at(), vec![vec![]; MAX_GET_MANY + 1]).expect("no trap").err(),
        run.snapshot(at(), long()).expect("no trap").err(),
        HostTree::scan(&mut run, at(), scan(&long())).expect("no trap").err(),
        HostTree::scan(&mut run, at(), types::ScanRequest { max_entries: 0, ..scan(b"") })
            .expect("no trap")
            .err(),
        HostTree::scan(&mut run, at(), types::ScanRequest { resume: Some(long()), ..scan(b"") })
            .expect("no trap")
            .err(),
    ];
    for (number, refused) in refusals.iter().enumerate() {
        assert!(refused.is_some(), "call {number} was taken");
    }
    let store = store.lock().expect("not poisoned").last_lsn().expect("tells");
    assert_eq!(store, before, "something was logged");
}

/// Every byte of a packed batch changed to every value: it is applied or refused, and the store
/// answers afterwards.
#[test]
fn packed_bytes_that_are_damaged_are_refused_or_mean_something() {
    let store = shared();
    let (mut run, tree) = served(&store);
    let batch = [&[2, 1, 0, 0, 0, b'a', 1, 0, 0, 0, b'b'][..], &[10, 1, 0, 0, 0, b'z']].concat();
    for at in 0..batch.len() {
        for value in 0..=u8::MAX {
            let mut wrong = batch.clone();
            wrong[at] = value;
            let _ = run.commit_packed(handle(tree), wrong.clone()).expect("no trap");
            let _ = run.get_many_packed(handle(tree), wrong.clone()).expect("no trap");
            wrong.truncate(at);
            let _ = run.commit_packed(handle(tree), wrong).expect("no trap");
        }
    }
    assert!(run.put(handle(tree), b"k".to_vec(), vec![]).expect("no trap").is_ok());
    assert!(store.lock().expect("not poisoned").get(b"k").expect("reads").is_some());
}

#[test]
fn a_run_that_may_only_read_reads_everything_and_writes_nothing() {
    let store = shared();
    let mut run = Served::new(store.clone(), 1000, FUEL, true);
    let tree = run.open(OPTIONS).expect("no trap").expect("opens").rep();
    let at = || handle(tree);
    let key = || b"key".to_vec();
    let writes = [
        run.insert(at(), key(), vec![]).expect("no trap").err(),
        run.put_if_absent(at(), key(), vec![]).expect("no trap").err(),
        run.put_many(at(), vec![]).expect("no trap").err(),
        run.put_many_if_absent(at(), vec![]).expect("no trap").err(),
        run.compare_and_put(at(), key(), 1, vec![]).expect("no trap").err(),
        run.remove(at(), key()).expect("no trap").err(),
        run.delete_if_version(at(), key(), 1).expect("no trap").err(),
        run.rename_prefix(at(), key(), vec![], true).expect("no trap").err(),
        run.delete_prefix(at(), key()).expect("no trap").err(),
        run.commit(at(), vec![Change::AssertAbsent(key())]).expect("no trap").err(),
        run.commit_packed(at(), vec![]).expect("no trap").err(),
        run.gc(at()).expect("no trap").err(),
        run.vacuum(at()).expect("no trap").err(),
    ];
    assert!(writes.iter().all(|refused| matches!(refused, Some(Error::ReadOnly))), "{writes:?}");
    assert!(!run.wrote());
    assert!(run.contains_key(at(), key()).expect("no trap").expect("reads"));
    assert_eq!(
        HostTree::prefix_count(&mut run, at(), vec![], 0).expect("no trap").expect("reads").count,
        1
    );
    assert!(run.snapshot(at(), vec![]).expect("no trap").is_ok());
    assert!(run.last_lsn(at()).expect("no trap").is_ok());
    assert!(run.changes_since(at(), 0).expect("no trap").is_err(), "no feed is kept");
}

#[test]
fn calls_on_snapshots_are_counted() {
    let store = shared();
    let mut run = Served::new(store, 3, FUEL, false);
    let tree = run.open(OPTIONS).expect("no trap").expect("opens").rep();
    let snapshot = run.snapshot(handle(tree), vec![]).expect("no trap").expect("fits").rep();
    let again = || Resource::new_borrow(snapshot);
    assert!(HostSnapshot::lsn(&mut run, again()).is_ok());
    assert!(HostSnapshot::get(&mut run, again(), vec![]).is_err(), "the fourth call");
    assert_eq!(run.calls(), 4);
}

fn quota<T>(answer: Answer<T>) -> bool {
    matches!(answer.expect("no trap"), Err(Error::QuotaExceeded(types::Quota { limit: FEW, .. })))
}

/// Fuel for so many pages.
const FEW: u64 = 1000 * PAGE_FUEL;

/// Calls of no length, again and again: each kind is refused at some time, while the others that
/// cost nothing beyond themselves go on.
#[test]
fn what_goes_over_all_of_the_store_is_paid_for() {
    type Call = fn(&mut Served, Resource<OpenTree>) -> bool;
    let calls: [(&str, Call); 9] = [
        ("verify", |run, at| quota(run.verify(at))),
        ("compact", |run, at| quota(run.compact(at))),
        ("gc", |run, at| quota(run.gc(at))),
        ("vacuum", |run, at| quota(run.vacuum(at))),
        ("checkpoint", |run, at| quota(run.checkpoint(at))),
        ("sync", |run, at| quota(run.sync(at))),
        ("count", |run, at| quota(HostTree::prefix_count(run, at, vec![], 0))),
        ("count some", |run, at| quota(HostTree::prefix_count(run, at, vec![], u64::MAX))),
        ("rename", |run, at| {
            let there = run.contains_key(Resource::new_borrow(at.rep()), b"a/0".to_vec());
            let (from, to) = match there.expect("no trap").expect("reads") {
                true => (b"a/", b"b/"),
                false => (b"b/", b"a/"),
            };
            quota(run.rename_prefix(at, from.to_vec(), to.to_vec(), false))
        }),
    ];
    for (name, call) in calls {
        let store = shared();
        for number in 0..5000 {
            let key = format!("a/{number}");
            store.lock().expect("not poisoned").put(key.as_bytes(), b"value").expect("puts");
        }
        let mut run = Served::new(store.clone(), 1_000_000, FEW, false);
        let tree = run.open(OPTIONS).expect("no trap").expect("opens").rep();
        assert!(!call(&mut run, handle(tree)), "{name}: the first one is paid for");
        let refused = (0..500).position(|_| call(&mut run, handle(tree)));
        assert!(refused.is_some(), "{name} was never refused");
        let key = || b"key".to_vec();
        run.put(handle(tree), key(), b"on".to_vec()).expect("no trap").expect("puts");
        assert!(HostTree::get(&mut run, handle(tree), key()).expect("no trap").is_ok());
    }
}

/// The purse bounds the work of one count, too, of a tree and of a snapshot.
#[test]
fn a_count_goes_no_further_than_it_is_paid_for() {
    let store = shared();
    for number in 0..100_000u32 {
        store.lock().expect("not poisoned").put(&number.to_be_bytes(), b"").expect("puts");
    }
    let mut run = Served::new(store.clone(), 1_000_000, FEW, false);
    let tree = run.open(OPTIONS).expect("no trap").expect("opens").rep();
    let snapshot = run.snapshot(handle(tree), vec![]).expect("no trap").expect("fits").rep();
    let again = || Resource::new_borrow(snapshot);
    let some = HostTree::prefix_count(&mut run, handle(tree), vec![], 100).expect("no trap");
    let some = some.expect("is paid for");
    assert!(some.count == 100 && !some.exact);
    let few = HostSnapshot::prefix_count(&mut run, again(), vec![0, 0, 1], 0).expect("no trap");
    assert_eq!(few.expect("is paid for").count, 256);
    assert!(quota(HostSnapshot::prefix_count(&mut run, again(), vec![], 0)));
    assert!(quota(HostTree::prefix_count(&mut run, handle(tree), vec![], 0)), "nothing is left");
    assert!(run.contains_key(handle(tree), b"key".to_vec()).expect("no trap").expect("reads"));
}

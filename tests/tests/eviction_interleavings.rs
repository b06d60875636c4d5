//! Every interleaving of threads that look at single records, or change them on their page, with
//! one that evicts pages and puts others in the same memory (loom).
//!
//! The way of both to a page is the engine's own: the files of its lanes, gate and slab, and of
//! its lookups and changes beside others, over loom's atomics. Around them is a store of one frame
//! with two pages of one record each, of which one is in memory. Loom watches every page and what
//! leads to it: nobody looks at memory while it is given back or filled anew. Who was on its way
//! to a page that left memory has to find out, and load it; and what was changed beside the
//! eviction must not be lost by it.

extern crate alloc;

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};

use holt_engine::{codec, error, frame, ids, log, txn};
use loom::model::Builder;
use loom::sync::Arc;
use loom::thread;

#[allow(dead_code, reason = "the store has one frame")]
#[path = "eviction/cache.rs"]
mod cache;
#[allow(dead_code, reason = "the store has no log")]
#[path = "eviction/db.rs"]
mod db;
#[allow(dead_code, reason = "what only other parts of the engine use")]
#[path = "eviction/forest.rs"]
mod forest;
#[path = "eviction/limits.rs"]
mod limits;
#[path = "eviction/node.rs"]
mod node;
#[allow(dead_code, reason = "what only other parts of the engine use")]
#[path = "eviction/sync.rs"]
mod sync;

use cache::{Cache, PAGES};
use db::Store;
use db::core::{Core, Counters};
use forest::{Forest, Root};
use frame::{Forms, FrameMeta};
use holt_engine::node::PageKind;
use holt_tests::report::figure_of;
use node::{Miss, Page, Record, Value};
use sync::Place;
use sync::shim::WITHOUT;

/// What a thread does.
#[derive(Clone, Copy, Debug)]
enum Act {
    /// Looks up the record of a page.
    Find(u8),
    /// Looks up the record of a page where the page was before: a mistake.
    FindWhereItWas(u8),
    /// Overwrites the record of a page.
    Change(u8),
    /// Takes a page out of memory and another one in.
    Exchange(u8, u8),
}
use Act::{Change, Exchange, Find, FindWhereItWas};

const BEFORE: &[u8] = b"before";
const CHANGED: &[u8] = b"change";

fn record(page: u8) -> Record<'static> {
    const KEYS: [[u8; 1]; PAGES] = [[0], [1]];
    let suffix = &KEYS[usize::from(page)];
    Record { version: 0, suffix, long: None, value: Value::Inline(BEFORE) }
}

fn store() -> Store {
    let page = |number: u8| {
        let mut page = holt_engine::node::Page::new(PageKind::Leaf, 0, 0, number);
        page.format(&[]);
        assert!(page.insert(0, &record(number)));
        Page::new(page)
    };
    let forms = Forms { reach: 64, ..Forms::default() };
    let meta = FrameMeta { live: PAGES as u32, forms, ..FrameMeta::default() };
    let mut cache = Cache::new(meta, [page(0), page(1)]);
    cache.load(Miss::Page { frame: 0, page: 0 });
    let roots = [(0, Root { records: PAGES as u64 })].into();
    let (forest, counters) = (Forest { cache, roots }, Counters::default());
    Store::new(Core { forest, counters, clock: AtomicU64::new(1), alone: 0 })
}

/// What was found: the number of the page, the key, and the value.
type Found = (u16, Vec<u8>, Vec<u8>);

fn found(page: &holt_engine::node::Page, slot: usize) -> Found {
    let Record { suffix, value, .. } = Record::read(page, slot);
    let Value::Inline(value) = value else { panic!("values are short") };
    (page.number(), suffix.to_vec(), value.to_vec())
}

fn find(store: &Store, page: u8) -> Found {
    let read = |_: forest::Reader<'_, Cache>, at: Option<(&Page, usize)>| {
        Ok(at.map(|(page, slot)| found(page, slot)))
    };
    store.find(0, &[page], read).expect("is read").expect("every page has a record")
}

/// What a page number led to is another page's by the time it is looked at.
fn find_where_it_was(store: &Store, page: u8) -> Option<Found> {
    let noted = store.glance(|forest, _| forest.cache.frame(0).map(|frame| frame.handle(page)));
    let noted = noted.ok().filter(|handle| handle.is_some())?;
    let id = u64::from(page);
    store.glance(|forest, reads| reads(id).then(|| found(forest.cache.slab.get(noted), 0)))
}

/// Does it; what was found, if it looked for something.
fn act(store: &Store, act: Act) -> Option<(u8, Found)> {
    match act {
        Find(page) => return Some((page, find(store, page))),
        FindWhereItWas(page) => return find_where_it_was(store, page).map(|found| (page, found)),
        Change(page) => {
            assert!(store.put(&[page], CHANGED).expect("is written"));
        }
        Exchange(out, into) => store.alone(|core| {
            core.forest.cache.evict(out);
            core.forest.cache.load(Miss::Page { frame: 0, page: into });
        }),
    }
    None
}

/// What happened in all interleavings.
#[derive(Default)]
struct Seen {
    interleavings: AtomicU64,
    refilled: AtomicU64,
    loaded_by_readers: AtomicU64,
    changed_beside: AtomicU64,
    changed_alone: AtomicU64,
}

/// Judges what was found while the threads ran, and what is there after them.
fn judge(store: &Store, acts: &[Act], all: Vec<(u8, Found)>, seen: &Seen) {
    let changes = |page: u8| acts.iter().any(|act| matches!(act, Change(at) if *at == page));
    for (page, (number, key, value)) in all {
        assert!(number == u16::from(page) && key == [page], "page {number} where {page} was");
        let changed = changes(page) && value == CHANGED;
        assert!(changed || value == BEFORE, "{value:?} was never there");
    }
    let (refilled, alone, payload) = store.alone(|core| {
        assert_eq!(core.forest.cache.frame(0).expect("is there").meta.live, PAGES as u32);
        (core.forest.cache.refilled, core.alone, core.counters.payload)
    });
    seen.loaded_by_readers.fetch_add(store.loaded.load(Relaxed), Relaxed);
    // Once more out of memory and in: what was changed is written out.
    for page in 0..PAGES as u8 {
        store.alone(|core| core.forest.cache.evict(page));
        let expected = if changes(page) { CHANGED } else { BEFORE };
        assert_eq!(find(store, page), (page.into(), vec![page], expected.to_vec()), "is lost");
    }
    let made = acts.iter().filter(|act| matches!(act, Change(_))).count() as u64;
    assert_eq!(payload > 0, made > alone, "what was changed beside others is taken in");
    seen.interleavings.fetch_add(1, Relaxed);
    seen.refilled.fetch_add(refilled, Relaxed);
    seen.changed_beside.fetch_add(made - alone, Relaxed);
    seen.changed_alone.fetch_add(alone, Relaxed);
}

/// Tries all interleavings of threads that do these, with up to so many preemptions.
fn explore(acts: &'static [Act], preemptions: usize, seen: &std::sync::Arc<Seen>) {
    let seen = std::sync::Arc::clone(seen);
    let mut builder = Builder::new();
    builder.preemption_bound = Some(preemptions);
    builder.max_branches = 100_000;
    builder.check(move || {
        let store = Arc::new(store());
        let (first, others) = acts.split_first().expect("some thread");
        let others: Vec<_> = others
            .iter()
            .map(|&other| {
                let store = Arc::clone(&store);
                thread::spawn(move || act(&store, other))
            })
            .collect();
        let mut all: Vec<_> = act(&store, *first).into_iter().collect();
        all.extend(others.into_iter().filter_map(|other| other.join().expect("ends")));
        judge(&store, acts, all, &seen);
    });
}

/// Threads beside an eviction, each with the preemptions that are tried.
const BESIDE: &[(&[Act], usize)] = &[
    (&[Exchange(0, 1), Find(0)], 5),
    (&[Exchange(0, 1), Find(1)], 5),
    (&[Exchange(0, 1), Change(0)], 5),
    (&[Exchange(0, 1), Change(1)], 5),
    (&[Exchange(0, 1), Find(0), Change(0)], 2),
    (&[Exchange(0, 1), Find(0), Change(1)], 2),
    (&[Exchange(0, 1), Find(0), Find(1)], 2),
    (&[Exchange(0, 1), Exchange(1, 0), Find(0)], 2),
];

#[test]
fn nobody_has_a_page_whose_memory_goes_to_another() {
    let seen = std::sync::Arc::<Seen>::default();
    for &(acts, preemptions) in BESIDE {
        let (begun, before) = (Instant::now(), seen.interleavings.load(Relaxed));
        explore(acts, preemptions, &seen);
        let tried = seen.interleavings.load(Relaxed) - before;
        println!("{acts:?}: {tried} interleavings in {:?}", begun.elapsed());
    }
    for (count, what) in [
        (&seen.refilled, "memory of an evicted page filled anew"),
        (&seen.loaded_by_readers, "pages loaded by who looked for them"),
        (&seen.changed_beside, "changes beside others"),
        (&seen.changed_alone, "changes alone"),
    ] {
        println!("{}: {what}", count.load(Relaxed));
        assert!(count.load(Relaxed) > 0, "{what}: never");
    }
}

/// What must be found, and what it is found by.
struct Mistake {
    what: &'static str,
    without: Option<Place>,
    acts: &'static [Act],
    says: &'static str,
}

const RACE: &str = "Causality violation";

const MISTAKES: &[Mistake] = &[
    Mistake {
        what: "who enters may not see the closed gate",
        without: Some(Place::Enter),
        acts: &[Exchange(0, 1), Find(0)],
        says: RACE,
    },
    Mistake {
        what: "who closes the gate may not see who is inside",
        without: Some(Place::Close),
        acts: &[Exchange(0, 1), Find(0)],
        says: RACE,
    },
    Mistake {
        what: "the same, with one who changes the page",
        without: Some(Place::Close),
        acts: &[Exchange(0, 1), Change(0)],
        says: RACE,
    },
    Mistake {
        what: "who changes a page may not see its reader, beside an eviction",
        without: Some(Place::Latch),
        acts: &[Change(0), Find(0), Exchange(1, 0)],
        says: RACE,
    },
    Mistake {
        what: "a way noted before an eviction is gone after it",
        without: None,
        acts: &[Exchange(0, 1), FindWhereItWas(0)],
        says: "page 1 where 0 was",
    },
];

#[test]
fn every_mistake_is_found() {
    let (begun, mut found) = (Instant::now(), 0);
    for Mistake { what, without, acts, says } in MISTAKES {
        let begun = Instant::now();
        // Loom ends the thread it finds something on.
        let explored = std::thread::spawn(move || {
            WITHOUT.set(*without);
            explore(acts, 3, &std::sync::Arc::default());
        });
        let error = explored.join().expect_err(what);
        let said = error.downcast_ref::<String>().map_or("", String::as_str);
        assert!(said.contains(says), "{what}: {said}");
        println!("{what}: found in {:?}", begun.elapsed());
        found += 1;
    }
    figure_of("mistakes beside evictions found", found, MISTAKES.len() as u64);
    assert!(begun.elapsed() < Duration::from_secs(120), "too slow to run with every change");
}

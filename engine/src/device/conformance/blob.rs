//! The contract of [`BlobStore`].

use alloc::sync::Arc;
use alloc::vec;
use alloc::vec::Vec;

use super::{Failing, page};
use crate::device::blob::{BlobOp, BlobStore, PageAt};
use crate::device::io::PositionedIo;
use crate::error::{Error, IoErrorKind};
use crate::ids::{BlobId, Ticket};
use crate::limits::{MAX_BLOB_PAGES, MAX_META_BYTES, MAX_ROOT_BYTES, PAGE_BYTES};

const A: BlobId = BlobId::frame(1);
const B: BlobId = BlobId::frame(2);
const X: BlobId = BlobId::extent(7);

fn stage(store: &dyn BlobStore, seeds: &[u64]) -> Vec<Ticket> {
    let bytes: Vec<u8> = seeds.iter().flat_map(|seed| page(*seed)).collect();
    let mut tickets = vec![];
    store.stage(&bytes, &mut tickets).expect("stage");
    assert_eq!(tickets.len(), seeds.len(), "stage must give one ticket a page");
    tickets
}

fn put(blob: BlobId, meta: &[u8], pages: &[(u32, Ticket)], dropped: &[u32]) -> BlobOp {
    BlobOp::Put {
        blob,
        meta: meta.into(),
        pages: pages.iter().map(|(page, ticket)| PageAt { page: *page, ticket: *ticket }).collect(),
        dropped: dropped.into(),
    }
}

fn assert_pages(store: &dyn BlobStore, blob: BlobId, expected: &[(u32, u64)], clause: &str) {
    let entry = store.entry(blob).expect("entry").expect("the blob must be there");
    let numbers: Vec<u32> = expected.iter().map(|(number, _)| *number).collect();
    assert_eq!(entry.pages, numbers, "{clause}: pages of {blob}");
    for (number, seed) in expected {
        let mut buf = vec![0; PAGE_BYTES];
        store.read(blob, *number, &mut buf).expect("read");
        assert!(buf == page(*seed), "{clause}: {blob} page {number} has other bytes");
    }
}

/// Runs the contract against an empty store.
///
/// # Panics
/// If a clause is broken, with its number.
pub fn blob_store<S: BlobStore>(make: impl FnOnce() -> S, mut reopen: impl FnMut(S) -> S) {
    let store = make();
    let (geometry, id) = (store.geometry(), store.store_id());
    assert!(store.root().expect("root").is_empty(), "the store must be empty to begin with");
    publishes(&store);
    let store = reopen(store);
    assert_eq!((store.geometry(), store.store_id()), (geometry, id), "fixed at creation");
    reopened(&store);
    refuses(&store);
    let store = reopen(store);
    reopened(&store);
    deletes(&store);
    let store = reopen(store);
    assert_eq!(store.list(None, 10).expect("list"), [X], "clause 3: deleted blobs stay gone");
    churns(&store);
    let store = reopen(store);
    clean(&store);
}

fn publishes(store: &dyn BlobStore) {
    let t = stage(store, &[10, 11, 12, 13]);
    let mut buf = vec![0; PAGE_BYTES];
    store.read_staged(t[2], &mut buf).expect("read_staged");
    assert!(buf == page(12), "clause 1: a staged page reads back");
    let missing = matches!(store.read(A, 0, &mut buf), Err(Error::NotFound));
    assert!(missing, "clause 2: staged pages are not published");

    let ops = [put(A, b"meta", &[(0, t[0]), (1, t[1]), (5, t[2])], &[])];
    store.publish(&ops, b"root").expect("publish");
    assert_eq!(store.entry(A).expect("entry").expect("there").meta, b"meta");
    assert_pages(store, A, &[(0, 10), (1, 11), (5, 12)], "clause 1");
    assert_eq!(store.usage().expect("usage").staged_pages, 1, "unnamed pages stay staged");
    store.read_staged(t[3], &mut buf).expect("a staged page that no publish named");
    store.release(&t[3..]).expect("release");
    assert!(store.read_staged(t[3], &mut buf).is_err(), "clause 2: release forgets");
    assert!(store.read_staged(t[0], &mut buf).is_err(), "published tickets are used up");

    let t = stage(store, &[20, 21]);
    stage(store, &[66, 67]);
    store.discard().expect("discard");
    assert!(store.read_staged(t[0], &mut buf).is_err(), "clause 2: discard forgets");

    let t = stage(store, &[30, 31, 32]);
    let ops = [
        put(X, b"", &[(0, t[0])], &[]),
        put(A, b"second", &[(1, t[1]), (2, t[2])], &[0, 4]),
        BlobOp::Delete { blob: B },
    ];
    store.publish(&ops, b"root two").expect("publish");
    assert_pages(store, A, &[(1, 31), (2, 32), (5, 12)], "clause 1");
    let mut two = vec![0; 2 * PAGE_BYTES];
    store.read(A, 1, &mut two).expect("several pages at once");
    assert!(two[..PAGE_BYTES] == page(31) && two[PAGE_BYTES..] == page(32), "clause 1");
    let missing = matches!(store.read(A, 2, &mut two), Err(Error::NotFound));
    assert!(missing, "a read over a page that is not there must fail");
    scattered(store);
    stage(store, &[77]);
}

/// After [`publishes`] has changed `A` for the second time.
fn scattered(store: &dyn BlobStore) {
    let mut two = vec![0; 2 * PAGE_BYTES];
    store.read_scattered(A, &[1, 5], &mut two).expect("pages wherever they lie");
    assert!(two[..PAGE_BYTES] == page(31) && two[PAGE_BYTES..] == page(12), "clause 1");
    let missing = matches!(store.read_scattered(A, &[1, 4], &mut two), Err(Error::NotFound));
    assert!(missing, "one of the pages is not there");
    let missing = matches!(store.read_scattered(B, &[1, 2], &mut two), Err(Error::NotFound));
    assert!(missing, "the blob is not there");
    for (pages, len) in [(&[5, 1][..], 2), (&[1, 1], 2), (&[1, 5], 1), (&[1], 2)] {
        let refused = store.read_scattered(A, pages, &mut vec![0; len * PAGE_BYTES]);
        assert!(matches!(refused, Err(Error::InvalidArgument { .. })), "{pages:?} for {len} pages");
    }
    store.read_scattered(A, &[], &mut []).expect("no page at all");
    for (blob, page, others, most) in [
        (A, 2, &[1, 5][..], 8),
        (A, 2, &[1, 2, 5], 2),
        (A, 2, &[1, 5], 0),
        (A, 1, &[], 8),
        (B, 1, &[2], 8),
    ] {
        let near = store.near(blob, page, others, most).expect("a hint");
        assert!(near.is_sorted_by(|a, b| a < b) && near.contains(&page), "{near:?}");
        assert!(near.iter().all(|near| *near == page || others.contains(near)), "{near:?}");
        assert!(near.len() <= most.max(1), "{near:?}");
    }
}

fn reopened(store: &dyn BlobStore) {
    assert_eq!(store.usage().expect("usage").staged_pages, 0, "clause 2: reopening forgets");
    assert_eq!(store.root().expect("root"), b"root two", "clause 3: the root survives");
    assert_pages(store, A, &[(1, 31), (2, 32), (5, 12)], "clause 3");
    assert_pages(store, X, &[(0, 30)], "clause 3");
    assert_eq!(store.entry(B).expect("entry"), None);
    assert_eq!(store.list(None, 10).expect("list"), [A, X], "list ascends");
    assert_eq!(store.list(None, 1).expect("list"), [A]);
    assert_eq!(store.list(Some(A), 10).expect("list"), [X]);
    assert_eq!(store.list(Some(X), 10).expect("list"), []);
    let usage = store.usage().expect("usage");
    assert_eq!((usage.blobs, usage.pages), (2, 4));
    clean(store);
}

fn clean(store: &dyn BlobStore) {
    let mut damage = vec![];
    let mut last = (0, 0);
    store
        .audit(&mut |found| damage.push(found), &mut |done, total| last = (done, total))
        .expect("audit");
    assert!(damage.is_empty(), "audit of a healthy store found {damage:?}");
    assert_eq!(last.0, last.1, "audit must end with all pages checked");
}

/// Everything a caller can get wrong is refused, and nothing of it happens.
fn refuses(store: &dyn BlobStore) {
    let t = stage(store, &[40, 41]);
    let gone = stage(store, &[42]);
    store.release(&gone).expect("release");
    let invented = Ticket(t[0].0 ^ (1 << 40));
    let bad: Vec<(&str, Vec<BlobOp>)> = vec![
        ("an invented ticket", vec![put(A, b"", &[(0, invented)], &[])]),
        ("ticket 0", vec![put(A, b"", &[(0, Ticket(0))], &[])]),
        ("the largest ticket", vec![put(A, b"", &[(0, Ticket(u64::MAX))], &[])]),
        ("a released ticket", vec![put(A, b"", &[(0, gone[0])], &[])]),
        ("a ticket twice", vec![put(A, b"", &[(0, t[0]), (1, t[0])], &[])]),
        (
            "a ticket in two blobs",
            vec![put(A, b"", &[(0, t[0])], &[]), put(B, b"", &[(0, t[0])], &[])],
        ),
        ("a blob twice", vec![put(A, b"", &[(0, t[0])], &[]), BlobOp::Delete { blob: A }]),
        ("pages out of order", vec![put(A, b"", &[(1, t[0]), (0, t[1])], &[])]),
        ("a page twice", vec![put(A, b"", &[(1, t[0]), (1, t[1])], &[])]),
        ("too large a page", vec![put(A, b"", &[(MAX_BLOB_PAGES as u32, t[0])], &[])]),
        ("the largest page", vec![put(A, b"", &[(u32::MAX, t[0])], &[])]),
        ("a page written and dropped", vec![put(A, b"", &[(1, t[0])], &[1])]),
        ("drops out of order", vec![put(A, b"", &[], &[2, 1])]),
        ("long metadata", vec![put(A, &[0; MAX_META_BYTES + 1], &[], &[])]),
    ];
    for (what, ops) in bad {
        let refused = matches!(store.publish(&ops, b"no"), Err(Error::InvalidArgument { .. }));
        assert!(refused, "publish must refuse {what}");
    }
    assert!(store.publish(&[], &vec![0; MAX_ROOT_BYTES + 1]).is_err(), "too large a root");
    let mut buf = vec![0; PAGE_BYTES + 1];
    assert!(store.read(A, 1, &mut buf).is_err(), "clause 5: whole pages only");
    assert!(store.stage(&buf, &mut vec![]).is_err(), "clause 5: whole pages only");
    assert!(store.read_staged(t[0], &mut buf).is_err(), "clause 5: one page only");
    let missing = store.read(A, u32::MAX, &mut vec![0; 2 * PAGE_BYTES]);
    assert!(matches!(missing, Err(Error::NotFound)), "the last page number");
    store.release(&[Ticket(0), Ticket(u64::MAX), gone[0]]).expect("unknown tickets name nothing");
    store.read_staged(t[0], &mut buf[..PAGE_BYTES]).expect("refusals must keep what is staged");
    assert_pages(store, A, &[(1, 31), (2, 32), (5, 12)], "a refused publish changes nothing");
}

fn deletes(store: &dyn BlobStore) {
    let ops = [BlobOp::Delete { blob: A }, BlobOp::Delete { blob: B }];
    store.publish(&ops, b"").expect("publish");
    assert_eq!(store.entry(A).expect("entry"), None);
    let missing = matches!(store.read(A, 1, &mut vec![0; PAGE_BYTES]), Err(Error::NotFound));
    assert!(missing, "deleted pages are gone");
    clean(store);
}

/// Many publishes over few pages: space is used again, bytes are never mixed up.
fn churns(store: &dyn BlobStore) {
    let mut seed = 1_000;
    let mut latest = vec![[0u64; 8]; 5];
    for round in 0..200u64 {
        let mut ops = vec![];
        for (blob, pages) in (0u32..).zip(&mut latest) {
            let chosen: Vec<u32> = (0..8)
                .filter(|page| (round * 7 + u64::from(blob) * 3 + page) % 4 == 0)
                .map(|page| page as u32)
                .collect();
            let seeds: Vec<u64> = chosen
                .iter()
                .map(|_| {
                    seed += 1;
                    seed
                })
                .collect();
            let tickets = stage(store, &seeds);
            let named: Vec<(u32, Ticket)> = chosen.iter().copied().zip(tickets).collect();
            for (page, seed) in chosen.iter().zip(&seeds) {
                pages[*page as usize] = *seed;
            }
            ops.push(put(BlobId::frame(blob), &round.to_le_bytes(), &named, &[]));
        }
        store.publish(&ops, &round.to_le_bytes()).expect("publish");
    }
    for (blob, pages) in (0u32..).zip(&latest) {
        let expected: Vec<(u32, u64)> = (0..8)
            .zip(pages)
            .filter(|(_, seed)| **seed > 0)
            .map(|(at, seed)| (at, *seed))
            .collect();
        assert_pages(store, BlobId::frame(blob), &expected, "clause 1");
    }
    let root = store.root().expect("root");
    store.publish(&[], &root).expect("a publish that changes nothing");
    clean(store);
}

/// Clause 4, for stores over a medium that can be made to fail; every change the store makes on
/// the medium fails once.
///
/// # Panics
/// If the clause is broken.
pub fn blob_store_poisons<Base: PositionedIo, S: BlobStore>(
    base: impl Fn() -> Base,
    create: impl Fn(Arc<Failing<Base>>) -> S,
    reopen: impl Fn(Arc<Failing<Base>>) -> S,
) {
    for kind in [IoErrorKind::NoSpace, IoErrorKind::Device, IoErrorKind::ReadOnlyFilesystem] {
        let mut survived = false;
        for fail_at in 0..1_000 {
            let failing = Arc::new(Failing::new(base(), kind));
            let store = create(failing.clone());
            let t = stage(&store, &[1, 2]);
            store.publish(&[put(A, b"1", &[(0, t[0]), (1, t[1])], &[])], b"one").expect("publish");
            failing.fail_after(fail_at);
            let mut tickets = vec![];
            let staged = store.stage(&page(3), &mut tickets);
            let published = staged
                .and_then(|()| store.publish(&[put(A, b"2", &[(0, tickets[0])], &[])], b"two"));
            assert_pages(&store, A, &[(0, if published.is_ok() { 3 } else { 1 }), (1, 2)], "4");
            if published.is_err() {
                let poisoned = |result| matches!(result, Err(Error::Poisoned { .. }));
                assert!(poisoned(store.stage(&page(4), &mut vec![])), "clause 4: stage");
                assert!(poisoned(store.publish(&[], b"x")), "clause 4: publish");
                if let Some(ticket) = tickets.first() {
                    let mut buf = vec![0; PAGE_BYTES];
                    store.read_staged(*ticket, &mut buf).expect("clause 4: reads go on");
                }
            }
            drop(store);
            failing.heal();
            let again = reopen(failing.clone());
            let root = again.root().expect("root");
            let expected = match &root[..] {
                b"two" => 3,
                b"one" if published.is_err() => 1,
                other => panic!("clause 3: after failure {fail_at} the root is {other:?}"),
            };
            assert_pages(&again, A, &[(0, expected), (1, 2)], "clause 3");
            clean(&again);
            // A later failure hits nothing: all calls of the publish have been tried.
            survived = published.is_ok() && fail_at > 20;
            if survived {
                break;
            }
        }
        assert!(survived, "the publish never got through");
    }
}

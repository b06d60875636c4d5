//! Databases, handles, batches and iterators, as a program uses them.

use std::io::{self, Read, Write};
use std::path::PathBuf;
use std::thread;

use super::{contents, directory};
use crate::{
    AlignedBlobBuf, BlobGuid, BlobId, BlobStore, DB, DBView, Error, Geometry, ImageStreams,
    IoErrorKind, JOURNAL_DIGEST_BYTES, JournalAnchor, JournalEnvelope, JournalEnvelopeError,
    MAX_JOURNAL_RECORD_BYTES, MemoryBlobStore, PageAt, Snapshot, Tree, TreeBuilder, TreeConfig,
    View, limits,
};

fn memory() -> DB {
    TreeBuilder::new("").memory().open_db().expect("opens")
}

#[test]
fn a_database_opens_by_its_settings_or_its_directory() {
    let dir = directory();
    let path = dir.path().join("deep/store");
    let db = DB::open(TreeConfig::new(&path)).expect("creates");
    db.create_tree("files").expect("creates").put(b"key", b"value").expect("puts");
    drop(db);
    let text = path.to_str().expect("is text");
    let open: [&dyn Fn() -> Result<DB, Error>; 6] = [
        &|| DB::open_path(&path),
        &|| DB::open_path(path.as_path()),
        &|| DB::open_path(PathBuf::from(&path)),
        &|| DB::open_path(text),
        &|| DB::open_path(text.to_owned()),
        &|| DB::open(TreeConfig::new(&path).read_only()),
    ];
    for open in open {
        let db = open().expect("opens");
        assert_eq!(db.list_trees(), Ok(vec!["files".into()]));
        assert_eq!(db.open_tree("files").expect("is there").get(b"key"), Ok(Some(b"value".into())));
    }
    let file = dir.path().join("file");
    std::fs::write(&file, b"mine").expect("writes");
    assert!(DB::open_path(&file).is_err());
    assert_eq!(std::fs::read(&file).expect("reads"), b"mine");
}

#[test]
fn handles_go_to_other_threads_and_share_one_store() {
    fn anywhere<T: Send + Sync + Clone + 'static>(_: &T) {}
    let dir = directory();
    let db = DB::open_path(dir.path()).expect("opens");
    let tree = db.create_tree("numbers").expect("creates");
    tree.put(b"first", b"").expect("puts");
    let snapshot: Snapshot = tree.snapshot(b"").expect("is taken");
    let view: View = snapshot.view().clone();
    let moment: DBView = db.snapshot().expect("is taken");
    anywhere(&db);
    anywhere(&tree);
    anywhere(&view);
    anywhere(&snapshot);
    anywhere(&moment);
    let workers = (0..4_u32).map(|worker| {
        let (db, tree, snapshot) = (db.clone(), tree.clone(), snapshot.clone());
        thread::spawn(move || {
            for at in 0..100_u32 {
                tree.put(&[worker.to_be_bytes(), at.to_be_bytes()].concat(), b"").expect("puts");
            }
            drop(tree);
            assert_eq!(contents_of(&snapshot), 1, "the moment stays");
            db.open_tree("numbers").expect("is there").get(b"first").expect("reads")
        })
    });
    for worker in workers.collect::<Vec<_>>() {
        assert_eq!(worker.join().expect("ends"), Some(vec![]));
    }
    assert_eq!(contents(&tree).len(), 401, "what any handle wrote is in all");
    drop(db);
    let second = DB::open_path(dir.path()).err();
    assert!(matches!(second, Some(Error::Locked { .. })), "a tree keeps the store: {second:?}");
    drop((tree, snapshot, view, moment));
    DB::open_path(dir.path()).expect("the last handle is gone");
}

fn contents_of(snapshot: &Snapshot) -> usize {
    snapshot.range().into_iter().filter(|entry| entry.is_ok()).count()
}

#[test]
fn a_view_of_several_trees_is_of_one_moment() {
    let db = memory();
    let (left, right) = (db.create_tree("left"), db.create_tree("right"));
    let (left, right) = (left.expect("creates"), right.expect("creates"));
    left.put(b"a/1", b"old").expect("puts");
    right.put(b"b", b"old").expect("puts");
    let kept = db.view(&[("left", b"a/"), ("right", b"")], |view| {
        assert_eq!((view.len(), view.is_empty()), (2, false));
        assert!(view.tree("other").is_none());
        // A callback may write: nothing of it is seen here.
        assert!(db.atomic(|batch| {
            batch.put("left", b"a/1", b"new");
            batch.delete("right", b"b");
        })?);
        let (left, right) = (view.tree("left").expect("is in"), view.tree("right").expect("is in"));
        assert_eq!(left.get(b"a/1")?.as_deref(), Some(&b"old"[..]));
        assert_eq!(right.get(b"b")?.as_deref(), Some(&b"old"[..]));
        let outside = Error::OutsideViewScope { requested_len: 1, scope_len: 2 };
        assert_eq!((left.scope(), left.get(b"b")), (&b"a/"[..], Err(outside)));
        Ok(right.clone())
    });
    let kept = kept.expect("reads");
    db.drop_tree("right").expect("drops");
    assert_eq!(kept.get(b"b"), Ok(Some(b"old".into())), "a view outlives callback and tree");
    assert_eq!(right.get(b"b"), Err(Error::TreeDropped));
    assert_eq!(left.get(b"a/1"), Ok(Some(b"new".into())));
    let missing = db.view(&[("left", b""), ("right", b"")], |_| Ok(()));
    assert_eq!(missing, Err(Error::TreeNotFound { name: "right".into() }));
    assert_eq!(db.view(&[], |view| Ok((view.len(), view.is_empty()))), Ok((0, true)));
}

#[test]
fn a_transaction_fails_where_a_batch_says_false() {
    let tree = Tree::open(TreeConfig::memory()).expect("opens");
    tree.txn(|batch| {
        batch.assert_absent(b"a");
        batch.put(b"a", b"1");
        batch.rename(b"a", b"b", false);
    })
    .expect("applies");
    let before = contents(&tree);
    assert_eq!(before, [(b"b".to_vec(), b"1".to_vec())]);
    let failed = tree.txn(|batch| {
        batch.put(b"c", b"1");
        batch.assert_absent(b"b");
    });
    assert_eq!(failed, Err(Error::GuardFailed));
    let batch = tree.atomic(|batch| {
        batch.put(b"c", b"1");
        batch.assert_absent(b"b");
    });
    assert_eq!(batch, Ok(false));
    let failed = tree.txn(|batch| {
        batch.delete(b"b");
        batch.rename(b"b", b"d", false);
    });
    assert_eq!(failed, Err(Error::NotFound));
    assert_eq!(contents(&tree), before, "nothing of them was applied");
    assert_eq!(tree.txn(|_| ()), Ok(()), "an empty one has nothing that could fail");
}

#[test]
fn an_iterator_gives_nothing_more_after_an_error() {
    let db = memory();
    let tree = db.create_tree("t").expect("creates");
    for at in 0..5000_u32 {
        tree.put(&at.to_be_bytes(), &[1; 50]).expect("puts");
    }
    let mut records = tree.range().into_iter();
    let mut keys = tree.range_keys().into_iter();
    let mut back = tree.range().reverse().into_iter();
    assert!(records.by_ref().take(2).all(|entry| entry.is_ok()));
    assert!(keys.by_ref().take(2).all(|entry| entry.is_ok()));
    assert!(back.by_ref().take(2).all(|entry| entry.is_ok()));
    db.drop_tree("t").expect("drops");
    ends_after_an_error(records);
    ends_after_an_error(keys);
    ends_after_an_error(back);
}

/// What is in hand comes, then the error, then nothing.
fn ends_after_an_error<T>(mut iterator: impl Iterator<Item = Result<T, Error>>) {
    let error = iterator.find_map(Result::err);
    assert_eq!(error, Some(Error::TreeDropped));
    assert!((0..3).all(|_| iterator.next().is_none()));
}

#[test]
fn the_constants_of_the_journal_are_its_limits() {
    assert_eq!((JOURNAL_DIGEST_BYTES, MAX_JOURNAL_RECORD_BYTES), (32, 16 << 20));
    assert_eq!(limits::MAX_JOURNAL_RECORD_BYTES, MAX_JOURNAL_RECORD_BYTES);
    let anchor = |sequence| JournalAnchor::new(sequence, [7; JOURNAL_DIGEST_BYTES]);
    let envelope = |bytes| JournalEnvelope::new(anchor(1), anchor(2), vec![1; bytes]);
    assert_eq!(anchor(1).digest(), &[7; 32]);
    assert!(envelope(MAX_JOURNAL_RECORD_BYTES).is_ok());
    let len = MAX_JOURNAL_RECORD_BYTES + 1;
    assert_eq!(envelope(len).err(), Some(JournalEnvelopeError::PayloadTooLarge { len }));

    // It shares a record of the log with its batch, so a little less goes through.
    let db = memory();
    db.create_tree("t").expect("creates");
    db.initialize_journal_stream(anchor(1)).expect("begins");
    let append = |bytes| {
        let envelope = envelope(bytes).expect("is one");
        db.atomic_with_journal_envelope(&envelope, |batch| batch.put("t", b"key", b"value"))
    };
    let Err(Error::Atomic { source, .. }) = append(MAX_JOURNAL_RECORD_BYTES) else {
        panic!("payload and batch do not fit together")
    };
    assert!(matches!(*source, Error::WalRecordTooLarge { .. }), "{source}");
    assert_eq!(append(MAX_JOURNAL_RECORD_BYTES - 4096), Ok(true));
}

/// Gives so many bytes, then fails.
struct Breaks<T>(T, usize);

impl<T: Read> Read for Breaks<T> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        if self.1 == 0 {
            return Err(io::Error::other("the line is dead"));
        }
        // In small pieces, as sockets do.
        let most = buf.len().min(self.1).min(1000);
        let count = self.0.read(&mut buf[..most])?;
        self.1 -= count;
        Ok(count)
    }
}

impl<T: Write> Write for Breaks<T> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.1 = self.1.checked_sub(bytes.len()).ok_or(io::Error::other("the line is dead"))?;
        self.0.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

#[test]
fn images_go_to_writers_and_come_from_readers() {
    let db = memory();
    let tree = db.create_tree("t").expect("creates");
    for at in 0..20_000_u32 {
        tree.put(&at.to_be_bytes(), &[at as u8; 40]).expect("puts");
    }
    let dir = directory();
    let path = dir.path().join("image");
    let file = std::fs::File::create(&path).expect("creates");
    let summary = db.export_checkpoint_to_writer(io::BufWriter::new(file)).expect("writes");
    assert_eq!(summary.records, 20_000);
    let bytes = std::fs::read(&path).expect("reads");
    assert_eq!(bytes, db.export_checkpoint().expect("exports").into_bytes());

    let is_io = |error: Option<Error>, call: &str| match error {
        Some(Error::BlobStoreIo(error)) => {
            error.kind == IoErrorKind::Device && error.call.contains(call)
        }
        _ => false,
    };
    let full = db.export_checkpoint_to_writer(Breaks(Vec::new(), bytes.len() / 2)).err();
    assert!(is_io(full, "write"));
    let copy = memory();
    let dead = copy.install_checkpoint_from_reader(Breaks(&bytes[..], bytes.len() / 2)).err();
    assert!(is_io(dead, "read"));
    let cut = copy.install_checkpoint_from_reader(&bytes[..bytes.len() / 2]).err();
    assert!(matches!(cut, Some(Error::InvalidImage { .. })), "{cut:?}");
    assert_eq!(copy.list_trees(), Ok(vec![]), "nothing changed");
    let whole = Breaks(&bytes[..], usize::MAX);
    assert_eq!(copy.install_checkpoint_from_reader(whole), Ok(summary));
    assert_eq!(contents(&copy.open_tree("t").expect("came along")), contents(&tree));
}

#[test]
fn space_is_given_back_for_a_whole_store() {
    let db = memory();
    let tree = db.create_tree("t").expect("creates");
    assert_eq!(tree.gc(), Err(Error::GcRequiresStandaloneTree));
    assert_eq!(tree.vacuum(), Err(Error::GcRequiresStandaloneTree));
    assert_eq!(db.gc(), Ok(0));
    db.vacuum().expect("gives back");
    let tree = Tree::open(TreeConfig::memory()).expect("opens");
    assert_eq!(tree.gc(), Ok(0));
    tree.vacuum().expect("gives back");
}

#[test]
fn blobs_have_identities_and_aligned_buffers_carry_their_pages() {
    let mut buffer = AlignedBlobBuf::zeroed();
    assert_eq!((buffer.len(), buffer.is_empty()), (limits::MAX_FRAME_BYTES as usize, false));
    assert!(buffer.as_slice().iter().all(|byte| *byte == 0));
    buffer.as_mut_slice()[..3].copy_from_slice(b"abc");
    let moved = Box::new(buffer.clone());
    for buffer in [&buffer, &*moved] {
        assert!(buffer.as_ptr().addr().is_multiple_of(4096));
        assert_eq!(buffer.as_slice()[..4], *b"abc\0");
    }

    let blob: BlobGuid = BlobId::frame(3);
    let store = MemoryBlobStore::new(Geometry::default(), [1; 16]);
    let mut tickets = Vec::new();
    store.stage(&moved.as_slice()[..2 * limits::PAGE_BYTES], &mut tickets).expect("stages");
    let page = |(page, &ticket): (usize, _)| PageAt { page: page as u32, ticket };
    let pages = tickets.iter().enumerate().map(page).collect();
    let put = crate::BlobOp::Put { blob, meta: vec![], pages, dropped: vec![] };
    store.publish(&[put], b"root").expect("publishes");
    assert_eq!(store.list(None, 10), Ok(vec![blob]));
    let mut back = AlignedBlobBuf::with_len(2 * limits::PAGE_BYTES);
    store.read(blob, 0, back.as_mut_slice()).expect("reads");
    assert_eq!(back.as_slice(), &moved.as_slice()[..2 * limits::PAGE_BYTES]);
}

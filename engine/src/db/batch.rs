//! Operations collected to be applied together.
//!
//! Owns: copies of what the caller gave. Never does: check or apply it.

use alloc::collections::BTreeMap;
use alloc::string::String;
use alloc::vec::Vec;
use core::ops::Range;

use crate::ids::{RecordVersion, TreeId};
use crate::txn::{Expect, Request};

#[derive(Clone, Copy)]
enum Kind {
    Put(Expect),
    Delete(Expect),
    Assert(Expect),
    AssertPrefixEmpty,
    Rename { force: bool },
    RenamePrefix { force: bool },
    DeletePrefix,
}

struct Op {
    kind: Kind,
    /// Which of the batch's trees.
    tree: usize,
    /// The key, the prefix, or where a rename starts.
    first: Range<usize>,
    /// The value, or where a rename ends.
    second: Range<usize>,
}

/// Operations and, one after the other, their bytes.
#[derive(Default)]
struct Collected {
    bytes: Vec<u8>,
    ops: Vec<Op>,
}

impl Collected {
    fn push(&mut self, tree: usize, kind: Kind, first: &[u8], second: &[u8]) {
        let start = self.bytes.len();
        self.bytes.extend_from_slice(first);
        let middle = self.bytes.len();
        self.bytes.extend_from_slice(second);
        let end = self.bytes.len();
        self.ops.push(Op { kind, tree, first: start..middle, second: middle..end });
    }

    fn request(&self, op: &Op, trees: &[TreeId]) -> Request<'_> {
        let tree = trees[op.tree];
        let (first, second) = (&self.bytes[op.first.clone()], &self.bytes[op.second.clone()]);
        match op.kind {
            Kind::Put(when) => Request::Put { tree, key: first, value: second, when },
            Kind::Delete(when) => Request::Delete { tree, key: first, when },
            Kind::Assert(when) => Request::Assert { tree, key: first, when },
            Kind::AssertPrefixEmpty => Request::AssertPrefixEmpty { tree, prefix: first },
            Kind::Rename { force } => Request::Rename { tree, src: first, dst: second, force },
            Kind::RenamePrefix { force } => {
                Request::RenamePrefix { tree, src: first, dst: second, force }
            }
            Kind::DeletePrefix => Request::DeletePrefix { tree, prefix: first },
        }
    }

    /// What is asked of the transaction layer; `trees` are the ids of the batch's trees.
    fn requests(&self, trees: &[TreeId]) -> Vec<Request<'_>> {
        self.ops.iter().map(|op| self.request(op, trees)).collect()
    }
}

macro_rules! operations {
    ($($tree:ident: $name:ty)?) => {
        /// Writes a record, replacing any under the same key.
        pub fn put(&mut self, $($tree: $name,)? key: &[u8], value: &[u8]) {
            self.push($($tree,)? Kind::Put(Expect::Anything), key, value);
        }

        /// Writes a record; the batch fails if there is one under the key.
        pub fn put_if_absent(&mut self, $($tree: $name,)? key: &[u8], value: &[u8]) {
            self.push($($tree,)? Kind::Put(Expect::Absent), key, value);
        }

        /// Replaces a record; the batch fails unless it is there in this version.
        pub fn compare_and_put(
            &mut self,
            $($tree: $name,)?
            key: &[u8],
            expected: RecordVersion,
            value: &[u8],
        ) {
            self.push($($tree,)? Kind::Put(Expect::Version(expected)), key, value);
        }

        /// Deletes a record; one that is not there is fine.
        pub fn delete(&mut self, $($tree: $name,)? key: &[u8]) {
            self.push($($tree,)? Kind::Delete(Expect::Anything), key, &[]);
        }

        /// Deletes a record; the batch fails unless it is there in this version.
        pub fn delete_if_version(
            &mut self,
            $($tree: $name,)?
            key: &[u8],
            expected: RecordVersion,
        ) {
            self.push($($tree,)? Kind::Delete(Expect::Version(expected)), key, &[]);
        }

        /// The batch fails unless the record is there in this version.
        pub fn assert_version(&mut self, $($tree: $name,)? key: &[u8], expected: RecordVersion) {
            self.push($($tree,)? Kind::Assert(Expect::Version(expected)), key, &[]);
        }

        /// The batch fails if there is a record under the key.
        pub fn assert_absent(&mut self, $($tree: $name,)? key: &[u8]) {
            self.push($($tree,)? Kind::Assert(Expect::Absent), key, &[]);
        }

        /// The batch fails if any key starts with the prefix.
        pub fn assert_prefix_empty(&mut self, $($tree: $name,)? prefix: &[u8]) {
            self.push($($tree,)? Kind::AssertPrefixEmpty, prefix, &[]);
        }

        /// Moves a record, with a new version. If `src` is not there, or `dst` is and `force`
        /// is not given, the batch ends with an error. `src == dst` changes nothing.
        pub fn rename(&mut self, $($tree: $name,)? src: &[u8], dst: &[u8], force: bool) {
            self.push($($tree,)? Kind::Rename { force }, src, dst);
        }

        /// Moves every record under `src` to `dst`, versions kept. If a key is under `dst` and
        /// `force` is not given, the batch ends with an error; with it `dst` is replaced.
        /// Nothing under `src`: nothing changes.
        pub fn rename_prefix(&mut self, $($tree: $name,)? src: &[u8], dst: &[u8], force: bool) {
            self.push($($tree,)? Kind::RenamePrefix { force }, src, dst);
        }

        /// Deletes every record whose key starts with the prefix; none is fine.
        pub fn delete_prefix(&mut self, $($tree: $name,)? prefix: &[u8]) {
            self.push($($tree,)? Kind::DeletePrefix, prefix, &[]);
        }

        /// Operations so far, guards included.
        pub fn len(&self) -> usize {
            self.collected.ops.len()
        }

        /// Whether there are none.
        pub fn is_empty(&self) -> bool {
            self.collected.ops.is_empty()
        }
    };
}

/// Changes of one tree that take effect together or not at all, as one log record. They apply in
/// order; each sees the effects of those before it, and so does each guard.
///
/// ```
/// let tree = holt_engine::db::Tree::memory()?;
/// tree.put_many(&[(b"a", b"1"), (b"b", b"2"), (b"tmp/x", b""), (b"tmp/y", b"")])?;
/// let version = tree.get_version(b"a")?.expect("is there");
/// let applied = tree.atomic(|batch| {
///     // Guards: if one does not hold, nothing is applied.
///     batch.assert_version(b"a", version);
///     batch.assert_absent(b"c");
///     batch.assert_prefix_empty(b"old/");
///     // Conditional changes.
///     batch.compare_and_put(b"a", version, b"3");
///     batch.put_if_absent(b"c", b"4");
///     // Others. Each sees those before it.
///     batch.rename(b"c", b"d", false);
///     batch.delete(b"b");
///     batch.rename_prefix(b"tmp/", b"old/", false);
///     batch.put(b"e", b"5");
///     assert_eq!(batch.len(), 9);
/// })?;
/// assert!(applied);
/// assert_eq!(tree.get(b"d")?.as_deref(), Some(&b"4"[..]));
/// // The version is another one by now.
/// assert!(!tree.atomic(|batch| batch.delete_if_version(b"a", version))?);
/// # Ok::<(), holt_engine::error::Error>(())
/// ```
#[derive(Default)]
pub struct AtomicBatch {
    collected: Collected,
}

impl AtomicBatch {
    operations!();

    fn push(&mut self, kind: Kind, first: &[u8], second: &[u8]) {
        self.collected.push(0, kind, first, second);
    }

    pub(super) fn requests(&self, tree: TreeId) -> Vec<Request<'_>> {
        self.collected.requests(&[tree])
    }
}

/// The same for several trees of one store: each operation names its tree first.
///
/// ```
/// let db = holt_engine::db::DB::memory()?;
/// let (files, users) = (db.create_tree("files")?, db.create_tree("users")?);
/// let applied = db.atomic(|batch| {
///     batch.put_if_absent("users", b"ann", b"");
///     batch.put("files", b"ann/notes", b"text");
/// })?;
/// assert!(applied && users.contains_key(b"ann")? && files.contains_key(b"ann/notes")?);
/// # Ok::<(), holt_engine::error::Error>(())
/// ```
#[derive(Default)]
pub struct DBAtomicBatch {
    collected: Collected,
    /// Its trees, in the order of their first operation.
    names: BTreeMap<String, usize>,
}

impl DBAtomicBatch {
    operations!(tree: &str);

    fn push(&mut self, tree: &str, kind: Kind, first: &[u8], second: &[u8]) {
        let tree = match self.names.get(tree) {
            Some(&known) => known,
            None => {
                let next = self.names.len();
                self.names.insert(tree.into(), next);
                next
            }
        };
        self.collected.push(tree, kind, first, second);
    }

    /// The names of its trees, each once, and the number by which operations name it.
    pub(super) fn names(&self) -> &BTreeMap<String, usize> {
        &self.names
    }

    pub(super) fn requests(&self, trees: &[TreeId]) -> Vec<Request<'_>> {
        self.collected.requests(trees)
    }
}

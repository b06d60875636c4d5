//! The changes of a batch, as values and packed.
//!
//! Owns: one definition of what a batch may ask for, its packed form in both directions, and how
//! it is handed to the engine's batches. Never does: decide whether a batch may be applied.

use holt_engine::db::{AtomicBatch, DBAtomicBatch};
use holt_engine::error::{Error, Result};
use holt_engine::ids::RecordVersion;
use holt_engine::limits::{
    MAX_BATCH_OPS, MAX_KEY_BYTES, MAX_RECORD_BYTES, MAX_TREE_NAME_BYTES, MAX_VALUE_BYTES,
};

use crate::bytes::{Reader, malformed, put_framed};
use crate::limits::MAX_PACKED_BATCH_BYTES;

const PUT: u8 = 0;
const DELETE: u8 = 1;
const PUT_IF_ABSENT: u8 = 2;
const COMPARE_AND_PUT: u8 = 3;
const DELETE_IF_VERSION: u8 = 4;
const ASSERT_VERSION: u8 = 5;
const ASSERT_ABSENT: u8 = 6;
const ASSERT_PREFIX_EMPTY: u8 = 7;
const RENAME: u8 = 8;
const RENAME_PREFIX: u8 = 9;
const DELETE_PREFIX: u8 = 10;
/// Not a change: names the tree of those that follow.
const TREE: u8 = 255;

/// One change of a batch, or a condition of it; `B` holds bytes.
///
/// Changes apply in order, and each sees the effects of those before it. A condition that does
/// not hold ends the batch with nothing applied.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change<B> {
    /// Writes a record, replacing any under the same key.
    Put {
        /// Key.
        key: B,
        /// Value.
        value: B,
    },
    /// Deletes a record; one that is not there is fine.
    Delete {
        /// Key.
        key: B,
    },
    /// Writes a record; the condition is that there is none under the key.
    PutIfAbsent {
        /// Key.
        key: B,
        /// Value.
        value: B,
    },
    /// Replaces a record; the condition is that it is there in this version.
    CompareAndPut {
        /// Key.
        key: B,
        /// Version it must have.
        expected: RecordVersion,
        /// Value.
        value: B,
    },
    /// Deletes a record; the condition is that it is there in this version.
    DeleteIfVersion {
        /// Key.
        key: B,
        /// Version it must have.
        expected: RecordVersion,
    },
    /// The condition that a record is there in this version.
    AssertVersion {
        /// Key.
        key: B,
        /// Version it must have.
        expected: RecordVersion,
    },
    /// The condition that there is no record under the key.
    AssertAbsent {
        /// Key.
        key: B,
    },
    /// The condition that no key starts with the prefix.
    AssertPrefixEmpty {
        /// Prefix.
        prefix: B,
    },
    /// Moves a record, with a new version; a failure of the batch if that cannot be.
    Rename {
        /// Key it has.
        src: B,
        /// Key it gets.
        dst: B,
        /// Whether it may replace a record.
        force: bool,
    },
    /// Moves every record under a prefix; they keep their versions.
    RenamePrefix {
        /// What the keys start with.
        src: B,
        /// What they start with afterwards.
        dst: B,
        /// Whether what lies under `dst` may be replaced.
        force: bool,
    },
    /// Deletes every record under a prefix.
    DeletePrefix {
        /// Prefix.
        prefix: B,
    },
}

/// A change that borrows its bytes.
pub type ChangeRef<'a> = Change<&'a [u8]>;

impl<B> Change<B> {
    /// The same change with its bytes held another way.
    pub fn map<C>(self, mut hold: impl FnMut(B) -> C) -> Change<C> {
        match self {
            Self::Put { key, value } => Change::Put { key: hold(key), value: hold(value) },
            Self::Delete { key } => Change::Delete { key: hold(key) },
            Self::PutIfAbsent { key, value } => {
                Change::PutIfAbsent { key: hold(key), value: hold(value) }
            }
            Self::CompareAndPut { key, expected, value } => {
                Change::CompareAndPut { key: hold(key), expected, value: hold(value) }
            }
            Self::DeleteIfVersion { key, expected } => {
                Change::DeleteIfVersion { key: hold(key), expected }
            }
            Self::AssertVersion { key, expected } => {
                Change::AssertVersion { key: hold(key), expected }
            }
            Self::AssertAbsent { key } => Change::AssertAbsent { key: hold(key) },
            Self::AssertPrefixEmpty { prefix } => {
                Change::AssertPrefixEmpty { prefix: hold(prefix) }
            }
            Self::Rename { src, dst, force } => {
                Change::Rename { src: hold(src), dst: hold(dst), force }
            }
            Self::RenamePrefix { src, dst, force } => {
                Change::RenamePrefix { src: hold(src), dst: hold(dst), force }
            }
            Self::DeletePrefix { prefix } => Change::DeletePrefix { prefix: hold(prefix) },
        }
    }
}

impl<B: AsRef<[u8]>> Change<B> {
    /// The change with its bytes borrowed.
    pub fn borrowed(&self) -> ChangeRef<'_> {
        match self {
            Self::Put { key, value } => Change::Put { key: key.as_ref(), value: value.as_ref() },
            Self::Delete { key } => Change::Delete { key: key.as_ref() },
            Self::PutIfAbsent { key, value } => {
                Change::PutIfAbsent { key: key.as_ref(), value: value.as_ref() }
            }
            Self::CompareAndPut { key, expected, value } => {
                let (key, value) = (key.as_ref(), value.as_ref());
                Change::CompareAndPut { key, expected: *expected, value }
            }
            Self::DeleteIfVersion { key, expected } => {
                Change::DeleteIfVersion { key: key.as_ref(), expected: *expected }
            }
            Self::AssertVersion { key, expected } => {
                Change::AssertVersion { key: key.as_ref(), expected: *expected }
            }
            Self::AssertAbsent { key } => Change::AssertAbsent { key: key.as_ref() },
            Self::AssertPrefixEmpty { prefix } => {
                Change::AssertPrefixEmpty { prefix: prefix.as_ref() }
            }
            Self::Rename { src, dst, force } => {
                Change::Rename { src: src.as_ref(), dst: dst.as_ref(), force: *force }
            }
            Self::RenamePrefix { src, dst, force } => {
                Change::RenamePrefix { src: src.as_ref(), dst: dst.as_ref(), force: *force }
            }
            Self::DeletePrefix { prefix } => Change::DeletePrefix { prefix: prefix.as_ref() },
        }
    }
}

impl<'a> ChangeRef<'a> {
    /// The change with bytes of its own.
    pub fn to_owned(self) -> Change<Vec<u8>> {
        self.map(Vec::from)
    }

    /// Checks the lengths of keys, prefixes and value.
    ///
    /// # Errors
    /// `KeyTooLong` and `ValueTooLong`.
    pub fn check(self) -> Result<()> {
        match self {
            Self::Put { key, value }
            | Self::PutIfAbsent { key, value }
            | Self::CompareAndPut { key, value, .. } => {
                check_key(key)?;
                check_value(value)
            }
            Self::Delete { key }
            | Self::DeleteIfVersion { key, .. }
            | Self::AssertVersion { key, .. }
            | Self::AssertAbsent { key } => check_key(key),
            Self::AssertPrefixEmpty { prefix } | Self::DeletePrefix { prefix } => check_key(prefix),
            Self::Rename { src, dst, .. } | Self::RenamePrefix { src, dst, .. } => {
                check_key(src)?;
                check_key(dst)
            }
        }
    }

    /// Adds the change to a batch of the engine.
    pub fn add_to(self, batch: &mut AtomicBatch) {
        match self {
            Self::Put { key, value } => batch.put(key, value),
            Self::Delete { key } => batch.delete(key),
            Self::PutIfAbsent { key, value } => batch.put_if_absent(key, value),
            Self::CompareAndPut { key, expected, value } => {
                batch.compare_and_put(key, expected, value);
            }
            Self::DeleteIfVersion { key, expected } => batch.delete_if_version(key, expected),
            Self::AssertVersion { key, expected } => batch.assert_version(key, expected),
            Self::AssertAbsent { key } => batch.assert_absent(key),
            Self::AssertPrefixEmpty { prefix } => batch.assert_prefix_empty(prefix),
            Self::Rename { src, dst, force } => batch.rename(src, dst, force),
            Self::RenamePrefix { src, dst, force } => batch.rename_prefix(src, dst, force),
            Self::DeletePrefix { prefix } => batch.delete_prefix(prefix),
        }
    }

    /// Adds the change, of this tree, to a batch over several trees.
    pub fn add_to_db(self, tree: &str, batch: &mut DBAtomicBatch) {
        match self {
            Self::Put { key, value } => batch.put(tree, key, value),
            Self::Delete { key } => batch.delete(tree, key),
            Self::PutIfAbsent { key, value } => batch.put_if_absent(tree, key, value),
            Self::CompareAndPut { key, expected, value } => {
                batch.compare_and_put(tree, key, expected, value);
            }
            Self::DeleteIfVersion { key, expected } => {
                batch.delete_if_version(tree, key, expected);
            }
            Self::AssertVersion { key, expected } => batch.assert_version(tree, key, expected),
            Self::AssertAbsent { key } => batch.assert_absent(tree, key),
            Self::AssertPrefixEmpty { prefix } => batch.assert_prefix_empty(tree, prefix),
            Self::Rename { src, dst, force } => batch.rename(tree, src, dst, force),
            Self::RenamePrefix { src, dst, force } => batch.rename_prefix(tree, src, dst, force),
            Self::DeletePrefix { prefix } => batch.delete_prefix(tree, prefix),
        }
    }

    fn write(self, out: &mut Vec<u8>) -> Result<()> {
        let version = |expected: RecordVersion| expected.as_u64().to_le_bytes();
        match self {
            Self::Put { key, value } => write_fields(out, PUT, &[], &[key, value]),
            Self::Delete { key } => write_fields(out, DELETE, &[], &[key]),
            Self::PutIfAbsent { key, value } => {
                write_fields(out, PUT_IF_ABSENT, &[], &[key, value])
            }
            Self::CompareAndPut { key, expected, value } => {
                write_fields(out, COMPARE_AND_PUT, &[], &[key])?;
                out.extend_from_slice(&version(expected));
                put_framed(out, value)
            }
            Self::DeleteIfVersion { key, expected } => {
                write_fields(out, DELETE_IF_VERSION, &[], &[key])?;
                out.extend_from_slice(&version(expected));
                Ok(())
            }
            Self::AssertVersion { key, expected } => {
                write_fields(out, ASSERT_VERSION, &[], &[key])?;
                out.extend_from_slice(&version(expected));
                Ok(())
            }
            Self::AssertAbsent { key } => write_fields(out, ASSERT_ABSENT, &[], &[key]),
            Self::AssertPrefixEmpty { prefix } => {
                write_fields(out, ASSERT_PREFIX_EMPTY, &[], &[prefix])
            }
            Self::Rename { src, dst, force } => {
                write_fields(out, RENAME, &[u8::from(force)], &[src, dst])
            }
            Self::RenamePrefix { src, dst, force } => {
                write_fields(out, RENAME_PREFIX, &[u8::from(force)], &[src, dst])
            }
            Self::DeletePrefix { prefix } => write_fields(out, DELETE_PREFIX, &[], &[prefix]),
        }
    }

    fn read(kind: u8, reader: &mut Reader<'a>) -> Result<Self> {
        let version = |reader: &mut Reader<'a>| reader.u64().map(RecordVersion::from_raw);
        Ok(match kind {
            PUT => Self::Put { key: reader.framed()?, value: reader.framed()? },
            DELETE => Self::Delete { key: reader.framed()? },
            PUT_IF_ABSENT => Self::PutIfAbsent { key: reader.framed()?, value: reader.framed()? },
            COMPARE_AND_PUT => Self::CompareAndPut {
                key: reader.framed()?,
                expected: version(reader)?,
                value: reader.framed()?,
            },
            DELETE_IF_VERSION => {
                Self::DeleteIfVersion { key: reader.framed()?, expected: version(reader)? }
            }
            ASSERT_VERSION => {
                Self::AssertVersion { key: reader.framed()?, expected: version(reader)? }
            }
            ASSERT_ABSENT => Self::AssertAbsent { key: reader.framed()? },
            ASSERT_PREFIX_EMPTY => Self::AssertPrefixEmpty { prefix: reader.framed()? },
            RENAME | RENAME_PREFIX => {
                let force = reader.flag()?;
                let (src, dst) = (reader.framed()?, reader.framed()?);
                match kind {
                    RENAME => Self::Rename { src, dst, force },
                    _ => Self::RenamePrefix { src, dst, force },
                }
            }
            DELETE_PREFIX => Self::DeletePrefix { prefix: reader.framed()? },
            _ => return Err(malformed("change of an unknown kind")),
        })
    }
}

fn write_fields(out: &mut Vec<u8>, kind: u8, flags: &[u8], fields: &[&[u8]]) -> Result<()> {
    out.push(kind);
    out.extend_from_slice(flags);
    fields.iter().try_for_each(|field| put_framed(out, field))
}

/// Checks the length of a key or prefix.
///
/// # Errors
/// `KeyTooLong`.
pub fn check_key(key: &[u8]) -> Result<()> {
    match key.len() {
        0..=MAX_KEY_BYTES => Ok(()),
        len => Err(Error::KeyTooLong { len }),
    }
}

/// Checks the length of a value.
///
/// # Errors
/// `ValueTooLong`.
pub fn check_value(value: &[u8]) -> Result<()> {
    match value.len() {
        0..=MAX_VALUE_BYTES => Ok(()),
        len => Err(Error::ValueTooLong { len }),
    }
}

/// Checks that a packed batch is not larger than one may be.
///
/// # Errors
/// `WalRecordTooLarge`.
pub fn check_packed(packed: &[u8]) -> Result<()> {
    match packed.len() {
        0..=MAX_PACKED_BATCH_BYTES => Ok(()),
        bytes => Err(Error::WalRecordTooLarge { bytes, maximum: MAX_RECORD_BYTES }),
    }
}

/// Puts changes into packed form.
#[derive(Debug, Default)]
pub struct Packer {
    out: Vec<u8>,
    tree: Option<String>,
    count: usize,
}

impl Packer {
    /// For so many changes.
    ///
    /// # Errors
    /// `BatchTooLarge` if that is more than a batch may have.
    pub fn with_len(len: usize) -> Result<Self> {
        match len {
            0..=MAX_BATCH_OPS => Ok(Self::default()),
            len => Err(Error::BatchTooLarge { len }),
        }
    }

    /// Appends a change of a batch of one tree.
    ///
    /// # Errors
    /// `KeyTooLong`, `ValueTooLong`, `BatchTooLarge` and `WalRecordTooLarge`.
    pub fn push(&mut self, change: ChangeRef<'_>) -> Result<()> {
        change.check()?;
        self.count += 1;
        if self.count > MAX_BATCH_OPS {
            return Err(Error::BatchTooLarge { len: self.count });
        }
        change.write(&mut self.out)?;
        check_packed(&self.out)
    }

    /// Appends a change of a batch over several trees.
    ///
    /// # Errors
    /// Those of [`Packer::push`]; `TreeNotFound` for a name that no tree can have.
    pub fn push_of(&mut self, tree: &str, change: ChangeRef<'_>) -> Result<()> {
        if self.tree.as_deref() != Some(tree) {
            if tree.len() > MAX_TREE_NAME_BYTES {
                return Err(Error::TreeNotFound { name: crate::text::bounded(tree) });
            }
            write_fields(&mut self.out, TREE, &[], &[tree.as_bytes()])?;
            self.tree = Some(tree.into());
        }
        self.push(change)
    }

    /// The packed changes.
    pub fn finish(self) -> Vec<u8> {
        self.out
    }
}

/// Reads packed changes of one tree, handing each to `each`; returns how many there were.
///
/// # Errors
/// `InvalidArgument` for bytes of another form, `BatchTooLarge` beyond `MAX_BATCH_OPS`,
/// `KeyTooLong`, `ValueTooLong`. `each` may have been called before any of them.
pub fn for_each<'a>(packed: &'a [u8], mut each: impl FnMut(ChangeRef<'a>)) -> Result<usize> {
    read_all(packed, false, |_, change| each(change))
}

/// The same for changes of several trees; `each` gets the name of the tree too.
///
/// # Errors
/// Those of [`for_each`].
pub fn for_each_of<'a>(
    packed: &'a [u8],
    each: impl FnMut(&'a str, ChangeRef<'a>),
) -> Result<usize> {
    read_all(packed, true, each)
}

fn read_all<'a>(
    packed: &'a [u8],
    named: bool,
    mut each: impl FnMut(&'a str, ChangeRef<'a>),
) -> Result<usize> {
    check_packed(packed)?;
    let mut reader = Reader::new(packed);
    let (mut count, mut tree) = (0, None);
    while !reader.is_empty() {
        let kind = reader.u8()?;
        if named && kind == TREE {
            tree = Some(reader.name(MAX_TREE_NAME_BYTES)?);
            continue;
        }
        let name = match (named, tree) {
            (false, _) => "",
            (true, Some(tree)) => tree,
            (true, None) => return Err(malformed("change before the name of its tree")),
        };
        count += 1;
        if count > MAX_BATCH_OPS {
            return Err(Error::BatchTooLarge { len: count });
        }
        let change = ChangeRef::read(kind, &mut reader)?;
        change.check()?;
        each(name, change);
    }
    Ok(count)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn version(raw: u64) -> RecordVersion {
        RecordVersion::from_raw(raw)
    }

    fn every_kind(long: &[u8]) -> [ChangeRef<'_>; 12] {
        [
            Change::Put { key: b"a", value: b"" },
            Change::Delete { key: b"" },
            Change::PutIfAbsent { key: b"b/c", value: long },
            Change::CompareAndPut { key: b"d", expected: version(u64::MAX), value: b"e" },
            Change::DeleteIfVersion { key: b"f", expected: version(0) },
            Change::AssertVersion { key: b"g", expected: version(1 << 40) },
            Change::AssertAbsent { key: b"h" },
            Change::AssertPrefixEmpty { prefix: b"" },
            Change::Rename { src: b"i", dst: b"", force: true },
            Change::Rename { src: b"", dst: b"j", force: false },
            Change::RenamePrefix { src: b"k/", dst: b"l/", force: true },
            Change::DeletePrefix { prefix: b"m/" },
        ]
    }

    fn packed(changes: &[ChangeRef<'_>]) -> Vec<u8> {
        let mut packer = Packer::default();
        changes.iter().for_each(|change| packer.push(*change).unwrap());
        packer.finish()
    }

    #[test]
    fn changes_read_back_as_packed() {
        let long = vec![7; MAX_VALUE_BYTES];
        let changes = every_kind(&long);
        let packed = packed(&changes);
        let mut back = Vec::new();
        assert_eq!(for_each(&packed, |change| back.push(change)), Ok(changes.len()));
        assert_eq!(back, changes);
        for change in changes {
            assert_eq!(change.to_owned().borrowed(), change);
        }
    }

    #[test]
    fn trees_are_named_when_they_change() {
        let changes = every_kind(b"value");
        let mut packer = Packer::default();
        let trees = ["one", "one", "two", "one"];
        for (tree, change) in trees.iter().zip(changes) {
            packer.push_of(tree, change).unwrap();
        }
        let packed = packer.finish();
        let mut back = Vec::new();
        let read = for_each_of(&packed, |tree, change| back.push((tree, change)));
        assert_eq!(read, Ok(trees.len()));
        assert_eq!(back, trees.into_iter().zip(changes).collect::<Vec<_>>());
        let named = |name: &[u8]| packed.windows(name.len()).filter(|at| *at == name).count();
        assert_eq!((named(b"\xff\x03\0\0\0one"), named(b"\xff\x03\0\0\0two")), (2, 1));
        // What is of several trees is not read as of one, nor the other way round.
        assert!(for_each(&packed, |_| ()).is_err());
        assert!(for_each_of(&super::tests::packed(&changes), |_, _| ()).is_err());
        let mut odd = packed;
        odd[5] = 0xff;
        assert!(for_each_of(&odd, |_, _| ()).is_err(), "a name that is not UTF-8");
    }

    #[test]
    fn every_cut_and_every_wrong_byte_is_refused_or_reads_as_changes() {
        for change in every_kind(b"value") {
            let packed = packed(&[change]);
            for len in 1..packed.len() {
                assert!(for_each(&packed[..len], |_| ()).is_err(), "{change:?} cut at {len}");
            }
            for at in 0..packed.len() {
                for value in 0..=u8::MAX {
                    let mut wrong = packed.clone();
                    wrong[at] = value;
                    let _ = for_each(&wrong, |_| ());
                    let _ = for_each_of(&wrong, |_, _| ());
                }
            }
        }
        for kind in DELETE_PREFIX + 1..=u8::MAX {
            assert!(for_each(&[kind, 0, 0, 0, 0], |_| ()).is_err(), "kind {kind}");
        }
    }

    #[test]
    fn limits_are_checked_before_anything_is_written() {
        let key = vec![0; MAX_KEY_BYTES + 1];
        let mut packer = Packer::default();
        let error = packer.push(Change::Rename { src: b"", dst: &key, force: false });
        assert_eq!(error, Err(Error::KeyTooLong { len: MAX_KEY_BYTES + 1 }));
        assert!(packer.finish().is_empty());
        let many = [DELETE, 0, 0, 0, 0].repeat(MAX_BATCH_OPS + 1);
        let error = for_each(&many, |_| ());
        assert_eq!(error, Err(Error::BatchTooLarge { len: MAX_BATCH_OPS + 1 }));
        let mut long = vec![DELETE];
        put_framed(&mut long, &key).unwrap();
        let error = for_each(&long, |_| ());
        assert_eq!(error, Err(Error::KeyTooLong { len: MAX_KEY_BYTES + 1 }));
        let huge = vec![0; MAX_PACKED_BATCH_BYTES + 1];
        assert!(matches!(for_each(&huge, |_| ()), Err(Error::WalRecordTooLarge { .. })));
    }
}

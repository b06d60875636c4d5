//! The operations by name: what a home says it has, and what a suite counts.
//!
//! Owns: [`Kind`] and the row of `docs/api.toml` that each belongs to. Never does: say which home
//! has which.

macro_rules! kinds {
    ($($kind:ident $name:literal $row:literal,)*) => {
        /// An operation, or a part of one that a home may have or not: a bound of a scan, an
        /// operation of a batch.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[allow(missing_docs, reason = "fields and kinds are named as what they are")]
        pub enum Kind {
            $($kind,)*
        }

        impl Kind {
            /// All kinds.
            pub const ALL: &[Self] = &[$(Self::$kind,)*];

            /// Its name in reports.
            pub const fn name(self) -> &'static str {
                match self {
                    $(Self::$kind => $name,)*
                }
            }

            /// The row of `docs/api.toml` it belongs to.
            pub const fn row(self) -> &'static str {
                match self {
                    $(Self::$kind => $row,)*
                }
            }
        }
    };
}

kinds! {
    Get "get" "`get(k)`",
    GetRecord "get-record" "`get_record(k)`",
    GetVersion "get-version" "`get_version(k)`",
    GetWith "get-with" "`get_with(k, |bytes| R)`",
    GetInto "get-into" "`get_into(k, &mut Vec)`",
    ContainsKey "contains-key" "`contains_key(k)`",
    GetMany "get-many" "`get_many(&[k])`",
    LongestPrefix "longest-prefix" "`longest_prefix_record(query)`",
    IsPrefixEmpty "is-prefix-empty" "`is_prefix_empty(p)`",
    PrefixCount "prefix-count" "`prefix_count(p, limit)`",

    Put "put" "`put(k, v)`",
    Insert "insert" "`insert(k, v)`",
    Delete "delete" "`delete(k)`",
    Remove "remove" "`remove(k)`",
    PutIfAbsent "put-if-absent" "`put_if_absent(k, v)`",
    PutMany "put-many" "`put_many(&[(k, v)])`",
    PutManyIfAbsent "put-many-if-absent" "`put_many_if_absent(&[(k, v)])`",
    CompareAndPut "compare-and-put" "`compare_and_put(k, version, v)`",
    DeleteIfVersion "delete-if-version" "`delete_if_version(k, version)`",
    Rename "rename" "`rename(src, dst, force)`",
    RenamePrefix "rename-prefix" "`rename_prefix(src, dst, force)`",
    DeletePrefix "delete-prefix" "`delete_prefix(p)`",

    Page "page" "`.page(max_entries, max_bytes, token)`",
    Tokens "pages by token" "page tokens",
    Iterate "iterate" "iterators",
    Visit "visit" "`.visit_with_outcome(limit, f)`",
    ScanRecords "of records" "`range()`, `scan(prefix)`",
    ScanKeys "of keys" "`range_keys()`, `scan_keys(prefix)`",
    StartAfter "start-after" "`.start_after(k)`",
    StartAt "start-at" "`.start_at(k)`",
    EndBefore "end-before" "`.end_before(k)`",
    Reverse "reverse" "`.reverse()`",
    Delimiter "delimiter" "`.delimiter(byte)`",

    Atomic "atomic" "`atomic(|b| …)`",
    Txn "txn" "`txn(|b| …)`",
    BatchPut "batch put" "`AtomicBatch::put`, `::delete`",
    BatchDelete "batch delete" "`AtomicBatch::put`, `::delete`",
    BatchPutIfAbsent "batch put-if-absent" "`AtomicBatch::put_if_absent`",
    BatchCompareAndPut "batch compare-and-put"
        "`AtomicBatch::compare_and_put`, `::delete_if_version`",
    BatchDeleteIfVersion "batch delete-if-version"
        "`AtomicBatch::compare_and_put`, `::delete_if_version`",
    AssertVersion "assert-version"
        "`AtomicBatch::assert_version`, `::assert_absent`, `::assert_prefix_empty`",
    AssertAbsent "assert-absent"
        "`AtomicBatch::assert_version`, `::assert_absent`, `::assert_prefix_empty`",
    AssertPrefixEmpty "assert-prefix-empty"
        "`AtomicBatch::assert_version`, `::assert_absent`, `::assert_prefix_empty`",
    BatchRename "batch rename" "`AtomicBatch::rename`",
    BatchRenamePrefix "batch rename-prefix" "`AtomicBatch::rename_prefix`, `::delete_prefix`",
    BatchDeletePrefix "batch delete-prefix" "`AtomicBatch::rename_prefix`, `::delete_prefix`",

    View "view" "`view(prefix, |v| R)`",
    Snapshot "snapshot" "`snapshot(prefix)`",
    SnapshotDrop "snapshot drop" "`Snapshot::epoch`, `::view`, `::retire`",
    ViewGet "get in view" "`View::get`, `::get_record`, `::get_version`",
    ViewLongestPrefix "longest-prefix in view" "`View::longest_prefix_record`",
    ViewScan "scan in view" "`View::range`, `::scan`, `::range_keys`, `::scan_keys`",
    ViewPrefix "prefix in view" "`View::is_prefix_empty`, `::prefix_count`",

    CreateTree "create-tree" "`create_tree(name)`",
    OpenTree "open-tree" "`open_tree(name)`",
    OpenOrCreateTree "open-or-create-tree" "`open_or_create_tree(name)`",
    DropTree "drop-tree" "`drop_tree(name)`",
    ListTrees "list-trees" "`list_trees()`",
    InTree "in named tree" "tree names",
    AcrossTrees "across trees" "`DB::atomic(|b| …)`",

    Checkpoint "checkpoint" "`checkpoint()`",
    Compact "compact" "`compact()`",
    Maintain "maintain" "`maintain(budget)`",
    Sync "sync" "`sync()`",
    Gc "gc" "`gc()`",
    Vacuum "vacuum" "`vacuum()`",
    Verify "verify" "`verify()`",
    Reopen "reopen" "`TreeBuilder::new(dir)`, `.open()`",
}

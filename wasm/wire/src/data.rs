//! Requests, records and pages as the types that the two binding generators make.
//!
//! Owns: the checks of what crossed the boundary in typed form; packed forms have their own.

/// Makes conversions of requests and data for the generated module `holt:metadata/types` at the
/// given path. Those named `…_from_wit` check what they are given.
#[macro_export]
macro_rules! data_conversions {
    ($($types:tt)*) => {
        use $($types)* as data_wit;

        /// A record.
        pub(crate) fn versioned(record: ::holt_engine::db::Record) -> data_wit::Versioned {
            let version = record.version.as_u64();
            data_wit::Versioned { value: record.value, version }
        }

        /// A record with its key.
        pub(crate) fn entry_to_wit(found: ::holt_engine::db::PrefixRecord) -> data_wit::Entry {
            let version = found.version.as_u64();
            data_wit::Entry { key: found.key, value: found.value, version }
        }

        /// How many keys a prefix has.
        pub(crate) fn count_to_wit(
            count: ::holt_engine::db::PrefixCount,
        ) -> data_wit::PrefixCount {
            data_wit::PrefixCount { count: count.count, exact: count.exact }
        }

        /// What part to scan. It is checked where it is read.
        pub(crate) fn scan_from_wit(
            request: data_wit::ScanRequest,
        ) -> $crate::scan::ScanRequest {
            $crate::scan::ScanRequest {
                prefix: request.prefix,
                start_after: request.start_after,
                start_at: request.start_at,
                end_before: request.end_before,
                reverse: request.reverse,
                delimiter: request.delimiter,
                keys_only: request.keys_only,
                max_entries: request.max_entries as usize,
                max_bytes: request.max_bytes as usize,
                resume: request.resume,
            }
        }

        /// A page of a scan.
        pub(crate) fn page_to_wit(
            page: $crate::scan::Page,
        ) -> ::holt_engine::error::Result<data_wit::Page> {
            use ::holt_engine::db::RangeEntry;
            let items = page.entries.into_iter().map(|entry| match entry {
                RangeEntry::Key { key, value, version } => {
                    let version = version.as_u64();
                    Ok(data_wit::Item::Entry(data_wit::Entry { key, value, version }))
                }
                RangeEntry::CommonPrefix(prefix) => Ok(data_wit::Item::CommonPrefix(prefix)),
                _ => Err($crate::scan::UNKNOWN_ENTRY),
            });
            let items = items.collect::<::holt_engine::error::Result<_>>()?;
            Ok(data_wit::Page { items, next: page.next, consistent: page.consistent })
        }

        /// A change of a batch.
        ///
        /// # Errors
        /// `KeyTooLong` and `ValueTooLong`.
        pub(crate) fn change_from_wit(
            change: data_wit::Change,
        ) -> ::holt_engine::error::Result<$crate::changes::Change<Vec<u8>>> {
            use $crate::changes::Change as To;
            use data_wit::Change as From;
            let version = ::holt_engine::ids::RecordVersion::from_raw;
            let change = match change {
                From::Put((key, value)) => To::Put { key, value },
                From::Delete(key) => To::Delete { key },
                From::PutIfAbsent((key, value)) => To::PutIfAbsent { key, value },
                From::CompareAndPut(data_wit::CompareAndPut { key, expected, value }) => {
                    To::CompareAndPut { key, expected: version(expected), value }
                }
                From::DeleteIfVersion((key, expected)) => {
                    To::DeleteIfVersion { key, expected: version(expected) }
                }
                From::AssertVersion((key, expected)) => {
                    To::AssertVersion { key, expected: version(expected) }
                }
                From::AssertAbsent(key) => To::AssertAbsent { key },
                From::AssertPrefixEmpty(prefix) => To::AssertPrefixEmpty { prefix },
                From::Rename(data_wit::Move { source, destination, force }) => {
                    To::Rename { src: source, dst: destination, force }
                }
                From::RenamePrefix(data_wit::Move { source, destination, force }) => {
                    To::RenamePrefix { src: source, dst: destination, force }
                }
                From::DeletePrefix(prefix) => To::DeletePrefix { prefix },
            };
            change.borrowed().check()?;
            Ok(change)
        }

        /// The changes of a batch.
        ///
        /// # Errors
        /// `BatchTooLarge`, `KeyTooLong` and `ValueTooLong`.
        pub(crate) fn changes_from_wit(
            changes: Vec<data_wit::Change>,
        ) -> ::holt_engine::error::Result<Vec<$crate::changes::Change<Vec<u8>>>> {
            if changes.len() > ::holt_engine::limits::MAX_BATCH_OPS {
                return Err(::holt_engine::error::Error::BatchTooLarge { len: changes.len() });
            }
            changes.into_iter().map(change_from_wit).collect()
        }

        /// A page of the change feed.
        pub(crate) fn feed_to_wit(page: $crate::feed::FeedPage) -> data_wit::ChangePage {
            use $crate::feed::Event as From;
            use data_wit::ChangeEvent as To;
            let event = |event| match event {
                From::Put { key, value, version } => {
                    To::Put(data_wit::Entry { key, value, version: version.as_u64() })
                }
                From::Delete { key } => To::Delete(key),
                From::RenamePrefix { src, dst } => To::RenamePrefix((src, dst)),
                From::DeletePrefix { prefix } => To::DeletePrefix(prefix),
                From::Created => To::Created,
                From::Dropped => To::Dropped,
            };
            let commits = page.commits.into_iter().map(|commit| {
                let events = commit.events.into_iter().map(event).collect();
                data_wit::Commit { lsn: commit.lsn, events }
            });
            let commits = commits.collect();
            data_wit::ChangePage { commits, next: page.next, more: page.more }
        }
    };
}

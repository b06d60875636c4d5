//! The exported store: each call checks its arguments, hands them to the engine and converts the
//! outcome.

use std::sync::Arc;

use holt_engine::db::{AtomicBatch, Options, PutOutcome, Record, Tree};
use holt_engine::error::{Error, Result};
use holt_engine::ids::RecordVersion;
use holt_engine::limits::{MAX_BATCH_OPS, MAX_SCAN_BYTES};
use holt_wire::changes::{self, ChangeRef};
use holt_wire::feed::{self, FeedPage};
use holt_wire::{many, page as packed_page, scan};

use crate::bindings::Component;
use crate::bindings::exports::holt::metadata::store as exported;
use crate::bindings::holt::metadata::types as wit;
use crate::blobs::HostBlobs;
use crate::convert::{
    changes_from_wit, count_to_wit, entry_to_wit, error_to_wit, feed_to_wit, page_to_wit,
    report_to_wit, scan_from_wit, stats_to_wit, vacuum_to_wit, versioned,
};
use crate::journal::HostLog;
use crate::snapshot::OpenSnapshot;

/// The tree behind a handle.
pub(crate) struct OpenTree(pub(crate) Tree);

impl exported::Guest for Component {
    type Tree = OpenTree;
    type Snapshot = OpenSnapshot;

    fn open(options: exported::Options) -> Result<exported::Tree, wit::Error> {
        let (blobs, log, options) = devices(&options).map_err(error_to_wit)?;
        let tree = Tree::open_with_devices(blobs, Some(log), options);
        Ok(exported::Tree::new(OpenTree(tree.map_err(error_to_wit)?)))
    }
}

/// The devices that the host linked, and the engine's settings.
#[allow(clippy::arc_with_non_send_sync, reason = "there is one thread; elsewhere there are more")]
pub(crate) fn devices(
    options: &exported::Options,
) -> Result<(Arc<HostBlobs>, Arc<HostLog>, Options)> {
    let options = Options {
        cache_bytes: options.cache_bytes,
        sync: options.sync,
        log_budget: options.log_budget,
        auto_checkpoint: options.auto_checkpoint,
        read_only: options.read_only,
        snapshot_bytes: options.snapshot_bytes,
        feed_retention: options.feed_retention,
        ..Options::default()
    };
    Ok((Arc::new(HostBlobs::new()?), Arc::new(HostLog), options))
}

/// A count of 64 bits as one of this machine; more than it can count is no limit.
pub(crate) fn limit(limit: u64) -> usize {
    usize::try_from(limit).unwrap_or(0)
}

fn packed(found: Result<Vec<u8>>) -> Result<Vec<u8>, wit::Error> {
    found.map_err(error_to_wit)
}

/// Records lent to the engine's calls on several of them.
fn lent(records: &[(Vec<u8>, Vec<u8>)]) -> Result<Vec<(&[u8], &[u8])>> {
    if records.len() > MAX_BATCH_OPS {
        return Err(Error::BatchTooLarge { len: records.len() });
    }
    Ok(records.iter().map(|(key, value)| (key.as_slice(), value.as_slice())).collect())
}

impl OpenTree {
    fn read_many<B: AsRef<[u8]>>(&self, keys: &[B]) -> Result<Vec<Option<Record>>> {
        many::read(&self.0, keys)
    }

    fn apply(&self, changes: Vec<wit::Change>) -> Result<bool> {
        let changes = changes_from_wit(changes)?;
        self.0.atomic(|batch| {
            for change in &changes {
                change.borrowed().add_to(batch);
            }
        })
    }

    fn apply_packed(&self, packed: &[u8]) -> Result<bool> {
        // Read once to find out whether all of it is well formed before the batch begins.
        changes::for_each(packed, |_| ())?;
        let fill = |batch: &mut AtomicBatch| {
            let filled = changes::for_each(packed, |change: ChangeRef<'_>| change.add_to(batch));
            debug_assert!(filled.is_ok(), "the same bytes read differently");
        };
        self.0.atomic(fill)
    }

    fn put_new(&self, records: &[(Vec<u8>, Vec<u8>)]) -> Result<Vec<bool>> {
        let outcomes = self.0.put_many_if_absent(&lent(records)?)?;
        Ok(outcomes.into_iter().map(|outcome| outcome == PutOutcome::Created).collect())
    }

    fn changes(&self, start: u64) -> Result<FeedPage> {
        FeedPage::cut(self.0.changes_since(start)?)
    }

    fn read_page(&self, request: wit::ScanRequest) -> Result<scan::Page> {
        scan::read_tree(&self.0, &scan_from_wit(request))
    }
}

impl exported::GuestTree for OpenTree {
    fn get(&self, key: Vec<u8>) -> Result<Option<wit::Versioned>, wit::Error> {
        let record = self.0.get_record(&key).map_err(error_to_wit)?;
        Ok(record.map(versioned))
    }

    fn get_many(&self, keys: Vec<Vec<u8>>) -> Result<Vec<Option<wit::Versioned>>, wit::Error> {
        let found = self.read_many(&keys).map_err(error_to_wit)?;
        Ok(found.into_iter().map(|record| record.map(versioned)).collect())
    }

    fn get_many_packed(&self, keys: Vec<u8>) -> Result<Vec<u8>, wit::Error> {
        let found = many::decode_keys(&keys).and_then(|keys| self.read_many(&keys));
        packed(found.and_then(|found| many::encode_found(&found)))
    }

    fn get_version(&self, key: Vec<u8>) -> Result<Option<u64>, wit::Error> {
        let version = self.0.get_version(&key).map_err(error_to_wit)?;
        Ok(version.map(RecordVersion::as_u64))
    }

    fn contains_key(&self, key: Vec<u8>) -> Result<bool, wit::Error> {
        self.0.contains_key(&key).map_err(error_to_wit)
    }

    fn longest_prefix(&self, query: Vec<u8>) -> Result<Option<wit::Entry>, wit::Error> {
        let found = self.0.longest_prefix_record(&query).map_err(error_to_wit)?;
        Ok(found.map(entry_to_wit))
    }

    fn is_prefix_empty(&self, prefix: Vec<u8>) -> Result<bool, wit::Error> {
        self.0.is_prefix_empty(&prefix).map_err(error_to_wit)
    }

    fn prefix_count(&self, prefix: Vec<u8>, most: u64) -> Result<wit::PrefixCount, wit::Error> {
        self.0.prefix_count(&prefix, limit(most)).map(count_to_wit).map_err(error_to_wit)
    }

    fn put(&self, key: Vec<u8>, value: Vec<u8>) -> Result<(), wit::Error> {
        self.0.put(&key, &value).map_err(error_to_wit)
    }

    fn insert(&self, key: Vec<u8>, value: Vec<u8>) -> Result<Option<Vec<u8>>, wit::Error> {
        self.0.insert(&key, &value).map_err(error_to_wit)
    }

    fn put_if_absent(&self, key: Vec<u8>, value: Vec<u8>) -> Result<bool, wit::Error> {
        self.0.put_if_absent(&key, &value).map_err(error_to_wit)
    }

    fn put_many(&self, records: Vec<(Vec<u8>, Vec<u8>)>) -> Result<(), wit::Error> {
        lent(&records).and_then(|records| self.0.put_many(&records)).map_err(error_to_wit)
    }

    fn put_many_if_absent(
        &self,
        records: Vec<(Vec<u8>, Vec<u8>)>,
    ) -> Result<Vec<bool>, wit::Error> {
        self.put_new(&records).map_err(error_to_wit)
    }

    fn compare_and_put(
        &self,
        key: Vec<u8>,
        expected: u64,
        value: Vec<u8>,
    ) -> Result<bool, wit::Error> {
        let expected = RecordVersion::from_raw(expected);
        self.0.compare_and_put(&key, expected, &value).map_err(error_to_wit)
    }

    fn delete(&self, key: Vec<u8>) -> Result<bool, wit::Error> {
        self.0.delete(&key).map_err(error_to_wit)
    }

    fn remove(&self, key: Vec<u8>) -> Result<Option<Vec<u8>>, wit::Error> {
        self.0.remove(&key).map_err(error_to_wit)
    }

    fn delete_if_version(&self, key: Vec<u8>, expected: u64) -> Result<bool, wit::Error> {
        let expected = RecordVersion::from_raw(expected);
        self.0.delete_if_version(&key, expected).map_err(error_to_wit)
    }

    fn rename(&self, source: Vec<u8>, destination: Vec<u8>, force: bool) -> Result<(), wit::Error> {
        self.0.rename(&source, &destination, force).map_err(error_to_wit)
    }

    fn rename_prefix(
        &self,
        source: Vec<u8>,
        destination: Vec<u8>,
        force: bool,
    ) -> Result<u64, wit::Error> {
        self.0.rename_prefix(&source, &destination, force).map_err(error_to_wit)
    }

    fn delete_prefix(&self, prefix: Vec<u8>) -> Result<u64, wit::Error> {
        self.0.delete_prefix(&prefix).map_err(error_to_wit)
    }

    fn commit(&self, changes: Vec<wit::Change>) -> Result<bool, wit::Error> {
        self.apply(changes).map_err(error_to_wit)
    }

    fn commit_packed(&self, changes: Vec<u8>) -> Result<bool, wit::Error> {
        self.apply_packed(&changes).map_err(error_to_wit)
    }

    fn scan(&self, request: wit::ScanRequest) -> Result<wit::Page, wit::Error> {
        self.read_page(request).and_then(page_to_wit).map_err(error_to_wit)
    }

    fn scan_packed(&self, request: wit::ScanRequest) -> Result<Vec<u8>, wit::Error> {
        packed(self.read_page(request).and_then(|page| packed_page::encode(&page)))
    }

    fn snapshot(&self, prefix: Vec<u8>) -> Result<exported::Snapshot, wit::Error> {
        let held = OpenSnapshot::take(|| Ok(self.0.snapshot(&prefix)?.view().clone()));
        let held = held.map_err(error_to_wit)?;
        Ok(exported::Snapshot::new(held))
    }

    fn changes_since(&self, start: u64) -> Result<wit::ChangePage, wit::Error> {
        self.changes(start).map(feed_to_wit).map_err(error_to_wit)
    }

    fn changes_since_packed(&self, start: u64) -> Result<Vec<u8>, wit::Error> {
        packed(self.changes(start).and_then(|page| feed::encode(&page)))
    }

    fn last_lsn(&self) -> Result<u64, wit::Error> {
        Ok(self.0.last_lsn())
    }

    fn checkpoint(&self) -> Result<(), wit::Error> {
        self.0.checkpoint().map_err(error_to_wit)
    }

    fn compact(&self) -> Result<(), wit::Error> {
        self.0.compact().map_err(error_to_wit)
    }

    fn gc(&self) -> Result<u64, wit::Error> {
        self.0.gc().map(|count| count as u64).map_err(error_to_wit)
    }

    fn vacuum(&self) -> Result<exported::VacuumStats, wit::Error> {
        self.0.vacuum().map(vacuum_to_wit).map_err(error_to_wit)
    }

    fn maintain(&self, budget: u32) -> Result<bool, wit::Error> {
        self.0.maintain(budget as usize).map_err(error_to_wit)
    }

    fn sync(&self) -> Result<(), wit::Error> {
        self.0.sync().map_err(error_to_wit)
    }

    fn verify(&self) -> Result<exported::VerifyReport, wit::Error> {
        self.0.verify().map(report_to_wit).map_err(error_to_wit)
    }

    fn stats(&self) -> Result<exported::Stats, wit::Error> {
        self.0.stats().map(stats_to_wit).map_err(error_to_wit)
    }
}

const _: () = assert!(MAX_SCAN_BYTES <= u32::MAX as usize, "max-bytes is 32 bits in WIT");

//! The exported store: each call checks its arguments, hands them to the engine and converts the
//! outcome.

use std::sync::Arc;

use holt_engine::db::{Options, Record, Tree};
use holt_engine::error::{Error, Result};
use holt_engine::limits::{MAX_BATCH_OPS, MAX_SCAN_BYTES};
use holt_wire::changes::{self, ChangeRef};
use holt_wire::limits::{MAX_GET_MANY, MAX_GET_MANY_BYTES};
use holt_wire::page as packed_page;

use crate::bindings::Component;
use crate::bindings::exports::holt::metadata::store as exported;
use crate::bindings::holt::metadata::types as wit;
use crate::blobs::HostBlobs;
use crate::convert::{error_to_wit, report_to_wit, stats_to_wit};
use crate::journal::HostLog;
use crate::scan;

/// The tree behind a handle.
pub(crate) struct OpenTree(Tree);

impl exported::Guest for Component {
    type Tree = OpenTree;

    fn open(options: exported::Options) -> Result<exported::Tree, wit::Error> {
        let options = Options {
            cache_bytes: options.cache_bytes,
            sync: options.sync,
            log_budget: options.log_budget,
            auto_checkpoint: options.auto_checkpoint,
            read_only: options.read_only,
            ..Options::default()
        };
        let blobs = HostBlobs::new().map_err(error_to_wit)?;
        // There are no threads here; the engine asks for `Arc` because elsewhere there are.
        #[allow(clippy::arc_with_non_send_sync, reason = "one thread")]
        let tree = Tree::open_with_devices(Arc::new(blobs), Some(Arc::new(HostLog)), options);
        Ok(exported::Tree::new(OpenTree(tree.map_err(error_to_wit)?)))
    }
}

fn versioned(record: Record) -> wit::Versioned {
    wit::Versioned { value: record.value, version: record.version.as_u64() }
}

impl OpenTree {
    fn read_many(&self, keys: Vec<Vec<u8>>) -> Result<Vec<Option<wit::Versioned>>> {
        if keys.len() > MAX_GET_MANY {
            return Err(Error::InvalidArgument { what: "keys", why: "65536 at most; split them" });
        }
        let (mut found, mut bytes) = (Vec::with_capacity(keys.len()), 0);
        for key in keys {
            let record = self.0.get_record(&key)?;
            bytes += record.as_ref().map_or(0, |record| record.value.len());
            found.push(record.map(versioned));
            if bytes >= MAX_GET_MANY_BYTES {
                break;
            }
        }
        Ok(found)
    }

    fn apply(&self, changes: &[wit::Change]) -> Result<()> {
        if changes.len() > MAX_BATCH_OPS {
            return Err(Error::BatchTooLarge { len: changes.len() });
        }
        let applied = self.0.atomic(|batch| {
            for change in changes {
                match change {
                    wit::Change::Put((key, value)) => batch.put(key, value),
                    wit::Change::Delete(key) => batch.delete(key),
                }
            }
        });
        applied.map(drop)
    }

    fn apply_packed(&self, packed: &[u8]) -> Result<()> {
        // Read once to find out whether all of it is well formed before the batch begins.
        changes::for_each(packed, |_| ())?;
        let applied = self.0.atomic(|batch| {
            let filled = changes::for_each(packed, |change| match change {
                ChangeRef::Put { key, value } => batch.put(key, value),
                ChangeRef::Delete { key } => batch.delete(key),
            });
            debug_assert!(filled.is_ok(), "the same bytes read differently");
        });
        applied.map(drop)
    }
}

impl exported::GuestTree for OpenTree {
    fn get(&self, key: Vec<u8>) -> Result<Option<wit::Versioned>, wit::Error> {
        let record = self.0.get_record(&key).map_err(error_to_wit)?;
        Ok(record.map(versioned))
    }

    fn get_many(&self, keys: Vec<Vec<u8>>) -> Result<Vec<Option<wit::Versioned>>, wit::Error> {
        self.read_many(keys).map_err(error_to_wit)
    }

    fn put(&self, key: Vec<u8>, value: Vec<u8>) -> Result<(), wit::Error> {
        self.0.put(&key, &value).map_err(error_to_wit)
    }

    fn delete(&self, key: Vec<u8>) -> Result<bool, wit::Error> {
        self.0.delete(&key).map_err(error_to_wit)
    }

    fn rename(&self, source: Vec<u8>, destination: Vec<u8>, force: bool) -> Result<(), wit::Error> {
        self.0.rename(&source, &destination, force).map_err(error_to_wit)
    }

    fn commit(&self, changes: Vec<wit::Change>) -> Result<(), wit::Error> {
        self.apply(&changes).map_err(error_to_wit)
    }

    fn commit_packed(&self, changes: Vec<u8>) -> Result<(), wit::Error> {
        self.apply_packed(&changes).map_err(error_to_wit)
    }

    fn scan(&self, request: wit::ScanRequest) -> Result<wit::Page, wit::Error> {
        scan::read_page(&self.0, &request).and_then(scan::typed).map_err(error_to_wit)
    }

    fn scan_packed(&self, request: wit::ScanRequest) -> Result<Vec<u8>, wit::Error> {
        let page = scan::read_page(&self.0, &request);
        page.and_then(|page| packed_page::encode(&page)).map_err(error_to_wit)
    }

    fn checkpoint(&self) -> Result<(), wit::Error> {
        self.0.checkpoint().map_err(error_to_wit)
    }

    fn compact(&self) -> Result<(), wit::Error> {
        self.0.compact().map_err(error_to_wit)
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

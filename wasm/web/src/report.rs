//! Figures and reports as JSON, under the names JavaScript uses.

use holt_engine::db::{
    DBStats, JOURNAL_DIGEST_BYTES, NamedTreeStats, TreeStats, VacuumStats, VerifyReport,
};
use holt_engine::error::Corruption;
use holt_engine::limits::{
    MAX_BATCH_OPS, MAX_BATCH_PREFIX_OPS, MAX_FRAME_BYTES, MAX_GET_MANY_KEYS,
    MAX_JOURNAL_RECORD_BYTES, MAX_JOURNAL_ROWS, MAX_KEY_BYTES, MAX_PAGE_TOKEN_BYTES,
    MAX_RECORD_BYTES, MAX_SCAN_BYTES, MAX_SCAN_ENTRIES, MAX_TRANSFER_BYTES, MAX_TREE_NAME_BYTES,
    MAX_TREES, MAX_VALUE_BYTES,
};

use crate::json::{Object, array};

/// Version of the package, whether it uses wasm SIMD, and the limits.
pub fn build_info() -> String {
    let limits = Object::default()
        .number("keyBytes", MAX_KEY_BYTES as u64)
        .number("valueBytes", MAX_VALUE_BYTES as u64)
        .number("batchOps", MAX_BATCH_OPS as u64)
        .number("batchBytes", MAX_RECORD_BYTES as u64)
        .number("batchPrefixOps", MAX_BATCH_PREFIX_OPS as u64)
        .number("getManyKeys", MAX_GET_MANY_KEYS as u64)
        .number("pageEntries", MAX_SCAN_ENTRIES as u64)
        .number("pageBytes", MAX_SCAN_BYTES as u64)
        .number("pageTokenBytes", MAX_PAGE_TOKEN_BYTES as u64)
        .number("treeNameBytes", MAX_TREE_NAME_BYTES as u64)
        .number("trees", MAX_TREES as u64)
        .number("imageChunkBytes", MAX_TRANSFER_BYTES as u64)
        .number("journalDigestBytes", JOURNAL_DIGEST_BYTES as u64)
        .number("journalRecordBytes", MAX_JOURNAL_RECORD_BYTES as u64)
        .number("journalPageEnvelopes", MAX_JOURNAL_ROWS as u64)
        .number("frameBytes", u64::from(MAX_FRAME_BYTES))
        .end();
    Object::default()
        .text("version", env!("CARGO_PKG_VERSION"))
        .flag("simd", cfg!(target_feature = "simd128"))
        .raw("limits", &limits)
        .end()
}

/// The figures of a tree that mean something without files.
pub fn stats(stats: &TreeStats) -> String {
    Object::default()
        .number("records", stats.records)
        .number("frames", stats.frames)
        .number("levels", u64::from(stats.levels))
        .number("cacheBytes", stats.cache_bytes)
        .number("dirtyPages", stats.dirty_pages)
        .number("cacheMisses", stats.cache_misses)
        .number("coldReads", stats.cold_reads)
        .number("lookupRestarts", stats.lookup_restarts)
        .number("evictions", stats.evictions)
        .number("stagedEvictions", stats.staged_evictions)
        .number("fillPerMille", u64::from(stats.fill_per_mille))
        .number("pageSplits", stats.page_splits)
        .number("pageBalances", stats.page_balances)
        .number("pageMerges", stats.page_merges)
        .number("spills", stats.spills)
        .number("merges", stats.merges)
        .number("compactions", stats.compactions)
        .number("checkpoints", stats.checkpoints)
        .number("checkpointPages", stats.checkpoint_pages)
        .number("writtenPayloadBytes", stats.written_payload_bytes)
        .number("writtenBytes", stats.store.bytes_written)
        .number("storePages", stats.store.pages)
        .number("storeBytes", stats.store.allocated_bytes)
        .end()
}

/// The figures of a database.
pub fn database(figures: &DBStats) -> String {
    let tree = |tree: &NamedTreeStats| {
        Object::default()
            .text("name", &tree.name)
            .number("records", tree.records)
            .number("frames", tree.frames)
            .number("levels", u64::from(tree.levels))
            .end()
    };
    Object::default()
        .number("openTreeCount", figures.open_tree_count)
        .raw("trees", &array(figures.trees.iter().map(tree)))
        .raw("store", &stats(&figures.store))
        .end()
}

/// What giving space back came to.
pub fn vacuum(figures: &VacuumStats) -> String {
    Object::default()
        .number("unreachableBlobs", figures.unreachable_blobs)
        .number("compactions", figures.compactions)
        .number("merges", figures.merges)
        .number("bytesBefore", figures.bytes_before)
        .number("bytesAfter", figures.bytes_after)
        .end()
}

/// What a verification found.
pub fn verify(report: &VerifyReport) -> String {
    Object::default()
        .flag("clean", report.is_clean())
        .number("records", report.records)
        .number("frames", report.frames)
        .number("pages", report.pages)
        .number("extents", report.extents)
        .number("payloadBytes", report.payload_bytes)
        .number("fillPerMille", u64::from(report.fill_per_mille))
        .raw("damage", &array(report.damage.iter().map(damage)))
        .end()
}

fn damage(corruption: &Corruption) -> String {
    let mut object = Object::default().text("class", corruption.class.name());
    if let Some(blob) = corruption.blob {
        object = object.text("blob", &blob.to_string());
    }
    if let Some(page) = corruption.page {
        object = object.number("page", page);
    }
    object.text("detail", &corruption.detail).end()
}

#[cfg(test)]
mod tests {
    use super::*;
    use holt_engine::error::CorruptionClass;
    use holt_engine::ids::BlobId;

    #[test]
    fn damage_names_its_place() {
        let mut report = VerifyReport::default();
        report.damage.push(Corruption::page(
            CorruptionClass::Order,
            BlobId::frame(3),
            7,
            "b before a",
        ));
        let json = verify(&report);
        assert!(json.starts_with(r#"{"clean":false,"#), "{json}");
        assert!(
            json.ends_with(
                r#""damage":[{"class":"order","blob":"frame 3","page":7,"detail":"b before a"}]}"#
            ),
            "{json}"
        );
    }
}

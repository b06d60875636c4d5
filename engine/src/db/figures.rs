//! The figures of a tree one by one, each with a name, for whoever exports them.
//!
//! Owns: the name, meaning and kind of every field of the statistics. Never does: format them.
//! Invariant: the statistics are taken apart field by field here, so a new field that is not
//! given a figure does not pass the build.

use alloc::vec::Vec;

use super::stats::{DBStats, NamedTreeStats, TreeStats};
use crate::device::StoreUsage;

/// How a figure moves.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum FigureKind {
    /// It only grows, from the opening of the tree on.
    Counter,
    /// It goes up and down.
    Gauge,
}

/// The value of a figure, in the unit it was measured in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum FigureValue {
    /// A number of things; of bytes if the name ends in `_bytes`.
    Number(u64),
    /// A time in microseconds; the name ends in `_seconds`.
    Micros(u64),
    /// A part of a whole in thousandths; the name ends in `_ratio`.
    PerMille(u64),
}

/// One figure.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct Figure {
    /// Its name in `snake_case`, which ends in the base unit if it has one: `bytes`, `seconds` or
    /// `ratio`. Stable, and used once.
    pub name: &'static str,
    /// What it counts, in one sentence.
    pub help: &'static str,
    /// How it moves.
    pub kind: FigureKind,
    /// How large it is.
    pub value: FigureValue,
}

const fn counter(name: &'static str, value: u64, help: &'static str) -> Figure {
    Figure { name, help, kind: FigureKind::Counter, value: FigureValue::Number(value) }
}

const fn gauge(name: &'static str, value: u64, help: &'static str) -> Figure {
    Figure { name, help, kind: FigureKind::Gauge, value: FigureValue::Number(value) }
}

const fn ratio(name: &'static str, per_mille: u32, help: &'static str) -> Figure {
    let value = FigureValue::PerMille(per_mille as u64);
    Figure { name, help, kind: FigureKind::Gauge, value }
}

impl TreeStats {
    /// Every figure, always the same ones in the same order.
    ///
    /// ```
    /// let tree = holt_engine::db::Tree::memory()?;
    /// tree.put(b"key", b"value")?;
    /// let figures = tree.stats()?.figures();
    /// assert!(figures.iter().any(|figure| figure.name == "records"));
    /// # Ok::<(), holt_engine::error::Error>(())
    /// ```
    pub fn figures(&self) -> Vec<Figure> {
        let Self {
            records,
            frames,
            levels,
            cache_bytes,
            dirty_pages,
            cache_misses,
            cold_reads,
            lookup_restarts,
            evictions,
            staged_evictions,
            fill_per_mille,
            page_splits,
            page_balances,
            page_merges,
            spills,
            merges,
            compactions,
            checkpoints,
            checkpoint_pages,
            pre_images,
            log_bytes,
            log_records,
            log_written_bytes,
            log_syncs,
            written_payload_bytes,
            replayed_records,
            replayed_bytes,
            torn_tail,
            log_allocated_bytes,
            last_lsn,
            store,
        } = *self;
        let mut figures = Vec::from([
            gauge("records", records, "Live records."),
            gauge("frames", frames, "Frames of the tree."),
            gauge("levels", u64::from(levels), "Levels of frames."),
            gauge("cache_bytes", cache_bytes, "Cache in use."),
            gauge("dirty_pages", dirty_pages, "Pages in memory newer than the published state."),
            counter("cache_misses", cache_misses, "Page reads that had to go to the store."),
            counter("cold_reads", cold_reads, "Lookups that waited for the store."),
            counter("lookup_restarts", lookup_restarts, "Times that such a lookup began anew."),
            counter("evictions", evictions, "Pages evicted from the cache."),
            counter("staged_evictions", staged_evictions, "Pages written early to make room."),
            ratio("leaf_fill_ratio", fill_per_mille, "How full leaf pages in memory are."),
            counter("page_splits", page_splits, "Leaf pages split."),
            counter("page_balances", page_balances, "Full leaf pages relieved by a neighbour."),
            counter("page_merges", page_merges, "Leaf pages merged."),
            counter("spills", spills, "Full frames that moved half their pages to a sibling."),
            counter("merges", merges, "Thin frames merged with a neighbour."),
            counter("compactions", compactions, "Frames repacked."),
            counter("checkpoints", checkpoints, "Checkpoints published."),
            counter("checkpoint_pages", checkpoint_pages, "Pages written by checkpoints."),
            counter("pre_images", pre_images, "Copies of pages kept for a checkpoint or snapshot."),
            gauge("log_bytes", log_bytes, "Log that a crash now would replay."),
            counter("log_records", log_records, "Log records appended."),
            counter("log_written_bytes", log_written_bytes, "Log appended."),
            counter("log_syncs", log_syncs, "Log syncs."),
            counter("written_payload_bytes", written_payload_bytes, "Keys and values committed."),
            gauge("replayed_records", replayed_records, "Log records replayed by the opening."),
            gauge("replayed_bytes", replayed_bytes, "Log read by the opening."),
            gauge("torn_tail", u64::from(torn_tail), "1 if the log ended within a record then."),
            gauge("log_allocated_bytes", log_allocated_bytes, "Space allocated by the log."),
            gauge("log_position_bytes", last_lsn, "Log position up to which the log is in use."),
        ]);
        store_figures(store, &mut figures);
        figures
    }
}

impl NamedTreeStats {
    /// Every figure but the name, always the same ones in the same order.
    pub fn figures(&self) -> Vec<Figure> {
        let &Self { name: _, records, frames, levels } = self;
        Vec::from([
            gauge("tree_records", records, "Live records of one tree."),
            gauge("tree_frames", frames, "Frames of one tree."),
            gauge("tree_levels", u64::from(levels), "Levels of frames of one tree."),
        ])
    }
}

impl DBStats {
    /// Every figure of the store, always the same ones in the same order; those of its trees are
    /// in [`NamedTreeStats::figures`].
    ///
    /// ```
    /// let db = holt_engine::db::DB::memory()?;
    /// db.create_tree("files")?;
    /// let figures = db.stats()?.figures();
    /// assert!(figures.iter().any(|figure| figure.name == "open_trees"));
    /// # Ok::<(), holt_engine::error::Error>(())
    /// ```
    pub fn figures(&self) -> Vec<Figure> {
        let Self { open_tree_count, trees: _, store } = self;
        let mut figures = store.figures();
        figures.push(gauge("open_trees", *open_tree_count, "Trees with a name."));
        figures
    }
}

fn store_figures(store: StoreUsage, figures: &mut Vec<Figure>) {
    let StoreUsage {
        blobs,
        pages,
        staged_pages,
        free_bytes,
        allocated_bytes,
        manifest_bytes,
        manifest_switches,
        pages_read,
        bytes_written,
    } = store;
    figures.extend([
        gauge("store_blobs", blobs, "Published blobs."),
        gauge("store_pages", pages, "Published pages."),
        gauge("store_staged_pages", staged_pages, "Pages written and not yet published."),
        gauge("store_free_bytes", free_bytes, "Space free for reuse inside the file of blobs."),
        gauge("store_allocated_bytes", allocated_bytes, "Space allocated by the file of blobs."),
        gauge("store_manifest_bytes", manifest_bytes, "Manifest in use."),
        counter("store_manifest_switches", manifest_switches, "Manifests rewritten."),
        counter("store_pages_read", pages_read, "Pages read from the device."),
        counter("store_written_bytes", bytes_written, "Written to the device."),
    ]);
}

#[cfg(test)]
mod tests {
    use alloc::collections::BTreeSet;

    use super::*;

    /// Statistics in which no two fields are equal, so that each figure can be told by its value.
    fn distinct() -> TreeStats {
        TreeStats {
            records: 2,
            frames: 3,
            levels: 4,
            cache_bytes: 5,
            dirty_pages: 6,
            cache_misses: 7,
            cold_reads: 8,
            lookup_restarts: 9,
            evictions: 10,
            staged_evictions: 11,
            fill_per_mille: 12,
            page_splits: 13,
            page_balances: 14,
            page_merges: 15,
            spills: 16,
            merges: 17,
            compactions: 18,
            checkpoints: 19,
            checkpoint_pages: 20,
            pre_images: 21,
            log_bytes: 22,
            log_records: 23,
            log_written_bytes: 24,
            log_syncs: 25,
            written_payload_bytes: 26,
            replayed_records: 27,
            replayed_bytes: 28,
            torn_tail: true,
            log_allocated_bytes: 29,
            last_lsn: 30,
            store: StoreUsage {
                blobs: 31,
                pages: 32,
                staged_pages: 33,
                free_bytes: 34,
                allocated_bytes: 35,
                manifest_bytes: 36,
                manifest_switches: 37,
                pages_read: 38,
                bytes_written: 39,
            },
        }
    }

    #[test]
    fn every_field_is_one_figure() {
        let number = |figure: &Figure| match figure.value {
            FigureValue::Number(value) | FigureValue::Micros(value) => value,
            FigureValue::PerMille(value) => value,
        };
        let values: Vec<u64> = distinct().figures().iter().map(number).collect();
        let mut sorted = values.clone();
        sorted.sort_unstable();
        assert_eq!(sorted, (1..40).collect::<Vec<u64>>());
    }

    #[test]
    fn names_are_unique_and_end_in_the_base_unit() {
        let mut seen = BTreeSet::new();
        let all = DBStats { store: distinct(), ..DBStats::default() }.figures();
        for Figure { name, help, value, .. } in
            all.into_iter().chain(NamedTreeStats::default().figures())
        {
            assert!(seen.insert(name), "{name} twice");
            assert!(name.bytes().all(|byte| byte == b'_' || byte.is_ascii_lowercase()), "{name}");
            assert!(!name.ends_with("_total"), "{name}: exporters add what they need");
            assert!(help.ends_with('.') && help.len() > 5, "{name}: {help}");
            let last = name.rsplit('_').next().unwrap_or_default();
            match value {
                FigureValue::Micros(_) => assert_eq!(last, "seconds", "{name}"),
                FigureValue::PerMille(_) => assert_eq!(last, "ratio", "{name}"),
                FigureValue::Number(_) => {
                    assert!(!["seconds", "micros", "ratio", "mille"].contains(&last), "{name}");
                    assert_eq!(name.contains("bytes"), last == "bytes", "{name}: unit last");
                }
            }
        }
    }

    #[cfg(feature = "serde")]
    #[test]
    fn statistics_read_back_as_written() {
        let written = serde_json::to_string(&distinct()).expect("is plain data");
        assert!(written.contains(r#""records":2,"#) && written.contains(r#""bytes_written":39"#));
        assert_eq!(serde_json::from_str::<TreeStats>(&written).expect("reads"), distinct());
    }

    #[test]
    fn the_figures_of_a_tree_that_is_used_move() {
        let tree = crate::db::Tree::memory().expect("opens");
        for number in 0..200_u32 {
            tree.put(&number.to_be_bytes(), &[7; 100]).expect("written");
        }
        tree.checkpoint().expect("published");
        let figures = tree.stats().expect("answers").figures();
        let value = |name: &str| figures.iter().find(|figure| figure.name == name).map(|f| f.value);
        assert_eq!(value("records"), Some(FigureValue::Number(200)));
        assert_eq!(value("checkpoints"), Some(FigureValue::Number(1)));
        assert!(matches!(value("store_pages"), Some(FigureValue::Number(2..))));
        assert!(matches!(value("page_splits"), Some(FigureValue::Number(1..))));
    }
}

//! Figures, reports and the journal of the engine as the types that the two binding generators
//! make.

/// Makes `stats_to_wit`, `report_to_wit`, `vacuum_to_wit` and their opposites for the generated
/// module `holt:metadata/store` at the given path; needs
/// [`error_conversions`](crate::error_conversions) in the same module.
#[macro_export]
macro_rules! store_conversions {
    ($($store:tt)*) => {
        use $($store)* as wit_store;

        $crate::stats_conversions!(
            tree: records, frames, levels, cache_bytes, dirty_pages, cache_misses, cold_reads,
                lookup_restarts, evictions, staged_evictions, fill_per_mille, page_splits,
                page_balances, page_merges, spills, merges, compactions, checkpoints, checkpoint_pages,
                pre_images, log_bytes, log_records, log_written_bytes, log_syncs,
                written_payload_bytes, replayed_records, replayed_bytes, torn_tail,
                log_allocated_bytes, last_lsn;
            store: blobs = store_blobs, pages = store_pages, staged_pages = store_staged_pages,
                free_bytes = store_free_bytes, allocated_bytes = store_allocated_bytes,
                manifest_bytes = store_manifest_bytes,
                manifest_switches = store_manifest_switches, pages_read = store_pages_read,
                bytes_written = store_bytes_written;
            report: records, frames, pages, extents, payload_bytes, fill_per_mille;
            vacuum: unreachable_blobs, compactions, merges, bytes_before, bytes_after;
        );
    };
}

/// Makes `db_stats_to_wit`, `anchor_to_wit`, `envelope_to_wit` and their opposites for the generated module
/// `holt:metadata/database` at the given path; needs [`store_conversions`](crate::store_conversions)
/// in the same module.
#[macro_export]
macro_rules! database_conversions {
    ($($database:tt)*) => {
        use $($database)* as wit_database;

        /// Figures of a database, to cross the boundary.
        #[allow(dead_code, reason = "a guest only sends, a host only receives")]
        pub(crate) fn db_stats_to_wit(
            stats: ::holt_engine::db::DBStats,
        ) -> wit_database::DatabaseStats {
            let trees = stats.trees.into_iter().map(|tree| wit_database::TreeStats {
                name: tree.name,
                records: tree.records,
                frames: tree.frames,
                levels: tree.levels,
            });
            wit_database::DatabaseStats {
                trees: trees.collect(),
                store: stats_to_wit(stats.store),
            }
        }

        /// Figures of a database that crossed the boundary.
        #[allow(dead_code, reason = "a guest only sends, a host only receives")]
        pub(crate) fn db_stats_from_wit(
            from: wit_database::DatabaseStats,
        ) -> ::holt_engine::db::DBStats {
            let mut stats = ::holt_engine::db::DBStats::default();
            let most = ::holt_engine::limits::MAX_TREES;
            stats.trees = from.trees.into_iter().take(most).map(|from| {
                let mut tree = ::holt_engine::db::NamedTreeStats::default();
                tree.name = $crate::text::tree_name(from.name);
                tree.records = from.records;
                tree.frames = from.frames;
                tree.levels = from.levels;
                tree
            }).collect();
            stats.open_tree_count = stats.trees.len() as u64;
            stats.store = stats_from_wit(from.store);
            stats
        }

        /// An anchor of the journal, to cross the boundary.
        pub(crate) fn anchor_to_wit(
            anchor: &::holt_engine::db::JournalAnchor,
        ) -> wit_database::JournalAnchor {
            let digest = anchor.digest().to_vec();
            wit_database::JournalAnchor { sequence: anchor.sequence(), digest }
        }

        /// An anchor of the journal that crossed the boundary.
        pub(crate) fn anchor_from_wit(
            from: wit_database::JournalAnchor,
        ) -> ::holt_engine::error::Result<::holt_engine::db::JournalAnchor> {
            $crate::journal::anchor(from.sequence, &from.digest)
        }

        /// An envelope of the journal, to cross the boundary.
        pub(crate) fn envelope_to_wit(
            envelope: ::holt_engine::db::JournalEnvelope,
        ) -> wit_database::JournalEnvelope {
            let (previous, current) =
                (anchor_to_wit(envelope.previous()), anchor_to_wit(envelope.current()));
            wit_database::JournalEnvelope { previous, current, payload: envelope.into_payload() }
        }

        /// An envelope of the journal that crossed the boundary.
        pub(crate) fn envelope_from_wit(
            from: wit_database::JournalEnvelope,
        ) -> ::holt_engine::error::Result<::holt_engine::db::JournalEnvelope> {
            let (previous, current) =
                (anchor_from_wit(from.previous)?, anchor_from_wit(from.current)?);
            $crate::journal::envelope(previous, current, from.payload)
        }

        /// Where the journal stands, to cross the boundary.
        #[allow(dead_code, reason = "a guest only sends, a host only receives")]
        pub(crate) fn journal_state_to_wit(
            state: $crate::journal::JournalState,
        ) -> wit_database::JournalState {
            wit_database::JournalState {
                genesis: anchor_to_wit(&state.genesis),
                checkpoint: anchor_to_wit(&state.checkpoint),
                tail: anchor_to_wit(&state.tail),
            }
        }

        /// The same after it crossed the boundary.
        #[allow(dead_code, reason = "a guest only sends, a host only receives")]
        pub(crate) fn journal_state_from_wit(
            from: wit_database::JournalState,
        ) -> ::holt_engine::error::Result<$crate::journal::JournalState> {
            Ok($crate::journal::JournalState {
                genesis: anchor_from_wit(from.genesis)?,
                checkpoint: anchor_from_wit(from.checkpoint)?,
                tail: anchor_from_wit(from.tail)?,
            })
        }

        /// A page of the journal, to cross the boundary.
        #[allow(dead_code, reason = "a guest only sends, a host only receives")]
        pub(crate) fn journal_page_to_wit(
            page: $crate::journal::JournalPage,
        ) -> wit_database::JournalPage {
            let envelopes = page.envelopes.into_iter().map(envelope_to_wit).collect();
            let next = anchor_to_wit(&page.next);
            wit_database::JournalPage { envelopes, next, more: page.more }
        }

        /// A page of the journal after `cursor` that crossed the boundary.
        #[allow(dead_code, reason = "a guest only sends, a host only receives")]
        pub(crate) fn journal_page_from_wit(
            from: wit_database::JournalPage,
            cursor: ::holt_engine::db::JournalAnchor,
        ) -> ::holt_engine::error::Result<$crate::journal::JournalPage> {
            let envelopes = from.envelopes.into_iter().map(envelope_from_wit);
            let envelopes = envelopes.collect::<::holt_engine::error::Result<_>>()?;
            let next = anchor_from_wit(from.next)?;
            let page = $crate::journal::JournalPage { envelopes, next, more: from.more };
            $crate::journal::check(page, cursor)
        }
    };
}

/// Makes the conversions of figures, field by field.
#[doc(hidden)]
#[macro_export]
macro_rules! stats_conversions {
    (
        tree: $($tree:ident),*;
        store: $($store:ident = $flat:ident),*;
        report: $($report:ident),*;
        vacuum: $($vacuum:ident),*;
    ) => {
        /// Figures, to cross the boundary.
        #[allow(dead_code, reason = "a guest only sends, a host does both")]
        pub(crate) fn stats_to_wit(stats: ::holt_engine::db::TreeStats) -> wit_store::Stats {
            wit_store::Stats {
                $($tree: stats.$tree,)*
                $($flat: stats.store.$store,)*
            }
        }

        /// Figures that crossed the boundary.
        #[allow(dead_code, reason = "a guest only sends, a host does both")]
        pub(crate) fn stats_from_wit(from: wit_store::Stats) -> ::holt_engine::db::TreeStats {
            let mut stats = ::holt_engine::db::TreeStats::default();
            $(stats.$tree = from.$tree;)*
            $(stats.store.$store = from.$flat;)*
            stats
        }

        /// A report, to cross the boundary.
        #[allow(dead_code, reason = "a guest only sends, a host does both")]
        pub(crate) fn report_to_wit(
            report: ::holt_engine::db::VerifyReport,
        ) -> wit_store::VerifyReport {
            let damage = report.damage.into_iter().take($crate::limits::MAX_DAMAGE);
            wit_store::VerifyReport {
                $($report: report.$report,)*
                damage: damage.map(corruption_to_wit).collect(),
            }
        }

        /// A report that crossed the boundary.
        #[allow(dead_code, reason = "a guest only sends, a host does both")]
        pub(crate) fn report_from_wit(
            from: wit_store::VerifyReport,
        ) -> ::holt_engine::db::VerifyReport {
            let mut report = ::holt_engine::db::VerifyReport::default();
            $(report.$report = from.$report;)*
            let damage = from.damage.into_iter().take($crate::limits::MAX_DAMAGE);
            report.damage = damage.map(corruption_from_wit).collect();
            report
        }

        /// What giving space back came to, to cross the boundary.
        #[allow(dead_code, reason = "a guest only sends, a host does both")]
        pub(crate) fn vacuum_to_wit(
            stats: ::holt_engine::db::VacuumStats,
        ) -> wit_store::VacuumStats {
            wit_store::VacuumStats { $($vacuum: stats.$vacuum,)* }
        }

        /// The same after it crossed the boundary.
        #[allow(dead_code, reason = "a guest only sends, a host does both")]
        pub(crate) fn vacuum_from_wit(
            from: wit_store::VacuumStats,
        ) -> ::holt_engine::db::VacuumStats {
            let mut stats = ::holt_engine::db::VacuumStats::default();
            $(stats.$vacuum = from.$vacuum;)*
            stats
        }
    };
}

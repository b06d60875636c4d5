//! Checking a whole store: its trees, and what the store holds that no tree leads to.

use alloc::format;
use alloc::vec::Vec;

use super::catalog::Catalog;
use super::core::Core;
use super::stats::VerifyReport;
use crate::error::{Corruption, CorruptionClass, Result};
use crate::forest::{Census, Checker};
use crate::ids::BlobId;
use crate::limits::{MAX_DAMAGE_REPORTED, PAGE_BYTES};
use crate::node::build::page_bytes;

/// Blobs listed at a time.
const LISTED_BLOBS: usize = 1024;

/// What a check found, with what nothing leads to apart.
pub(super) struct Survey {
    /// The report, without these.
    pub report: VerifyReport,
    /// Published blobs that nothing leads to and that are not about to be removed.
    pub orphans: Vec<BlobId>,
}

/// Checks everything that is published or in memory.
pub(super) fn run(core: &mut Core, progress: &mut dyn FnMut(u64, u64)) -> Result<VerifyReport> {
    core.check_settled()?;
    let Survey { mut report, orphans } = survey(core, progress)?;
    let room = MAX_DAMAGE_REPORTED.saturating_sub(report.damage.len());
    let why = "published, but nothing leads to it";
    let pieces = orphans.into_iter().take(room);
    let pieces = pieces.map(|blob| Corruption::page(CorruptionClass::Reachability, blob, 0, why));
    report.damage.extend(pieces);
    Ok(report)
}

/// The same, with what nothing leads to as a list of its own.
pub(super) fn survey(core: &mut Core, progress: &mut dyn FnMut(u64, u64)) -> Result<Survey> {
    let mut damage: Vec<Corruption> = Vec::new();
    let mut found = |piece: Corruption| {
        if damage.len() < MAX_DAMAGE_REPORTED && !damage.contains(&piece) {
            damage.push(piece);
        }
    };
    let blobs = core.forest.cache.blobs().clone();
    // Every page is read twice: by the store's audit and by the walk over the trees.
    let total = 2 * blobs.usage()?.pages;
    blobs.audit(&mut found, &mut |done, _| progress(done, total))?;
    let audited = total / 2;
    let mut walked = |done: u64| progress(audited + done, total.max(audited + done));
    let limit = core.limit();
    let census = Census::default();
    let mut checker = Checker { census, found: &mut found, progress: &mut walked, limit };
    let trees: Vec<u32> = core.forest.roots.keys().copied().collect();
    for tree in trees {
        core.forest.check(tree, &mut checker)?;
    }
    let census = checker.census;
    Catalog::check(&mut core.forest, &mut found)?;
    let orphans = orphans(core, &census, &mut found)?;
    let capacity = census.leaves * (PAGE_BYTES - page_bytes(1, 0, 0)) as u64;
    let used = census.used.saturating_sub(census.leaves * page_bytes(1, 0, 0) as u64);
    let report = VerifyReport {
        records: census.records,
        frames: census.frames.len() as u64,
        pages: census.pages,
        extents: census.extents.len() as u64,
        payload_bytes: census.payload,
        fill_per_mille: (used * 1000).checked_div(capacity).unwrap_or(0) as u32,
        damage,
    };
    Ok(Survey { report, orphans })
}

/// What is published and reached by no tree, unless it is about to be removed.
fn orphans(
    core: &mut Core,
    census: &Census,
    found: &mut dyn FnMut(Corruption),
) -> Result<Vec<BlobId>> {
    let mut orphans = Vec::new();
    let blobs = core.forest.cache.blobs().clone();
    let mut after = None;
    loop {
        let listed = blobs.list(after, LISTED_BLOBS)?;
        let Some(&last) = listed.last() else { return Ok(orphans) };
        after = Some(last);
        for blob in listed {
            let number = blob.0 & !BlobId::extent(0).0;
            let reached = match blob.is_extent() {
                true => census.extents.contains(&number),
                false => u32::try_from(number).is_ok_and(|frame| census.frames.contains(&frame)),
            };
            let leaving = |core: &Core| {
                core.forest.cache.is_deleted(blob)
                    || core.running.as_ref().is_some_and(|running| running.deletes(blob))
            };
            if !reached && !leaving(core) {
                orphans.push(blob);
            } else if reached && !blob.is_extent() {
                stray_pages(core, number as u32, found)?;
            }
        }
    }
}

/// Reports published pages that the frame's page 0 does not know.
fn stray_pages(core: &mut Core, frame: u32, found: &mut dyn FnMut(Corruption)) -> Result<()> {
    let blob = BlobId::frame(frame);
    let Some(entry) = core.forest.cache.blobs().entry(blob)? else { return Ok(()) };
    let Ok(used) = core.forest.frame_pages(frame) else { return Ok(()) };
    for page in entry.pages {
        let known = u8::try_from(page).is_ok_and(|number| {
            used.contains(&number)
                || core.forest.cache.frame(frame).is_ok_and(|f| f.dropped.has(number))
                || core.running.as_ref().is_some_and(|running| running.drops(frame, number))
        });
        if !known {
            let why = format!("page {page} is published, but its frame does not use it");
            found(Corruption::page(CorruptionClass::Reachability, blob, u64::from(page), why));
        }
    }
    core.forest.cache.trim()
}

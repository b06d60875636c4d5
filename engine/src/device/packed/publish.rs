//! The atomic switch from one published state to the next.
//!
//! Owns: the order of writes and syncs. Never does: change the state in memory before the new
//! one is durable. Order: staged pages are synced; the change is appended to the manifest (or
//! the whole state written to the other region) and synced; if the region switched, its
//! superblock is written to one slot and synced, then to the other. Only then do superseded
//! pages come free. What follows that point cannot fail the publish: it is durable.

use alloc::vec::Vec;

use core::sync::atomic::Ordering;

use super::layout::{MARK_PAGE, Mark, Run, Superblock, offset};
use super::reclaim::Quiet;
use super::record::{entry_len, first_chain};
use super::stage::{Staging, full};
use super::table::{Change, Entry, PageRef, Table};
use super::unit::{Totals, UnitWriter, unit_bound};
use super::{Manifest, PackedStore};
use crate::device::blob::{BlobOp, PageAt};
use crate::device::io::PositionedIo;
use crate::device::rules;
use crate::error::{Error, IoError, IoErrorKind, Result};
use crate::limits::{
    MANIFEST_GROWTH, MAX_TRANSFER_BYTES, MIN_MANIFEST_PAGES, PAGE_BYTES, PUNCH_RUN_PAGES,
};
use crate::seeded::{self, Bug};

/// A publish worked out, before anything is written.
#[derive(Default)]
struct Plan {
    /// The new entries, by blob.
    changes: Vec<Change>,
    /// The pages set by each operation, as the manifest will have them.
    sets: Vec<Vec<PageRef>>,
    /// Places that come free.
    freed: Vec<u32>,
    /// Places of staged pages that become published.
    taken: Vec<u32>,
    blobs: u64,
    pages: u64,
    compact_bytes: u64,
}

impl Plan {
    fn new(table: &Table, staging: &Staging, ops: &[BlobOp]) -> Result<Self> {
        let mut plan = Self {
            blobs: table.blobs(),
            pages: table.pages(),
            compact_bytes: table.compact_bytes(),
            ..Self::default()
        };
        for op in ops {
            plan.add(table, staging, op)?;
        }
        plan.taken.sort_unstable();
        if plan.taken.windows(2).any(|pair| pair[0] == pair[1]) {
            return Err(rules::TICKET_TWICE);
        }
        plan.changes.sort_unstable_by_key(|(blob, _)| *blob);
        Ok(plan)
    }

    fn add(&mut self, table: &Table, staging: &Staging, op: &BlobOp) -> Result<()> {
        let (blob, new, set) = match op {
            BlobOp::Put { blob, meta, pages, dropped } => {
                let set = pages
                    .iter()
                    .map(|at| page_ref(staging, at).ok_or(rules::UNKNOWN_TICKET))
                    .collect::<Result<Vec<_>>>()?;
                let old = table.get(*blob);
                let new = Entry::changed(old, meta, dropped, &set, &mut self.freed);
                (*blob, Some(new), set)
            }
            BlobOp::Delete { blob } => {
                let old = table.get(*blob).map_or(&[][..], |entry| &entry.pages);
                self.freed.extend(old.iter().map(|at| at.place));
                (*blob, None, Vec::new())
            }
        };
        if let Some(old) = table.get(blob) {
            self.blobs -= 1;
            self.pages -= old.pages.len() as u64;
            self.compact_bytes -= entry_len(blob, old) as u64;
        }
        if let Some(new) = &new {
            self.blobs += 1;
            self.pages += new.pages.len() as u64;
            self.compact_bytes += entry_len(blob, new) as u64;
        }
        self.taken.extend(set.iter().map(|at| at.place));
        self.sets.push(set);
        self.changes.push((blob, new));
        Ok(())
    }

    const fn totals(&self) -> Totals {
        Totals { blobs: self.blobs, pages: self.pages }
    }
}

fn page_ref(staging: &Staging, at: &PageAt) -> Option<PageRef> {
    let (place, staged) = staging.find(at.ticket)?;
    Some(PageRef { page: at.page, place, crc: staged.crc })
}

impl<Io: PositionedIo> PackedStore<Io> {
    pub(super) fn publish_ops(&self, ops: &[BlobOp], root: &[u8]) -> Result<()> {
        rules::check_publish(ops, root)?;
        let mut manifest = self.manifest.lock();
        if ops.is_empty() && self.table.read().root() == root {
            self.make_dense(&mut manifest)?;
            return self.reclaim(Quiet::Yes);
        }
        self.publish_locked(&mut manifest, ops, root)?;
        // From here on the publish has happened. A failure poisons the device, and the next
        // change says so.
        let _ = self.reclaim(Quiet::No);
        Ok(())
    }

    /// Publishes; `ops` are checked already.
    pub(super) fn publish_locked(
        &self,
        manifest: &mut Manifest,
        ops: &[BlobOp],
        root: &[u8],
    ) -> Result<()> {
        let plan = {
            let table = self.table.read();
            let mut staging = self.staging.lock();
            let plan = Plan::new(&table, &staging, ops)?;
            staging.hold(&plan.taken, true);
            plan
        };
        if let Err(error) = self.make_durable(manifest, ops, &plan, root) {
            self.staging.lock().hold(&plan.taken, false);
            if seeded::is(Bug::ReleaseOnRollback) {
                for place in plan.freed {
                    self.staging.lock().space.give(Run { first: place, pages: 1 });
                }
                return Err(error);
            }
            // The device is poisoned by its own failures; a failure of ours stops it too, since
            // bytes of this publish may be on the medium.
            self.io.poison(alloc::format!("publish: {error}"));
            return Err(error);
        }
        self.install(plan, root);
        Ok(())
    }

    fn install(&self, plan: Plan, root: &[u8]) {
        let mut table = self.table.write();
        for (blob, entry) in plan.changes {
            table.set(blob, entry);
        }
        table.set_root(root);
        drop(table);
        let mut staging = self.staging.lock();
        staging.published(&plan.taken);
        for place in plan.freed {
            staging.space.give(Run { first: place, pages: 1 });
        }
    }

    fn make_durable(
        &self,
        manifest: &mut Manifest,
        ops: &[BlobOp],
        plan: &Plan,
        root: &[u8],
    ) -> Result<()> {
        if self.unsynced.swap(false, Ordering::AcqRel) && !seeded::is(Bug::PublishBeforeSync) {
            self.sync()?;
        }
        let commit = manifest.commit.checked_add(1).ok_or_else(full)?;
        let mut delta = Vec::new();
        let chain = encode_delta(&mut delta, commit, manifest.chain, ops, plan, root)?;
        let compact = unit_bound(plan.compact_bytes, root.len() as u64);
        let used = manifest.used_bytes + delta.len() as u64;
        let most = compact.saturating_mul(u64::from(MANIFEST_GROWTH));
        let floor = u64::from(MIN_MANIFEST_PAGES) * PAGE_BYTES as u64;
        if used > manifest.block.region.bytes() || used > most.max(floor) {
            self.switch(manifest, commit, plan, root, compact)?;
        } else {
            let at = offset(manifest.block.region.first) + manifest.used_bytes;
            for (part, step) in delta.chunks(MAX_TRANSFER_BYTES).zip(0u64..) {
                self.write(at + step * MAX_TRANSFER_BYTES as u64, part)?;
            }
            self.sync()?;
            *manifest = Manifest { block: manifest.block, commit, used_bytes: used, chain };
        }
        self.counters.manifest_bytes.store(manifest.used_bytes, Ordering::Relaxed);
        let mark = Mark { sequence: manifest.block.sequence, commit };
        let _ = self.write(offset(MARK_PAGE), &mark.encode(&self.store_id));
        Ok(())
    }

    /// Writes the whole state to the other region and makes a superblock refer to it.
    fn switch(
        &self,
        manifest: &mut Manifest,
        commit: u64,
        plan: &Plan,
        root: &[u8],
        compact: u64,
    ) -> Result<()> {
        let old = manifest.block;
        let region = self.other_region(&old, compact)?;
        let sequence = old.sequence.checked_add(1).ok_or_else(full)?;
        let mut written = 0;
        let mut sink = |pages: &[u8]| {
            if written + pages.len() as u64 > region.bytes() {
                let why = "the manifest outgrew the region made for it";
                return Err(IoError::new(IoErrorKind::Device, "write manifest", why).into());
            }
            self.write(offset(region.first) + written, pages)?;
            written += pages.len() as u64;
            Ok::<(), Error>(())
        };
        let mut unit = UnitWriter::new(commit, first_chain(&self.store_id, sequence), &mut sink);
        {
            let table = self.table.read();
            for (blob, entry) in table.merged(&plan.changes) {
                unit.put_entry(blob, entry)?;
            }
        }
        let chain = unit.finish(root, plan.totals())?;
        self.sync()?;
        let in_place = seeded::is(Bug::RewriteInPlace) && old.region == region;
        let spare = if in_place { old.spare } else { old.region };
        let block = Superblock { sequence, region, spare, commit, snapshot_bytes: written, ..old };
        let page = block.encode();
        let slot = (sequence % 2) as u32;
        self.write(offset(slot), &page)?;
        self.sync()?;
        *manifest = Manifest { block, commit, used_bytes: written, chain };
        self.after_switch(&old, region, 1 - slot, &page);
        Ok(())
    }

    /// What is left to do once the new superblock is durable; none of it can undo that.
    fn after_switch(&self, old: &Superblock, region: Run, slot: u32, page: &[u8]) {
        // Both slots say the same from now on, so that damage to one loses nothing.
        let _ = self.write(offset(slot), page);
        if region != old.spare && region != old.region && old.spare.pages > 0 {
            self.staging.lock().space.give(old.spare);
        }
        if old.region.pages > 0 {
            self.counters.manifest_switches.fetch_add(1, Ordering::Relaxed);
            if old.region.pages >= PUNCH_RUN_PAGES {
                let _ = self.io.punch(offset(old.region.first), old.region.bytes());
            }
        }
    }

    /// The spare region if it fits, else a new one.
    fn other_region(&self, block: &Superblock, compact: u64) -> Result<Run> {
        let need = u32::try_from(compact / PAGE_BYTES as u64).map_err(|_| full())?;
        let want = need.saturating_mul(MANIFEST_GROWTH).max(MIN_MANIFEST_PAGES);
        let enough = need.saturating_mul(2).max(MIN_MANIFEST_PAGES);
        if seeded::is(Bug::RewriteInPlace) && block.region.pages >= enough {
            return Ok(block.region);
        }
        let spare = block.spare;
        if spare.pages >= enough && spare.pages / 4 <= want {
            return Ok(spare);
        }
        self.staging.lock().space.allocate_run(want).ok_or_else(full)
    }
}

fn encode_delta(
    out: &mut Vec<u8>,
    commit: u64,
    chain: u32,
    ops: &[BlobOp],
    plan: &Plan,
    root: &[u8],
) -> Result<u32> {
    let mut sink = |pages: &[u8]| {
        out.extend_from_slice(pages);
        Ok(())
    };
    let mut unit = UnitWriter::new(commit, chain, &mut sink);
    for (op, set) in ops.iter().zip(&plan.sets) {
        match op {
            BlobOp::Put { blob, meta, dropped, .. } => unit.put(*blob, meta, dropped, set)?,
            BlobOp::Delete { blob } => unit.delete(*blob)?,
        }
    }
    unit.finish(root, plan.totals())
}

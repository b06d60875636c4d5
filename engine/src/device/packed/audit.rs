//! Checks a packed store against its own rules.
//!
//! Owns: the checks of superblocks, manifest, ownership of space, counts and page checksums.
//! Never does: repair anything, or stop at the first finding.

use alloc::format;
use alloc::string::String;
use alloc::vec;
use alloc::vec::Vec;

use super::layout::{FIRST_PAGE, Run, Slot, offset};
use super::open::{mark_of, read_head, slots_of};
use super::replay::replay;
use super::space::Space;
use super::table::Table;
use super::{Manifest, PackedStore};
use crate::device::blob::BlobStore;
use crate::device::io::PositionedIo;
use crate::error::{Corruption, CorruptionClass, Error, Result};
use crate::ids::BlobId;
use crate::limits::{MAX_READ_RUN_PAGES, PAGE_BYTES};

/// Blobs listed at a time.
const BLOBS: usize = 256;

type Found<'a> = &'a mut dyn FnMut(Corruption);

impl<Io: PositionedIo> PackedStore<Io> {
    pub(super) fn audit_all(
        &self,
        found: Found<'_>,
        progress: &mut dyn FnMut(u64, u64),
    ) -> Result<()> {
        {
            let manifest = self.manifest.lock();
            self.audit_superblocks(&manifest, found)?;
            self.audit_manifest(&manifest, found)?;
            self.audit_space(&manifest, found)?;
        }
        self.audit_pages(found, progress)
    }

    fn audit_superblocks(&self, manifest: &Manifest, found: Found<'_>) -> Result<()> {
        let slots = slots_of(&read_head(&self.io)?);
        for (number, slot) in slots.iter().enumerate() {
            let why = match slot {
                Slot::Valid(block) if block.store_id != self.store_id => "of another store",
                Slot::Valid(block) if block.sequence > manifest.block.sequence => {
                    "newer than the one in force"
                }
                Slot::Valid(_) => continue,
                Slot::Blank => "blank",
                Slot::Foreign => "no superblock",
                Slot::Damaged(why) => why,
                Slot::Newer(_) => "of a later format",
            };
            let why = format!("slot {number}: {why}");
            found(Corruption::new(CorruptionClass::Superblock, why));
        }
        if !slots.contains(&Slot::Valid(manifest.block)) {
            let why = "neither slot holds the superblock in force";
            found(Corruption::new(CorruptionClass::Superblock, why));
        }
        Ok(())
    }

    fn audit_manifest(&self, manifest: &Manifest, found: Found<'_>) -> Result<()> {
        let mark = mark_of(&read_head(&self.io)?, &self.store_id);
        let on_disk = match replay(&self.io, &manifest.block, mark) {
            Ok(replayed) => replayed,
            Err(Error::Corrupt(damage)) => {
                found(damage);
                return Ok(());
            }
            Err(error) => return Err(error),
        };
        if on_disk.commit != manifest.commit {
            let why = format!(
                "the device has publish {}, memory has {}",
                on_disk.commit, manifest.commit
            );
            found(Corruption::new(CorruptionClass::Manifest, why));
        } else if on_disk.table != *self.table.read() {
            let why = "entries on the device differ from those in memory";
            found(Corruption::new(CorruptionClass::Manifest, why));
        }
        Ok(())
    }

    fn audit_space(&self, manifest: &Manifest, found: Found<'_>) -> Result<()> {
        let file_pages = self.io.size()? / PAGE_BYTES as u64;
        let table = self.table.read();
        let staging = self.staging.lock();
        let space = &staging.space;
        let mut owners = Space::new(space.end());
        let mut damage = |why: String| found(Corruption::new(CorruptionClass::Space, why));
        for run in [manifest.block.region, manifest.block.spare] {
            if run.pages > 0 && !owners.claim(run) {
                damage(format!("manifest region at page {} is owned twice", run.first));
            }
        }
        for place in staging.places() {
            if !owners.claim(Run { first: place, pages: 1 }) {
                damage(format!("staged page {place} is owned twice"));
            }
        }
        let owned = owners.used();
        audit_owners(&table, &mut owners, file_pages, found);
        let mut damage = |class, why: String| found(Corruption::new(class, why));
        let pages = u64::from(owners.used() - owned);
        if pages != table.pages() {
            let why = format!("{pages} pages are owned, the manifest counts {}", table.pages());
            damage(CorruptionClass::Count, why);
        }
        let expected = u64::from(owners.used()) + staging.in_flight;
        if u64::from(space.used()) != expected || space.used() + space.free() != space.end() {
            let why = format!(
                "{} pages used and {} free of {}, but {expected} have owners",
                space.used(),
                space.free(),
                space.end()
            );
            damage(CorruptionClass::Space, why);
        }
        let lost =
            (FIRST_PAGE..space.end()).find(|page| owners.is_used(*page) && !space.is_used(*page));
        if let Some(page) = lost {
            damage(CorruptionClass::Space, format!("page {page} has an owner and is free"));
        }
        Ok(())
    }

    fn audit_pages(&self, found: Found<'_>, progress: &mut dyn FnMut(u64, u64)) -> Result<()> {
        let total = self.table.read().pages();
        let mut done = 0;
        let mut after = None;
        let mut buf = vec![0; MAX_READ_RUN_PAGES * PAGE_BYTES];
        progress(0, total);
        loop {
            let blobs = self.list(after, BLOBS)?;
            let Some(last) = blobs.last() else { break };
            after = Some(*last);
            for blob in blobs {
                let Some(entry) = self.entry(blob)? else { continue };
                done += entry.pages.len() as u64;
                for run in entry.pages.chunk_by(|a, b| a + 1 == *b) {
                    for run in run.chunks(MAX_READ_RUN_PAGES) {
                        self.audit_run(blob, run, &mut buf, found)?;
                    }
                }
                progress(done.min(total), total);
            }
        }
        progress(total, total);
        Ok(())
    }

    fn audit_run(&self, blob: BlobId, run: &[u32], buf: &mut [u8], found: Found<'_>) -> Result<()> {
        match self.read(blob, run[0], &mut buf[..run.len() * PAGE_BYTES]) {
            // Gone meanwhile: published away, not damaged.
            Ok(()) | Err(Error::NotFound) => Ok(()),
            Err(Error::Corrupt(damage)) if run.len() == 1 => {
                found(damage);
                Ok(())
            }
            Err(Error::Corrupt(_)) => {
                for page in run {
                    self.audit_run(blob, &[*page], buf, found)?;
                }
                Ok(())
            }
            Err(error) => Err(error),
        }
    }
}

fn audit_owners(table: &Table, owners: &mut Space, file_pages: u64, found: Found<'_>) {
    let mut claims: Vec<(u32, BlobId, u32)> = Vec::new();
    for (blob, entry) in table.iter() {
        claims.clear();
        claims.extend(entry.pages.iter().map(|at| (at.place, blob, at.page)));
        for (place, blob, page) in &claims {
            let why = if u64::from(*place) >= file_pages {
                "past the end of the file"
            } else if !owners.claim(Run { first: *place, pages: 1 }) {
                "owned twice"
            } else {
                continue;
            };
            let why = format!("its place, page {place} (byte {}), is {why}", offset(*place));
            let page = u64::from(*page);
            found(Corruption::page(CorruptionClass::Space, *blob, page, why));
        }
    }
}

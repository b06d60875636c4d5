//! The import `blob-store`.

use std::collections::HashSet;

use holt_engine::device::{BlobOp, StoreUsage};
use holt_engine::error::{Error, Result};
use holt_engine::ids::{BlobId, Ticket};
use holt_engine::limits::{MAX_BLOB_PAGES, MAX_META_BYTES, MAX_TRANSFER_BYTES, PAGE_BYTES};
use holt_wire::limits::{MAX_DAMAGE, MAX_IDS_PER_CALL};
use holt_wire::publish::Publish;

use super::{Answer, Devices, refuse};
use crate::sandbox::bindings::holt::metadata::{blob_store, types};
use crate::sandbox::convert::corruption_to_wit;

/// Pages that one call carries.
const PAGES_PER_CALL: usize = MAX_TRANSFER_BYTES / PAGE_BYTES;

impl blob_store::Host for Devices {
    fn geometry(&mut self) -> wasmtime::Result<u32> {
        self.count(0)?;
        Ok(self.blobs.geometry().frame_bytes())
    }

    fn store_id(&mut self) -> wasmtime::Result<(u64, u64)> {
        self.count(0)?;
        let number = u128::from_le_bytes(self.blobs.store_id());
        Ok((number as u64, (number >> 64) as u64))
    }

    fn root(&mut self) -> Answer<Vec<u8>> {
        self.call(0, |devices| {
            let root = devices.blobs.root()?;
            Ok(devices.sending(root))
        })
    }

    fn entry(&mut self, blob: u64) -> Answer<Option<Vec<u8>>> {
        self.call(0, |devices| {
            let Some(entry) = devices.blobs.entry(BlobId(blob))? else { return Ok(None) };
            let packed = holt_wire::entry::encode(&entry)?;
            Ok(Some(devices.sending(packed)))
        })
    }

    fn list_blobs(&mut self, after: Option<u64>, limit: u32) -> Answer<Vec<u64>> {
        self.call(0, |devices| {
            let limit = (limit as usize).min(MAX_IDS_PER_CALL);
            let ids = devices.blobs.list(after.map(BlobId), limit)?;
            devices.used.bytes_out += 8 * ids.len() as u64;
            Ok(ids.into_iter().map(|blob| blob.0).collect())
        })
    }

    fn read(&mut self, blob: u64, first: u32, count: u32) -> Answer<Vec<u8>> {
        self.call(0, |devices| devices.read_pages(BlobId(blob), first, count as usize))
    }

    fn read_scattered(&mut self, blob: u64, pages: Vec<u32>) -> Answer<Vec<u8>> {
        self.call(4 * pages.len(), |devices| devices.read_listed(BlobId(blob), &pages))
    }

    fn near(&mut self, blob: u64, page: u32, others: Vec<u32>, most: u32) -> Answer<Vec<u32>> {
        self.call(4 * others.len(), |devices| {
            if others.len() > PAGES_PER_CALL {
                return refuse("others", "at most 256 pages");
            }
            let near = devices.blobs.near(BlobId(blob), page, &others, most as usize)?;
            devices.used.bytes_out += 4 * near.len() as u64;
            Ok(near)
        })
    }

    fn read_staged(&mut self, page: u64) -> Answer<Vec<u8>> {
        self.call(0, |devices| {
            devices.require_staged(page)?;
            let mut bytes = vec![0; PAGE_BYTES];
            devices.blobs.read_staged(Ticket(page), &mut bytes)?;
            Ok(devices.sending(bytes))
        })
    }

    fn stage(&mut self, pages: Vec<u8>) -> Answer<Vec<u64>> {
        self.call(pages.len(), |devices| devices.stage_pages(&pages))
    }

    fn release(&mut self, tickets: Vec<u64>) -> Answer<()> {
        self.call(8 * tickets.len(), |devices| devices.release_tickets(&tickets))
    }

    fn publish(&mut self, part: Vec<u8>, last: bool) -> Answer<()> {
        self.call(part.len(), |devices| match devices.parts.push(&part, last)? {
            Some(publish) => devices.publish_whole(&publish),
            None => Ok(()),
        })
    }

    fn discard(&mut self) -> Answer<()> {
        self.call(0, |devices| {
            devices.parts.clear();
            devices.blobs.discard()?;
            devices.staged.clear();
            Ok(())
        })
    }

    fn usage(&mut self) -> Answer<blob_store::StoreUsage> {
        self.call(0, |devices| Ok(usage_to_wit(devices.blobs.usage()?)))
    }

    fn audit(&mut self) -> Answer<Vec<types::Corruption>> {
        self.call(0, Devices::audit_all)
    }
}

fn usage_to_wit(usage: StoreUsage) -> blob_store::StoreUsage {
    blob_store::StoreUsage {
        blobs: usage.blobs,
        pages: usage.pages,
        staged_pages: usage.staged_pages,
        free_bytes: usage.free_bytes,
        allocated_bytes: usage.allocated_bytes,
        manifest_bytes: usage.manifest_bytes,
        manifest_switches: usage.manifest_switches,
        pages_read: usage.pages_read,
        bytes_written: usage.bytes_written,
    }
}

impl Devices {
    fn require_staged(&self, ticket: u64) -> Result<()> {
        match self.staged.contains(&ticket) {
            true => Ok(()),
            false => refuse("ticket", "must be of a page this instance has staged"),
        }
    }

    fn read_pages(&mut self, blob: BlobId, first: u32, count: usize) -> Result<Vec<u8>> {
        if count == 0 || count > PAGES_PER_CALL {
            return refuse("count", "must be 1 to 256 pages");
        }
        if (first as usize).saturating_add(count) > MAX_BLOB_PAGES {
            return refuse("page", "a blob has at most 256 pages");
        }
        let mut bytes = vec![0; count * PAGE_BYTES];
        self.blobs.read(blob, first, &mut bytes)?;
        Ok(self.pages_read(bytes))
    }

    fn read_listed(&mut self, blob: BlobId, pages: &[u32]) -> Result<Vec<u8>> {
        if pages.is_empty() || pages.len() > PAGES_PER_CALL {
            return refuse("pages", "must be 1 to 256 pages");
        }
        let mut bytes = vec![0; pages.len() * PAGE_BYTES];
        self.blobs.read_scattered(blob, pages, &mut bytes)?;
        Ok(self.pages_read(bytes))
    }

    fn pages_read(&mut self, bytes: Vec<u8>) -> Vec<u8> {
        if let Some(progress) = &mut self.progress {
            progress.done += (bytes.len() / PAGE_BYTES) as u64;
            progress.report();
        }
        self.sending(bytes)
    }

    fn stage_pages(&mut self, pages: &[u8]) -> Result<Vec<u64>> {
        let count = pages.len() / PAGE_BYTES;
        if !pages.len().is_multiple_of(PAGE_BYTES) || count == 0 || count > PAGES_PER_CALL {
            return refuse("pages", "must be 1 to 256 whole pages");
        }
        let limit = self.quotas.staged_pages;
        if self.staged.len() as u64 + count as u64 > limit {
            return Err(Error::QuotaExceeded { what: "staged pages", limit });
        }
        if let Some(limit) = self.quotas.pages {
            let usage = self.blobs.usage()?;
            let held = usage.pages.saturating_add(usage.staged_pages);
            if held.saturating_add(count as u64) > limit {
                return Err(Error::QuotaExceeded { what: "pages", limit });
            }
        }
        let mut tickets = Vec::with_capacity(count);
        self.blobs.stage(pages, &mut tickets)?;
        let numbers: Vec<u64> = tickets.into_iter().map(|ticket| ticket.0).collect();
        self.staged.extend(&numbers);
        self.used.bytes_out += 8 * numbers.len() as u64;
        Ok(numbers)
    }

    fn release_tickets(&mut self, tickets: &[u64]) -> Result<()> {
        if tickets.len() > MAX_IDS_PER_CALL {
            return refuse("tickets", "at most 65536 a call");
        }
        let mut named = HashSet::with_capacity(tickets.len());
        for &ticket in tickets {
            self.require_staged(ticket)?;
            if !named.insert(ticket) {
                return refuse("tickets", "one is named twice");
            }
        }
        let staged: Vec<Ticket> = tickets.iter().copied().map(Ticket).collect();
        self.blobs.release(&staged)?;
        for ticket in tickets {
            self.staged.remove(ticket);
        }
        Ok(())
    }

    /// Publishes what was collected. Its form was checked by `Assembly`; what it names is checked
    /// here.
    fn publish_whole(&mut self, publish: &Publish) -> Result<()> {
        let mut named = HashSet::new();
        let mut puts = 0;
        for op in &publish.ops {
            let BlobOp::Put { meta, pages, .. } = op else { continue };
            debug_assert!(meta.len() <= MAX_META_BYTES, "checked when it was read");
            puts += 1;
            for page in pages {
                self.require_staged(page.ticket.0)?;
                if !named.insert(page.ticket.0) {
                    return refuse("ticket", "one is named twice in a publish");
                }
            }
        }
        if let Some(limit) = self.quotas.blobs {
            self.require_room_for_blobs(publish, puts, limit)?;
        }
        self.used.publishes += 1;
        self.blobs.publish(&publish.ops, &publish.root)?;
        for ticket in &named {
            self.staged.remove(ticket);
        }
        Ok(())
    }

    /// Counts exactly only when the quota is near.
    fn require_room_for_blobs(&self, publish: &Publish, puts: u64, limit: u64) -> Result<()> {
        let held = self.blobs.usage()?.blobs;
        if held.saturating_add(puts) <= limit {
            return Ok(());
        }
        let (mut more, mut less) = (0, 0);
        for op in &publish.ops {
            match op {
                BlobOp::Put { blob, .. } => more += u64::from(self.blobs.entry(*blob)?.is_none()),
                BlobOp::Delete { blob } => less += u64::from(self.blobs.entry(*blob)?.is_some()),
            }
        }
        match held.saturating_add(more).saturating_sub(less) <= limit {
            true => Ok(()),
            false => Err(Error::QuotaExceeded { what: "blobs", limit }),
        }
    }

    fn audit_all(&mut self) -> Result<Vec<types::Corruption>> {
        let mut damage = Vec::new();
        let mut progress = self.progress.take();
        let outcome = self.blobs.audit(
            &mut |found| {
                if damage.len() < MAX_DAMAGE {
                    damage.push(corruption_to_wit(found));
                }
            },
            &mut |done, total| {
                if let Some(progress) = &mut progress {
                    // The tree reads each page once more after the audit.
                    (progress.done, progress.total) = (done, total.saturating_mul(2));
                    progress.report();
                }
            },
        );
        self.progress = progress;
        outcome.map(|()| damage)
    }
}

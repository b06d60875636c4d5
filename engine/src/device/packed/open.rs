//! Creating and opening a packed store.
//!
//! Owns: telling a store from a blank, a foreign or a damaged file. Never does: write to a file
//! before it is known to be a store (or, for `create`, to be blank).

use alloc::format;
use alloc::string::String;
use alloc::vec;
use alloc::vec::Vec;

use super::layout::{
    FIRST_PAGE, FORMAT, MARK_PAGE, Mark, Run, SLOTS_BYTES, Slot, Superblock, offset, read_slot,
};
use super::replay::{Replayed, replay};
use super::space::Space;
use super::stage::Staging;
use super::{Counters, Manifest, PackedStore};
use crate::device::io::PositionedIo;
use crate::device::poison::{Poison, lift};
use crate::error::{Corruption, CorruptionClass, Error, Result};
use crate::geometry::Geometry;
use crate::ids::StoreId;
use crate::limits::{MANIFEST_CHUNK_BYTES, MAX_STORE_PAGES, PAGE_BYTES};
use crate::seeded::{self, Bug};
use crate::sync::{Mutex, RwLock};

/// What a store is opened for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// Reading and writing.
    ReadWrite,
    /// Reading; no byte is changed.
    ReadOnly,
}

/// What opening found.
#[derive(Debug)]
#[allow(clippy::large_enum_variant, reason = "made once an opening and taken apart at once")]
pub enum Opened<Io> {
    /// A store.
    Store(PackedStore<Io>),
    /// Nothing: no bytes, or the zeros of a creation that was cut short. Create a store there.
    Blank(Io),
}

impl<Io: PositionedIo> PackedStore<Io> {
    /// Creates an empty store on a blank medium and makes it durable.
    ///
    /// # Errors
    /// `NotAStore` if the medium holds anything; it is not changed then. The device's failures.
    pub fn create(io: Io, geometry: Geometry, store_id: StoreId) -> Result<Self> {
        // A geometry may have come from outside without passing `new`.
        let geometry = Geometry::new(geometry.frame_bytes())?;
        if !is_blank(&io)? {
            return Err(not_a_store("it is not empty, so no store was created in it"));
        }
        let block = Superblock {
            sequence: 1,
            store_id,
            geometry,
            region: Run::default(),
            spare: Run::default(),
            commit: 1,
            snapshot_bytes: 0,
        };
        let mut slots = block.encode();
        slots.extend_from_within(..);
        io.write_at(0, &slots)?;
        if !seeded::is(Bug::SkipCreationSync) {
            io.sync()?;
        }
        let replayed = replay(&io, &block, None)?;
        let space = Space::new(FIRST_PAGE);
        Ok(Self::assemble(io, Access::ReadWrite, block, replayed, space))
    }

    /// Opens the store on this medium.
    ///
    /// # Errors
    /// `NotAStore` for foreign bytes, `UnsupportedFormat` for a later format, `Corrupt` (class
    /// `Superblock`, `Manifest` or `Space`) for damage; the device's failures. In each case the
    /// medium is not changed.
    pub fn open(io: Io, access: Access) -> Result<Opened<Io>> {
        let size = io.size()?;
        if is_blank(&io)? {
            return Ok(Opened::Blank(io));
        }
        let head = read_head(&io)?;
        let slots = slots_of(&head);
        let block = choose(&slots)?;
        let mark = mark_of(&head, &block.store_id);
        let replayed = replay(&io, &block, mark)?;
        let space = map_space(&io, size, &block, &replayed)?;
        if access == Access::ReadWrite {
            settle(&io, &block, mark, &replayed)?;
            repair(&io, &slots, &block, mark, replayed.commit)?;
        }
        Ok(Opened::Store(Self::assemble(io, access, block, replayed, space)))
    }

    fn assemble(
        io: Io,
        access: Access,
        block: Superblock,
        replayed: Replayed,
        space: Space,
    ) -> Self {
        let counters = Counters::default();
        counters.manifest_bytes.store(replayed.used_bytes, core::sync::atomic::Ordering::Relaxed);
        let manifest = Manifest {
            block,
            commit: replayed.commit,
            used_bytes: replayed.used_bytes,
            chain: replayed.chain,
        };
        Self {
            io: Poison::new(io),
            geometry: block.geometry,
            store_id: block.store_id,
            access,
            manifest: Mutex::new(manifest),
            table: RwLock::new(replayed.table),
            staging: Mutex::new(Staging::new(space)),
            unsynced: false.into(),
            counters,
        }
    }
}

fn not_a_store(why: impl Into<String>) -> Error {
    Error::NotAStore { what: "the file".into(), why: why.into() }
}

/// Up to `want` bytes at `at`, fewer at the end of the file.
fn read_up_to(io: &impl PositionedIo, size: u64, at: u64, want: usize) -> Result<Vec<u8>> {
    let len = size.saturating_sub(at).min(want as u64) as usize;
    let mut bytes = vec![0; len];
    if len > 0 {
        io.read_at(at, &mut bytes).map_err(lift)?;
    }
    Ok(bytes)
}

fn is_blank(io: &impl PositionedIo) -> Result<bool> {
    let size = io.size()?;
    if size > SLOTS_BYTES as u64 {
        return Ok(false);
    }
    Ok(read_up_to(io, size, 0, SLOTS_BYTES)?.iter().all(|byte| *byte == 0))
}

/// What lies before the pages of blobs, as far as the file goes.
pub(super) fn read_head(io: &impl PositionedIo) -> Result<Vec<u8>> {
    read_up_to(io, io.size()?, 0, FIRST_PAGE as usize * PAGE_BYTES)
}

pub(super) fn slots_of(head: &[u8]) -> [Slot; 2] {
    let slots = &head[..head.len().min(SLOTS_BYTES)];
    let (first, second) = slots.split_at(slots.len().min(PAGE_BYTES));
    [read_slot(first), read_slot(second)]
}

pub(super) fn mark_of(head: &[u8], store_id: &StoreId) -> Option<Mark> {
    let page = head.get(offset(MARK_PAGE) as usize..).unwrap_or(&[]);
    Mark::decode(page, store_id)
}

/// The superblock in force.
fn choose(slots: &[Slot; 2]) -> Result<Superblock> {
    let damage = |why: String| Error::from(Corruption::new(CorruptionClass::Superblock, why));
    match slots {
        [Slot::Valid(a), Slot::Valid(b)] => {
            if (a.store_id, a.geometry) != (b.store_id, b.geometry) {
                return Err(damage("the two slots belong to different stores".into()));
            }
            if a.sequence == b.sequence && a != b {
                return Err(damage("the two slots have one number and differ".into()));
            }
            Ok(if a.sequence >= b.sequence { *a } else { *b })
        }
        [Slot::Newer(found), _] | [_, Slot::Newer(found)] => {
            Err(Error::UnsupportedFormat { found: *found, supported: FORMAT })
        }
        [Slot::Valid(block), _] | [_, Slot::Valid(block)] => Ok(*block),
        [Slot::Damaged(why), _] | [_, Slot::Damaged(why)] => {
            Err(damage(format!("neither slot is valid: {why}")))
        }
        _ => Err(not_a_store("it does not begin with a superblock")),
    }
}

/// Who owns which page, from the manifest; damage if two do, or if one lies outside the file.
fn map_space(
    io: &impl PositionedIo,
    size: u64,
    block: &Superblock,
    replayed: &Replayed,
) -> Result<Space> {
    let whole_pages = size / PAGE_BYTES as u64;
    let end = size
        .div_ceil(PAGE_BYTES as u64)
        .max(if block.region.pages > 0 { block.region.end() } else { 0 })
        .max(if block.spare.pages > 0 { block.spare.end() } else { 0 });
    let end = u32::try_from(end).ok().filter(|end| *end <= MAX_STORE_PAGES).ok_or_else(|| {
        Corruption::new(CorruptionClass::Space, "the file is larger than a store can be")
    })?;
    let mut space = Space::new(end);
    for run in [block.region, block.spare] {
        if run.pages > 0 && !space.claim(run) {
            let why = "the manifest's regions overlap";
            return Err(Corruption::new(CorruptionClass::Space, why).into());
        }
    }
    for (blob, entry) in replayed.table.iter() {
        for at in &entry.pages {
            let why = match () {
                () if u64::from(at.place) >= whole_pages => "past the end of the file",
                () if !space.claim(Run { first: at.place, pages: 1 }) => "owned twice",
                () => continue,
            };
            let why = format!("its place, page {} of the file, is {why}", at.place);
            let page = u64::from(at.page);
            return Err(Corruption::page(CorruptionClass::Space, blob, page, why).into());
        }
    }
    // A file that takes hardly more than it uses has had its free pages given back already.
    let in_use = u64::from(space.used()) * PAGE_BYTES as u64;
    if io.allocated()? <= in_use + in_use / 64 {
        space.assume_punched();
    }
    Ok(space)
}

/// Makes what was read durable before anything is built on it, or a page it freed is written:
/// it may be in the operating system's memory only. If the last session did not get to the end
/// of its last publish, a sync of that publish may have failed, and the system may have
/// forgotten that it still has bytes to write; so the same bytes are written once more.
fn settle(
    io: &impl PositionedIo,
    block: &Superblock,
    mark: Option<Mark>,
    replayed: &Replayed,
) -> Result<()> {
    let now = Mark { sequence: block.sequence, commit: replayed.commit };
    if mark != Some(now) {
        io.write_at(offset((block.sequence % 2) as u32), &block.encode()).map_err(lift)?;
        // The region's first publish was synced before its superblock was written.
        if replayed.last_unit > 0 {
            let mut at = replayed.last_unit;
            while at < replayed.used_bytes {
                let len = (replayed.used_bytes - at).min(MANIFEST_CHUNK_BYTES as u64) as usize;
                let mut bytes = vec![0; len];
                let place = offset(block.region.first) + at;
                io.read_at(place, &mut bytes).map_err(lift)?;
                io.write_at(place, &bytes).map_err(lift)?;
                at += len as u64;
            }
        }
    }
    io.sync().map_err(lift)
}

/// Writes what a crash left half done: the other superblock slot, the mark.
fn repair(
    io: &impl PositionedIo,
    slots: &[Slot; 2],
    block: &Superblock,
    mark: Option<Mark>,
    commit: u64,
) -> Result<()> {
    for (number, slot) in slots.iter().enumerate() {
        if *slot != Slot::Valid(*block) {
            io.write_at(offset(number as u32), &block.encode()).map_err(lift)?;
        }
    }
    let now = Mark { sequence: block.sequence, commit };
    if block.region.pages > 0 && mark != Some(now) {
        io.write_at(offset(MARK_PAGE), &now.encode(&block.store_id)).map_err(lift)?;
    }
    Ok(())
}

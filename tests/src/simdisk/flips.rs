//! Damaged files of small stores, and what must come of them.
//!
//! Owns: the stores, flipping a bit or zeroing a sector, the judgement. Never does: choose where.

use std::sync::atomic::{AtomicU64, Ordering};

use holt_engine::error::Error;

use super::course::{Base, digest, open};
use super::letters::{Letter, operations, preload};
use super::script::Digest;
use super::store::LOG;
use super::{Choice, Damage, SECTOR_BYTES};
use crate::script::Op;

/// One flip in so many is verified too.
const VERIFIED: u64 = 16;

/// What came of damage.
#[derive(Default)]
pub struct Count {
    /// Bits flipped.
    pub flips: AtomicU64,
    /// Refused at opening.
    pub refused: AtomicU64,
    /// Refused when read.
    pub unread: AtomicU64,
    /// Changed nothing that anybody asks for.
    pub harmless: AtomicU64,
    /// The last record of the log was taken for a torn tail.
    pub torn: AtomicU64,
    /// Verified as well.
    pub verified: AtomicU64,
    /// Flips that no check of the whole store found, though no answer was wrong.
    pub unseen: AtomicU64,
}

fn add(figure: &AtomicU64) {
    figure.fetch_add(1, Ordering::Relaxed);
}

fn typed(error: &Error) -> Result<(), String> {
    match error {
        Error::Corrupt(_) | Error::NotAStore { .. } | Error::UnsupportedFormat { .. } => Ok(()),
        // A length that was damaged may lead a read past the end of the file.
        Error::BlobStoreIo(_) => Ok(()),
        other => Err(format!("an error that does not tell: {other:?}")),
    }
}

/// Flips one bit and asks the store for everything.
///
/// # Errors
/// What is wrong, in words.
pub fn flip(base: &Base, file: &str, bit: u64, count: &Count) -> Result<(), String> {
    let disk = base.disk.crash(Choice::KeepAll);
    disk.damage(file, &Damage::FlipBit(bit)).expect("the file is there");
    add(&count.flips);
    let db = match open(&disk, true) {
        Ok(db) => db,
        Err(error) => {
            add(&count.refused);
            return typed(&error);
        }
    };
    match digest(&db) {
        Ok(found) if found == base.state() => add(&count.harmless),
        Ok(found) if file == LOG && base.states.iter().rev().nth(1) == Some(&found) => {
            add(&count.torn);
        }
        Ok(_) => return Err("another state than the one that was".into()),
        Err(error) => {
            add(&count.unread);
            typed(&error)?;
            let tree = db.unnamed_tree();
            for (key, value) in base.records() {
                match tree.get(key) {
                    Ok(Some(found)) if found == value => {}
                    Ok(found) => return Err(format!("a wrong value: {found:?}")),
                    Err(error) => typed(&error)?,
                }
            }
        }
    }
    if bit.wrapping_mul(0x9e37_79b9) >> 8 & (VERIFIED - 1) == 0 {
        add(&count.verified);
        match db.verify() {
            Ok(report) if report.is_clean() => add(&count.unseen),
            Ok(_) => {}
            Err(error) => typed(&error)?,
        }
    }
    Ok(())
}

fn base(ops: &[Op]) -> Base {
    Base::new(ops).expect("a script without faults")
}

/// Small stores: blank, with a log only, published and with a log, larger with an extent and a
/// second tree.
pub fn stores() -> Vec<Base> {
    use Letter::{Batch, Checkpoint, Delete, Overwrite, PutLarge, PutSmall, Tree};
    let some = operations(&[PutSmall, Overwrite, Batch, Delete]);
    let published = [some.clone(), vec![Op::Checkpoint], some.clone()].concat();
    let large = operations(&[PutLarge, Tree, Checkpoint, PutSmall, Batch, Overwrite]);
    let large = [preload(), large].concat();
    vec![base(&[]), base(&some), base(&published), base(&large)]
}

/// Zeroes each sector of the log of a store, one at a time: what was durable and is followed by
/// durable records must be missed.
///
/// # Errors
/// What is wrong, in words.
pub fn zeroed_log(count: &Count) -> Result<(), String> {
    let put = |number: u8| Op::Put {
        key: format!("logged {number}").into_bytes().into(),
        // More than a sector: one that is zeroed spoils two records at most.
        value: vec![number; 2 * SECTOR_BYTES].into(),
    };
    let base = base(&(0..12).map(put).collect::<Vec<_>>());
    let size = base.disk.snapshot_bytes(LOG).unwrap_or_default().len();
    for offset in (0..size).step_by(SECTOR_BYTES) {
        let disk = base.disk.crash(Choice::KeepAll);
        let (offset, len) = (offset as u64, SECTOR_BYTES as u64);
        disk.damage(LOG, &Damage::Zero { offset, len }).expect("the file is there");
        add(&count.flips);
        let db = match open(&disk, true) {
            Ok(db) => db,
            Err(error) => {
                typed(&error)?;
                continue;
            }
        };
        let found = digest(&db).map_err(|error| format!("reading failed: {error}"))?;
        let last: Vec<&Digest> = base.states.iter().rev().take(3).collect();
        if !last.contains(&&found) {
            return Err(format!("zeros at {offset} of the log: another state than the last"));
        }
    }
    Ok(())
}

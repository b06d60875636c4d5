//! What the engine's root record keeps of the log at each publish.
//!
//! Owns: three positions and their encoding. Never does: read or write the log.

use alloc::vec::Vec;

use super::record::RECORD_ALIGN;
use crate::codec::bytes::{Reader, Write};
use crate::error::{Corruption, CorruptionClass, Result};
use crate::ids::Lsn;
use crate::limits::MAX_LSN;

/// The log as a published state knows it. All zero for a new store.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LogState {
    /// The published state holds every record below; replay starts here.
    pub cut: Lsn,
    /// Every position ever used is below.
    pub ceiling: Lsn,
    /// Everything below was known to be durable.
    pub synced: Lsn,
}

impl LogState {
    /// Encoded bytes.
    pub const BYTES: usize = 24;

    /// Appends the encoded state to `out`.
    pub fn encode(&self, out: &mut Vec<u8>) {
        out.put_u64(self.cut);
        out.put_u64(self.ceiling);
        out.put_u64(self.synced);
    }

    /// Reads a state from the front of `reader`.
    ///
    /// # Errors
    /// `Corrupt` of class root if the bytes are too few or no such state can be.
    pub fn decode(reader: &mut Reader<'_>) -> Result<Self> {
        let mut fields =
            || Some(Self { cut: reader.u64()?, ceiling: reader.u64()?, synced: reader.u64()? });
        let damage = |why| Corruption::new(CorruptionClass::Root, why);
        let state = fields().ok_or_else(|| damage("log state cut short"))?;
        let aligned = |lsn: Lsn| lsn.is_multiple_of(RECORD_ALIGN as u64);
        let ordered = state.cut.max(state.synced) <= state.ceiling && state.ceiling <= MAX_LSN;
        if !ordered || !aligned(state.cut) || !aligned(state.ceiling) || !aligned(state.synced) {
            return Err(damage("impossible log positions").into());
        }
        Ok(state)
    }
}

//! Moves of whole directories.
//!
//! The directory is one of its own, loaded beside the workload's records before the clock starts,
//! so that its size is the same in every workload. It stays: these are a run's last steps.

use std::time::Duration;

use super::{Session, timed};
use crate::Result;
use crate::engine::Engine;
use crate::limits::{LARGE_DIRECTORY, LOAD_BATCH_RECORDS};
use crate::protocol::Outcome;
use crate::workload::Chunk;

/// Files of one directory below the one that is moved.
const FILES: u64 = 256;

/// Bytes of a value.
const VALUE: [u8; 64] = [7; 64];

/// Appends the key of a file under a directory.
fn key(top: &[u8], index: u64, out: &mut Vec<u8>) {
    out.extend_from_slice(top);
    let (directory, file) = (index / FILES, index % FILES);
    out.extend_from_slice(format!("sub-{directory:05}/file-{file:05}.bin").as_bytes());
}

/// Whether the file is under the directory.
fn has(engine: &mut dyn Engine, top: &[u8], index: u64) -> Result<bool> {
    let (mut name, mut value) = (Vec::new(), Vec::new());
    key(top, index, &mut name);
    Ok(engine.get(&name, &mut value)? && value == VALUE)
}

impl Session {
    /// Moves a directory of so many records to and fro.
    pub(super) fn moves(
        &mut self,
        files: u64,
        moves: u64,
        round: u32,
        cap: Option<Duration>,
    ) -> Result<Outcome> {
        if files >= LARGE_DIRECTORY && self.records.loaded < files {
            return Ok(Outcome::default());
        }
        self.records.strangers = true;
        let engine = self.engine.as_deref_mut().ok_or("the store is not open")?;
        let [mut here, mut there] =
            ["from", "to"].map(|end| format!("~move/{files}-{round}-{end}/").into_bytes());
        let mut chunk = Chunk::default();
        for start in (0..files).step_by(LOAD_BATCH_RECORDS) {
            chunk.clear();
            for index in start..files.min(start + LOAD_BATCH_RECORDS as u64) {
                chunk.push(|out| key(&here, index, out), |out| out.extend(VALUE));
            }
            engine.load(&chunk)?;
        }
        let mut outcome = Outcome { asked: moves, ..Outcome::default() };
        let cap = cap.map_or(u64::MAX, |cap| cap.as_nanos() as u64);
        while outcome.ops < moves && outcome.nanos <= cap {
            let moved = timed(&mut outcome, || engine.rename_prefix(&here, &there))?;
            let last = files - 1;
            let gone = !has(engine, &here, 0)? && !has(engine, &here, last)?;
            let arrived = has(engine, &there, 0)? && has(engine, &there, last)?;
            if moved != files || !gone || !arrived {
                return Err(format!("{moved} of {files} records moved, or not all of them").into());
            }
            std::mem::swap(&mut here, &mut there);
            outcome.ops += 1;
        }
        Ok(outcome)
    }
}

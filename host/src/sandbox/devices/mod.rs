//! The host's side of the two imports, over any blob store and log.
//!
//! Owns: what one instance did (its staged tickets, the parts of a publish), counts and quotas.
//! Never does: trust a number or list of the guest. Each is checked here, before the device sees
//! it: a wrong one is a typed error for the guest, never a panic or an unbounded allocation here.
//! Bytes that reach this module were already bounded by `MAX_CROSSING_BYTES`.

mod blobs;
mod journal;
#[cfg(test)]
mod tests;

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::mpsc::SyncSender;

use holt_engine::device::{BlobStore, LogDevice};
use holt_engine::error::{Error, Result};
use holt_wire::publish::Assembly;

use crate::sandbox::bindings::holt::metadata::types;
use crate::sandbox::config::Quotas;
use crate::sandbox::convert::error_to_wit;

/// What a guest did with its devices.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DeviceUse {
    /// Calls to either device.
    pub calls: u64,
    /// Bytes the guest sent.
    pub bytes_in: u64,
    /// Bytes the guest got.
    pub bytes_out: u64,
    /// Appends to the log that the device took.
    pub appends: u64,
    /// Publishes begun.
    pub publishes: u64,
}

/// The devices of one instance.
pub(crate) struct Devices {
    pub(super) blobs: Arc<dyn BlobStore>,
    pub(super) log: Arc<dyn LogDevice>,
    quotas: Quotas,
    /// Tickets this instance got and has not used up: it can name no others.
    staged: HashSet<u64>,
    parts: Assembly,
    pub(super) used: DeviceUse,
    /// Device calls that the running call may still make.
    pub(super) calls_left: u64,
    /// Where to say how far a check is: pages done, and their total.
    pub(super) progress: Option<Progress>,
}

/// How far a check is.
pub(super) struct Progress {
    pub(super) to: SyncSender<(u64, u64)>,
    done: u64,
    total: u64,
}

impl Progress {
    pub(super) fn new(to: SyncSender<(u64, u64)>) -> Self {
        Self { to, done: 0, total: 0 }
    }

    /// A report that finds the channel full is left out: a later one says more.
    fn report(&self) {
        let _ = self.to.try_send((self.done.min(self.total), self.total));
    }
}

/// The instance was ended on purpose; the text says by which limit.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(crate) struct Stopped(pub(crate) String);

/// What an import returns: a trap, or an error for the guest, or a value.
type Answer<T> = wasmtime::Result<Result<T, types::Error>>;

/// A refusal of an argument.
fn refuse<T>(what: &'static str, why: &'static str) -> Result<T> {
    Err(Error::InvalidArgument { what, why })
}

impl Devices {
    pub(super) fn new(
        blobs: Arc<dyn BlobStore>,
        log: Arc<dyn LogDevice>,
        quotas: Quotas,
        used: DeviceUse,
    ) -> Self {
        Self {
            blobs,
            log,
            quotas,
            staged: HashSet::new(),
            parts: Assembly::default(),
            used,
            calls_left: 0,
            progress: None,
        }
    }

    /// Counts a call, then makes it; `sent` is the bytes it carried here.
    ///
    /// # Errors
    /// Ends the instance when it has used up its calls.
    fn call<T>(&mut self, sent: usize, act: impl FnOnce(&mut Self) -> Result<T>) -> Answer<T> {
        self.count(sent)?;
        Ok(act(self).map_err(error_to_wit))
    }

    fn count(&mut self, sent: usize) -> wasmtime::Result<()> {
        self.used.calls += 1;
        self.used.bytes_in = self.used.bytes_in.saturating_add(sent as u64);
        match self.calls_left.checked_sub(1) {
            Some(left) => {
                self.calls_left = left;
                Ok(())
            }
            None => {
                let why = "it used up its device calls (call_device_calls)".to_owned();
                Err(wasmtime::Error::new(Stopped(why)))
            }
        }
    }

    /// Counts bytes on their way to the guest.
    fn sending(&mut self, bytes: Vec<u8>) -> Vec<u8> {
        self.used.bytes_out = self.used.bytes_out.saturating_add(bytes.len() as u64);
        bytes
    }
}

impl types::Host for Devices {}

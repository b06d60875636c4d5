//! A simulated machine: named files on one disk, power loss, faults, damage.
//!
//! Owns: what every file held when it was last synced, and every change since the disk was made.
//! Never does: draw a random number by itself; a seed decides everything. Invariants: the disk
//! after power loss at any event can be had at any time without running the workload again; what
//! was synced is never lost; one sector of 512 bytes is never torn.

pub mod course;
mod crash;
mod event;
pub mod exhaust;
pub mod failing;
mod fault;
mod file;
pub mod flips;
mod image;
pub mod letters;
pub mod random;
pub mod run;
pub mod script;
pub mod store;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use holt_engine::error::{IoError, IoErrorKind};

pub use crash::{Choice, Undecided};
pub use event::{Call, EventInfo};
pub use fault::{Damage, Fault, FaultKind};
pub use file::SimFile;

use event::{Change, Event};
use fault::Faults;
use image::Image;

/// Bytes that a disk writes whole or not at all.
pub const SECTOR_BYTES: usize = 512;

/// A disk with files. Clones are the same disk.
#[derive(Clone, Default)]
pub struct SimDisk {
    inner: Arc<Mutex<Inner>>,
}

#[derive(Default)]
struct Inner {
    names: BTreeMap<String, usize>,
    files: Vec<FileState>,
    events: Vec<Event>,
    faults: Faults,
    hash: u64,
}

/// A file: what a reader sees now, and what was durable since which event.
#[derive(Clone, Default)]
struct FileState {
    name: String,
    live: Image,
    exists: bool,
    /// Durable states with the number of events before each, ascending. Never empty.
    marks: Vec<Mark>,
    /// A failed sync dropped changes: what a reader sees is not what a sync makes durable.
    diverged: bool,
}

#[derive(Clone, Default)]
struct Mark {
    event: usize,
    exists: bool,
    image: Image,
}

impl Inner {
    fn find(&self, name: &str) -> Option<usize> {
        self.names.get(name).copied().filter(|file| self.files[*file].exists)
    }

    /// The file of this name, whether it exists or not.
    fn slot(&mut self, name: &str) -> usize {
        if let Some(file) = self.names.get(name) {
            return *file;
        }
        let file = self.files.len();
        self.names.insert(name.to_string(), file);
        let marks = vec![Mark { event: self.events.len(), ..Mark::default() }];
        self.files.push(FileState { name: name.to_string(), marks, ..FileState::default() });
        file
    }

    /// Records a change and applies it to what readers see.
    fn change(&mut self, file: usize, change: Change) {
        self.hash = change.hash(self.hash, file);
        let punched_reads_zero = self.events.len().is_multiple_of(2);
        let state = &mut self.files[file];
        match &change {
            Change::Create => state.exists = true,
            Change::Write { offset, bytes } => state.live.write(*offset, bytes),
            Change::SetLen(len) => state.live.set_len(*len),
            Change::Punch { offset, len } if punched_reads_zero => state.live.zero(*offset, *len),
            Change::Punch { .. } => {}
            Change::SyncRange { .. } | Change::Sync | Change::FailedSync => {}
        }
        self.events.push(Event { file, change });
    }

    /// Makes everything of a file durable.
    fn sync(&mut self, file: usize) {
        let mark = match self.files[file].diverged {
            true => crash::state(self, file, self.events.len(), Choice::KeepAll),
            false => {
                let state = &self.files[file];
                Mark { event: 0, exists: state.exists, image: state.live.clone() }
            }
        };
        self.change(file, Change::Sync);
        self.files[file].marks.push(Mark { event: self.events.len(), ..mark });
    }

    /// A sync that failed and dropped what was dirty: some of it was written, none of the rest
    /// ever will be, and the next sync does not know.
    fn sync_dropping(&mut self, file: usize) {
        let seed = self.hash;
        let mark = crash::state(self, file, self.events.len(), Choice::Seeded(seed));
        self.change(file, Change::FailedSync);
        let event = self.events.len();
        let state = &mut self.files[file];
        state.marks.push(Mark { event, exists: state.exists, ..mark });
        state.diverged = true;
    }
}

impl std::fmt::Debug for SimDisk {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "simulated disk after {} events", self.events())
    }
}

impl SimDisk {
    /// An empty disk.
    pub fn new() -> Self {
        Self::default()
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Opens a file, creating it if it is not there. It is the same file for every handle.
    ///
    /// # Errors
    /// An injected fault of [`Call::Create`].
    pub fn file(&self, name: &str) -> Result<SimFile, IoError> {
        let mut inner = self.lock();
        let file = inner.slot(name);
        if !inner.files[file].exists {
            if let Some(kind) = inner.faults.next(Call::Create, name) {
                return Err(kind.error(Call::Create, name));
            }
            inner.change(file, Change::Create);
        }
        Ok(SimFile::new(self.clone(), file))
    }

    /// Whether the file is there.
    pub fn exists(&self, name: &str) -> bool {
        self.lock().find(name).is_some()
    }

    /// The files that are there, in order of name.
    pub fn names(&self) -> Vec<String> {
        let inner = self.lock();
        let there = inner.names.iter().filter(|(_, file)| inner.files[**file].exists);
        there.map(|(name, _)| name.clone()).collect()
    }

    /// Changes and syncs so far. A crash at event `n` comes after the first `n` of them.
    pub fn events(&self) -> usize {
        self.lock().events.len()
    }

    /// What event `index` was.
    pub fn event(&self, index: usize) -> Option<EventInfo> {
        let inner = self.lock();
        let event = inner.events.get(index)?;
        Some(event.info(&inner.files[event.file].name))
    }

    /// A hash of all events and their bytes: equal runs have equal hashes.
    pub fn trace_hash(&self) -> u64 {
        self.lock().hash
    }

    /// Sectors and length changes that a crash now would decide about.
    pub fn pieces(&self) -> usize {
        self.pieces_at(self.events())
    }

    /// Sectors and length changes that a crash at `event` decides about.
    pub fn pieces_at(&self, event: usize) -> usize {
        self.undecided_at(event).pieces
    }

    /// What a crash at `event` decides about.
    pub fn undecided_at(&self, event: usize) -> Undecided {
        let inner = self.lock();
        let one = |file| crash::undecided(&inner, file, event);
        (0..inner.files.len()).map(one).fold(Undecided::default(), |sum, one| sum + one)
    }

    /// A number for what all files hold now: equal disks with the same `base` have equal numbers
    /// if the pages that they share with it are the same. Bytes shared with `base` cost nothing.
    pub fn fingerprint(&self, base: &Self) -> u128 {
        let base: Vec<Image> = base.lock().files.iter().map(|file| file.live.clone()).collect();
        let inner = self.lock();
        let mut hash = (0x243f_6a88_85a3_08d3, 0x1319_8a2e_0370_7344);
        for (number, file) in inner.files.iter().enumerate() {
            hash = image::mix(hash, [number as u64, u64::from(file.exists)]);
            hash = file.live.fingerprint(base.get(number), hash);
        }
        u128::from(hash.0) << 64 | u128::from(hash.1)
    }

    /// The disk after loss of power now.
    pub fn crash(&self, choice: Choice) -> Self {
        self.crash_at(self.events(), choice)
    }

    /// The disk after loss of power when the first `event` events had happened.
    pub fn crash_at(&self, event: usize, choice: Choice) -> Self {
        let inner = self.lock();
        let event = event.min(inner.events.len());
        let mut after = Inner { names: inner.names.clone(), ..Inner::default() };
        let mut choice = choice;
        for file in 0..inner.files.len() {
            let mark = Mark { event: 0, ..crash::state(&inner, file, event, choice) };
            choice = choice.after(crash::undecided(&inner, file, event));
            let (live, exists) = (mark.image.clone(), mark.exists);
            let name = inner.files[file].name.clone();
            after.files.push(FileState { name, live, exists, marks: vec![mark], diverged: false });
        }
        Self { inner: Arc::new(Mutex::new(after)) }
    }

    /// Adds a fault. Calls are counted from now on.
    pub fn inject(&self, fault: Fault) {
        self.lock().faults.add(fault);
    }

    /// Ends all faults.
    pub fn clear_faults(&self) {
        self.lock().faults.clear();
    }

    /// Calls of this kind so far, failed ones included.
    pub fn calls(&self, call: Call) -> u64 {
        self.lock().faults.calls(call)
    }

    /// Calls that failed because of a fault.
    pub fn faults_hit(&self) -> u64 {
        self.lock().faults.hit()
    }

    /// The bytes of a file as a reader sees them; `None` if it is not there.
    pub fn snapshot_bytes(&self, name: &str) -> Option<Vec<u8>> {
        let inner = self.lock();
        let live = &inner.files[inner.find(name)?].live;
        let mut bytes = vec![0; live.len() as usize];
        live.read(0, &mut bytes);
        Some(bytes)
    }

    /// Puts a file there, durably, replacing what it held. No event.
    pub fn load(&self, name: &str, bytes: &[u8]) {
        let mut image = Image::default();
        image.write(0, bytes);
        self.set_durable(name, image);
    }

    /// Damages a file where it lies, without an event: readers see it at once.
    ///
    /// # Errors
    /// `NotFound` if the file is not there.
    pub fn damage(&self, name: &str, damage: &Damage) -> Result<(), IoError> {
        let image = {
            let inner = self.lock();
            let Some(file) = inner.find(name) else {
                return Err(IoError::new(IoErrorKind::NotFound, "damage", name));
            };
            let old = match damage {
                Damage::Stale { event, .. } => {
                    crash::state(&inner, file, *event, Choice::KeepAll).image
                }
                _ => Image::default(),
            };
            let mut image = inner.files[file].live.clone();
            damage.apply(&mut image, &old);
            image
        };
        self.set_durable(name, image);
        Ok(())
    }

    fn set_durable(&self, name: &str, image: Image) {
        let mut inner = self.lock();
        let file = inner.slot(name);
        let event = inner.events.len();
        let state = &mut inner.files[file];
        (state.live, state.exists, state.diverged) = (image.clone(), true, false);
        state.marks.push(Mark { event, exists: true, image });
    }
}

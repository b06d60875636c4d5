//! What a runner and its workers say to each other: one JSON object a line.
//!
//! Owns: the messages. Never does: acting on them.

use clap::ValueEnum;
use serde::{Deserialize, Serialize};

use crate::engine::{Counters, Setup};
use crate::measure::Usage;

/// One thing a worker does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, ValueEnum, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Step {
    /// Opens an empty store.
    Open,
    /// Loads every record.
    Load,
    /// Brings everything to its place on disk, durably, and waits until nothing moves.
    Checkpoint,
    /// Brings the store into the state in which its maintainers would have it read.
    Settle,
    /// Reads records that are there, untimed, so that later rounds find warm caches.
    Warm,
    /// Reads records that are there.
    Get,
    /// The same, by Zipf's law: a few records get most reads.
    Zipf,
    /// Reads records that are not.
    Miss,
    /// Lists a hundred records from a random place in a random directory, borrowed.
    Visit,
    /// The same, copied into one buffer.
    List,
    /// The same, each record in memory of its own.
    ListOwned,
    /// Lists up to eight entries of a random level.
    ListDir,
    /// Overwrites records with values of the same size.
    Put,
    /// Reads and overwrites by turns.
    Mixed,
    /// Makes new records and deletes them again.
    CreateDelete,
    /// Moves single records within their directory, and back.
    Rename,
    /// Lookups, levels, creations, deletions and moves as file systems see them.
    Metadata,
    /// Reads by one thread through a handle of its own.
    GetAlone,
    /// Reads by two threads.
    GetTwo,
    /// Overwrites by one thread through a handle of its own.
    PutAlone,
    /// Overwrites by two threads, each in its half.
    PutTwo,
    /// Uniform overwrites and the checkpoint that writes them.
    Overwrite,
    /// Reads with every cache dropped.
    ColdGet,
    /// Walks everything with every cache dropped.
    ColdScan,
    /// Moves a directory of a few hundred records.
    MoveSmall,
    /// Moves a directory of a hundred thousand records.
    MoveLarge,
    /// Overwrites that each wait until they survive loss of power.
    Durable,
    /// The same by sixteen threads.
    DurableMany,
    /// Closes and opens the store.
    Reopen,
    /// Reads records back and compares them in full.
    Verify,
    /// The engine's own check of everything it keeps, where it has one.
    Check,
    /// Follows pointers: no engine, but what the machine gives.
    Chase,
    /// The same by two threads.
    ChaseTwo,
}

/// What a runner asks of a worker.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Ask {
    /// First: which engine, set up how.
    Begin {
        /// Its name.
        engine: String,
        /// Its set-up.
        setup: Setup,
    },
    /// Then any number of steps.
    Do {
        /// Which.
        step: Step,
        /// Which round of it, from 0.
        round: u32,
        /// Stop early after this many seconds.
        cap_seconds: Option<f64>,
    },
    /// Last.
    End,
}

/// What a worker answers.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Answer {
    /// Ready, with a description of the settings.
    Ready {
        /// The settings, in words.
        settings: String,
    },
    /// Under way.
    Progress {
        /// Operations done.
        done: u64,
        /// Operations asked for.
        total: u64,
    },
    /// A step is finished.
    Done(Outcome),
    /// A step failed; the worker ends.
    Failed {
        /// Why.
        why: String,
    },
}

/// What a step took and left.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Outcome {
    /// Time in the engine, in nanoseconds; generating keys and values is not in it.
    pub nanos: u64,
    /// Processor time of all threads of the process while the clock ran, in nanoseconds. On a
    /// busy machine it says more than `nanos`; waiting for a device is not in it.
    pub cpu_nanos: u64,
    /// Operations done.
    pub ops: u64,
    /// Operations asked for; more than `ops` if the step was cut off.
    pub asked: u64,
    /// Bytes of keys and values of the records that the store holds.
    pub payload: u64,
    /// Entries that lists returned; the same for every engine.
    pub entries: u64,
    /// Bytes of keys and values overwritten, where that is what a step is about.
    #[serde(default)]
    pub changed: u64,
    /// Largest resident set of the process before it opened a store, in bytes.
    #[serde(default)]
    pub empty_rss: u64,
    /// Pieces of damage that the engine's own check found; `None` if it has none.
    #[serde(default)]
    pub damage: Option<u64>,
    /// The process, over this step.
    pub usage: Usage,
    /// What the engine itself counts, over this step where it is a counter.
    pub counters: Counters,
}

impl Outcome {
    /// Nanoseconds an operation.
    pub fn nanos_per_op(&self) -> f64 {
        self.nanos as f64 / self.ops.max(1) as f64
    }

    /// Nanoseconds of processor time an operation.
    pub fn cpu_nanos_per_op(&self) -> f64 {
        self.cpu_nanos as f64 / self.ops.max(1) as f64
    }

    /// Whether the step has a meaning for this engine and workload.
    pub fn ran(&self) -> bool {
        self.asked > 0
    }

    /// Whether it was stopped early.
    pub fn cut(&self) -> bool {
        self.ops < self.asked
    }
}

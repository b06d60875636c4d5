//! The command line.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};
use serde::{Deserialize, Serialize};

use crate::limits::{CAP_FLOOR_SECONDS, CAP_RATIO, MAX_RECORDS, ROUND_OPS, STEP_LIMIT_SECONDS};
use crate::protocol::Step;
use crate::workload::Family;

/// Measures holt beside other stores, one process an engine.
#[derive(Parser)]
#[command(name = "holt-benches", version)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// What can be asked for.
#[derive(Subcommand)]
pub enum Command {
    /// Loads records into every engine, then reads, overwrites, lists and reopens.
    Load(Load),
    /// A whole table: several loads, resumable, with targets and plots.
    Profile(Profile),
    /// Runs one engine in this process, for a profiler.
    Solo(Solo),
    /// Latency of puts of ours while a checkpoint runs, beside that without.
    Tail(Tail),
    /// What more threads bring to ours.
    Threads(Threads),
    /// What reaches the device: cold reads, replay of a log, bytes written for overwrites.
    Device(Device),
    /// Answers a runner on standard input and output.
    #[command(hide = true)]
    Worker,
    /// Prints the tables of an earlier run again.
    Report(Report),
}

/// In which order keys are loaded.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Order {
    /// A seeded permutation.
    Random,
    /// Key order.
    Ascending,
}

/// What every run needs to know.
#[derive(Args, Clone, Debug)]
pub struct Shape {
    /// Which records.
    #[arg(long, value_enum, default_value_t = Family::Objstore)]
    pub workload: Family,
    /// Records to load.
    #[arg(long, default_value_t = 2_000_000, value_parser = clap::value_parser!(u64).range(1..=MAX_RECORDS))]
    pub records: u64,
    /// Cache an engine may use, in MiB; without it, enough for everything.
    #[arg(long, value_parser = clap::value_parser!(u64).range(1..=1_048_576))]
    pub cache_mib: Option<u64>,
    /// Load order.
    #[arg(long, value_enum, default_value_t = Order::Random)]
    pub order: Order,
    /// Seed of keys, values and orders.
    #[arg(long, default_value_t = 1)]
    pub seed: u64,
    /// Point operations a round.
    #[arg(long, default_value_t = ROUND_OPS, value_parser = clap::value_parser!(u64).range(1..))]
    pub ops: u64,
    /// Rounds of each cell that has rounds; the median is shown.
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..=99))]
    pub rounds: u32,
    /// Where the stores go (a directory of its own is made in it).
    #[arg(long, default_value = "target/bench/data")]
    pub dir: PathBuf,
}

/// `load`.
#[derive(Args, Clone, Debug)]
pub struct Load {
    #[command(flatten)]
    pub shape: Shape,
    /// Cells with rounds to measure, separated by commas.
    #[arg(long, value_enum, value_delimiter = ',', default_value = "get,miss,list,put")]
    pub cells: Vec<Step>,
    /// All cells, whatever `--cells` says.
    #[arg(long)]
    pub all: bool,
    /// Engines, separated by commas; without it, all that this build has.
    #[arg(long, value_delimiter = ',')]
    pub engines: Vec<String>,
    /// Stop a load after this many seconds and report what was reached.
    #[arg(long)]
    pub cap_seconds: Option<f64>,
    /// Stop a cell of a peer once it takes this many times ours; 0 never stops one.
    #[arg(long, default_value_t = CAP_RATIO)]
    pub cap_ratio: f64,
    /// But stop no cell before it has run this many seconds.
    #[arg(long, default_value_t = CAP_FLOOR_SECONDS)]
    pub cap_floor: f64,
    /// Give up an engine whose step takes longer than this, in seconds.
    #[arg(long, default_value_t = STEP_LIMIT_SECONDS)]
    pub step_limit: u64,
    /// Run engine after engine instead of interleaving their rounds.
    #[arg(long)]
    pub sequential: bool,
    /// A memory cgroup that you prepared, with its limit set: every worker joins it.
    #[arg(long)]
    pub cgroup: Option<PathBuf>,
    /// Where results.json, results.md and the plots go.
    #[arg(long, default_value = "target/bench")]
    pub out: PathBuf,
}

/// Which table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Table {
    /// 20 000 records of each workload; about ten minutes.
    Quick,
    /// 20 000 and two million with every engine, ten million with the fastest peers; two hours.
    Accept,
    /// Fifty million, ours and LMDB.
    Large,
}

/// `profile`.
#[derive(Args, Clone, Debug)]
pub struct Profile {
    /// Which.
    #[arg(value_enum)]
    pub table: Table,
    /// Only these of its engines, separated by commas.
    #[arg(long, value_delimiter = ',')]
    pub engines: Vec<String>,
    /// Only these of its workloads, separated by commas.
    #[arg(long, value_enum, value_delimiter = ',')]
    pub workloads: Vec<Family>,
    /// Begin again instead of going on where an earlier run of this profile stopped.
    #[arg(long)]
    pub fresh: bool,
    /// Start no further cell after this many minutes; the same command goes on later.
    #[arg(long)]
    pub minutes: Option<u64>,
    /// Seed of keys, values and orders.
    #[arg(long, default_value_t = 1)]
    pub seed: u64,
    /// Where the stores go (a directory of its own is made in it).
    #[arg(long, default_value = "target/bench/data")]
    pub dir: PathBuf,
    /// Where results.json, results.md and the plots go.
    #[arg(long, default_value = "target/bench")]
    pub out: PathBuf,
}

/// `solo`.
#[derive(Args)]
pub struct Solo {
    #[command(flatten)]
    pub shape: Shape,
    /// Which engine.
    #[arg(long, default_value = "holt")]
    pub engine: String,
    /// Steps after the load, in this order.
    #[arg(long, value_enum, value_delimiter = ',', default_value = "get")]
    pub steps: Vec<Step>,
}

/// `tail`.
#[derive(Args)]
pub struct Tail {
    /// Changed pages that the checkpoint has to write, about, in MiB.
    #[arg(long, default_value_t = 1024, value_parser = clap::value_parser!(u64).range(8..=65_536))]
    pub dirty_mib: u64,
    /// Checkpoints by the writer itself instead of a thread beside it.
    #[arg(long)]
    pub inline: bool,
    /// Seed of keys, values and orders.
    #[arg(long, default_value_t = 1)]
    pub seed: u64,
    /// Where the store goes (a directory of its own is made in it).
    #[arg(long, default_value = "target/bench/data")]
    pub dir: PathBuf,
}

/// `threads`.
#[derive(Args)]
pub struct Threads {
    /// Records to load.
    #[arg(long, default_value_t = 500_000, value_parser = clap::value_parser!(u64).range(1000..=MAX_RECORDS))]
    pub records: u64,
    /// Operations of a thread.
    #[arg(long, default_value_t = 1_000_000, value_parser = clap::value_parser!(u64).range(1..))]
    pub ops: u64,
    /// Durable puts of a thread.
    #[arg(long, default_value_t = 500, value_parser = clap::value_parser!(u64).range(1..))]
    pub durable: u64,
    /// Threads that write durably.
    #[arg(long, default_value_t = 16, value_parser = clap::value_parser!(u64).range(1..=256))]
    pub writers: u64,
    /// Seed of keys, values and orders.
    #[arg(long, default_value_t = 1)]
    pub seed: u64,
    /// Where the store goes (a directory of its own is made in it).
    #[arg(long, default_value = "target/bench/data")]
    pub dir: PathBuf,
}

/// `device`.
#[derive(Args)]
pub struct Device {
    /// Records to load.
    #[arg(long, default_value_t = 1_000_000, value_parser = clap::value_parser!(u64).range(20_000..=MAX_RECORDS))]
    pub records: u64,
    /// Engines whose overwrites are counted, separated by commas.
    #[arg(long, value_delimiter = ',', default_value = "holt")]
    pub engines: Vec<String>,
    /// Overwrites between two checkpoints.
    #[arg(long, default_value_t = 100_000, value_parser = clap::value_parser!(u64).range(1..))]
    pub between: u64,
    /// Checkpoints.
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u64).range(1..=1000))]
    pub rounds: u64,
    /// Seed of keys, values and orders.
    #[arg(long, default_value_t = 1)]
    pub seed: u64,
    /// Where the store goes (a directory of its own is made in it).
    #[arg(long, default_value = "target/bench/data")]
    pub dir: PathBuf,
}

/// `report`.
#[derive(Args)]
pub struct Report {
    /// Results of an earlier run.
    #[arg(default_value = "target/bench/results.json")]
    pub results: PathBuf,
    /// Also write results.md and the plots again, into this directory.
    #[arg(long)]
    pub out: Option<PathBuf>,
    /// Also put the tables between the marks `<!-- bench -->` of this file.
    #[arg(long)]
    pub into: Option<PathBuf>,
}

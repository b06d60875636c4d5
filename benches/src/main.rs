//! The benches of holt: one command that measures ours and the peers on the same records.
//!
//! Owns: the command line and its dispatch. Never does: measuring (see `worker`) or deciding
//! what is good enough; nothing in this crate asserts a time.

mod cli;
mod device;
mod engine;
mod limits;
mod measure;
mod protocol;
mod report;
mod runner;
mod tail;
mod threads;
mod worker;
mod workload;

use clap::Parser;

/// What can go wrong here: something an engine, the system or the command line says.
pub type Failure = Box<dyn std::error::Error + Send + Sync>;

/// Results of this crate.
pub type Result<T> = std::result::Result<T, Failure>;

fn main() {
    let outcome = match cli::Cli::parse().command {
        cli::Command::Load(load) => runner::load(&load),
        cli::Command::Profile(profile) => runner::profile(&profile),
        cli::Command::Solo(solo) => worker::solo(&solo),
        cli::Command::Tail(tail) => tail::run(&tail),
        cli::Command::Threads(of) => threads::run(&of),
        cli::Command::Device(of) => device::run(&of),
        cli::Command::Worker => worker::serve(),
        cli::Command::Report(from) => report::again(&from),
    };
    if let Err(error) = outcome {
        eprintln!("holt-benches: {error}");
        std::process::exit(1);
    }
}

//! The commands, one file each: its arguments with their help, and what it does.
//!
//! Owns: the list of commands. Never does: anything else.

mod check;
mod checkpoint;
mod compact;
mod completions;
mod dump;
mod get;
mod import;
mod load;
mod ls;
mod mv;
mod put;
mod rm;
mod stat;
mod trees;
mod watch;

use clap::Subcommand;

use super::Context;
use super::failure::Failure;

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Command {
    Import(import::Arguments),
    Put(put::Arguments),
    Get(get::Arguments),
    Rm(rm::Arguments),
    Mv(mv::Arguments),
    Ls(ls::Arguments),
    Dump(dump::Arguments),
    Load(load::Arguments),
    Trees(trees::Arguments),
    Watch(watch::Arguments),
    Stat(stat::Arguments),
    Check(check::Arguments),
    Checkpoint(checkpoint::Arguments),
    Compact(compact::Arguments),
    Completions(completions::Arguments),
}

/// Runs one command.
pub fn run(command: &Command, context: &mut Context) -> Result<(), Failure> {
    match command {
        Command::Import(arguments) => import::run(arguments, context),
        Command::Put(arguments) => put::run(arguments, context),
        Command::Get(arguments) => get::run(arguments, context),
        Command::Rm(arguments) => rm::run(arguments, context),
        Command::Mv(arguments) => mv::run(arguments, context),
        Command::Ls(arguments) => ls::run(arguments, context),
        Command::Dump(arguments) => dump::run(arguments, context),
        Command::Load(arguments) => load::run(arguments, context),
        Command::Trees(arguments) => trees::run(arguments, context),
        Command::Watch(arguments) => watch::run(arguments, context),
        Command::Stat(arguments) => stat::run(arguments, context),
        Command::Check(arguments) => check::run(arguments, context),
        Command::Checkpoint(arguments) => checkpoint::run(arguments, context),
        Command::Compact(arguments) => compact::run(arguments, context),
        Command::Completions(arguments) => completions::run(arguments, context),
    }
}

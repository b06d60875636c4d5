//! The command `holt`. Everything is in [`cli`]; this file only hands over the arguments.

mod cli;

use std::process::ExitCode;

fn main() -> ExitCode {
    cli::run(std::env::args_os().collect())
}

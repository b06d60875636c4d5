//! `holt completions`: the completion script of a shell.

use clap::CommandFactory;
use clap_complete::Shell;

use crate::cli::Context;
use crate::cli::failure::Failure;

const HELP: &str = "\
Examples:
  holt completions bash > ~/.local/share/bash-completion/completions/holt
  holt completions zsh > ~/.zfunc/_holt
  holt completions fish > ~/.config/fish/completions/holt.fish

Needs no store. --json changes nothing.";

/// Print the completion script of a shell
#[derive(Debug, clap::Args)]
#[command(after_help = HELP)]
pub struct Arguments {
    /// Shell to complete in
    #[arg(value_name = "SHELL", value_enum)]
    shell: Shell,
}

pub fn run(arguments: &Arguments, context: &mut Context) -> Result<(), Failure> {
    let mut command = crate::cli::args::Arguments::command();
    let mut script = Vec::new();
    clap_complete::generate(arguments.shell, &mut command, "holt", &mut script);
    context.out.raw(&script)
}

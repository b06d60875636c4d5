//! The command line: what holds for every command. Each command's own arguments are in its
//! file under `commands`.
//!
//! Owns: global options, help texts, turning clap's complaints into one line.
//! Never does: run a command.

use std::ffi::OsString;
use std::io::{self, IsTerminal};
use std::path::PathBuf;

use clap::builder::styling::{AnsiColor, Styles};
use clap::builder::{OsStringValueParser, TypedValueParser};
use clap::error::ErrorKind;
use clap::{CommandFactory, Parser, ValueEnum, ValueHint};

use super::commands::Command;
use super::failure::Failure;
use super::keys::KeyFormat;
use super::limits::{DEFAULT_WAIT_SECONDS, MAX_WAIT_SECONDS};
use super::output::Out;

/// Which engine opens the store. Both read and write the same files.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum EngineChoice {
    /// Linked in
    #[default]
    Native,
    /// A WebAssembly component that reaches nothing but the store's two files
    Sandbox,
}

impl EngineChoice {
    /// The name in `--json`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Native => "native",
            Self::Sandbox => "sandbox",
        }
    }
}

const HELP: &str = "\
Examples:
  holt --store /var/tmp/usr import /usr        keep what lstat says of every entry of /usr
  holt --store /var/tmp/usr ls bin/            list one level
  holt put --store ./s color blue              options may stand anywhere
  HOLT_STORE=./s holt get color                the store may come from the environment
  holt --store ./s --tree users put ann 1      one of several named trees of a store
  holt --store ./s --engine sandbox dump       the same store in the sandboxed engine
  holt help ls                                 more about one command

Keys are any bytes. --key-format says how they are written as arguments: `text` (as they are),
`escaped` (\\\\ \\n \\r \\t \\0 \\xHH, the form that `ls` prints) or `hex` (two digits a byte).

With --json each command prints objects, one a line. Bytes that are UTF-8 are in a field such
as `key`, other bytes in base64 in the field `key_b64`. A failure is an object too:
  {\"error\":{\"exit\":1,\"kind\":\"not-found\",\"message\":\"...\"}}

HOLT_ENGINES, if set, lists the engines that may be used, as `sandbox` or `native,sandbox`.

Exit codes: 0 done, 1 not found or damage, 2 usage, 3 done in part, 4 the store is in use,
5 input or output failed.";

const GLOBAL: &str = "Options of every command";

const STYLES: Styles =
    Styles::styled().header(AnsiColor::Green.on_default()).literal(AnsiColor::Cyan.on_default());

/// A metadata engine for path-shaped keys
#[derive(Debug, Parser)]
#[command(name = "holt", version, after_help = HELP, styles = STYLES, max_term_width = 100)]
pub struct Arguments {
    /// Directory of the store
    #[arg(help_heading = GLOBAL, long, global = true, env = "HOLT_STORE", value_name = "DIR")]
    #[arg(value_hint = ValueHint::DirPath, value_parser = OsStringValueParser::new().map(PathBuf::from))]
    pub store: Option<PathBuf>,

    /// Engine that opens the store; both read and write the same files
    #[arg(help_heading = GLOBAL, long, global = true, value_name = "ENGINE", value_enum, default_value_t)]
    pub engine: EngineChoice,

    /// Seconds to wait for a store that is in use
    #[arg(help_heading = GLOBAL, long, global = true, value_name = "SECONDS")]
    #[arg(default_value_t = DEFAULT_WAIT_SECONDS)]
    #[arg(value_parser = clap::value_parser!(u32).range(..=i64::from(MAX_WAIT_SECONDS)))]
    pub wait: u32,

    /// Tree of the store, by name; without it, the one that has none
    #[arg(help_heading = GLOBAL, long, global = true, value_name = "NAME")]
    pub tree: Option<String>,

    /// Bytes of committed changes to keep for `watch`; every command that writes must say so
    #[arg(help_heading = GLOBAL, long, global = true, env = "HOLT_FEED", value_name = "BYTES")]
    #[arg(default_value_t = 0, hide_default_value = true)]
    pub feed: u64,

    /// Print JSON, one object a line
    #[arg(help_heading = GLOBAL, long, global = true)]
    pub json: bool,

    /// How keys are written as arguments
    #[arg(help_heading = GLOBAL, long, global = true, value_name = "FORMAT", value_enum, default_value_t)]
    pub key_format: KeyFormat,

    #[command(subcommand)]
    pub command: Command,
}

/// Prints the help or version that was asked for, or says in one line what is wrong.
pub fn explain(error: &clap::Error, arguments: &[OsString], out: &mut Out) -> Result<(), Failure> {
    let text = error.render();
    match error.kind() {
        ErrorKind::DisplayHelp | ErrorKind::DisplayVersion => match io::stdout().is_terminal() {
            true => out.raw(text.ansi().to_string().as_bytes()),
            false => out.raw(text.to_string().as_bytes()),
        },
        ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand | ErrorKind::MissingSubcommand => {
            Err(Failure::Usage("no command given; `holt --help` lists them".into()))
        }
        _ => {
            let complaint = complaint(&text.to_string());
            Err(Failure::Usage(format!("{complaint}; see `{}`", help_for(arguments))))
        }
    }
}

/// The complaint at the start of clap's text, and its tips, without the usage that follows.
fn complaint(text: &str) -> String {
    let mut line = String::new();
    let wanted = text.lines().take_while(|l| !l.starts_with("Usage:") && !l.starts_with("For "));
    for word in wanted.flat_map(str::split_whitespace) {
        if word == "tip:" {
            line.push(';');
            continue;
        }
        if !line.is_empty() {
            line.push(' ');
        }
        line.push_str(word);
    }
    line.strip_prefix("error: ").unwrap_or(&line).into()
}

/// The call that explains the command among the arguments, if there is one.
fn help_for(arguments: &[OsString]) -> String {
    let command = Arguments::command();
    let named = arguments.iter().skip(1).find_map(|argument| {
        command.get_subcommands().map(clap::Command::get_name).find(|name| argument == name)
    });
    format!("holt {}", named.map_or_else(|| "--help".into(), |name| format!("help {name}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_definitions_hold() {
        Arguments::command().debug_assert();
    }

    #[test]
    fn complaints_are_one_line() {
        let text =
            "error: the following are missing:\n  <KEY>\n\n  tip: add it\n\nUsage: holt get\n";
        assert_eq!(complaint(text), "the following are missing: <KEY>; add it");
        assert_eq!(help_for(&["holt".into(), "--json".into(), "ls".into()]), "holt help ls");
        assert_eq!(help_for(&["holt".into()]), "holt --help");
    }
}

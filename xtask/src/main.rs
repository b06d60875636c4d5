//! The project's own tasks: `cargo xtask test` runs every suite, `cargo xtask web` those of the
//! JavaScript package alone, `cargo xtask demo` shows the main job on real input, `cargo xtask
//! examples` runs the examples, `cargo xtask api` keeps the list of what holt offers, `cargo xtask
//! mutants` asks whether the tests notice changed code, `cargo xtask report` prints the figures of
//! the reliability suites, `cargo xtask races` looks for races between threads, `cargo xtask fuzz`
//! gives the decoders to a fuzzer.
//!
//! Owns: the command line. Never does: print anything from the suites itself.

mod api;
mod demo;
mod examples;
mod fuzz;
mod mutants;
mod races;
mod report;
mod run;
mod summary;
mod test;
mod tools;
mod web;
mod web_tools;

use std::process::ExitCode;

const USAGE: &str = "\
usage: cargo xtask test [--no-browser] [--no-web] [--quick]
       cargo xtask web [--no-browser] [--no-figures] [--size]
       cargo xtask demo [--keep]
       cargo xtask examples
       cargo xtask api [--check] [--allow-missing]
       cargo xtask mutants [--seed N] [--sample N] [--again]
       cargo xtask report [--cut] [--seed N] [--only SUITE]
       cargo xtask races [--seconds N] [--seeds N] [--only TOOL]
       cargo xtask fuzz [--seconds N] [--only TARGET]

test      every check: format, clippy, the build without std, all suites, Node and Chromium
            --no-browser  leave Chromium out
            --no-web      leave the web package out: Node and Chromium
            --quick       fewer rounds in the long suites
web       builds the JavaScript package and runs its suites in Node and Chromium
            --no-browser  leave Chromium out
            --no-figures  do not measure
            --size        shrink the modules with npm's binaryen
demo      imports /usr with the native and the sandboxed engine and compares what they hold
            --keep        leave the stores in target/demo
examples  builds the programs in examples and runs each on a directory of its own
api       writes docs/API-COVERAGE.md from docs/api.toml, and names rows without a test
            --check          write nothing: fail if the page is stale or a row has no test
            --allow-missing  with --check: let rows without a test pass
mutants   changes the code of the public handles in places drawn by a seed, one at a time, and
          fails if more than 3 in 100 changes go unnoticed by the tests; see its --help
report    runs the crash, fault, damage and kill suites at their full size, plants mistakes that
          they must find, and prints one table; fails if a figure is missed; see its --help
races     runs threads beside each other under ThreadSanitizer and in Miri; see its --help
fuzz      gives the decoders to libFuzzer; see its --help
";

fn main() -> ExitCode {
    let mut words = std::env::args().skip(1);
    let command = words.next().unwrap_or_default();
    let flags: Vec<String> = words.collect();
    match command.as_str() {
        "mutants" => {
            return started(&command, mutants::Options::parse(&flags), mutants::HELP, mutants::run);
        }
        "fuzz" => {
            return started(&command, fuzz::Options::parse(&flags), fuzz::HELP, fuzz::run);
        }
        "races" => {
            return started(&command, races::Options::parse(&flags), races::HELP, races::run);
        }
        "report" => {
            return started(&command, report::Options::parse(&flags), report::HELP, report::run);
        }
        _ => {}
    }
    let known: &[&str] = match command.as_str() {
        "test" => &["--no-browser", "--no-web", "--quick"],
        "web" => &["--no-browser", "--no-figures", "--size"],
        "demo" => &["--keep"],
        "examples" => &[],
        "api" => &["--check", "--allow-missing"],
        _ => {
            eprint!("{USAGE}");
            return ExitCode::from(2);
        }
    };
    if let Some(unknown) = flags.iter().find(|flag| !known.contains(&flag.as_str())) {
        eprintln!("unknown flag {unknown}\n{USAGE}");
        return ExitCode::from(2);
    }
    let has = |flag: &str| flags.iter().any(|given| given == flag);
    let passed = match command.as_str() {
        "test" => test::run(&test::Options {
            web: !has("--no-web"),
            browser: !has("--no-browser") && !has("--no-web"),
            quick: has("--quick"),
        }),
        "web" => web::run(&web::Options {
            browser: !has("--no-browser"),
            figures: !has("--no-figures"),
            size: has("--size"),
        }),
        "api" => {
            api::run(&api::Options { check: has("--check"), allow_missing: has("--allow-missing") })
        }
        "examples" => examples::run(),
        _ => demo::run(has("--keep")),
    };
    ended(&command, passed)
}

/// Runs a command with options of its own, if they can be read.
fn started<O>(
    command: &str,
    options: Result<O, String>,
    help: &str,
    run: fn(&O) -> Result<(), String>,
) -> ExitCode {
    match options {
        Ok(options) => ended(command, run(&options)),
        Err(why) => {
            eprint!("{why}\n{help}");
            ExitCode::from(2)
        }
    }
}

fn ended(command: &str, passed: Result<(), String>) -> ExitCode {
    match passed {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => {
            eprintln!("xtask {command}: {why}");
            ExitCode::FAILURE
        }
    }
}

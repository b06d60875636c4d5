//! `cargo xtask test`: every check of the project, one after the other.
//!
//! Owns: the order, and which settings the suites get. Never does: stop at the first failure,
//! except where nothing after it could run.

use std::time::Instant;

use crate::run::{cargo, kept, shown};
use crate::summary::{Suite, close, parse_cargo_test};
use crate::{api, examples, tools, web};

/// The packages whose tests run here, in order.
const PACKAGES: &[&str] = &[
    "holt-engine",
    "holt-native-store",
    "holt-wire",
    "holt",
    "holt-host",
    "holt-tests",
    "holt-xtask",
];

/// What is left out of a normal build and tested all the same.
const FEATURES: &[&str] = &["--features", "holt/serde,holt/metrics"];

/// The optimised profile of the demo, so that wasmtime is built once, but with the checks of
/// a debug build in our own crates.
const PROFILE: &[&str] = &["--release"];
const CHECKED: &[&str] = &["holt-engine", "holt-native-store", "holt-host", "holt-tests"];

/// Most lines of figures shown from one suite.
const FIGURES: usize = 60;

/// What to run.
pub struct Options {
    /// Whether the web package is built and tested.
    pub web: bool,
    /// Whether Chromium runs too.
    pub browser: bool,
    /// Whether the long suites run fewer rounds.
    pub quick: bool,
}

/// Runs everything; an error names what failed.
pub fn run(options: &Options) -> Result<(), String> {
    let started = Instant::now();
    tools::targets()?;
    let mut suites = Vec::new();
    let mut check = |name: &str, arguments: &[&str]| {
        println!("==> {name}");
        let begun = Instant::now();
        let result = shown(cargo(arguments));
        suites.push(Suite::check(name, begun.elapsed(), result));
    };
    check("format", &["fmt", "--all", "--check"]);
    let clippy = ["clippy", "--workspace", "--all-targets", "--release"];
    check("clippy", &[&clippy[..], FEATURES, &["--", "-D", "warnings"]].concat());
    let bare = ["build", "--package", "holt-engine", "--target", "x86_64-unknown-none", "--lib"];
    check("engine without std", &bare);
    let begun = Instant::now();
    let listed = api::run(&api::Options { check: true, allow_missing: false });
    suites.push(Suite::check("list of the API", begun.elapsed(), listed));
    // Before the packages: the differential suite runs the JavaScript package too.
    if options.web {
        let begun = Instant::now();
        let built =
            web::run(&web::Options { browser: options.browser, figures: false, size: false });
        let name = match options.browser {
            true => "web package: types, Node, Chromium",
            false => "web package: types, Node",
        };
        suites.push(Suite::check(name, begun.elapsed(), built));
    }
    suites.extend(cargo_tests(options)?);
    // Building the tests has built them.
    println!("==> examples");
    let begun = Instant::now();
    let ran = examples::run_built();
    suites.push(Suite::check("examples", begun.elapsed(), ran));
    println!("all of it took {:.0} s", started.elapsed().as_secs_f64());
    close(&suites)
}

/// The tests of all packages: built with progress on the terminal, then run and counted.
///
/// One call of cargo for all of them: packages chosen one by one get other features of what
/// they share, and wasmtime would be built again for each choice.
fn cargo_tests(options: &Options) -> Result<Vec<Suite>, String> {
    println!("==> tests of {}", PACKAGES.join(", "));
    let begun = Instant::now();
    let mut base = vec!["test".to_owned()];
    base.extend(PACKAGES.iter().flat_map(|package| ["--package".into(), (*package).into()]));
    base.extend(PROFILE.iter().chain(FEATURES).map(|word| (*word).to_owned()));
    for checked in CHECKED {
        for setting in ["debug-assertions", "overflow-checks"] {
            base.push("--config".into());
            base.push(format!("profile.release.package.{checked}.{setting}=true"));
        }
    }
    let words: Vec<&str> = base.iter().map(String::as_str).collect();
    if let Err(why) = shown(cargo(&[&words[..], &["--no-run"]].concat())) {
        return Ok(vec![Suite::check("tests build", begun.elapsed(), Err(why))]);
    }
    let mut testing = cargo(&[&words[..], &["--no-fail-fast", "--", "--show-output"]].concat());
    testing.env("RUST_BACKTRACE", "0");
    if options.quick {
        testing.env("HOLT_QUICK", "1");
    }
    if !options.web {
        testing.env("HOLT_SKIP_WEB", "1");
    }
    let output = kept(testing, progress)?;
    let mut suites = parse_cargo_test(&output.lines);
    let failed = suites.iter().any(|suite| !suite.failed.is_empty());
    if failed || !output.success {
        output.lines.iter().for_each(|line| println!("    {line}"));
    } else {
        figures(&output.lines).iter().for_each(|line| println!("    {line}"));
    }
    // A program that died (a signal, an abort) leaves no line of results.
    if !output.success && !failed {
        let died = Err("ended without a result, see its output above".into());
        suites.push(Suite::check("tests end well", begun.elapsed(), died));
    }
    Ok(suites)
}

/// Shows which program runs.
fn progress(line: &str) {
    let line = line.trim();
    if line.starts_with("Running ") || line.starts_with("Doc-tests ") {
        println!("  {}", line.split(" (").next().unwrap_or(line));
    }
}

/// What passing tests printed about their run.
fn figures(lines: &[String]) -> Vec<&str> {
    let mut shown = Vec::new();
    let mut inside = false;
    for line in lines {
        if line.starts_with("---- ") && line.ends_with(" stdout ----") {
            inside = true;
        } else if line.trim().is_empty() || line.trim() == "successes:" {
            inside = false;
        } else if inside && shown.len() < FIGURES {
            shown.push(line.as_str());
        }
    }
    shown
}

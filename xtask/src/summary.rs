//! What ran, how much of it, how long it took and what failed.
//!
//! Owns: [`Suite`] and the closing table. Never does: run anything.

use std::time::Duration;

/// One suite that ran.
pub struct Suite {
    /// Its name.
    pub name: String,
    /// Tests that passed.
    pub passed: u64,
    /// Tests that were left out.
    pub ignored: u64,
    /// What failed; empty if nothing did.
    pub failed: Vec<String>,
    /// How long it took.
    pub took: Duration,
}

impl Suite {
    /// A suite of one check.
    pub fn check(name: &str, took: Duration, result: Result<(), String>) -> Self {
        Self {
            name: name.into(),
            passed: u64::from(result.is_ok()),
            ignored: 0,
            failed: result.err().into_iter().collect(),
            took,
        }
    }
}

/// Prints the table; an error names every suite that failed.
pub fn close(suites: &[Suite]) -> Result<(), String> {
    let width = suites.iter().map(|suite| suite.name.len()).max().unwrap_or_default();
    println!("\n{:width$}  {:>7}  {:>7}  {:>8}", "suite", "passed", "ignored", "seconds");
    for suite in suites {
        let Suite { name, passed, ignored, failed, took } = suite;
        let mark = if failed.is_empty() { "" } else { "  FAILED" };
        let seconds = took.as_secs_f64();
        println!("{name:width$}  {passed:>7}  {ignored:>7}  {seconds:>8.1}{mark}");
    }
    let passed: u64 = suites.iter().map(|suite| suite.passed).sum();
    let took: Duration = suites.iter().map(|suite| suite.took).sum();
    let failed: Vec<&Suite> = suites.iter().filter(|suite| !suite.failed.is_empty()).collect();
    println!("{passed} passed in {} suites, {:.0} s", suites.len(), took.as_secs_f64());
    if failed.is_empty() {
        return Ok(());
    }
    for suite in &failed {
        for what in &suite.failed {
            println!("failed: {}: {what}", suite.name);
        }
    }
    let names: Vec<&str> = failed.iter().map(|suite| suite.name.as_str()).collect();
    Err(format!("failed: {}", names.join(", ")))
}

/// Reads the output of `cargo test`: one suite for each program it ran.
pub fn parse_cargo_test(lines: &[String]) -> Vec<Suite> {
    let mut suites = Vec::new();
    let mut current = "tests".to_owned();
    let mut failed: Vec<String> = Vec::new();
    for line in lines {
        let line = line.trim();
        if let Some(program) = line.strip_prefix("Running ") {
            current = name_of(program);
        } else if let Some(package) = line.strip_prefix("Doc-tests ") {
            current = format!("{package}: examples in the documentation");
        } else if let Some(name) =
            line.strip_prefix("test ").and_then(|rest| rest.strip_suffix(" ... FAILED"))
        {
            failed.push(name.to_owned());
        } else if let Some(counts) = line.strip_prefix("test result: ") {
            let count = |what: &str| {
                let at = counts.find(what)?;
                counts[..at].trim_end().rsplit(' ').next()?.parse::<u64>().ok()
            };
            let seconds = counts.rsplit(" in ").next().and_then(|text| {
                text.trim_end_matches('s').parse::<f64>().ok().filter(|time| time.is_finite())
            });
            if failed.is_empty() && !counts.starts_with("ok") {
                failed.push("see its output above".into());
            }
            suites.push(Suite {
                name: current.clone(),
                passed: count(" passed").unwrap_or_default(),
                ignored: count(" ignored").unwrap_or_default(),
                failed: std::mem::take(&mut failed),
                took: Duration::from_secs_f64(seconds.unwrap_or_default().max(0.0)),
            });
        }
    }
    suites.retain(|suite| suite.passed + suite.ignored > 0 || !suite.failed.is_empty());
    suites
}

/// `tests/limits.rs (target/release/deps/limits-1)` as `limits: tests/limits.rs`.
fn name_of(program: &str) -> String {
    let (source, path) = program.split_once(" (").unwrap_or((program, ""));
    let file = path.rsplit('/').next().unwrap_or_default();
    let binary = file.rsplit_once('-').map_or(file, |(name, _)| name);
    format!("{binary}: {source}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_output_of_cargo_test_is_understood() {
        let text = "\
     Running unittests src/lib.rs (target/debug/deps/holt-1)
test result: ok. 0 passed; 0 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0.00s
     Running tests/limits.rs (target/debug/deps/limits-1)
test a ... ok
test b ... FAILED
test result: FAILED. 1 passed; 1 failed; 2 ignored; 0 measured; 0 filtered out; finished in 1.50s
   Doc-tests holt
test result: ok. 3 passed; 0 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0.25s";
        let lines: Vec<String> = text.lines().map(String::from).collect();
        let suites = parse_cargo_test(&lines);
        assert_eq!(suites.len(), 2);
        assert_eq!(suites[0].name, "limits: tests/limits.rs");
        assert_eq!((suites[0].passed, suites[0].ignored), (1, 2));
        assert_eq!(suites[0].failed, ["b"]);
        assert_eq!(suites[0].took, Duration::from_millis(1500));
        assert_eq!((suites[1].passed, suites[1].failed.len()), (3, 0));
        assert!(close(&suites).is_err());
    }
}

//! Running other programs, and finding them.
//!
//! Owns: how a step is announced, run and reported. Never does: choosing what to run.

use std::env;
use std::ffi::{OsStr, OsString};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Instant;

/// A program about to be run. Its output goes where ours goes.
pub struct Step {
    command: Command,
    program: String,
}

impl Step {
    /// A run of `program`, found on the search path.
    pub fn new(program: &str) -> Self {
        let mut command = Command::new(program);
        command.stdin(Stdio::null());
        Self { command, program: program.into() }
    }

    /// Adds an argument.
    pub fn arg(mut self, argument: impl AsRef<OsStr>) -> Self {
        self.command.arg(argument);
        self
    }

    /// Adds arguments.
    pub fn args<A: AsRef<OsStr>>(mut self, arguments: impl IntoIterator<Item = A>) -> Self {
        self.command.args(arguments);
        self
    }

    /// Runs it in this folder.
    pub fn folder(mut self, folder: &Path) -> Self {
        self.command.current_dir(folder);
        self
    }

    /// Sets a variable of its environment; `PATH` is also where the program is looked up.
    pub fn env(mut self, name: &str, value: impl AsRef<OsStr>) -> Self {
        self.command.env(name, value);
        self
    }

    /// Removes a variable from its environment.
    pub fn without(mut self, name: &str) -> Self {
        self.command.env_remove(name);
        self
    }

    /// Announces the step as `what`, runs it and waits for it.
    ///
    /// # Errors
    /// If it cannot be started or ends with anything but success.
    pub fn run(mut self, what: &str) -> Result<(), String> {
        println!("==> {what}");
        let start = Instant::now();
        let status = self.command.status().map_err(|error| self.not_started(&error))?;
        match status.success() {
            true => {
                println!("==> {what}: done in {:.1} s", start.elapsed().as_secs_f64());
                Ok(())
            }
            false => Err(format!("{what} failed: {} ended with {status}", self.program)),
        }
    }

    /// Runs it silently and gives what it printed.
    ///
    /// # Errors
    /// If it cannot be started, fails, or prints something that is not UTF-8.
    pub fn output(mut self) -> Result<String, String> {
        let output = self.command.output().map_err(|error| self.not_started(&error))?;
        if !output.status.success() {
            let said = String::from_utf8_lossy(&output.stderr);
            return Err(format!("{} ended with {}: {}", self.program, output.status, said.trim()));
        }
        String::from_utf8(output.stdout).map_err(|_| format!("{} printed no text", self.program))
    }

    fn not_started(&self, error: &std::io::Error) -> String {
        format!("{} could not be started ({error}); is it installed?", self.program)
    }
}

/// The root of the repository.
///
/// # Errors
/// If the sources this program was built from have moved.
pub fn root() -> Result<PathBuf, String> {
    let own = Path::new(env!("CARGO_MANIFEST_DIR"));
    match own.parent() {
        Some(root) if root.join("Cargo.lock").is_file() => Ok(root.to_path_buf()),
        _ => Err(format!("no repository at {}; run it by cargo run -p holt-xtask", own.display())),
    }
}

/// The version that `Cargo.lock` has for a crate.
///
/// # Errors
/// If the lock file cannot be read or does not have the crate.
pub fn locked_version(root: &Path, krate: &str) -> Result<String, String> {
    let path = root.join("Cargo.lock");
    let lock = fs::read_to_string(&path).map_err(|error| format!("{}: {error}", path.display()))?;
    version_in(&lock, krate).ok_or_else(|| format!("Cargo.lock has no crate {krate}"))
}

fn version_in(lock: &str, krate: &str) -> Option<String> {
    let name = format!("name = \"{krate}\"");
    let mut lines = lock.lines().skip_while(|line| *line != name);
    let version = lines.nth(1)?.strip_prefix("version = \"")?;
    version.strip_suffix('"').map(String::from)
}

/// The folders of the search path, and cargo's own folder of programs.
pub fn search_path() -> Vec<PathBuf> {
    let mut folders: Vec<PathBuf> =
        env::var_os("PATH").map(|path| env::split_paths(&path).collect()).unwrap_or_default();
    let home = env::var_os("CARGO_HOME").map(PathBuf::from);
    let home = home.or_else(|| env::var_os("HOME").map(|home| PathBuf::from(home).join(".cargo")));
    folders.extend(home.map(|home| home.join("bin")));
    folders
}

/// A program in `first/bin` or on the search path that says it has this version.
pub fn find(first: &Path, program: &str, version: Option<&str>) -> Option<PathBuf> {
    let mut folders = vec![first.join("bin")];
    folders.extend(search_path());
    folders.into_iter().map(|folder| folder.join(program)).find(|path| {
        path.is_file() && version.is_none_or(|version| says(path.as_os_str(), version))
    })
}

fn says(program: &OsStr, version: &str) -> bool {
    let arguments: [OsString; 1] = ["--version".into()];
    let output = Command::new(program).args(arguments).stdin(Stdio::null()).output();
    output.is_ok_and(|output| {
        String::from_utf8_lossy(&output.stdout).split_whitespace().any(|word| word == version)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_read_from_the_lock_file() {
        let lock = "[[package]]\nname = \"a-b\"\nversion = \"1.2.3\"\n\n[[package]]\nname = \"a\"\nversion = \"4.5.6\"\n";
        assert_eq!(version_in(lock, "a").as_deref(), Some("4.5.6"));
        assert_eq!(version_in(lock, "a-b").as_deref(), Some("1.2.3"));
        assert_eq!(version_in(lock, "c"), None);
    }

    #[test]
    fn the_repository_pins_wasm_bindgen() {
        let root = root().expect("the repository");
        let version = locked_version(&root, "wasm-bindgen").expect("a locked version");
        let manifest = fs::read_to_string(root.join("Cargo.toml")).expect("the manifest");
        assert!(manifest.contains(&format!("wasm-bindgen = \"={version}\"")));
    }

    #[test]
    fn a_missing_program_is_named() {
        let error = Step::new("holt-no-such-program").run("a test").expect_err("it is not there");
        assert!(error.contains("holt-no-such-program") && error.contains("installed"), "{error}");
    }
}

//! The tools of the web build: Node, wasm-pack, wasm-bindgen, npm packages.
//!
//! Owns: which versions, and where they are installed if the machine lacks them: in
//! `target/web-tools`, so that nothing the user has is replaced.

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::run::{cargo, command, root, shown, stdout, target};

const WASM_PACK_VERSION: &str = "0.15.1";
const BINARYEN_VERSION: &str = "132.0.0";
const MIN_NODE: u32 = 20;

/// Where tools are installed.
fn folder() -> PathBuf {
    target().join("web-tools")
}

/// The version line of Node; an error if it is missing or too old.
pub fn node() -> Result<String, String> {
    let advice = format!("install Node {MIN_NODE} or later (Debian: apt-get install nodejs npm)");
    let version = stdout(command("node", &["--version"]))
        .map_err(|error| format!("the web suites need Node: {error}; {advice}"))?;
    let version = String::from_utf8_lossy(&version).trim().to_string();
    let number = version.trim_start_matches('v').split('.').next();
    match number.and_then(|part| part.parse::<u32>().ok()) {
        Some(major) if major >= MIN_NODE => Ok(version),
        _ => Err(format!("Node {version} is too old; {advice}")),
    }
}

/// A search path on which the right wasm-pack and wasm-bindgen come first; installs them if
/// they are nowhere.
pub fn wasm_path() -> Result<OsString, String> {
    let lock = root().join("Cargo.lock");
    let lock = fs::read_to_string(&lock).map_err(|error| broken(&lock, &error))?;
    // The command must have the version of the crate; wasm-pack may be any that is there.
    let bindgen = version_in(&lock, "wasm-bindgen").ok_or("Cargo.lock has no wasm-bindgen")?;
    let path = [
        find_or_install("wasm-bindgen", Some(&bindgen), "wasm-bindgen-cli", &bindgen, &[])?,
        find_or_install("wasm-pack", None, "wasm-pack", WASM_PACK_VERSION, &["--locked"])?,
    ];
    let path = path.into_iter().chain(search_path());
    std::env::join_paths(path).map_err(|error| format!("PATH: {error}"))
}

/// The folder of a program that has the version, installing its crate if there is none.
fn find_or_install(
    program: &str,
    version: Option<&str>,
    package: &str,
    package_version: &str,
    more: &[&str],
) -> Result<PathBuf, String> {
    if let Some(found) = find(program, version) {
        return Ok(found);
    }
    println!(
        "==> installing {package} {package_version} into target/web-tools, about three minutes"
    );
    let mut install = cargo(&["install", package, "--version", package_version]);
    shown_in(install.args(more).arg("--root").arg(folder()))?;
    find(program, version)
        .ok_or_else(|| format!("{program} was installed and does not run; remove target/web-tools"))
}

/// npm's wasm-opt, a script for Node; installs it.
pub fn wasm_opt() -> Result<PathBuf, String> {
    let installed = folder().join("node_modules/binaryen/package.json");
    let wanted = format!("\"version\": \"{BINARYEN_VERSION}\"");
    if !fs::read_to_string(&installed).is_ok_and(|text| text.contains(&wanted)) {
        println!("==> installing npm's binaryen {BINARYEN_VERSION} into target/web-tools");
        fs::create_dir_all(folder()).map_err(|error| broken(&folder(), &error))?;
        let mut npm = command("npm", &["install", "--no-save", "--no-audit", "--no-fund"]);
        let package = format!("binaryen@{BINARYEN_VERSION}");
        shown_in(npm.arg("--prefix").arg(folder()).arg(package))?;
    }
    Ok(folder().join("node_modules/binaryen/bin/wasm-opt"))
}

/// `npm ci` in `tests`, unless what its lock file says is installed already.
pub fn npm_ci(tests: &Path) -> Result<(), String> {
    let lock = tests.join("package-lock.json");
    let stamp = tests.join("node_modules/.holt-lock");
    let wanted = fs::read(&lock).map_err(|error| broken(&lock, &error))?;
    if fs::read(&stamp).is_ok_and(|installed| installed == wanted) {
        return Ok(());
    }
    println!("==> npm ci: the TypeScript compiler");
    shown_in(command("npm", &["ci", "--no-audit", "--no-fund"]).current_dir(tests))
        .map_err(|error| format!("{error}; npm comes with Node (Debian: apt-get install npm)"))?;
    fs::write(&stamp, wanted).map_err(|error| broken(&stamp, &error))
}

/// The error of a file operation.
pub fn broken(path: &Path, error: &std::io::Error) -> String {
    format!("{}: {error}", path.display())
}

/// `shown` for a command that was put together in steps.
fn shown_in(built: &mut Command) -> Result<(), String> {
    shown(std::mem::replace(built, Command::new("")))
}

fn version_in(lock: &str, package: &str) -> Option<String> {
    let name = format!("name = \"{package}\"");
    let mut lines = lock.lines().skip_while(|line| *line != name);
    let version = lines.nth(1)?.strip_prefix("version = \"")?;
    version.strip_suffix('"').map(String::from)
}

/// The folders of the search path, and cargo's own folder of programs.
fn search_path() -> Vec<PathBuf> {
    let split = |path: OsString| std::env::split_paths(&path).collect::<Vec<_>>();
    let mut folders = std::env::var_os("PATH").map(split).unwrap_or_default();
    let home = std::env::var_os("CARGO_HOME").map(PathBuf::from);
    let home = home.or_else(|| Some(PathBuf::from(std::env::var_os("HOME")?).join(".cargo")));
    folders.extend(home.map(|home| home.join("bin")));
    folders
}

/// The folder of a program, ours or on the search path, that says it has this version.
fn find(program: &str, version: Option<&str>) -> Option<PathBuf> {
    let mut folders = vec![folder().join("bin")];
    folders.extend(search_path());
    folders.into_iter().find(|folder| {
        let path = folder.join(program);
        path.is_file() && version.is_none_or(|version| says(&path, version))
    })
}

fn says(program: &Path, version: &str) -> bool {
    let output = Command::new(program).arg("--version").stdin(Stdio::null()).output();
    output.is_ok_and(|output| {
        String::from_utf8_lossy(&output.stdout).split_whitespace().any(|word| word == version)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_read_from_the_lock_file() {
        let lock = "[[package]]\nname = \"a-b\"\nversion = \"1.2.3\"\n\n\
                    [[package]]\nname = \"a\"\nversion = \"4.5.6\"\n";
        assert_eq!(version_in(lock, "a").as_deref(), Some("4.5.6"));
        assert_eq!(version_in(lock, "a-b").as_deref(), Some("1.2.3"));
        assert_eq!(version_in(lock, "c"), None);
    }

    #[test]
    fn the_manifest_pins_the_locked_wasm_bindgen() {
        let lock = fs::read_to_string(root().join("Cargo.lock")).expect("the lock file");
        let version = version_in(&lock, "wasm-bindgen").expect("a locked version");
        let manifest = fs::read_to_string(root().join("Cargo.toml")).expect("the manifest");
        assert!(manifest.contains(&format!("wasm-bindgen = \"={version}\"")));
    }

    #[test]
    fn a_version_that_is_nowhere_is_not_found() {
        assert_eq!(find("cargo", Some("0.0.0-nowhere")), None);
        assert_eq!(find("holt-no-such-program", None), None);
    }
}

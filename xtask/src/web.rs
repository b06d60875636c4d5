//! Builds the JavaScript package and runs its suites in Node and in a browser.
//!
//! Owns: the order, and how the package is put together in `wasm/web/pkg`.
//! Never does: anything to files outside `target`, `wasm/web/pkg` and `wasm/web/tests`.

use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

use crate::run::{command, root, shown};
use crate::tools;
use crate::web_tools::{self, broken};

/// wasm-pack's name of a target, and the package's folder for it.
const TARGETS: [(&str, &str); 2] = [("nodejs", "node"), ("web", "web")];
const MODULE: &str = "holt_web_bg.wasm";

/// What to do besides building and the suite in Node.
pub struct Options {
    /// Run the suite in a browser; one that is missing is then an error.
    pub browser: bool,
    /// Print what an operation costs.
    pub figures: bool,
    /// Make the modules smaller with npm's binaryen.
    pub size: bool,
}

/// Builds the package for Node and the web and runs its suites.
///
/// # Errors
/// What failed and what to do about it, in one text.
pub fn run(options: &Options) -> Result<(), String> {
    let node = web_tools::node()?;
    println!("==> web package, Node {node}");
    tools::targets()?;
    build(options.size)?;
    let tests = folder().join("tests");
    web_tools::npm_ci(&tests)?;
    step("types, by tsc", &tests, &["node_modules/typescript/bin/tsc", "-p", "tsconfig.json"])?;
    step("suite in Node", &tests, &["--test", "--test-reporter=spec"])?;
    match options.browser {
        true => step("suite in headless Chromium", &tests, &["browser.mjs"])?,
        false => println!("==> the browser is left out, as asked"),
    }
    if options.figures {
        step("figures in Node", &tests, &["figures.mjs"])?;
    }
    Ok(())
}

fn folder() -> PathBuf {
    root().join("wasm/web")
}

/// Runs Node in `tests`.
fn step(what: &str, tests: &Path, arguments: &[&str]) -> Result<(), String> {
    println!("==> {what}");
    let start = Instant::now();
    let mut node = command("node", arguments);
    node.current_dir(tests);
    shown(node).map_err(|error| {
        let again = arguments.join(" ");
        format!("{what}: {error}; run it alone with: cd wasm/web/tests && node {again}")
    })?;
    println!("==> {what}: passed in {:.1} s", start.elapsed().as_secs_f64());
    Ok(())
}

/// Builds the package into `wasm/web/pkg`.
fn build(size: bool) -> Result<(), String> {
    let start = Instant::now();
    let path = web_tools::wasm_path()?;
    let package = folder().join("pkg");
    if package.exists() {
        fs::remove_dir_all(&package).map_err(|error| broken(&package, &error))?;
    }
    for (target, folder) in TARGETS {
        println!("==> wasm-pack, target {target}");
        shown(wasm_pack(&path, target, folder)?)?;
        // wasm-pack's ignore file would keep npm from publishing the folder.
        let ignore = package.join(folder).join(".gitignore");
        if ignore.exists() {
            fs::remove_file(&ignore).map_err(|error| broken(&ignore, &error))?;
        }
    }
    copy_folder(&folder().join("package"), &package)?;
    for (_, folder) in TARGETS {
        let module = package.join(folder).join(MODULE);
        if size {
            shrink(&module)?;
        }
        let bytes = fs::metadata(&module).map_err(|error| broken(&module, &error))?.len();
        println!("==> wasm/web/pkg/{folder}/{MODULE}: {bytes} bytes");
    }
    println!("==> web package: built in {:.1} s", start.elapsed().as_secs_f64());
    Ok(())
}

fn wasm_pack(path: &OsStr, target: &str, out: &str) -> Result<Command, String> {
    // Looked up here: a program is searched for on our path, not on the one it is given.
    let program = std::env::split_paths(path)
        .map(|folder| folder.join("wasm-pack"))
        .find(|program| program.is_file())
        .ok_or("wasm-pack is not on its own path")?;
    let mut build = command(program, &["--quiet", "build", "--mode", "no-install"]);
    build
        .args(["--no-typescript", "--no-pack", "--target", target, "--out-dir"])
        .arg(Path::new("pkg").join(out))
        .current_dir(folder())
        .env("PATH", path);
    // These would override the flags of wasm/web/.cargo/config.toml, and SIMD with them; and
    // what cargo set for this program must not leak into the build.
    for name in ["RUSTFLAGS", "CARGO_ENCODED_RUSTFLAGS", "CARGO_BUILD_TARGET", "CARGO_MANIFEST_DIR"]
    {
        build.env_remove(name);
    }
    Ok(build)
}

/// Runs npm's wasm-opt over a module.
fn shrink(module: &Path) -> Result<(), String> {
    let mut optimise = command("node", &[]);
    let program = web_tools::wasm_opt()?;
    optimise.arg(program).args(["-O3", "--detect-features"]).arg(module).arg("-o").arg(module);
    shown(optimise)
}

/// Copies a folder of source files; there are no links in it.
fn copy_folder(from: &Path, to: &Path) -> Result<(), String> {
    let mut left = vec![(from.to_path_buf(), to.to_path_buf())];
    while let Some((from, to)) = left.pop() {
        fs::create_dir_all(&to).map_err(|error| broken(&to, &error))?;
        for entry in fs::read_dir(&from).map_err(|error| broken(&from, &error))? {
            let entry = entry.map_err(|error| broken(&from, &error))?;
            let (source, target) = (entry.path(), to.join(entry.file_name()));
            if source.is_dir() {
                left.push((source, target));
            } else {
                fs::copy(&source, &target).map_err(|error| broken(&target, &error))?;
            }
        }
    }
    Ok(())
}

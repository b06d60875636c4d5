//! Builds the JavaScript package and runs its suites in Node and in a browser.
//!
//! Owns: finding or installing the tools of that, putting the package together in `wasm/web/pkg`.
//! Never does: anything to files outside `target`, `wasm/web/pkg` and `wasm/web/tests`, but for
//! the wasm target that rustup adds to the pinned toolchain.

use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Instant;

use crate::tools::{self, Step};

const TARGET: &str = "wasm32-unknown-unknown";
/// The crate whose version the `wasm-bindgen` command must have.
const BINDGEN: &str = "wasm-bindgen";
const WASM_PACK_VERSION: &str = "0.15.1";
const BINARYEN_VERSION: &str = "125.0.0";
const MIN_NODE: u32 = 20;
/// wasm-pack's name of a target and the package's folder for it.
const TARGETS: [(&str, &str); 2] = [("nodejs", "node"), ("web", "web")];

/// What to do besides building and the suite in Node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Options {
    /// Run the suite in a browser; one that is missing is then an error.
    pub browser: bool,
    /// Make the modules smaller with npm's binaryen.
    pub size: bool,
    /// Print what an operation costs.
    pub figures: bool,
}

impl Default for Options {
    fn default() -> Self {
        Self { browser: true, size: false, figures: true }
    }
}

/// Builds the package for Node and the web and runs its suites.
///
/// # Errors
/// What failed and what to do about it, in one text.
pub fn run(options: Options) -> Result<(), String> {
    let folders = Folders::find()?;
    let node = node()?;
    println!("web: {node}");
    build(&folders, options.size)?;
    install_dependencies(&folders.tests)?;
    check_types(&folders.tests)?;
    in_node(&folders.tests)?;
    match options.browser {
        true => in_browser(&folders.tests)?,
        false => println!("web: the browser is left out, as asked"),
    }
    if options.figures {
        Step::new("node").arg("figures.mjs").folder(&folders.tests).run("figures in Node")?;
    }
    Ok(())
}

struct Folders {
    root: PathBuf,
    web: PathBuf,
    package: PathBuf,
    tests: PathBuf,
    /// Where tools are installed that the machine lacks, out of the user's way.
    tools: PathBuf,
}

impl Folders {
    fn find() -> Result<Self, String> {
        let root = tools::root()?;
        let web = root.join("wasm/web");
        let package = web.join("pkg");
        let tests = web.join("tests");
        let tools = root.join("target/web-tools");
        Ok(Self { root, web, package, tests, tools })
    }
}

/// Builds the package into `wasm/web/pkg`.
fn build(folders: &Folders, size: bool) -> Result<(), String> {
    let start = Instant::now();
    add_target(&folders.root)?;
    let path = tools_on_path(folders)?;
    if folders.package.exists() {
        fs::remove_dir_all(&folders.package).map_err(|error| broken(&folders.package, &error))?;
    }
    for (target, folder) in TARGETS {
        wasm_pack(folders, &path, target, folder)?;
    }
    copy_tree(&folders.web.join("package"), &folders.package)?;
    if size {
        shrink(folders)?;
    }
    println!("web: package built in {:.1} s: wasm/web/pkg", start.elapsed().as_secs_f64());
    for (_, folder) in TARGETS {
        let module = folders.package.join(folder).join("holt_web_bg.wasm");
        let bytes = fs::metadata(&module).map_err(|error| broken(&module, &error))?.len();
        println!("web: {folder}/holt_web_bg.wasm has {bytes} bytes");
    }
    Ok(())
}

/// Adds the wasm target to the toolchain the repository pins.
fn add_target(root: &Path) -> Result<(), String> {
    let libraries = Step::new("rustc")
        .args(["--print", "target-libdir", "--target", TARGET])
        .folder(root)
        .output()?;
    if Path::new(libraries.trim()).is_dir() {
        return Ok(());
    }
    Step::new("rustup")
        .args(["target", "add", TARGET])
        .folder(root)
        .run(&format!("adding the target {TARGET}"))
        .map_err(|error| format!("{error}; install rustup, or the target {TARGET} in your own way"))
}

/// A search path on which the wasm-pack and wasm-bindgen of the right versions come first.
fn tools_on_path(folders: &Folders) -> Result<std::ffi::OsString, String> {
    let bindgen = tools::locked_version(&folders.root, BINDGEN)?;
    // wasm-pack may be any that is there, wasm-bindgen must fit the crate exactly.
    let pack = tools::find(&folders.tools, "wasm-pack", None);
    if pack.is_none() {
        install(folders, "wasm-pack", WASM_PACK_VERSION, &["--locked"])?;
    }
    if tools::find(&folders.tools, "wasm-bindgen", Some(&bindgen)).is_none() {
        install(folders, "wasm-bindgen-cli", &bindgen, &[])?;
    }
    let folder_of = |name: &str, version: Option<&str>| {
        tools::find(&folders.tools, name, version)
            .and_then(|path| path.parent().map(Path::to_path_buf))
            .ok_or_else(|| {
                format!("{name} was installed and is not there; remove target/web-tools")
            })
    };
    let mut path = vec![folder_of("wasm-bindgen", Some(&bindgen))?, folder_of("wasm-pack", None)?];
    path.extend(tools::search_path());
    std::env::join_paths(path).map_err(|error| format!("PATH: {error}"))
}

fn install(folders: &Folders, krate: &str, version: &str, more: &[&str]) -> Result<(), String> {
    Step::new("cargo")
        .args(["install", krate, "--version", version, "--root"])
        .arg(&folders.tools)
        .args(more)
        .folder(&folders.root)
        .run(&format!("installing {krate} {version} into target/web-tools (about three minutes)"))
}

fn wasm_pack(folders: &Folders, path: &OsStr, target: &str, folder: &str) -> Result<(), String> {
    Step::new("wasm-pack")
        .args(["--quiet", "build", "--mode", "no-install", "--no-typescript", "--no-pack"])
        .args(["--target", target, "--out-dir"])
        .arg(Path::new("pkg").join(folder))
        .folder(&folders.web)
        .env("PATH", path)
        // These would override the flags of wasm/web/.cargo/config.toml, and SIMD with them.
        .without("RUSTFLAGS")
        .without("CARGO_ENCODED_RUSTFLAGS")
        .without("CARGO_BUILD_TARGET")
        .run(&format!("wasm-pack, target {target}"))?;
    // It ignores everything, and npm would then publish nothing of the folder.
    let ignore = folders.package.join(folder).join(".gitignore");
    match fs::remove_file(&ignore) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(broken(&ignore, &error)),
        _ => Ok(()),
    }
}

/// Runs npm's wasm-opt over both modules.
fn shrink(folders: &Folders) -> Result<(), String> {
    let installed = folders.tools.join("node_modules/binaryen/package.json");
    let wanted = format!("\"version\": \"{BINARYEN_VERSION}\"");
    if !fs::read_to_string(&installed).is_ok_and(|text| text.contains(&wanted)) {
        fs::create_dir_all(&folders.tools).map_err(|error| broken(&folders.tools, &error))?;
        Step::new("npm")
            .args(["install", "--no-save", "--no-audit", "--no-fund", "--prefix"])
            .arg(&folders.tools)
            .arg(format!("binaryen@{BINARYEN_VERSION}"))
            .folder(&folders.root)
            .run("installing binaryen")?;
    }
    for (_, folder) in TARGETS {
        let module = folders.package.join(folder).join("holt_web_bg.wasm");
        Step::new("node")
            .arg(folders.tools.join("node_modules/binaryen/bin/wasm-opt"))
            .args(["-O3", "--all-features", "-o"])
            .arg(&module)
            .arg(&module)
            .folder(&folders.root)
            .run(&format!("wasm-opt, {folder}"))?;
    }
    Ok(())
}

/// The version line of Node; an error if it is missing or too old.
fn node() -> Result<String, String> {
    let advice = format!("install Node {MIN_NODE} or later (Debian: apt-get install nodejs npm)");
    let version = Step::new("node")
        .arg("--version")
        .output()
        .map_err(|error| format!("the web suites need Node: {error}; {advice}"))?;
    let version = version.trim();
    let major =
        version.trim_start_matches('v').split('.').next().and_then(|part| part.parse().ok());
    match major {
        Some(major) if major >= MIN_NODE => Ok(format!("Node {version}")),
        _ => Err(format!("Node {version} is too old; {advice}")),
    }
}

/// `npm ci`, unless what the lock file says is installed already.
fn install_dependencies(tests: &Path) -> Result<(), String> {
    let lock = tests.join("package-lock.json");
    let stamp = tests.join("node_modules/.holt-lock");
    let wanted = fs::read(&lock).map_err(|error| broken(&lock, &error))?;
    if fs::read(&stamp).is_ok_and(|installed| installed == wanted) {
        return Ok(());
    }
    Step::new("npm")
        .args(["ci", "--no-audit", "--no-fund"])
        .folder(tests)
        .run("npm ci (the TypeScript compiler)")?;
    fs::write(&stamp, wanted).map_err(|error| broken(&stamp, &error))
}

fn check_types(tests: &Path) -> Result<(), String> {
    Step::new("node")
        .args(["node_modules/typescript/bin/tsc", "--noEmit", "-p", "tsconfig.json"])
        .folder(tests)
        .run("types, by tsc")
}

fn in_node(tests: &Path) -> Result<(), String> {
    Step::new("node")
        .args(["--test", "--test-reporter=spec"])
        .folder(tests)
        .run("suite in Node")
        .map_err(|error| format!("{error}; run it alone with: cd wasm/web/tests && node --test"))
}

fn in_browser(tests: &Path) -> Result<(), String> {
    Step::new("node")
        .arg("browser.mjs")
        .folder(tests)
        .run("suite in headless Chromium")
        .map_err(|error| format!("{error}; run it alone with: node wasm/web/tests/browser.mjs"))
}

/// Copies a folder of source files; there are no links in it.
fn copy_tree(from: &Path, to: &Path) -> Result<(), String> {
    let mut left = vec![(from.to_path_buf(), to.to_path_buf())];
    while let Some((from, to)) = left.pop() {
        fs::create_dir_all(&to).map_err(|error| broken(&to, &error))?;
        for entry in fs::read_dir(&from).map_err(|error| broken(&from, &error))? {
            let entry = entry.map_err(|error| broken(&from, &error))?;
            let target = to.join(entry.file_name());
            match entry.file_type().map_err(|error| broken(&entry.path(), &error))?.is_dir() {
                true => left.push((entry.path(), target)),
                false => {
                    fs::copy(entry.path(), &target).map_err(|error| broken(&target, &error))?;
                }
            }
        }
    }
    Ok(())
}

fn broken(path: &Path, error: &std::io::Error) -> String {
    format!("{}: {error}", path.display())
}

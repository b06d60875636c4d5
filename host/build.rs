//! Builds the sandboxed engine: the guest crate for wasm, made a component, ready to be embedded.
//!
//! The guest is built by a cargo of its own in a target directory of its own (the outer one is
//! locked by the cargo that runs this), always optimised, with the toolchain that
//! `rust-toolchain.toml` names, whatever flags, wrappers or toolchain the outer build has.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, exit};

const TARGET: &str = "wasm32-unknown-unknown";

/// Settings of the outer build that must not reach the guest's.
const CLEARED: [&str; 12] = [
    "RUSTFLAGS",
    "CARGO_ENCODED_RUSTFLAGS",
    "CARGO_BUILD_RUSTFLAGS",
    "CARGO_BUILD_TARGET",
    "CARGO_BUILD_TARGET_DIR",
    "CARGO_TARGET_DIR",
    "CARGO_INCREMENTAL",
    "RUSTC",
    "RUSTC_WRAPPER",
    "RUSTC_WORKSPACE_WRAPPER",
    "RUSTDOC",
    "RUSTDOCFLAGS",
];

fn main() {
    let host = PathBuf::from(env::var_os("CARGO_MANIFEST_DIR").expect("cargo sets it"));
    let out = PathBuf::from(env::var_os("OUT_DIR").expect("cargo sets it"));
    let root = host.parent().expect("the crate lies in the workspace").to_path_buf();
    for watched in [
        "engine/src",
        "engine/Cargo.toml",
        "wasm/component/src",
        "wasm/component/Cargo.toml",
        "wasm/wire/src",
        "wasm/wire/Cargo.toml",
        "wit",
        "Cargo.toml",
        "Cargo.lock",
        "rust-toolchain.toml",
    ] {
        println!("cargo::rerun-if-changed={}", root.join(watched).display());
    }
    let toolchain = pinned_toolchain(&root);
    require_target(&root, toolchain.as_deref());
    let module = build_guest(&root, &out, toolchain.as_deref());
    let component = componentise(&module);
    let path = out.join("engine.component.wasm");
    fs::write(&path, component).unwrap_or_else(|error| fail(&format!("{path:?}: {error}")));
    println!("cargo::rustc-env=HOLT_ENGINE_COMPONENT={}", path.display());
    // For tests that build a guest of their own: what both need is then built once.
    println!("cargo::rustc-env=HOLT_GUEST_TARGET_DIR={}", out.join("guest").display());
}

/// Says what is wrong in one line and ends the build.
fn fail(why: &str) -> ! {
    println!("cargo::error={why}");
    exit(1)
}

/// The channel of `rust-toolchain.toml`, if rustup is there to provide it.
fn pinned_toolchain(root: &Path) -> Option<String> {
    let rustup = Command::new("rustup").arg("--version").output();
    if !rustup.is_ok_and(|output| output.status.success()) {
        return None;
    }
    let text = fs::read_to_string(root.join("rust-toolchain.toml")).ok()?;
    let line = text.lines().find_map(|line| line.trim().strip_prefix("channel"))?;
    Some(line.trim_start_matches([' ', '=']).trim().trim_matches('"').to_owned())
}

/// A command of the pinned toolchain, free of the outer build's settings.
fn tool(name: &str, root: &Path, toolchain: Option<&str>) -> Command {
    let mut command = match toolchain {
        Some(toolchain) => {
            let mut command = Command::new("rustup");
            command.args(["run", toolchain, name]);
            command
        }
        // Without rustup, the compiler that runs the outer build is the only one.
        None => {
            Command::new(env::var_os(name.to_uppercase()).unwrap_or_else(|| name.to_owned().into()))
        }
    };
    command.current_dir(root);
    for name in CLEARED {
        command.env_remove(name);
    }
    for (name, _) in env::vars_os() {
        if name.to_str().is_some_and(|name| name.starts_with("CARGO_PROFILE_")) {
            command.env_remove(name);
        }
    }
    command
}

fn require_target(root: &Path, toolchain: Option<&str>) {
    let output = tool("rustc", root, toolchain)
        .args(["--print", "target-libdir", "--target", TARGET])
        .output()
        .unwrap_or_else(|error| fail(&format!("cannot run rustc for the guest: {error}")));
    let directory = String::from_utf8_lossy(&output.stdout);
    if !output.status.success() || !Path::new(directory.trim()).is_dir() {
        let pinned = toolchain.map(|name| format!(" --toolchain {name}")).unwrap_or_default();
        fail(&format!(
            "the sandbox needs the wasm target: run `rustup target add {TARGET}{pinned}`"
        ));
    }
}

/// Compiles the guest crate; returns the core module.
fn build_guest(root: &Path, out: &Path, toolchain: Option<&str>) -> Vec<u8> {
    let target_dir = out.join("guest");
    let output = tool("cargo", root, toolchain)
        .args(["build", "--release", "--locked", "--package", "holt-component"])
        .args(["--target", TARGET, "--target-dir"])
        .arg(&target_dir)
        .env("CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_RUSTFLAGS", "-Ctarget-feature=+simd128")
        .env("CARGO_PROFILE_RELEASE_PANIC", "abort")
        .env("CARGO_PROFILE_RELEASE_LTO", "fat")
        .env("CARGO_PROFILE_RELEASE_CODEGEN_UNITS", "1")
        // The names of functions stay, for the trace of a trap; line tables are not read.
        .env("CARGO_PROFILE_RELEASE_DEBUG", "none")
        .env("CARGO_TERM_COLOR", "never")
        .output()
        .unwrap_or_else(|error| fail(&format!("cannot run cargo for the guest: {error}")));
    if !output.status.success() {
        for line in String::from_utf8_lossy(&output.stderr).lines() {
            println!("cargo::error={line}");
        }
        fail("the guest (wasm/component) does not build, see above");
    }
    let module = target_dir.join(TARGET).join("release/holt_component.wasm");
    fs::read(&module).unwrap_or_else(|error| fail(&format!("{}: {error}", module.display())))
}

/// Makes the core module a component. What it may import is fixed by its world; anything else it
/// imports fails here.
fn componentise(module: &[u8]) -> Vec<u8> {
    let encoded = wit_component::ComponentEncoder::default()
        .validate(true)
        .module(module)
        .and_then(|encoder| encoder.encode());
    encoded.unwrap_or_else(|error| fail(&format!("the guest is no component: {error:#}")))
}

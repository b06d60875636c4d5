//! What the tasks need beside cargo: found, or installed, or named in one line.
//!
//! Owns: the list of tools. Never does: change anything outside rustup's own targets and the
//! build folder.

use crate::run::{command, shown, stdout};

/// Targets of rustc that the build uses.
pub const TARGETS: &[&str] = &["wasm32-unknown-unknown", "x86_64-unknown-none"];

/// Installs missing targets of the pinned toolchain.
pub fn targets() -> Result<(), String> {
    let installed = match stdout(command("rustup", &["target", "list", "--installed"])) {
        Ok(list) => String::from_utf8_lossy(&list).into_owned(),
        Err(why) => {
            let targets = TARGETS.join(" ");
            return Err(format!("missing: rustup, to install the targets {targets} ({why})"));
        }
    };
    let missing: Vec<&str> = TARGETS
        .iter()
        .copied()
        .filter(|name| !installed.lines().any(|line| line == *name))
        .collect();
    if missing.is_empty() {
        return Ok(());
    }
    println!("installing targets: {}", missing.join(" "));
    let mut arguments = vec!["target", "add"];
    arguments.extend(missing);
    shown(command("rustup", &arguments))
}

//! A copy of the sources to mutate.
//!
//! Owns: what is copied. Never does: touch a file that is already the same, so that a second
//! run builds only what changed; follow links.

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// Folders that no build needs.
const SKIPPED: &[&str] = &["target", "node_modules"];

/// Makes `to` the same as the sources below `from`, whatever was there.
pub fn mirror(from: &Path, to: &Path) -> Result<(), String> {
    let failed = |error| format!("{} to {}: {error}", from.display(), to.display());
    fs::create_dir_all(to).map_err(failed)?;
    // Each pair is done before the folders in it are: no recursion on what is on the disk.
    let mut open = vec![(from.to_path_buf(), to.to_path_buf())];
    while let Some((from, to)) = open.pop() {
        mirror_folder(&from, &to, &mut open).map_err(failed)?;
    }
    Ok(())
}

fn mirror_folder(from: &Path, to: &Path, open: &mut Vec<(PathBuf, PathBuf)>) -> io::Result<()> {
    let mut kept = BTreeSet::new();
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let name = entry.file_name();
        let text = name.to_string_lossy();
        if text.starts_with('.') || SKIPPED.contains(&&*text) {
            continue;
        }
        let (source, copy) = (entry.path(), to.join(&name));
        let kind = entry.file_type()?;
        if kind.is_dir() {
            fs::create_dir_all(&copy)?;
            open.push((source, copy));
        } else if kind.is_file() {
            let bytes = fs::read(&source)?;
            if fs::read(&copy).ok().as_ref() != Some(&bytes) {
                fs::write(&copy, bytes)?;
            }
        } else {
            continue;
        }
        kept.insert(name);
    }
    for entry in fs::read_dir(to)? {
        let entry = entry?;
        if kept.contains(&entry.file_name()) {
            continue;
        }
        match entry.file_type()?.is_dir() {
            true => fs::remove_dir_all(entry.path())?,
            false => fs::remove_file(entry.path())?,
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_copy_follows_its_source_and_keeps_what_is_the_same() {
        let home = std::env::temp_dir().join(format!("holt-xtask-{}", std::process::id()));
        let (from, to) = (home.join("from"), home.join("to"));
        fs::create_dir_all(from.join("a/target")).expect("a folder");
        fs::write(from.join("a/same"), "same").expect("a file");
        fs::write(from.join("a/old"), "old").expect("a file");
        fs::write(from.join("a/target/built"), "built").expect("a file");
        mirror(&from, &to).expect("copies");
        assert!(!to.join("a/target").exists());
        let before = fs::metadata(to.join("a/same")).and_then(|file| file.modified());
        fs::remove_file(from.join("a/old")).expect("is there");
        fs::write(from.join("a/new"), "new").expect("a file");
        mirror(&from, &to).expect("copies");
        let after = fs::metadata(to.join("a/same")).and_then(|file| file.modified());
        assert_eq!(before.expect("is there"), after.expect("is there"));
        assert!(!to.join("a/old").exists());
        assert_eq!(fs::read_to_string(to.join("a/new")).expect("is there"), "new");
        fs::remove_dir_all(&home).expect("is there");
    }
}

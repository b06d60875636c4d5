//! Opening the store that the command line names.
//!
//! Owns: where the store is, whether it may be created, which engine opens it.
//! Never does: create a store for a command that only reads or changes one.

use std::path::PathBuf;

use holt_engine::db::{DB, Options, Tree};
use holt_engine::error::Error;
use holt_host::api::{Database, Store};
use holt_host::native::{NativeDatabase, NativeStore};
use holt_host::sandbox::{Sandbox, SandboxConfig, SandboxStore};
use holt_native_store::{FileMode, FileOptions, FileStore};

use super::Context;
use super::args::EngineChoice;
use super::codecache;
use super::failure::Failure;
use super::output::say;

/// What a command needs to do with the store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// Only reads: several processes may at a time.
    Read,
    /// Changes a store that exists.
    Write,
    /// Changes a store, creating it if there is none.
    Create,
}

/// An open store.
pub struct Opened {
    /// The store.
    pub store: Box<dyn Store>,
    /// Its directory.
    pub dir: PathBuf,
    /// Whether it was created just now.
    pub created: bool,
}

/// Lists the engines that may be used, if set: `sandbox` keeps the linked-in one out.
pub const ENGINES_VARIABLE: &str = "HOLT_ENGINES";

/// Opens the tree that the command line names.
pub fn open(context: &Context, access: Access) -> Result<Opened, Failure> {
    let (files, dir) = open_files(context, access)?;
    let created = files.created();
    let options = options(context, access);
    let store: Box<dyn Store> = match (&context.tree, context.engine) {
        (Some(name), _) => named(&mut *database(context, files, options)?, name, access)?,
        (None, EngineChoice::Native) => {
            let tree = Tree::open_with_devices(files.blobs, Some(files.log), options)?;
            Box::new(NativeStore::new(tree))
        }
        (None, EngineChoice::Sandbox) => {
            Box::new(SandboxStore::open(files.blobs, files.log, options, sandbox())?)
        }
    };
    if created {
        say(format_args!("created a store in {}", dir.display()));
    }
    Ok(Opened { store, dir, created })
}

/// Opens the store that the command line names as one of named trees.
pub fn open_database(context: &Context, access: Access) -> Result<Box<dyn Database>, Failure> {
    let (files, _) = open_files(context, access)?;
    database(context, files, options(context, access))
}

fn options(context: &Context, access: Access) -> Options {
    Options {
        read_only: access == Access::Read,
        feed_retention: context.feed,
        ..Options::default()
    }
}

fn sandbox() -> SandboxConfig {
    SandboxConfig { compile_cache: codecache::directory(), ..SandboxConfig::default() }
}

fn database(
    context: &Context,
    files: FileStore,
    options: Options,
) -> Result<Box<dyn Database>, Failure> {
    Ok(match context.engine {
        EngineChoice::Native => {
            let db = DB::open_with_devices(files.blobs, Some(files.log), options)?;
            Box::new(NativeDatabase::new(db))
        }
        EngineChoice::Sandbox => {
            Box::new(Sandbox::new(sandbox())?.open_database(files.blobs, files.log, options)?)
        }
    })
}

fn named(
    database: &mut dyn Database,
    name: &str,
    access: Access,
) -> Result<Box<dyn Store>, Failure> {
    let found = match access {
        Access::Create => database.open_or_create_tree(name),
        Access::Read | Access::Write => database.open_tree(name),
    };
    match found {
        Err(Error::TreeNotFound { name }) => Err(Failure::Missing(format!(
            "there is no tree {name}; `holt trees` lists them, put, load and import create one"
        ))),
        Err(other) => Err(other.into()),
        Ok(store) => Ok(store),
    }
}

fn open_files(context: &Context, access: Access) -> Result<(FileStore, PathBuf), Failure> {
    let dir = context.store.clone().ok_or_else(|| {
        Failure::Usage("no store given; pass --store DIR or set HOLT_STORE".into())
    })?;
    require_enabled(context.engine)?;
    if dir.exists() && !dir.is_dir() {
        let text = format!("{} is not a directory; give --store one", dir.display());
        return Err(Failure::Usage(text));
    }
    let mode = match access {
        Access::Read => FileMode::ReadOnly,
        Access::Write => FileMode::Open,
        Access::Create => FileMode::OpenOrCreate,
    };
    let options = FileOptions { mode, lock_wait: context.wait, ..FileOptions::default() };
    let files = FileStore::open(&dir, &options).map_err(|error| match error {
        Error::NoStore { .. } => Failure::Missing(format!(
            "there is no store in {}; check --store, or create one with put, load or import",
            dir.display()
        )),
        other => other.into(),
    })?;
    Ok((files, dir))
}

fn require_enabled(engine: EngineChoice) -> Result<(), Failure> {
    let Some(enabled) = std::env::var_os(ENGINES_VARIABLE).filter(|list| !list.is_empty()) else {
        return Ok(());
    };
    match enabled.to_string_lossy().split(',').any(|name| name.trim() == engine.name()) {
        true => Ok(()),
        false => Err(Failure::Usage(format!(
            "{ENGINES_VARIABLE} does not list {}; choose another with --engine, or change it",
            engine.name()
        ))),
    }
}

//! `holt trees`: lists the named trees of a store, or drops one.

use serde_json::json;

use crate::cli::Context;
use crate::cli::failure::Failure;
use crate::cli::keys::escape;
use crate::cli::open::{Access, open_database};

const HELP: &str = "\
Examples:
  holt --store ./s trees
  holt --store ./s --tree users put ann 1        creates the tree users, if there is none
  holt --store ./s trees --drop users            removes it and all it holds

Names print in byte order, one a line. The tree without a name is not listed.

JSON: one object a line, {\"tree\"}";

/// List the named trees of a store
#[derive(Debug, clap::Args)]
#[command(after_help = HELP)]
pub struct Arguments {
    /// Remove the tree of this name and all it holds instead
    #[arg(long, value_name = "NAME")]
    drop: Option<String>,
}

pub fn run(arguments: &Arguments, context: &mut Context) -> Result<(), Failure> {
    if let Some(name) = &arguments.drop {
        let mut database = open_database(context, Access::Write)?;
        database.drop_tree(name)?;
        database.sync()?;
        return match context.json {
            true => context.out.json(&json!({"tree": name, "dropped": true})),
            false => Ok(()),
        };
    }
    let mut database = open_database(context, Access::Read)?;
    for name in database.list_trees()? {
        match context.json {
            true => context.out.json(&json!({"tree": name}))?,
            false => context.out.line(escape(name.as_bytes()))?,
        }
    }
    Ok(())
}

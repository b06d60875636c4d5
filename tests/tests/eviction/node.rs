//! The engine's pages, each of them watched by loom: who looks at one reads its watch, who changes
//! it writes there, and loom reports the two if nothing orders them.

use std::ops::{Deref, DerefMut};

use loom::cell::UnsafeCell;

pub use holt_engine::node::{Extents, Miss, Query, Record, Value, search};

/// Watches what it lies beside.
pub struct Watch(UnsafeCell<()>);

impl Watch {
    pub fn new() -> Self {
        Self(UnsafeCell::new(()))
    }

    pub fn look(&self) {
        self.0.with(|_| ());
    }

    pub fn change(&self) {
        self.0.with_mut(|_| ());
    }
}

/// A page. It lies elsewhere: loom's threads have small stacks.
pub struct Page {
    watch: Watch,
    page: Box<holt_engine::node::Page>,
}

impl Page {
    pub fn new(page: Box<holt_engine::node::Page>) -> Self {
        Self { watch: Watch::new(), page }
    }
}

impl Clone for Page {
    fn clone(&self) -> Self {
        self.watch.look();
        Self::new(self.page.clone())
    }
}

impl Deref for Page {
    type Target = holt_engine::node::Page;

    fn deref(&self) -> &Self::Target {
        self.watch.look();
        &self.page
    }
}

impl DerefMut for Page {
    fn deref_mut(&mut self) -> &mut Self::Target {
        self.watch.change();
        &mut self.page
    }
}

pub mod record {
    //! What the engine knows of records by the lengths of their parts.

    pub use holt_engine::node::record::{is_long, value_moves};
}

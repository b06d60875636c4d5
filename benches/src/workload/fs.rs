//! Workload `fs`: source trees under homes.
//!
//! A key is `/home/uNNNNN/projects/pN/src/mod_NN/file_NNNN.rs`, 51 bytes: 64 files a module, 16
//! modules a project, 8 projects a home. A value is 64 bytes as `stat` fills them.

use super::{Workload, decimal, stat};

const FILES: u64 = 64;
const MODULES: u64 = 16;
const PROJECTS: u64 = 8;

/// The workload.
pub struct Homes {
    seed: u64,
}

impl Homes {
    /// For any number of records.
    pub fn new(seed: u64) -> Self {
        Self { seed }
    }
}

impl Workload for Homes {
    fn key(&self, index: u64, out: &mut Vec<u8>) {
        let module = index / FILES;
        let project = module / MODULES;
        out.extend_from_slice(b"/home/u");
        decimal(project / PROJECTS, 5, out);
        out.extend_from_slice(b"/projects/p");
        decimal(project % PROJECTS, 1, out);
        out.extend_from_slice(b"/src/mod_");
        decimal(module % MODULES, 2, out);
        out.extend_from_slice(b"/file_");
        decimal(index % FILES, 4, out);
        out.extend_from_slice(b".rs");
    }

    fn value(&self, index: u64, generation: u32, out: &mut Vec<u8>) {
        stat(self.seed, index, generation, out);
    }
}

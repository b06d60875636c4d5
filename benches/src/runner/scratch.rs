//! The directory of a run, and what is in it before the engines come.

use std::fs;
use std::path::PathBuf;

use crate::Result;
use crate::cli::Shape;
use crate::engine::Setup;
use crate::workload::mean_record;

/// The data of a run, removed when it ends.
pub struct Scratch(PathBuf);

impl Scratch {
    /// Of the run in this process, with what its workload needs.
    pub fn new(shape: &Shape) -> Result<Self> {
        let scratch = Self(shape.dir.join(format!("run-{}", std::process::id())));
        fs::create_dir_all(&scratch.0)?;
        shape.workload.prepare(shape.records, &scratch.0)?;
        Ok(scratch)
    }

    /// The set-up of one engine of the run: an empty directory and everything else it must know.
    pub fn setup(&self, shape: &Shape, engine: &str) -> Result<Setup> {
        let dir = self.0.join(engine);
        if dir.exists() {
            fs::remove_dir_all(&dir)?;
        }
        fs::create_dir_all(&dir)?;
        let workload = shape.workload.open(shape.records, shape.seed, &self.0)?;
        Ok(Setup {
            dir: dir.canonicalize()?,
            records: shape.records,
            payload: shape.records * mean_record(workload.as_ref(), shape.records),
            cache_bytes: shape.cache_mib.map(|mib| mib << 20),
            order: shape.order,
            seed: shape.seed,
            ops: shape.ops,
            workload: shape.workload,
            lists: self.0.canonicalize()?,
            durable: false,
        })
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        // Nothing more can be done about a directory that can not be removed.
        let _ = fs::remove_dir_all(&self.0);
    }
}

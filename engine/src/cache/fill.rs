//! How full the leaf pages in memory are.
//!
//! Owns: the sample. Never does: read the store, or count as a use of a page.

use super::Cache;
use crate::limits::{FILL_SAMPLE_PAGES, PAGE_BYTES};
use crate::node::PageKind;
use crate::node::build::page_bytes;

impl Cache {
    /// Bytes in use on leaf pages over their capacity, in thousandths: of those in memory, or
    /// of a sample spread evenly over them. 0 if there are none.
    pub fn fill_per_mille(&self) -> u32 {
        let fixed = page_bytes(1, 0, 0);
        let (mut used, mut leaves) = (0_u64, 0_u64);
        let step = self.ring.len().div_ceil(FILL_SAMPLE_PAGES).max(1);
        for &(frame, number) in self.ring.iter().step_by(step) {
            let Ok(control) = self.frame(frame) else { continue };
            let handle = control.handle(number);
            if !handle.is_some() {
                continue;
            }
            let page = self.slab.get(handle);
            if page.kind() == PageKind::Leaf {
                used += (page.used().clamp(fixed, PAGE_BYTES) - fixed) as u64;
                leaves += 1;
            }
        }
        (used * 1000).checked_div(leaves * (PAGE_BYTES - fixed) as u64).unwrap_or(0) as u32
    }
}

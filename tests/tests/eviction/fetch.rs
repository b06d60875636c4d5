//! Bringing in what a change missed: here with the store alone.

use super::ahead::Ahead;
use super::shared::Store;
use crate::node::Miss;

/// Times that one change has pages brought in.
pub const MAX_FETCHES: usize = 2;

impl Store {
    /// Brings in what was missed.
    pub fn fetch(&self, miss: Miss, _: &mut Ahead) -> bool {
        self.alone(|core| core.forest.cache.load(miss));
        true
    }
}

//! Seeded scripts of hostile shape.
//!
//! Owns: [`Config`] and the script it stands for. Never does: run a script or draw on anything
//! but the seed (real paths are handed in by the caller). Invariant: equal configurations give
//! equal scripts.

mod maker;
mod mix;
mod prefixes;
mod reads;
mod shapes;
#[cfg(test)]
mod tests;
mod writes;

use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;

pub use shapes::{
    Shape, key_sizes, keys, object_key, object_value, real_paths, value_of, value_sizes,
};

use crate::script::Script;

/// The generator all of the kit draws from.
pub type Rand = ChaCha8Rng;

/// The generator for `seed`.
pub fn rand_of(seed: u64) -> Rand {
    ChaCha8Rng::seed_from_u64(seed)
}

/// What a script is made from.
#[derive(Clone, Debug)]
pub struct Config {
    /// Decides everything that is not said here.
    pub seed: u64,
    /// What keys look like.
    pub shape: Shape,
    /// Distinct keys.
    pub keys: usize,
    /// Operations, the first pass over the keys included.
    pub ops: usize,
    /// Longest ordinary value; sizes around the limits come on top of it.
    pub value_bytes: usize,
    /// Real paths, for [`Shape::Paths`].
    pub paths: Vec<Vec<u8>>,
}

impl Config {
    /// The configuration of a number: all shapes in turn, in three sizes, from a few dozen records
    /// of a page's third to some thousands of short ones. `paths` are for [`Shape::Paths`].
    pub fn numbered(seed: u64, paths: &[Vec<u8>]) -> Self {
        let shape = Shape::ALL[(seed % Shape::ALL.len() as u64) as usize];
        let (keys, ops, value_bytes) = match seed % 3 {
            0 => (60, 600, 1000),
            1 => (700, 2500, 400),
            _ => (2000, 4500, 90),
        };
        let paths = if shape == Shape::Paths { paths.to_vec() } else { Vec::new() };
        Self { seed, shape, keys, ops, value_bytes, paths }
    }
}

/// The script of a configuration: the keys once, then a mix of operations whose weights are
/// drawn from the seed (some are left out altogether), then a full scan.
pub fn script(config: &Config) -> Script {
    maker::Maker::new(config).script()
}

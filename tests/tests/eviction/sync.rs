//! The engine's lanes and gate over loom's atomics.

#[path = "../../../engine/src/sync/gate.rs"]
mod gate;
#[path = "../../../engine/src/sync/lanes.rs"]
mod lanes;
#[path = "../loomed/shim.rs"]
pub mod shim;

pub use gate::{Gate, Point, ReadGuard, WriteGuard};
pub use lanes::Place;

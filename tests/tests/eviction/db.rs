//! A store without a log: the engine's lookups and changes of single records beside others, and
//! how one gets hold of the store.

mod ahead;
#[allow(private_interfaces, reason = "in the engine, all of it is private")]
#[path = "../../../engine/src/db/beside.rs"]
mod beside;
pub mod core;
mod fetch;
#[path = "../../../engine/src/db/hold.rs"]
mod hold;
mod shared;

pub use shared::Store;

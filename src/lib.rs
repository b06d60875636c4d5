//! holt: a metadata engine for path-shaped keys.

pub use holt_engine::db::*;
pub use holt_engine::error::*;

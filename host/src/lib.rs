//! Runs holt's engine in a wasmtime sandbox, serves plugins natively or sandboxed, and carries
//! the command `holt`.

pub mod api;
pub mod native;
pub mod plugin;
pub mod sandbox;

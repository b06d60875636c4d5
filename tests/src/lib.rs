//! The test kit of holt: a model, hostile workloads, homes to run them in, and what compares
//! them. The suites are in `tests/tests`.

pub mod api;
pub mod compare;
pub mod decoders;
pub mod home;
pub mod lanes;
pub mod model;
pub mod moves;
pub mod report;
pub mod script;
pub mod settings;
pub mod simdisk;
pub mod source;
pub mod watch;
pub mod workload;

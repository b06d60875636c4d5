//! The engine of holt as a component: two devices in, one store out.
//!
//! Owns: the glue between `wit/` and the engine. Never does: anything with an effect other than
//! calls to the imported devices; it has no clock, no files, no randomness. Off wasm it is empty.
#![cfg(target_family = "wasm")]

mod blobs;
mod convert;
mod database;
mod images;
mod journal;
mod snapshot;
mod tree;

#[allow(missing_docs, clippy::all, reason = "written by wit-bindgen; the documentation is in wit/")]
mod bindings {
    wit_bindgen::generate!({
        path: "../../wit",
        world: "engine",
    });

    export!(Component with_types_in self);

    /// What the world exports.
    pub(crate) struct Component;
}

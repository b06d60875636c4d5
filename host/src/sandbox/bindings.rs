//! What wasmtime's `bindgen!` makes of the world `engine`. In a module of its own: the world's
//! name clashes with `wasmtime::Engine`.
#![allow(missing_docs, reason = "generated; the documentation is in wit/")]

wasmtime::component::bindgen!({
    path: "../wit",
    world: "engine",
    imports: { default: trappable },
});

//! What wasmtime's `bindgen!` makes of the world `plugin`.
#![allow(missing_docs, reason = "generated; the documentation is in wit/")]

wasmtime::component::bindgen!({
    path: "../wit",
    world: "plugin",
    imports: { default: trappable },
    with: {
        "holt:metadata/types": crate::sandbox::wit_types,
        "holt:metadata/store.tree": crate::plugin::serve::OpenTree,
        "holt:metadata/store.snapshot": crate::plugin::snapshot::OpenSnapshot,
    },
});

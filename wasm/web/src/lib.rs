//! The engine behind the JavaScript package: one exported class, [`Engine`], that
//! holds a tree, a snapshot, a database or an image on its way.
//!
//! Owns: the calls that cross between JavaScript and wasm and the bytes they carry.
//! Never does: checks of JavaScript types, iteration, defaults. Those are in `package/lib`, the
//! only caller of this crate; its pieces are private to the npm package.
//!
//! How a call crosses: JavaScript writes keys and values one after the other into the engine's
//! input buffer ([`Engine::reserve`] says where it is) and passes their lengths. The call returns
//! a status number ([`status`]) and leaves its result in the answer block
//! ([`Engine::answer_ptr`]). So a `get` allocates nothing but the value it returns, and a page of
//! a scan is one call and one copy.
//!
//! Invariants: no call panics on any lengths or bytes it is given; a failed call changes nothing
//! and leaves `{"code", "message"}` in the output; the answer block never moves while its engine
//! lives.

mod database;
mod engine;
mod fault;
mod feed;
#[cfg(target_family = "wasm")]
mod files;
mod images;
mod journal;
mod json;
mod pack;
mod read;
mod report;
mod upkeep;
mod write;

#[cfg(test)]
mod tests;

pub use engine::Engine;
pub use engine::status;

use wasm_bindgen::prelude::wasm_bindgen;

/// Makes a panic a JavaScript exception with its message, where it would be a bare trap.
///
/// The exception leaves the stack as it is, so the instance must not be used afterwards; the
/// JavaScript side sees to that.
#[wasm_bindgen(start)]
pub fn start() {
    #[cfg(target_family = "wasm")]
    std::panic::set_hook(Box::new(|info| wasm_bindgen::throw_str(&info.to_string())));
}

/// The linear memory, through which JavaScript writes arguments and reads results.
#[wasm_bindgen]
pub fn linear_memory() -> wasm_bindgen::JsValue {
    wasm_bindgen::memory()
}

/// What this module was built as, and the limits its callers check before they copy: JSON.
#[wasm_bindgen]
pub fn build_info() -> String {
    report::build_info()
}

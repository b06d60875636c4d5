//! Guests written by hand: components of the world `engine` whose calls do what a test says, and
//! else answer that all is well.

use std::fmt::Write;

use wit_component::StringEncoding;
use wit_parser::abi::{AbiVariant, WasmType};
use wit_parser::{Resolve, WorldItem};

/// Where a call that answers "ok, nothing" points: memory that is never written.
pub const ZEROS: &str = "(i32.const 1024)";

/// A component whose calls have these bodies, in the text form of wasm, each named by its
/// resource and method. Bodies may call `$new_snapshot`, which makes a handle, and some of the
/// devices' calls.
pub fn component(bodies: &[(&str, &str)]) -> Vec<u8> {
    let mut resolve = Resolve::default();
    let (package, _) = resolve.push_path("../wit").expect("the package");
    let world = resolve.select_world(&[package], Some("engine")).expect("the world");
    let text = format!(
        r#"(module
          (import "[export]holt:metadata/store@0.1.0" "[resource-new]tree"
            (func $new (param i32) (result i32)))
          (import "[export]holt:metadata/store@0.1.0" "[resource-new]snapshot"
            (func $new_snapshot (param i32) (result i32)))
          (import "[export]holt:metadata/database@0.1.0" "[resource-new]database"
            (func $new_database (param i32) (result i32)))
          (import "holt:metadata/blob-store@0.1.0" "geometry" (func $geometry (result i32)))
          (import "holt:metadata/blob-store@0.1.0" "stage"
            (func $stage (param i32 i32 i32)))
          (import "holt:metadata/log@0.1.0" "append" (func $append (param i64 i32 i32 i32)))
          (memory (export "memory") 1)
          (global $heap (mut i32) (i32.const 8192))
          (func $recurse (param i32) (result i32)
            (i32.add (call $recurse (i32.add (local.get 0) (i32.const 1))) (i32.const 1)))
          (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32) (local i32)
            (local.set 4 (global.get $heap))
            (global.set $heap (i32.and (i32.const -8)
              (i32.add (i32.add (global.get $heap) (local.get 3)) (i32.const 7))))
            (local.get 4))
          {exports})"#,
        exports = exports(&resolve, world, bodies),
    );
    let mut module = wat::parse_str(&text).unwrap_or_else(|error| panic!("{error}"));
    let encoding = StringEncoding::UTF8;
    wit_component::embed_component_metadata(&mut module, &resolve, world, encoding)
        .expect("embeds");
    wit_component::ComponentEncoder::default()
        .validate(true)
        .module(&module)
        .and_then(|encoder| encoder.encode())
        .expect("a component")
}

/// Every call that the world exports.
fn exports(resolve: &Resolve, world: wit_parser::WorldId, bodies: &[(&str, &str)]) -> String {
    let (mut text, mut used) = (String::new(), 0);
    for (key, item) in &resolve.worlds[world].exports {
        let WorldItem::Interface { id, .. } = item else { continue };
        let interface = resolve.name_world_key(key);
        for (name, function) in &resolve.interfaces[*id].functions {
            let short = name.trim_start_matches("[method]");
            let given = bodies.iter().find(|(of, _)| *of == short);
            used += usize::from(given.is_some());
            let signature = resolve.wasm_signature(AbiVariant::GuestExport, function);
            let word = |of: &WasmType| match of {
                WasmType::I64 | WasmType::PointerOrI64 => "i64 ",
                _ => "i32 ",
            };
            let params: String = signature.params.iter().map(word).collect();
            let results: String = signature.results.iter().map(word).collect();
            let body = match (given, short, results.as_str()) {
                (Some((_, body)), ..) => (*body).to_owned(),
                (None, "open", _) => opening(&interface),
                (None, _, "i64 ") => "(i64.const 0)".to_owned(),
                _ => ZEROS.to_owned(),
            };
            writeln!(
                text,
                "(func (export \"{interface}#{name}\") (param {params}) (result {results}) {body})"
            )
            .expect("a string takes all");
        }
    }
    assert_eq!(used, bodies.len(), "a body is of a call that the world does not have");
    text
}

/// Answers with a new handle.
fn opening(interface: &str) -> String {
    let new = if interface.contains("database") { "$new_database" } else { "$new" };
    answered(&format!("(i32.store (i32.const 2056) (call {new} (i32.const 1)))"))
}

/// A body that answers ok with what `store` puts at 2056.
pub fn answered(store: &str) -> String {
    format!("(i32.store8 (i32.const 2048) (i32.const 0)) {store} (i32.const 2048)")
}

/// A body that answers ok with a list of these bytes.
pub fn bytes(bytes: &[u8]) -> String {
    let mut body = String::new();
    for (at, byte) in bytes.iter().enumerate() {
        write!(body, "(i32.store8 (i32.const {}) (i32.const {byte})) ", 4096 + at)
            .expect("a string takes all");
    }
    answered(&format!(
        "{body} (i32.store (i32.const 2056) (i32.const 4096))
         (i32.store (i32.const 2060) (i32.const {}))",
        bytes.len()
    ))
}

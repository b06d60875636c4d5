//! The embedded component asks for its two devices and nothing else.

use holt_host::sandbox::ENGINE_COMPONENT;
use wit_component::DecodedWasm;

fn interfaces() -> (Vec<String>, Vec<String>) {
    let decoded = wit_component::decode(ENGINE_COMPONENT).expect("a component");
    let DecodedWasm::Component(resolve, world) = decoded else { panic!("not a component") };
    let world = &resolve.worlds[world];
    let names = |items: &wit_parser::IndexMap<wit_parser::WorldKey, wit_parser::WorldItem>| {
        let mut names: Vec<_> = items.keys().map(|key| resolve.name_world_key(key)).collect();
        names.sort();
        names
    };
    (names(&world.imports), names(&world.exports))
}

#[test]
fn imports_are_the_two_devices_and_their_types() {
    let (imports, exports) = interfaces();
    let expected = ["blob-store", "log", "types"];
    assert_eq!(imports, expected.map(|name| format!("holt:metadata/{name}@0.1.0")));
    assert_eq!(exports, ["database", "store"].map(|name| format!("holt:metadata/{name}@0.1.0")));
}

//! The process that the suite of prefix moves kills: it renames one large directory back and
//! forth, while readers look for a moment at which it is in both places or in none.
//!
//! Arguments: directory, `sync` or `nosync`, number of records, and `a` or `b`, where they are.
//! Each acknowledged move is a line on standard output. It ends only by itself, with a message,
//! if a reader saw half a move.

use std::io::Write;

use holt_engine::db::Tree;
use holt_tests::home::{FileSettings, open_files};
use holt_tests::moves::{Side, record_key};

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [folder, sync, records, side] = arguments.as_slice() else {
        eprintln!("usage: mover DIRECTORY sync|nosync RECORDS a|b");
        std::process::exit(2);
    };
    let records: u64 = records.parse().expect("a number");
    let mut side = if side == "a" { Side::A } else { Side::B };
    let settings = FileSettings { sync: sync == "sync", ..FileSettings::MOVER };
    let tree = open_files(folder.as_ref(), &settings).unwrap_or_else(|error| fail(&error));
    say("ready");
    let (tree, readers) = (&tree, 2);
    std::thread::scope(|scope| {
        for reader in 0..readers {
            scope.spawn(move || look_for_ever(tree, records, reader));
        }
        loop {
            let moved = tree.rename_prefix(side.prefix(), side.other().prefix(), false);
            match moved {
                Ok(moved) if moved == records => side = side.other(),
                Ok(moved) => fail(&format!("moved {moved} records")),
                Err(error) => fail(&error),
            }
            say("moved");
        }
    });
}

/// Looks at the first, the last and a middle record in both places at once, and counts both
/// directories in one view.
fn look_for_ever(tree: &Tree, records: u64, reader: u64) {
    let mut at = reader;
    loop {
        at = (at.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407))
            % records;
        let keys = [0, at, records - 1]
            .map(|number| [Side::A, Side::B].map(|side| record_key(side, number)))
            .concat();
        let found = tree.get_many(&keys).unwrap_or_else(|error| fail(&error));
        let places: Vec<bool> = found.iter().map(Option::is_some).collect();
        if ![[true, false], [false, true]].iter().any(|place| places == place.repeat(3)) {
            fail(&format!("records {at} and the outer ones are in {places:?}"));
        }
        if at.is_multiple_of(64) {
            let counts = tree.view(b"", |view| {
                Ok([Side::A, Side::B].map(|side| view.prefix_count(side.prefix(), 0)))
            });
            let counts = counts.unwrap_or_else(|error| fail(&error));
            let counts = counts.map(|count| count.unwrap_or_else(|error| fail(&error)).count);
            if counts != [records, 0] && counts != [0, records] {
                fail(&format!("a view counts {counts:?}"));
            }
        }
    }
}

fn say(what: &str) {
    let mut out = std::io::stdout().lock();
    // Nobody listens any more when the test is over.
    if writeln!(out, "{what}").and_then(|()| out.flush()).is_err() {
        std::process::exit(0);
    }
}

fn fail(why: &dyn std::fmt::Display) -> ! {
    say(&format!("failed: {why}"));
    std::process::exit(1);
}

//! The process whose calls of the system the suite `cold_reads` counts: what it is about to do
//! goes to standard output, so that it stands among the calls.
//!
//! Arguments: `fill DIRECTORY RECORDS`, `get DIRECTORY RECORDS GETS SEED` or
//! `put DIRECTORY THREADS PUTS`.

use std::io::Write;

use holt::{Durability, Error, Io, Tree, TreeBuilder};
use holt_tests::workload::rand_of;
use rand::Rng;

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let number = |at: usize| arguments[at].parse::<u64>().expect("a number");
    let done = match arguments.first().map(String::as_str) {
        Some("fill") => fill(&arguments[1], number(2)),
        Some("get") => get(&arguments[1], number(2), number(3), number(4)),
        Some("put") => put(&arguments[1], number(2), number(3)),
        _ => panic!("usage: traced fill|get|put DIRECTORY NUMBER..."),
    };
    done.expect("does it");
}

/// Says it in one call of the system.
fn say(what: &str) {
    std::io::stdout().write_all(format!("{what}\n").as_bytes()).expect("is read");
}

fn open(directory: &str) -> Result<Tree, Error> {
    TreeBuilder::new(directory).io(Io::Positioned).open()
}

fn key(number: u64) -> Vec<u8> {
    format!("bucket/dir-{:03}/object-{number:08}", number % 100).into_bytes()
}

fn value(number: u64) -> Vec<u8> {
    format!("{number:08}").repeat(8).into_bytes()
}

fn fill(directory: &str, records: u64) -> Result<(), Error> {
    let tree = open(directory)?;
    for number in 0..records {
        tree.put(&key(number), &value(number))?;
    }
    tree.checkpoint()?;
    let levels = tree.stats()?.levels;
    say(&format!("levels {levels}"));
    Ok(())
}

/// Looks up drawn keys, each in a store opened anew that was asked for one other key before.
fn get(directory: &str, records: u64, gets: u64, seed: u64) -> Result<(), Error> {
    let mut random = rand_of(seed);
    for at in 0..gets {
        let (first, second) = (random.random_range(0..records), random.random_range(0..records));
        let tree = open(directory)?;
        assert_eq!(tree.get(&key(first))?, Some(value(first)));
        say(&format!("begin {at}"));
        let found = tree.get(&key(second))?;
        say(&format!("end {at}"));
        assert_eq!(found, Some(value(second)));
    }
    Ok(())
}

/// Puts by several threads, each of them durable when it returns.
fn put(directory: &str, threads: u64, puts: u64) -> Result<(), Error> {
    let tree = TreeBuilder::new(directory).durability(Durability::Wal { sync: true }).open()?;
    tree.put(b"first", b"")?;
    say("begin 0");
    std::thread::scope(|scope| {
        for thread in 0..threads {
            let tree = &tree;
            scope.spawn(move || {
                for number in (thread..puts).step_by(threads as usize) {
                    tree.put(&key(number), &value(number)).expect("is written");
                }
            });
        }
    });
    say("end 0");
    assert_eq!(tree.stats()?.records, puts + 1);
    Ok(())
}

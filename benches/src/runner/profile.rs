//! The tables that are made at one command: which loads, of which engines, with which cells.
//!
//! Owns: the lists of loads, going on where an earlier run stopped. Never does: measuring.

use std::time::{Duration, Instant};

use super::run;
use crate::Result;
use crate::cli::{Load, Order, Profile, Shape, Table};
use crate::engine;
use crate::limits::{CAP_RATIO, STEP_LIMIT_SECONDS};
use crate::protocol::Step;
use crate::report::Book;
use crate::workload::Family;

/// One load of a table.
struct Part {
    workload: Family,
    records: u64,
    order: Order,
    cells: Cells,
    /// Engines; none for all.
    engines: &'static [&'static str],
}

/// Which cells of a load.
#[derive(Clone, Copy)]
enum Cells {
    /// All.
    All,
    /// Those that the order of a load bears upon.
    Basic,
    /// Those that a store larger than memory's caches bears upon.
    Big,
}

const BASIC: [Step; 5] = [Step::Chase, Step::Get, Step::Miss, Step::List, Step::Put];

const BIG: [Step; 12] = [
    Step::Chase,
    Step::Get,
    Step::Zipf,
    Step::Miss,
    Step::Visit,
    Step::List,
    Step::ListDir,
    Step::Put,
    Step::Mixed,
    Step::Overwrite,
    Step::ColdGet,
    Step::MoveLarge,
];

const SMALL: u64 = 20_000;
const MIDDLE: u64 = 2_000_000;
const BIG_RECORDS: u64 = 10_000_000;
const LARGE: u64 = 50_000_000;

const FAMILIES: [Family; 4] = [Family::Objstore, Family::Kv, Family::Fs, Family::Real];

/// The loads of a table, in order: small ones first, so that a run that is stopped has something
/// of each.
fn parts(table: Table) -> Vec<Part> {
    let all = |workload, records| Part {
        workload,
        records,
        order: Order::Random,
        cells: Cells::All,
        engines: &[],
    };
    let ascending = |records| Part {
        order: Order::Ascending,
        cells: Cells::Basic,
        ..all(Family::Objstore, records)
    };
    let some =
        |records, engines| Part { cells: Cells::Big, engines, ..all(Family::Objstore, records) };
    let small = FAMILIES.map(|family| all(family, SMALL)).into_iter().chain([ascending(SMALL)]);
    match table {
        Table::Quick => small.collect(),
        Table::Accept => small
            .chain(FAMILIES.map(|family| all(family, MIDDLE)))
            .chain([ascending(MIDDLE), some(BIG_RECORDS, &["holt", "lmdb", "rocksdb"])])
            .collect(),
        Table::Large => vec![some(LARGE, &["holt", "lmdb"])],
    }
}

/// The load of a part.
fn load(of: &Profile, part: &Part) -> Load {
    let here = |name: &&str| engine::kind(name).is_ok();
    let mut engines: Vec<String> = match part.engines {
        [] => engine::kinds().iter().map(|kind| kind.name.to_owned()).collect(),
        some => some.iter().filter(|name| here(name)).map(|&name| name.into()).collect(),
    };
    if !of.engines.is_empty() {
        engines.retain(|name| of.engines.contains(name));
    }
    let small = part.records <= SMALL;
    Load {
        shape: Shape {
            workload: part.workload,
            records: part.records,
            cache_mib: None,
            order: part.order,
            seed: of.seed,
            ops: if small { 10_000 } else { 200_000 },
            rounds: if of.table == Table::Accept && small { 5 } else { 3 },
            dir: of.dir.clone(),
        },
        cells: match part.cells {
            Cells::All => Vec::new(),
            Cells::Basic => BASIC.into(),
            Cells::Big => BIG.into(),
        },
        all: matches!(part.cells, Cells::All),
        engines,
        cap_seconds: None,
        cap_ratio: CAP_RATIO,
        cap_floor: if small { 0.5 } else { 3.0 },
        step_limit: STEP_LIMIT_SECONDS,
        sequential: part.records >= BIG_RECORDS,
        cgroup: None,
        out: of.out.clone(),
    }
}

/// Runs `profile`, going on with what its directory already has.
pub fn profile(of: &Profile) -> Result<()> {
    let name = format!("{:?}", of.table).to_lowercase();
    let until = of.minutes.map(|minutes| Instant::now() + Duration::from_secs(60 * minutes));
    let mut book = match of.fresh {
        true => Book::new(&name),
        false => Book::resume(&of.out, &name)?,
    };
    let parts = parts(of.table)
        .into_iter()
        .filter(|part| of.workloads.is_empty() || of.workloads.contains(&part.workload));
    for part in parts {
        let load = load(of, &part);
        let (what, began) = (format!("{} {}", part.workload.name(), part.records), Instant::now());
        eprintln!("holt-benches: {what}, {:?} order", part.order);
        if !run(&load, &mut book, until)? {
            eprintln!("holt-benches: the time is over; the same command goes on here");
            break;
        }
        eprintln!("holt-benches: {what} took {} s", began.elapsed().as_secs());
    }
    book.show();
    book.verdict()
}

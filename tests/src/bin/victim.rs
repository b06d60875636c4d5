//! The process that the SIGKILL suite kills: busy lanes on real files, acknowledgements and
//! phases on standard output.
//!
//! Arguments: directory, `sync` or `nosync`, seed, and for each lane the number of its next
//! operation; the last two lanes write bursts. It never ends by itself.

use std::io::Write;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use holt_engine::db::Tree;
use holt_tests::home::{FileSettings, is_answer, open_files, run_on_tree};
use holt_tests::lanes::{Message, Phase, Style, burst_operations, op_of};
use holt_tests::model::Outcome;
use holt_tests::script::Op;

/// Lanes at the end of the list that write bursts.
const BURST_LANES: usize = 1;

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [folder, sync, seed, lanes @ ..] = arguments.as_slice() else {
        eprintln!("usage: victim DIRECTORY sync|nosync SEED NEXT...");
        std::process::exit(2);
    };
    let number = |text: &String| text.parse::<u64>().expect("a number");
    let (seed, lanes) = (number(seed), lanes.iter().map(number).collect::<Vec<_>>());
    let style = if sync == "sync" { Style::Batches } else { Style::Single };
    let settings = FileSettings { sync: sync == "sync", ..FileSettings::VICTIM };
    let tree = match open_files(folder.as_ref(), &settings) {
        Ok(tree) => tree,
        Err(error) => fail(&format!("opening: {error}")),
    };
    send(Message::Ready);
    // A burst and a checkpoint take turns, so that a kill falls into one phase only.
    let burst = AtomicBool::new(false);
    std::thread::scope(|scope| {
        for (lane, &next) in lanes.iter().enumerate() {
            let (tree, burst) = (&tree, &burst);
            match lane + BURST_LANES < lanes.len() {
                true => scope.spawn(move || write_for_ever(tree, seed, lane as u32, style, next)),
                false => scope.spawn(move || bursts(tree, seed, lane as u32, next, burst)),
            };
        }
        upkeep(&tree, &burst);
    });
}

fn write_for_ever(tree: &Tree, seed: u64, lane: u32, style: Style, mut number: u64) {
    loop {
        write(tree, &op_of(seed, lane, style, number));
        number += 1;
        send(Message::Done { lane, number });
    }
}

/// Ascending keys in bursts, each while `turn` is up.
fn bursts(tree: &Tree, seed: u64, lane: u32, mut number: u64, turn: &AtomicBool) {
    loop {
        while !turn.load(Ordering::Acquire) {
            std::thread::sleep(Duration::from_micros(200));
        }
        let before = spills(tree);
        send(Message::Begin(Phase::Spill));
        for _ in 0..burst_operations() {
            write(tree, &op_of(seed, lane, Style::Burst, number));
            number += 1;
            send(Message::Done { lane, number });
        }
        send(Message::End(Phase::Spill, spills(tree) - before));
        turn.store(false, Ordering::Release);
    }
}

fn upkeep(tree: &Tree, burst: &AtomicBool) -> ! {
    loop {
        for phase in Phase::ALL {
            std::thread::sleep(Duration::from_millis(3));
            match phase {
                Phase::Checkpoint | Phase::Compact => {
                    send(Message::Begin(phase));
                    let done = match phase {
                        Phase::Checkpoint => tree.checkpoint(),
                        _ => tree.compact(),
                    };
                    done.unwrap_or_else(|error| fail(&format!("{phase:?}: {error}")));
                    send(Message::End(phase, 0));
                }
                Phase::Spill => {
                    burst.store(true, Ordering::Release);
                    while burst.load(Ordering::Acquire) {
                        std::thread::sleep(Duration::from_micros(200));
                    }
                }
            }
        }
    }
}

fn write(tree: &Tree, op: &Op) {
    match run_on_tree(tree, op) {
        Ok(Outcome::Failed(why)) => fail(&format!("writing: {why}")),
        Err(error) if !is_answer(&error) => fail(&format!("writing: {error}")),
        _ => {}
    }
}

fn spills(tree: &Tree) -> u64 {
    tree.stats().map(|stats| stats.spills).unwrap_or_default()
}

/// Sends a message; without a reader there is nothing left to do.
fn send(message: Message) {
    let mut out = std::io::stdout().lock();
    if out.write_all(&message.encode()).and_then(|()| out.flush()).is_err() {
        std::process::exit(0);
    }
}

fn fail(why: &str) -> ! {
    eprintln!("victim: {why}");
    std::process::exit(1);
}

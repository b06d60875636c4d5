//! Real files under a busy writer that is killed again and again: nothing acknowledged is lost,
//! batches are whole, the store is sound.
//!
//! Acknowledgements are kept here, outside the writer: it sends them through a pipe. After each
//! kill every lane of the writer must hold exactly its acknowledged operations, or these and
//! the one in flight. `HOLT_KILL_ROUNDS` changes the number of rounds.

use std::collections::BTreeMap;
use std::io::Read;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use holt_engine::db::{RangeEntry, Tree};
use holt_tests::home::{FileSettings, open_files};
use holt_tests::lanes::{Lane, MESSAGE_BYTES, Message, Phase, Style, prefix_of};
use holt_tests::report::figure;
use holt_tests::workload::{Rand, rand_of};
use rand::Rng;

const ROUNDS: u64 = 200;
const QUICK_ROUNDS: u64 = 20;

/// Acknowledged operations (records put or deleted) before a kill, at least, and at most so
/// many more.
const ACKNOWLEDGED: u64 = 1000;
const MORE: u64 = 600;

/// Threads of the writer.
const LANES: u32 = 4;

/// A writer that is silent for so long hangs.
const SILENCE: Duration = Duration::from_secs(30);

/// A kill aims at a phase while fewer than this share of all kills (one in so many) hit one.
const AIM: u64 = 2;

/// A kill aims at a phase that was hit by less than this share of all kills, too.
const PHASES: u64 = 8;

/// At least one kill in so many must hit a phase.
const REQUIRED: u64 = 4;

const SEED: u64 = 0x5161_4b11;

/// One of the two stores: with and without `sync`.
struct Store {
    folder: tempfile::TempDir,
    sync: bool,
    lanes: Vec<Lane>,
    /// How long a phase took when last seen, to aim kills inside it.
    lengths: BTreeMap<u32, Duration>,
}

#[derive(Default)]
struct Totals {
    rounds: u64,
    /// Calls that returned, and the records they put or deleted.
    calls: u64,
    acknowledged: u64,
    least: u64,
    in_flight_kept: u64,
    opening: u64,
    writing: u64,
    phases: [u64; 3],
    spills: u64,
    replayed: u64,
}

fn rounds() -> u64 {
    let set = std::env::var("HOLT_KILL_ROUNDS").ok();
    let quick = std::env::var_os("HOLT_QUICK").is_some();
    let default = if quick { QUICK_ROUNDS } else { ROUNDS };
    set.map_or(default, |text| text.parse().expect("HOLT_KILL_ROUNDS is a number"))
}

#[test]
fn nothing_acknowledged_is_lost_when_the_writer_is_killed() {
    let mut rng = rand_of(SEED);
    let mut stores = [Store::new(false), Store::new(true)];
    let mut totals = Totals { least: u64::MAX, ..Totals::default() };
    let begun = Instant::now();
    let rounds = rounds();
    while totals.rounds < rounds {
        let store = &mut stores[(totals.rounds % 2) as usize];
        let hits: u64 = totals.phases.iter().sum();
        // At the phase that was hit least: a few rounds are enough to hit each.
        let least = (0..Phase::ALL.len()).min_by_key(|&at| totals.phases[at]).unwrap_or(0);
        let rare = totals.phases[least] * PHASES <= totals.rounds;
        let aim = (rare || hits * AIM <= totals.rounds).then_some(Phase::ALL[least]);
        if rng.random_ratio(1, 8) {
            store.kill_while_opening(&mut rng);
            store.check(&mut totals);
            totals.opening += 1;
        }
        store.round(&mut rng, aim, &mut totals);
        store.check(&mut totals);
        totals.rounds += 1;
    }
    let Totals { acknowledged, calls, least, in_flight_kept, opening, writing, .. } = totals;
    let [checkpoint, compact, spill] = totals.phases;
    println!(
        "{rounds} kills in {:.0} s (half with sync): {acknowledged} operations acknowledged in \
         {calls} calls (at least {least} a round), none lost; {in_flight_kept} calls in flight \
         survived; {} log records replayed, {} spills",
        begun.elapsed().as_secs_f64(),
        totals.replayed,
        totals.spills
    );
    println!(
        "killed in checkpoint {checkpoint}, compact {compact}, spill {spill}, plain writing \
         {writing}; while opening {opening} more"
    );
    figure("kill rounds", rounds);
    figure("operations acknowledged before kills", acknowledged);
    assert!(least >= ACKNOWLEDGED);
    assert!((checkpoint + compact + spill) * REQUIRED >= rounds, "too few kills in a phase");
    assert!(rounds <= QUICK_ROUNDS || totals.phases.iter().all(|hits| *hits > 0));
}

impl Store {
    fn new(sync: bool) -> Self {
        let style = |lane| match lane + 1 == LANES {
            true => Style::Burst,
            false if sync => Style::Batches,
            false => Style::Single,
        };
        Self {
            folder: tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).expect("a directory"),
            sync,
            lanes: (0..LANES).map(|lane| Lane::new(lane, style(lane))).collect(),
            lengths: BTreeMap::new(),
        }
    }

    fn path(&self) -> &Path {
        self.folder.path()
    }

    fn start(&self) -> Victim {
        let mut child = Command::new(env!("CARGO_BIN_EXE_victim"))
            .arg(self.path())
            .arg(if self.sync { "sync" } else { "nosync" })
            .arg(SEED.to_string())
            .args(self.lanes.iter().map(|lane| lane.acknowledged.to_string()))
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .expect("the victim starts");
        let mut pipe = child.stdout.take().expect("its output is a pipe");
        let (sender, messages) = std::sync::mpsc::channel();
        let reader = std::thread::spawn(move || {
            let mut bytes = [0; MESSAGE_BYTES];
            while pipe.read_exact(&mut bytes).is_ok() {
                let message = Message::decode(bytes).expect("a message of the victim");
                if sender.send(message).is_err() {
                    break;
                }
            }
        });
        Victim { child, messages, reader }
    }

    fn kill_while_opening(&mut self, rng: &mut Rand) {
        let victim = self.start();
        std::thread::sleep(Duration::from_micros(rng.random_range(0..12_000)));
        let mut state = Seen::default();
        victim.end(|message| self.note(&mut state, message));
    }

    /// Lets the victim write, kills it, and takes note of all it had acknowledged.
    fn round(&mut self, rng: &mut Rand, aim: Option<Phase>, totals: &mut Totals) {
        let enough = ACKNOWLEDGED + rng.random_range(0..MORE);
        let mut victim = self.start();
        let mut seen = Seen::default();
        while seen.acknowledged < enough {
            let message = victim.next();
            self.note(&mut seen, message);
        }
        if let Some(phase) = aim {
            // From the start of the phase, a share of the time it took when last seen.
            let begins = Message::Begin(phase);
            loop {
                let message = victim.next();
                self.note(&mut seen, message);
                if message == begins {
                    break;
                }
            }
            let usual = self.lengths.get(&(phase as u32)).copied();
            let usual = usual.unwrap_or(Duration::from_millis(2));
            std::thread::sleep(usual.mul_f64(rng.random_range(0.0..0.8)));
        }
        victim.end(|message| self.note(&mut seen, message));
        match seen.phase {
            Some((phase, _)) => totals.phases[phase as usize] += 1,
            None => totals.writing += 1,
        }
        totals.spills += seen.spills;
        totals.calls += seen.calls;
        totals.acknowledged += seen.acknowledged;
        totals.least = totals.least.min(seen.acknowledged);
    }

    fn note(&mut self, seen: &mut Seen, message: Message) {
        match message {
            Message::Ready => {}
            Message::Done { lane, number } => {
                let lane = &mut self.lanes[lane as usize];
                assert_eq!(number, lane.acknowledged + 1, "acknowledgements come in order");
                seen.acknowledged += lane.acknowledge(SEED, number);
                seen.calls += 1;
            }
            Message::Begin(phase) => seen.phase = Some((phase, Instant::now())),
            Message::End(phase, spills) => {
                seen.spills += spills;
                if let Some((_, begun)) = seen.phase.take() {
                    self.lengths.insert(phase as u32, begun.elapsed());
                }
            }
        }
    }

    /// Opens the store and compares every lane.
    fn check(&mut self, totals: &mut Totals) {
        let settings = FileSettings { sync: self.sync, ..FileSettings::VICTIM };
        let at = format!("round {} (sync: {})", totals.rounds, self.sync);
        let tree = open_files(self.path(), &settings)
            .unwrap_or_else(|error| panic!("{at}: opening after a kill: {error}"));
        totals.replayed += tree.stats().expect("statistics").replayed_records;
        let mut records = 0;
        for lane in &mut self.lanes {
            let found = held(&tree, lane.lane);
            records += found.len() as u64;
            match lane.settle(SEED, &found) {
                Ok(kept) => totals.in_flight_kept += u64::from(kept),
                Err(why) => panic!("{at}: {why}"),
            }
        }
        let report = tree.verify().unwrap_or_else(|error| panic!("{at}: verify: {error}"));
        assert!(report.is_clean(), "{at}: {:?}", report.damage.first());
        assert_eq!(report.records, records, "{at}: records outside of all lanes");
    }
}

fn held(tree: &Tree, lane: u32) -> BTreeMap<Vec<u8>, Vec<u8>> {
    let record = |entry| match entry {
        Ok(RangeEntry::Key { key, value, .. }) => (key, value),
        other => panic!("a plain scan gave {other:?}"),
    };
    tree.scan(&prefix_of(lane)).into_iter().map(record).collect()
}

/// What one run of the writer told.
#[derive(Default)]
struct Seen {
    calls: u64,
    acknowledged: u64,
    spills: u64,
    phase: Option<(Phase, Instant)>,
}

struct Victim {
    child: Child,
    messages: std::sync::mpsc::Receiver<Message>,
    reader: std::thread::JoinHandle<()>,
}

impl Victim {
    fn next(&mut self) -> Message {
        self.messages.recv_timeout(SILENCE).unwrap_or_else(|error| {
            let ended = self.child.try_wait();
            let _ = self.child.kill();
            panic!("the victim says nothing more ({error}; {ended:?}), see its message above")
        })
    }

    /// Kills it (SIGKILL) and hands on everything it had sent.
    fn end(mut self, mut note: impl FnMut(Message)) {
        self.child.kill().expect("the victim was alive");
        self.child.wait().expect("the victim is gone");
        self.reader.join().expect("the reader of the pipe");
        self.messages.try_iter().for_each(&mut note);
    }
}

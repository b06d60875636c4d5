//! Every short script: a few operations as letters, and all words of them.
//!
//! Owns: the letters, what each means at its place in a word, and the state all words start from.
//! Never does: run a store. Invariant: a word names its operations; the same word is the same
//! script for ever.

use crate::script::{Bytes, Change, Op};
use crate::workload::value_of;

/// What a script of the exhaustive suite is made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "named as what they are")]
pub enum Letter {
    PutSmall,
    PutLarge,
    Overwrite,
    Delete,
    Rename,
    Batch,
    RenamePrefix,
    DeletePrefix,
    Snapshot,
    CheckpointStep,
    Checkpoint,
    Compact,
    Tree,
    Reopen,
}

use Letter::{
    Batch, Checkpoint, CheckpointStep, Compact, Delete, DeletePrefix, Overwrite, PutLarge,
    PutSmall, Rename, RenamePrefix, Reopen, Snapshot, Tree,
};

impl Letter {
    /// All letters.
    pub const ALL: [Self; 14] = [
        PutSmall,
        PutLarge,
        Overwrite,
        Delete,
        Rename,
        Batch,
        RenamePrefix,
        DeletePrefix,
        Snapshot,
        CheckpointStep,
        Checkpoint,
        Compact,
        Tree,
        Reopen,
    ];
}

/// A script of up to three letters.
pub type Word = Vec<Letter>;

/// All words of one to three letters, those that begin alike together.
pub fn words() -> Vec<Word> {
    let mut words = Vec::new();
    for first in Letter::ALL {
        words.push(vec![first]);
        for second in Letter::ALL {
            words.push(vec![first, second]);
            words.extend(Letter::ALL.map(|third| vec![first, second, third]));
        }
    }
    words
}

/// The name of the tree that [`Letter::Tree`] creates and drops.
pub const NAMED: &str = "beside";

/// Records that all words start from, by number.
pub const PRELOAD: usize = 48;

/// The key of a record that is there from the start.
pub fn key(number: usize) -> Vec<u8> {
    match number % 3 {
        0 => format!("dir/{number:02}/file"),
        1 => format!("a long shared prefix that anchors must carry/{number:02}"),
        _ => format!("other/{number:02}"),
    }
    .into_bytes()
}

/// The operations that fill the store that all words start from: several frames on two levels.
pub fn preload() -> Vec<Op> {
    let put = |number: usize| Change::Put {
        key: key(number).into(),
        value: value_of(500 + number * 37 % 700, number as u64).into(),
    };
    vec![Op::atomic((0..PRELOAD).map(put).collect())]
}

fn bytes(text: &str) -> Bytes {
    text.as_bytes().into()
}

/// The operations of a word; one letter may be several.
pub fn operations(word: &[Letter]) -> Vec<Op> {
    let (mut snapshot, mut tree) = (false, false);
    let mut ops = Vec::new();
    for (at, letter) in word.iter().enumerate() {
        let seed = 1000 + at as u64;
        let value = |len: usize| value_of(len, seed).into();
        match letter {
            PutSmall => ops.push(Op::Put { key: bytes("dir/15/new"), value: value(60) }),
            // An extent, and enough log to make a checkpoint due.
            PutLarge => ops.push(Op::Put { key: bytes("large"), value: value(17_000) }),
            Overwrite => ops.push(Op::Put { key: key(24).into(), value: value(300) }),
            Delete => ops.push(Op::Delete { key: key(24).into() }),
            Rename => ops.push(Op::Rename {
                src: key(24).into(),
                dst: bytes("other/renamed"),
                force: true,
            }),
            Batch => ops.push(Op::atomic(vec![
                Change::Put { key: bytes("dir/15/new"), value: value(90) },
                Change::Delete { key: key(2).into() },
                Change::Put { key: key(40).into(), value: value(700) },
            ])),
            RenamePrefix => {
                ops.push(Op::RenamePrefix { src: bytes("dir/"), dst: bytes("moved/"), force: true })
            }
            DeletePrefix => ops.push(Op::DeletePrefix { prefix: bytes("a long shared") }),
            Snapshot => {
                ops.push(match snapshot {
                    false => Op::Snapshot { slot: 0, prefix: Vec::new().into() },
                    true => Op::DropSnapshot { slot: 0 },
                });
                snapshot = !snapshot;
            }
            // Where one is due the first call takes the cut and the second stages a part of it.
            CheckpointStep => {
                ops.extend([Op::Maintain { budget: 2 }, Op::Maintain { budget: 2 }]);
            }
            Checkpoint => ops.push(Op::Checkpoint),
            Compact => ops.push(Op::Compact),
            Tree => {
                match tree {
                    false => {
                        ops.push(Op::CreateTree { name: NAMED.into() });
                        let put = Op::Put { key: bytes("in it"), value: value(80) };
                        ops.push(Op::InTree { tree: NAMED.into(), run: Box::new(put) });
                    }
                    true => ops.push(Op::DropTree { name: NAMED.into() }),
                }
                tree = !tree;
            }
            Reopen => {
                snapshot = false;
                ops.push(Op::Reopen);
            }
        }
    }
    ops
}

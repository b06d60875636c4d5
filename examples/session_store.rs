//! Sessions of a web service: created once, kept alive by use, ended by the user, by an
//! administrator or by time, from many threads.
//!
//!     cargo run --example session_store [DIRECTORY]
//!
//! One tree, three kinds of keys, always changed together:
//!
//!     session/TOKEN            when it ends, and whose it is
//!     ends/TIME/TOKEN          nothing; finds the sessions that ended without reading the others
//!     user/NAME/TOKEN          nothing; finds the sessions of one user

use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};
use std::thread;

use holt::{KeyRangeEntry, RecordVersion, Result, Tree, TreeBuilder};

/// How long a session lives after it was last used, in seconds.
const LIFETIME: u64 = 1_800;

/// Sessions that a sweep looks at together.
const SWEEP: usize = 100;

/// A session as it is stored, and the version that was read.
struct Session {
    user: String,
    ends: u64,
    version: RecordVersion,
}

/// A store of sessions. Time is an argument everywhere, in seconds, so that tests can make it.
#[derive(Clone)]
struct Sessions {
    tree: Tree,
}

fn session_key(token: &str) -> Vec<u8> {
    format!("session/{token}").into_bytes()
}

fn user_key(user: &str, token: &str) -> Vec<u8> {
    format!("user/{user}/{token}").into_bytes()
}

/// Times have a fixed width, so that keys are in the order of time.
fn ends_key(ends: u64, token: &str) -> Vec<u8> {
    format!("ends/{ends:012}/{token}").into_bytes()
}

fn encode(user: &str, ends: u64) -> Vec<u8> {
    [&ends.to_be_bytes(), user.as_bytes()].concat()
}

impl Sessions {
    /// Begins a session; `false` if there is one of this token, which is left alone.
    fn create(&self, token: &str, user: &str, now: u64) -> Result<bool> {
        let ends = now + LIFETIME;
        self.tree.atomic(|batch| {
            batch.put_if_absent(&session_key(token), &encode(user, ends));
            batch.put(&ends_key(ends, token), b"");
            batch.put(&user_key(user, token), b"");
        })
    }

    fn read(&self, token: &str) -> Result<Option<Session>> {
        let Some(record) = self.tree.get_record(&session_key(token))? else { return Ok(None) };
        let Some((ends, user)) = record.value.split_first_chunk() else { return Ok(None) };
        let user = String::from_utf8_lossy(user).into_owned();
        Ok(Some(Session { user, ends: u64::from_be_bytes(*ends), version: record.version }))
    }

    /// The user of a session that has not ended, which lives on from now.
    fn touch(&self, token: &str, now: u64) -> Result<Option<String>> {
        loop {
            let Some(session) = self.read(token)?.filter(|session| session.ends > now) else {
                return Ok(None);
            };
            let ends = now + LIFETIME;
            if session.ends >= ends {
                return Ok(Some(session.user));
            }
            // All of it, if the session is still as it was read; else another thread was here.
            let alone = self.tree.atomic(|batch| {
                let value = encode(&session.user, ends);
                batch.compare_and_put(&session_key(token), session.version, &value);
                batch.delete(&ends_key(session.ends, token));
                batch.put(&ends_key(ends, token), b"");
            })?;
            if alone {
                return Ok(Some(session.user));
            }
        }
    }

    /// Ends a session; `false` if it has ended already.
    fn end(&self, token: &str) -> Result<bool> {
        self.end_if_over(token, u64::MAX)
    }

    /// Ends a session whose time is over; `false` if it lives on or has ended already.
    fn end_if_over(&self, token: &str, now: u64) -> Result<bool> {
        loop {
            let Some(session) = self.read(token)?.filter(|session| session.ends <= now) else {
                return Ok(false);
            };
            let alone = self.tree.atomic(|batch| {
                batch.delete_if_version(&session_key(token), session.version);
                batch.delete(&ends_key(session.ends, token));
                batch.delete(&user_key(&session.user, token));
            })?;
            if alone {
                return Ok(true);
            }
        }
    }

    /// Ends all sessions of a user.
    fn end_all(&self, user: &str) -> Result<u64> {
        let prefix = user_key(user, "");
        let mut ended = 0;
        for key in keys(self.tree.scan_keys(&prefix))? {
            let token = String::from_utf8_lossy(&key[prefix.len()..]).into_owned();
            ended += u64::from(self.end(&token)?);
        }
        Ok(ended)
    }

    /// Ends the sessions whose time is over; only these are read.
    fn sweep(&self, now: u64) -> Result<u64> {
        let mut ended = 0;
        loop {
            let over = self.tree.scan_keys(b"ends/").end_before(&ends_key(now + 1, ""));
            let found = keys(over.into_iter().take(SWEEP))?;
            for key in &found {
                // One that is used meanwhile lives on, and is found under a later time.
                let token = String::from_utf8_lossy(&key["ends/000000000000/".len()..]);
                ended += u64::from(self.end_if_over(&token, now)?);
            }
            if found.len() < SWEEP {
                return Ok(ended);
            }
        }
    }
}

/// The keys of a scan.
fn keys(scan: impl IntoIterator<Item = Result<KeyRangeEntry>>) -> Result<Vec<Vec<u8>>> {
    let key = |entry| match entry {
        KeyRangeEntry::Key { key, .. } => Some(key),
        _ => None,
    };
    scan.into_iter().filter_map(|entry| entry.map(key).transpose()).collect()
}

fn main() -> std::result::Result<(), Box<dyn std::error::Error>> {
    let scratch = tempfile::tempdir()?;
    let given = std::env::args_os().nth(1).map(PathBuf::from);
    let dir = given.unwrap_or_else(|| scratch.path().join("store"));
    let sessions = Sessions { tree: TreeBuilder::new(dir).open()? };
    sessions.tree.delete_prefix(b"")?;
    let now = 1_000_000;

    // Many threads, one token: exactly one of them creates the session.
    let created = AtomicU32::new(0);
    thread::scope(|scope| {
        for (thread, user) in ["ann", "bob", "eve", "joe"].into_iter().enumerate() {
            let (sessions, created) = (&sessions, &created);
            scope.spawn(move || {
                for step in 0..250 {
                    let token = format!("{:04}", (60 * thread + step) % 250);
                    let new = sessions.create(&token, user, now);
                    created.fetch_add(u32::from(new.expect("is written")), Relaxed);
                }
            });
        }
    });
    println!("four threads asked for 250 tokens each, the same ones: {created:?} sessions");
    assert_eq!(created.into_inner(), 250);
    assert_eq!(sessions.tree.prefix_count(b"session/", 0)?.count, 250);

    // Threads keep the same sessions alive; each step forward is one change of three records.
    thread::scope(|scope| {
        for thread in 0..4 {
            let sessions = &sessions;
            scope.spawn(move || {
                for step in 0..200 {
                    let token = format!("{:04}", step % 50);
                    let user = sessions.touch(&token, now + 60 * thread + step);
                    assert!(user.expect("is read and written").is_some());
                }
            });
        }
    });
    assert_eq!(sessions.tree.prefix_count(b"ends/", 0)?.count, 250);
    println!("four threads kept 50 of them alive");

    let ended = sessions.sweep(now + LIFETIME)?;
    println!("half an hour later {ended} had ended");
    assert_eq!(ended, 200);
    assert_eq!(sessions.touch("0249", now + LIFETIME)?, None);

    let user = sessions.touch("0007", now + LIFETIME)?.expect("was kept alive");
    let theirs = sessions.tree.prefix_count(&user_key(&user, ""), 0)?.count;
    assert_eq!(sessions.end_all(&user)?, theirs);
    println!("{user} ended {theirs} sessions");
    assert!(!sessions.end("0007")?);

    assert_eq!(sessions.sweep(now + 10 * LIFETIME)?, 50 - theirs);
    assert!(sessions.tree.is_prefix_empty(b"")?);
    println!("a day later there are no records at all");
    Ok(())
}

//! The first steps: opening a store, writing, reading, listing, and finding it all again.
//!
//!     cargo run --example basic_kv [DIRECTORY]

use std::path::{Path, PathBuf};

use holt::{Durability, Error, KeyRangeEntry, RangeEntry, Result, Tree, TreeBuilder};

/// Opens the store in a directory, or creates it.
fn open(dir: &Path) -> Result<Tree> {
    // With `sync: true` a write that returned survives loss of power, with `false` (the default,
    // and faster) the death of the process.
    TreeBuilder::new(dir).durability(Durability::Wal { sync: true }).open()
}

/// Single records: any bytes under any bytes.
fn records(tree: &Tree) -> Result<()> {
    tree.put(b"color", b"blue")?;
    assert_eq!(tree.get(b"color")?.as_deref(), Some(&b"blue"[..]));
    assert_eq!(tree.get(b"size")?, None);

    // Each write gives a record a version that is never used again.
    let first = tree.get_record(b"color")?.ok_or(Error::NotFound)?;
    tree.put(b"color", b"green")?;
    let second = tree.get_record(b"color")?.ok_or(Error::NotFound)?;
    assert_eq!(second.value, b"green");
    assert!(second.version > first.version);
    println!("color: {:?}, then {:?}", first.version, second.version);

    // The empty key is a key, and so is one that extends another.
    for key in [&b""[..], b"colo", b"color\0", b"\xff\xff"] {
        tree.put(key, b"also there")?;
        assert!(tree.delete(key)?);
        assert!(!tree.delete(key)?);
    }

    tree.rename(b"color", b"colour", true)?;
    assert_eq!(tree.get(b"color")?, None);
    assert!(matches!(tree.rename(b"color", b"hue", false), Err(Error::NotFound)));
    Ok(())
}

/// Several changes at once: all of them or none, for readers and after a crash.
fn batches(tree: &Tree) -> Result<()> {
    tree.atomic(|batch| {
        batch.put(b"etc/hosts", b"127.0.0.1 localhost");
        batch.put(b"etc/ssl/ca.pem", b"certificate");
        batch.put(b"usr/bin/env", b"executable");
        batch.put(b"usr/lib/libc.so", b"library");
        batch.delete(b"colour");
    })?;
    println!("wrote four records and deleted one as one change");
    Ok(())
}

/// Listings: records, keys, or one level of a hierarchy.
fn listings(tree: &Tree) -> Result<()> {
    let mut below = Vec::new();
    for entry in tree.scan(b"etc/") {
        if let RangeEntry::Key { key, .. } = entry? {
            below.push(key);
        }
    }
    assert_eq!(below, [&b"etc/hosts"[..], b"etc/ssl/ca.pem"]);

    // A delimiter rolls everything below a directory up into one entry and skips it unread.
    println!("one level:");
    let mut level = Vec::new();
    for entry in tree.range_keys().delimiter(b'/') {
        let (KeyRangeEntry::Key { key, .. } | KeyRangeEntry::CommonPrefix(key)) = entry? else {
            continue;
        };
        println!("  {}", String::from_utf8_lossy(&key));
        level.push(key);
    }
    assert_eq!(level, [&b"etc/"[..], b"usr/"]);

    // In parts, for one who answers requests: each part says where the next one begins.
    let (mut after, mut parts) = (None::<Vec<u8>>, 0);
    loop {
        let scan = tree.range();
        let scan = if let Some(key) = &after { scan.start_after(key) } else { scan };
        let page = scan.page(3, 1 << 20)?;
        parts += 1;
        assert!(page.entries.len() <= 3);
        after = page.next;
        if after.is_none() {
            break;
        }
    }
    assert_eq!(parts, 2);
    Ok(())
}

/// Failures have a type, and a message that says what to do.
fn failures(tree: &Tree) -> Result<()> {
    let refused = tree.put(&vec![b'k'; 70_000], b"value").expect_err("is over the limit");
    assert!(matches!(refused, Error::KeyTooLong { len: 70_000 }));
    println!("refused: {refused}");
    Ok(())
}

/// What a closed store holds when it is opened again.
fn reopened(dir: &Path) -> Result<()> {
    let tree = open(dir)?;
    println!("opened again: {} log records replayed", tree.stats()?.replayed_records);
    assert_eq!(tree.get(b"usr/bin/env")?.as_deref(), Some(&b"executable"[..]));
    // A checkpoint makes the next opening quick. Stores make them by themselves, too.
    tree.checkpoint()?;
    drop(tree);

    let tree = TreeBuilder::new(dir).read_only().open()?;
    assert_eq!(tree.stats()?.replayed_records, 0);
    assert!(matches!(tree.put(b"key", b"value"), Err(Error::ReadOnly)));
    let report = tree.verify()?;
    assert!(report.is_clean(), "{:?}", report.damage);
    println!("checked {} records on {} pages: sound", report.records, report.pages);
    Ok(())
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let scratch = tempfile::tempdir()?;
    let given = std::env::args_os().nth(1).map(PathBuf::from);
    let dir = given.unwrap_or_else(|| scratch.path().join("store"));
    let tree = open(&dir)?;
    records(&tree)?;
    batches(&tree)?;
    listings(&tree)?;
    failures(&tree)?;
    // Closing is dropping the last handle; what was written is in the log.
    drop(tree);
    reopened(&dir)?;
    Ok(())
}

//! The metadata of an object store for many tenants: buckets, conditional writes, counters that
//! are always right, and ListObjectsV2 with prefix, delimiter, start-after, max-keys and
//! continuation tokens, as calls within one process.
//!
//!     cargo run --example s3_metadata [DIRECTORY]
//!
//! Each bucket is a tree of its own, named `TENANT/BUCKET`. The tree `buckets` has a record for
//! each, with the number and the bytes of its objects, which changes with them in one commit.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::thread;

use holt::{DB, Error, PageToken, RangeEntry, RecordVersion, Result, Tree, TreeConfig};

/// The most entries that one listing returns, as in S3.
const MAX_KEYS: usize = 1_000;
/// No further entry is added to a listing of so many bytes.
const MAX_LIST_BYTES: usize = 1 << 20;

const BUCKETS: &str = "buckets";

/// An object, as listings show it.
#[derive(Debug)]
struct Object {
    key: String,
    size: u64,
    etag: String,
}

/// When an object may be written.
#[derive(Clone, Copy)]
enum When<'a> {
    Always,
    /// `If-None-Match: *`
    Absent,
    /// `If-Match: ETAG`
    Match(&'a str),
}

/// The parameters of ListObjectsV2.
#[derive(Clone, Copy, Debug, Default)]
struct List<'a> {
    prefix: &'a str,
    delimiter: Option<u8>,
    start_after: &'a str,
    max_keys: Option<usize>,
    /// Opaque; over HTTP it would be in base64. The other parameters stay as they were.
    continuation_token: Option<&'a [u8]>,
}

/// The answer to it; it is truncated if there is a token.
#[derive(Default)]
struct Listed {
    contents: Vec<Object>,
    common_prefixes: Vec<String>,
    next_continuation_token: Option<Vec<u8>>,
}

/// A bucket, and the tree with the counters of all of them.
struct Bucket {
    name: String,
    db: DB,
    objects: Tree,
    buckets: Tree,
}

fn encode(size: u64, text: &[u8]) -> Vec<u8> {
    [&size.to_be_bytes(), text].concat()
}

fn decode(value: &[u8]) -> (u64, &[u8]) {
    value.split_first_chunk().map_or((0, &[]), |(size, rest)| (u64::from_be_bytes(*size), rest))
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

impl Bucket {
    /// A crash between the two steps leaves a tree without counters, which takes no objects.
    fn create(db: &DB, name: &str) -> Result<Self> {
        let (objects, buckets) = (db.create_tree(name)?, db.open_or_create_tree(BUCKETS)?);
        buckets.put(name.as_bytes(), &encode(0, &encode(0, b"")))?;
        Ok(Self { name: name.into(), db: db.clone(), objects, buckets })
    }

    /// Removes a bucket if it is empty. Without its counters no object can be added any more.
    fn remove(&self) -> Result<bool> {
        let empty = self.db.atomic(|batch| {
            batch.assert_prefix_empty(&self.name, b"");
            batch.delete(BUCKETS, self.name.as_bytes());
        })?;
        if empty {
            self.db.drop_tree(&self.name)?;
        }
        Ok(empty)
    }

    /// Objects and bytes of the bucket, and the version of the record that says so.
    fn usage(&self) -> Result<(u64, u64, RecordVersion)> {
        let record = self.buckets.get_record(self.name.as_bytes())?;
        let record = record.ok_or_else(|| Error::TreeNotFound { name: self.name.clone() })?;
        let (objects, rest) = decode(&record.value);
        Ok((objects, decode(rest).0, record.version))
    }

    /// PutObject; `false` if the condition does not hold.
    fn put(&self, key: &str, size: u64, etag: &str, when: When) -> Result<bool> {
        self.change(key.as_bytes(), Some(encode(size, etag.as_bytes())), when)
    }

    /// DeleteObject; `false` if there is none.
    fn delete(&self, key: &str) -> Result<bool> {
        self.change(key.as_bytes(), None, When::Always)
    }

    /// Writes or deletes an object and counts it, together.
    fn change(&self, key: &[u8], new: Option<Vec<u8>>, when: When) -> Result<bool> {
        let size = |value: Option<&Vec<u8>>| value.map_or(0, |value| decode(value).0);
        loop {
            let old = self.objects.get_record(key)?;
            let value = old.as_ref().map(|old| &old.value);
            let allowed = match when {
                When::Always => true,
                When::Absent => value.is_none(),
                When::Match(etag) => value.is_some_and(|old| decode(old).1 == etag.as_bytes()),
            };
            if !allowed || (value.is_none() && new.is_none()) {
                return Ok(false);
            }
            let (objects, bytes, version) = self.usage()?;
            let count = |value: Option<&Vec<u8>>| u64::from(value.is_some());
            let objects = (objects + count(new.as_ref())).saturating_sub(count(value));
            let bytes = (bytes + size(new.as_ref())).saturating_sub(size(value));
            let applied = self.db.atomic(|batch| {
                match (&old, &new) {
                    (None, Some(new)) => batch.put_if_absent(&self.name, key, new),
                    (Some(old), Some(new)) => {
                        batch.compare_and_put(&self.name, key, old.version, new);
                    }
                    (Some(old), None) => batch.delete_if_version(&self.name, key, old.version),
                    (None, None) => {}
                }
                let counters = encode(objects, &encode(bytes, b""));
                batch.compare_and_put(BUCKETS, self.name.as_bytes(), version, &counters);
            })?;
            // `false`: another thread changed the object or the counters. Once more.
            if applied {
                return Ok(true);
            }
        }
    }

    fn list(&self, ask: &List) -> Result<Listed> {
        let max_keys = ask.max_keys.unwrap_or(MAX_KEYS).min(MAX_KEYS);
        let mut scan = self.objects.scan(ask.prefix.as_bytes());
        if let Some(delimiter) = ask.delimiter {
            scan = scan.delimiter(delimiter);
        }
        if !ask.start_after.is_empty() {
            scan = scan.start_after(ask.start_after.as_bytes());
        }
        let token = ask.continuation_token.map(PageToken::from_bytes).transpose()?;
        let mut listed = Listed::default();
        if max_keys == 0 {
            return Ok(listed);
        }
        let page = scan.page_from(token.as_ref(), max_keys, MAX_LIST_BYTES)?;
        for entry in page.entries {
            match entry {
                RangeEntry::Key { key, value, .. } => {
                    let (size, etag) = decode(&value);
                    listed.contents.push(Object { key: text(&key), size, etag: text(etag) });
                }
                RangeEntry::CommonPrefix(prefix) => listed.common_prefixes.push(text(&prefix)),
                _ => {}
            }
        }
        listed.next_continuation_token = page.next.map(|token| token.to_bytes());
        Ok(listed)
    }
}

/// All keys and common prefixes of a listing, in order, page by page.
fn list_all(bucket: &Bucket, ask: List) -> Result<Vec<String>> {
    let (mut found, mut token) = (Vec::new(), None::<Vec<u8>>);
    loop {
        let listed = bucket.list(&List { continuation_token: token.as_deref(), ..ask })?;
        // An object has always a size and a tag.
        assert!(listed.contents.iter().all(|object| object.size > 0 && !object.etag.is_empty()));
        let keys = listed.contents.into_iter().map(|object| object.key);
        let mut page: Vec<String> = keys.chain(listed.common_prefixes).collect();
        assert!(page.len() <= ask.max_keys.unwrap_or(MAX_KEYS));
        page.sort();
        found.extend(page);
        token = listed.next_continuation_token;
        if token.is_none() {
            return Ok(found);
        }
    }
}

/// What a listing must give, by the rules of S3.
fn expected(keys: &BTreeSet<String>, ask: List) -> Vec<String> {
    let entry = |key: &String| {
        let rest = key.strip_prefix(ask.prefix)?;
        let cut = ask.delimiter.and_then(|delimiter| rest.bytes().position(|b| b == delimiter));
        Some(cut.map_or(key.clone(), |at| key[..=ask.prefix.len() + at].into()))
    };
    let entries: BTreeSet<String> = keys.iter().filter_map(entry).collect();
    entries.into_iter().filter(|entry| entry.as_str() > ask.start_after).collect()
}

/// Compares listings, page by page, with what they must give.
fn check_listings(bucket: &Bucket, keys: &BTreeSet<String>) -> Result<()> {
    for (prefix, delimiter, start_after) in [
        ("", None, ""),
        ("", None, "img/2026/02/0005"),
        ("img/", Some(b'/'), ""),
        ("img/2026/", Some(b'/'), ""),
        ("img/2026/", Some(b'/'), "img/2026/05/"),
        ("img/2026/07", None, "img/2026/05/"),
        ("none/", Some(b'/'), ""),
    ] {
        for max_keys in [Some(1), Some(7), None] {
            let ask = List { prefix, delimiter, start_after, max_keys, ..List::default() };
            assert_eq!(list_all(bucket, ask)?, expected(keys, ask), "{ask:?}");
        }
    }
    Ok(())
}

fn main() -> std::result::Result<(), Box<dyn std::error::Error>> {
    let scratch = tempfile::tempdir()?;
    let given = std::env::args_os().nth(1).map(PathBuf::from);
    let db = DB::open(TreeConfig::new(given.unwrap_or_else(|| scratch.path().join("store"))))?;
    db.list_trees()?.iter().try_for_each(|left| db.drop_tree(left))?;
    let photos = Bucket::create(&db, "acme/photos")?;
    let others = Bucket::create(&db, "zeta/photos")?;

    // Four threads fill one bucket; the counters are right whoever wins.
    let key = |at: u32| format!("img/2026/{:02}/{at:04}", at % 12 + 1);
    thread::scope(|scope| {
        for part in 0..4 {
            let photos = &photos;
            scope.spawn(move || {
                for at in (part..2_000).step_by(4) {
                    let put = photos.put(&key(at), 100, "etag-1", When::Absent);
                    assert!(put.expect("is written"));
                }
            });
        }
    });
    photos.put("img/cover.png", 5, "etag-1", When::Always)?;
    let (objects, bytes, _) = photos.usage()?;
    println!("acme/photos: {objects} objects, {bytes} bytes");
    assert_eq!((objects, bytes), (2_001, 200_005));

    let ask = List { prefix: "img/", delimiter: Some(b'/'), ..List::default() };
    let listed = photos.list(&ask)?;
    println!("below img/: {:?} and {:?}", listed.contents, listed.common_prefixes);
    let keys = (0..2_000).map(key).chain(["img/cover.png".into()]).collect();
    check_listings(&photos, &keys)?;
    let forged = List { continuation_token: Some(b"forged"), ..ask };
    println!("refused: {}", photos.list(&forged).err().ok_or("a forged token")?);

    // Conditional writes, and another tenant's bucket, which none of this has touched.
    assert!(!photos.put("img/cover.png", 6, "etag-2", When::Absent)?);
    assert!(!photos.put("img/cover.png", 6, "etag-2", When::Match("etag-0"))?);
    assert!(photos.put("img/cover.png", 6, "etag-2", When::Match("etag-1"))?);
    assert!(others.list(&List::default())?.contents.is_empty());

    assert!(!photos.remove()?);
    for key in &keys {
        assert!(photos.delete(key)?);
    }
    assert_eq!(photos.usage()?.0, 0);
    assert!(photos.remove()?);
    println!("left: {:?}", db.list_trees()?);
    Ok(())
}

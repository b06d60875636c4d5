//! Every operation of a store, on the engine linked in and on the one in the sandbox: both answer
//! alike, number by number and error by error.

mod support;

use std::fmt::Debug;

use holt_engine::db::{JournalAnchor, JournalEnvelope, Options};
use holt_engine::error::Error;
use holt_engine::ids::RecordVersion;
use holt_host::api::{Change, Database, MAX_IMAGE_CHUNK_BYTES, Reads, ScanRequest, Store};
use support::{Pair, devices, sandbox};

/// What was said, one line a call.
#[derive(Default)]
struct Said(Vec<String>);

impl Said {
    fn say(&mut self, what: &str, answer: impl Debug) {
        self.0.push(format!("{what}: {answer:?}"));
    }
}

fn alike(native: Said, sandboxed: Said) {
    for (native, sandboxed) in native.0.iter().zip(&sandboxed.0) {
        assert_eq!(native, sandboxed);
    }
    assert_eq!(native.0.len(), sandboxed.0.len());
}

fn with_feed() -> Options {
    Options { feed_retention: 1 << 20, ..support::options() }
}

fn version(raw: u64) -> RecordVersion {
    RecordVersion::from_raw(raw)
}

fn page_of(prefix: &str) -> ScanRequest {
    ScanRequest {
        prefix: prefix.into(),
        max_entries: 7,
        max_bytes: 1 << 20,
        ..ScanRequest::default()
    }
}

/// Every page of every kind of scan.
fn scans(said: &mut Said, reads: &mut dyn Reads, prefix: &str) {
    let key = |name: &str| Some(format!("{prefix}{name}").into_bytes());
    let all = page_of(prefix);
    let requests = [
        all.clone(),
        ScanRequest { reverse: true, ..all.clone() },
        ScanRequest { start_at: key("b"), end_before: key("d"), ..all.clone() },
        ScanRequest { start_after: key("d"), reverse: true, keys_only: true, ..all.clone() },
        ScanRequest { delimiter: Some(b'/'), keys_only: true, max_entries: 2, ..all.clone() },
        ScanRequest { delimiter: Some(b'/'), reverse: true, max_bytes: 0, ..all.clone() },
        ScanRequest { start_at: key("a"), start_after: key("b"), ..all.clone() },
        ScanRequest { max_entries: 0, ..all.clone() },
        ScanRequest { resume: Some(b"no token".to_vec()), ..all.clone() },
        ScanRequest { resume: Some(vec![1; 70_000]), ..all.clone() },
        ScanRequest { end_before: Some(vec![1; 65_536]), ..all },
    ];
    for mut request in requests {
        for _ in 0..50 {
            let page = reads.scan(&request);
            said.say("scan", &page);
            match page.map(|page| page.next) {
                Ok(Some(next)) => request.resume = Some(next),
                _ => break,
            }
        }
    }
    // A token of one scan is none of another.
    let first = reads.scan(&page_of(prefix)).expect("scans").next.expect("there is more");
    let other = ScanRequest { reverse: true, resume: Some(first), ..page_of(prefix) };
    said.say("another scan's token", reads.scan(&other));
}

fn looks(said: &mut Said, reads: &mut dyn Reads, prefix: &str) {
    for name in ["a", "b/1", "none", ""] {
        let key = format!("{prefix}{name}");
        said.say("get", reads.get(key.as_bytes()));
        said.say("version", reads.get_version(key.as_bytes()));
        said.say("contains", reads.contains_key(key.as_bytes()));
        said.say("longest", reads.longest_prefix(format!("{key}/deeper").as_bytes()));
        said.say("empty", reads.is_prefix_empty(key.as_bytes()));
        said.say("count", reads.prefix_count(key.as_bytes(), 3));
        said.say("count all", reads.prefix_count(key.as_bytes(), 0));
        said.say("count most", reads.prefix_count(key.as_bytes(), u64::MAX));
    }
    let long = vec![b'x'; 65_536];
    said.say("long get", reads.get(&long));
    said.say("long version", reads.get_version(&long));
    said.say("long empty", reads.is_prefix_empty(&long));
    said.say("long count", reads.prefix_count(&long, 1));
    said.say("long query", reads.longest_prefix(&long).map(|found| found.map(|f| f.key)));
}

fn single_writes(said: &mut Said, store: &mut dyn Store) {
    said.say("insert", store.insert(b"t/a", b"one"));
    said.say("insert again", store.insert(b"t/a", b"two"));
    said.say("if absent", store.put_if_absent(b"t/a", b"no"));
    said.say("if absent new", store.put_if_absent(b"t/b/1", b"yes"));
    let found = store.get_version(b"t/a").expect("reads").expect("is there");
    said.say("lost race", store.compare_and_put(b"t/a", version(1), b"no"));
    said.say("won race", store.compare_and_put(b"t/a", found, b"three"));
    said.say("lost delete", store.delete_if_version(b"t/a", found));
    said.say("of nothing", store.delete_if_version(b"t/none", found));
    let found = store.get_version(b"t/a").expect("reads").expect("is there");
    said.say("won delete", store.delete_if_version(b"t/a", found));
    said.say("remove", store.remove(b"t/b/1"));
    said.say("remove none", store.remove(b"t/b/1"));
    let many: Vec<(Vec<u8>, Vec<u8>)> = ["a", "b/1", "b/2", "c", "d/1", "d/2", "e", "f", "g"]
        .iter()
        .map(|name| (format!("t/{name}").into_bytes(), name.repeat(3).into_bytes()))
        .collect();
    let lent: Vec<(&[u8], &[u8])> = many.iter().map(|(k, v)| (&k[..], &v[..])).collect();
    said.say("many", store.put_many(&lent));
    said.say("none", store.put_many(&[]));
    let new = [(&b"t/a"[..], &b"kept"[..]), (b"t/h", b"first"), (b"t/h", b"second")];
    said.say("many new", store.put_many_if_absent(&new));
    said.say("no new", store.put_many_if_absent(&[]));
    let long = vec![0; 65_536];
    said.say("long many", store.put_many(&[(b"t/x", b""), (&long, b"")]));
    said.say("long new", store.put_many_if_absent(&[(b"t/x", b""), (&long, b"")]));
    said.say("long if absent", store.put_if_absent(&long, b""));
    said.say("long insert", store.insert(b"k", &vec![0; (1 << 20) + 1]));
    said.say("get many", store.get_many(&[b"t/a", b"t/none", b"", b"t/h", b"t/a"]));
    said.say("get none", store.get_many(&[]));
    said.say("get too many", store.get_many(&vec![&b""[..]; 65_537]));
    said.say("get long", store.get_many(&[&long]));
}

fn batches(said: &mut Said, store: &mut dyn Store) {
    let (key, value) = (|name: &str| name.as_bytes().to_vec(), b"v".to_vec());
    let found = store.get_version(b"t/c").expect("reads").expect("is there");
    let every = vec![
        Change::PutIfAbsent { key: key("n/1"), value: value.clone() },
        Change::AssertVersion { key: key("t/c"), expected: found },
        Change::CompareAndPut { key: key("t/c"), expected: found, value: value.clone() },
        Change::AssertAbsent { key: key("n/2") },
        Change::AssertPrefixEmpty { prefix: key("m/") },
        Change::Rename { src: key("n/1"), dst: key("n/2"), force: false },
        Change::Put { key: key("p/1"), value: value.clone() },
        Change::RenamePrefix { src: key("p/"), dst: key("q/"), force: false },
        Change::DeletePrefix { prefix: key("n/") },
        Change::Delete { key: key("never there") },
    ];
    said.say("every kind", store.commit(&every));
    said.say("every kind again", store.commit(&every));
    let put = Change::Put { key: key("guarded"), value };
    for guard in [
        Change::DeleteIfVersion { key: key("t/c"), expected: found },
        Change::AssertVersion { key: key("t/none"), expected: found },
        Change::AssertAbsent { key: key("t/c") },
        Change::AssertPrefixEmpty { prefix: key("t/") },
        Change::Rename { src: key("none"), dst: key("x"), force: false },
        Change::Rename { src: key("t/a"), dst: key("t/c"), force: false },
        Change::RenamePrefix { src: key("t/"), dst: key("q/"), force: false },
        Change::RenamePrefix { src: key("t/"), dst: key("t/deeper/"), force: true },
        Change::Put { key: vec![0; 65_536], value: vec![] },
        Change::Put { key: key("k"), value: vec![0; (1 << 20) + 1] },
    ] {
        said.say("guard", store.commit(&[put.clone(), guard]));
    }
    said.say("guarded", store.get(b"guarded"));
    let prefixes = vec![Change::DeletePrefix { prefix: key("none/") }; 65];
    said.say("too many prefixes", store.commit(&prefixes));
    let wide = vec![Change::Rename { src: key("t/a"), dst: key("t/z"), force: true }; 40_000];
    said.say("too wide", store.commit(&wide));
    let many = vec![Change::Delete { key: key("x") }; 65_537];
    said.say("too many", store.commit(&many));
    said.say("none", store.commit(&[]));
    said.say("rename prefix", store.rename_prefix(b"t/", b"moved/", false));
    said.say("rename nothing", store.rename_prefix(b"t/", b"moved/", false));
    said.say("rename back", store.rename_prefix(b"moved/", b"t/", false));
    said.say("rename into itself", store.rename_prefix(b"t/", b"t/t/", false));
    said.say("onto another", store.rename_prefix(b"q/", b"t/b/", false));
    said.say("onto another by force", store.rename_prefix(b"q/", b"t/d/", true));
    said.say("delete prefix", store.delete_prefix(b"t/f"));
    said.say("delete nothing", store.delete_prefix(b"t/f"));
    said.say("long rename", store.rename_prefix(&vec![0; 65_536], b"x", false));
}

/// Every operation once, and every way to be refused.
fn script(store: &mut dyn Store) -> Said {
    let mut said = Said::default();
    let start = store.last_lsn().expect("tells");
    single_writes(&mut said, store);
    looks(&mut said, store, "t/");
    scans(&mut said, store, "t/");
    batches(&mut said, store);
    looks(&mut said, store, "t/");
    said.say("lsn", store.last_lsn());
    snapshots(&mut said, store);
    feed(&mut said, store, start);
    said.say("checkpoint", store.checkpoint());
    said.say("compact", store.compact());
    said.say("gc", store.gc());
    said.say("vacuum", store.vacuum().map(|stats| stats.unreachable_blobs));
    said.say("maintain", store.maintain(64));
    said.say("sync", store.sync());
    let report = store.verify(&mut |_, _| {});
    said.say("verify", report.map(|report| (report.records, report.payload_bytes, report.damage)));
    said
}

fn snapshots(said: &mut Said, store: &mut dyn Store) {
    let mut whole = store.snapshot(b"").expect("takes one");
    let mut part = store.snapshot(b"t/").expect("takes another");
    said.say("of", (whole.scope().to_vec(), whole.lsn(), part.scope().to_vec(), part.lsn()));
    assert!(whole.epoch() < part.epoch());
    for number in 0..300u32 {
        store.put(format!("t/new/{number}").as_bytes(), &[7; 300]).expect("puts");
    }
    store.delete_prefix(b"t/b").expect("deletes");
    store.put(b"t/c", b"changed").expect("puts");
    store.checkpoint().expect("publishes");
    for snapshot in [&mut whole, &mut part] {
        looks(said, &mut **snapshot, "t/");
        scans(said, &mut **snapshot, "t/");
    }
    said.say("outside get", part.get(b"u"));
    said.say("outside version", part.get_version(b"t"));
    said.say("outside scan", part.scan(&page_of("")));
    said.say("outside count", part.prefix_count(b"", 0));
    said.say("outside empty", part.is_prefix_empty(b""));
    said.say("long snapshot", store.snapshot(&vec![0; 65_536]).err());
    store.delete_prefix(b"t/new/").expect("deletes");
}

fn feed(said: &mut Said, store: &mut dyn Store, start: u64) {
    let (mut at, mut pages) = (start, 0);
    loop {
        let page = store.changes_since(at).expect("is kept");
        said.say("changes", &page);
        (at, pages) = (page.next, pages + 1);
        if !page.more {
            break;
        }
    }
    said.say("none", store.changes_since(at));
    said.say("later", store.changes_since(u64::MAX));
    said.say("never kept", store.changes_since(0).err());
    assert!(pages > 0);
}

#[test]
fn both_engines_answer_every_operation_of_a_store_alike() {
    let (native, sandboxed) = (devices(), devices());
    let options = with_feed();
    let mut first = native.native_with(options.clone());
    let mut second = sandboxed.sandboxed_with(options);
    alike(script(&mut first), script(&mut second));
    assert_eq!(second.restarts(), 0);
    drop((first, second));
    assert_eq!(support::dump(&mut native.native()), support::dump(&mut sandboxed.native()));
}

#[test]
fn without_a_feed_both_say_so() {
    let pairs = [devices(), devices()];
    let errors = [
        pairs[0].native().changes_since(0).expect_err("no feed"),
        pairs[1].sandboxed().changes_since(0).expect_err("no feed"),
    ];
    assert_eq!(errors[0], errors[1]);
    assert!(matches!(errors[0], Error::InvalidArgument { what: "change feed", .. }));
}

#[test]
fn a_feed_of_many_large_commits_comes_in_pages_and_loses_none() {
    let options = Options { feed_retention: 64 << 20, ..with_feed() };
    let (native, sandboxed) = (devices(), devices());
    let mut native = native.native_with(options.clone());
    let mut sandboxed = sandboxed.sandboxed_with(options);
    let mut followed = Vec::new();
    for store in [&mut native as &mut dyn Store, &mut sandboxed] {
        let start = store.last_lsn().expect("tells");
        for round in 0..4u8 {
            // One commit that is larger than a page, and one of very many small changes.
            let large: Vec<Change> = (0..10u8)
                .map(|at| Change::Put { key: vec![round, at], value: vec![at; 1 << 20] })
                .collect();
            assert!(store.commit(&large).expect("commits"));
            let small: Vec<Change> = (0..60_000u32)
                .map(|at| Change::Put { key: vec![at as u8], value: vec![round] })
                .collect();
            assert!(store.commit(&small).expect("commits"));
        }
        let (mut at, mut commits) = (start, Vec::new());
        loop {
            let page = store.changes_since(at).expect("is kept");
            assert!(page.next > at && page.commits.len() <= 2, "{}", page.commits.len());
            commits.extend(page.commits.iter().map(|commit| (commit.lsn, commit.events.len())));
            at = page.next;
            if !page.more {
                break;
            }
        }
        followed.push(commits);
    }
    assert_eq!(followed[0].len(), 8);
    assert_eq!(followed[0], followed[1]);
}

fn anchor(sequence: u64) -> JournalAnchor {
    JournalAnchor::new(sequence, [sequence as u8; 32])
}

fn envelope(sequence: u64, payload: usize) -> JournalEnvelope {
    JournalEnvelope::new(anchor(sequence - 1), anchor(sequence), vec![7; payload]).expect("is one")
}

fn put(key: &str) -> Change {
    Change::Put { key: key.into(), value: b"v".to_vec() }
}

fn trees(said: &mut Said, db: &mut dyn Database) {
    said.say("create", db.create_tree("files").is_ok());
    said.say("exists", db.create_tree("files").err());
    said.say("open", db.open_tree("files").is_ok());
    said.say("missing", db.open_tree("none").err());
    said.say("either", db.open_or_create_tree("links").is_ok());
    said.say("either again", db.open_or_create_tree("links").is_ok());
    for name in ["", "\0x", &"x".repeat(1025)] {
        said.say("bad name", db.create_tree(name).err());
        said.say("bad name", db.open_or_create_tree(name).err());
    }
    said.say("odd name", db.create_tree("a\nb/\u{e4}").is_ok());
    said.say("list", db.list_trees());
    said.say("drop none", db.drop_tree("none"));
}

fn database_batches(said: &mut Said, db: &mut dyn Database) {
    said.say("commit", db.commit(&[("files", put("a")), ("links", put("a")), ("files", put("b"))]));
    let guard = ("links", Change::AssertAbsent { key: b"a".to_vec() });
    said.say("guard", db.commit(&[("files", put("c")), guard]));
    said.say("no tree", db.commit(&[("files", put("c")), ("none", put("c"))]));
    said.say("long", db.commit(&[("files", Change::Delete { key: vec![0; 65_536] })]));
    said.say("too many", db.commit(&vec![("files", put("c")); 65_537]));
    said.say("none", db.commit(&[]));
    let mut files = db.open_tree("files").expect("opens");
    said.say("files", files.scan(&page_of("")));
    said.say("files gc", files.gc());
    said.say("files vacuum", files.vacuum());
    said.say("stats", db.stats().map(|stats| (stats.open_tree_count, stats.trees)));
}

fn dropped(said: &mut Said, db: &mut dyn Database) {
    let mut old = db.create_tree("short").expect("creates");
    old.put(b"a", b"1").expect("puts");
    let mut view = old.snapshot(b"").expect("takes one");
    said.say("drop", db.drop_tree("short"));
    said.say("dropped get", old.get(b"a"));
    said.say("dropped put", old.put(b"a", b"2"));
    said.say("dropped snapshot", old.snapshot(b"").err());
    said.say("its view", view.get(b"a"));
    let mut new = db.create_tree("short").expect("creates again");
    said.say("new", new.get(b"a"));
    said.say("old still", old.get(b"a"));
    said.say("drop again", db.drop_tree("short"));
}

fn all_trees(said: &mut Said, db: &mut dyn Database) {
    let mut all = db.snapshot().expect("takes one");
    db.create_tree("later").expect("creates");
    let mut files = db.open_tree("files").expect("opens");
    files.put(b"later", b"1").expect("puts");
    said.say("names", all.list_trees());
    said.say("later", all.tree("later").err());
    let mut then = all.tree("files").expect("is in it");
    said.say("then", then.scan(&page_of("")));
    said.say("same moment", (then.lsn() == all.lsn(), then.scope().to_vec()));
    drop(all);
    said.say("lives on", then.get(b"later"));
    said.say("drop", db.drop_tree("later"));
}

fn exported(db: &mut dyn Database) -> Vec<u8> {
    let mut export = db.export_image().expect("begins");
    let mut image = Vec::new();
    loop {
        let chunk = export.next_chunk().expect("reads");
        assert!(chunk.len() <= MAX_IMAGE_CHUNK_BYTES);
        if chunk.is_empty() {
            return image;
        }
        image.extend_from_slice(&chunk);
    }
}

fn images(said: &mut Said, db: &mut dyn Database, into: &mut dyn Database) {
    let mut files = db.open_tree("files").expect("opens");
    for number in 0..40u8 {
        files.put(&[number], &vec![number; 100_000]).expect("puts");
    }
    let image = exported(db);
    assert!(image.len() > 3 * MAX_IMAGE_CHUNK_BYTES, "several chunks");
    let mut taken = db.install_image().expect("begins");
    let refused = taken.push(&image).expect_err("the names are taken");
    // What a guest says about a name of its own comes without control characters.
    said.say("taken", refused.to_string().replace("\\n", "\u{fffd}"));
    said.say("given up", taken.finish());
    drop(taken);
    let mut cut = into.install_image().expect("begins");
    said.say("part", cut.push(&image[..image.len() / 2]));
    said.say("write meanwhile", into.create_tree("x").err());
    said.say("cut", cut.finish());
    let mut damaged = into.install_image().expect("begins");
    said.say("no image", damaged.push(b"something else that is long enough"));
    drop((cut, damaged));
    said.say("still none", into.list_trees());
    let mut install = into.install_image().expect("begins");
    said.say("whole", install.push(&image));
    said.say("finish", install.finish());
    said.say("finish twice", install.finish());
    drop(install);
    said.say("list", into.list_trees());
    let mut copy = into.open_tree("files").expect("came along");
    said.say("copy", copy.get(&[39]));
    assert!(exported(into) == image, "the copy's image is the same");
    said.say("writes go on", copy.put(b"x", b"y"));
    said.say("verify", into.verify().map(|report| report.damage));
}

fn journal(said: &mut Said, db: &mut dyn Database) {
    said.say("none", db.journal_state());
    said.say("none", db.journal_envelopes_after(anchor(1), 1, 1));
    said.say("none", db.commit_with_journal_envelope(&envelope(1, 1), &[("files", put("j"))]));
    said.say("begin", db.initialize_journal_stream(anchor(5)));
    said.say("same", db.initialize_journal_stream(anchor(5)));
    said.say("another", db.initialize_journal_stream(anchor(6)));
    said.say("beside", db.commit(&[("files", put("j"))]));
    for sequence in 6..12 {
        let done =
            db.commit_with_journal_envelope(&envelope(sequence, 900_000), &[("files", put("j"))]);
        said.say("with", done);
    }
    said.say("again", db.commit_with_journal_envelope(&envelope(8, 3), &[("files", put("k"))]));
    let guard = ("files", Change::AssertAbsent { key: b"j".to_vec() });
    let guarded = [("files", put("k")), guard];
    said.say("guard", db.commit_with_journal_envelope(&envelope(12, 3), &guarded));
    said.say("state", db.journal_state());
    let mut cursor = anchor(5);
    loop {
        let page = db.journal_envelopes_after(cursor, 3, usize::MAX).expect("reads");
        let lengths: Vec<usize> = page.envelopes.iter().map(|e| e.payload().len()).collect();
        said.say("page", (lengths, page.next, page.more));
        cursor = page.next;
        if !page.more {
            break;
        }
    }
    said.say("bytes", db.journal_envelopes_after(anchor(5), 100, 1).map(|p| p.envelopes.len()));
    said.say("no rows", db.journal_envelopes_after(anchor(5), 0, 1));
    said.say("before", db.journal_envelopes_after(anchor(4), 1, 1));
    said.say("after", db.journal_envelopes_after(anchor(99), 1, 1));
    let odd = JournalAnchor::new(7, [0; 32]);
    said.say("odd", db.journal_envelopes_after(odd, 1, 1));
    said.say("checkpoint", db.checkpoint());
    said.say("expired", db.journal_envelopes_after(anchor(5), 1, 1));
}

fn database_script(db: &mut dyn Database, into: &mut dyn Database) -> Said {
    let mut said = Said::default();
    trees(&mut said, db);
    database_batches(&mut said, db);
    dropped(&mut said, db);
    all_trees(&mut said, db);
    images(&mut said, db, into);
    said.say("checkpoint", db.checkpoint());
    said.say("compact", db.compact());
    said.say("gc", db.gc());
    said.say("vacuum", db.vacuum().map(|stats| stats.unreachable_blobs));
    said.say("maintain", db.maintain(64));
    said.say("sync", db.sync());
    said.say("verify", db.verify().map(|report| (report.records, report.damage)));
    journal(&mut said, db);
    said
}

#[test]
fn both_engines_answer_every_operation_of_a_database_alike() {
    let pairs: [Pair; 4] = std::array::from_fn(|_| devices());
    let mut native = pairs[0].native_database();
    let mut sandboxed = pairs[1].sandboxed_database(sandbox());
    let said = database_script(&mut native, &mut pairs[2].native_database());
    alike(said, database_script(&mut sandboxed, &mut pairs[3].sandboxed_database(sandbox())));
    assert_eq!(sandboxed.restarts(), 0);
    assert!(sandboxed.sandbox_usage().fuel > 0 && sandboxed.device_use().calls > 0);
    drop((native, sandboxed));
    // What either wrote, the other opens.
    let mut crossed = [
        Box::new(pairs[0].sandboxed_database(sandbox())) as Box<dyn Database>,
        Box::new(pairs[1].native_database()),
    ];
    let exports = crossed.each_mut().map(|db| exported(&mut **db));
    assert!(exports[0] == exports[1]);
}

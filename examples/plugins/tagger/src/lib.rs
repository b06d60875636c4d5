//! Counts the records under a prefix and writes a tag for each, as one batch a page.
//!
//! Build it with `cargo build --release --target wasm32-unknown-unknown`.

wit_bindgen::generate!({ path: "../../../wit", world: "plugin" });

use holt::metadata::store::{Options, Tree, open};
use holt::metadata::types::{Change, Error, Item, ScanRequest};

struct Tagger;
export!(Tagger);

impl Guest for Tagger {
    /// `PREFIX TAG`: writes `tags/TAG/KEY` for every `KEY` that starts with `PREFIX`.
    fn run(args: Vec<String>) -> Result<String, String> {
        let [prefix, tag] = &args[..] else { return Err("usage: PREFIX TAG".into()) };
        let count = tag_all(prefix, tag).map_err(|error| format!("{error:?}"))?;
        Ok(format!("tagged {count} records under {prefix} as {tag}"))
    }
}

fn tag_all(prefix: &str, tag: &str) -> Result<u64, Error> {
    let tree: Tree = open(Options {
        cache_bytes: 4 << 20,
        sync: false,
        log_budget: 4 << 20,
        auto_checkpoint: true,
        read_only: false,
        snapshot_bytes: 64 << 20,
        feed_retention: 0,
    })?;
    // What is tagged is what there is now: the snapshot does not see the tags that are written.
    let records = tree.snapshot(prefix.as_bytes())?;
    let mut request = ScanRequest {
        prefix: prefix.into(),
        start_after: None,
        start_at: None,
        end_before: None,
        reverse: false,
        delimiter: None,
        keys_only: true,
        max_entries: 1000,
        max_bytes: 1 << 20,
        resume: None,
    };
    let mut count = 0;
    loop {
        let page = records.scan(&request)?;
        let mut changes = Vec::new();
        for item in page.items {
            let Item::Entry(entry) = item else { continue };
            if entry.key.starts_with(b"tags/") {
                continue; // Tags of earlier runs are not tagged.
            }
            let key = [b"tags/", tag.as_bytes(), b"/", &entry.key].concat();
            changes.push(Change::Put((key, Vec::new())));
        }
        count += changes.len() as u64;
        tree.commit(&changes)?;
        match page.next {
            Some(token) => request.resume = Some(token),
            None => return Ok(count),
        }
    }
}

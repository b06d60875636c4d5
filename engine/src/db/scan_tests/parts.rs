//! How a listing is cut into parts: large enough that it asks the store seldom, small enough that
//! writers need not wait for it.

use alloc::format;
use alloc::rc::Rc;
use alloc::string::String;
use alloc::vec::Vec;
use core::cell::Cell;

use crate::cache::Cache;
use crate::db::ahead::Ahead;
use crate::db::scan_driver::Scan;
use crate::db::scan_part::Buffers;
use crate::db::scan_spec::ScanSpec;
use crate::db::source::Source;
use crate::db::{RangeEntryRef, Tree, View};
use crate::error::Result;
use crate::forest::Reader;
use crate::ids::TreeId;
use crate::node::Miss;

/// A tree that counts how often it is asked.
#[derive(Clone)]
struct Counted {
    tree: Tree,
    asked: Rc<Cell<usize>>,
}

impl Source for Counted {
    type Pages<'a> = Cache;

    fn tree(&self) -> TreeId {
        Source::tree(&self.tree)
    }

    fn snapshot(&self) -> Option<u64> {
        None
    }

    fn buffers(&self) -> &Buffers {
        self.tree.buffers()
    }

    fn still(&self) -> Result<View> {
        self.tree.still()
    }

    fn look_anew<T>(
        &self,
        ahead: &mut Ahead,
        look: impl FnMut(Reader<'_, Cache>, bool) -> Result<T, Miss>,
    ) -> Result<T> {
        self.asked.set(self.asked.get() + 1);
        self.tree.look_anew(ahead, look)
    }
}

fn asked(tree: &Tree, reverse: bool, values: bool, limit: usize) -> usize {
    let asked = Rc::new(Cell::new(0));
    let source = Counted { tree: tree.clone(), asked: asked.clone() };
    let spec = ScanSpec { reverse, ..ScanSpec::default() };
    let mut seen = 0;
    let scan = Scan::new(source, spec, values, 16);
    let count = |_: crate::db::scan_part::Lent<'_>| {
        seen += 1;
        Ok(true)
    };
    assert!(!scan.visit(limit, count).unwrap().more);
    assert_eq!(seen, 20_000);
    asked.get()
}

#[test]
fn a_listing_comes_in_parts_of_a_sensible_size() {
    let tree = Tree::memory().unwrap();
    for at in 0..20_000u32 {
        tree.put(&at.to_be_bytes(), &[7; 60]).unwrap();
    }
    for reverse in [false, true] {
        // 1.3 MB, at most 64 KiB at a time.
        let records = asked(&tree, reverse, true, usize::MAX);
        assert!((20..=30).contains(&records), "asked {records} times for 20 000 records");
        // Many entries to a part where they are short, yet not all of them.
        let keys = asked(&tree, reverse, false, usize::MAX);
        assert!((5..=12).contains(&keys), "asked {keys} times for 20 000 keys");
    }
}

/// A scan begins with what the one before had only as far as memory goes.
#[test]
fn a_buffer_that_is_used_again_shows_nothing_of_its_last_scan() {
    let tree = Tree::memory().unwrap();
    for at in 0..3000_u32 {
        tree.put(format!("k/{at:04}").as_bytes(), &at.to_le_bytes()).unwrap();
    }
    let keys = |limit: usize, after: &str| {
        let mut keys = Vec::new();
        let scan = tree.scan(b"k/").start_after(after.as_bytes());
        scan.visit(limit, |entry| {
            if let RangeEntryRef::Key { key, .. } = entry {
                keys.push(String::from_utf8_lossy(key).into_owned());
            }
            Ok(())
        })
        .unwrap();
        keys
    };
    let expected = |from: u32, count: u32| -> Vec<String> {
        (from..from + count).map(|at| format!("k/{at:04}")).collect()
    };
    for round in 0..3 {
        assert_eq!(keys(usize::MAX, ""), expected(0, 3000), "in round {round}");
        assert_eq!(keys(10, "k/2000"), expected(2001, 10), "in round {round}");
        // One is left in the middle, one begins while another goes on.
        let mut first = tree.scan(b"k/").into_iter();
        assert!(first.by_ref().take(5).all(|entry| entry.is_ok()));
        assert_eq!(keys(7, "k/0100"), expected(101, 7), "in round {round}");
        assert_eq!(first.count(), 2995, "in round {round}");
        let page = tree.scan(b"k/").start_after(b"k/0500").page(3, 1 << 20).unwrap();
        assert_eq!(page.next.as_deref(), Some(&b"k/0503"[..]), "in round {round}");
    }
}

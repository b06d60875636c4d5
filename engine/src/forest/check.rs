//! Checking a whole tree: every frame, page and record that its root leads to.

use alloc::collections::BTreeSet;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use super::Forest;
use super::route::child;
use crate::art::head::{Head, HeadView};
use crate::error::{Corruption, CorruptionClass, Error, Result};
use crate::frame::Forms;
use crate::ids::{BlobId, Lsn, TreeId};
use crate::limits::PAGE_BYTES;
use crate::node::{LongKey, Miss, Page, Record, Value, verify};

/// What a check counted.
#[derive(Clone, Debug, Default)]
pub struct Census {
    /// Records.
    pub records: u64,
    /// Bytes of keys and values.
    pub payload: u64,
    /// Pages, page 0 of each frame included.
    pub pages: u64,
    /// Leaf pages.
    pub leaves: u64,
    /// Bytes in use on leaf pages.
    pub used: u64,
    /// Frames seen.
    pub frames: BTreeSet<u32>,
    /// Extents seen.
    pub extents: BTreeSet<u64>,
}

/// Where damage is reported to.
pub struct Checker<'a> {
    /// What was counted so far.
    pub census: Census,
    /// Called for each piece of damage.
    pub found: &'a mut dyn FnMut(Corruption),
    /// Called with pages done.
    pub progress: &'a mut dyn FnMut(u64),
    /// No record or page can be as new as this.
    pub limit: Lsn,
}

/// A frame to look at, and what its parent says of it.
struct Visit {
    frame: u32,
    level: u8,
    low: Vec<u8>,
    high: Option<Vec<u8>>,
}

impl Checker<'_> {
    fn report(&mut self, class: CorruptionClass, frame: u32, page: u8, why: impl Into<String>) {
        let at = BlobId::frame(frame);
        (self.found)(Corruption::page(class, at, u64::from(page), why));
    }

    fn extent(&mut self, frame: u32, page: u8, extent: u64) {
        if !self.census.extents.insert(extent) {
            let why = format!("extent {extent} has two owners");
            self.report(CorruptionClass::Reachability, frame, page, why);
        }
    }
}

impl Forest {
    /// Checks one tree. Damage goes to the checker; the tree goes on being checked around it.
    ///
    /// # Errors
    /// Only failures of the device.
    pub fn check(&mut self, tree: TreeId, checker: &mut Checker<'_>) -> Result<()> {
        let Some(&root) = self.roots.get(&tree) else { return Ok(()) };
        let before = checker.census.records;
        let mut frames = 0;
        let (level, low, high) = (root.level, Vec::new(), None);
        let mut stack = alloc::vec![Visit { frame: root.frame, level, low, high }];
        let mut whole = true;
        while let Some(visit) = stack.pop() {
            frames += 1;
            match self.check_frame(&visit, checker, &mut stack) {
                Ok(()) => {}
                Err(Error::Corrupt(damage)) => {
                    whole = false;
                    (checker.found)(damage);
                }
                Err(other) => return Err(other),
            }
            self.cache.trim()?;
        }
        let records = checker.census.records - before;
        if whole && (records != root.records || frames != root.frames) {
            let why = format!(
                "the root counts {} records in {} frames, found {records} in {frames}",
                root.records, root.frames
            );
            checker.report(CorruptionClass::Count, root.frame, 0, why);
        }
        Ok(())
    }

    fn check_frame(
        &mut self,
        visit: &Visit,
        checker: &mut Checker<'_>,
        stack: &mut Vec<Visit>,
    ) -> Result<()> {
        let frame = visit.frame;
        if !checker.census.frames.insert(frame) {
            checker.report(CorruptionClass::Reachability, frame, 0, "frame has two parents");
            return Ok(());
        }
        let head = self.with(|forest| {
            let page = forest.cache.page(frame, 0)?;
            Ok(Head::parse(page))
        })?;
        self.check_head(visit, &head, checker)?;
        let mut live = 0;
        let mut forms = Forms::default();
        let mut children = Vec::new();
        for ordinal in 0..head.pages.len() {
            match self.check_page(frame, &head, ordinal, checker, &mut children) {
                Ok((count, found)) => (live, forms) = (live + count, forms.and(found)),
                Err(Error::Corrupt(damage)) => (checker.found)(damage),
                Err(other) => return Err(other),
            }
        }
        let expected = self.with(|forest| Ok(forest.cache.frame(frame)?.meta))?;
        if u64::from(expected.live) != live || expected.level != visit.level {
            let why = format!("metadata counts {} records, found {live}", expected.live);
            checker.report(CorruptionClass::Count, frame, 0, why);
        }
        if !expected.forms.cover(forms) {
            let why = format!("metadata says {:?}, found {forms:?}", expected.forms);
            checker.report(CorruptionClass::Count, frame, 0, why);
        }
        for at in 0..children.len() {
            let (ref low, next) = children[at];
            let high = match children.get(at + 1) {
                Some((key, _)) => Some(key.clone()),
                None => visit.high.clone(),
            };
            let level = visit.level.saturating_sub(1);
            stack.push(Visit { frame: next, level, low: low.clone(), high });
        }
        Ok(())
    }

    fn check_head(&mut self, visit: &Visit, head: &Head, checker: &mut Checker<'_>) -> Result<()> {
        let frame = visit.frame;
        if head.level != visit.level {
            let why = format!("frame is of level {}, its parent says {}", head.level, visit.level);
            checker.report(CorruptionClass::Fence, frame, 0, why);
        }
        let low = self.with(|forest| forest.bound_key(&head.low))?;
        let high =
            self.with(|forest| head.high.as_ref().map(|b| forest.bound_key(b)).transpose())?;
        if low != visit.low || high != visit.high {
            let why = "fences differ from what the parent says";
            checker.report(CorruptionClass::Fence, frame, 0, why);
        }
        if head.prefix.len() != head.prefix_for(&head.low, head.high.as_ref()) {
            let why = "prefix differs from what the fences share";
            checker.report(CorruptionClass::Fence, frame, 0, why);
        }
        let (longs, lsn) = self.with(|forest| {
            let page = forest.cache.page(frame, 0)?;
            Ok((HeadView(page).extents().collect::<Vec<LongKey>>(), page.lsn()))
        })?;
        longs.iter().for_each(|long| checker.extent(frame, 0, long.extent));
        if lsn >= checker.limit {
            checker.report(CorruptionClass::Version, frame, 0, "page is newer than the log");
        }
        // Anchors must ascend by their whole keys, between the fences.
        for ordinal in 1..head.anchors.len() {
            let before = self.with(|forest| forest.anchor_key(head, ordinal - 1))?;
            let anchor = self.with(|forest| forest.anchor_key(head, ordinal))?;
            if before >= anchor || high.as_ref().is_some_and(|high| anchor >= *high) {
                checker.report(CorruptionClass::Order, frame, 0, "anchors are out of order");
            }
        }
        checker.census.pages += 1;
        (checker.progress)(checker.census.pages);
        Ok(())
    }

    fn check_page(
        &mut self,
        frame: u32,
        head: &Head,
        ordinal: usize,
        checker: &mut Checker<'_>,
        children: &mut Vec<(Vec<u8>, u32)>,
    ) -> Result<(u64, Forms)> {
        let number = head.pages[ordinal];
        checker.census.pages += 1;
        (checker.progress)(checker.census.pages);
        let low = self.with(|forest| forest.anchor_key(head, ordinal))?;
        let high = self.with(|forest| match ordinal + 1 < head.anchors.len() {
            true => forest.anchor_key(head, ordinal + 1).map(Some),
            false => head.high.as_ref().map(|high| forest.bound_key(high)).transpose(),
        })?;
        let keys: Vec<Vec<u8>> = self.with(|forest| {
            let page = forest.cache.page(frame, number)?;
            (0..page.count()).map(|slot| forest.full_key(page, slot, &head.prefix)).collect()
        })?;
        let page = self.with(|forest| Ok(forest.cache.page(frame, number)?.clone()))?;
        if page.level() != head.level {
            checker.report(CorruptionClass::Identity, frame, number, "page of another level");
        }
        if let Err((class, why)) = verify::order(&page) {
            checker.report(class, frame, number, why);
        }
        check_keys(checker, frame, number, &keys, &low, high.as_deref());
        self.check_records(&page, frame, number, &keys, checker, children)
    }

    fn check_records(
        &mut self,
        page: &Page,
        frame: u32,
        number: u8,
        keys: &[Vec<u8>],
        checker: &mut Checker<'_>,
        children: &mut Vec<(Vec<u8>, u32)>,
    ) -> Result<(u64, Forms)> {
        let mut forms = Forms::default();
        if page.lsn() >= checker.limit {
            checker.report(CorruptionClass::Version, frame, number, "page is newer than the log");
        }
        for (slot, key) in keys.iter().enumerate() {
            let record = Record::read(page, slot);
            if let Some(long) = record.long {
                checker.extent(frame, number, long.extent);
            }
            if let Value::Extent { extent, len } = record.value {
                checker.extent(frame, number, extent);
                self.with(|forest| {
                    use crate::node::Extents;
                    forest.cache.extent(extent, len).map(|_| ())
                })?;
                // Nothing of a page is held here: long values need not all stay.
                self.cache.trim()?;
            }
            if record.version >= checker.limit {
                let why = format!("version {} was never given out", record.version);
                checker.report(CorruptionClass::Version, frame, number, why);
            }
            if page.level() > 0 {
                match child(&record) {
                    Some(child) => children.push((key.clone(), child)),
                    None => {
                        let why = "a crossing without a frame";
                        checker.report(CorruptionClass::Reachability, frame, number, why);
                    }
                }
            } else {
                checker.census.payload += (key.len() + record.value.len()) as u64;
                forms = forms.and(Forms::of(&record, key.len()));
            }
        }
        if page.level() == 0 {
            checker.census.records += keys.len() as u64;
            checker.census.leaves += 1;
            checker.census.used += page.used().min(PAGE_BYTES) as u64;
        }
        Ok((keys.len() as u64, forms))
    }

    /// The pages in use of a frame, page 0 first.
    pub fn frame_pages(&mut self, frame: u32) -> Result<Vec<u8>> {
        self.with(|forest| -> Result<Vec<u8>, Miss> {
            Ok(HeadView(forest.cache.page(frame, 0)?).used().iter().collect())
        })
    }
}

fn check_keys(
    checker: &mut Checker<'_>,
    frame: u32,
    number: u8,
    keys: &[Vec<u8>],
    low: &[u8],
    high: Option<&[u8]>,
) {
    if keys.windows(2).any(|pair| pair[0] >= pair[1]) {
        checker.report(CorruptionClass::Order, frame, number, "records are out of order");
    }
    let below = keys.iter().any(|key| key.as_slice() < low);
    let above = high.is_some_and(|high| keys.iter().any(|key| key.as_slice() >= high));
    if below || above {
        let why = "a record lies outside the bounds of its page";
        checker.report(CorruptionClass::Bounds, frame, number, why);
    }
}

//! The way from a root to a page.

use super::{Forest, Pages, Reader};
use crate::art::head::HeadView;
use crate::ids::TreeId;
use crate::limits::MAX_LEVELS;
use crate::node::{Miss, Page, Query, Record, Value, search};

/// One frame on the way down.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Step {
    /// The frame.
    pub frame: u32,
    /// Ordinal of the page in it.
    pub ordinal: usize,
    /// Number of the page.
    pub page: u8,
    /// Slot of the crossing taken; in a leaf, unused.
    pub slot: usize,
}

/// The frames from the root to a leaf page.
#[derive(Clone, Copy, Debug, Default)]
pub struct Path {
    steps: [Step; MAX_LEVELS as usize],
    len: usize,
}

impl Path {
    /// Frames on the way, root first.
    pub fn steps(&self) -> &[Step] {
        &self.steps[..self.len]
    }

    /// The step at the leaf level.
    #[inline]
    pub fn leaf(&self) -> Step {
        self.steps[self.len - 1]
    }

    /// The step at `level`.
    pub fn at_level(&self, level: u8) -> Option<Step> {
        let index = self.len.checked_sub(usize::from(level) + 1)?;
        self.steps.get(index).copied()
    }

    fn push(&mut self, step: Step) {
        self.steps[self.len] = step;
        self.len += 1;
    }
}

/// The frame number a crossing leads to.
pub(super) fn child(record: &Record<'_>) -> Option<u32> {
    match record.value {
        Value::Inline(bytes) => Some(u32::from_le_bytes(bytes.try_into().ok()?)),
        Value::Extent { .. } => None,
    }
}

/// A page that a key leads to.
#[derive(Clone, Copy)]
pub struct Reached<'a, 'k> {
    /// Where it is.
    pub step: Step,
    /// The page.
    pub page: &'a Page,
    /// The head of its frame.
    pub head: HeadView<'a>,
    /// What to look for on it.
    pub query: Query<'k>,
}

impl<'a, P: Pages> Reader<'a, P> {
    /// The leaf page where `key` belongs, and the way there.
    pub fn descend(self, tree: TreeId, key: &[u8]) -> Result<Path, Miss> {
        let mut path = Path::default();
        self.walk(tree, key, |step| path.push(step))?;
        Ok(path)
    }

    /// The leaf page where `key` belongs.
    #[inline]
    pub fn leaf<'k>(self, tree: TreeId, key: &'k [u8]) -> Result<Reached<'a, 'k>, Miss> {
        self.walk(tree, key, |_| {})
    }

    /// The root frame of a tree and its level.
    pub(super) fn root(self, tree: TreeId) -> Result<(u32, u8), Miss> {
        let Some(root) = self.roots.get(&tree) else {
            return Err(Miss::NoTree);
        };
        if root.level >= MAX_LEVELS {
            let why = "the tree has too many levels";
            return Err(Miss::Broken { frame: root.frame, why });
        }
        Ok((root.frame, root.level))
    }

    /// Page 0 of a frame at `level`.
    #[inline]
    pub(super) fn head(self, frame: u32, level: u8) -> Result<HeadView<'a>, Miss> {
        let page = self.pages.page(frame, 0)?;
        if page.level() != level {
            return Err(Miss::Broken { frame, why: "the frame is of another level" });
        }
        Ok(HeadView(page))
    }

    /// The page of a frame where `key` belongs.
    #[inline]
    pub(super) fn enter<'k>(
        self,
        frame: u32,
        level: u8,
        key: &'k [u8],
    ) -> Result<Reached<'a, 'k>, Miss> {
        let head = self.head(frame, level)?;
        let query = Query { key, stripped: head.prefix_len() };
        let ordinal = head.floor(&query, self.pages)?;
        let number = head.pages()[ordinal];
        let page = self.pages.page(frame, number)?;
        if key.len() < query.stripped + page.prefix_len() {
            // What follows cuts the prefixes off the key.
            let why = "a key leads to a page whose prefix it does not have";
            return Err(Miss::Broken { frame, why });
        }
        let step = Step { frame, ordinal, page: number, slot: 0 };
        Ok(Reached { step, page, head, query })
    }

    /// Goes down to the leaf page where `key` belongs and shows each step, the leaf's last.
    #[inline]
    fn walk<'k>(
        self,
        tree: TreeId,
        key: &'k [u8],
        mut visit: impl FnMut(Step),
    ) -> Result<Reached<'a, 'k>, Miss> {
        let (mut frame, mut level) = self.root(tree)?;
        loop {
            let mut reached = self.enter(frame, level, key)?;
            if level == 0 {
                visit(reached.step);
                return Ok(reached);
            }
            reached.step.slot = search::floor(reached.page, &reached.query, self.pages)?;
            visit(reached.step);
            frame = crossing(reached.page, reached.step.slot, frame)?;
            level -= 1;
        }
    }

    /// The leaf frame where `key` belongs; of that frame no more than page 0 is asked for.
    pub(super) fn leaf_frame(self, tree: TreeId, key: &[u8]) -> Result<u32, Miss> {
        let (mut frame, mut level) = self.root(tree)?;
        while level > 0 {
            let reached = self.enter(frame, level, key)?;
            let slot = search::floor(reached.page, &reached.query, self.pages)?;
            frame = crossing(reached.page, slot, frame)?;
            level -= 1;
        }
        Ok(frame)
    }

    /// The page, its query and the slot of `key`, if it is there.
    #[inline]
    pub fn find(self, tree: TreeId, key: &[u8]) -> Result<Option<(&'a Page, usize)>, Miss> {
        let leaf = match self.leaf(tree, key) {
            Ok(leaf) => leaf,
            Err(miss) => return self.known_absent(miss, key),
        };
        let slot = search::find(leaf.page, &leaf.query, self.pages)?;
        Ok(slot.map(|slot| (leaf.page, slot)))
    }

    /// What a lookup of `key` that missed something comes to: nothing, if it is known without
    /// the page that it is not there, or that miss.
    #[cold]
    pub(super) fn known_absent<T>(self, miss: Miss, key: &[u8]) -> Result<Option<T>, Miss> {
        match miss {
            Miss::Page { frame, page } if self.pages.lacks(frame, page, key) => Ok(None),
            miss => Err(miss),
        }
    }

    /// The bytes of a value.
    pub fn value(self, value: Value<'a>) -> Result<&'a [u8], Miss> {
        match value {
            Value::Inline(bytes) => Ok(bytes),
            Value::Extent { extent, len } => self.pages.extent(extent, len),
        }
    }
}

/// The child that the crossing in `slot` of `page` leads to.
pub(super) fn crossing(page: &Page, slot: usize, frame: u32) -> Result<u32, Miss> {
    let broken = Miss::Broken { frame, why: "a crossing leads nowhere" };
    if slot >= page.count() {
        return Err(broken);
    }
    child(&Record::read(page, slot)).ok_or(broken)
}

impl Forest {
    /// See [`Reader::descend`].
    pub fn descend(&self, tree: TreeId, key: &[u8]) -> Result<Path, Miss> {
        self.reader().descend(tree, key)
    }
}

//! The longest key that a string starts with.

use super::{Pages, Reader};
use crate::ids::TreeId;
use crate::node::{Miss, Record};

/// A record whose key a query starts with.
#[derive(Clone, Copy)]
pub struct PrefixMatch<'a> {
    /// Length of its key, in bytes.
    pub len: usize,
    /// The record.
    pub record: Record<'a>,
}

impl<'a, P: Pages> Reader<'a, P> {
    /// The longest key that `query` starts with. `cut` starts as the length of the query and
    /// survives a miss: no longer key than it is looked for.
    ///
    /// Whatever lies between a key and an extension of it extends that key too. So the greatest
    /// key up to the query, if the query does not start with it, shares with the query all that
    /// any shorter candidate can: what it shares is the next, shorter query. Each one costs a
    /// search on the page at hand, or a descent if it leads further back than that.
    pub fn longest_prefix(
        self,
        tree: TreeId,
        query: &[u8],
        cut: &mut usize,
    ) -> Result<Option<PrefixMatch<'a>>, Miss> {
        let mut cursor = self.seek(tree, &query[..*cut], true)?;
        while let Some(leaf) = self.previous_page(&mut cursor)? {
            let record = leaf.record(cursor.slot() - 1);
            let (shared, len) = leaf.common(&record, query, self.pages)?;
            if shared == len && len <= *cut {
                return Ok(Some(PrefixMatch { len, record }));
            }
            if shared >= *cut {
                let why = "a key lies above the place it was found below";
                return Err(Miss::Broken { frame: leaf.page.frame(), why });
            }
            *cut = shared;
            let slot = leaf.slot_at(&query[..shared], true, self.pages)?;
            if slot == 0 {
                cursor = self.seek(tree, &query[..shared], true)?;
            } else {
                cursor.move_to(slot);
            }
        }
        Ok(None)
    }
}

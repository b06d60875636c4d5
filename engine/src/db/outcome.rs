//! What scans and counts say about themselves.

/// What a scan did.
///
/// ```
/// let tree = holt_engine::db::Tree::memory()?;
/// tree.put_many(&[(b"a", b""), (b"b/1", b""), (b"b/2", b"")])?;
/// let stats = tree.range().delimiter(b'/').visit(10, |_| Ok(()))?;
/// assert_eq!((stats.returned, stats.rollup, stats.visited), (1, 1, 2));
/// # Ok::<(), holt_engine::error::Error>(())
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct ScanStats {
    /// Records looked at: those returned, and one for each roll-up.
    pub visited: u64,
    /// Records returned.
    pub returned: u64,
    /// Roll-ups returned.
    pub rollup: u64,
    /// Times the scan had to find its place again because something was not in memory.
    pub restarts: u64,
}

/// How a visit ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct ScanOutcome {
    /// What was visited.
    pub stats: ScanStats,
    /// Whether entries are left behind the last one visited.
    pub more: bool,
}

/// How a visit of keys ended.
pub type KeyScanOutcome = ScanOutcome;

/// How many records a prefix has.
///
/// ```
/// let tree = holt_engine::db::Tree::memory()?;
/// tree.put_many(&[(b"a", b""), (b"b", b"")])?;
/// let count = tree.prefix_count(b"", 1)?;
/// assert_eq!((count.count, count.exact), (1, false));
/// # Ok::<(), holt_engine::error::Error>(())
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct PrefixCount {
    /// Records counted, at most the limit if there is one.
    pub count: u64,
    /// Whether these are all; `false` if the count was cut off at the limit.
    pub exact: bool,
}

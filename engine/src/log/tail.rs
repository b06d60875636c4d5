//! Where the log ends, and whether that is a torn tail or damage.
//!
//! Owns: this one decision. Never does: read anything. Rule: the first bad record ends the log.
//! It is damage if its position was durable once, that is, lies below a synced mark recorded by
//! a published state or by any whole record; otherwise loss of power explains it, whatever
//! follows it. A whole record that this program cannot understand was not torn: it is damage.

use alloc::format;

use super::record::Bad;
use crate::error::{Corruption, CorruptionClass};
use crate::ids::Lsn;

/// What the end of the log means.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// The log ends here and nothing follows.
    Clean,
    /// The log ends here; what follows was never durable and is dropped.
    Torn,
    /// The log cannot be trusted; nothing may be changed.
    Damage(Corruption),
}

/// Judges the end of the log at `at`: `bad` is why no record could be read there (`None`: the
/// device holds no byte more), `mark` the highest synced mark recorded anywhere.
pub(super) fn judge(at: Lsn, bad: Option<Bad>, mark: Lsn) -> Verdict {
    match bad {
        Some(Bad::Foreign(why)) => Verdict::Damage(damage(at, why, mark)),
        Some(bad) if at < mark => Verdict::Damage(damage(at, bad.reason(), mark)),
        None if at < mark => Verdict::Damage(damage(at, "the log is cut off", mark)),
        Some(_) => Verdict::Torn,
        None => Verdict::Clean,
    }
}

/// Damage of the log at a position.
pub(super) fn damage(at: Lsn, why: &str, mark: Lsn) -> Corruption {
    let detail = format!("{why}; the log was durable up to {mark}");
    Corruption { class: CorruptionClass::Log, blob: None, page: Some(at), detail }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_reason_below_at_and_above_the_mark() {
        let reasons = [
            None,
            Some(Bad::Short),
            Some(Bad::Length),
            Some(Bad::Checksum),
            Some(Bad::Position),
            Some(Bad::Foreign("unknown kind of record")),
        ];
        for bad in reasons {
            for (at, mark) in [(0, 0), (8, 0), (8, 8), (8, 16), (0, 8), (0, u64::MAX)] {
                let expected = match (bad, at < mark) {
                    (Some(Bad::Foreign(_)), _) | (_, true) => "damage",
                    (None, false) => "clean",
                    (Some(_), false) => "torn",
                };
                let found = match judge(at, bad, mark) {
                    Verdict::Clean => "clean",
                    Verdict::Torn => "torn",
                    Verdict::Damage(found) => {
                        assert_eq!(found.class, CorruptionClass::Log);
                        assert_eq!(found.page, Some(at));
                        "damage"
                    }
                };
                assert_eq!(found, expected, "{bad:?} at {at}, mark {mark}");
            }
        }
    }
}

//! Errors of the engine as JavaScript sees them: a stable code and a message.

use holt_engine::error::{AtomicErrorKind, Error};

use crate::json::Object;

/// The stable name of an error, `HoltError.code` in JavaScript.
pub fn code(error: &Error) -> &'static str {
    match error {
        Error::KeyTooLong { .. } => "KEY_TOO_LONG",
        Error::ValueTooLong { .. } => "VALUE_TOO_LONG",
        Error::WalRecordTooLarge { .. } => "WAL_RECORD_TOO_LARGE",
        Error::BatchTooLarge { .. } => "BATCH_TOO_LARGE",
        Error::BatchTooWide { .. } => "BATCH_TOO_WIDE",
        Error::TooManyPrefixOps { .. } => "TOO_MANY_PREFIX_OPS",
        Error::GuardFailed => "GUARD_FAILED",
        Error::TreeNotFound { .. } => "TREE_NOT_FOUND",
        Error::TreeExists { .. } => "TREE_EXISTS",
        Error::InvalidTreeName { .. } => "INVALID_TREE_NAME",
        Error::TreeDropped => "TREE_DROPPED",
        Error::GcRequiresStandaloneTree => "GC_REQUIRES_STANDALONE_TREE",
        Error::OutsideViewScope { .. } => "OUTSIDE_VIEW_SCOPE",
        Error::Expired { .. } => "EXPIRED",
        Error::SnapshotEpochExhausted => "SNAPSHOT_EPOCH_EXHAUSTED",
        Error::Atomic { source, .. } => code(source),
        Error::NotFound => "NOT_FOUND",
        Error::DstExists => "DST_EXISTS",
        Error::ReadOnly => "READ_ONLY",
        Error::Locked { .. } => "LOCKED",
        Error::Poisoned { .. } => "POISONED",
        Error::BlobStoreIo(_) => "BLOB_STORE_IO",
        Error::Corrupt(_) => "CORRUPT",
        Error::NotAStore { .. } => "NOT_A_STORE",
        Error::NoStore { .. } => "NO_STORE",
        Error::UnsupportedFormat { .. } => "UNSUPPORTED_FORMAT",
        Error::QuotaExceeded { .. } => "QUOTA_EXCEEDED",
        Error::InvalidArgument { .. } => "INVALID_ARGUMENT",
        Error::InvalidImage { .. } => "INVALID_IMAGE",
        Error::JournalAnchorMismatch { .. } => "JOURNAL_ANCHOR_MISMATCH",
        Error::JournalPositionExpired { .. } => "JOURNAL_POSITION_EXPIRED",
        Error::JournalStreamUnavailable { .. } => "JOURNAL_STREAM_UNAVAILABLE",
        Error::InvalidJournalScanLimit { .. } => "INVALID_ARGUMENT",
        _ => "UNKNOWN",
    }
}

/// The error as `{"code": …, "message": …}`.
pub fn to_json(error: &Error) -> String {
    // `NotFound` is short in Rust, where the caller sees which call failed.
    let message = match error {
        Error::NotFound => {
            String::from("not found: no record has this key; check the key or put it first")
        }
        Error::InvalidArgument { what: "change feed", .. } => {
            String::from("the change feed is not switched on; pass feedRetention to memory()")
        }
        // Every failed call has changed nothing: the reason is all there is to say.
        Error::Atomic { kind: AtomicErrorKind::DefinitelyNotApplied, source } => {
            return to_json(source);
        }
        other => other.to_string(),
    };
    Object::default().text("code", code(error)).text("message", &message).end()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_error_has_a_code_and_advice() {
        let error = Error::KeyTooLong { len: 70_000 };
        assert_eq!(
            to_json(&error),
            r#"{"code":"KEY_TOO_LONG","message":"key of 70000 bytes is over the limit of 65535; shorten it"}"#
        );
        assert!(to_json(&Error::NotFound).contains("put it first"));
        let feed = Error::InvalidArgument { what: "change feed", why: "was not switched on" };
        assert!(to_json(&feed).contains("pass feedRetention"));
    }

    #[test]
    fn a_failed_batch_over_trees_has_the_code_of_its_cause() {
        let source = Box::new(Error::DstExists);
        let applied = |kind| to_json(&Error::Atomic { kind, source: source.clone() });
        assert_eq!(applied(AtomicErrorKind::DefinitelyNotApplied), to_json(&Error::DstExists));
        let unknown = applied(AtomicErrorKind::OutcomeUnknown);
        assert!(unknown.contains("DST_EXISTS") && unknown.contains("unknown"), "{unknown}");
    }
}

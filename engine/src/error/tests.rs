//! Errors as data: what a log, a service or another program reads of them.

use alloc::string::ToString;
use alloc::vec::Vec;

use serde_json::{Value, from_value, json, to_value};

use super::*;

fn data(error: &Error) -> Value {
    to_value(error).expect("is plain data")
}

#[test]
fn an_error_is_its_kind_its_fields_and_its_message() {
    let error = Error::KeyTooLong { len: 70_000 };
    let message = "key of 70000 bytes is over the limit of 65535; shorten it";
    let expected = json!({"kind": "key_too_long", "fields": {"len": 70_000}, "message": message});
    assert_eq!(data(&error), expected);
    // Nothing to say beyond the kind.
    let expected = json!({"kind": "not_found", "message": Error::NotFound.to_string()});
    assert_eq!(data(&Error::NotFound), expected);
    let error = Error::QuotaExceeded { what: "pages", limit: 8 };
    assert_eq!(data(&error)["fields"], json!({"what": "pages", "limit": 8}));
    // The derived form has no message; it must not be what callers get.
    let text = serde_json::to_string(&error).expect("is plain data");
    assert!(text.contains(r#""message":"the quota of 8 pages is used up"#), "{text}");
}

#[test]
fn damage_and_failures_of_devices_are_the_fields_of_their_errors() {
    let damage = Corruption::page(CorruptionClass::PageLayout, BlobId::frame(3), 7, "a \"b\"\n");
    let expected = json!({"class": "page_layout", "blob": 3, "page": 7, "detail": "a \"b\"\n"});
    assert_eq!(to_value(&damage).expect("is plain data"), expected);
    let error = Error::from(damage);
    assert_eq!(data(&error)["kind"], "corrupt");
    assert_eq!(data(&error)["fields"], expected);
    assert_eq!(data(&error)["message"], error.to_string());

    let failure = IoError::new(IoErrorKind::NoSpace, "write blobs.dat", "errno 28");
    let expected = json!({"kind": "no_space", "call": "write blobs.dat", "detail": "errno 28"});
    assert_eq!(data(&Error::from(failure))["fields"], expected);
}

#[test]
fn what_can_be_read_back_is_equal() {
    for kind in [
        IoErrorKind::NotFound,
        IoErrorKind::PermissionDenied,
        IoErrorKind::NoSpace,
        IoErrorKind::ReadOnlyFilesystem,
        IoErrorKind::UnexpectedEof,
        IoErrorKind::Poisoned,
        IoErrorKind::Device,
    ] {
        let failure = IoError::new(kind, "sync journal.wal", "\u{fc}");
        let read: IoError = from_value(to_value(&failure).expect("is plain data")).expect("reads");
        assert_eq!(read, failure);
    }
    for blob in [None, Some(BlobId::frame(0)), Some(BlobId::extent(9))] {
        let found = Corruption {
            class: CorruptionClass::Reachability,
            blob,
            page: blob.map(|_| u64::MAX),
            detail: "nothing leads to it".into(),
        };
        let read: Corruption = from_value(to_value(&found).expect("is plain data")).expect("reads");
        assert_eq!(read, found);
    }
    assert!(from_value::<IoErrorKind>(json!("no_such_kind")).is_err());
}

#[test]
fn classes_have_one_name_in_data_and_in_reports() {
    let names = [
        "superblock",
        "manifest",
        "checksum",
        "page_layout",
        "identity",
        "order",
        "fingerprint",
        "bounds",
        "fence",
        "routing",
        "reachability",
        "space",
        "count",
        "version",
        "log",
        "root",
    ];
    let classes: Vec<CorruptionClass> =
        names.iter().map(|name| from_value(json!(name)).expect(name)).collect();
    for (class, name) in classes.iter().zip(names) {
        assert_eq!(to_value(class).expect("is plain data"), json!(name));
        // `check` prints a hyphen where data has an underscore.
        assert_eq!(class.name().replace('-', "_"), name);
    }
}

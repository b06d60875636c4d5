//! The limits of a batch, at their edge and past it.

use alloc::vec;

use super::{Expect, Request, check_requests};
use crate::error::Error;
use crate::limits::*;

fn put(key: &[u8]) -> Request<'_> {
    Request::Put { tree: 0, key, value: b"", when: Expect::Anything }
}

fn prefix(prefix: &[u8]) -> Request<'_> {
    Request::DeletePrefix { tree: 0, prefix }
}

#[test]
fn operations_pages_and_prefixes_are_counted() {
    assert!(check_requests(&vec![put(b"k"); MAX_BATCH_OPS]).is_ok());
    let error = Error::BatchTooLarge { len: MAX_BATCH_OPS + 1 };
    assert_eq!(check_requests(&vec![put(b"k"); MAX_BATCH_OPS + 1]), Err(error));

    let rename = Request::Rename { tree: 0, src: b"a", dst: b"b", force: true };
    assert!(check_requests(&vec![rename; MAX_BATCH_PAGES / 2]).is_ok());
    let error = Error::BatchTooWide { pages: MAX_BATCH_PAGES + 2 };
    assert_eq!(check_requests(&vec![rename; MAX_BATCH_PAGES / 2 + 1]), Err(error));

    assert!(check_requests(&vec![prefix(b"p"); MAX_BATCH_PREFIX_OPS]).is_ok());
    let error = Error::TooManyPrefixOps { len: MAX_BATCH_PREFIX_OPS + 1 };
    assert_eq!(check_requests(&vec![prefix(b"p"); MAX_BATCH_PREFIX_OPS + 1]), Err(error));
}

#[test]
fn every_key_prefix_and_value_is_held_to_its_limit() {
    let long = vec![b'x'; MAX_VALUE_BYTES + 1];
    let (fits, over) = (&long[..MAX_KEY_BYTES], &long[..MAX_KEY_BYTES + 1]);
    let (tree, when, force, value) = (0, Expect::Absent, false, &b""[..]);
    let on = |key| {
        [
            Request::Put { tree, key, value, when },
            Request::PutNew { tree, key, value },
            Request::Delete { tree, key, when },
            Request::Assert { tree, key, when },
            Request::AssertPrefixEmpty { tree, prefix: key },
            Request::DeletePrefix { tree, prefix: key },
            Request::Rename { tree, src: key, dst: b"y", force },
            Request::Rename { tree, src: b"y", dst: key, force },
            Request::RenamePrefix { tree, src: key, dst: b"y", force },
            Request::RenamePrefix { tree, src: b"y", dst: key, force },
        ]
    };
    for request in on(fits) {
        assert!(check_requests(&[request]).is_ok(), "{request:?}");
    }
    for request in on(over) {
        let error = Error::KeyTooLong { len: over.len() };
        assert_eq!(check_requests(&[put(b"k"), request]), Err(error));
    }
    let request = Request::Put { tree, key: b"k", value: &long, when };
    assert_eq!(check_requests(&[request]), Err(Error::ValueTooLong { len: long.len() }));
}

#[test]
fn a_prefix_does_not_move_into_itself() {
    for (src, dst) in [("", "a"), ("a", ""), ("", ""), ("a", "a"), ("a/b", "a/"), ("a/", "a/b")] {
        let (src, dst) = (src.as_bytes(), dst.as_bytes());
        let request = Request::RenamePrefix { tree: 0, src, dst, force: true };
        let refused = check_requests(&[request]);
        assert!(matches!(refused, Err(Error::InvalidArgument { .. })), "{refused:?}");
    }
}

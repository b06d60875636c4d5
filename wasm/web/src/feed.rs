//! The packed form of a part of the change feed.
//!
//! For each change, little-endian and without padding: its position (u64) and how many events it
//! has (u32); then for each event its kind (u8), its tree and two lengths (u32 each) and a version
//! (u64, 0 if it has none), and the bytes of the two lengths. The kinds are in [`kind`]; the two pieces are
//! key and value, key and nothing, source and destination, prefix and nothing, nothing.

use holt_engine::db::{Change, ChangeEvent};
use holt_engine::error::Error;

/// Kinds of events.
mod kind {
    pub const PUT: u8 = 0;
    pub const DELETE: u8 = 1;
    pub const RENAME_PREFIX: u8 = 2;
    pub const DELETE_PREFIX: u8 = 3;
    pub const CREATE_TREE: u8 = 4;
    pub const DROP_TREE: u8 = 5;
}

/// Adds packed changes to `out`.
///
/// # Errors
/// `InvalidArgument` if the engine returned a kind of event this crate does not know.
pub fn changes(changes: &[Change], out: &mut Vec<u8>) -> Result<(), Error> {
    for change in changes {
        out.extend_from_slice(&change.lsn.to_le_bytes());
        out.extend_from_slice(&(change.events.len() as u32).to_le_bytes());
        for event in &change.events {
            let (kind, first, second, version): (u8, &[u8], &[u8], u64) = match event {
                ChangeEvent::Put { key, value, version, .. } => {
                    (kind::PUT, key, value, version.as_u64())
                }
                ChangeEvent::Delete { key, .. } => (kind::DELETE, key, &[], 0),
                ChangeEvent::RenamePrefix { src, dst, .. } => (kind::RENAME_PREFIX, src, dst, 0),
                ChangeEvent::DeletePrefix { prefix, .. } => (kind::DELETE_PREFIX, prefix, &[], 0),
                ChangeEvent::CreateTree { .. } => (kind::CREATE_TREE, &[], &[], 0),
                ChangeEvent::DropTree { .. } => (kind::DROP_TREE, &[], &[], 0),
                _ => {
                    let why = "unknown kind of event; rebuild holt-web";
                    return Err(Error::InvalidArgument { what: "change", why });
                }
            };
            out.push(kind);
            out.extend_from_slice(&event.tree().to_le_bytes());
            out.extend_from_slice(&(first.len() as u32).to_le_bytes());
            out.extend_from_slice(&(second.len() as u32).to_le_bytes());
            out.extend_from_slice(&version.to_le_bytes());
            out.extend_from_slice(first);
            out.extend_from_slice(second);
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use holt_engine::ids::RecordVersion;

    #[test]
    fn a_change_has_its_position_and_its_events() {
        let put = ChangeEvent::Put {
            tree: 0,
            key: b"k".to_vec(),
            value: b"vw".to_vec(),
            version: RecordVersion::from_raw(258),
        };
        let gone = ChangeEvent::DeletePrefix { tree: 9, prefix: b"p/".to_vec() };
        let mut out = Vec::new();
        changes(&[Change { lsn: 7, events: vec![put, gone] }], &mut out).expect("known events");
        let expected = [
            &7_u64.to_le_bytes()[..],
            &[2, 0, 0, 0],
            &[0, 0, 0, 0, 0, 1, 0, 0, 0, 2, 0, 0, 0, 2, 1, 0, 0, 0, 0, 0, 0],
            b"kvw",
            &[3, 9, 0, 0, 0, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0],
            b"p/",
        ];
        assert_eq!(out, expected.concat());
    }
}

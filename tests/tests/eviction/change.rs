//! Where a record belongs; no key is long, and no prefix covers anything.

use crate::node::{Record, Value};

#[derive(Clone, Copy, Debug)]
pub struct Place {
    pub frame: u32,
    pub page: u8,
    pub slot: usize,
    pub exact: bool,
    pub stripped: usize,
}

pub fn suffix(key: &[u8], stripped: usize) -> &[u8] {
    &key[stripped..]
}

pub fn stored_size(key: &[u8], value_len: usize, stripped: usize) -> usize {
    let value = vec![0; value_len];
    let suffix = suffix(key, stripped);
    Record { version: 0, suffix, long: None, value: Value::Inline(&value) }.size()
}

//! A cursor over bytes from the other side, and what writes them.
//!
//! Invariant: nothing is allocated for a length before that many bytes are known to be there.

use holt_engine::error::{Error, Result};

/// The error for bytes that are not of the documented form.
pub(crate) const fn malformed(why: &'static str) -> Error {
    Error::InvalidArgument { what: "packed bytes", why }
}

/// Reads front to back.
#[derive(Clone, Copy)]
pub(crate) struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }

    pub(crate) fn take(&mut self, len: usize) -> Result<&'a [u8]> {
        let (head, rest) =
            self.rest.split_at_checked(len).ok_or(malformed("end within an item"))?;
        self.rest = rest;
        Ok(head)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N]> {
        let (head, rest) = self.rest.split_first_chunk().ok_or(malformed("end within a number"))?;
        self.rest = rest;
        Ok(*head)
    }

    pub(crate) fn u8(&mut self) -> Result<u8> {
        Ok(self.array::<1>()?[0])
    }

    pub(crate) fn u32(&mut self) -> Result<u32> {
        Ok(u32::from_le_bytes(self.array()?))
    }

    pub(crate) fn u64(&mut self) -> Result<u64> {
        Ok(u64::from_le_bytes(self.array()?))
    }

    /// A length and that many bytes.
    pub(crate) fn framed(&mut self) -> Result<&'a [u8]> {
        let len = self.u32()?;
        self.take(usize::try_from(len).map_err(|_| malformed("length over the address space"))?)
    }

    /// A byte that is 0 or 1.
    pub(crate) fn flag(&mut self) -> Result<bool> {
        match self.u8()? {
            0 => Ok(false),
            1 => Ok(true),
            _ => Err(malformed("a flag that is neither 0 nor 1")),
        }
    }

    /// A text of at most `max` bytes.
    pub(crate) fn name(&mut self, max: usize) -> Result<&'a str> {
        let bytes = self.framed()?;
        if bytes.len() > max {
            return Err(malformed("name over its limit"));
        }
        core::str::from_utf8(bytes).map_err(|_| malformed("name that is not UTF-8"))
    }

    /// A count of items of `item_bytes` each that are all there.
    pub(crate) fn count(&mut self, item_bytes: usize) -> Result<usize> {
        let count = self.u32()? as usize;
        match count.checked_mul(item_bytes) {
            Some(bytes) if bytes <= self.rest.len() => Ok(count),
            _ => Err(malformed("count over the bytes given")),
        }
    }
}

/// Appends a length and the bytes. Lengths over 32 bits do not occur: every byte string of the
/// engine has a limit far below.
pub(crate) fn put_framed(out: &mut Vec<u8>, bytes: &[u8]) -> Result<()> {
    let len = u32::try_from(bytes.len()).map_err(|_| malformed("more than 4 GiB in one item"))?;
    out.extend_from_slice(&len.to_le_bytes());
    out.extend_from_slice(bytes);
    Ok(())
}

/// Appends a count.
pub(crate) fn put_count(out: &mut Vec<u8>, count: usize) -> Result<()> {
    let count = u32::try_from(count).map_err(|_| malformed("more than 2^32 items"))?;
    out.extend_from_slice(&count.to_le_bytes());
    Ok(())
}

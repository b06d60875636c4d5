//! A blob's published entry, packed.

use holt_engine::device::BlobEntry;
use holt_engine::error::Result;
use holt_engine::limits::{MAX_BLOB_PAGES, MAX_META_BYTES};

use crate::bytes::{Reader, malformed, put_framed};

/// Packs an entry.
pub fn encode(entry: &BlobEntry) -> Result<Vec<u8>> {
    let mut out = Vec::with_capacity(4 + entry.meta.len() + 4 * entry.pages.len());
    put_framed(&mut out, &entry.meta)?;
    for page in &entry.pages {
        out.extend_from_slice(&page.to_le_bytes());
    }
    Ok(out)
}

/// Reads a packed entry.
///
/// # Errors
/// `InvalidArgument` for bytes of another form.
pub fn decode(packed: &[u8]) -> Result<BlobEntry> {
    let mut reader = Reader::new(packed);
    let meta = reader.framed()?;
    if meta.len() > MAX_META_BYTES {
        return Err(malformed("metadata over its limit"));
    }
    let mut pages = Vec::new();
    while !reader.is_empty() {
        let page = reader.u32()?;
        if page as usize >= MAX_BLOB_PAGES || pages.last().is_some_and(|last| *last >= page) {
            return Err(malformed("page numbers out of order or over their limit"));
        }
        pages.push(page);
    }
    Ok(BlobEntry { meta: meta.into(), pages })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_reads_back_and_disorder_is_refused() {
        let entry = BlobEntry { meta: vec![1, 2, 3], pages: vec![0, 1, 255] };
        let mut packed = encode(&entry).unwrap();
        assert_eq!(decode(&packed), Ok(entry));
        packed.extend_from_slice(&255u32.to_le_bytes());
        assert!(decode(&packed).is_err());
        assert!(decode(&packed[..5]).is_err());
        assert!(decode(&[]).is_err());
    }
}

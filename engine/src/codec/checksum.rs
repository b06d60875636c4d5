//! Checksums. The algorithm is named by one byte in the format, so that it can change.

/// CRC-32 (IEEE), the default and so far the only algorithm.
pub const CRC32: u8 = 1;

/// CRC-32 of `bytes`, continued from `seed` (0 to start).
pub fn crc32(seed: u32, bytes: &[u8]) -> u32 {
    let mut hasher = crc32fast::Hasher::new_with_initial(seed);
    hasher.update(bytes);
    hasher.finalize()
}

//! A line of fingerprints against one of them: the one place that knows the vectors of a target.
//!
//! Owns: the comparison, by SSE2 or wasm's vectors where the target has them, by words
//! elsewhere. Nothing here reads through a pointer.
#![allow(unsafe_code)]

use super::page::LINE_SLOTS;

/// Bytes of a vector.
const LANES: usize = 16;

/// A bit for each fingerprint of a line that equals `print`, the first the lowest.
#[inline]
pub fn matches(line: &[u8; LINE_SLOTS], print: u8) -> u64 {
    let (vectors, _) = line.as_chunks::<LANES>();
    let mut found = 0;
    for (at, vector) in vectors.iter().enumerate() {
        found |= u64::from(equal(vector, print)) << (at * LANES);
    }
    found
}

#[cfg(any(target_arch = "x86_64", all(target_arch = "wasm32", target_feature = "simd128")))]
#[inline]
fn halves(vector: &[u8; LANES]) -> (u64, u64) {
    let (words, _) = vector.as_chunks::<8>();
    (u64::from_le_bytes(words[0]), u64::from_le_bytes(words[1]))
}

#[cfg(target_arch = "x86_64")]
#[inline]
fn equal(vector: &[u8; LANES], print: u8) -> u16 {
    use core::arch::x86_64::{_mm_cmpeq_epi8, _mm_movemask_epi8, _mm_set_epi64x, _mm_set1_epi8};
    let (low, high) = halves(vector);
    // SAFETY: these need SSE2, which every processor of this architecture has; they work on
    // values, not on memory.
    unsafe {
        let vector = _mm_set_epi64x(high as i64, low as i64);
        _mm_movemask_epi8(_mm_cmpeq_epi8(vector, _mm_set1_epi8(print as i8))) as u16
    }
}

#[cfg(all(target_arch = "wasm32", target_feature = "simd128"))]
#[inline]
fn equal(vector: &[u8; LANES], print: u8) -> u16 {
    use core::arch::wasm32::{u8x16_bitmask, u8x16_eq, u8x16_splat, u64x2};
    let (low, high) = halves(vector);
    u8x16_bitmask(u8x16_eq(u64x2(low, high), u8x16_splat(print)))
}

#[cfg(not(any(target_arch = "x86_64", all(target_arch = "wasm32", target_feature = "simd128"))))]
#[inline]
fn equal(vector: &[u8; LANES], print: u8) -> u16 {
    const ONES: u64 = 0x0101_0101_0101_0101;
    const LOWS: u64 = 0x7F7F_7F7F_7F7F_7F7F;
    let mut found = 0;
    for (at, word) in vector.as_chunks::<8>().0.iter().enumerate() {
        let differing = u64::from_le_bytes(*word) ^ u64::from(print) * ONES;
        // The high bit of each byte that is zero, and of no other.
        let zeros = !((differing & LOWS).wrapping_add(LOWS) | differing | LOWS);
        // Bit 8 i + 7 goes to bit 56 + i: no two products of the others meet there.
        let bits = (zeros >> 7).wrapping_mul(0x0102_0408_1020_4080) >> 56;
        found |= (bits as u16) << (8 * at);
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_place_and_every_neighbour_is_told_apart() {
        let mut state = 1_u32;
        for print in [0_u8, 1, 0x7F, 0x80, 0xFE, 0xFF] {
            for _ in 0..200 {
                let mut line = [0; LINE_SLOTS];
                for byte in &mut line {
                    state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                    let near = [print, print ^ 1, print ^ 0x80, print.wrapping_sub(1)];
                    *byte = near[state as usize >> 30];
                }
                let expected = line
                    .iter()
                    .rev()
                    .fold(0, |bits: u64, &byte| bits << 1 | u64::from(byte == print));
                assert_eq!(matches(&line, print), expected, "{print} in {line:?}");
            }
        }
    }
}

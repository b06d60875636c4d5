//! The generator of the tests.

/// How often a test repeats something: in Miri, which takes a thousand times as long, less often.
pub(crate) const fn repeats(natively: usize, in_miri: usize) -> usize {
    if cfg!(miri) { in_miri } else { natively }
}

/// A small generator (xorshift64*; Vigna, "An experimental exploration of Marsaglia's xorshift
/// generators", 2016), so that a seed names a case.
#[derive(Clone)]
pub(crate) struct Random(u64);

impl Random {
    pub fn new(seed: u64) -> Self {
        Self(seed.wrapping_add(1).wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1)
    }

    pub fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_F491_4F6C_DD1D)
    }

    /// A number below `bound`.
    pub fn below(&mut self, bound: usize) -> usize {
        ((self.next() >> 32) % bound as u64) as usize
    }

    pub fn one_in(&mut self, times: usize) -> bool {
        self.below(times) == 0
    }

    pub fn pick<'a, T>(&mut self, from: &'a [T]) -> &'a T {
        &from[self.below(from.len())]
    }
}

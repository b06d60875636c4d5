//! A sample in an order that a seed decides.
//!
//! Owns: the shuffling. Never does: know what is drawn.

/// Draws each item once, in an order that depends on the seed and the items alone.
pub struct Drawn {
    state: u64,
    left: Vec<String>,
}

impl Drawn {
    /// A new draw of these items; their order here matters.
    pub const fn new(seed: u64, items: Vec<String>) -> Self {
        Self { state: seed, left: items }
    }

    /// The next number of SplitMix64.
    const fn number(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mixed = (self.state ^ (self.state >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }
}

impl Iterator for Drawn {
    type Item = String;

    fn next(&mut self) -> Option<String> {
        let count = self.left.len() as u64;
        // The bias of a remainder of 64 bits is far below what a sample could show.
        (count > 0).then(|| {
            let at = self.number() % count;
            self.left.swap_remove(at as usize)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_draws_everything_once_and_always_the_same() {
        let items: Vec<String> = (0..50).map(|number| number.to_string()).collect();
        let draw = |seed| Drawn::new(seed, items.clone()).collect::<Vec<_>>();
        assert_eq!(draw(1), draw(1));
        assert_ne!(draw(1), draw(2));
        let mut sorted = draw(1);
        sorted.sort_by_key(|number| number.parse::<u32>().ok());
        assert_eq!(sorted, items);
    }
}

//! Ranks by Zipf's law, for reads of which a few records get most.

/// The law over so many ranks.
#[derive(Clone, Copy, Debug)]
pub struct Zipf {
    ranks: f64,
    theta: f64,
    zeta: f64,
    alpha: f64,
    eta: f64,
}

/// Terms of the sum that are added one by one; the rest follows from the integral.
const TERMS: u64 = 10_000;

/// The sum of `1 / rank^theta`.
fn zeta(ranks: u64, theta: f64) -> f64 {
    let near: f64 = (1..=ranks.min(TERMS)).map(|rank| (rank as f64).powf(-theta)).sum();
    if ranks <= TERMS {
        return near;
    }
    let (from, to, power) = (TERMS as f64 + 0.5, ranks as f64 + 0.5, 1.0 - theta);
    near + (to.powf(power) - from.powf(power)) / power
}

impl Zipf {
    /// Over `ranks` ranks, with the exponent `theta` below 1 (Gray and others, SIGMOD 1994).
    pub fn new(ranks: u64, theta: f64) -> Self {
        let sum = zeta(ranks, theta);
        let two = zeta(2, theta);
        let eta = (1.0 - (2.0 / ranks as f64).powf(1.0 - theta)) / (1.0 - two / sum);
        Self { ranks: ranks as f64, theta, zeta: sum, alpha: 1.0 / (1.0 - theta), eta }
    }

    /// The rank, from 0, that a random word chooses.
    pub fn rank(&self, word: u64) -> u64 {
        let part = (word >> 11) as f64 / (1_u64 << 53) as f64;
        let sum = part * self.zeta;
        if sum < 1.0 {
            return 0;
        }
        if sum < 1.0 + 0.5_f64.powf(self.theta) {
            return 1;
        }
        let rank = self.ranks * (self.eta * part - self.eta + 1.0).powf(self.alpha);
        (rank as u64).min(self.ranks as u64 - 1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::workload::mix;

    #[test]
    fn the_first_rank_gets_its_share() {
        let zipf = Zipf::new(100_000, 0.99);
        let draws = 100_000;
        let ranks: Vec<u64> = (0..draws).map(|at| zipf.rank(mix(5, at))).collect();
        let first = ranks.iter().filter(|&&rank| rank == 0).count() as f64 / draws as f64;
        assert!((first - 1.0 / zeta(100_000, 0.99)).abs() < 0.005, "{first}");
        assert!(ranks.iter().all(|&rank| rank < 100_000));
        assert!(ranks.iter().any(|&rank| rank > 50_000));
    }
}

//! Approximate set in bounded memory: stores the first members, and estimates the number of all.
//!
//! The estimate is HyperLogLog, because an incident can have a million members and workers' sets must merge.

use std::hash::Hash;

use serde::{Deserialize, Serialize};
use twox_hash::XxHash3_64;

/// Number of members stored.
const SAMPLE: usize = 64;
/// Registers of the estimate, as a power of 2: a standard error of 4.6 %.
const BITS: u32 = 9;

/// Stores the first 64 distinct members; beyond them, HyperLogLog estimates their number (Flajolet et al.,
/// *HyperLogLog: the analysis of a near-optimal cardinality estimation algorithm*, 2007).
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct DistinctSet<T> {
    sample: Vec<T>,
    /// HyperLogLog registers; empty until the sample is full.
    registers: Vec<u8>,
}

impl<T> Default for DistinctSet<T> {
    fn default() -> Self {
        Self { sample: Vec::new(), registers: Vec::new() }
    }
}

impl<T: Copy + Eq + Hash> DistinctSet<T> {
    /// Adds a member.
    pub(super) fn add(&mut self, member: T) {
        // The registers include the sample.
        if self.registers.is_empty() {
            if self.sample.contains(&member) {
                return;
            }
            if self.sample.len() < SAMPLE {
                return self.sample.push(member);
            }
            self.start_registers();
        }
        self.register(member);
    }

    /// Adds the members of another set.
    pub(super) fn merge(&mut self, other: &Self) {
        other.sample.iter().for_each(|&member| self.add(member));
        if self.registers.is_empty() && !other.registers.is_empty() {
            self.start_registers();
        }
        for (own, &theirs) in self.registers.iter_mut().zip(&other.registers) {
            *own = theirs.max(*own);
        }
    }

    fn start_registers(&mut self) {
        self.registers = vec![0; 1 << BITS];
        for i in 0..self.sample.len() {
            self.register(self.sample[i]);
        }
    }

    fn register(&mut self, member: T) {
        let mut hasher = XxHash3_64::new();
        member.hash(&mut hasher);
        let hash = std::hash::Hasher::finish(&hasher);
        let rank = (hash << BITS).leading_zeros().min(64 - BITS) as u8 + 1;
        let register = &mut self.registers[(hash >> (64 - BITS)) as usize];
        *register = rank.max(*register);
    }

    /// Returns true if the sizes are consistent.
    pub(super) fn is_sound(&self) -> bool {
        let is_full = self.sample.len() == SAMPLE && self.registers.len() == 1 << BITS;
        let ranks_fit = self.registers.iter().all(|&rank| u32::from(rank) <= 65 - BITS);
        self.sample.len() <= SAMPLE && (self.registers.is_empty() || is_full && ranks_fit)
    }

    /// First members, in order of arrival.
    pub fn sample(&self) -> &[T] {
        &self.sample
    }

    /// Number of distinct members; exact up to 64.
    pub fn count(&self) -> u64 {
        if self.registers.is_empty() {
            return self.sample.len() as u64;
        }
        let registers = self.registers.len() as f64;
        let sum: f64 = self.registers.iter().map(|&rank| (-f64::from(rank)).exp2()).sum();
        let estimate = 0.7213 / (1.0 + 1.079 / registers) * registers * registers / sum;
        let zeros = self.registers.iter().filter(|&&rank| rank == 0).count() as f64;
        let estimate =
            if estimate <= 2.5 * registers && zeros > 0.0 { registers * (registers / zeros).ln() } else { estimate };
        (estimate.round() as u64).max(SAMPLE as u64 + 1)
    }

    /// Returns true if there are `n` members, at most 64, without the cost of an estimate.
    pub(super) fn has_at_least(&self, n: usize) -> bool {
        self.sample.len() >= n
    }

    /// Returns true if the count is an estimate.
    pub fn is_estimate(&self) -> bool {
        !self.registers.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_exactly_up_to_the_sample_and_approximately_beyond() {
        let mut members = DistinctSet::default();
        for n in 0..64u32 {
            members.add(n);
            members.add(n / 2);
        }
        assert_eq!((members.count(), members.is_estimate(), members.sample().len()), (64, false, 64));
        for (n, off) in [(100u32, 15.0), (1_000, 120.0), (100_000, 14_000.0)] {
            (0..n).for_each(|i| members.add(i));
            assert!((members.count() as f64 - f64::from(n)).abs() < off, "{} for {n}", members.count());
        }
        assert_eq!(members.registers.len(), 512);
    }

    #[test]
    fn merges_sets() {
        let set = |range: std::ops::Range<u32>| {
            let mut members = DistinctSet::default();
            range.for_each(|n| members.add(n));
            members
        };
        let (mut small, large) = (set(0..3), set(0..5000));
        small.merge(&set(2..5));
        assert_eq!(small.count(), 5);
        small.merge(&large);
        assert!((small.count() as i64 - 5000).abs() < 700, "{}", small.count());
    }
}

//! Random draws of a fit. Implemented here, because a changed method in another crate would change every forest.

use rand::rngs::ChaCha8Rng;
use rand::{Rng, SeedableRng};

/// If more than 1 in this many numbers is drawn, a full deck is shuffled, which is cheaper than a map of moved entries.
const DENSE: usize = 64;

/// Stream of random draws. The same seed gives the same stream on every platform.
pub(crate) struct ForestRng(ChaCha8Rng);

impl ForestRng {
    pub(crate) fn new(seed: u64) -> Self {
        Self(ChaCha8Rng::seed_from_u64(seed))
    }

    pub(crate) fn seed(&mut self) -> u64 {
        self.0.next_u64()
    }

    /// Number in `0..n`, by multiplication of 64 random bits. The bias is at most `n` / 2^64.
    pub(crate) fn below(&mut self, n: usize) -> usize {
        ((u128::from(self.0.next_u64()) * n as u128) >> 64) as usize
    }

    /// Number in [0, 1), one of 2^53 evenly spaced ones.
    pub(crate) fn unit(&mut self) -> f64 {
        (self.0.next_u64() >> 11) as f64 / (1u64 << 53) as f64
    }

    /// `samples` samples of `size` numbers from `0..n`, dealt from a deck that is reshuffled when it runs out. A sample
    /// has no repeats, each subset is equally likely, and all numbers occur about equally often.
    pub(crate) fn deal(&mut self, n: usize, size: usize, samples: usize) -> Vec<Vec<usize>> {
        let size = size.min(n);
        let mut dealt = Vec::with_capacity(samples);
        while dealt.len() < samples {
            let decks = (n / size).min(samples - dealt.len());
            dealt.extend(self.subset(n, decks * size).chunks_exact(size).map(<[_]>::to_vec));
        }
        dealt
    }

    /// `k` of the numbers `0..n` in random order, each subset equally likely (Fisher-Yates).
    pub(crate) fn subset(&mut self, n: usize, k: usize) -> Vec<usize> {
        let k = k.min(n);
        if k > n / DENSE {
            let mut deck: Vec<usize> = (0..n).collect();
            for i in 0..k {
                deck.swap(i, i + self.below(n - i));
            }
            deck.truncate(k);
            return deck;
        }
        // The same shuffle with a map that stores only moved entries.
        let mut moved = std::collections::HashMap::with_capacity(2 * k);
        (0..k)
            .map(|i| {
                let j = i + self.below(n - i);
                let at_i = moved.get(&i).copied().unwrap_or(i);
                moved.insert(j, at_i).unwrap_or(j)
            })
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Pins the stream: another one would change every forest.
    #[test]
    fn the_stream_is_pinned() {
        let mut rng = ForestRng::new(7);
        let drawn: Vec<_> = (0..4).map(|_| rng.below(1000)).collect();
        assert_eq!(drawn, PINNED);
    }

    const PINNED: [usize; 4] = [157, 167, 704, 726];

    #[test]
    fn subsets_have_no_repeats_and_cover_everything() {
        let mut seen = [0; 20];
        for seed in 0..200 {
            let mut drawn = ForestRng::new(seed).subset(20, 5);
            for &i in &drawn {
                seen[i] += 1;
            }
            drawn.sort_unstable();
            drawn.dedup();
            assert_eq!(drawn.len(), 5);
        }
        // 50 expected each; six standard deviations are 37.
        assert!(seen.iter().all(|&n| (13..88).contains(&n)), "{seen:?}");
    }

    #[test]
    fn samples_are_dealt_evenly() {
        let samples = ForestRng::new(3).deal(10, 4, 7);
        assert!(samples.len() == 7 && samples.iter().all(|sample| sample.len() == 4));
        // Two samples to a deck: none of its numbers in both.
        for deck in samples.chunks(2) {
            let mut numbers: Vec<_> = deck.concat();
            let n = numbers.len();
            numbers.sort_unstable();
            numbers.dedup();
            assert_eq!(numbers.len(), n);
        }
        assert_eq!(ForestRng::new(3).deal(3, 256, 2).iter().map(Vec::len).collect::<Vec<_>>(), [3, 3]);
    }

    #[test]
    fn both_methods_draw_the_same_subset() {
        for seed in 0..20 {
            let few = ForestRng::new(seed).subset(1000, 1000 / DENSE);
            assert_eq!(few, ForestRng::new(seed).subset(1000, 500)[..few.len()]);
        }
    }

    #[test]
    fn a_subset_of_everything_is_a_permutation() {
        let mut drawn = ForestRng::new(1).subset(9, 100);
        drawn.sort_unstable();
        assert_eq!(drawn, (0..9).collect::<Vec<_>>());
    }
}

//! Drift: distance between the distributions of live scores and of the model's calibration.
//!
//! The statistic is the population stability index over the ten bins between the calibration's deciles: the sum over
//! the bins of (a - e) · ln(a / e), where a is the share of live scores in a bin and e that of calibration scores. It
//! is 0 for equal distributions; by convention, 0.1 to 0.25 is a moderate shift and more a large one (Siddiqi, *Credit
//! Risk Scorecards*, Wiley 2006).

use std::collections::VecDeque;

use crate::model::calibration::Calibration;

/// Number of bins.
pub const BINS: usize = 10;
/// Number of time slices in the sliding window of live scores.
pub const SLICES: usize = 24;
/// Smallest number of live scores for an index.
const MIN_RECORDS: u64 = 1000;

/// Number of scores in each bin.
pub type BinCounts = [u64; BINS];

/// Compares live scores with a calibration.
#[derive(Clone, Debug)]
pub struct Drift {
    /// Edges of the bins. A score belongs to the bin of the last edge that is not above it.
    edges: [f64; BINS],
    expected: BinCounts,
    slices: VecDeque<BinCounts>,
}

impl Drift {
    /// Comparison with this calibration, without live scores.
    pub fn new(calibration: &Calibration) -> Self {
        let scores: Vec<f64> = calibration.scores().collect();
        let mut edges = [f64::NEG_INFINITY; BINS];
        for (bin, edge) in edges.iter_mut().enumerate().skip(1) {
            *edge = scores.get(scores.len() * bin / BINS).copied().unwrap_or(f64::INFINITY);
        }
        let mut drift = Self { edges, expected: [0; BINS], slices: VecDeque::from([[0; BINS]]) };
        // Counted, because ties make bins unequal.
        for score in scores {
            drift.expected[drift.bin(score)] += 1;
        }
        drift
    }

    fn bin(&self, score: f64) -> usize {
        self.edges.iter().rposition(|&edge| score >= edge).unwrap_or(0)
    }

    /// Counts a live score.
    pub fn observe(&mut self, score: f64) {
        let bin = self.bin(score);
        if let Some(slice) = self.slices.back_mut() {
            // Counts from a peer or a file can be large.
            slice[bin] = slice[bin].saturating_add(1);
        }
    }

    /// Counts live scores of another node that runs the same model.
    pub fn add(&mut self, counts: &BinCounts) {
        if let Some(slice) = self.slices.back_mut() {
            slice.iter_mut().zip(counts).for_each(|(sum, &n)| *sum = sum.saturating_add(n));
        }
    }

    /// Starts a new slice and drops the oldest. Returns the counts of the finished slice.
    pub fn rotate(&mut self) -> BinCounts {
        let over = self.slices.back().copied().unwrap_or_default();
        if self.slices.len() >= SLICES {
            self.slices.pop_front();
        }
        self.slices.push_back([0; BINS]);
        over
    }

    /// Slices of the window, oldest first.
    pub fn slices(&self) -> impl Iterator<Item = &BinCounts> {
        self.slices.iter()
    }

    /// Restores the slices of a window of the same model.
    pub fn resume(&mut self, slices: &[BinCounts]) {
        if !slices.is_empty() {
            self.slices = slices[slices.len().saturating_sub(SLICES)..].iter().copied().collect();
        }
    }

    /// Population stability index of the window; `None` with fewer than 1,000 live scores or without a calibration.
    pub fn index(&self) -> Option<f64> {
        let mut live = [0u64; BINS];
        for slice in &self.slices {
            live.iter_mut().zip(slice).for_each(|(sum, &n)| *sum = sum.saturating_add(n));
        }
        // Counts from a peer can have any value.
        let live_total = live.iter().fold(0u64, |sum, &n| sum.saturating_add(n));
        let expected = self.expected.iter().sum::<u64>();
        // Half a score is added to each bin, so that an empty one has a logarithm.
        let share = |n: u64, of: u64| (n as f64 + 0.5) / (of as f64 + 0.5 * BINS as f64);
        let shares = live.iter().zip(&self.expected).map(|(&a, &e)| (share(a, live_total), share(e, expected)));
        (live_total >= MIN_RECORDS && expected > 0).then(|| shares.map(|(a, e)| (a - e) * libm::log(a / e)).sum())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn calibration() -> Calibration {
        let scores: Vec<f64> = (0..5000).map(|i| 0.3 + f64::from(i * 7919 % 5000) / 20_000.0).collect();
        Calibration::new(&scores)
    }

    #[test]
    fn index_is_finite_for_any_counts_of_a_peer() {
        let mut drift = Drift::new(&calibration());
        drift.add(&[u64::MAX; BINS]);
        drift.observe(0.4);
        drift.rotate();
        drift.resume(&[[u64::MAX; BINS]]);
        drift.observe(0.4);
        drift.rotate();
        drift.add(&[u64::MAX; BINS]);
        assert!(drift.index().is_some_and(f64::is_finite));
    }

    #[test]
    fn equal_distributions_have_no_drift() {
        let mut drift = Drift::new(&calibration());
        (0..999).for_each(|i| drift.observe(0.3 + f64::from(i * 31 % 1000) / 4000.0));
        assert_eq!(drift.index(), None, "too few");
        drift.observe(0.4);
        assert!(drift.index().unwrap() < 0.01, "{:?}", drift.index());
    }

    #[test]
    fn shift_raises_the_index_while_it_is_in_the_window() {
        let mut drift = Drift::new(&calibration());
        // A third of the scores moves to the upper tenth: 0.4 - 0.1 times ln 4, and a little from the other bins.
        (0..3000).for_each(|i| {
            drift.observe(if i % 3 == 0 { 0.54 } else { 0.3 + f64::from(i * 31 % 1000) / 4000.0 });
        });
        let index = drift.index().unwrap();
        assert!((0.4..0.6).contains(&index), "{index}");
        assert_eq!(drift.rotate().iter().sum::<u64>(), 3000);
        for _ in 0..SLICES - 1 {
            drift.rotate();
        }
        assert_eq!(drift.index(), None, "out of the window");
    }

    #[test]
    fn restored_window_continues() {
        let mut drift = Drift::new(&calibration());
        for i in 0..3000 {
            drift.observe(0.35 + f64::from(i % 1000) / 4000.0);
            if i % 100 == 0 {
                drift.rotate();
            }
        }
        let slices: Vec<BinCounts> = drift.slices().copied().collect();
        let mut next = Drift::new(&calibration());
        next.resume(&slices);
        assert_eq!(next.index(), drift.index());
        assert!(next.slices().eq(drift.slices()));
        next.resume(&[]);
        next.rotate();
        assert_eq!(next.slices().count(), SLICES);
    }

    #[test]
    fn counts_of_several_nodes_add_up() {
        let (mut one, mut a, mut b) =
            (Drift::new(&calibration()), Drift::new(&calibration()), Drift::new(&calibration()));
        for i in 0..4000 {
            let score = 0.3 + f64::from(i * 31 % 900) / 3000.0;
            one.observe(score);
            if i % 5 == 0 { a.observe(score) } else { b.observe(score) }
        }
        let mut sum = Drift::new(&calibration());
        sum.add(&a.rotate());
        sum.add(&b.rotate());
        assert_eq!(sum.index(), one.index());
    }

    #[test]
    fn handles_ties_and_missing_scores() {
        let mut drift = Drift::new(&Calibration::new(&[0.5; 4000]));
        (0..2000).for_each(|_| drift.observe(0.5));
        assert!(drift.index().unwrap() < 0.001);
        let mut drift = Drift::new(&Calibration::new(&[]));
        (0..2000).for_each(|_| drift.observe(0.5));
        assert_eq!(drift.index(), None);
    }
}

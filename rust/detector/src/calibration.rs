//! Calibration: how the scores of ordinary traffic were distributed, and which threshold a budget of alerts implies.

use serde::{Deserialize, Serialize};

/// Scores are kept and compared in millionths, the resolution of a log.
pub(crate) const SCORE_UNITS: f64 = 1e6;

/// The distribution of scores over rows that the trees which scored them had not seen.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Calibration {
    /// Scores in millionths, ascending; each as the difference from the one before, which stores in a byte or two.
    differences: Vec<u32>,
}

impl Calibration {
    /// From one score per row, in any order.
    pub fn new(scores: &[f64]) -> Self {
        let mut units: Vec<u32> = scores.iter().map(|score| (score * SCORE_UNITS) as u32).collect();
        units.sort_unstable();
        let mut last = 0;
        let differences = units.into_iter().map(|unit| unit - std::mem::replace(&mut last, unit)).collect();
        Self { differences }
    }

    /// How many scores it rests on.
    pub fn len(&self) -> usize {
        self.differences.len()
    }

    /// Whether it rests on none.
    pub fn is_empty(&self) -> bool {
        self.differences.is_empty()
    }

    /// The scores, ascending.
    pub fn scores(&self) -> impl Iterator<Item = f64> {
        self.differences.iter().scan(0u64, |sum, &difference| {
            *sum += u64::from(difference);
            Some(*sum as f64 / SCORE_UNITS)
        })
    }

    /// The lowest threshold that at most this share of the traffic passes (a score passes when it is not below the
    /// threshold). At most 1/n can be told apart from none, n being [`Calibration::len`].
    pub fn threshold(&self, share: f64) -> f64 {
        let n = self.len();
        let passing = ((n as f64 * share) as usize).min(n);
        let scores: Vec<f64> = self.scores().collect();
        let lowest_failing = n.checked_sub(passing + 1).and_then(|i| scores.get(i)).copied().unwrap_or(0.0);
        // The next millionth above the highest score that has to fail.
        ((lowest_failing * SCORE_UNITS).round() + 1.0) / SCORE_UNITS
    }
}

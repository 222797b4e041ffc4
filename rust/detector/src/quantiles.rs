//! Quantiles of a feature in training.

use serde::{Deserialize, Serialize};

/// Quantiles of an encoded feature in training.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Quantiles {
    pub(crate) lowest: f32,
    /// First percentile.
    pub(crate) low: f32,
    pub(crate) median: f32,
    /// 99th percentile.
    pub(crate) high: f32,
    /// End of the range that new maxima are measured against: the value of
    /// [`TrackedMaximum::rank`](crate::schema::TrackedMaximum::rank), the highest by default.
    pub(crate) range_end: f32,
    /// Value of the next rank: the end of the range without one of the rows at or above `range_end`.
    pub(crate) next_range_end: f32,
    pub(crate) highest: f32,
}

impl Quantiles {
    /// Returns true if an amount is less than twice and more than half of the usual one, and within the range of most
    /// training rows. Amounts are logarithms to base 2, so 1 is a factor of two.
    pub(crate) fn is_usual_amount(self, value: f32) -> bool {
        (self.low..=self.high).contains(&value) && (value - self.median).abs() < 1.0
    }
}

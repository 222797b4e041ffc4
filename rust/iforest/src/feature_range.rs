//! Range of a column in the training rows, and the probability that a split separates a value beyond it.
//!
//! Trees split between the values they were built from and cannot distinguish values beyond. A split drawn uniformly
//! from the range extended to a new value separates that value from all training rows with probability (extension /
//! extended range), as when a point is inserted into a robust random cut tree (Guha, Mishra, Roy and Schrijvers, ICML
//! 2016).

use serde::{Deserialize, Serialize};

use crate::matrix::Matrix;

/// The range of a column in the training rows.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct FeatureRange {
    /// The column.
    pub column: u16,
    /// The smallest value.
    pub min: f32,
    /// The largest value, not below `min`.
    pub max: f32,
}

impl FeatureRange {
    /// The range extended to the values of `rows`.
    pub(crate) fn extended(self, rows: Matrix<'_>) -> Self {
        let values = rows.iter().map(|row| row[usize::from(self.column)]);
        let (min, max) = values.fold((self.min, self.max), |(min, max), x| (min.min(x), max.max(x)));
        Self { min, max, ..self }
    }

    /// Returns true for a value outside the range; a missing value is inside.
    pub(crate) fn is_beyond(&self, value: f32) -> bool {
        value < self.min || value > self.max
    }
}

/// Ranges of the columns; a column without any present value has none.
pub(crate) fn feature_ranges(rows: Matrix<'_>, columns: &[u16]) -> Vec<FeatureRange> {
    let empty = |&column: &u16| FeatureRange { column, min: f32::INFINITY, max: f32::NEG_INFINITY };
    let ranges = columns.iter().map(empty).map(|range| range.extended(rows));
    ranges.filter(|range| range.min <= range.max).collect()
}

/// Probability that a split of a uniformly drawn column, over its range extended to the row's value, separates the row
/// from all training rows. 0 for a row within all ranges; a missing value is within.
pub(crate) fn separation_probability(feature_ranges: &[FeatureRange], row: &[f32]) -> f64 {
    let mut sum = 0.0;
    for range in feature_ranges {
        let value = row[usize::from(range.column)];
        if range.is_beyond(value) {
            let (min, max, value) = (f64::from(range.min), f64::from(range.max), f64::from(value));
            let beyond = f64::max(min - value, value - max);
            sum += if beyond.is_finite() { beyond / (beyond + (max - min)) } else { 1.0 };
        }
    }
    if sum == 0.0 { 0.0 } else { sum / feature_ranges.len() as f64 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_ignore_missing_values() {
        let values = [1.0, f32::NAN, f32::NAN, 4.0, f32::NAN, -2.0];
        let found = feature_ranges(Matrix::new(&values, 3).unwrap(), &[0, 1, 2]);
        let expected =
            [FeatureRange { column: 0, min: 1.0, max: 4.0 }, FeatureRange { column: 2, min: -2.0, max: -2.0 }];
        assert_eq!(found, expected);
        let more = [f32::NAN, 7.0, -3.0];
        let more = expected.map(|range| range.extended(Matrix::new(&more, 3).unwrap()));
        assert_eq!(more, [expected[0], FeatureRange { min: -3.0, ..expected[1] }]);
    }

    #[test]
    fn separation_probability_is_the_share_of_the_extension() {
        let feature_ranges =
            [FeatureRange { column: 0, min: 0.0, max: 3.0 }, FeatureRange { column: 1, min: 5.0, max: 5.0 }];
        let chance = |a, b| separation_probability(&feature_ranges, &[a, b]);
        assert_eq!(chance(0.0, 5.0), 0.0);
        assert_eq!(chance(f32::NAN, 5.0), 0.0);
        assert_eq!(chance(4.0, 5.0), 0.125);
        assert_eq!(chance(-9.0, 5.0), 0.375);
        assert_eq!(chance(0.0, 6.0), 0.5);
        assert_eq!(chance(f32::INFINITY, f32::NEG_INFINITY), 1.0);
    }
}

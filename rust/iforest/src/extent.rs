//! The range of a column in the rows of a fit, and what lies beyond it.
//!
//! Trees cut between the values they were grown from; everything beyond is alike to them. A cut drawn over the range
//! stretched to a new value parts it from all that was seen with the probability that the stretch is of the whole, as
//! when a point is inserted into a robust random cut tree (Guha, Mishra, Roy and Schrijvers, ICML 2016).

use serde::{Deserialize, Serialize};

use crate::Rows;

/// What a column ranged over.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Extent {
    /// The column.
    pub column: u16,
    /// The smallest value.
    pub min: f32,
    /// The largest value, not below `min`.
    pub max: f32,
}

impl Extent {
    /// Whether a value lies outside. A missing one does not.
    pub(crate) fn is_beyond(&self, value: f32) -> bool {
        value < self.min || value > self.max
    }
}

/// The extents of those of the columns that hold a number at all.
pub(crate) fn extents(rows: Rows<'_>, columns: &[u16]) -> Vec<Extent> {
    let extent = |&column: &u16| {
        let values = rows.iter().map(|row| row[usize::from(column)]);
        let (min, max) = values.fold((f32::INFINITY, f32::NEG_INFINITY), |(min, max), x| (min.min(x), max.max(x)));
        (min <= max).then_some(Extent { column, min, max })
    };
    columns.iter().filter_map(extent).collect()
}

/// The probability that a cut, of a column drawn evenly and of its range stretched to the row's value, parts the row
/// from everything seen. 0 for a row within all ranges; a missing value is within.
pub(crate) fn chance_of_parting(extents: &[Extent], row: &[f32]) -> f64 {
    let mut sum = 0.0;
    for extent in extents {
        let value = row[usize::from(extent.column)];
        if extent.is_beyond(value) {
            let (min, max, value) = (f64::from(extent.min), f64::from(extent.max), f64::from(value));
            let beyond = f64::max(min - value, value - max);
            sum += if beyond.is_finite() { beyond / (beyond + (max - min)) } else { 1.0 };
        }
    }
    if sum == 0.0 { 0.0 } else { sum / extents.len() as f64 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn extents_pass_over_what_is_missing() {
        let values = [1.0, f32::NAN, f32::NAN, 4.0, f32::NAN, -2.0];
        let found = extents(Rows::new(&values, 3).unwrap(), &[0, 1, 2]);
        let expected = [Extent { column: 0, min: 1.0, max: 4.0 }, Extent { column: 2, min: -2.0, max: -2.0 }];
        assert_eq!(found, expected);
    }

    #[test]
    fn the_chance_is_the_share_of_the_stretch() {
        let extents = [Extent { column: 0, min: 0.0, max: 3.0 }, Extent { column: 1, min: 5.0, max: 5.0 }];
        let chance = |a, b| chance_of_parting(&extents, &[a, b]);
        assert_eq!(chance(0.0, 5.0), 0.0);
        assert_eq!(chance(f32::NAN, 5.0), 0.0);
        assert_eq!(chance(4.0, 5.0), 0.125);
        assert_eq!(chance(-9.0, 5.0), 0.375);
        assert_eq!(chance(0.0, 6.0), 0.5);
        assert_eq!(chance(f32::INFINITY, f32::NEG_INFINITY), 1.0);
    }
}

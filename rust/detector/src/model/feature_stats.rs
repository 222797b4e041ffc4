//! Distribution of each feature in training, and distances of values beyond it.

use serde::{Deserialize, Serialize};

use crate::quantiles::Quantiles;
use crate::schema::{Encoding, FeatureRow, MAX_COLUMNS, Schema, TrackedMaximum};

/// Range of an amount in training, against which new maxima are measured.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct MaximumRange {
    /// Column of the amount.
    pub column: usize,
    /// Weight of a new maximum, above 0 and up to 1.
    pub weight: f64,
    /// Highest value in training.
    pub highest: f32,
    /// Width of the range below it.
    pub width: f64,
    /// Second highest value, and the width of the range below it: the range without the row that has the highest.
    second: (f32, f64),
}

impl MaximumRange {
    /// Distance of a value above the range, as a share of the range extended to it: 0 within the range, always below 1.
    /// A row of the training is measured against the range without it.
    fn beyond(&self, value: f32, learnt: bool) -> f64 {
        let (highest, width) = if learnt && value == self.highest { self.second } else { (self.highest, self.width) };
        if value <= highest {
            return 0.0;
        }
        // The distance beyond an infinite value is undefined.
        let beyond = (f64::from(value) - f64::from(highest)).clamp(0.0, f64::from(f32::MAX));
        beyond / (beyond + width)
    }
}

/// Smallest range, in powers of two, that a new maximum is measured against: doubling a tiny amount is not unusual.
const MIN_WIDTH: f64 = 8.0;

/// Distribution of each feature in training.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct FeatureStats {
    columns: Vec<Quantiles>,
}

impl FeatureStats {
    /// Computes statistics of encoded training rows, at least one.
    pub(crate) fn new(schema: &Schema, rows: &[FeatureRow]) -> Self {
        let mut values: Vec<f32> = Vec::with_capacity(rows.len());
        let columns = (0..schema.features.len()).map(|column| {
            values.clear();
            values.extend(rows.iter().map(|row| row[column]));
            values.sort_unstable_by(f32::total_cmp);
            let at = |share: f64| values.get((share * (values.len() - 1) as f64).round() as usize).copied();
            let at = |share| at(share).unwrap_or_default();
            let highest = at(1.0);
            let second = values.iter().rev().nth(1).copied().unwrap_or(highest);
            Quantiles { lowest: at(0.0), low: at(0.01), median: at(0.5), high: at(0.99), second, highest }
        });
        Self { columns: columns.collect() }
    }

    /// Returns true if every feature has finite, ascending quantiles.
    pub(crate) fn is_sound(&self, schema: &Schema) -> bool {
        let rising = |it: &Quantiles| {
            let values = [it.lowest, it.low, it.median, it.high, it.highest];
            values.iter().all(|value| value.is_finite())
                && values.is_sorted()
                && (it.lowest..=it.highest).contains(&it.second)
        };
        self.columns.len() == schema.features.len() && self.columns.iter().all(rising)
    }

    pub(crate) fn of(&self, column: usize) -> Quantiles {
        self.columns.get(column).copied().unwrap_or_default()
    }

    /// Typical row: the median of every number, the commonest of every category.
    pub(crate) fn typical(&self, schema: &Schema) -> FeatureRow {
        let mut row = [0.0; MAX_COLUMNS];
        for (feature, (value, usual)) in schema.features.iter().zip(row.iter_mut().zip(&self.columns)) {
            *value = match feature.encoding {
                Encoding::Number | Encoding::Partners { .. } => usual.median,
                _ => usual.lowest,
            };
        }
        row
    }

    /// Distance of a value above the training range, as a share of the range extended to it: 0 within, always below 1.
    pub(crate) fn beyond(&self, column: usize, value: f32, learnt: bool) -> f64 {
        self.range(&TrackedMaximum { column: column as u16, weight: 1.0, from: f32::NEG_INFINITY })
            .beyond(value, learnt)
    }

    fn range(&self, &TrackedMaximum { column, weight, from }: &TrackedMaximum) -> MaximumRange {
        let Quantiles { lowest, second, highest, .. } = self.of(usize::from(column));
        let width = |highest: f32| (f64::from(highest) - f64::from(lowest.max(from))).max(MIN_WIDTH);
        MaximumRange {
            column: usize::from(column),
            weight,
            highest,
            width: width(highest),
            second: (second, width(second)),
        }
    }

    /// Ranges of the amounts whose new maxima raise a score.
    pub(crate) fn maxima<'a>(&'a self, schema: &'a Schema) -> impl Iterator<Item = MaximumRange> + 'a {
        schema.maxima.iter().map(|maximum| self.range(maximum))
    }

    /// Share of the distance to 1 by which new maxima of a row raise its score: the probability that a split drawn over
    /// the extended range separates the row from all training rows. 0 within the range.
    pub(crate) fn new_maxima(&self, schema: &Schema, row: &FeatureRow, learnt: bool) -> f64 {
        let mut within = 1.0;
        for range in self.maxima(schema) {
            within *= 1.0 - range.weight * range.beyond(row[range.column], learnt);
        }
        1.0 - within
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::conn::schema::{Column, SCHEMA};

    fn stats() -> FeatureStats {
        FeatureStats::new(&SCHEMA, &(0..=1000).map(|i| [i as f32 / 100.0; MAX_COLUMNS]).collect::<Vec<_>>())
    }

    #[test]
    fn quantiles_are_those_of_training() {
        let usual = stats().of(Column::Duration as usize);
        let expected = Quantiles { lowest: 0.0, low: 0.1, median: 5.0, high: 9.9, second: 9.99, highest: 10.0 };
        assert_eq!(usual, expected);
        let typical = stats().typical(&SCHEMA);
        assert_eq!((typical[Column::Duration as usize], typical[Column::Port as usize]), (5.0, 0.0));
    }

    #[test]
    fn only_records_raise_a_score() {
        let broken = |row: &FeatureRow| stats().new_maxima(&SCHEMA, row, false);
        let mut row = [10.0; MAX_COLUMNS];
        row[Column::OrigPkts as usize] = 99.0;
        assert_eq!(broken(&row), 0.0);
        row[Column::OrigBytes as usize] = 20.0;
        assert_eq!(broken(&row), 0.5 * 0.5);
        row[Column::Duration as usize] = f32::MAX;
        assert!((0.999..=1.0).contains(&broken(&row)));
    }

    #[test]
    fn record_is_measured_against_the_range_of_training() {
        let stats = FeatureStats::new(&SCHEMA, &[[10.0; MAX_COLUMNS], [20.0; MAX_COLUMNS]]);
        let beyond = |value| stats.beyond(Column::Port as usize, value, false);
        assert_eq!((beyond(20.0), beyond(30.0), beyond(f32::INFINITY)), (0.0, 0.5, 1.0));
    }

    #[test]
    fn learnt_record_is_measured_against_the_others() {
        let stats = FeatureStats::new(&SCHEMA, &[[0.0; MAX_COLUMNS], [10.0; MAX_COLUMNS], [20.0; MAX_COLUMNS]]);
        let beyond = |value, learnt| stats.beyond(Column::OrigBytes as usize, value, learnt);
        assert_eq!((beyond(20.0, true), beyond(20.0, false)), (0.5, 0.0));
        assert_eq!((beyond(10.0, true), beyond(40.0, true)), (0.0, 0.5));
    }

    #[test]
    fn rejects_quantiles_that_are_not_finite_and_ascending() {
        assert!(stats().is_sound(&SCHEMA));
        let changed = |change: fn(&mut Vec<Quantiles>)| {
            let mut stats = stats();
            change(&mut stats.columns);
            stats.is_sound(&SCHEMA)
        };
        assert!(!changed(|columns| columns[3].highest = f32::INFINITY));
        assert!(!changed(|columns| columns[3].lowest = f32::NAN));
        assert!(!changed(|columns| columns[3].second = f32::NAN));
        assert!(!changed(|columns| columns[9].median = 10.5));
        assert!(!changed(|columns| _ = columns.pop()));
        assert!(!changed(|columns| columns.push(Quantiles::default())));
    }
}

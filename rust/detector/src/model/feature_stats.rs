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
    /// End of the range: the highest value in training, or a lower one.
    pub end: f32,
    /// Width of the range.
    pub width: f64,
}

/// Smallest range, in powers of two, that a new maximum is measured against: doubling a tiny amount is not unusual.
const MIN_WIDTH: f64 = 8.0;

/// Number of training rows needed for each rank: in a small training the fifth largest value is an ordinary one.
const ROWS_PER_RANK: usize = 250;

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
            let maximum = schema.maxima.iter().find(|maximum| usize::from(maximum.column) == column);
            let rank = maximum.map_or(1, |maximum| maximum.rank).min(rows.len() / ROWS_PER_RANK).max(1);
            let mut descending = values.iter().rev().copied().skip(rank - 1);
            let range_end = descending.next().unwrap_or(highest);
            let next_range_end = descending.next().unwrap_or(range_end);
            let (lowest, low, median, high) = (at(0.0), at(0.01), at(0.5), at(0.99));
            Quantiles { lowest, low, median, high, range_end, next_range_end, highest }
        });
        Self { columns: columns.collect() }
    }

    /// Returns true if every feature has finite, ascending quantiles.
    pub(crate) fn is_sound(&self, schema: &Schema) -> bool {
        let rising = |it: &Quantiles| {
            let values = [it.lowest, it.low, it.median, it.high, it.highest];
            values.iter().all(|value| value.is_finite())
                && values.is_sorted()
                && it.lowest <= it.next_range_end
                && it.next_range_end <= it.range_end
                && it.range_end <= it.highest
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

    /// Distance of a value above the training range, as a share of the range extended to it: 0 within, at most 1.
    pub(crate) fn beyond(&self, column: usize, value: f32, learnt: bool) -> f64 {
        let Quantiles { lowest, .. } = self.of(column);
        self.beyond_from(column, value, lowest, learnt, false)
    }

    /// The same for a range that begins at `from`. A row of the training is measured against the range without it. The
    /// value of a recurring activity, such as a nightly backup, counts only above the highest value.
    fn beyond_from(&self, column: usize, value: f32, from: f32, learnt: bool, recurs: bool) -> f64 {
        let Quantiles { range_end, next_range_end, highest, .. } = self.of(column);
        let sets_end = learnt && (range_end..=highest).contains(&value);
        let end = match (recurs, sets_end) {
            (true, _) => highest,
            (false, true) => next_range_end,
            (false, false) => range_end,
        };
        if value <= end {
            return 0.0;
        }
        // The distance beyond an infinite value is undefined.
        let beyond = (f64::from(value) - f64::from(end)).clamp(0.0, f64::from(f32::MAX));
        beyond / (beyond + width(from, end))
    }

    /// Ranges of the amounts whose new maxima raise a score.
    pub(crate) fn maxima<'a>(&'a self, schema: &'a Schema) -> impl Iterator<Item = MaximumRange> + 'a {
        schema.maxima.iter().map(|maximum| {
            let (column, end) = (usize::from(maximum.column), self.of(maximum.column.into()).range_end);
            MaximumRange { column, weight: maximum.weight, end, width: width(self.beginning(maximum), end) }
        })
    }

    /// Share of the distance to 1 by which new maxima of a row raise its score: the probability that a split drawn over
    /// the extended range separates the row from all training rows. 0 within the range. `recurs`: the activity recurs
    /// on the days of training.
    pub(crate) fn new_maxima(&self, schema: &Schema, row: &FeatureRow, learnt: bool, recurs: bool) -> f64 {
        let mut within = 1.0;
        for maximum in schema.maxima {
            let column = usize::from(maximum.column);
            let beyond = self.beyond_from(column, row[column], self.beginning(maximum), learnt, recurs);
            within *= 1.0 - maximum.weight * beyond;
        }
        1.0 - within
    }

    /// Beginning of the range of a maximum.
    fn beginning(&self, maximum: &TrackedMaximum) -> f32 {
        self.of(maximum.column.into()).lowest.max(maximum.from)
    }
}

/// Width of a range that new maxima are measured against.
fn width(from: f32, end: f32) -> f64 {
    (f64::from(end) - f64::from(from)).max(MIN_WIDTH)
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
        let expected = Quantiles {
            lowest: 0.0,
            low: 0.1,
            median: 5.0,
            high: 9.9,
            range_end: 10.0,
            next_range_end: 9.99,
            highest: 10.0,
        };
        assert_eq!(usual, expected);
        let typical = stats().typical(&SCHEMA);
        assert_eq!((typical[Column::Duration as usize], typical[Column::Port as usize]), (5.0, 0.0));
    }

    #[test]
    fn only_new_maxima_raise_a_score() {
        let raise = |row: &FeatureRow| stats().new_maxima(&SCHEMA, row, false, false);
        let mut row = [9.0; MAX_COLUMNS];
        row[Column::OrigPkts as usize] = 99.0;
        assert_eq!(raise(&row), 0.0);
        row[Column::RespBytes as usize] = 20.0;
        assert_eq!(raise(&row), 0.5 * 0.5);
        row[Column::Duration as usize] = f32::MAX;
        assert!((0.999..=1.0).contains(&raise(&row)));
    }

    #[test]
    fn new_maximum_is_measured_against_the_range_of_training() {
        let stats = FeatureStats::new(&SCHEMA, &[[10.0; MAX_COLUMNS], [20.0; MAX_COLUMNS]]);
        let beyond = |value| stats.beyond(Column::Port as usize, value, false);
        assert_eq!((beyond(20.0), beyond(30.0), beyond(f32::INFINITY)), (0.0, 0.5, 1.0));
        // A small range counts as 8.
        let constant = FeatureStats::new(&SCHEMA, &[[1.0; MAX_COLUMNS]; 2]);
        assert_eq!(constant.beyond(Column::Port as usize, 3.0, false), 0.2);
    }

    #[test]
    fn learnt_maximum_is_measured_against_the_others() {
        let stats = FeatureStats::new(&SCHEMA, &[[0.0; MAX_COLUMNS], [10.0; MAX_COLUMNS], [20.0; MAX_COLUMNS]]);
        let beyond = |value, learnt| stats.beyond(Column::OrigBytes as usize, value, learnt);
        assert_eq!((beyond(20.0, true), beyond(20.0, false)), (0.5, 0.0));
        assert_eq!((beyond(10.0, true), beyond(40.0, true)), (0.0, 0.5));
    }

    #[test]
    fn several_uploads_in_training_do_not_mask_one_another() {
        let mut rows: Vec<_> = (0..2000).map(|i| [(i % 100) as f32 / 10.0; MAX_COLUMNS]).collect();
        (0..4).for_each(|i| rows.push([30.0 + i as f32; MAX_COLUMNS]));
        let stats = FeatureStats::new(&SCHEMA, &rows);
        let raise = |column, recurs| {
            let mut row = [0.0; MAX_COLUMNS];
            row[column as usize] = 30.0;
            stats.new_maxima(&SCHEMA, &row, true, recurs)
        };
        let usual = f64::from(9.9_f32);
        assert_eq!(raise(Column::OrigBytes, false), 0.5 * (30.0 - usual) / 30.0);
        assert_eq!((raise(Column::OrigBytes, true), raise(Column::RespBytes, false)), (0.0, 0.0));
        // A recurring upload is compared with the largest.
        assert_eq!(stats.beyond_from(Column::OrigBytes as usize, 34.0, 0.0, false, true), 1.0 / 34.0);
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
        assert!(
            !changed(|columns| columns[3].range_end = f32::NAN)
                && !changed(|columns| columns[3].next_range_end = f32::NAN)
        );
        assert!(!changed(|columns| columns[9].median = 10.5));
        assert!(!changed(|columns| _ = columns.pop()));
        assert!(!changed(|columns| columns.push(Quantiles::default())));
    }
}

//! The baseline: what each feature usually was in training, and how far a row lies beyond all of it.

use serde::{Deserialize, Serialize};

use crate::conn::features::FeatureRow;
use crate::conn::schema::{Column, FEATURES, Kind, N_FEATURES};

/// How a feature was distributed in training, as the forest sees it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Quantiles {
    pub(crate) lowest: f32,
    /// The value that one in a hundred falls short of.
    pub(crate) low: f32,
    pub(crate) median: f32,
    /// The value that one in a hundred exceeds.
    pub(crate) high: f32,
    pub(crate) highest: f32,
}

/// An amount in which a record counts.
struct Record {
    column: Column,
    /// How much.
    weight: f64,
    /// Values below this are all alike: how low they go is nothing to measure a record by.
    from: f32,
}

/// The amounts of a single connection, and of one host with one service of another, that an analyst wants to know of
/// when they exceed all that was ever seen (a session, a transfer, a tunnel, a beacon), with the weight of a record in
/// each. How much hosts send and receive differs more from one to the next than how long their sessions last: with more
/// weight, a host that is merely busier than those learnt from would outrank attacks that are unusual in many ways.
const RECORDS: [Record; 5] = [
    Record { column: Column::Duration, weight: 1.0, from: SECOND },
    Record { column: Column::OrigBytes, weight: 0.5, from: 0.0 },
    Record { column: Column::RespBytes, weight: 0.5, from: 0.0 },
    Record { column: Column::ServiceBytes, weight: 0.5, from: 0.0 },
    Record { column: Column::Periodicity, weight: 0.5, from: 0.0 },
];

/// Range of an amount in training, against which a record is measured.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct RecordRange {
    /// The amount's index in a row.
    pub column: usize,
    /// How much a record in it counts, above 0 and up to 1.
    pub weight: f64,
    /// The highest value of training.
    pub highest: f32,
    /// How wide the range below it is.
    pub width: f64,
}

impl RecordRange {
    /// Distance of a value above the range, as a share of the range extended to it: from 0 within it to below 1.
    fn beyond(&self, value: f32) -> f64 {
        if value <= self.highest {
            return 0.0;
        }
        // Beyond an infinite value there is nothing.
        let beyond = (f64::from(value) - f64::from(self.highest)).clamp(0.0, f64::from(f32::MAX));
        beyond / (beyond + self.width)
    }
}

/// A second as a duration's value.
const SECOND: f32 = 10.0;
/// A record is measured against the range it breaks, in powers of two, or against so many where the range is smaller:
/// to double next to nothing is no record.
const NARROWEST: f64 = 8.0;

/// Distribution of each feature in training.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct FeatureStats {
    columns: Vec<Quantiles>,
}

impl FeatureStats {
    /// From the rows of a training as the forest sees them; there is at least one.
    pub(crate) fn new(rows: &[FeatureRow]) -> Self {
        let mut values: Vec<f32> = Vec::with_capacity(rows.len());
        let columns = (0..N_FEATURES).map(|column| {
            values.clear();
            values.extend(rows.iter().map(|row| row[column]));
            values.sort_unstable_by(f32::total_cmp);
            let at = |share: f64| values.get((share * (values.len() - 1) as f64).round() as usize).copied();
            let at = |share| at(share).unwrap_or_default();
            Quantiles { lowest: at(0.0), low: at(0.01), median: at(0.5), high: at(0.99), highest: at(1.0) }
        });
        Self { columns: columns.collect() }
    }

    /// Returns whether it speaks of every feature, in finite numbers that rise.
    pub(crate) fn is_sound(&self) -> bool {
        let rising = |usual: &Quantiles| {
            let values = [usual.lowest, usual.low, usual.median, usual.high, usual.highest];
            values.iter().all(|value| value.is_finite()) && values.is_sorted()
        };
        self.columns.len() == N_FEATURES && self.columns.iter().all(rising)
    }

    pub(crate) fn of(&self, column: Column) -> Quantiles {
        self.columns[column as usize]
    }

    /// A row with nothing unusual in it: the median of every amount, the commonest of every category.
    pub(crate) fn typical(&self) -> FeatureRow {
        let mut row = [0.0; N_FEATURES];
        for (feature, (value, usual)) in FEATURES.iter().zip(row.iter_mut().zip(&self.columns)) {
            *value = match feature.kind {
                Kind::Number => usual.median,
                Kind::Category => usual.lowest,
            };
        }
        row
    }

    /// How far a value lies above all of training, as the share of the stretch in the range stretched to it: 0 within,
    /// below 1 always.
    pub(crate) fn beyond(&self, column: Column, value: f32) -> f64 {
        self.range(&Record { column, weight: 1.0, from: f32::NEG_INFINITY }).beyond(value)
    }

    fn range(&self, &Record { column, weight, from }: &Record) -> RecordRange {
        let Quantiles { lowest, highest, .. } = self.of(column);
        let width = (f64::from(highest) - f64::from(lowest.max(from))).max(NARROWEST);
        RecordRange { column: column as usize, weight, highest, width }
    }

    /// The amounts in which a record raises a score.
    pub(crate) fn records(&self) -> impl Iterator<Item = RecordRange> {
        RECORDS.iter().map(|record| self.range(record))
    }

    /// A score raised towards 1 by the records a row breaks: a cut drawn over the range stretched to the record parts
    /// the row from all that was seen with the probability that the stretch is of the whole. Scores of rows within the
    /// range of training stay as they are.
    pub(crate) fn raise(&self, score: f64, row: &FeatureRow) -> f64 {
        let mut within = 1.0;
        for range in self.records() {
            within *= 1.0 - range.weight * range.beyond(row[range.column]);
        }
        score + (1.0 - score) * (1.0 - within)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stats() -> FeatureStats {
        FeatureStats::new(&(0..=1000).map(|i| [i as f32 / 100.0; N_FEATURES]).collect::<Vec<_>>())
    }

    #[test]
    fn it_tells_what_is_usual() {
        let usual = stats().of(Column::Duration);
        assert_eq!(usual, Quantiles { lowest: 0.0, low: 0.1, median: 5.0, high: 9.9, highest: 10.0 });
        let typical = stats().typical();
        assert_eq!((typical[Column::Duration as usize], typical[Column::Port as usize]), (5.0, 0.0));
    }

    #[test]
    fn only_records_raise_a_score() {
        let mut row = [10.0; N_FEATURES];
        row[Column::OrigPkts as usize] = 99.0;
        assert_eq!(stats().raise(0.4, &row), 0.4);
        row[Column::OrigBytes as usize] = 20.0;
        assert_eq!(stats().raise(0.4, &row), 0.4 + 0.6 * (0.5 * 0.5));
        row[Column::Duration as usize] = f32::MAX;
        let raised = stats().raise(0.4, &row);
        assert!((0.999..=1.0).contains(&raised), "{raised}");
    }

    #[test]
    fn a_record_is_measured_against_the_range_of_training() {
        let stats = FeatureStats::new(&[[10.0; N_FEATURES], [20.0; N_FEATURES]]);
        let beyond = |value| stats.beyond(Column::Port, value);
        assert_eq!((beyond(20.0), beyond(30.0), beyond(f32::INFINITY)), (0.0, 0.5, 1.0));
    }

    #[test]
    fn only_finite_numbers_that_rise_for_every_feature_are_sound() {
        assert!(stats().is_sound());
        let changed = |change: fn(&mut Vec<Quantiles>)| {
            let mut stats = stats();
            change(&mut stats.columns);
            stats.is_sound()
        };
        assert!(!changed(|columns| columns[3].highest = f32::INFINITY));
        assert!(!changed(|columns| columns[3].lowest = f32::NAN));
        assert!(!changed(|columns| columns[N_FEATURES - 1].median = 10.5));
        assert!(!changed(|columns| _ = columns.pop()));
        assert!(!changed(|columns| columns.push(Quantiles::default())));
    }
}

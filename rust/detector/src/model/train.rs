//! Training: connections in, a model out.

use iforest::{Forest, Matrix};
use thiserror::Error;

use crate::conn::connection::Connection;
use crate::conn::features::{Extractor, FeatureRow};
use crate::conn::schema;
use crate::model::Model;
use crate::model::Provenance;
use crate::model::calibration::Calibration;
use crate::model::category_counts::CategoryCounts;
use crate::model::feature_stats::FeatureStats;
use crate::reservoir::{Entry, Group, Reservoir, Sample, Sampling, Snapshot};

/// Scores settle from about 100 trees on.
const TREES_PER_GROUP: usize = 8;

/// How a model is trained.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Params {
    /// How the forest is grown.
    pub forest: iforest::Params,
    /// How many rows the reservoir holds.
    pub reservoir: usize,
    /// The threshold is set to let about this many connections a day pass.
    pub alerts_per_day: f64,
    /// Or, where this is set, to let this share of the connections pass.
    pub contamination: Option<f64>,
    /// Decides every random draw.
    pub seed: u64,
}

impl Default for Params {
    fn default() -> Self {
        let groups = schema::GROUPS.iter().map(|group| group.iter().map(|&column| column as u16).collect());
        let mut forest = iforest::Params::default();
        forest.groups = groups.collect();
        forest.n_trees = TREES_PER_GROUP * schema::GROUPS.len();
        forest.mean_exponent = 2;
        forest.extrapolate = true;
        Self { forest, reservoir: 1 << 17, alerts_per_day: 20.0, contamination: None, seed: 1 }
    }
}

/// Why there is no model.
#[derive(Clone, Debug, Error, PartialEq)]
#[non_exhaustive]
pub enum TrainError {
    /// Nothing to learn from.
    #[error("{0} connections are too few to learn from; at least 2 are needed, a few thousand make a useful model")]
    TooFewConnections(u64),
    /// A forest for rows of something else.
    #[error(
        "the forest takes {found} columns, a row of this version has {}; fit it on the matrix that `zeek-iforest features` \
         writes, without the column `label`",
        schema::N_FEATURES
    )]
    OtherRows {
        /// How many columns it takes.
        found: usize,
    },
    /// The forest could not be grown.
    #[error(transparent)]
    Fit(#[from] iforest::FitError),
}

/// Learns from connections, one at a time, in bounded memory.
#[derive(Debug)]
pub struct Trainer {
    params: Params,
    extractor: Extractor,
    reservoir: Reservoir,
}

impl Trainer {
    /// A trainer that has seen nothing yet.
    pub fn new(params: Params) -> Self {
        let reservoir = Reservoir::new(Sampling::uniform(params.reservoir), params.seed);
        Self { params, extractor: Extractor::new(), reservoir }
    }

    /// Learns from a connection.
    pub fn learn(&mut self, connection: &Connection<'_>) {
        let row = self.extractor.extract(connection);
        self.reservoir.offer(&row, connection.ts, Group::default());
    }

    /// Lets a connection pass by without learning from it: it is context for those that follow, not an example.
    pub fn observe(&mut self, connection: &Connection<'_>) {
        self.extractor.extract(connection);
    }

    /// How many connections were learnt from.
    pub fn observed(&self) -> u64 {
        self.reservoir.seen()
    }

    /// The sample of what was learnt from so far, to be merged with others.
    pub fn into_reservoir(self) -> Reservoir {
        self.reservoir
    }

    /// Grows the forest, calibrates it, and sets the threshold.
    ///
    /// # Errors
    /// [`TrainError`] when there are too few connections or a parameter is out of range.
    pub fn fit(self) -> Result<Model, TrainError> {
        grow(&self.reservoir.snapshot().in_place_order(), &self.params)
    }

    /// Takes a forest grown elsewhere on rows as [`Model::encode`] gives them, calibrates it on the rows of what was
    /// learnt from, and sets the threshold. How rare a category is, `categories` says; without it, what was learnt
    /// from.
    ///
    /// # Errors
    /// [`TrainError`] when there are too few connections, or rows of another length than the forest's.
    pub fn adopt(self, forest: Forest, categories: Option<&Model>) -> Result<Model, TrainError> {
        if forest.n_features() != schema::N_FEATURES {
            return Err(TrainError::OtherRows { found: forest.n_features() });
        }
        let sample = self.reservoir.snapshot().in_place_order();
        let provenance = provenance(&sample, self.params.seed, self.params.alerts_per_day)?;
        let mut rows: Vec<FeatureRow> = sample.entries.iter().map(|entry| entry.row).collect();
        let categories = categories.map_or_else(|| CategoryCounts::count(&rows), |model| model.categories().clone());
        rows.iter_mut().for_each(|row| categories.encode(row));
        let stats = FeatureStats::new(&rows);
        let mut scores = Vec::with_capacity(rows.len());
        forest.score_rows(Matrix::new(rows.as_flattened(), schema::N_FEATURES)?, &mut scores);
        let calibration = calibrate(&provenance, &sample.entries, &scores);
        Ok(Model::new(categories, stats, forest, calibration, provenance, self.params.contamination))
    }
}

/// Fits a model on a sample, wherever it was drawn. The model depends on the rows of the sample, not on the order in
/// which it was merged.
///
/// # Errors
/// [`TrainError`] when the sample has too few rows or a parameter is out of range.
pub fn fit(sample: Snapshot, params: &Params) -> Result<Model, TrainError> {
    grow(&sample.by_key(), params)
}

/// The same trees, calibrated on another sample: where the traffic has changed but its kinds have not.
///
/// # Errors
/// [`TrainError`] when the sample has too few rows.
pub fn recalibrate(model: &Model, sample: Snapshot, alerts_per_day: f64) -> Result<Model, TrainError> {
    let sample = sample.by_key();
    let rows: Vec<FeatureRow> = sample.entries.iter().map(|entry| entry.row).collect();
    let provenance = provenance(&sample, model.provenance().seed, alerts_per_day)?;
    let calibration = calibrate(&provenance, &sample.entries, &model.score_rows(&rows));
    Ok(model.with_calibration(calibration, provenance))
}

fn provenance(sample: &Sample, seed: u64, alerts_per_day: f64) -> Result<Provenance, TrainError> {
    let (Some((first_ts, last_ts)), true) = (sample.span.ends(), sample.entries.len() >= 2) else {
        return Err(TrainError::TooFewConnections(sample.seen));
    };
    let (connections, rows, time_seen) = (sample.seen, sample.entries.len() as u64, sample.span.seen());
    Ok(Provenance {
        first_ts,
        last_ts,
        time_seen,
        connections,
        connections_per_day: sample.connections_per_day(),
        rows,
        seed,
        alerts_per_day,
        ..Provenance::default()
    })
}

/// The distribution of the scores that are to decide on the threshold.
///
/// Of the rows flagged when they were seen, as many as the budget allows count. If those beyond it did, a flood of
/// alerts would raise the threshold above itself; if none did, each fit would lower it further.
fn calibrate(provenance: &Provenance, entries: &[Entry], scores: &[f64]) -> Calibration {
    let usual = entries.iter().filter(|entry| !entry.group.is_flagged()).count();
    let mut budget = (provenance.share_of_alerts(provenance.alerts_per_day) * usual as f64).ceil();
    let mut counts = |entry: &Entry| {
        budget -= f64::from(u8::from(entry.group.is_flagged()));
        !entry.group.is_flagged() || budget >= 0.0
    };
    let scores = entries.iter().zip(scores).filter(|(entry, _)| counts(entry)).map(|(_, &score)| score);
    Calibration::new(&scores.collect::<Vec<_>>())
}

fn grow(sample: &Sample, params: &Params) -> Result<Model, TrainError> {
    let mut provenance = provenance(sample, params.seed, params.alerts_per_day)?;
    let mut rows: Vec<FeatureRow> = sample.entries.iter().map(|entry| entry.row).collect();
    let categories = CategoryCounts::count(&rows);
    rows.iter_mut().for_each(|row| categories.encode(row));
    let stats = FeatureStats::new(&rows);
    let rows = Matrix::new(rows.as_flattened(), schema::N_FEATURES)?;
    let mut forest = params.forest.clone();
    if forest.n_trees < forest.groups.len() {
        // Too few for a tree to each group: every tree cuts what it likes.
        forest.groups.clear();
    }
    let fit = Forest::fit_out_of_bag(rows, &forest, params.seed)?;
    if let Some(share) = params.contamination {
        let one_alert = provenance.share_of_alerts(1.0);
        provenance.alerts_per_day = if one_alert > 0.0 { share / one_alert } else { 0.0 };
    }
    let calibration = calibrate(&provenance, &sample.entries, &fit.out_of_bag_scores);
    Ok(Model::new(categories, stats, fit.forest, calibration, provenance, params.contamination))
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY: i64 = 86_400_000_000;

    /// A model of ten days, as they would be dated.
    fn learnt(dated: impl Fn(i64) -> i64) -> Model {
        let mut trainer = Trainer::new(Params::default());
        for i in 0..5000 {
            let duration = Some(1000 + i * i % 77_777);
            trainer.learn(&Connection { ts: dated(i), duration, ..Connection::default() });
        }
        trainer.fit().unwrap()
    }

    #[test]
    fn neither_wrong_dates_nor_a_gap_change_how_many_alerts_a_day_there_are() {
        let day = |i: i64| 20_000 * DAY + i * DAY / 500;
        let meant = learnt(day);
        let within = |model: Model| {
            let (found, expected) = (model.provenance().time_seen, meant.provenance().time_seen);
            assert!((found - expected).abs() < DAY / 100, "{found} for {expected}");
            let (found, expected) = (model.threshold_for_alerts(20.0), meant.threshold_for_alerts(20.0));
            assert!((found - expected).abs() < 0.03, "{found} for {expected}");
        };
        within(learnt(|i| if i % 1000 == 7 { i } else { day(i) }));
        within(learnt(|i| day(i) + if i > 2000 { 97 * DAY } else { 0 }));
        // A time that is too long shows.
        let forgotten = meant.provenance().connections_per_day / 10.0;
        let wrong = meant.with_calibration(
            meant.calibration().clone(),
            Provenance { connections_per_day: forgotten, ..meant.provenance().clone() },
        );
        assert!(meant.threshold_for_alerts(20.0) - wrong.threshold_for_alerts(20.0) > 0.03);
    }
}

//! Training: connections in, a model out.

use iforest::{Forest, Rows};
use thiserror::Error;

use crate::model::Provenance;
use crate::rarity::Rarity;
use crate::{Calibration, Connection, Extractor, Model, Reservoir, schema};

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
    /// Decides every random draw.
    pub seed: u64,
}

impl Default for Params {
    fn default() -> Self {
        let groups = schema::GROUPS.iter().map(|group| group.iter().map(|&column| column as u16).collect());
        let mut forest = iforest::Params::default();
        forest.groups = groups.collect();
        forest.n_trees = TREES_PER_GROUP * schema::GROUPS.len();
        forest.emphasis = 2;
        forest.cut_beyond = true;
        Self { forest, reservoir: 1 << 17, alerts_per_day: 20.0, seed: 1 }
    }
}

/// Why there is no model.
#[derive(Clone, Debug, Error, PartialEq)]
#[non_exhaustive]
pub enum TrainError {
    /// Nothing to learn from.
    #[error("{0} connections are too few to learn from; at least 2 are needed, a few thousand make a useful model")]
    TooFewConnections(u64),
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
    span: Option<(i64, i64)>,
}

impl Trainer {
    /// A trainer that has seen nothing yet.
    pub fn new(params: Params) -> Self {
        let reservoir = Reservoir::new(params.reservoir, params.seed);
        Self { params, extractor: Extractor::new(), reservoir, span: None }
    }

    /// Learns from a connection.
    pub fn observe(&mut self, connection: &Connection<'_>) {
        let row = self.extractor.extract(connection);
        self.reservoir.offer(&row);
        let (first, last) = self.span.unwrap_or((connection.ts, connection.ts));
        self.span = Some((first.min(connection.ts), last.max(connection.ts)));
    }

    /// Lets a connection pass by without learning from it: it is context for those that follow, not an example.
    pub fn pass_by(&mut self, connection: &Connection<'_>) {
        self.extractor.extract(connection);
    }

    /// How many connections were learnt from.
    pub fn observed(&self) -> u64 {
        self.reservoir.seen()
    }

    /// Grows the forest, calibrates it, and sets the threshold.
    ///
    /// # Errors
    /// [`TrainError`] when there are too few connections or a parameter is out of range.
    pub fn fit(self) -> Result<Model, TrainError> {
        let seen = self.reservoir.seen();
        let (Some((first_ts, last_ts)), true) = (self.span, seen >= 2) else {
            return Err(TrainError::TooFewConnections(seen));
        };
        let rarity = Rarity::count(self.reservoir.rows());
        let mut encoded = self.reservoir.rows().to_vec();
        encoded.iter_mut().for_each(|row| rarity.encode(row));
        let rows = Rows::new(encoded.as_flattened(), schema::N_FEATURES)?;
        let mut params = self.params.forest;
        if params.n_trees < params.groups.len() {
            // Too few for a tree to each group: every tree cuts what it likes.
            params.groups.clear();
        }
        let fit = Forest::fit_out_of_bag(rows, &params, self.params.seed)?;
        let provenance = Provenance {
            first_ts,
            last_ts,
            connections: seen,
            rows: rows.len() as u64,
            seed: self.params.seed,
            alerts_per_day: self.params.alerts_per_day,
            ..Provenance::default()
        };
        Ok(Model::new(rarity, fit.forest, Calibration::new(&fit.out_of_bag_scores), provenance))
    }
}

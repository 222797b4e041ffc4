//! Scoring of rows: forest or peer group, discount for routine, and new maxima.

use iforest::{Forest, Matrix};
use serde::{Deserialize, Serialize};

use crate::model::encoder::Encoder;
use crate::model::feature_stats::FeatureStats;
use crate::model::peer_group::PeerGroup;
use crate::schema::{FeatureRow, MAX_COLUMNS, Schema};

/// Factor for the excess of a peer group score over the median: chatter matters less than unicast traffic.
const PEER_EXCESS: f64 = 0.5;
/// Largest share of the excess over the median that is discounted, for an activity of every training day.
const ROUTINE: f64 = 0.9;
/// Share of the training days up to which nothing is discounted. Malware changes the addresses of its servers, so it
/// contacts one network on few days only.
const RARE_ROUTINE: f64 = 1.0 / 3.0;
/// Value of the column `routine` above which an activity recurs. Activity on k of n training days has k / (n + 1), so
/// nothing recurs in one day of training.
const RECURRING: f64 = 0.5;

/// Components of a model that score rows.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct RowScorer {
    pub(crate) encoder: Encoder,
    pub(crate) stats: FeatureStats,
    pub(crate) forest: Forest,
    pub(crate) peers: Option<PeerGroup>,
    /// Median training score, without the peer group.
    pub(crate) median: f64,
}

/// Score of a row, before earlier scores are included.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct RowScore {
    /// Score of the forest, between 0 and 1.
    pub forest: f64,
    /// Share of the distance to 1 by which new maxima (a longer session or larger transfer than any in training) raise
    /// the score.
    pub new_maxima: f64,
    /// Regularity of its activity, see [`PairGain::regularity`](crate::schema::PairGain::regularity).
    pub regularity: f64,
}

/// Cache of scores, see [`iforest::ScoreCache`], for both forests of a model.
#[derive(Clone, Debug, Default)]
pub struct ScoreCache {
    forest: iforest::ScoreCache,
    peers: iforest::ScoreCache,
}

impl ScoreCache {
    /// Creates an empty cache.
    pub fn new() -> Self {
        Self::default()
    }
}

impl RowScorer {
    pub(crate) fn is_peer(&self, schema: &Schema, row: &FeatureRow) -> bool {
        schema.is_peer(row) && !self.forest.is_imported()
    }

    pub(crate) fn score(&self, schema: &Schema, row: &FeatureRow, learnt: bool, cache: &mut ScoreCache) -> RowScore {
        let encoded = self.encoder.encode(row, learnt);
        let forest = match self.is_peer(schema, row) {
            true => self.peer_score(&encoded, cache),
            false => self.forest.score_cached(&encoded, &mut cache.forest),
        };
        self.row_score(schema, &encoded, forest, learnt)
    }

    /// Score of an encoded row of the peer group, by its own forest if there is one. Chatter matters less than unicast
    /// traffic, so only part of the excess over the median counts.
    pub(crate) fn peer_score(&self, encoded: &FeatureRow, cache: &mut ScoreCache) -> f64 {
        let score = match &self.peers {
            Some(peers) => peers.score(encoded, &mut cache.peers),
            None => self.forest.score_cached(encoded, &mut cache.forest),
        };
        score.min(self.median) + (score - self.median).max(0.0) * PEER_EXCESS
    }

    /// Scores of rows; `learnt` marks those of the training.
    pub(crate) fn score_rows(
        &self,
        schema: &Schema,
        rows: &[FeatureRow],
        learnt: &[bool],
        cache: &mut ScoreCache,
    ) -> Vec<RowScore> {
        let (mut encoded, mut forest_scores) = (Vec::with_capacity(rows.len()), Vec::with_capacity(rows.len()));
        for (row, &learnt) in rows.iter().zip(learnt) {
            if !self.is_peer(schema, row) {
                encoded.push(self.encoder.encode(row, learnt));
            }
        }
        if let Ok(rows) = Matrix::new(encoded.as_flattened(), MAX_COLUMNS) {
            self.forest.score_rows(rows, &mut cache.forest, &mut forest_scores);
        }
        let mut scored = encoded.iter().zip(forest_scores);
        let score = |(row, &learnt)| match self.is_peer(schema, row) {
            true => self.score(schema, row, learnt, cache),
            false => scored
                .next()
                .map_or(RowScore::default(), |(encoded, forest)| self.row_score(schema, encoded, forest, learnt)),
        };
        rows.iter().zip(learnt).map(score).collect()
    }

    /// Score of an encoded row from that of the forest: lower for routine, with its new maxima.
    pub(crate) fn row_score(&self, schema: &Schema, row: &FeatureRow, forest: f64, learnt: bool) -> RowScore {
        if self.forest.is_imported() {
            return RowScore { forest, ..RowScore::default() };
        }
        let days = schema.routine.map_or(0.0, |column| f64::from(row[usize::from(column)]));
        let counts = 1.0 - ROUTINE * ((days - RARE_ROUTINE) / (1.0 - RARE_ROUTINE)).max(0.0);
        let forest = forest.min(self.median) + (forest - self.median).max(0.0) * counts;
        RowScore {
            forest,
            new_maxima: self.stats.new_maxima(schema, row, learnt, days > RECURRING),
            regularity: schema.pair_gain.map_or(0.0, |gain| (gain.regularity)(row)),
        }
    }
}

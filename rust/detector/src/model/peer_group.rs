//! Peer group: rows with a separate forest, such as multicast.
//!
//! Chatter (multicast, broadcast, address configuration) differs from unicast traffic in every column, so a common
//! forest would find it anomalous. Its score in each group of columns is mapped to the unicast score of the same
//! quantile, so that one threshold suits both.

use iforest::{Forest, ScoreCache};
use serde::{Deserialize, Serialize};

use crate::schema::FeatureRow;

/// Smallest number of rows of either group for a separate forest.
pub(crate) const MIN_ROWS: usize = 16;
/// Number of rows that give stable quantiles.
const MIN_POINT_ROWS: usize = 8192;
/// Points of a quantile map.
const POINTS: usize = 65;

/// Forest of the peer group, and a quantile map for each of its groups of columns.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct PeerGroup {
    forest: Forest,
    maps: Vec<QuantileMap>,
}

/// Quantiles of one column group's scores, of the peer group and of all other rows.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct QuantileMap {
    from: Vec<f32>,
    to: Vec<f32>,
}

impl PeerGroup {
    /// Builds a peer group from its forest and rows, and those of all others.
    pub(crate) fn new(forest: Forest, peers: &[FeatureRow], others_forest: &Forest, others: &[FeatureRow]) -> Self {
        let (from, to) = (columns(&forest, peers), columns(others_forest, others));
        let maps = from.into_iter().zip(to).map(|(from, to)| QuantileMap { from: quantiles(from), to: quantiles(to) });
        Self { maps: maps.collect(), forest }
    }

    /// Returns true if it has a map with ascending scores for each group of a forest.
    pub(crate) fn is_sound(&self, others: &Forest) -> bool {
        let sound = |points: &[f32]| {
            points.len() == POINTS && points.is_sorted() && points.iter().all(|point| (0.0..=1.0).contains(point))
        };
        let (n_groups, n_features) = (others.n_groups(), others.n_features());
        (self.forest.n_groups(), self.forest.n_features(), self.maps.len()) == (n_groups, n_features, n_groups)
            && self.maps.iter().all(|map| sound(&map.from) && sound(&map.to))
    }

    /// Its trees.
    pub(crate) fn forest(&self) -> &Forest {
        &self.forest
    }

    /// Score of an encoded row on the scale of all other rows. `cache` must be used for this peer group only.
    pub(crate) fn score(&self, row: &FeatureRow, cache: &mut ScoreCache) -> f64 {
        self.forest.score_mapped(row, cache, |group, score| self.maps[group].map(score))
    }
}

impl QuantileMap {
    /// Score of the same quantile among all other rows. A score above the training range keeps its relative distance to
    /// 1.
    fn map(&self, score: f64) -> f64 {
        // Rounded to f32 like the points, so that a score equals its own point.
        let score = f64::from(score as f32);
        let from = |at: usize| f64::from(self.from[at]);
        let to = |at: usize| f64::from(self.to[at.min(POINTS - 1)]);
        let below = self.from.partition_point(|&point| f64::from(point) < score);
        let not_above = self.from.partition_point(|&point| f64::from(point) <= score);
        if below == POINTS {
            let (highest, mapped) = (from(POINTS - 1), to(POINTS - 1));
            return mapped + (1.0 - mapped) * (score - highest) / (1.0 - highest).max(f64::MIN_POSITIVE);
        }
        if not_above == 0 {
            return to(0);
        }
        // Scores form clusters: a score equal to several points is in their middle.
        let at = match not_above > below {
            true => (below + not_above - 1) as f64 / 2.0,
            false => below as f64 - 1.0 + (score - from(below - 1)) / (from(below) - from(below - 1)),
        };
        let whole = at as usize;
        to(whole) + (to(whole + 1) - to(whole)) * (at - whole as f64)
    }
}

/// Scores of evenly selected rows, by group of columns.
fn columns(forest: &Forest, rows: &[FeatureRow]) -> Vec<Vec<f64>> {
    let step = rows.len().div_ceil(MIN_POINT_ROWS).max(1);
    let scores: Vec<Vec<f64>> = rows.iter().step_by(step).map(|row| forest.group_scores(row)).collect();
    (0..forest.n_groups()).map(|group| scores.iter().map(|scores| scores[group]).collect()).collect()
}

fn quantiles(mut scores: Vec<f64>) -> Vec<f32> {
    scores.sort_unstable_by(f64::total_cmp);
    let last = scores.len().saturating_sub(1);
    let point = |i: usize| scores.get((i * last + (POINTS - 1) / 2) / (POINTS - 1)).copied().unwrap_or(0.0) as f32;
    (0..POINTS).map(point).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn map(from: impl Fn(usize) -> f32, to: impl Fn(usize) -> f32) -> QuantileMap {
        QuantileMap { from: (0..POINTS).map(from).collect(), to: (0..POINTS).map(to).collect() }
    }

    #[test]
    fn score_is_mapped_to_the_same_quantile() {
        let map = map(|i| i as f32 / 128.0, |i| 0.25 + i as f32 / 256.0);
        for (score, mapped) in [(0.0, 0.25), (0.25, 0.375), (0.5, 0.5), (0.125 + 1.0 / 256.0, 0.3125 + 1.0 / 512.0)] {
            assert_eq!(map.map(score), mapped, "{score}");
        }
    }

    #[test]
    fn score_of_identical_rows_is_the_median() {
        let map = map(|_| 0.1, |i| i as f32 / 64.0);
        assert_eq!(map.map(f64::from(0.1f32) + 1e-9), 0.5);
    }

    #[test]
    fn score_above_training_keeps_its_relative_distance() {
        let map = map(|_| 0.5, |i| i as f32 / 128.0);
        assert_eq!((map.map(0.75), map.map(1.0)), (0.75, 1.0));
    }

    #[test]
    fn score_of_a_cluster_is_mapped_to_its_middle() {
        let map = map(|i| if i < 32 { 0.25 } else { 0.5 }, |i| i as f32 / 64.0);
        assert_eq!((map.map(0.25), map.map(0.1)), (15.5 / 64.0, 0.0));
    }
}

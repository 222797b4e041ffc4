//! Mean score of the recent connections between two hosts.
//!
//! A single score is noisy. Half of the final score is the mean over the pair's recent connections, so that a pair with
//! only unusual connections ranks above a single odd one.

use serde::{Deserialize, Serialize};

use crate::context::table::{self, Table};

/// Weight of the mean in a score.
const SHARE: f64 = 0.5;
/// Weight of the prior, in typical connections.
const PRIOR: f64 = 0.35;
/// Time in which connections decay to 1/e: a quarter of an hour, in seconds.
const DECAY: f64 = 900.0;
/// Size of the table of pairs, as a power of 2.
const PAIRS: u32 = 16;

/// Decayed sum of a pair's scores, and decayed number of connections.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
pub(crate) struct PairMean {
    sum: f32,
    connections: f32,
}

impl PairMean {
    /// Adds the score of `connections` connections, `since` microseconds after the previous ones. Returns the score
    /// combined with the mean; `typical` is the score of most connections.
    pub(crate) fn add(&mut self, since: Option<i64>, score: f64, connections: f32, typical: f64) -> f64 {
        let decay = since.map_or(0.0, |since| libm::expf((since as f64 / -1e6 / DECAY) as f32));
        let (sum, earlier) = (self.sum * decay, self.connections * decay);
        self.sum = sum + score as f32 * connections;
        self.connections = earlier + connections;
        let mean = (PRIOR * typical + f64::from(sum) + score) / (PRIOR + f64::from(earlier) + 1.0);
        (1.0 - SHARE) * score + SHARE * mean
    }

    fn is_sound(&self) -> bool {
        [self.sum, self.connections].iter().all(|number| (0.0..=f32::MAX).contains(number))
    }
}

/// Means of all pairs, in bounded memory: about 2 megabytes.
#[derive(Clone, Debug)]
pub(crate) struct PairMeans(Table<PairMean>);

impl Default for PairMeans {
    fn default() -> Self {
        Self(Table::new(PAIRS))
    }
}

impl PairMeans {
    /// Pause since the pair's previous connection, and the score of a connection of the pair `key` at time `now`,
    /// including the mean.
    pub(crate) fn add(&mut self, key: u64, now: i64, score: f64, typical: f64) -> (Option<i64>, f64) {
        let visit = self.0.visit(key, now);
        (visit.since, visit.value.add(visit.since, score, 1.0, typical))
    }

    /// Starts fetching the entry of a pair, see [`Table::prefetch`].
    pub(crate) fn prefetch(&self, key: u64) {
        self.0.prefetch(key);
    }

    /// Copy to write to a file.
    pub(crate) fn snapshot(&self) -> table::Snapshot<PairMean> {
        self.0.snapshot()
    }

    /// Means from a file; `None` if it contains impossible values.
    pub(crate) fn from_snapshot(snapshot: table::Snapshot<PairMean>) -> Option<Self> {
        Table::from_snapshot(snapshot, PAIRS, PairMean::is_sound).map(Self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn first_score_moves_towards_the_typical_one() {
        let (pause, score) = PairMeans::default().add(1, 0, 0.8, 0.4);
        assert_eq!(pause, None);
        assert!((score - (0.4 + (0.35 * 0.4 + 0.8) / 2.7)).abs() < 1e-6, "{score}");
    }

    #[test]
    fn pair_of_unusual_connections_rises_and_others_stay() {
        let mut means = PairMeans::default();
        let scores: Vec<f64> = (0..5).map(|i| means.add(1, i * 1_000_000, 0.8, 0.4).1).collect();
        assert!(scores.is_sorted_by(|a, b| a < b), "{scores:?}");
        assert_eq!(means.add(2, 5_000_000, 0.8, 0.4), (None, scores[0]));
    }

    #[test]
    fn old_connections_are_forgotten() {
        let mut means = PairMeans::default();
        let (_, first) = means.add(1, 0, 0.8, 0.4);
        _ = means.add(1, 1, 0.2, 0.4);
        let hour = 3_600_000_000;
        let (_, soon) = means.clone().add(1, 2, 0.8, 0.4);
        let (pause, late) = means.add(1, 3 * hour, 0.8, 0.4);
        assert_eq!(pause, Some(3 * hour - 1));
        assert!((late - first).abs() < 1e-4 && first - soon > 0.05);
    }
}

//! Mean score of the recent connections between two hosts.
//!
//! A single score is noisy. Half of the final score is the mean over the pair's recent connections, so that a pair with
//! only unusual connections ranks above a single odd one. The more often and the more regularly the two hosts connect, the
//! less likely is an unusual mean by chance, so its excess counts for more: beacons, guessing. A burst counts
//! as one contact.

use serde::{Deserialize, Serialize};

use crate::context::table::{Table, TableSnapshot};
use crate::schema::PairGain;

/// Weight of the mean in a score.
const SHARE: f64 = 0.5;
/// Weight of the prior, in typical connections.
const PRIOR: f64 = 0.35;
/// Time in which connections decay to 1/e: a quarter of an hour, in seconds.
const DECAY: f64 = 900.0;
/// Pause in seconds after which a connection counts as a new contact. Shorter pauses count in proportion.
const CONTACT_PAUSE: f32 = 60.0;
/// Largest number of doublings of the number of contacts that count.
const MAX_DOUBLINGS: f32 = 6.0;
/// Size of the table of pairs, as a power of 2.
const PAIRS: u32 = 16;

/// Prior of a pair's mean score.
#[derive(Clone, Copy, Debug)]
pub(crate) struct PairPrior {
    /// Score of most connections.
    pub(crate) score: f64,
    /// Increase of the mean's excess over it, see [`PairGain`].
    pub(crate) gain: Option<PairGain>,
}

/// Decayed sum of a pair's scores, decayed number of connections, and decayed number of contacts after the first.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
pub(crate) struct PairMean {
    sum: f32,
    connections: f32,
    contacts: f32,
}

impl PairMean {
    /// Adds the score and the regularity of `connections` connections, `since` microseconds after the previous ones.
    /// Returns the score combined with the mean.
    pub(crate) fn add(
        &mut self,
        since: Option<i64>,
        score: f64,
        regularity: f64,
        connections: f32,
        prior: PairPrior,
    ) -> f64 {
        let pause = since.map_or(0.0, |since| since.max(0) as f64 / 1e6);
        let decay = libm::expf((-pause / DECAY) as f32);
        // Contacts decay 16 times as slowly as scores, to 1/e in four hours: many beacons pause for half an hour.
        let contacts = self.contacts * decay.sqrt().sqrt().sqrt().sqrt();
        self.contacts = contacts + (pause as f32 / CONTACT_PAUSE).min(connections);
        let (sum, earlier) = (self.sum * decay, self.connections * decay);
        self.sum = sum + score as f32 * connections;
        self.connections = earlier + connections;
        let mean = (PRIOR * prior.score + f64::from(sum) + score) / (PRIOR + f64::from(earlier) + 1.0);
        let excess = mean - prior.score;
        // Half of the pairs have no excess, which saves the logarithm.
        let gain = match prior.gain {
            Some(gain) if excess > 0.0 => {
                let doublings = f64::from(libm::log2f(1.0 + contacts).min(MAX_DOUBLINGS));
                excess * (gain.doubling * doublings + gain.regular * regularity)
            }
            _ => 0.0,
        };
        (1.0 - SHARE) * score + SHARE * (mean + gain).min(1.0)
    }

    fn is_sound(&self) -> bool {
        [self.sum, self.connections, self.contacts].iter().all(|number| (0.0..=f32::MAX).contains(number))
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
    /// Pause since the previous connection of the pair `key`, and the score of one at time `now`, including the mean.
    pub(crate) fn add(
        &mut self,
        key: u64,
        now: i64,
        score: f64,
        regularity: f64,
        prior: PairPrior,
    ) -> (Option<i64>, f64) {
        let visit = self.0.visit(key, now);
        (visit.since, visit.value.add(visit.since, score, regularity, 1.0, prior))
    }

    /// Starts fetching the entry of a pair, see [`Table::prefetch`].
    pub(crate) fn prefetch(&self, key: u64) {
        self.0.prefetch(key);
    }

    /// Copy to write to a file.
    pub(crate) fn snapshot(&self) -> TableSnapshot<PairMean> {
        self.0.snapshot()
    }

    /// Means from a file; `None` if it contains impossible values.
    pub(crate) fn from_snapshot(snapshot: TableSnapshot<PairMean>) -> Option<Self> {
        Table::from_snapshot(snapshot, PAIRS, PairMean::is_sound).map(Self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GAIN: PairGain = PairGain { doubling: 0.05, regular: 0.2, regularity: |_| 0.0 };
    const MODEL_PRIOR: PairPrior = PairPrior { score: 0.4, gain: Some(GAIN) };

    #[test]
    fn first_score_moves_towards_the_typical_one() {
        let (pause, score) = PairMeans::default().add(1, 0, 0.8, 0.0, MODEL_PRIOR);
        assert_eq!(pause, None);
        assert!((score - (0.4 + (0.35 * 0.4 + 0.8) / 2.7)).abs() < 1e-6, "{score}");
    }

    #[test]
    fn pair_of_unusual_connections_rises_and_others_stay() {
        let mut means = PairMeans::default();
        let scores: Vec<f64> = (0..5).map(|i| means.add(1, i * 1_000_000, 0.8, 0.0, MODEL_PRIOR).1).collect();
        assert!(scores.is_sorted_by(|a, b| a < b), "{scores:?}");
        assert_eq!(means.add(2, 5_000_000, 0.8, 0.0, MODEL_PRIOR), (None, scores[0]));
    }

    /// Score of the last of `n` equally unusual connections with this pause, in seconds.
    fn last_of(n: i64, pause: i64) -> f64 {
        last_with(n, pause, 0.6, 0.0)
    }

    fn last_with(n: i64, pause: i64, score: f64, regularity: f64) -> f64 {
        let mut means = PairMeans::default();
        (0..n).map(|i| means.add(1, i * pause * 1_000_000, score, regularity, MODEL_PRIOR).1).last().unwrap()
    }

    #[test]
    fn unusual_mean_counts_for_more_after_many_contacts() {
        let scores = [2, 8, 32].map(|n| last_of(n, 300));
        assert!(scores.is_sorted_by(|a, b| a + 0.005 < *b), "{scores:?}");
        // The gain is limited, and a burst is one contact.
        assert!(last_of(10_000, 60) < 0.6 + 0.5 * 0.2 * 0.3 + 1e-6, "{}", last_of(10_000, 60));
        assert!(last_of(1000, 0) < 0.6, "{}", last_of(1000, 0));
    }

    #[test]
    fn unusual_mean_counts_for_more_at_regular_intervals() {
        let last = |regularity| last_with(20, 300, 0.6, regularity);
        // Half of 20 % of the excess for each unit of regularity.
        let (gain, excess) = (last(2.0) - last(0.0), (last(3.0) - last(2.0)) / 0.1);
        assert!((gain - 0.2 * excess).abs() < 1e-9 && (0.1..0.2).contains(&excess), "{gain} {excess}");
    }

    #[test]
    fn usual_mean_does_not_rise() {
        let last = last_with(100, 300, 0.3, 3.0);
        assert!(last < 0.31, "{last}");
    }

    #[test]
    fn score_stays_within_1() {
        let mut means = PairMeans::default();
        assert!(
            (0..1000)
                .all(|i| means.add(1, i * 60_000_000, 1.0, 0.0, PairPrior { score: 0.0, gain: Some(GAIN) }).1 <= 1.0)
        );
    }

    #[test]
    fn sampled_connections_stand_for_as_many_contacts() {
        let (mut all, mut sampled) = (PairMean::default(), PairMean::default());
        (0..400).for_each(|_| _ = all.add(Some(120_000_000), 0.6, 0.0, 1.0, MODEL_PRIOR));
        (0..100).for_each(|_| _ = sampled.add(Some(480_000_000), 0.6, 0.0, 4.0, MODEL_PRIOR));
        assert!((all.contacts / sampled.contacts - 1.0).abs() < 0.05, "{} {}", all.contacts, sampled.contacts);
    }

    #[test]
    fn old_connections_are_forgotten() {
        let mut means = PairMeans::default();
        let (_, first) = means.add(1, 0, 0.8, 0.0, MODEL_PRIOR);
        _ = means.add(1, 1, 0.2, 0.0, MODEL_PRIOR);
        let hour = 3_600_000_000;
        let (_, soon) = means.clone().add(1, 2, 0.8, 0.0, MODEL_PRIOR);
        let (pause, late) = means.add(1, 3 * hour, 0.8, 0.0, MODEL_PRIOR);
        assert_eq!(pause, Some(3 * hour - 1));
        assert!((late - first).abs() < 1e-4 && first - soon > 0.05);
    }
}

//! Mean score of the recent connections between two hosts.
//!
//! A single score is noisy. Half of the final score is the mean over the pair's recent connections, so that a pair with
//! only unusual connections ranks above a single odd one. The more often the two hosts have met, the less likely is an
//! unusual mean by chance, so its excess counts for more: beacons, controllers, guessing. A burst counts as one meeting.

use serde::{Deserialize, Serialize};

use crate::context::table::{Table, TableSnapshot};

/// Weight of the mean in a score.
const SHARE: f64 = 0.5;
/// Weight of the prior, in typical connections.
const PRIOR: f64 = 0.35;
/// Time in which connections decay to 1/e: a quarter of an hour, in seconds.
const DECAY: f64 = 900.0;
/// Pause after which a connection is another meeting of the two hosts, in seconds; after a shorter one it is a part.
const MEETING: f32 = 60.0;
/// Largest number of doublings of the number of meetings that count.
const DOUBLINGS: f32 = 6.0;
/// Size of the table of pairs, as a power of 2.
const PAIRS: u32 = 16;

/// Typical pair of a model, and the weight of meetings.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Typical {
    /// Score of most connections.
    pub(crate) score: f64,
    /// Increase of the mean's excess over it for each doubling of the number of meetings, see
    /// [`Schema::meeting_gain`](crate::schema::Schema::meeting_gain).
    pub(crate) gain: f64,
}

/// Decayed sum of a pair's scores, decayed number of connections, and decayed number of meetings after the first.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
pub(crate) struct PairMean {
    sum: f32,
    connections: f32,
    meetings: f32,
}

impl PairMean {
    /// Adds the score of `connections` connections, `since` microseconds after the previous ones. Returns the score
    /// combined with the mean.
    pub(crate) fn add(&mut self, since: Option<i64>, score: f64, connections: f32, typical: Typical) -> f64 {
        let pause = since.map_or(0.0, |since| since.max(0) as f64 / 1e6);
        let decay = libm::expf((-pause / DECAY) as f32);
        // Meetings decay 16 times as slowly as scores, to 1/e in four hours: many beacons pause for half an hour.
        let meetings = self.meetings * decay.sqrt().sqrt().sqrt().sqrt();
        self.meetings = meetings + (pause as f32 / MEETING).min(connections);
        let (sum, earlier) = (self.sum * decay, self.connections * decay);
        self.sum = sum + score as f32 * connections;
        self.connections = earlier + connections;
        let mean = (PRIOR * typical.score + f64::from(sum) + score) / (PRIOR + f64::from(earlier) + 1.0);
        let excess = mean - typical.score;
        // Half of the pairs have no excess, which saves the logarithm.
        let gain = match excess > 0.0 && typical.gain > 0.0 {
            true => excess * typical.gain * f64::from(libm::log2f(1.0 + meetings).min(DOUBLINGS)),
            false => 0.0,
        };
        (1.0 - SHARE) * score + SHARE * (mean + gain).min(1.0)
    }

    fn is_sound(&self) -> bool {
        [self.sum, self.connections, self.meetings].iter().all(|number| (0.0..=f32::MAX).contains(number))
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
    pub(crate) fn add(&mut self, key: u64, now: i64, score: f64, typical: Typical) -> (Option<i64>, f64) {
        let visit = self.0.visit(key, now);
        (visit.since, visit.value.add(visit.since, score, 1.0, typical))
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

    const TYPICAL: Typical = Typical { score: 0.4, gain: 0.05 };

    #[test]
    fn first_score_moves_towards_the_typical_one() {
        let (pause, score) = PairMeans::default().add(1, 0, 0.8, TYPICAL);
        assert_eq!(pause, None);
        assert!((score - (0.4 + (0.35 * 0.4 + 0.8) / 2.7)).abs() < 1e-6, "{score}");
    }

    #[test]
    fn pair_of_unusual_connections_rises_and_others_stay() {
        let mut means = PairMeans::default();
        let scores: Vec<f64> = (0..5).map(|i| means.add(1, i * 1_000_000, 0.8, TYPICAL).1).collect();
        assert!(scores.is_sorted_by(|a, b| a < b), "{scores:?}");
        assert_eq!(means.add(2, 5_000_000, 0.8, TYPICAL), (None, scores[0]));
    }

    /// Score of the last of `n` equally unusual connections with this pause, in seconds.
    fn last_of(n: i64, pause: i64) -> f64 {
        let mut means = PairMeans::default();
        (0..n).map(|i| means.add(1, i * pause * 1_000_000, 0.6, TYPICAL).1).last().unwrap()
    }

    #[test]
    fn unusual_mean_counts_for_more_after_many_meetings() {
        let scores = [2, 8, 32].map(|n| last_of(n, 300));
        assert!(scores.is_sorted_by(|a, b| a + 0.005 < *b), "{scores:?}");
        // The gain is limited, and a burst is one meeting.
        assert!(last_of(10_000, 60) < 0.6 + 0.5 * 0.2 * 0.3 + 1e-6, "{}", last_of(10_000, 60));
        assert!(last_of(1000, 0) < 0.6, "{}", last_of(1000, 0));
    }

    #[test]
    fn usual_mean_does_not_rise() {
        let mut means = PairMeans::default();
        let last = (0..100).map(|i| means.add(1, i * 300_000_000, 0.3, TYPICAL).1).last();
        assert!(last < Some(0.31), "{last:?}");
    }

    #[test]
    fn score_stays_within_1() {
        let mut means = PairMeans::default();
        assert!((0..1000).all(|i| means.add(1, i * 60_000_000, 1.0, Typical { score: 0.0, gain: 0.5 }).1 <= 1.0));
    }

    #[test]
    fn sampled_connections_stand_for_as_many_meetings() {
        let (mut all, mut sampled) = (PairMean::default(), PairMean::default());
        (0..400).for_each(|_| _ = all.add(Some(120_000_000), 0.6, 1.0, TYPICAL));
        (0..100).for_each(|_| _ = sampled.add(Some(480_000_000), 0.6, 4.0, TYPICAL));
        assert!((all.meetings / sampled.meetings - 1.0).abs() < 0.05, "{} {}", all.meetings, sampled.meetings);
    }

    #[test]
    fn old_connections_are_forgotten() {
        let mut means = PairMeans::default();
        let (_, first) = means.add(1, 0, 0.8, TYPICAL);
        _ = means.add(1, 1, 0.2, TYPICAL);
        let hour = 3_600_000_000;
        let (_, soon) = means.clone().add(1, 2, 0.8, TYPICAL);
        let (pause, late) = means.add(1, 3 * hour, 0.8, TYPICAL);
        assert_eq!(pause, Some(3 * hour - 1));
        assert!((late - first).abs() < 1e-4 && first - soon > 0.05);
    }
}

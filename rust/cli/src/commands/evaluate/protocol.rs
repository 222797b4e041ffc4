//! Protocols: what is learnt from and what is scored, so that a way of learning can be judged and not only a model.

use anyhow::{Result, bail, ensure};
use rand::SeedableRng;
use rand::rngs::ChaCha8Rng;
use rand::seq::SliceRandom;

use super::log::Log;
use super::trial::{Pass, Split};
use crate::human;

const DAY: i64 = 86_400_000_000;
/// The fewest attacks that thinning leaves: with fewer a figure is mere luck.
const FEWEST_ATTACKS: usize = 5;

/// How the connections of labelled logs are divided into those learnt from and those scored.
#[derive(Debug)]
pub enum Protocol {
    /// Learn from the benign connections of other logs; attacks among them are context only.
    Novelty {
        /// The other logs.
        train: Log,
    },
    /// Thin the attacks to this share of the benign connections, learn from everything that is left, and score it.
    Unlabelled {
        /// Above 0.
        share: f64,
    },
    /// Cut the log into so many pieces of time; learn from the benign connections of all but one, score that one.
    Folds {
        /// At least 2.
        folds: usize,
    },
    /// Learn from the benign connections of one day (UTC) and score the next that has any.
    Days,
}

impl Protocol {
    /// The splits of a log; `seed` decides what is drawn at random.
    ///
    /// # Errors
    /// When the log has too little for the protocol.
    pub fn splits<'a>(&'a self, log: &'a Log, seed: u64) -> Result<Vec<Split<'a>>> {
        let benign = |log: &Log, index: usize| !log.kinds[index].is_malicious();
        match self {
            Self::Novelty { train } => {
                let learn = Pass { log: train, connections: mark(&train.by_time, |index| benign(train, index)) };
                Ok(vec![Split { learn, score: Pass { log, connections: mark(&log.by_time, |_| true) } }])
            }
            Self::Unlabelled { share } => {
                let kept = thinned(log, *share, seed);
                let pass = || Pass { log, connections: mark(&kept, |_| true) };
                Ok(vec![Split { learn: pass(), score: pass() }])
            }
            Self::Folds { folds } => {
                let n = log.by_time.len();
                ensure!(n >= *folds, "{} are too few for {folds} folds", human::counted(n as u64, "connection"));
                let fold = |fold: usize| {
                    let range = n * fold / folds..n * (fold + 1) / folds;
                    let mut inside = vec![false; n];
                    log.by_time[range].iter().for_each(|&index| inside[index] = true);
                    let learn = mark(&log.by_time, |index| !inside[index] && benign(log, index));
                    let score = mark(&log.by_time, |index| inside[index]);
                    Split { learn: Pass { log, connections: learn }, score: Pass { log, connections: score } }
                };
                Ok((0..*folds).map(fold).collect())
            }
            Self::Days => {
                let day = |index: &usize| log.connections.get(*index).ts.div_euclid(DAY);
                let days: Vec<&[usize]> = log.by_time.chunk_by(|a, b| day(a) == day(b)).collect();
                let learnable = |day: &&[usize]| day.iter().filter(|&&index| benign(log, index)).count() >= 2;
                let split = |pair: &[&[usize]]| {
                    let learn = mark(pair[0], |index| benign(log, index));
                    // The detector that scores a day has seen the one before, as on a sensor that keeps running.
                    let mut score = mark(pair[0], |_| false);
                    score.extend(mark(pair[1], |_| true));
                    Split { learn: Pass { log, connections: learn }, score: Pass { log, connections: score } }
                };
                let splits: Vec<_> = days.windows(2).filter(|pair| learnable(&pair[0])).map(split).collect();
                if splits.is_empty() {
                    bail!(
                        "there is no day with benign connections and another after it in {} (UTC)",
                        human::counted(days.len() as u64, "day")
                    );
                }
                Ok(splits)
            }
        }
    }
}

fn mark(indices: &[usize], wanted: impl Fn(usize) -> bool) -> Vec<(usize, bool)> {
    indices.iter().map(|&index| (index, wanted(index))).collect()
}

/// The indices of all benign connections and of a random few of the others, in the order of time.
fn thinned(log: &Log, share: f64, seed: u64) -> Vec<usize> {
    let malicious = |&index: &usize| log.kinds[index].is_malicious();
    let mut attacks: Vec<usize> = log.by_time.iter().copied().filter(malicious).collect();
    let benign = log.kinds.len() - attacks.len();
    let wanted = ((benign as f64 * share) as usize).max(FEWEST_ATTACKS).min(attacks.len());
    let (drawn, _) = attacks.partial_shuffle(&mut ChaCha8Rng::seed_from_u64(seed), wanted);
    let mut keep: Vec<bool> = log.kinds.iter().map(|kind| !kind.is_malicious()).collect();
    drawn.iter().for_each(|&index| keep[index] = true);
    log.by_time.iter().copied().filter(|&index| keep[index]).collect()
}

#[cfg(test)]
mod tests {
    use detector::Connection;

    use super::super::kinds::Kind;
    use super::*;
    use crate::conn_log::Connections;

    /// A log with a connection every hour, every tenth an attack, the later half read before the earlier.
    fn log(n: usize) -> Log {
        let mut connections = Connections::default();
        let order: Vec<usize> = (n / 2..n).chain(0..n / 2).collect();
        let mut kinds = Vec::new();
        for &hour in &order {
            connections.push(Connection { ts: hour as i64 * DAY / 24, ..Connection::default() }, None, None);
            kinds.push(if hour % 10 == 0 { Kind::Attack(0) } else { Kind::Benign });
        }
        let mut by_time: Vec<usize> = (0..n).collect();
        by_time.sort_by_key(|&index| order[index]);
        Log { connections, kinds, by_time }
    }

    fn hours(pass: &Pass<'_>, wanted: bool) -> Vec<i64> {
        let ts = |&(index, _): &(usize, bool)| pass.log.connections.get(index).ts / (DAY / 24);
        pass.connections.iter().filter(|(_, is_wanted)| *is_wanted == wanted).map(ts).collect()
    }

    #[test]
    fn thinning_keeps_the_benign_and_draws_the_attacks_anew_for_each_seed() {
        let log = log(1000);
        let drawn = |seed| {
            let splits = Protocol::Unlabelled { share: 0.02 }.splits(&log, seed).unwrap();
            let kept = hours(&splits[0].score, true);
            assert!(kept.is_sorted());
            assert_eq!(kept, hours(&splits[0].learn, true));
            assert_eq!(kept.iter().filter(|hour| *hour % 10 != 0).count(), 900);
            kept.into_iter().filter(|hour| hour % 10 == 0).collect::<Vec<_>>()
        };
        assert_eq!(drawn(1).len(), 18);
        assert_eq!(drawn(1), drawn(1));
        assert_ne!(drawn(1), drawn(2));
    }

    #[test]
    fn thinning_leaves_five_attacks_if_there_are_so_many() {
        for (n, attacks) in [(100, 5), (40, 4)] {
            assert_eq!(thinned(&log(n), 0.02, 1).len(), n - n / 10 + attacks);
        }
    }

    #[test]
    fn every_connection_is_scored_in_one_fold_and_learnt_from_in_the_others() {
        let log = log(103);
        let splits = Protocol::Folds { folds: 4 }.splits(&log, 1).unwrap();
        let mut all = Vec::new();
        for split in &splits {
            let scored = hours(&split.score, true);
            let learnt = hours(&split.learn, true);
            assert!(learnt.iter().all(|hour| hour % 10 != 0 && !scored.contains(hour)));
            assert_eq!(learnt.len(), 92 - scored.iter().filter(|hour| *hour % 10 != 0).count());
            all.extend(scored);
        }
        assert_eq!(all, (0..103).collect::<Vec<_>>());
        assert!(Protocol::Folds { folds: 104 }.splits(&log, 1).is_err());
    }

    #[test]
    fn a_day_is_scored_by_what_the_day_before_taught() {
        let log = log(60);
        let splits = Protocol::Days.splits(&log, 1).unwrap();
        assert_eq!(splits.len(), 2);
        assert_eq!(hours(&splits[0].learn, true).len(), 24 - 3);
        assert_eq!(hours(&splits[0].score, true), (24..48).collect::<Vec<_>>());
        assert_eq!(hours(&splits[1].score, false), (24..48).collect::<Vec<_>>());
        assert_eq!(hours(&splits[1].score, true), (48..60).collect::<Vec<_>>());
        assert!(Protocol::Days.splits(&self::log(24), 1).is_err());
    }
}

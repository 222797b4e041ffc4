//! Evaluation protocols: splits of labelled logs into training and test records.

use anyhow::{Result, bail, ensure};
use detector::Params;
use detector::units::DAY;
use rand::SeedableRng;
use rand::rngs::ChaCha8Rng;
use rand::seq::SliceRandom;

use super::labelled_log::LabelledLog;
use super::labelled_score::LabelledScore;
use super::split::{Pass, Split};
use crate::format;

/// Minimum number of attacks after thinning; fewer give random metrics.
const MIN_ATTACKS: usize = 5;

/// Division of labelled logs into training and test records.
#[derive(Debug)]
pub enum Protocol {
    /// Train on the benign records of other logs; their attacks are context only.
    Novelty {
        /// The other logs.
        train: LabelledLog,
    },
    /// Drop attacks at random until this share of the benign connections is left, then train on and score what remains.
    Unlabelled {
        /// Above 0.
        share: f64,
    },
    /// Cross-validation over intervals: train on the benign records of all but one, and score that one.
    Folds {
        /// At least 2.
        folds: usize,
    },
    /// Train on the benign records of one day (UTC) and score the next.
    Days,
}

impl Protocol {
    /// Scored records of all splits for one seed, in order of end time.
    ///
    /// # Errors
    /// If the log is too small for the protocol, or all records to score are of one class.
    pub fn run(&self, log: &LabelledLog, params: &Params, seed: u64) -> Result<Vec<LabelledScore>> {
        let mut params = params.clone();
        params.seed = seed;
        let mut scored = Vec::new();
        for split in self.splits(log, seed)? {
            scored.extend(split.run(&params)?);
        }
        let malicious = scored.iter().filter(|scored| scored.class.is_malicious()).count();
        if malicious == 0 || malicious == scored.len() {
            bail!("the protocol leaves {} of only one class to score; give a longer log", log.log.nouns());
        }
        scored.sort_by_key(|scored| scored.ended);
        Ok(scored)
    }

    /// Splits a log; `seed` determines random choices.
    ///
    /// # Errors
    /// If the log is too small for the protocol.
    fn splits<'a>(&'a self, log: &'a LabelledLog, seed: u64) -> Result<Vec<Split<'a>>> {
        let benign = |log: &LabelledLog, index: usize| !log.classes[index].is_malicious();
        match self {
            Self::Novelty { train } => {
                let learn = Pass { log: train, records: mark(&train.by_time, |index| benign(train, index)) };
                Ok(vec![Split { learn, score: Pass { log, records: mark(&log.by_time, |_| true) } }])
            }
            Self::Unlabelled { share } => {
                let kept = thinned(log, *share, seed);
                let pass = || Pass { log, records: mark(&kept, |_| true) };
                Ok(vec![Split { learn: pass(), score: pass() }])
            }
            Self::Folds { folds } => {
                let n = log.by_time.len();
                let records = format::counted(n as u64, log.log.noun());
                ensure!(n >= *folds, "{records} are too few for {folds} folds");
                let fold = |fold: usize| {
                    let range = n * fold / folds..n * (fold + 1) / folds;
                    let mut inside = vec![false; n];
                    log.by_time[range].iter().for_each(|&index| inside[index] = true);
                    let learn = mark(&log.by_time, |index| !inside[index] && benign(log, index));
                    let score = mark(&log.by_time, |index| inside[index]);
                    Split { learn: Pass { log, records: learn }, score: Pass { log, records: score } }
                };
                Ok((0..*folds).map(fold).collect())
            }
            Self::Days => {
                let day = |index: &usize| log.records.get(*index).ts().div_euclid(DAY);
                let days: Vec<&[usize]> = log.by_time.chunk_by(|a, b| day(a) == day(b)).collect();
                let learnable = |day: &&[usize]| day.iter().filter(|&&index| benign(log, index)).count() >= 2;
                let split = |pair: &[&[usize]]| {
                    let learn = mark(pair[0], |index| benign(log, index));
                    // The previous day is context, as on a sensor that runs all the time.
                    let mut score = mark(pair[0], |_| false);
                    score.extend(mark(pair[1], |_| true));
                    Split { learn: Pass { log, records: learn }, score: Pass { log, records: score } }
                };
                let splits: Vec<_> = days.windows(2).filter(|pair| learnable(&pair[0])).map(split).collect();
                if splits.is_empty() {
                    bail!(
                        "no day with benign {} is followed by another in {} (UTC)",
                        log.log.nouns(),
                        format::counted(days.len() as u64, "day")
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

/// Indices of all benign records and of a random sample of the others, in order of time.
fn thinned(log: &LabelledLog, share: f64, seed: u64) -> Vec<usize> {
    let malicious = |&index: &usize| log.classes[index].is_malicious();
    let mut attacks: Vec<usize> = log.by_time.iter().copied().filter(malicious).collect();
    let benign = log.classes.len() - attacks.len();
    let wanted = ((benign as f64 * share) as usize).max(MIN_ATTACKS).min(attacks.len());
    let (drawn, _) = attacks.partial_shuffle(&mut ChaCha8Rng::seed_from_u64(seed), wanted);
    let mut keep: Vec<bool> = log.classes.iter().map(|class| !class.is_malicious()).collect();
    drawn.iter().for_each(|&index| keep[index] = true);
    log.by_time.iter().copied().filter(|&index| keep[index]).collect()
}

#[cfg(test)]
mod tests {
    use detector::{Connection, LogKind, LogRecord};

    use super::super::attack_labels::Class;
    use super::*;
    use crate::input::records::Records;

    /// Log with a record every hour, every tenth an attack, with the second half first.
    fn log(n: usize) -> LabelledLog {
        let mut records = Records::default();
        let order: Vec<usize> = (n / 2..n).chain(0..n / 2).collect();
        let mut classes = Vec::new();
        for &hour in &order {
            records.push(
                &LogRecord::Conn(Connection { ts: hour as i64 * DAY / 24, ..Connection::default() }),
                None,
                None,
            );
            classes.push(if hour % 10 == 0 { Class::Attack(0) } else { Class::Benign });
        }
        let mut by_time: Vec<usize> = (0..n).collect();
        by_time.sort_by_key(|&index| order[index]);
        LabelledLog { log: LogKind::Conn, records, classes, by_time }
    }

    fn hours(pass: &Pass<'_>, wanted: bool) -> Vec<i64> {
        let ts = |&(index, _): &(usize, bool)| pass.log.records.get(index).ts() / (DAY / 24);
        pass.records.iter().filter(|(_, is_wanted)| *is_wanted == wanted).map(ts).collect()
    }

    #[test]
    fn thinning_samples_attacks_by_seed() {
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
    fn thinning_leaves_at_least_five_attacks() {
        for (n, attacks) in [(100, 5), (40, 4)] {
            assert_eq!(thinned(&log(n), 0.02, 1).len(), n - n / 10 + attacks);
        }
    }

    #[test]
    fn folds_partition_the_records() {
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
    fn days_train_on_the_day_before() {
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

//! How well scores separate malicious connections from the others: exact figures in constant memory.
//!
//! A score is a whole number of millionths, so counting how many connections of each kind have each score loses nothing.

use serde::Serialize;

use crate::score_text::millionths;

const LEVELS: usize = 1_000_001;

/// How many connections of each kind have each score.
#[derive(Debug)]
pub struct Ranking {
    /// Indexed by the score in millionths.
    levels: Vec<Level>,
    benign: u64,
    malicious: u64,
}

#[derive(Clone, Copy, Debug, Default)]
struct Level {
    benign: u64,
    malicious: u64,
}

/// What an analyst sees who looks at the most anomalous connections only.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct AtAlerts {
    /// How many connections are looked at.
    pub alerts: u64,
    /// The share of them that is malicious.
    pub precision: f64,
    /// The share of all malicious connections that is among them.
    pub recall: f64,
    /// The score of the least anomalous of them.
    pub score: f64,
}

impl Ranking {
    /// Nothing counted yet.
    pub fn new() -> Self {
        Self { levels: vec![Level::default(); LEVELS], benign: 0, malicious: 0 }
    }

    /// Counts a connection.
    pub fn add(&mut self, score: f64, malicious: bool) {
        let level = &mut self.levels[millionths(score) as usize];
        if malicious {
            level.malicious += 1;
            self.malicious += 1;
        } else {
            level.benign += 1;
            self.benign += 1;
        }
    }

    /// How many malicious connections were counted.
    pub fn malicious(&self) -> u64 {
        self.malicious
    }

    /// How many others.
    pub fn benign(&self) -> u64 {
        self.benign
    }

    /// The area under the ROC curve: the chance that a malicious connection scores higher than another, a tie counting
    /// half. `NaN` unless there are both.
    pub fn roc_auc(&self) -> f64 {
        let mut below = 0;
        let mut twice_wins = 0u128;
        for level in &self.levels {
            twice_wins += u128::from(level.malicious) * u128::from(2 * below + level.benign);
            below += level.benign;
        }
        twice_wins as f64 / (2.0 * self.malicious as f64 * self.benign as f64)
    }

    /// The average precision: the sum over all thresholds of the precision there times the recall gained there, as
    /// scikit-learn's `average_precision_score`. `NaN` unless there is a malicious connection.
    pub fn average_precision(&self) -> f64 {
        let (mut hits, mut alerts, mut sum) = (0, 0, 0.0);
        for level in self.levels.iter().rev().filter(|level| level.malicious + level.benign > 0) {
            hits += level.malicious;
            alerts += level.malicious + level.benign;
            sum += level.malicious as f64 * hits as f64 / alerts as f64;
        }
        sum / self.malicious as f64
    }

    /// The figures for that many alerts. Of connections whose equal scores straddle the number, the expected share
    /// counts.
    pub fn at(&self, alerts: u64) -> AtAlerts {
        let (mut hits, mut seen, mut score) = (0.0, 0, 0);
        for (i, level) in self.levels.iter().enumerate().rev() {
            let here = level.malicious + level.benign;
            if here == 0 {
                continue;
            }
            let taken = here.min(alerts - seen);
            hits += level.malicious as f64 * taken as f64 / here as f64;
            seen += taken;
            score = i;
            if seen == alerts {
                break;
            }
        }
        AtAlerts {
            alerts: seen,
            precision: hits / seen as f64,
            recall: hits / self.malicious as f64,
            score: score as f64 / 1e6,
        }
    }

    /// The figures for 10, 20, 50, 100, ... alerts, until every malicious connection is found or none is left.
    pub fn at_rising_alerts(&self) -> Vec<AtAlerts> {
        let rising = (1..).flat_map(|power| [1, 2, 5].map(|n| n * 10u64.pow(power)));
        let mut found = Vec::new();
        for alerts in rising.take_while(|&alerts| alerts < self.malicious + self.benign) {
            found.push(self.at(alerts));
            if found.last().is_some_and(|at| at.recall >= 1.0) {
                break;
            }
        }
        found
    }

    /// The figures when every connection with at least this score is an alert; `None` if there is none.
    pub fn at_threshold(&self, threshold: f64) -> Option<AtAlerts> {
        let lowest = (threshold * 1e6).ceil() as usize;
        let alerts = self.levels.iter().skip(lowest).map(|level| level.malicious + level.benign).sum();
        (alerts > 0).then(|| self.at(alerts))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ranking(scores: &[(f64, bool)]) -> Ranking {
        let mut ranking = Ranking::new();
        scores.iter().for_each(|&(score, malicious)| ranking.add(score, malicious));
        ranking
    }

    #[test]
    fn figures_worked_out_by_hand() {
        // From the top: M, B, then M and B tied, then M, B, B.
        let r =
            ranking(&[(0.9, true), (0.8, false), (0.7, true), (0.7, false), (0.6, true), (0.5, false), (0.4, false)]);
        // Of 12 pairs: the first M wins 4; the tied one wins 2 and ties 1; the last wins 2.
        assert_eq!(r.roc_auc(), (4.0 + 2.5 + 2.0) / 12.0);
        // Thresholds: 1/1, then 2/4 with the tie taken together, then 3/5.
        assert!((r.average_precision() - (1.0 + 0.5 + 0.6) / 3.0).abs() < 1e-15);
        assert_eq!(r.at(2), AtAlerts { alerts: 2, precision: 0.5, recall: 1.0 / 3.0, score: 0.8 });
        // The third alert is one of the tied two: half a hit.
        assert_eq!(r.at(3), AtAlerts { alerts: 3, precision: 0.5, recall: 0.5, score: 0.7 });
        assert_eq!(r.at_threshold(0.6).map(|at| (at.alerts, at.recall)), Some((5, 1.0)));
        assert_eq!(r.at_threshold(0.95), None);
        assert_eq!(r.at_threshold(0.900_000_1), None);
    }

    #[test]
    fn alert_counts_rise_until_all_is_found() {
        let scores: Vec<_> = (0..1_000).map(|i| (f64::from(i) / 1e3, i == 950)).collect();
        let alerts: Vec<_> = ranking(&scores).at_rising_alerts().iter().map(|at| at.alerts).collect();
        assert_eq!(alerts, [10, 20, 50]);
        let scores: Vec<_> = (0..60).map(|i| (f64::from(i) / 1e3, i == 0)).collect();
        let alerts: Vec<_> = ranking(&scores).at_rising_alerts().iter().map(|at| at.alerts).collect();
        assert_eq!(alerts, [10, 20, 50]);
    }

    #[test]
    fn one_kind_alone_has_no_area() {
        assert!(ranking(&[(0.5, true)]).roc_auc().is_nan());
        assert!(ranking(&[(0.5, false)]).average_precision().is_nan());
    }
}

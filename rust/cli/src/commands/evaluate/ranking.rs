//! Exact ranking metrics: how well scores separate malicious from benign connections.
//!
//! Scores are whole millionths. Connections with equal scores are tied, and no metric depends on their order.

use serde::Serialize;

/// Numbers of benign and malicious connections at each score.
#[derive(Debug)]
pub struct Ranking {
    /// Distinct scores in descending order.
    levels: Vec<Level>,
    pub benign: u64,
    pub malicious: u64,
}

#[derive(Clone, Copy, Debug)]
struct Level {
    /// In millionths.
    score: u32,
    benign: u64,
    malicious: u64,
}

/// Metrics of the most anomalous connections.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct AtAlerts {
    /// Number of connections.
    pub alerts: u64,
    /// Share of them that is malicious.
    pub precision: f64,
    /// Share of all malicious connections that is among them.
    pub recall: f64,
    /// Lowest score of them.
    pub score: f64,
}

impl Ranking {
    /// Builds a ranking from scores in millionths and whether each connection is malicious, in any order.
    pub fn new(scores: impl IntoIterator<Item = (u32, bool)>) -> Self {
        let mut scores: Vec<_> = scores.into_iter().collect();
        scores.sort_unstable_by_key(|&(score, _)| std::cmp::Reverse(score));
        let tied = scores.chunk_by(|(a, _), (b, _)| a == b);
        let levels: Vec<_> = tied
            .map(|tied| {
                let malicious = tied.iter().filter(|(_, malicious)| *malicious).count() as u64;
                Level { score: tied[0].0, benign: tied.len() as u64 - malicious, malicious }
            })
            .collect();
        let benign = levels.iter().map(|level| level.benign).sum();
        let malicious = levels.iter().map(|level| level.malicious).sum();
        Self { levels, benign, malicious }
    }

    /// Area under the ROC curve: the probability that a malicious connection scores higher than a benign one, ties
    /// counting half. `NaN` without connections of both classes.
    pub fn roc_auc(&self) -> f64 {
        let mut below = 0;
        let mut twice_wins = 0u128;
        for level in self.levels.iter().rev() {
            twice_wins += u128::from(level.malicious) * u128::from(2 * below + level.benign);
            below += level.benign;
        }
        twice_wins as f64 / (2.0 * self.malicious as f64 * self.benign as f64)
    }

    /// Average precision: the sum of precision times gain in recall over all thresholds, as scikit-learn's
    /// `average_precision_score`. `NaN` without a malicious connection.
    pub fn average_precision(&self) -> f64 {
        let (mut hits, mut alerts, mut sum) = (0, 0, 0.0);
        for level in &self.levels {
            hits += level.malicious;
            alerts += level.malicious + level.benign;
            sum += level.malicious as f64 * hits as f64 / alerts as f64;
        }
        sum / self.malicious as f64
    }

    /// Numbers of malicious and benign connections at or above each threshold, the highest first: the points of the ROC
    /// and precision-recall curves.
    pub fn passing(&self) -> impl Iterator<Item = (u64, u64)> {
        self.levels.iter().scan((0, 0), |(malicious, benign), level| {
            *malicious += level.malicious;
            *benign += level.benign;
            Some((*malicious, *benign))
        })
    }

    /// Metrics for this number of alerts, at least one. If tied connections straddle it, their expected share counts.
    pub fn at(&self, alerts: u64) -> AtAlerts {
        let (mut hits, mut seen, mut score) = (0.0, 0, 0);
        for level in &self.levels {
            let here = level.malicious + level.benign;
            let taken = here.min(alerts - seen);
            hits += level.malicious as f64 * taken as f64 / here as f64;
            seen += taken;
            score = level.score;
            if seen == alerts {
                break;
            }
        }
        AtAlerts {
            alerts: seen,
            precision: hits / seen as f64,
            recall: hits / self.malicious as f64,
            score: f64::from(score) / 1e6,
        }
    }

    /// 10, 20, 50, 100, ... alerts, until all malicious connections are found or no connections are left.
    pub fn rising_alerts(&self) -> Vec<u64> {
        let rising = (1..).flat_map(|power| [1, 2, 5].map(|n| n * 10u64.pow(power)));
        let mut found = Vec::new();
        for alerts in rising.take_while(|&alerts| alerts < self.malicious + self.benign) {
            found.push(alerts);
            if self.at(alerts).recall >= 1.0 {
                break;
            }
        }
        found
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::score_text::millionths;

    fn ranking(scores: &[(f64, bool)]) -> Ranking {
        Ranking::new(scores.iter().map(|&(score, malicious)| (millionths(score), malicious)))
    }

    #[test]
    fn metrics_match_manual_calculation() {
        // In descending order: M, B, then M and B tied, then M, B, B.
        let r =
            ranking(&[(0.9, true), (0.8, false), (0.7, true), (0.7, false), (0.6, true), (0.5, false), (0.4, false)]);
        // Of 12 pairs: the first M wins 4; the tied one wins 2 and ties 1; the last wins 2.
        assert_eq!(r.roc_auc(), (4.0 + 2.5 + 2.0) / 12.0);
        // Thresholds: 1/1, then 2/4 with the tie taken together, then 3/5.
        assert!((r.average_precision() - (1.0 + 0.5 + 0.6) / 3.0).abs() < 1e-15);
        assert_eq!(r.at(2), AtAlerts { alerts: 2, precision: 0.5, recall: 1.0 / 3.0, score: 0.8 });
        // The third alert is one of the tied two: half a hit.
        assert_eq!(r.at(3), AtAlerts { alerts: 3, precision: 0.5, recall: 0.5, score: 0.7 });
        assert_eq!(r.passing().collect::<Vec<_>>(), [(1, 0), (1, 1), (2, 2), (3, 2), (3, 3), (3, 4)]);
    }

    #[test]
    fn alert_counts_rise_until_all_attacks_are_found() {
        let scores: Vec<_> = (0..1_000).map(|i| (f64::from(i) / 1e3, i == 950)).collect();
        assert_eq!(ranking(&scores).rising_alerts(), [10, 20, 50]);
        let scores: Vec<_> = (0..60).map(|i| (f64::from(i) / 1e3, i == 0)).collect();
        assert_eq!(ranking(&scores).rising_alerts(), [10, 20, 50]);
    }

    #[test]
    fn area_needs_both_classes() {
        assert!(ranking(&[(0.5, true)]).roc_auc().is_nan());
        assert!(ranking(&[(0.5, false)]).average_precision().is_nan());
    }
}

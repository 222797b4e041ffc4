//! Calibration: distribution of out-of-bag scores, and thresholds for alert budgets.

use serde::{Deserialize, Serialize};

use crate::model::pareto_tail::GeneralisedPareto;

/// Resolution of stored and compared scores: a millionth, as in a log.
pub(crate) const SCORE_UNITS: f64 = 1e6;

/// Share of the scores, the highest ones, that the tail is fitted to, and their smallest number.
const TAIL_SHARE: f64 = 0.01;
const MIN_EXCESSES: usize = 50;
/// Share of the gap between the highest score and 1 that an extrapolated threshold may cross. An anomaly
/// stronger than any in training must be able to reach the threshold, however small the budget.
const HEADROOM: f64 = 0.5;

/// Largest mean number of alerts in a burst, if bursts count once.
pub(crate) const MAX_BURST: f64 = 6.0;

/// Share of the alert budget reserved for accumulated evidence.
const EVIDENCE_SHARE: f64 = 0.1;
/// Largest budget for accumulated evidence, in reports a day.
pub(crate) const MAX_EVIDENCE_PER_DAY: f64 = 10.0;

/// Reports of accumulated evidence per day within an alert budget.
pub(crate) fn evidence_per_day(alerts_per_day: f64) -> f64 {
    (alerts_per_day * EVIDENCE_SHARE).min(MAX_EVIDENCE_PER_DAY)
}

/// Distribution of out-of-bag scores: each row is scored by trees that have not seen it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Calibration {
    /// Scores in millionths, ascending, each as the difference from the previous one, which takes a byte or two.
    differences: Vec<u32>,
    /// The highest score of each burst in the same form; empty if every row counts.
    bursts: Vec<u32>,
}

/// Scores in ascending order, as differences in millionths.
fn differences(scores: &[f64]) -> Vec<u32> {
    let mut units: Vec<u32> = scores.iter().map(|score| (score * SCORE_UNITS).round_ties_even() as u32).collect();
    units.sort_unstable();
    let mut last = 0;
    units.into_iter().map(|unit| unit - std::mem::replace(&mut last, unit)).collect()
}

fn sums(differences: &[u32]) -> impl Iterator<Item = f64> {
    differences.iter().scan(0u64, |sum, &difference| {
        *sum += u64::from(difference);
        Some(*sum as f64 / SCORE_UNITS)
    })
}

impl Calibration {
    /// Builds the distribution from one score per row, in any order.
    pub fn new(scores: &[f64]) -> Self {
        Self { differences: differences(scores), bursts: Vec::new() }
    }

    /// Adds the highest scores of the bursts that the rows belong to: alerts of a burst count once.
    pub(crate) fn with_bursts(self, highest: &[f64]) -> Self {
        Self { bursts: differences(highest), ..self }
    }

    /// Returns true if no score is above 1.
    pub(crate) fn is_sound(&self) -> bool {
        let highest = |differences: &[u32]| differences.iter().map(|&difference| u64::from(difference)).sum::<u64>();
        highest(&self.differences).max(highest(&self.bursts)) <= SCORE_UNITS as u64
    }

    /// Number of scores.
    pub fn len(&self) -> usize {
        self.differences.len()
    }

    /// Returns true if there are no scores.
    pub fn is_empty(&self) -> bool {
        self.differences.is_empty()
    }

    /// Scores in ascending order.
    pub fn scores(&self) -> impl Iterator<Item = f64> {
        sums(&self.differences)
    }

    /// Threshold that about this share of the traffic reaches.
    ///
    /// For a share of one or more scores it is an empirical quantile, with ties decided for fewer alerts: real traffic
    /// repeats itself, so high scores form clusters that no smooth tail describes. For smaller shares the highest scores
    /// are extrapolated by a generalised Pareto distribution (peaks over threshold, as in SPOT: Siffer et al., KDD 2017),
    /// fitted by probability-weighted moments (Hosking and Wallis, Technometrics 1987), up to halfway between the highest
    /// score and 1, and not below the quantile of one score. Only a share of 0 gives a threshold above 1.
    pub fn threshold(&self, share: f64) -> f64 {
        threshold(&self.scores().collect::<Vec<_>>(), share)
    }

    /// Threshold that as many bursts reach as this share of the rows, with at most [`MAX_BURST`] rows each on average.
    ///
    /// If the rows are a sample of the traffic, each burst counts as if it had one row, which gives fewer alerts.
    pub(crate) fn threshold_for_bursts(&self, share: f64) -> f64 {
        if self.bursts.is_empty() {
            return self.threshold(share);
        }
        let bursts: Vec<f64> = sums(&self.bursts).collect();
        let of_bursts = share * self.len() as f64 / bursts.len() as f64;
        threshold(&bursts, of_bursts).max(self.threshold((share * MAX_BURST).min(1.0)))
    }

    /// Returns true if bursts count once.
    pub(crate) fn has_bursts(&self) -> bool {
        !self.bursts.is_empty()
    }

    /// Returns true if the share is less than one of the scores, so that its threshold is extrapolated.
    pub fn is_extrapolated(&self, share: f64) -> bool {
        share > 0.0 && share * (self.len() as f64) < 1.0
    }
}

/// Threshold that about this share of the ascending scores reaches; see [`Calibration::threshold`].
fn threshold(scores: &[f64], share: f64) -> f64 {
    // A budget without alerts.
    if share <= 0.0 {
        return just_above(1.0);
    }
    let expected = scores.len() as f64 * share;
    let excesses = ((scores.len() as f64 * TAIL_SHARE) as usize).max(MIN_EXCESSES);
    let empirical = |rank: usize| just_above(scores.iter().rev().nth(rank).copied().unwrap_or(0.0));
    if expected >= 1.0 || excesses >= scores.len() {
        return empirical(expected as usize);
    }
    let (body, tail) = scores.split_at(scores.len() - excesses);
    let base = body.last().copied().unwrap_or(0.0);
    let beyond = GeneralisedPareto::fit(tail.iter().map(|score| score - base)).quantile(expected / excesses as f64);
    let highest = tail.last().copied().unwrap_or(base);
    let extrapolated = just_above((base + beyond).min(highest + (1.0 - highest) * HEADROOM));
    // The fit underestimates a tail that ends in a cluster of equal scores.
    extrapolated.max(empirical(1)).min(1.0)
}

/// Surprisal of each score: -ln of the share of calibration scores that are not lower, in steps of 1/4096.
#[derive(Clone, Debug, Default)]
pub(crate) struct ScoreSurprisal(Vec<f32>);

impl ScoreSurprisal {
    const STEPS: f64 = 4096.0;

    pub(crate) fn new(calibration: &Calibration) -> Self {
        let n = calibration.len() as f64;
        let mut below = calibration.scores().peekable();
        let mut passed = 0.0;
        let steps = (0..=Self::STEPS as u32).map(|step| {
            while below.next_if(|score| *score < f64::from(step) / Self::STEPS).is_some() {
                passed += 1.0;
            }
            -libm::log((n - passed + 1.0) / (n + 1.0)) as f32
        });
        Self(steps.collect())
    }

    pub(crate) fn of(&self, score: f64) -> f32 {
        self.0.get((score * Self::STEPS) as u32 as usize).copied().unwrap_or(0.0)
    }
}

/// Next millionth above a score.
fn just_above(score: f64) -> f64 {
    ((score * SCORE_UNITS).round() + 1.0) / SCORE_UNITS
}

#[cfg(test)]
mod tests {
    use super::*;

    impl Calibration {
        /// Scores as in a file.
        pub(crate) fn of_differences(differences: Vec<u32>) -> Self {
            Self { differences, bursts: Vec::new() }
        }
    }

    fn even(n: usize) -> Calibration {
        let scores: Vec<f64> = (0..n).map(|i| i as f64 / n as f64).collect();
        Calibration::new(&scores)
    }

    fn passing(calibration: &Calibration, threshold: f64) -> usize {
        calibration.scores().filter(|&score| score >= threshold).count()
    }

    #[test]
    fn evidence_has_a_share_of_the_alert_budget() {
        assert_eq!((evidence_per_day(50.0), evidence_per_day(1000.0)), (5.0, 10.0));
    }

    #[test]
    fn returns_scores_in_ascending_order() {
        let calibration = Calibration::new(&[0.5, 0.25, 0.5, 0.125]);
        assert_eq!(calibration.scores().collect::<Vec<_>>(), [0.125, 0.25, 0.5, 0.5]);
        assert_eq!((calibration.len(), calibration.is_empty()), (4, false));
        assert!(Calibration::default().is_empty());
    }

    #[test]
    fn rejects_scores_above_1() {
        assert!(Calibration::default().is_sound() && Calibration::new(&[0.25, 1.0, 1.0]).is_sound());
        let of = |differences: &[u32]| Calibration::of_differences(differences.to_vec()).is_sound();
        assert!(of(&[400_000, 600_000]) && !of(&[400_000, 600_001]) && !of(&[4_000_000]) && !of(&[u32::MAX; 9]));
    }

    #[test]
    fn large_share_uses_the_empirical_quantile() {
        let calibration = even(10_000);
        for alerts in [1, 4, 100, 5000] {
            assert_eq!(passing(&calibration, calibration.threshold(alerts as f64 / 10_000.0)), alerts);
        }
        assert_eq!(passing(&calibration, calibration.threshold(1.0)), 9999);
    }

    #[test]
    fn share_of_one_or_more_scores_ignores_the_distance_to_the_highest() {
        let scores: Vec<f64> = (0..999).map(|i| f64::from(i) / 2000.0).chain([0.9]).collect();
        for alerts in [1.0, 1.7, 3.2] {
            let calibration = Calibration::new(&scores);
            assert_eq!(passing(&calibration, calibration.threshold(alerts / 1000.0)), alerts as usize);
        }
        assert_eq!(Calibration::new(&scores).threshold(0.0017), 0.499_001);
    }

    #[test]
    fn alerts_of_a_burst_count_once_up_to_a_mean_of_six() {
        // 100 rows in bursts of four, and many usual rows that are bursts of one.
        let mut scores: Vec<f64> = (0..1000).map(|i| 0.3 + f64::from(i) / 1e5).collect();
        let mut highest = scores.clone();
        for burst in 0..25 {
            let score = 0.6 + f64::from(burst) / 1e3;
            scores.extend([score; 4]);
            highest.push(score);
        }
        let calibration = Calibration::new(&scores).with_bursts(&highest);
        let alerts = |expected: f64| {
            let threshold = calibration.threshold_for_bursts(expected / scores.len() as f64);
            highest.iter().filter(|&&score| score >= threshold).count()
        };
        assert_eq!((alerts(5.0), alerts(20.0)), (5, 20));
        // 200 bursts are 275 rows, fewer than six per burst.
        assert_eq!(alerts(200.0), 200);
        // Only the bursts of four: ten of them are 40 rows.
        let long = Calibration::new(&scores).with_bursts(&highest[1000..]);
        let threshold = long.threshold_for_bursts(10.0 / scores.len() as f64);
        assert_eq!(scores.iter().filter(|&&score| score >= threshold).count(), 40);
        let even = even(1000);
        assert_eq!(even.threshold_for_bursts(0.01), even.threshold(0.01));
        assert!(!Calibration::new(&[0.5]).with_bursts(&[1.0, 1.0, 4.0]).is_sound());
    }

    #[test]
    fn ties_raise_fewer_alerts_rather_than_more() {
        let mut scores = vec![0.4; 900];
        scores.extend([0.6; 100]);
        let calibration = Calibration::new(&scores);
        assert_eq!(passing(&calibration, calibration.threshold(0.05)), 0);
        assert_eq!(passing(&calibration, calibration.threshold(0.10)), 100);
    }

    #[test]
    fn the_tail_beyond_the_sample_is_extrapolated() {
        // Exponential excesses, of which one in 10^6 reaches ln(10^6) means.
        let n = 20_000;
        let scores: Vec<f64> = (0..n).map(|i| -((i as f64 + 0.5) / n as f64).ln() * 0.03).collect();
        let threshold = Calibration::new(&scores).threshold(1e-6);
        assert!((threshold - 0.03 * 1e6f64.ln()).abs() < 0.02, "{threshold}");
        // Uniform scores end at 1: no share gives a threshold much beyond.
        assert!((even(20_000).threshold(1e-9) - 1.0).abs() < 0.002);
    }

    #[test]
    fn small_budgets_keep_the_threshold_within_reach() {
        // A heavy tail (Pareto, shape 0.3), whose quantiles exceed 1 for shares that a large network asks for.
        let scores: Vec<f64> = (1..=20_000).map(|i| 0.39 + 0.01 * (20_000.0 / f64::from(i)).powf(0.3)).collect();
        let (calibration, highest) = (Calibration::new(&scores), scores[0]);
        for share in [1e-7, 1e-8, 1e-9, 1e-12] {
            let threshold = calibration.threshold(share);
            assert!((highest..=highest + (1.0 - highest) / 2.0 + 2e-6).contains(&threshold), "{threshold} for {share}");
            assert!(calibration.is_extrapolated(share));
        }
        assert!(!calibration.is_extrapolated(1e-3) && !calibration.is_extrapolated(0.0));
        assert!(calibration.threshold(0.0) > 1.0);
        assert_eq!(Calibration::new(&[1.0; 200]).threshold(1e-9), 1.0);
    }

    #[test]
    fn smaller_shares_give_higher_thresholds() {
        let body = (0..9_892).map(|i| f64::from(i) / 20_000.0).chain((0..100).map(|i| 0.6 + f64::from(i) / 20_000.0));
        // Repeated activity gives equal scores.
        let clustered = Calibration::new(&body.chain([0.9; 8]).collect::<Vec<_>>());
        for calibration in [even(30_000), clustered] {
            let thresholds: Vec<f64> = (0..40).map(|i| calibration.threshold(0.7f64.powi(i))).collect();
            assert!(thresholds.is_sorted(), "{thresholds:?}");
        }
    }

    #[test]
    fn few_scores_do_not_panic() {
        assert_eq!(Calibration::default().threshold(0.1), 1e-6);
        assert_eq!(Calibration::new(&[0.5]).threshold(0.0), just_above(1.0));
        assert_eq!(Calibration::new(&[0.5; 200]).threshold(0.001), 0.500001);
    }

    #[test]
    fn surprisal_is_the_log_share_of_higher_scores() {
        let surprisal = ScoreSurprisal::new(&even(1000));
        for (score, not_lower) in [(0.0, 1000.0), (0.5, 500.0), (0.75, 250.0), (1.0, 0.0)] {
            let expected = -libm::log((not_lower + 1.0) / 1001.0) as f32;
            assert!((surprisal.of(score) - expected).abs() < 1e-6, "{} for {expected}", surprisal.of(score));
        }
    }
}

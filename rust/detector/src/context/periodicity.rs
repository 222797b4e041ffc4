//! Periodicity: regularity of the pauses between connections, which reveals beacons.

use serde::{Deserialize, Serialize};

use crate::quantize::log2;

/// Number of pauses that the running mean covers: a new pause weighs at least one in this many, so that the mean
/// follows changes of the interval.
const MEMORY: f32 = 16.0;
/// Largest number of pauses that counts as evidence.
const MAX_PAUSES: f32 = 256.0;
/// Mean deviation over mean of random (exponential) pauses: 2/e = 0.74. Only steadier pauses are periodic.
const RANDOM: f32 = 0.7;

/// Running mean of the pauses, and of their deviation from it, in seconds.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Periodicity {
    pauses: f32,
    pub(crate) mean: f32,
    pub(crate) deviation: f32,
}

impl Periodicity {
    /// Returns true if values from a file are possible.
    pub(crate) fn is_sound(&self) -> bool {
        [self.pauses, self.mean, self.deviation].iter().all(|number| (0.0..f32::INFINITY).contains(number))
    }

    /// Adds a pause, in seconds.
    pub(crate) fn add(&mut self, pause: f32) {
        self.pauses += 1.0;
        let weight = (1.0 / self.pauses).max(1.0 / MEMORY);
        self.mean += weight * (pause - self.mean);
        self.deviation += weight * ((pause - self.mean).abs() - self.deviation);
        // A larger count would only lose precision.
        self.pauses = self.pauses.min(MAX_PAUSES);
    }

    /// Periodicity: log2 of 1 + (number of pauses · ln(random deviation / their deviation)), with deviations as shares
    /// of the mean; 0 for pauses that are not steadier than random.
    pub(crate) fn strength(&self) -> f32 {
        // Prior of three pauses whose deviation equals their mean, so that one pause is not periodic.
        let known = self.pauses.min(64.0);
        let unsteadiness = if self.mean < 1e-9 {
            1.0
        } else {
            (self.deviation * known + 3.0 * self.mean) / (self.mean * (known + 3.0))
        };
        // Few services are periodic, so the logarithm is rarely computed. Numbers of a file can overflow to NaN.
        if unsteadiness < RANDOM { log2(self.pauses * -libm::logf(unsteadiness / RANDOM)) } else { 0.0 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn strength(pauses: impl IntoIterator<Item = f32>) -> f32 {
        let mut periodicity = Periodicity::default();
        pauses.into_iter().for_each(|pause| periodicity.add(pause));
        periodicity.strength()
    }

    #[test]
    fn distinguishes_regular_from_random_pauses() {
        // Exponential pauses, by inversion of an evenly filled grid in scattered order.
        let random = (0..101u32).map(|i| -(1.0 - (i * 37 % 101) as f32 / 101.0).ln() * 60.0);
        let beacon = (0..101u32).map(|i| 300.0 + (i * 37 % 101) as f32 / 4.0);
        assert!(strength(beacon) > 7.0);
        assert!(strength(random) < 5.0);
        assert_eq!(strength([]), 0.0);
        assert_eq!(strength([60.0]), 0.0, "one pause is not periodic");
        assert_eq!(strength([0.0; 500]), 0.0, "a burst is not periodic");
    }

    fn close(found: f32, expected: f32) {
        assert!((found - expected).abs() <= 1e-5 * expected.abs(), "{found} for {expected}");
    }

    #[test]
    fn matches_a_value_computed_by_hand() {
        let mut periodicity = Periodicity::default();
        for (pause, mean, deviation) in [(10.0, 10.0, 0.0), (20.0, 15.0, 2.5), (40.0, 70.0 / 3.0, 65.0 / 9.0)] {
            periodicity.add(pause);
            close(periodicity.mean, mean);
            close(periodicity.deviation, deviation);
        }
        // (65/9 · 3 + 3 · 70/3) / (70/3 · 6) = 55/84
        close(periodicity.strength(), log2(3.0 * (0.7f32 * 84.0 / 55.0).ln()));
    }

    #[test]
    fn evidence_is_limited_and_follows_changes() {
        let mut periodicity = Periodicity::default();
        (0..300).for_each(|_| periodicity.add(10.0));
        assert_eq!((periodicity.pauses, periodicity.mean, periodicity.deviation), (256.0, 10.0, 0.0));
        // Perfectly steady, beside the prior of three pauses of 64.
        close(periodicity.strength(), log2(256.0 * (0.7f32 * 67.0 / 3.0).ln()));
        periodicity.add(26.0);
        assert_eq!((periodicity.pauses, periodicity.mean, periodicity.deviation), (256.0, 11.0, 15.0 / 16.0));
    }

    #[test]
    fn overflowing_values_are_not_periodic() {
        let largest = Periodicity { pauses: 256.0, mean: f32::MAX, deviation: f32::MAX };
        assert_eq!(largest.strength(), 0.0);
    }

    #[test]
    fn zero_pauses_are_not_periodic() {
        assert_eq!(Periodicity { pauses: 256.0, mean: 1e-10, deviation: 0.0 }.strength(), 0.0);
    }

    #[test]
    fn only_finite_values_are_sound() {
        let sound = |pauses, mean, deviation| Periodicity { pauses, mean, deviation }.is_sound();
        assert!(sound(0.0, 0.0, 0.0) && sound(256.0, f32::MAX, 1.0));
        for bad in [-1.0, f32::INFINITY, f32::NAN] {
            assert!(!sound(bad, 1.0, 1.0) && !sound(1.0, bad, 1.0) && !sound(1.0, 1.0, bad), "{bad}");
        }
    }
}

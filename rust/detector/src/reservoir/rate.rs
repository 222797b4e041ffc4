//! Connection rate, decayed like the sample, to which alert budgets refer.
//!
//! Rows are counted by the time slot in which their connections ended. The counts depend only on the rows, so
//! reservoirs can be merged in any order. The rate is the decayed number of rows divided by the decayed observed time.

use std::f64::consts::LN_2;

use crate::reservoir::observed_time::{MAX_TIME, ObservedTime};
use crate::units::DAY;

/// Slots in a half-life.
const SLOTS_PER_HALF_LIFE: i64 = 32;
/// Slots before the latest one; older rows weigh less than 2^-16.
pub(crate) const MAX_SLOTS: usize = 16 * SLOTS_PER_HALF_LIFE as usize;

/// Number of rows per time slot.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct RowCounts {
    half_life: i64,
    /// Slot number since 1970 and count, in order of time, without zero counts.
    slots: Vec<(i64, u64)>,
}

impl RowCounts {
    pub(crate) fn new(half_life: i64) -> Self {
        Self { half_life: half_life.max(1), slots: Vec::new() }
    }

    /// Counts from a file; `None` if they are impossible.
    pub(crate) fn from_slots(half_life: i64, slots: Vec<(i64, u64)>) -> Option<Self> {
        let counts = Self { slots, ..Self::new(half_life) };
        let in_order = counts.slots.windows(2).all(|pair| pair[0].0 < pair[1].0);
        let in_range = |&(slot, count): &(i64, u64)| {
            count > 0 && counts.oldest().is_some_and(|oldest| slot >= oldest) && slot == counts.slot(counts.start(slot))
        };
        (in_order && counts.slots.iter().all(in_range)).then_some(counts)
    }

    /// Slots to write to a file.
    pub(crate) fn slots(&self) -> &[(i64, u64)] {
        &self.slots
    }

    fn width(&self) -> i64 {
        (self.half_life / SLOTS_PER_HALF_LIFE).max(1)
    }

    fn slot(&self, ts: i64) -> i64 {
        ts.clamp(-MAX_TIME, MAX_TIME).div_euclid(self.width())
    }

    fn start(&self, slot: i64) -> i64 {
        slot.saturating_mul(self.width())
    }

    /// Oldest slot that is stored.
    fn oldest(&self) -> Option<i64> {
        self.slots.last().map(|&(latest, _)| latest - MAX_SLOTS as i64 + 1)
    }

    /// Counts `n` rows at a time.
    pub(crate) fn add(&mut self, ts: i64, n: u64) {
        self.add_to_slot(self.slot(ts), n);
    }

    fn add_to_slot(&mut self, slot: i64, n: u64) {
        if n == 0 || self.oldest().is_some_and(|oldest| slot < oldest) {
            return;
        }
        // The usual case: the latest slot.
        let at = match self.slots.last() {
            Some(&(latest, _)) if latest == slot => Ok(self.slots.len() - 1),
            _ => self.slots.binary_search_by_key(&slot, |&(slot, _)| slot),
        };
        match at {
            Ok(at) => self.slots[at].1 = self.slots[at].1.saturating_add(n),
            Err(at) => {
                self.slots.insert(at, (slot, n));
                let oldest = self.oldest().unwrap_or(slot);
                self.slots.retain(|&(slot, _)| slot >= oldest);
            }
        }
    }

    /// Counts `n` rows spread evenly over an interval.
    fn spread(&mut self, first: i64, last: i64, n: u64) {
        let (first, last) = (first.clamp(-MAX_TIME, MAX_TIME), last.clamp(-MAX_TIME, MAX_TIME));
        let length = (last - first).max(1) as f64;
        let (until, width) = (self.slot(last), self.width());
        let before = |ts: i64| ((n as f64 * ((ts - first) as f64 / length).clamp(0.0, 1.0)) as u64).min(n);
        self.add_to_slot(until, n - before(self.start(until)));
        for slot in self.slot(first).max(until - MAX_SLOTS as i64 + 1)..until {
            let start = self.start(slot);
            self.add_to_slot(slot, before(start + width) - before(start));
        }
    }

    /// Adds the counts of another with the same half-life.
    pub(crate) fn merge(&mut self, other: &Self) {
        other.slots.iter().for_each(|&(slot, count)| self.add_to_slot(slot, count));
    }

    /// Subtracts counts, to zero at least.
    pub(crate) fn subtract(&mut self, other: &Self) {
        for &(slot, count) in &other.slots {
            if let Ok(at) = self.slots.binary_search_by_key(&slot, |&(slot, _)| slot) {
                self.slots[at].1 = self.slots[at].1.saturating_sub(count);
            }
        }
        self.slots.retain(|&(_, count)| count > 0);
    }

    /// Moves rows dated after `now` to `now`.
    pub(crate) fn not_after(&mut self, now: i64) {
        let slot = self.slot(now);
        let later = self.slots.split_off(self.slots.partition_point(|&(at, _)| at <= slot));
        let n = later.iter().fold(0u64, |sum, &(_, count)| sum.saturating_add(count));
        self.add_to_slot(slot, n);
    }

    /// Converts the counts to another half-life.
    pub(crate) fn with_half_life(&self, half_life: i64) -> Self {
        let mut counts = Self::new(half_life);
        for &(slot, count) in self.slots.iter().rev() {
            let start = self.start(slot);
            counts.spread(start, start.saturating_add(self.width() - 1), count);
        }
        counts
    }

    /// Counts of rows that came at a steady rate.
    pub(crate) fn steady(half_life: i64, rows: u64, observed: &ObservedTime) -> Self {
        let mut counts = Self::new(half_life);
        let whole = observed.seen();
        for interval in observed.intervals().iter().rev() {
            let share = if whole > 0 { interval.seen as f64 / whole as f64 } else { 1.0 };
            counts.spread(interval.first, interval.last, (rows as f64 * share) as u64);
        }
        counts
    }

    /// Connections per day at the latest time; infinite without observed time. The decayed rate lags behind growth by a
    /// half-life, so the rate of the last day counts if it is higher.
    pub(crate) fn per_day(&self, observed: &ObservedTime) -> f64 {
        let Some((first, last)) = observed.ends() else { return 0.0 };
        let half_life = self.half_life as f64;
        let faded = self.sum(first, last, |from, to| mean_weight(from, to, last, half_life));
        let faded_time = observed.weighted(|from, to| mean_weight(from, to, last, half_life));
        let window = DAY.min(self.half_life);
        let recent = |from: i64, to: i64| {
            let within = to.saturating_sub(from.max(last.saturating_sub(window))).max(0);
            if to > from { within as f64 / (to - from) as f64 } else { 1.0 }
        };
        // A few minutes after a gap do not determine the rate of a day.
        let recent_time = observed.weighted(recent).max(window as f64 / 2.0);
        let recent = self.sum(first, last, recent);
        (faded.max(1.0) / faded_time).max(recent / recent_time) * DAY as f64
    }

    /// Sum of the counts, each multiplied by the weight of the observed part of its slot.
    fn sum(&self, first: i64, last: i64, weight: impl Fn(i64, i64) -> f64) -> f64 {
        let weighed = self.slots.iter().map(|&(slot, count)| {
            let (from, to) = (self.start(slot), self.start(slot.saturating_add(1)));
            count as f64 * weight(from.clamp(first, last), to.clamp(first, last))
        });
        weighed.sum()
    }
}

/// Mean weight of the times in an interval: 1 at `now`, half as much one half-life before.
fn mean_weight(from: i64, to: i64, now: i64, half_life: f64) -> f64 {
    let at = |ts: i64| libm::exp2((ts as f64 - now as f64) / half_life);
    let length = (to as f64 - from as f64) / half_life;
    // The difference of two weights loses precision in a short interval.
    if length < 1e-6 { at(to) } else { (at(to) - at(from)) / (length * LN_2) }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn observed(times: &[i64]) -> ObservedTime {
        let mut observed = ObservedTime::default();
        times.iter().for_each(|&ts| observed.include(ts));
        observed
    }

    /// Rate of counts per minute that depend on the hour.
    fn rate(half_life: i64, per_minute: impl Fn(i64) -> u64, days: i64) -> f64 {
        let mut counts = RowCounts::new(half_life);
        let times: Vec<i64> = (0..days * 1440).map(|minute| 20_000 * DAY + minute * DAY / 1440).collect();
        times.iter().enumerate().for_each(|(minute, &ts)| counts.add(ts, per_minute(minute as i64 / 60 % 24)));
        counts.per_day(&observed(&times))
    }

    #[test]
    fn finds_a_steady_rate_for_every_half_life() {
        for half_life in [DAY / 24, DAY, 7 * DAY, 365 * DAY] {
            for days in [3, 30, 400] {
                let found = rate(half_life, |_| 100, days);
                assert!((found / 144_000.0 - 1.0).abs() < 0.04, "{found} in {days} days, half-life {half_life}");
            }
        }
        // Nights without traffic.
        let found = rate(7 * DAY, |hour| if hour < 8 { 0 } else { 300 }, 40);
        assert!((found / 288_000.0 - 1.0).abs() < 0.15, "{found}");
    }

    #[test]
    fn short_burst_after_a_gap_does_not_set_the_rate() {
        let mut counts = RowCounts::new(7 * DAY);
        let mut times: Vec<i64> = (0..20 * 24).map(|hour| hour * DAY / 24).collect();
        times.iter().for_each(|&ts| counts.add(ts, 100));
        let restart = 25 * DAY;
        counts.add(restart, 1000);
        times.extend([restart, restart + DAY / 1440]);
        assert!((counts.per_day(&observed(&times)) / 2400.0 - 1.0).abs() < 0.1);
    }

    #[test]
    fn without_observed_time_the_rate_is_infinite() {
        let mut counts = RowCounts::new(DAY);
        assert_eq!(counts.per_day(&ObservedTime::default()), 0.0);
        counts.add(7, 3);
        assert_eq!(counts.per_day(&observed(&[7])), f64::INFINITY);
    }

    #[test]
    fn rows_dated_in_the_future_count_as_of_now() {
        let mut counts = RowCounts::new(32 * DAY);
        [(0, 1), (DAY, 2), (5 * DAY, 4), (9 * DAY, 8)].into_iter().for_each(|(ts, n)| counts.add(ts, n));
        counts.not_after(DAY + 5);
        assert_eq!(counts.slots(), [(0, 1), (1, 14)]);
        counts.not_after(-DAY);
        assert_eq!(counts.slots(), [(-1, 15)]);
    }

    #[test]
    fn changing_the_half_life_loses_no_rows() {
        let mut counts = RowCounts::new(7 * DAY);
        (0..100).for_each(|hour| counts.add(hour * DAY / 24, 1000 + hour as u64));
        let total = |counts: &RowCounts| counts.slots.iter().map(|&(_, count)| count).sum::<u64>();
        for half_life in [DAY / 2, 3 * DAY, 70 * DAY] {
            assert_eq!(total(&counts.with_half_life(half_life)), total(&counts));
        }
    }

    proptest! {
        #[test]
        fn counts_do_not_depend_on_order_or_parts(
            rows in prop::collection::vec((-2000i64..2000, 1u64..9), 0..60),
            cut in 0usize..60,
        ) {
            let of = |rows: &[(i64, u64)]| {
                let mut counts = RowCounts::new(64);
                rows.iter().for_each(|&(ts, n)| counts.add(ts, n));
                counts
            };
            let whole = of(&rows);
            let backwards: Vec<_> = rows.iter().rev().copied().collect();
            prop_assert_eq!(&of(&backwards), &whole);
            let (one, other) = rows.split_at(cut.min(rows.len()));
            let (mut forth, mut back) = (of(one), of(other));
            forth.merge(&of(other));
            back.merge(&of(one));
            prop_assert_eq!((&forth, &back), (&whole, &whole));
            prop_assert_eq!(RowCounts::from_slots(64, whole.slots.clone()), Some(whole.clone()));
            forth.subtract(&whole);
            prop_assert!(forth.slots.is_empty());
        }

        #[test]
        fn any_times_and_counts_are_accepted(rows: Vec<(i64, u64)>, half_life: i64, now: i64, other: i64) {
            let mut counts = RowCounts::new(half_life);
            rows.iter().for_each(|&(ts, n)| counts.add(ts, n));
            let times: Vec<i64> = rows.iter().map(|&(ts, _)| ts).collect();
            prop_assert!(counts.per_day(&observed(&times)) >= 0.0);
            prop_assert!(RowCounts::from_slots(counts.half_life, counts.slots.clone()).is_some());
            prop_assert!(counts.with_half_life(other).slots.len() <= MAX_SLOTS);
            prop_assert!(RowCounts::steady(half_life, 9, &observed(&times)).slots.len() <= MAX_SLOTS);
            counts.not_after(now);
            prop_assert!(RowCounts::from_slots(counts.half_life, counts.slots.clone()).is_some());
        }
    }
}

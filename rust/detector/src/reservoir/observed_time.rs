//! Observed time: the intervals in which rows were offered, without long silences.
//!
//! A sensor that was off for months, or a few connections dated 1970, must not lengthen the time from which the
//! connection rate follows. Times at most [`SILENCE`] apart form one interval; the time between intervals does not
//! count. The intervals depend only on the times, not on their order or on how traffic is divided over nodes.

use crate::units::DAY;

/// Longest silence that counts as observed, in microseconds: a quiet network's night or holiday is no gap.
pub(crate) const SILENCE: i64 = DAY;
/// Largest number of intervals. Beyond that, the closest ones are joined: their observed time is known, but no longer
/// its position.
pub(crate) const MAX_INTERVALS: usize = 64;

/// Largest absolute time, 73,000 years from 1970 in microseconds; times beyond are clamped, so that differences do not
/// overflow.
pub(crate) const MAX_TIME: i64 = 1 << 61;

/// Times of rows, in microseconds since 1970.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct ObservedTime {
    /// In order of time, each more than a [`SILENCE`] after the previous one.
    intervals: Vec<Interval>,
}

/// Interval of times without a long silence.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Interval {
    pub(crate) first: i64,
    pub(crate) last: i64,
    /// Observed time within it: all of it, unless intervals were joined.
    pub(crate) seen: i64,
}

impl Interval {
    fn of(first: i64, last: i64) -> Self {
        Self { first, last, seen: last.saturating_sub(first) }
    }

    /// Returns true if a later interval is close enough to be part of this one.
    fn reaches(&self, later: &Self) -> bool {
        later.first <= self.last.saturating_add(SILENCE)
    }

    /// Union with a later interval that it reaches; overlapping time counts once.
    fn and(self, later: Self) -> Self {
        let whole = Self::of(self.first, self.last.max(later.last));
        let (gap, common) = match later.first.saturating_sub(self.last) {
            gap @ 0.. => (gap, 0),
            _ => (0, self.last.min(later.last).saturating_sub(later.first)),
        };
        let seen = self.seen.saturating_add(later.seen).saturating_add(gap).saturating_sub(common);
        Self { seen: seen.max(self.seen).max(later.seen).min(whole.seen), ..whole }
    }

    /// Joins a later interval that it does not reach.
    fn joined(self, later: Self) -> Self {
        Self { seen: self.seen.saturating_add(later.seen), ..Self::of(self.first, later.last) }
    }
}

impl ObservedTime {
    /// Intervals from a file; `None` if they are impossible.
    pub(crate) fn from_intervals(intervals: Vec<Interval>) -> Option<Self> {
        let sound = |it: &Interval| {
            -MAX_TIME <= it.first
                && it.first <= it.last
                && it.last <= MAX_TIME
                && (0..=it.last - it.first).contains(&it.seen)
        };
        let apart = intervals.windows(2).all(|pair| !pair[0].reaches(&pair[1]));
        (intervals.len() <= MAX_INTERVALS && apart && intervals.iter().all(sound)).then_some(Self { intervals })
    }

    /// Intervals to write to a file.
    pub(crate) fn intervals(&self) -> &[Interval] {
        &self.intervals
    }

    /// Earliest and latest time.
    pub(crate) fn ends(&self) -> Option<(i64, i64)> {
        Some((self.intervals.first()?.first, self.intervals.last()?.last))
    }

    /// Returns true if a time lies between the earliest and the latest.
    pub(crate) fn holds(&self, ts: i64) -> bool {
        self.ends().is_some_and(|(first, last)| (first..=last).contains(&within_reach(ts)))
    }

    /// Total observed time, in microseconds.
    pub(crate) fn seen(&self) -> i64 {
        self.intervals.iter().fold(0, |sum: i64, interval| sum.saturating_add(interval.seen))
    }

    /// Observed time of the intervals, each multiplied by the weight of its ends.
    pub(crate) fn weighted(&self, weight: impl Fn(i64, i64) -> f64) -> f64 {
        self.intervals.iter().map(|it| it.seen as f64 * weight(it.first, it.last)).sum()
    }

    /// Adds a time.
    pub(crate) fn include(&mut self, ts: i64) {
        let now = Interval::of(within_reach(ts), within_reach(ts));
        match self.intervals.last_mut() {
            // The usual case.
            Some(latest) if latest.first <= now.first && latest.reaches(&now) => *latest = latest.and(now),
            _ => self.unite([now]),
        }
    }

    /// Adds the times of another.
    pub(crate) fn merge(&mut self, other: &Self) {
        self.unite(other.intervals.iter().copied());
    }

    /// Moves intervals that a fast clock dated after `now` so that they end now.
    pub(crate) fn not_after(&mut self, now: i64) {
        let now = within_reach(now);
        let dated_back = std::mem::take(&mut self.intervals).into_iter().map(|it| {
            let (first, last) = match it.first > now {
                true => (within_reach(now.saturating_sub(it.last - it.first)), now),
                false => (it.first, it.last.min(now)),
            };
            Interval { seen: it.seen.min(last.saturating_sub(first)), ..Interval::of(first, last) }
        });
        self.unite(dated_back.collect::<Vec<_>>());
    }

    fn unite(&mut self, others: impl IntoIterator<Item = Interval>) {
        let mut all = std::mem::take(&mut self.intervals);
        all.extend(others);
        all.sort_by_key(|interval| (interval.first, interval.last));
        for interval in all {
            match self.intervals.last_mut() {
                Some(before) if before.reaches(&interval) => *before = before.and(interval),
                _ => self.intervals.push(interval),
            }
        }
        while self.intervals.len() > MAX_INTERVALS {
            let silence = |at: &usize| self.intervals[at + 1].first.saturating_sub(self.intervals[*at].last);
            let Some(shortest) = (0..self.intervals.len() - 1).min_by_key(silence) else { return };
            let later = self.intervals.remove(shortest + 1);
            self.intervals[shortest] = self.intervals[shortest].joined(later);
        }
    }
}

fn within_reach(ts: i64) -> i64 {
    ts.clamp(-MAX_TIME, MAX_TIME)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const DAY: i64 = SILENCE;

    fn of(times: impl IntoIterator<Item = i64>) -> ObservedTime {
        let mut span = ObservedTime::default();
        times.into_iter().for_each(|ts| span.include(ts));
        span
    }

    #[test]
    fn long_silences_do_not_count() {
        let june = (20_000 * DAY..20_010 * DAY).step_by(DAY as usize / 10);
        let seen = of(june.clone()).seen();
        assert_eq!(seen, 10 * DAY - DAY / 10);
        // A few connections dated 1970, in any order; a sensor that was off for months.
        let dated_1970 = [5_000_000, 9_000_000];
        assert_eq!(of(june.clone().chain(dated_1970)).seen(), seen + 4_000_000);
        assert_eq!(of(dated_1970.into_iter().chain(june.clone())).seen(), seen + 4_000_000);
        let october = june.clone().map(|ts| ts + 100 * DAY);
        assert_eq!(of(october.clone().chain(june.clone())).seen(), 2 * seen);
        assert_eq!(of(october.chain(june.clone())).ends(), Some((20_000 * DAY, 20_110 * DAY - DAY / 10)));
        // A holiday on a quiet network, and a weekend without a sensor.
        assert_eq!(of([0, DAY, 3 * DAY]).seen(), DAY);
        assert_eq!((of([]).seen(), of([]).ends(), of([7]).seen()), (0, None, 0));
    }

    #[test]
    fn future_times_end_now() {
        let mut span = of([0, DAY, 1_000 * DAY, 1_001 * DAY, 1_002 * DAY]);
        span.not_after(10 * DAY);
        assert_eq!((span.ends(), span.seen()), (Some((0, 10 * DAY)), 3 * DAY));
        span.not_after(DAY / 2);
        assert_eq!((span.ends(), span.seen()), (Some((-DAY * 3 / 2, DAY / 2)), 2 * DAY));
    }

    #[test]
    fn number_of_intervals_is_limited_without_losing_time() {
        // Sensors that are off at the weekend, for ten years.
        let weeks = (0..520).flat_map(|week| [week * 7 * DAY, week * 7 * DAY + DAY, week * 7 * DAY + 2 * DAY]);
        let mut span = of(weeks);
        assert_eq!((span.intervals.len(), span.seen()), (MAX_INTERVALS, 520 * 2 * DAY));
        assert_eq!(ObservedTime::from_intervals(span.intervals.clone()), Some(span.clone()));
        // Adding the same times again changes nothing.
        let same = span.clone();
        span.merge(&same);
        assert_eq!(span, same);
    }

    #[test]
    fn moving_an_interval_does_not_lengthen_it() {
        let mut span = ObservedTime::from_intervals(vec![Interval { first: 20, last: 40, seen: 7 }]).unwrap();
        span.not_after(10);
        assert_eq!((span.ends(), span.seen()), (Some((-10, 10)), 7));
    }

    #[test]
    fn interval_that_starts_now_becomes_a_point() {
        let mut span = ObservedTime::from_intervals(vec![Interval { first: 10, last: 15, seen: 5 }]).unwrap();
        span.not_after(10);
        assert_eq!((span.ends(), span.seen()), (Some((10, 10)), 0));
    }

    #[test]
    fn rejects_impossible_intervals_and_extends_the_longest() {
        let of = |first, last, seen| ObservedTime::from_intervals(vec![Interval { first, last, seen }]);
        for (first, last, seen) in [
            (i64::MIN, 0, i64::MAX),
            (i64::MIN, i64::MIN, 0),
            (-MAX_TIME - 1, 0, 5),
            (0, MAX_TIME + 1, 5),
            (0, 10, 11),
            (0, 10, -1),
            (10, 0, 0),
        ] {
            assert_eq!(of(first, last, seen), None, "{first} to {last}, {seen} of it");
        }
        // Fully observed and extended: its observed time is its length.
        let mut span = of(-MAX_TIME, 0, MAX_TIME).unwrap();
        (0..5).for_each(|day| span.include(day * DAY));
        assert_eq!(span.seen(), MAX_TIME + 4 * DAY);
        [i64::MAX, i64::MIN].into_iter().for_each(|ts| span.include(ts));
        assert_eq!((span.ends(), span.seen()), (Some((-MAX_TIME, MAX_TIME)), MAX_TIME + 4 * DAY));
        assert!(span.holds(i64::MIN) && span.holds(i64::MAX));
        assert!(ObservedTime::from_intervals(span.intervals.clone()).is_some());
        let mut one_more = of(-MAX_TIME, MAX_TIME, 2 * MAX_TIME - 1).unwrap();
        (0..3).for_each(|_| one_more.include(0));
        one_more.merge(&span);
        assert_eq!(one_more.seen(), 2 * MAX_TIME - 1);
        one_more.not_after(i64::MIN);
        assert_eq!((one_more.ends(), one_more.seen()), (Some((-MAX_TIME, -MAX_TIME)), 0));
    }

    proptest! {
        #[test]
        fn neither_order_nor_parts_matter(times in prop::collection::vec(-60 * DAY..60 * DAY, 0..40), cut in 0usize..40) {
            let whole = of(times.iter().copied());
            prop_assert_eq!(&of(times.iter().rev().copied()), &whole);
            let (one, other) = times.split_at(cut.min(times.len()));
            let (one, other) = (of(one.iter().copied()), of(other.iter().copied()));
            let (mut forth, mut back) = (one.clone(), other.clone());
            forth.merge(&other);
            back.merge(&one);
            prop_assert_eq!((&forth, &back), (&whole, &whole));
            let (mut sorted, mut seen) = (times, 0);
            sorted.sort();
            sorted.windows(2).for_each(|pair| seen += Some(pair[1] - pair[0]).filter(|&gap| gap <= DAY).unwrap_or(0));
            prop_assert_eq!(whole.seen(), seen);
        }

        #[test]
        fn accepts_any_time(times: Vec<i64>, now: i64) {
            let mut span = of(times.iter().copied());
            prop_assert!(span.seen() >= 0);
            prop_assert!(ObservedTime::from_intervals(span.intervals.clone()).is_some());
            span.not_after(now);
            prop_assert!(ObservedTime::from_intervals(span.intervals.clone()).is_some());
            prop_assert!(span.ends().is_none_or(|(_, last)| last <= within_reach(now)));
        }
    }
}

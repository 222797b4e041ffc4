//! Approximate count of distinct recent items: linear counting (Whang, Vander-Zanden and Taylor, ACM TODS 1990) in two
//! bitmaps, one for the current hour and one for the previous hour.
//!
//! The context tables have hundreds of thousands of counters of mostly few items, which linear counting estimates best
//! in 40 bytes.

use std::sync::LazyLock;

use serde::{Deserialize, Serialize};

use crate::units::HOUR;

const WORDS: usize = 2;
const BITS: u32 = 64 * WORDS as u32;
/// Hours in a day.
const HOURS_PER_DAY: i64 = 24;

/// Estimate by the number of set bits; a full bitmap counts as one with a free bit.
static ESTIMATES: LazyLock<[f32; BITS as usize + 1]> = LazyLock::new(|| {
    std::array::from_fn(|set| BITS as f32 * libm::logf(BITS as f32 / (BITS as usize - set).max(1) as f32))
});

/// Estimates up to about 600 different items, in 40 bytes.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
pub(crate) struct LinearCounter {
    hour: i64,
    current: [u64; WORDS],
    previous: [u64; WORDS],
}

impl LinearCounter {
    /// Returns true if the hour is one that a time can have.
    pub(crate) fn is_sound(&self) -> bool {
        (i64::MIN.div_euclid(HOUR)..=i64::MAX.div_euclid(HOUR)).contains(&self.hour)
    }

    /// Adds an item by its hash, at a time in microseconds, and estimates the number of different items in the current
    /// and previous clock hour. A time before the current hour counts as the current hour; one more than a day before
    /// it is a corrected clock and restarts the counter.
    pub(crate) fn add(&mut self, item: u64, now: i64) -> f32 {
        self.insert(item, now);
        self.estimate()
    }

    /// Adds an item like [`add`](Self::add). Returns 0 if its bit was set, as for an item seen before, and otherwise
    /// the inverse of the probability that a new item sets a bit. Amounts weighted by it add up without bias while the
    /// bitmap fills (Ting, KDD 2014, *Streamed approximate counting of distinct elements*).
    pub(crate) fn insert(&mut self, item: u64, now: i64) -> f32 {
        let hour = now.div_euclid(HOUR);
        if hour > self.hour || hour < self.hour - HOURS_PER_DAY {
            self.previous = if hour == self.hour + 1 { self.current } else { [0; WORDS] };
            self.current = [0; WORDS];
            self.hour = hour;
        }
        let bit = item as u32 % BITS;
        let (word, mask) = (bit as usize / 64, 1 << (bit % 64));
        let seen = (self.current[word] | self.previous[word]) & mask != 0;
        let clear = BITS - self.set();
        self.current[word] |= mask;
        if seen { 0.0 } else { BITS as f32 / clear.max(1) as f32 }
    }

    /// Estimate of the number of different items, without adding one.
    pub(crate) fn estimate(&self) -> f32 {
        ESTIMATES[self.set() as usize % ESTIMATES.len()]
    }

    /// Number of bits set.
    fn set(&self) -> u32 {
        self.current.iter().zip(self.previous).map(|(a, b)| (a | b).count_ones()).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    impl LinearCounter {
        /// An impossible hour.
        pub(crate) fn of_no_time() -> Self {
            Self { hour: i64::MAX, ..Self::default() }
        }
    }

    fn count(items: std::ops::Range<u64>, now: i64, distinct: &mut LinearCounter) -> f32 {
        items.map(|i| distinct.add(twox_hash::XxHash3_64::oneshot(&i.to_le_bytes()), now)).last().unwrap()
    }

    #[test]
    fn counts_different_items() {
        let mut distinct = LinearCounter::default();
        assert!((count(0..1, 5, &mut distinct) - 1.0).abs() < 0.1);
        assert!((count(0..1, 5, &mut distinct) - 1.0).abs() < 0.1);
        assert!((count(0..50, 5, &mut distinct) - 50.0).abs() < 10.0);
        let many = if cfg!(miri) { 10_000 } else { 100_000 };
        let full = count(0..many, 5, &mut distinct);
        assert!(full.is_finite() && full > 600.0);
    }

    #[test]
    fn forgets_after_two_hours() {
        let mut distinct = LinearCounter::default();
        count(0..50, HOUR, &mut distinct);
        assert!(count(0..1, 2 * HOUR, &mut distinct) > 40.0);
        assert!(count(0..1, HOUR, &mut distinct) > 40.0, "time that goes back changes nothing");
        assert!(count(0..1, 3 * HOUR, &mut distinct) < 2.0);
        count(0..50, 3 * HOUR, &mut distinct);
        assert!(count(0..1, 9 * HOUR, &mut distinct) < 2.0);
        count(0..50, 900 * HOUR, &mut distinct);
        assert!(count(0..1, 10 * HOUR, &mut distinct) < 2.0, "the clock had run ahead");
    }

    #[test]
    fn counts_items_of_both_hours_once() {
        let mut distinct = LinearCounter::default();
        let once = count(0..50, HOUR, &mut distinct);
        assert_eq!(count(0..50, 2 * HOUR, &mut distinct), once);
    }

    #[test]
    fn accepts_times_up_to_a_day_ahead() {
        let mut distinct = LinearCounter::default();
        count(0..50, 100 * HOUR, &mut distinct);
        assert!(count(0..1, 76 * HOUR, &mut distinct) > 40.0);
        assert!(count(0..1, 75 * HOUR, &mut distinct) < 2.0);
    }

    #[test]
    fn rejects_impossible_hours() {
        let of = |hour| LinearCounter { hour, ..LinearCounter::default() };
        for now in [i64::MIN, -1, 0, i64::MAX] {
            let mut distinct = of(now.div_euclid(HOUR));
            assert!(distinct.is_sound());
            [i64::MIN, i64::MAX].into_iter().for_each(|then| _ = distinct.add(1, then));
        }
        assert!(!of(i64::MIN).is_sound() && !of(i64::MAX).is_sound());
        let (first, last) = (i64::MIN.div_euclid(HOUR), i64::MAX.div_euclid(HOUR));
        assert!(!of(first - 1).is_sound() && !of(last + 1).is_sound());
    }

    #[test]
    fn estimates_are_those_of_linear_counting() {
        let mut distinct = LinearCounter::default();
        for item in 0..128 {
            let left = (127 - item).max(1) as f32;
            let (found, expected) = (distinct.add(item, 5), 128.0 * (128.0 / left).ln());
            assert!((found - expected).abs() < 1e-3, "{found} for {expected}");
        }
    }
}

//! A table of bounded size: what was last known of each of many keys.
//!
//! Eight slots to a bucket; a new key takes an empty slot of its bucket or drives out the entry least worth keeping.
//! An entry that was new some minutes ago, or was not seen within a day, goes before one that came back later: a scan
//! from a million addresses, with however many connections each, churns entries of its own and leaves the hosts that
//! matter in place. What returns at once tells nothing: scans and floods try again.

use serde::{Deserialize, Serialize};

/// One bucket's slots. Enough that a bucket full of regulars is rare at the load the table is made for.
const WAYS: usize = 8;

/// An entry not seen for so long (a day, in microseconds) is no longer worth more than a newcomer.
const STALE: i64 = 86_400_000_000;

/// A visit so long after an entry was made, in microseconds, is one that came back. No scan that fills a table keeps an
/// address there for ten minutes unless the address matters.
const PAUSE: i64 = 10 * MINUTE;
const MINUTE: i64 = 60_000_000;

#[derive(Clone, Debug)]
pub(crate) struct Table<T> {
    buckets: Box<[Bucket<T>]>,
}

/// The keys of all slots side by side, one line of the cache, and so on: to find that a key is not there is to read
/// that line alone, of tables that no cache holds.
#[derive(Clone, Copy, Debug, Default)]
struct Bucket<T> {
    /// 0 for an empty slot; keys are hashes, of which one in 2^64 is lost to this.
    keys: [u64; WAYS],
    last: [i64; WAYS],
    recurrence: [Recurrence; WAYS],
    values: [T; WAYS],
}

/// True if a key came back a [`PAUSE`] after it was new: 0 if so, and until then the minute when it was new, on a clock
/// that goes round from 1 to 255. One byte, of half a million entries.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Recurrence(u8);

impl Recurrence {
    const ROUND: i64 = 255;

    fn new(now: i64) -> Self {
        Self(Self::minute(now) as u8 + 1)
    }

    fn minute(now: i64) -> i64 {
        now.div_euclid(MINUTE).rem_euclid(Self::ROUND)
    }

    fn came_back(self) -> bool {
        self.0 == 0
    }

    /// After a visit at `latest`, `since` microseconds after the one before: at most a pause, so that the clock has not
    /// gone round unnoticed.
    fn visited(self, latest: i64, since: i64) -> Self {
        let minutes = (Self::minute(latest) + 1 - i64::from(self.0)).rem_euclid(Self::ROUND);
        // A minute more, as both are rounded.
        if self.came_back() || since >= PAUSE || minutes * MINUTE > PAUSE { Self(0) } else { self }
    }
}

/// An entry by itself.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
struct Slot<T> {
    key: u64,
    last: i64,
    recurrence: Recurrence,
    value: T,
}

/// Entry of a key, with the time since the visit before this one.
pub(crate) struct Visit<'t, T> {
    /// How long ago the key was last seen, in microseconds: 0 if time went back, none for a new key.
    pub(crate) since: Option<i64>,
    pub(crate) value: &'t mut T,
}

impl<T: Copy + Default> Table<T> {
    /// A table of `1 << bits` entries; `bits` is at least 3.
    pub(crate) fn new(bits: u32) -> Self {
        Self { buckets: vec![Bucket::default(); (1 << bits) / WAYS].into_boxed_slice() }
    }

    /// Visits the entry of `key` at time `now`, making it if there is none.
    pub(crate) fn visit(&mut self, key: u64, now: i64) -> Visit<'_, T> {
        let bucket = self.bucket(key);
        match bucket.way(key) {
            Some(way) => bucket.revisit(way, now),
            None => {
                let way = bucket.least(now);
                bucket.set(way, Slot { key, last: now, recurrence: Recurrence::new(now), value: T::default() });
                Visit { since: None, value: &mut bucket.values[way] }
            }
        }
    }
}

impl<T> Table<T> {
    /// The high bits choose the bucket, by multiplication, so that all of them count.
    fn bucket(&mut self, key: u64) -> &mut Bucket<T> {
        let bucket = ((u128::from(key) * self.buckets.len() as u128) >> 64) as usize;
        &mut self.buckets[bucket]
    }

    /// Visits the entry of `key` at time `now` if there is one.
    pub(crate) fn revisit(&mut self, key: u64, now: i64) -> Option<Visit<'_, T>> {
        let bucket = self.bucket(key);
        bucket.way(key).map(|way| bucket.revisit(way, now))
    }
}

impl<T: Copy> Bucket<T> {
    fn slots(&self) -> impl Iterator<Item = Slot<T>> {
        let slot = |way| {
            let (key, last, recurrence) = (self.keys[way], self.last[way], self.recurrence[way]);
            Slot { key, last, recurrence, value: self.values[way] }
        };
        (0..WAYS).map(slot)
    }
}

impl<T> Bucket<T> {
    fn way(&self, key: u64) -> Option<usize> {
        self.keys.iter().position(|&other| other == key)
    }

    /// The slot that a newcomer takes.
    fn least(&self, now: i64) -> usize {
        let worth = |&way: &usize| {
            let since = now.saturating_sub(self.last[way]);
            let regular = self.recurrence[way].came_back() && (-STALE..STALE).contains(&since);
            // From a time that has not come by far: no guide to how lately it was seen.
            let last = if since < -STALE { i64::MIN } else { self.last[way] };
            (self.keys[way] != 0, regular, last)
        };
        (0..WAYS).min_by_key(worth).unwrap_or_default()
    }

    fn set(&mut self, way: usize, slot: Slot<T>) {
        Slot { key: self.keys[way], last: self.last[way], recurrence: self.recurrence[way], value: self.values[way] } =
            slot;
    }

    fn revisit(&mut self, way: usize, now: i64) -> Visit<'_, T> {
        let last = &mut self.last[way];
        let since = now.saturating_sub(*last).max(0);
        // Further back than a day, the clock was wrong before: the entry must not stand still until that time has come.
        *last = if last.saturating_sub(now) > STALE { now } else { (*last).max(now) };
        self.recurrence[way] = self.recurrence[way].visited(*last, since);
        Visit { since: Some(since), value: &mut self.values[way] }
    }
}

/// The entries of a table, to be kept in a file: copying them takes no longer than there are many.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Snapshot<T>(Vec<Slot<T>>);

impl<T: Copy + Default> Table<T> {
    /// Its entries.
    pub(crate) fn snapshot(&self) -> Snapshot<T> {
        let slots = || self.buckets.iter().flat_map(Bucket::slots).filter(|slot| slot.key != 0);
        // As much memory as it takes, and not twice as much for having grown.
        let mut kept = Vec::with_capacity(slots().count());
        kept.extend(slots());
        Snapshot(kept)
    }

    /// A table of `1 << bits` entries with those of another of that size; none if there are more to a bucket than it
    /// holds, or one of them is not `sound`.
    pub(crate) fn from_snapshot(kept: Snapshot<T>, bits: u32, sound: impl Fn(&T) -> bool) -> Option<Self> {
        let mut table = Self::new(bits);
        for slot in kept.0 {
            let bucket = table.bucket(slot.key);
            let free = bucket.keys.iter().position(|&key| key == 0 || key == slot.key);
            bucket.set(free.filter(|_| sound(&slot.value))?, slot);
        }
        Some(table)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hash(i: u64) -> u64 {
        twox_hash::XxHash3_64::oneshot(&i.to_le_bytes())
    }

    #[test]
    fn it_remembers() {
        let mut table: Table<u32> = Table::new(10);
        let first = table.visit(hash(1), 100);
        assert_eq!(first.since, None);
        *first.value = 7;
        let again = table.visit(hash(1), 130);
        assert_eq!((again.since, *again.value), (Some(30), 7));
    }

    #[test]
    fn time_that_goes_back_does_no_harm() {
        let mut table: Table<u32> = Table::new(10);
        table.visit(hash(1), 100);
        assert_eq!(table.visit(hash(1), 40).since, Some(0));
        assert_eq!(table.visit(hash(1), 101).since, Some(1));
        assert_eq!(table.visit(hash(1), i64::MIN).since, Some(0));
        assert_eq!(table.visit(hash(1), i64::MAX).since, Some(i64::MAX));
    }

    #[test]
    fn a_clock_that_ran_ahead_does_not_stop_the_entry() {
        let mut table: Table<u32> = Table::new(10);
        table.visit(hash(1), 100 * STALE);
        assert_eq!(table.visit(hash(1), 10).since, Some(0));
        assert_eq!(table.visit(hash(1), 30).since, Some(20));
    }

    #[test]
    fn what_was_seen_in_a_future_that_was_none_makes_room() {
        let mut table: Table<u32> = Table::new(3);
        for key in 1..=8 {
            table.visit(key, 100 * STALE - PAUSE);
            table.visit(key, 100 * STALE);
        }
        (11..=18).for_each(|key| _ = table.visit(key, 10));
        assert!((11..=18).all(|key| table.visit(key, 11).since.is_some()));
    }

    #[test]
    fn what_is_kept_comes_back() {
        let mut table: Table<u32> = Table::new(10);
        (0..3000).for_each(|i| *table.visit(hash(i % 500), i as i64).value += 1);
        let mut again = Table::from_snapshot(table.snapshot(), 10, |_| true).unwrap();
        for i in 0..600 {
            let (a, b) = (table.visit(hash(i), 4000), again.visit(hash(i), 4000));
            assert_eq!((a.since, *a.value), (b.since, *b.value));
        }
        assert!(Table::from_snapshot(table.snapshot(), 10, |&n| n < 2).is_none());
        assert!(Table::from_snapshot(table.snapshot(), 3, |_| true).is_none(), "a smaller table has no room");
    }

    #[test]
    fn a_scan_does_not_flush_out_the_regulars() {
        // Each address once, or again at once, half a second later and three seconds later.
        for visits in 1..=4 {
            let mut table: Table<u32> = Table::new(12);
            let regulars = 0..800;
            for round in 0..2 {
                regulars.clone().for_each(|host| *table.visit(hash(host), round * PAUSE).value = 1);
            }
            // A hundred times as many visitors as the table has slots, a millisecond apart.
            for host in 1000..400_000 {
                let now = PAUSE + host as i64 * 1000;
                for before in [0, 0, 500, 3000].into_iter().take(visits).filter(|before| host >= 1000 + before) {
                    table.visit(hash(host - before), now);
                }
            }
            let left = regulars.filter(|&host| *table.visit(hash(host), 2 * PAUSE).value == 1).count();
            assert!(left > 795, "{left} of 800 are left after {visits} visits each");
        }
    }

    #[test]
    fn what_is_visited_a_pause_after_it_was_new_came_back() {
        let stays = |visits: &[i64]| {
            let mut table: Table<u32> = Table::new(3);
            (1..=8).for_each(|key| visits.iter().for_each(|&at| _ = table.visit(key, at)));
            let last = visits[visits.len() - 1];
            // The second newcomer takes the place of the first.
            (11..=18).for_each(|key| _ = table.visit(key, last + key as i64));
            (1..=8).filter(|&key| table.revisit(key, last).is_some()).count() == 7
        };
        let minutes = |every: i64, n: i64| (0..=n).map(|i| i * every * MINUTE).collect::<Vec<_>>();
        for start in [0, MINUTE - 1, -7 * PAUSE + 1, 1_700_000_000_000_000] {
            let at = |minutes: Vec<i64>| minutes.into_iter().map(|at| start + at).collect::<Vec<_>>();
            assert!(!stays(&at(minutes(0, 5))) && !stays(&at(minutes(1, 9))), "from {start}");
            // At once after the pause, and on and on: the clock that goes round is not waited for.
            assert!(stays(&at(minutes(10, 1))) && stays(&at(minutes(255, 1))) && stays(&at(minutes(9, 2))));
            assert!(stays(&at(minutes(1, 11))) && stays(&at(minutes(1, 1000))), "from {start}");
            // In the tenth minute of the clock, and not ten later.
            assert!(!stays(&[start, start + 5 * MINUTE, start + 9 * MINUTE + 1]), "from {start}");
            // Out of order, it has not come back.
            assert!(!stays(&[start, start - 5 * MINUTE, start + 1]), "from {start}");
        }
    }

    #[test]
    fn what_was_not_seen_for_a_day_makes_room() {
        let mut table: Table<u32> = Table::new(3);
        for key in 1..=8 {
            table.visit(key, 1 - PAUSE);
            table.visit(key, 1);
        }
        for key in 11..=18 {
            table.visit(key, STALE + 10);
        }
        assert!((11..=18).all(|key| table.visit(key, STALE + 11).since.is_some()));
    }

    #[test]
    fn a_clock_that_ran_ahead_by_a_day_is_believed_and_no_more() {
        for (ahead, since) in [(STALE, 0), (STALE + 1, 10)] {
            let mut table: Table<u32> = Table::new(3);
            table.visit(1, 10 + ahead);
            table.visit(1, 10);
            assert_eq!(table.visit(1, 20).since, Some(since), "by {ahead}");
        }
        // The last seen of them is the last to make room, unless it was seen in a future that was none.
        for (ahead, stays) in [(STALE, true), (STALE + 1, false)] {
            let mut table: Table<u32> = Table::new(3);
            for (key, last) in (1..=8).map(|key| (key, if key == 1 { 10 + ahead } else { 10 })) {
                table.visit(key, last - PAUSE);
                table.visit(key, last);
            }
            table.visit(11, 10);
            assert_eq!(table.revisit(1, 10).is_some(), stays, "by {ahead}");
        }
    }

    #[test]
    fn only_a_visit_makes_an_entry() {
        let mut table: Table<u32> = Table::new(3);
        assert!(table.revisit(1, 5).is_none());
        *table.visit(1, 5).value = 7;
        let again = table.revisit(1, 15).unwrap();
        assert_eq!((again.since, *again.value), (Some(10), 7));
        assert_eq!(table.revisit(1, 18).unwrap().since, Some(3));
        assert!(table.revisit(2, 5).is_none());
    }
}

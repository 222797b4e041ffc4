//! Hash table of bounded size, which evicts the least valuable entries.
//!
//! A bucket has eight slots. A new key takes an empty slot or evicts the least valuable entry of its bucket. Entries
//! that never returned, or were not seen within a day, are evicted first, so a scan from a million addresses evicts its
//! own entries and leaves regular hosts in place. A return within ten minutes does not count, because scans and floods
//! retry.

use serde::{Deserialize, Serialize};

use crate::units::{DAY, MINUTE};

/// Slots of a bucket: enough that a bucket full of regular keys is rare at the expected load.
const WAYS: usize = 8;

/// Age, in microseconds, from which an entry is worth no more than a new one: a day.
const STALE: i64 = DAY;

/// Age, in microseconds, from which a visit counts as a return. A scan that fills a table does not keep an address for
/// ten minutes.
const PAUSE: i64 = 10 * MINUTE;

#[derive(Clone, Debug)]
pub(crate) struct Table<T> {
    buckets: Box<[Bucket<T>]>,
}

/// Adjacent keys fill one cache line, so a search for a missing key reads only that line.
#[derive(Clone, Copy, Debug, Default)]
struct Bucket<T> {
    /// 0 for an empty slot. Keys are hashes, so one in 2^64 keys is lost to this.
    keys: [u64; WAYS],
    last: [i64; WAYS],
    recurrence: [Recurrence; WAYS],
    values: [T; WAYS],
}

/// Return of a key: 0 if it came back at least [`PAUSE`] after its first visit; otherwise the minute of the first visit,
/// modulo 255, plus 1.
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

    /// State after a visit at `latest`, `since` microseconds after the previous one. A pause between visits counts as a
    /// return at once, so the clock cannot wrap unnoticed.
    fn visited(self, latest: i64, since: i64) -> Self {
        let minutes = (Self::minute(latest) + 1 - i64::from(self.0)).rem_euclid(Self::ROUND);
        // One minute more, because both are rounded.
        if self.came_back() || since >= PAUSE || minutes * MINUTE > PAUSE { Self(0) } else { self }
    }
}

/// One entry.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
struct Slot<T> {
    key: u64,
    last: i64,
    recurrence: Recurrence,
    value: T,
}

/// Entry of a key, with the time since the visit before this one.
pub(crate) struct Visit<'t, T> {
    /// Time since the previous visit, in microseconds: 0 if time went back, `None` for a new key.
    pub(crate) since: Option<i64>,
    pub(crate) value: &'t mut T,
}

impl<T: Copy + Default> Table<T> {
    /// Empty table of `1 << bits` entries; `bits` is at least 3.
    pub(crate) fn new(bits: u32) -> Self {
        Self { buckets: vec![Bucket::default(); (1 << bits) / WAYS].into_boxed_slice() }
    }

    /// Visits the entry of `key` at time `now`, and creates it if necessary.
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
    /// Starts fetching the cache lines that a visit begins with. Called some time before the visit, it lets other work
    /// go on while they arrive from memory.
    #[inline]
    pub(crate) fn prefetch(&self, key: u64) {
        let bucket = &self.buckets[self.index(key)];
        iforest::prefetch(&bucket.keys);
        iforest::prefetch(&bucket.last);
        iforest::prefetch(&bucket.values);
    }

    /// Index of a key's bucket, by multiplication: all bits of the key count.
    fn index(&self, key: u64) -> usize {
        ((u128::from(key) * self.buckets.len() as u128) >> 64) as usize
    }

    fn bucket(&mut self, key: u64) -> &mut Bucket<T> {
        let index = self.index(key);
        &mut self.buckets[index]
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

    /// Empty slot, or else the slot of the least valuable entry.
    fn least(&self, now: i64) -> usize {
        let worth = |&way: &usize| {
            let since = now.saturating_sub(self.last[way]);
            let regular = self.recurrence[way].came_back() && (-STALE..STALE).contains(&since);
            // A time more than a day in the future says nothing about recency.
            let last = if since < -STALE { i64::MIN } else { self.last[way] };
            (regular, last)
        };
        self.way(0).or_else(|| (0..WAYS).min_by_key(worth)).unwrap_or_default()
    }

    fn set(&mut self, way: usize, slot: Slot<T>) {
        Slot { key: self.keys[way], last: self.last[way], recurrence: self.recurrence[way], value: self.values[way] } =
            slot;
    }

    fn revisit(&mut self, way: usize, now: i64) -> Visit<'_, T> {
        let last = &mut self.last[way];
        let since = now.saturating_sub(*last).max(0);
        // A jump back of more than a day is a corrected clock: the entry must not stay in the future until then.
        *last = if last.saturating_sub(now) > STALE { now } else { (*last).max(now) };
        self.recurrence[way] = self.recurrence[way].visited(*last, since);
        Visit { since: Some(since), value: &mut self.values[way] }
    }
}

/// Entries of a table, copied to be written to a file.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct TableSnapshot<T>(Vec<Slot<T>>);

impl<T: Copy + Default> Table<T> {
    /// Its entries.
    pub(crate) fn snapshot(&self) -> TableSnapshot<T> {
        let slots = || self.buckets.iter().flat_map(Bucket::slots).filter(|slot| slot.key != 0);
        // Allocated at once, because growing could take twice the memory.
        let mut entries = Vec::with_capacity(slots().count());
        entries.extend(slots());
        TableSnapshot(entries)
    }

    /// Table of `1 << bits` entries from a snapshot of a table of the same size; `None` if a bucket would overflow or
    /// an entry is not `sound`.
    pub(crate) fn from_snapshot(snapshot: TableSnapshot<T>, bits: u32, sound: impl Fn(&T) -> bool) -> Option<Self> {
        let mut table = Self::new(bits);
        for slot in snapshot.0 {
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
    fn entries_persist() {
        let mut table: Table<u32> = Table::new(10);
        let first = table.visit(hash(1), 100);
        assert_eq!(first.since, None);
        *first.value = 7;
        let again = table.visit(hash(1), 130);
        assert_eq!((again.since, *again.value), (Some(30), 7));
    }

    #[test]
    fn accepts_earlier_times() {
        let mut table: Table<u32> = Table::new(10);
        table.visit(hash(1), 100);
        assert_eq!(table.visit(hash(1), 40).since, Some(0));
        assert_eq!(table.visit(hash(1), 101).since, Some(1));
        assert_eq!(table.visit(hash(1), i64::MIN).since, Some(0));
        assert_eq!(table.visit(hash(1), i64::MAX).since, Some(i64::MAX));
    }

    #[test]
    fn corrected_clock_resets_the_entry() {
        let mut table: Table<u32> = Table::new(10);
        table.visit(hash(1), 100 * STALE);
        assert_eq!(table.visit(hash(1), 10).since, Some(0));
        assert_eq!(table.visit(hash(1), 30).since, Some(20));
    }

    #[test]
    fn entries_from_the_future_are_evicted() {
        let mut table: Table<u32> = Table::new(3);
        for key in 1..=8 {
            table.visit(key, 100 * STALE - PAUSE);
            table.visit(key, 100 * STALE);
        }
        (11..=18).for_each(|key| _ = table.visit(key, 10));
        assert!((11..=18).all(|key| table.visit(key, 11).since.is_some()));
    }

    #[test]
    fn snapshot_restores_the_table() {
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
    fn scan_does_not_evict_regular_keys() {
        // Each address visits once, or again after half a second and after three seconds.
        for visits in 1..=4 {
            let mut table: Table<u32> = Table::new(12);
            let regulars = 0..800;
            for round in 0..2 {
                regulars.clone().for_each(|host| *table.visit(hash(host), round * PAUSE).value = 1);
            }
            // A hundred times as many addresses as the table has slots, a millisecond apart.
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
    fn visit_after_a_pause_is_a_return() {
        let stays = |visits: &[i64]| {
            let mut table: Table<u32> = Table::new(3);
            (1..=8).for_each(|key| visits.iter().for_each(|&at| _ = table.visit(key, at)));
            let last = visits[visits.len() - 1];
            // The second new key evicts the first.
            (11..=18).for_each(|key| _ = table.visit(key, last + key as i64));
            (1..=8).filter(|&key| table.revisit(key, last).is_some()).count() == 7
        };
        let minutes = |every: i64, n: i64| (0..=n).map(|i| i * every * MINUTE).collect::<Vec<_>>();
        for start in [0, MINUTE - 1, -7 * PAUSE + 1, 1_700_000_000_000_000] {
            let at = |minutes: Vec<i64>| minutes.into_iter().map(|at| start + at).collect::<Vec<_>>();
            assert!(!stays(&at(minutes(0, 5))) && !stays(&at(minutes(1, 9))), "from {start}");
            // A return right after the pause, and ever later ones, across wraps of the clock.
            assert!(stays(&at(minutes(10, 1))) && stays(&at(minutes(255, 1))) && stays(&at(minutes(9, 2))));
            assert!(stays(&at(minutes(1, 11))) && stays(&at(minutes(1, 1000))), "from {start}");
            // Within the tenth minute of the clock, but less than ten minutes later.
            assert!(!stays(&[start, start + 5 * MINUTE, start + 9 * MINUTE + 1]), "from {start}");
            // An earlier time is not a return.
            assert!(!stays(&[start, start - 5 * MINUTE, start + 1]), "from {start}");
        }
    }

    #[test]
    fn stale_entries_are_evicted() {
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
    fn accepts_times_up_to_a_day_ahead() {
        for (ahead, since) in [(STALE, 0), (STALE + 1, 10)] {
            let mut table: Table<u32> = Table::new(3);
            table.visit(1, 10 + ahead);
            table.visit(1, 10);
            assert_eq!(table.visit(1, 20).since, Some(since), "by {ahead}");
        }
        // The one seen last is evicted last, unless it was seen in the future.
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
    fn revisit_creates_no_entry() {
        let mut table: Table<u32> = Table::new(3);
        assert!(table.revisit(1, 5).is_none());
        *table.visit(1, 5).value = 7;
        let again = table.revisit(1, 15).unwrap();
        assert_eq!((again.since, *again.value), (Some(10), 7));
        assert_eq!(table.revisit(1, 18).unwrap().since, Some(3));
        assert!(table.revisit(2, 5).is_none());
    }
}

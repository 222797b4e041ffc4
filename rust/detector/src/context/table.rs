//! A table of bounded size: what was last known of each of many keys.
//!
//! Eight slots to a bucket; a new key takes an empty slot of its bucket or drives out the entry least worth keeping.
//! An entry seen once, or not within a day, goes before one that came back: a scan from a million addresses, each seen
//! once, churns the single-visit entries and leaves the hosts that matter in place.

/// One bucket's slots. Enough that a bucket full of regulars is rare at the load the table is made for.
const WAYS: usize = 8;

/// An entry not seen for so long (a day, in microseconds) is no longer worth more than a newcomer.
const STALE: i64 = 86_400_000_000;

#[derive(Clone, Debug)]
pub(crate) struct Table<T> {
    buckets: Box<[[Slot<T>; WAYS]]>,
}

#[derive(Clone, Copy, Debug, Default)]
struct Slot<T> {
    /// 0 for an empty slot; keys are hashes, of which one in 2^64 is lost to this.
    key: u64,
    last: i64,
    came_back: bool,
    value: T,
}

/// What the table knows of a key, before the present visit changed the time of the last.
pub(crate) struct Visit<'t, T> {
    /// How long ago the key was last seen, in microseconds: 0 if time went back, none for a new key.
    pub(crate) since: Option<i64>,
    pub(crate) value: &'t mut T,
}

impl<T: Copy + Default> Table<T> {
    /// A table of `1 << bits` entries; `bits` is at least 3.
    pub(crate) fn new(bits: u32) -> Self {
        Self { buckets: vec![[Slot::default(); WAYS]; (1 << bits) / WAYS].into_boxed_slice() }
    }

    /// Visits the entry of `key` at time `now`, making it if there is none.
    pub(crate) fn visit(&mut self, key: u64, now: i64) -> Visit<'_, T> {
        let bucket = self.bucket(key);
        if let Some(way) = self.buckets[bucket].iter().position(|slot| slot.key == key) {
            return self.buckets[bucket][way].revisit(now);
        }
        let slots = &mut self.buckets[bucket];
        let worth = |slot: &Slot<T>| {
            let regular = slot.came_back && now.saturating_sub(slot.last) < STALE;
            (slot.key != 0, regular, slot.last)
        };
        let mut least = 0;
        for way in 1..WAYS {
            if worth(&slots[way]) < worth(&slots[least]) {
                least = way;
            }
        }
        slots[least] = Slot { key, last: now, came_back: false, value: T::default() };
        Visit { since: None, value: &mut slots[least].value }
    }
}

impl<T> Table<T> {
    /// The high bits choose the bucket, by multiplication, so that all of them count.
    fn bucket(&self, key: u64) -> usize {
        ((u128::from(key) * self.buckets.len() as u128) >> 64) as usize
    }

    /// Visits the entry of `key` at time `now` if there is one.
    pub(crate) fn revisit(&mut self, key: u64, now: i64) -> Option<Visit<'_, T>> {
        let bucket = self.bucket(key);
        self.buckets[bucket].iter_mut().find(|slot| slot.key == key).map(|slot| slot.revisit(now))
    }
}

impl<T> Slot<T> {
    fn revisit(&mut self, now: i64) -> Visit<'_, T> {
        let since = now.saturating_sub(self.last).max(0);
        self.last = self.last.max(now);
        self.came_back = true;
        Visit { since: Some(since), value: &mut self.value }
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
        assert_eq!(table.visit(hash(1), i64::MAX).since, Some(i64::MAX - 101));
    }

    #[test]
    fn a_scan_does_not_flush_out_the_regulars() {
        let mut table: Table<u32> = Table::new(12);
        let regulars = 0..800;
        for round in 0..2 {
            regulars.clone().for_each(|host| *table.visit(hash(host), round).value = 1);
        }
        // A hundred times as many one-time visitors as the table has slots.
        (1000..400_000).for_each(|host| _ = table.visit(hash(host), host as i64));
        let left = regulars.filter(|&host| *table.visit(hash(host), 500_000).value == 1).count();
        assert!(left > 795, "{left} of 800 are left");
    }

    #[test]
    fn what_was_not_seen_for_a_day_makes_room() {
        let mut table: Table<u32> = Table::new(3);
        for key in 1..=8 {
            table.visit(key, 0);
            table.visit(key, 1);
        }
        for key in 11..=18 {
            table.visit(key, STALE + 10);
        }
        assert!((11..=18).all(|key| table.visit(key, STALE + 11).since.is_some()));
    }
}

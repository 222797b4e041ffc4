//! Keys of the rows that a worker has sent.
//!
//! They still count for the quota of their group. Otherwise each message, which empties the reservoir, would start a new
//! quota, and a flood would raise the connection rate.

use std::collections::{BinaryHeap, HashMap};

use crate::reservoir::entry::{Entry, Key, QuotaGroup};
use crate::units::{DAY, HOUR};

/// Keys of sent rows, of the present hour or, if they alerted, of the present day.
#[derive(Debug, Default)]
pub(super) struct SentKeys {
    keys: HashMap<QuotaGroup, BinaryHeap<Key>>,
    /// End of the latest row, in microseconds since 1970.
    latest: i64,
}

impl SentKeys {
    /// Adds a row that is removed from the reservoir.
    pub(super) fn add(&mut self, entry: &Entry) {
        let (before, now) = (self.latest, self.latest.max(entry.ts));
        self.latest = now;
        if before.div_euclid(DAY) != now.div_euclid(DAY) {
            self.keys.clear();
        } else if before.div_euclid(HOUR) != now.div_euclid(HOUR) {
            self.keys.retain(|group, _| group.is_alert());
        }
        let period = if entry.group.is_alert() { DAY } else { HOUR };
        if entry.ts.div_euclid(period) == now.div_euclid(period) {
            self.keys.entry(entry.group).or_default().push(entry.key);
        }
    }

    /// Number of sent rows of a group.
    pub(super) fn count(&self, group: QuotaGroup) -> usize {
        self.keys.get(&group).map_or(0, BinaryHeap::len)
    }

    /// Largest key of a group.
    pub(super) fn largest(&self, group: QuotaGroup) -> Option<Key> {
        self.keys.get(&group)?.peek().copied()
    }

    /// Removes the largest key of a group.
    pub(super) fn remove_largest(&mut self, group: QuotaGroup) {
        self.keys.get_mut(&group).and_then(BinaryHeap::pop);
    }
}

//! History of the last records by originator, which a new incident searches.

use std::collections::VecDeque;

use foldhash::HashMap;

use super::record::Record;
use crate::address::Address;

/// Number of records stored.
const CAPACITY: usize = 65_536;
/// Largest number of records read by one search.
const MAX_STEPS: usize = 4096;

/// Ring buffer of records, with those of each originator linked.
#[derive(Debug, Default)]
pub(super) struct History {
    ring: VecDeque<Entry>,
    /// The number of the oldest record in the ring, counted from the first record ever added.
    first: u64,
    latest: HashMap<Address, u64>,
}

#[derive(Debug)]
struct Entry {
    record: Record,
    previous: Option<u64>,
    /// True if it belongs to an incident already.
    taken: bool,
}

impl History {
    /// Adds a record, in place of the oldest one if the ring is full.
    pub(super) fn push(&mut self, record: Record, taken: bool) {
        if self.ring.len() >= CAPACITY {
            if let Some(oldest) = self.ring.pop_front() {
                if self.latest.get(&oldest.record.originator) == Some(&self.first) {
                    self.latest.remove(&oldest.record.originator);
                }
                self.first += 1;
            }
        }
        let number = self.first + self.ring.len() as u64;
        let previous = self.latest.insert(record.originator, number);
        self.ring.push_back(Entry { record, previous, taken });
    }

    /// Takes the records of the same originator that match a condition and belong to no incident yet, oldest first.
    /// Stops at a pause longer than `pause`, in microseconds.
    pub(super) fn take_earlier(&mut self, from: &Record, pause: i64, fulfil: impl Fn(&Record) -> bool) -> Vec<Record> {
        let mut found = Vec::new();
        let (mut next, mut end) = (self.latest.get(&from.originator).copied(), from.ts);
        for _ in 0..MAX_STEPS {
            let index = next.and_then(|number| number.checked_sub(self.first));
            let Some(entry) = index.and_then(|index| self.ring.get_mut(index as usize)) else { break };
            next = entry.previous;
            if !fulfil(&entry.record) {
                continue;
            }
            if end.saturating_sub(entry.record.end) > pause {
                break;
            }
            end = end.min(entry.record.ts);
            if !std::mem::replace(&mut entry.taken, true) {
                found.push(entry.record);
            }
        }
        found.reverse();
        found
    }

    /// Its records, oldest first, and whether they belong to an incident.
    pub(super) fn records(&self) -> impl Iterator<Item = (Record, bool)> {
        self.ring.iter().map(|entry| (entry.record, entry.taken))
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> (usize, usize) {
        (self.ring.len(), self.latest.len())
    }
}

//! Surges: many originators that fail on one responder within minutes.
//!
//! A bitmap counts the originators, because only one threshold matters and a count restarts every ten minutes.

use serde::{Deserialize, Serialize};

use super::record::Record;
use crate::context::keys::ContextKeys;
use crate::context::table::{Table, TableSnapshot};
use crate::units::MINUTE;

/// Number of responders counted, as a power of 2.
const RESPONDERS: u32 = 13;
/// Duration of a count, in microseconds: 10 minutes.
const WINDOW: i64 = 10 * MINUTE;
/// Bits that originators hash to, and the number of set bits of a surge: about 700 originators.
const BITS: usize = 512;
const MAX_BITS: u32 = 384;
/// Smallest share of failed connections in a surge.
const FAILED: f64 = 0.9;

/// Recent connections and failures by responder.
#[derive(Debug)]
pub(super) struct Surges {
    responders: Table<Failures>,
}

/// Counts by responder, in a file.
pub(super) type SurgesSnapshot = TableSnapshot<Failures>;

#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
pub(super) struct Failures {
    since: i64,
    connections: u32,
    failed: u32,
    originators: [u64; BITS / 64],
}

impl Default for Surges {
    fn default() -> Self {
        Self { responders: Table::new(RESPONDERS) }
    }
}

impl Surges {
    pub(super) fn snapshot(&self) -> SurgesSnapshot {
        self.responders.snapshot()
    }

    /// Counts from a file; `None` if there are too many.
    pub(super) fn from_snapshot(snapshot: SurgesSnapshot) -> Option<Self> {
        Some(Self { responders: Table::from_snapshot(snapshot, RESPONDERS, |_| true)? })
    }

    /// Starts fetching the counts of a responder, see [`Table::prefetch`].
    pub(super) fn prefetch(&self, keys: &ContextKeys) {
        self.responders.prefetch(keys.resp);
    }

    /// Counts a connection, and returns true if it failed during a surge.
    pub(super) fn add(&mut self, record: &Record, keys: &ContextKeys) -> bool {
        let visit = match record.failed {
            true => Some(self.responders.visit(keys.resp, record.end)),
            false => self.responders.revisit(keys.resp, record.end),
        };
        let Some(visit) = visit else { return false };
        let counts = visit.value;
        if counts.connections == 0 || record.end.saturating_sub(counts.since) > WINDOW {
            *counts = Failures { since: record.end, ..Failures::default() };
        }
        counts.connections = counts.connections.saturating_add(1);
        counts.failed = counts.failed.saturating_add(u32::from(record.failed));
        if !record.failed {
            return false;
        }
        let bit = keys.orig as usize % BITS;
        counts.originators[bit / 64] |= 1 << (bit % 64);
        let set: u32 = counts.originators.iter().map(|word| word.count_ones()).sum();
        set >= MAX_BITS && f64::from(counts.failed) >= FAILED * f64::from(counts.connections)
    }
}

//! Rows of a reservoir, with the keys that order them and the groups that share a quota.

use std::cmp::Ordering;

use crate::schema::{FeatureRow, MAX_COLUMNS};

/// A row in the sample.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Entry {
    pub(crate) key: Key,
    pub(crate) group: QuotaGroup,
    /// End of the connection, in microseconds since 1970.
    pub(crate) ts: i64,
    pub(crate) row: FeatureRow,
}

impl Entry {
    /// Identity among entries with the same key.
    pub(super) fn in_bits(&self) -> (QuotaGroup, i64, [u32; MAX_COLUMNS]) {
        (self.group, self.ts, self.row.map(f32::to_bits))
    }
}

/// Group of rows that share a quota; the lowest bit is 1 if they were anomalous when offered.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct QuotaGroup(pub(crate) u64);

impl QuotaGroup {
    /// Creates a group from a hash of its common property; the lowest bit of the hash is ignored.
    pub fn new(hash: u64, alert: bool) -> Self {
        Self(hash & !1 | u64::from(alert))
    }

    /// Returns true if its rows alerted.
    pub fn is_alert(self) -> bool {
        self.0 & 1 == 1
    }
}

/// Sort key of a row. Never NaN.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Key(pub(crate) f64);

impl Eq for Key {}

impl PartialOrd for Key {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Key {
    fn cmp(&self, other: &Self) -> Ordering {
        self.0.total_cmp(&other.0)
    }
}

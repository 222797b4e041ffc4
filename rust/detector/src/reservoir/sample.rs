//! Snapshots of a reservoir, and their rows for training.

use crate::reservoir::entry::{Entry, Key};
use crate::reservoir::observed_time::ObservedTime;
use crate::reservoir::rate::RowCounts;
use crate::reservoir::sampling::Sampling;
use crate::reservoir::shared_vec::SharedVec;
use crate::schema::{FeatureRow, LogKind};
use crate::units::DAY;

/// Contents of a reservoir at one time. Rows are shared with the reservoir, not copied.
#[derive(Clone, Debug)]
pub struct ReservoirSnapshot {
    pub(super) log: LogKind,
    pub(super) sampling: Sampling,
    pub(super) entries: SharedVec<Entry>,
    pub(super) bound: Option<Key>,
    pub(super) seen: u64,
    pub(super) span: ObservedTime,
    pub(super) counts: Option<RowCounts>,
}

/// Rows of a snapshot, and statistics of the traffic they represent.
#[derive(Clone, Debug)]
pub(crate) struct Sample {
    pub(crate) log: LogKind,
    pub(crate) sampling: Sampling,
    pub(crate) entries: Vec<Entry>,
    pub(crate) bound: Option<Key>,
    pub(crate) seen: u64,
    pub(crate) span: ObservedTime,
    pub(crate) counts: Option<RowCounts>,
}

impl ReservoirSnapshot {
    /// Rows in arbitrary but reproducible order.
    pub(crate) fn unordered(self) -> Sample {
        let Self { log, sampling, entries, bound, seen, span, counts } = self;
        Sample { log, sampling, entries: entries.iter().copied().collect(), bound, seen, span, counts }
    }

    /// Rows ordered by key: a random order that depends only on the rows.
    pub(crate) fn by_key(self) -> Sample {
        let mut sample = self.unordered();
        sample.entries.sort_by_key(|entry| entry.key);
        sample
    }
}

impl Sample {
    /// Rows and their times.
    pub(crate) fn rows_and_times(&self) -> (Vec<FeatureRow>, Vec<i64>) {
        self.entries.iter().map(|entry| (entry.row, entry.ts)).unzip()
    }

    /// Connections per day that the sample represents, decayed like the sample; infinite without observed time.
    pub(crate) fn connections_per_day(&self) -> f64 {
        match &self.counts {
            Some(counts) => counts.per_day(&self.span),
            None => self.seen.max(1) as f64 * DAY as f64 / self.span.seen() as f64,
        }
    }
}

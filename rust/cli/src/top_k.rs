//! The k connections with the highest scores of a run.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use detector::{Connection, FeatureRow, LogRecord, Model, Reason, Verdict};

use crate::format;
use crate::input::records;
use crate::pipeline::ScoredRecord;
use crate::score_text::millionths;

/// Connections with the highest scores so far; among equal scores, the earlier in the logs.
pub struct TopK {
    capacity: usize,
    seen: u64,
    /// The lowest score is on top.
    heap: BinaryHeap<Reverse<StoredRecord>>,
}

/// Score in millionths, and the number of connections before.
type Rank = (u32, Reverse<u64>);

/// A connection with its verdict and features, independent of its batch.
#[derive(Clone, Debug)]
pub struct StoredRecord {
    rank: Rank,
    pub verdict: Verdict,
    row: FeatureRow,
    record: LogRecord<'static>,
    uid: Option<Box<[u8]>>,
    texts: [Option<Box<[u8]>>; 2],
}

impl PartialEq for StoredRecord {
    fn eq(&self, other: &Self) -> bool {
        self.rank == other.rank
    }
}

impl Eq for StoredRecord {}

impl PartialOrd for StoredRecord {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for StoredRecord {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.rank.cmp(&other.rank)
    }
}

impl TopK {
    /// Room for `capacity` connections, at least one.
    pub fn new(capacity: usize) -> Self {
        Self { capacity: capacity.max(1), seen: 0, heap: BinaryHeap::new() }
    }

    /// Adds the connection if its score is among the highest.
    pub fn push(&mut self, scored: &ScoredRecord<'_>) {
        let rank = (millionths(scored.verdict.score), Reverse(self.seen));
        self.seen += 1;
        if self.heap.len() == self.capacity {
            if self.heap.peek().is_some_and(|Reverse(last)| last.rank > rank) {
                return;
            }
            self.heap.pop();
        }
        self.heap.push(Reverse(StoredRecord::with_rank(scored, rank)));
    }

    /// The connections by descending score.
    pub fn into_sorted(self) -> Vec<StoredRecord> {
        self.heap.into_sorted_vec().into_iter().map(|Reverse(entry)| entry).collect()
    }
}

impl StoredRecord {
    /// Copies a connection out of its batch.
    pub fn new(scored: &ScoredRecord<'_>) -> Self {
        Self::with_rank(scored, (millionths(scored.verdict.score), Reverse(0)))
    }

    fn with_rank(scored: &ScoredRecord<'_>, rank: Rank) -> Self {
        let (record, texts) = records::split(&scored.record);
        // Features are computed from the whole name, so it is not truncated.
        let longest = |text: &[u8]| match record {
            LogRecord::Conn(_) => format::truncate(text).into(),
            LogRecord::Dns(_) => text.into(),
        };
        Self {
            rank,
            verdict: *scored.verdict,
            row: *scored.row,
            uid: scored.uid.map(|uid| format::truncate(uid).into()),
            texts: texts.map(|text| text.map(longest)),
            record,
        }
    }

    /// The record; long texts of a connection are truncated.
    pub fn record(&self) -> LogRecord<'_> {
        let [first, second] = &self.texts;
        records::join(&self.record, [first.as_deref(), second.as_deref()])
    }

    /// The connection that carried the record.
    pub fn connection(&self) -> Connection<'_> {
        self.record().connection()
    }

    /// The reasons for its score, the strongest first.
    pub fn reasons(&self, model: &Model) -> Vec<Reason> {
        model.reasons(self.record(), &self.row, None)
    }

    /// Its `uid`.
    pub fn uid(&self) -> Option<&[u8]> {
        self.uid.as_deref()
    }
}

//! The k records with the highest scores of a run.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use detector::{Connection, FeatureRow, LogRecord, Model, Reason, Verdict};

use crate::format;
use crate::input::records;
use crate::pipeline::ScoredRecord;
use crate::score_text::millionths;

/// Records with the highest scores so far; among equal scores, the earlier in the logs.
pub struct TopK {
    capacity: usize,
    seen: u64,
    records: BTreeMap<Rank, StoredRecord>,
}

/// Score in millionths, and the number of records before; no two are equal.
type Rank = (u32, Reverse<u64>);

/// A record with its verdict and features, independent of its batch.
#[derive(Clone, Debug)]
pub struct StoredRecord {
    pub verdict: Verdict,
    row: FeatureRow,
    record: LogRecord<'static>,
    uid: Option<Box<[u8]>>,
    texts: [Option<Box<[u8]>>; 2],
}

impl TopK {
    /// Room for `capacity` records, at least one.
    pub fn new(capacity: usize) -> Self {
        Self { capacity: capacity.max(1), seen: 0, records: BTreeMap::new() }
    }

    /// Adds the record if its score is among the highest.
    pub fn push(&mut self, scored: &ScoredRecord<'_>) {
        let rank = (millionths(scored.verdict.score), Reverse(self.seen));
        self.seen += 1;
        if self.records.len() == self.capacity {
            if self.records.first_key_value().is_some_and(|(lowest, _)| *lowest > rank) {
                return;
            }
            self.records.pop_first();
        }
        self.records.insert(rank, StoredRecord::new(scored));
    }

    /// The records by descending score.
    pub fn into_sorted(self) -> Vec<StoredRecord> {
        self.records.into_values().rev().collect()
    }
}

impl StoredRecord {
    /// Copies a record out of its batch.
    pub fn new(scored: &ScoredRecord<'_>) -> Self {
        let (record, texts) = records::split(&scored.record);
        // Features are computed from the whole name, so it is not truncated.
        let longest = |text: &[u8]| match record {
            LogRecord::Conn(_) => format::truncate(text).into(),
            LogRecord::Dns(_) => text.into(),
        };
        Self {
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

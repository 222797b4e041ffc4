//! Batches of log lines, the unit of work of the pipeline.

use detector::{
    AlertPolicy, Connection, ContextKeys, Extractor, FeatureRow, LogRecord, Model, RowScore, ScoreCache, ScoreHistory,
    Verdict,
};
use zeek_log::Block;

use crate::input::merge::LineSource;
use crate::input::records::Records;

/// Capacity in bytes that text and output buffers retain between batches, several times that of a typical batch.
pub(super) const RETAINED_BYTES: usize = 1 << 20;

/// Number of records ahead for which context entries are prefetched.
const AHEAD: usize = 8;

/// Result of parsing a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LineStatus {
    /// The next of the batch's records.
    Record,
    /// A row with a value that cannot be used; reported.
    Unusable,
    /// Not a row, though it should be one; reported.
    Malformed,
    /// A row of another stream.
    OtherStream,
    /// A header, a comment or a blank line.
    Meta,
}

/// A block of lines, and the results of each stage.
#[derive(Debug, Default)]
pub struct Batch {
    pub block: Block,
    /// The status of each line of the block.
    pub lines: Vec<LineStatus>,
    /// The records, in line order.
    pub records: Records,
    /// For each record, whether its label is malicious; empty if labels are not read.
    pub malicious: Vec<Option<bool>>,
    /// For each record, its feature row, if extracted.
    pub rows: Vec<FeatureRow>,
    /// For each record, its score, if scored.
    pub scores: Vec<RowScore>,
    /// For each record, its verdict, if decided.
    pub verdicts: Vec<Verdict>,
    /// The output of commands that write rows.
    pub out: Vec<u8>,
    /// For each record, the keys of its context.
    pub keys: Vec<ContextKeys>,
    /// True if rows without a label are unusable, because the log has a label column.
    pub(super) labelled: bool,
    pub(super) errors: Vec<zeek_log::Error>,
    /// The positions of the lines, if the block is of several merged logs.
    pub(super) sources: Vec<LineSource>,
    /// The failures of logs that end with this batch, which then has no lines.
    pub(super) failures: Vec<anyhow::Error>,
}

/// A record with its verdict.
#[derive(Clone, Copy)]
pub struct ScoredRecord<'a> {
    pub record: LogRecord<'a>,
    /// The connection that carried it.
    pub connection: Connection<'a>,
    pub uid: Option<&'a [u8]>,
    pub row: &'a FeatureRow,
    pub verdict: &'a Verdict,
    pub keys: &'a ContextKeys,
}

impl<'a> ScoredRecord<'a> {
    pub fn new(
        record: LogRecord<'a>,
        uid: Option<&'a [u8]>,
        row: &'a FeatureRow,
        keys: &'a ContextKeys,
        verdict: &'a Verdict,
    ) -> Self {
        Self { record, connection: record.connection(), uid, row, verdict, keys }
    }
}

impl Batch {
    /// Extracts the feature rows, in order.
    pub fn extract(&mut self, extractor: &mut Extractor) {
        self.rows.clear();
        self.keys.clear();
        let mut later = self.records.without_texts().skip(AHEAD);
        for record in self.records.iter() {
            if let Some(later) = later.next() {
                extractor.prefetch(later);
            }
            let (row, keys) = extractor.context_row(record);
            self.rows.push(row);
            self.keys.push(keys);
        }
    }

    /// Scores the feature rows. `cache` belongs to the thread, for batches of any log.
    pub fn score(&mut self, model: &Model, cache: &mut ScoreCache) {
        self.scores = model.score_rows(&self.rows, &self.ends(), cache);
        self.verdicts.clear();
    }

    /// End of each record.
    pub fn ends(&self) -> Vec<i64> {
        self.records.without_texts().map(LogRecord::end).collect()
    }

    /// Decides on the scored records, in order.
    pub fn decide(&mut self, model: &Model, policy: &AlertPolicy, history: &mut ScoreHistory) {
        self.verdicts = self.verdicts_by(model, policy, history, &self.scores);
    }

    /// The verdicts for these scores, in order.
    pub fn verdicts_by(
        &self,
        model: &Model,
        policy: &AlertPolicy,
        history: &mut ScoreHistory,
        scores: &[RowScore],
    ) -> Vec<Verdict> {
        // With texts, because a history tells stray replies.
        let records = self.records.iter().zip(&self.keys).zip(scores);
        let verdict = |(i, ((record, keys), &score)): (usize, ((LogRecord<'_>, &ContextKeys), &RowScore))| {
            if let Some(keys) = self.keys_ahead(i) {
                history.prefetch(keys);
            }
            history.verdict(model, policy, &record, keys, score)
        };
        records.enumerate().map(verdict).collect()
    }

    /// The records with their verdicts, in order.
    pub fn scored(&self) -> impl Iterator<Item = ScoredRecord<'_>> {
        let records = self.records.iter().zip(self.records.uids());
        let features = self.rows.iter().zip(&self.keys);
        let scored = records.zip(features).zip(&self.verdicts);
        scored.map(|(((record, uid), (row, keys)), verdict)| ScoredRecord::new(record, uid, row, keys, verdict))
    }

    /// The record at this index with its verdict.
    ///
    /// # Panics
    /// If the index is out of bounds.
    pub fn scored_at(&self, index: usize) -> ScoredRecord<'_> {
        let (record, uid) = (self.records.get(index), self.records.uid(index));
        ScoredRecord::new(record, uid, &self.rows[index], &self.keys[index], &self.verdicts[index])
    }

    /// Keys of a later record, to prefetch its context before the record at this index.
    pub fn keys_ahead(&self, index: usize) -> Option<&ContextKeys> {
        self.keys.get(index + AHEAD)
    }

    /// Takes the errors, each with the position in its log.
    pub(super) fn take_errors(&mut self) -> Vec<zeek_log::Error> {
        let first = self.block.first_line();
        let sources = &mut self.sources;
        let locate = |error: zeek_log::Error| {
            let index = error.line().and_then(|line| line.checked_sub(first));
            match index.and_then(|index| sources.get_mut(index as usize)) {
                Some(source) => source.locate(error),
                None => error,
            }
        };
        self.errors.drain(..).map(locate).collect()
    }

    /// Prepares for reuse, and frees the memory that a very long line took.
    pub fn clear(&mut self) {
        self.records.clear();
        self.records.shrink_texts(RETAINED_BYTES);
        self.out.clear();
        self.out.shrink_to(RETAINED_BYTES);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Verdicts of the sensor are on the whole record, with its history.
    #[test]
    fn stray_resets_accumulate_no_evidence() {
        let mut trainer = detector::Trainer::new(detector::Params::default());
        for i in 0..2000 {
            let duration = Some(i * 7919 % 90_001);
            trainer.learn(&Connection { ts: i * 43_200_000, duration, ..Connection::default() });
        }
        let model = trainer.fit().unwrap();
        let policy = AlertPolicy::of(&model);
        let reports = |history: &[u8]| {
            let mut batch = Batch::default();
            let mut record =
                Connection { proto: detector::Proto::Tcp, history: Some(history), ..Connection::default() };
            record.orig.addr = std::net::IpAddr::from([10, 0, 0, 1]).into();
            record.resp.addr = std::net::IpAddr::from([192, 0, 2, 1]).into();
            (0..200).for_each(|_| batch.records.push(&LogRecord::Conn(record), None, None));
            batch.extract(&mut Extractor::of(detector::LogKind::Conn));
            let scores = [RowScore { forest: model.threshold() - 1e-6, ..RowScore::default() }; 200];
            let verdicts = batch.verdicts_by(&model, &policy, &mut ScoreHistory::default(), &scores);
            verdicts.iter().filter(|verdict| verdict.evidence.is_some()).count()
        };
        assert_eq!([reports(b"S"), reports(b"R")], [1, 0]);
    }

    #[test]
    fn clear_frees_the_memory_of_a_long_line() {
        let mut batch = Batch { out: vec![0; 10 * RETAINED_BYTES], ..Batch::default() };
        batch.records.push(&LogRecord::Conn(Connection::default()), Some(&batch.out), None);
        batch.clear();
        assert!(batch.out.is_empty() && batch.out.capacity() <= RETAINED_BYTES);
        assert!(batch.records.len() == 0 && batch.records.text_capacity() <= RETAINED_BYTES);
    }
}

//! From logs to results, in stages that run side by side and in constant memory:
//!
//! ```text
//! read, decompress  ->  parse  ->  context  ->  work  ->  deliver
//!     one thread      N threads   one thread  N threads  the caller's
//! ```
//!
//! What a connection means depends on those before it, so `context` sees all of them in the order of the logs; parsing
//! before it and scoring after it need no order. Batches are dealt to the N threads in turn and taken back in turn,
//! which keeps the order without any sorting, and makes the result the same for every N. The channels between the
//! stages are bounded, and a delivered batch goes back to the reader to be filled again.
//!
//! Nothing here knows what a command does with the connections.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, channel, sync_channel};
use std::thread;

use anyhow::{Error, Result, anyhow, bail, ensure};
use detector::{Connection, Cusum, Extractor, FeatureRow as Features, Model, Verdict};
use indicatif::ProgressBar;
use zeek_log::{Binding, Block, ColumnSpec, ErrorKind, Format, Input, Layout, LineKind, Parsed, Row};

use crate::conn_log::{self, COLUMNS, Connections, Labels};
use crate::console::{Console, Reported};
use crate::human;
use crate::merge;
use crate::source::{self, Source};

/// Bytes of texts, and of output, that a batch keeps room for: several times those of an ordinary one.
const ROOM: usize = 1 << 20;
/// Batches between two stages, per channel.
const WAITING: usize = 1;
/// Rows per input that are reported one by one; the others are counted.
const REPORTED: u64 = 10;

/// What became of a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LineIs {
    /// The next of the batch's connections.
    Connection,
    /// A row whose values cannot be used; it was reported.
    Unusable,
    /// No row at all, though it should be one; it was reported.
    Malformed,
    /// A row of another stream.
    OtherStream,
    /// A header, a comment, a blank line.
    Meta,
}

/// A run of lines on its way through the stages.
#[derive(Debug, Default)]
pub struct Batch {
    /// The lines.
    pub block: Block,
    /// What became of each line of the block.
    pub lines: Vec<LineIs>,
    /// The connections, in the order of the lines.
    pub connections: Connections,
    /// For each connection, whether its label says malicious; empty where no label was asked for.
    pub malicious: Vec<Option<bool>>,
    /// For each connection, its features, where the command computes them.
    pub features: Vec<Features>,
    /// For each connection, the score of its features alone, where the command computes it.
    pub scores: Vec<f64>,
    /// For each connection, what is to be said of it in the light of those before, where the command weighs them.
    pub verdicts: Vec<Verdict>,
    /// The output, where the command writes one.
    pub out: Vec<u8>,
    /// Whether rows without the column of the label are unusable, because their log began with one.
    labelled: bool,
    errors: Vec<zeek_log::Error>,
    /// Why the input cannot be read beyond this point.
    failure: Option<anyhow::Error>,
}

impl Batch {
    /// Computes the features of the connections, in order.
    pub fn extract(&mut self, extractor: &mut Extractor) {
        self.features.clear();
        self.features.extend(self.connections.iter().map(|connection| extractor.extract(&connection)));
    }

    /// Scores the features.
    pub fn score(&mut self, model: &Model) {
        self.scores = model.score_rows(&self.features);
        self.verdicts.clear();
    }

    /// Adds the scored connections to the evidence, in order.
    pub fn weigh(&mut self, model: &Model, evidence: &mut Cusum) {
        let Self { connections, scores, verdicts, .. } = self;
        verdicts.clear();
        verdicts.extend(connections.iter().zip(scores).map(|(c, &mut score)| evidence.add(model, &c, score)));
    }

    /// Makes it fit to be filled again: what a line of megabytes took, which every batch would have once, is given back.
    fn clear(&mut self) {
        self.connections.clear();
        self.connections.shrink_texts(ROOM);
        self.out.clear();
        self.out.shrink_to(ROOM);
    }

    /// The connections that were weighed, with their uid, their features and their verdict.
    pub fn weighed(&self) -> impl Iterator<Item = (Connection<'_>, Option<&[u8]>, &Features, &Verdict)> {
        let connections = self.connections.iter().zip(self.connections.uids());
        let found = self.features.iter().zip(&self.verdicts);
        connections.zip(found).map(|((connection, uid), (row, verdict))| (connection, uid, row, verdict))
    }
}

/// What was read.
#[derive(Debug, Default)]
pub struct Summary {
    /// Rows that are connections.
    pub connections: u64,
    /// Rows that were skipped, or kept without a score.
    pub skipped: u64,
    /// Logs that could not be read, or not to their end.
    pub failures: u64,
    inputs: u64,
    /// The first failure, of a run that reports none.
    unreported: Option<String>,
}

impl Summary {
    /// An error when nothing could be read at all, and why, unless that has been reported.
    pub fn require_some(&self) -> Result<()> {
        match (self.connections, self.failures, self.inputs) {
            (0, 1.., 1) => Err(self.unreported.clone().map_or_else(|| Reported.into(), Error::msg)),
            (0, 1.., inputs) => {
                let first = self.unreported.as_ref().map_or_else(String::new, |first| format!("; {first}"));
                Err(anyhow!("none of {} could be read{first}", human::counted(inputs, "log")))
            }
            _ => Ok(()),
        }
    }

    /// An error when a log could not be read to its end, which says what has been made all the same: `m is made`.
    pub fn require_all(&self, made: &str) -> Result<()> {
        self.missing().map_or(Ok(()), |missing| bail!("{missing}; {made} all the same, without what is missing"))
    }

    /// What could not be read, in words; none where all was.
    pub fn missing(&self) -> Option<String> {
        match (self.failures, self.inputs) {
            (0, _) => None,
            (_, 1) => Some("the log could not be read to its end".to_owned()),
            (failures, inputs) => {
                Some(format!("{failures} of {} could not be read, or not to the end", human::counted(inputs, "log")))
            }
        }
    }
}

/// One run over the logs of a source.
#[derive(Debug)]
pub struct Run<'a> {
    /// What to read.
    pub source: &'a Source,
    /// Which rows are malicious, where that matters.
    pub labels: Option<&'a Labels>,
    /// What becomes of a row with an unusable value, in words.
    pub unusable: &'static str,
    /// How many threads parse, and how many work.
    pub threads: usize,
    /// Where problems are reported and progress is shown.
    pub console: &'a Console,
    /// False where another run over the same logs will report what this one would.
    pub reports: bool,
    /// Whether progress is kept off the terminal because the output goes there.
    pub mute_progress: bool,
}

/// The stage that does nothing.
pub fn idle() -> impl FnMut(&mut Batch) + Send {
    |_| {}
}

impl<'a> Run<'a> {
    /// A run that skips rows it cannot use.
    pub fn new(source: &'a Source, threads: usize, console: &'a Console) -> Self {
        Self {
            source,
            labels: None,
            unusable: "the row is skipped",
            threads,
            console,
            reports: true,
            mute_progress: false,
        }
    }

    /// Reads everything. `context` sees each batch in order; `work` makes one worker for each thread; `deliver` sees
    /// each batch in order again.
    ///
    /// # Errors
    /// Those of `deliver`; under `strict` also the first row or log that cannot be used. Without it these are reported
    /// and counted in the summary.
    pub fn stages<W: FnMut(&mut Batch) + Send>(
        &self,
        mut context: impl FnMut(&mut Batch) + Send,
        work: impl Fn() -> W,
        mut deliver: impl FnMut(&mut Batch) -> Result<()>,
    ) -> Result<Summary> {
        if self.reports && self.source.left_out > 0 {
            let others = human::counted(self.source.left_out, "file");
            self.console
                .note(&format!("left out {others} not named like a conn log; such a file has to be given itself"));
        }
        let bar = self.console.progress(self.source.bytes(), self.mute_progress);
        let n = self.threads.max(1);
        let (empty, refill) = channel();
        // One batch in each thread and channel, and two to spare for the reader.
        for _ in 0..(2 * n * (1 + WAITING) + 4) {
            let _ = empty.send(Batch::default());
        }
        let (to_parse, from_read) = channels(n);
        let (to_context, from_parse) = channels(n);
        let (to_work, from_context) = channels(n);
        let (to_deliver, from_work) = channels(n);

        // The reader may be waiting for a pipe when the rest has failed; nobody waits for it then.
        let end = End(to_parse.clone());
        let reader = thread::spawn({
            let (source, labels, bar) = (self.source.clone(), self.labels.cloned(), bar.clone());
            let stage =
                ReadStage { labels, refill, spare: None, end: End(to_parse.clone()), next: Turn::new(to_parse) };
            move || stage.read(&source, &bar)
        });
        let result: Result<Summary> = thread::scope(|scope| {
            for (batches, next) in from_read.into_iter().zip(to_context) {
                let mut parser = Parser::new(self.labels);
                scope.spawn(move || {
                    each(batches.into_iter().map_while(|batch| batch), &next, |batch| parser.parse(batch))
                });
            }
            scope.spawn(move || {
                let mut next = Turn::new(to_work);
                let mut batches = Turn::new(from_parse);
                while let Some(mut batch) = batches.receive() {
                    context(&mut batch);
                    if !next.send(batch) {
                        break;
                    }
                }
            });
            for (batches, next) in from_context.into_iter().zip(to_deliver) {
                let mut worker = work();
                scope.spawn(move || each(batches.into_iter(), &next, |batch| worker(batch)));
            }
            let _end = end;
            let mut report = Report { run: self, bar: &bar, summary: Summary::default(), input: None };
            report.summary.inputs = self.source.inputs.len() as u64;
            let mut batches = Turn::new(from_work);
            while let Some(mut batch) = batches.receive() {
                report.errors(&mut batch)?;
                report.summary.connections += batch.connections.len() as u64;
                if batch.failure.is_none() {
                    deliver(&mut batch)?;
                }
                report.failure(&mut batch)?;
                batch.clear();
                let _ = empty.send(batch);
            }
            report.finish();
            Ok(report.summary)
        });
        bar.finish_and_clear();
        let summary = result?;
        reader.join().map_err(|_| anyhow!("the thread that reads the logs has ended too early"))?;
        Ok(summary)
    }
}

fn channels<T>(n: usize) -> (Vec<SyncSender<T>>, Vec<Receiver<T>>) {
    (0..n).map(|_| sync_channel(WAITING)).unzip()
}

fn each(batches: impl Iterator<Item = Batch>, next: &SyncSender<Batch>, mut stage: impl FnMut(&mut Batch)) {
    for mut batch in batches {
        stage(&mut batch);
        if next.send(batch).is_err() {
            break;
        }
    }
}

/// The ends of several channels, used in turn.
struct Turn<T> {
    ends: Vec<T>,
    at: usize,
}

impl<T> Turn<T> {
    fn new(ends: Vec<T>) -> Self {
        Self { ends, at: 0 }
    }

    fn next(&mut self) -> &T {
        let at = self.at;
        self.at = (at + 1) % self.ends.len();
        &self.ends[at]
    }
}

impl<T> Turn<SyncSender<T>> {
    /// False when nobody is listening any more.
    fn send(&mut self, item: T) -> bool {
        self.next().send(item).is_ok()
    }
}

impl<T> Turn<Receiver<T>> {
    fn receive(&mut self) -> Option<T> {
        self.next().recv().ok()
    }
}

/// Tells the parsers, when dropped, that no more batches will come: because the reader is through, because it has
/// failed, or because nobody wants them any more.
struct End(Vec<SyncSender<Option<Batch>>>);

impl Drop for End {
    fn drop(&mut self) {
        for parser in &self.0 {
            let _ = parser.send(None);
        }
    }
}

/// Reads and decompresses the inputs, one after the other.
struct ReadStage {
    labels: Option<Labels>,
    refill: Receiver<Batch>,
    spare: Option<Batch>,
    next: Turn<SyncSender<Option<Batch>>>,
    #[expect(dead_code, reason = "dropped with the stage")]
    end: End,
}

impl ReadStage {
    fn read(mut self, source: &Source, bar: &ProgressBar) {
        let mut done = 0;
        for inputs in merge::by_interval(&source.inputs) {
            match self.read_one(inputs, source, |bytes| bar.set_position(done + bytes)) {
                Some(bytes) => done += bytes,
                None => break,
            }
        }
    }

    /// Returns how many bytes the input had; `None` when nobody is listening any more.
    fn read_one(&mut self, inputs: &[Input], source: &Source, progress: impl Fn(u64)) -> Option<u64> {
        let mut batch = self.empty()?;
        let mut reader = match merge::open(inputs, &source.options) {
            Ok(reader) => reader,
            Err(error) => {
                batch.failure = Some(error.into());
                return self.next.send(Some(batch)).then_some(0);
            }
        };
        let mut labelled = None;
        loop {
            batch.failure = match reader.next_block(&mut batch.block) {
                Ok(true) if labelled.is_some() => None,
                Ok(true) => self.check(&batch.block).map(|is| labelled = Some(is)).err(),
                Ok(false) => {
                    self.spare = Some(batch);
                    return Some(reader.bytes_read());
                }
                Err(error) => Some(source::explained(&inputs[0], error)),
            };
            batch.labelled = labelled.unwrap_or(false);
            progress(reader.bytes_read());
            let ended = batch.failure.is_some();
            if !self.next.send(Some(batch)) {
                return None;
            }
            if ended {
                return Some(reader.bytes_read());
            }
            batch = self.empty()?;
        }
    }

    fn empty(&mut self) -> Option<Batch> {
        self.spare.take().or_else(|| self.refill.recv().ok())
    }

    /// Whether a log has a column of labels. Refuses one without the columns that make a row a connection, and without
    /// labels where they are required; further on in a log, rows that lack either are unusable ones.
    fn check(&self, block: &Block) -> Result<bool> {
        let binding = bind(block.layout(), self.labels.as_ref());
        let missing: Vec<_> =
            conn_log::essential().filter(|(column, _)| !binding.is_bound(*column)).map(|(_, name)| name).collect();
        ensure!(
            missing.is_empty(),
            "{}: is no conn log: it has no column {}; name the columns with --fields if the header is wrong",
            block.name(),
            missing.join(", ")
        );
        let Some(labels) = &self.labels else { return Ok(false) };
        let has_labels = binding.is_bound(Labels::COLUMN);
        let field = &labels.field;
        ensure!(
            has_labels || !labels.required,
            "{}: has no column {field:?}; name the one with the label by --label",
            block.name()
        );
        // Which rows of JSON have one, each says itself.
        Ok(has_labels && (labels.required || block.layout().format() == Format::Tsv))
    }
}

fn bind(layout: &Layout, labels: Option<&Labels>) -> Binding {
    let mut columns = COLUMNS.to_vec();
    columns.extend(labels.map(|labels| ColumnSpec::new(&labels.field)));
    layout.bind(&columns)
}

/// Turns lines into connections.
struct Parser<'a> {
    labels: Option<&'a Labels>,
    bound: Option<(Arc<Layout>, Binding)>,
    row: Row,
}

impl<'a> Parser<'a> {
    fn new(labels: Option<&'a Labels>) -> Self {
        Self { labels, bound: None, row: Row::new() }
    }

    fn parse(&mut self, batch: &mut Batch) {
        let Batch { block, lines, connections, malicious, labelled, errors, failure, .. } = batch;
        lines.clear();
        connections.clear();
        malicious.clear();
        errors.clear();
        if failure.is_some() {
            return;
        }
        let bound = self.bound.take().filter(|(layout, _)| Arc::ptr_eq(layout, block.layout()));
        let (layout, binding) = bound.unwrap_or_else(|| (block.layout().clone(), bind(block.layout(), self.labels)));
        let lacks_label = *labelled && !binding.is_bound(Labels::COLUMN);
        for line in block.lines() {
            lines.push(match line.kind() {
                LineKind::Meta => LineIs::Meta,
                LineKind::Row | LineKind::TooLong => match binding.parse(&line, &mut self.row) {
                    Ok(Parsed::OtherStream) => LineIs::OtherStream,
                    Ok(Parsed::Row) => match conn_log::connection(&self.row) {
                        Ok(_) if lacks_label => {
                            errors.push(self.row.error(Labels::COLUMN, ErrorKind::Unset));
                            LineIs::Unusable
                        }
                        Ok(connection) => {
                            let label = self.labels.and_then(|_| Labels::of(&self.row));
                            connections.push(connection, conn_log::uid(&self.row), label);
                            malicious.extend(self.labels.map(|labels| labels.malicious(&self.row)));
                            LineIs::Connection
                        }
                        Err(error) => {
                            errors.push(error);
                            LineIs::Unusable
                        }
                    },
                    Err(error) => {
                        errors.push(error);
                        LineIs::Malformed
                    }
                },
            });
        }
        self.bound = Some((layout, binding));
    }
}

/// Reports what could not be used, and counts it.
struct Report<'a> {
    run: &'a Run<'a>,
    bar: &'a ProgressBar,
    summary: Summary,
    /// The input that rows were skipped in last, and how many.
    input: Option<(Arc<str>, u64)>,
}

impl Report<'_> {
    fn errors(&mut self, batch: &mut Batch) -> Result<()> {
        if batch.errors.is_empty() {
            return Ok(());
        }
        let fates = batch.lines.iter().filter_map(|line| match line {
            LineIs::Unusable => Some(self.run.unusable),
            LineIs::Malformed => Some("the row is skipped"),
            _ => None,
        });
        for (error, fate) in batch.errors.drain(..).zip(fates.collect::<Vec<_>>()) {
            if self.run.source.strict {
                return Err(error.into());
            }
            self.summary.skipped += 1;
            let seen = match &mut self.input {
                Some((name, seen)) if name == error.name() => {
                    *seen += 1;
                    *seen
                }
                _ => {
                    self.rest();
                    self.input = Some((error.name().clone(), 1));
                    1
                }
            };
            if seen <= REPORTED {
                self.warn(&format!("{error}; {fate}"));
            }
        }
        Ok(())
    }

    /// Says how many more rows of the input were skipped than were reported.
    fn rest(&mut self) {
        if let Some((name, seen)) = self.input.take().filter(|&(_, seen)| seen > REPORTED) {
            let rest = human::counted(seen - REPORTED, "more row");
            self.warn(&format!("{name}: {rest} like these"));
        }
    }

    fn failure(&mut self, batch: &mut Batch) -> Result<()> {
        let Some(failure) = batch.failure.take() else { return Ok(()) };
        if self.run.source.strict {
            return Err(failure);
        }
        self.summary.failures += 1;
        let failure = format!("{failure:#}");
        if self.run.reports {
            self.bar.suspend(|| self.run.console.error(&failure));
        } else {
            self.summary.unreported.get_or_insert(failure);
        }
        Ok(())
    }

    fn finish(&mut self) {
        self.rest();
        if self.summary.skipped > 0 {
            let rows = self.summary.connections + self.summary.skipped;
            let (skipped, all) = (human::count(self.summary.skipped), human::counted(rows, "row"));
            self.warn(&format!("{skipped} of {all} could not be used"));
        }
    }

    fn warn(&self, text: &str) {
        if self.run.reports {
            self.bar.suspend(|| self.run.console.warning(text));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_batch_gives_back_what_a_long_line_took() {
        let mut batch = Batch { out: vec![0; 10 * ROOM], ..Batch::default() };
        batch.connections.push(Connection::default(), Some(&batch.out), None);
        batch.clear();
        assert!(batch.out.is_empty() && batch.out.capacity() <= ROOM);
        assert!(batch.connections.len() == 0 && batch.connections.room() <= ROOM);
    }
}

//! Concurrent, ordered processing of logs in constant memory.
//!
//! ```text
//! read, decompress  ->  parse  ->  context  ->  work  ->  deliver
//!     one thread      N threads   one thread  N threads  caller's thread
//! ```
//!
//! The features of a record depend on earlier ones, so `context` gets all batches in log order; parsing and scoring
//! need no order. Batches go to the N threads round-robin and come back round-robin, which preserves the order without
//! sorting: the result is the same for every N. Channels are bounded, and delivered batches return to the reader.

pub mod batch;
mod diagnostics;
pub mod parse;
mod time_order;

use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, channel, sync_channel};
use std::thread;

use anyhow::{Result, anyhow};
use detector::{AlertPolicy, Extractor, Model, ScoreCache, ScoreHistory};
use indicatif::ProgressBar;
use zeek_log::Input;

pub use self::batch::{Batch, LineStatus, ScoredRecord};
use self::diagnostics::Diagnostics;
pub use self::diagnostics::{Summary, UnusableRows};
use self::parse::{Parser, check_columns};
use self::time_order::TimeOrder;
use crate::console::Console;
use crate::format;
use crate::input::LogInputs;
use crate::input::merge::{self, IntervalReader};
use crate::labels::Labels;

/// Capacity of each channel between two stages, in batches.
const QUEUE_LENGTH: usize = 1;

/// Logs to process, and how.
#[derive(Debug)]
pub struct Pipeline<'a> {
    pub inputs: &'a LogInputs,
    /// The labels to read, if any.
    pub labels: Option<&'a Labels>,
    /// The consequence for a row with an unusable value, for the warning.
    pub unusable_consequence: &'static str,
    /// Threads for parsing, and as many for work.
    pub threads: usize,
    pub console: &'a Console,
    /// True if unusable rows are reported; false if another run over the same logs reports them.
    pub report_unusable: bool,
    /// True if a warning tells of rows that are not in order of time.
    pub needs_order: bool,
    /// True if progress is hidden because the output goes to the terminal.
    pub mute_progress: bool,
}

/// A stage without work.
pub fn idle() -> impl FnMut(&mut Batch) + Send {
    |_| {}
}

impl<'a> Pipeline<'a> {
    /// A run that skips unusable rows.
    pub fn new(inputs: &'a LogInputs, threads: usize, console: &'a Console) -> Self {
        Self {
            inputs,
            labels: None,
            unusable_consequence: "the row is skipped",
            threads,
            console,
            report_unusable: true,
            needs_order: true,
            mute_progress: false,
        }
    }

    /// Scores all records and passes each batch with its verdicts to `deliver`.
    ///
    /// # Errors
    /// Same as [`Pipeline::run`].
    pub fn score(
        &self,
        model: &Model,
        policy: &AlertPolicy,
        context: &mut (Extractor, ScoreHistory),
        mut deliver: impl FnMut(&mut Batch) -> Result<()>,
    ) -> Result<Summary> {
        let (extractor, history) = context;
        self.run(
            |batch| batch.extract(extractor),
            || {
                let mut cache = ScoreCache::new();
                move |batch: &mut Batch| batch.score(model, &mut cache)
            },
            |batch| {
                batch.decide(model, policy, history);
                deliver(batch)
            },
        )
    }

    /// Reads all logs. `context` gets the batches in order; `work` creates the worker of each thread; `deliver` gets
    /// the batches in order.
    ///
    /// # Errors
    /// Errors of `deliver`; with `strict` also the first unusable row or log. Otherwise these are reported and counted.
    pub fn run<W: FnMut(&mut Batch) + Send>(
        &self,
        mut context: impl FnMut(&mut Batch) + Send,
        work: impl Fn() -> W,
        mut deliver: impl FnMut(&mut Batch) -> Result<()>,
    ) -> Result<Summary> {
        if self.report_unusable && self.inputs.ignored > 0 {
            let others = format::counted(self.inputs.ignored, "file");
            self.console.note(&format!(
                "ignored {others} not named like a {} log; to read a file with another name, give it as an argument",
                self.inputs.log.name()
            ));
        }
        let bar = self.console.progress(self.inputs.bytes(), self.mute_progress);
        let n = self.threads.max(1);
        let (empty, refill) = channel();
        // One batch for each thread and channel, and spare ones for the reader.
        for _ in 0..(2 * n * (1 + QUEUE_LENGTH) + 4) {
            let _ = empty.send(Batch::default());
        }
        let (to_parse, from_read) = channels(n);
        let (to_context, from_parse) = channels(n);
        let (to_work, from_context) = channels(n);
        let (to_deliver, from_work) = channels(n);

        // The reader is not scoped: it can block on a pipe after another stage has failed.
        let close = CloseOnDrop(to_parse.clone());
        let reader = thread::spawn({
            let (inputs, labels, bar) = (self.inputs.clone(), self.labels.cloned(), bar.clone());
            let stage = ReadStage {
                labels,
                refill,
                spare: None,
                close: CloseOnDrop(to_parse.clone()),
                next: RoundRobin::new(to_parse),
            };
            move || stage.read(&inputs, &bar)
        });
        let result: Result<Summary> = thread::scope(|scope| {
            for (batches, next) in from_read.into_iter().zip(to_context) {
                let mut parser = Parser::new(self.inputs.log, self.labels);
                scope.spawn(move || {
                    each(batches.into_iter().map_while(|batch| batch), &next, |batch| parser.parse_batch(batch))
                });
            }
            scope.spawn(move || {
                let mut next = RoundRobin::new(to_work);
                let mut batches = RoundRobin::new(from_parse);
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
            let _close = close;
            let mut diagnostics = Diagnostics {
                inputs: self.inputs,
                console: self.console,
                bar: &bar,
                unusable_consequence: self.unusable_consequence,
                report_unusable: self.report_unusable,
                order: self.needs_order.then(TimeOrder::default),
                summary: Summary { inputs: self.inputs.inputs.len() as u64, ..Summary::default() },
                current: Arc::default(),
                unusable: Vec::new(),
            };
            let mut batches = RoundRobin::new(from_work);
            while let Some(mut batch) = batches.receive() {
                diagnostics.rows(&mut batch)?;
                if batch.failures.is_empty() {
                    deliver(&mut batch)?;
                }
                diagnostics.failures(&mut batch)?;
                batch.clear();
                let _ = empty.send(batch);
            }
            Ok(diagnostics.finish())
        });
        bar.finish_and_clear();
        let summary = result?;
        reader.join().map_err(|_| anyhow!("the reader thread panicked"))?;
        Ok(summary)
    }
}

fn channels<T>(n: usize) -> (Vec<SyncSender<T>>, Vec<Receiver<T>>) {
    (0..n).map(|_| sync_channel(QUEUE_LENGTH)).unzip()
}

fn each(batches: impl Iterator<Item = Batch>, next: &SyncSender<Batch>, mut stage: impl FnMut(&mut Batch)) {
    for mut batch in batches {
        stage(&mut batch);
        if next.send(batch).is_err() {
            break;
        }
    }
}

/// Senders or receivers of several channels, used in turn.
struct RoundRobin<T> {
    ends: Vec<T>,
    at: usize,
}

impl<T> RoundRobin<T> {
    fn new(ends: Vec<T>) -> Self {
        Self { ends, at: 0 }
    }

    fn next(&mut self) -> &T {
        let at = self.at;
        self.at = (at + 1) % self.ends.len();
        &self.ends[at]
    }
}

impl<T> RoundRobin<SyncSender<T>> {
    /// Returns false if the receiver is gone.
    fn send(&mut self, item: T) -> bool {
        self.next().send(item).is_ok()
    }
}

impl<T> RoundRobin<Receiver<T>> {
    fn receive(&mut self) -> Option<T> {
        self.next().recv().ok()
    }
}

/// Ends the parsers when dropped: after the last batch, after a failure, or when no stage wants more batches.
struct CloseOnDrop(Vec<SyncSender<Option<Batch>>>);

impl Drop for CloseOnDrop {
    fn drop(&mut self) {
        for parser in &self.0 {
            let _ = parser.send(None);
        }
    }
}

/// Reads and decompresses the logs, one after the other.
struct ReadStage {
    labels: Option<Labels>,
    refill: Receiver<Batch>,
    spare: Option<Batch>,
    next: RoundRobin<SyncSender<Option<Batch>>>,
    #[expect(dead_code, reason = "dropped with the stage")]
    close: CloseOnDrop,
}

impl ReadStage {
    fn read(mut self, inputs: &LogInputs, bar: &ProgressBar) {
        let mut done = 0;
        for interval in merge::by_interval(&inputs.inputs) {
            match self.read_one(interval, inputs, |bytes| bar.set_position(done + bytes)) {
                Some(bytes) => done += bytes,
                None => break,
            }
        }
    }

    /// Returns the size of the log; `None` if no stage wants more batches.
    fn read_one(&mut self, interval: &[Input], inputs: &LogInputs, progress: impl Fn(u64)) -> Option<u64> {
        let mut batch = self.empty()?;
        let mut reader = match IntervalReader::open(inputs.log, interval, &inputs.options) {
            Ok(reader) => reader,
            Err(error) => {
                batch.failures = vec![error.into()];
                return self.next.send(Some(batch)).then_some(0);
            }
        };
        let mut labelled = None;
        loop {
            batch.failures = match reader.next_block(&mut batch.block, &mut batch.sources) {
                Ok(true) if labelled.is_some() => Vec::new(),
                Ok(true) => match check_columns(inputs.log, &batch.block, self.labels.as_ref()) {
                    Ok(checked) => {
                        labelled = Some(checked);
                        Vec::new()
                    }
                    Err(error) => vec![error],
                },
                Ok(false) => {
                    self.spare = Some(batch);
                    return Some(reader.bytes_read());
                }
                Err(failures) => failures,
            };
            batch.labelled = labelled.unwrap_or(false);
            progress(reader.bytes_read());
            let ended = !batch.failures.is_empty();
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
}

//! Logs with their models, one per log kind, and their scored records in order of time.

use std::collections::HashSet;
use std::hash::{BuildHasher, RandomState};
use std::mem;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel, sync_channel};
use std::thread;

use anyhow::{Result, anyhow, bail, ensure};
use detector::{AlertPolicy, ContextKeys, LogKind, LogRecord, Model};
use zeek_log::{Input, find_inputs};

use crate::cli::options::{ContextArgs, LogArgs, ModelsArgs, ThresholdArgs};
use crate::console::Console;
use crate::context_file::RunContext;
use crate::host_filter::HostFilter;
use crate::input::{LogInputs, log};
use crate::pipeline::{Batch, Pipeline, ScoredRecord, Summary};
use crate::{format, model_file};

/// Logs of one kind, with the model that scores them.
pub struct ScoredLogs<'a> {
    pub inputs: LogInputs,
    pub model: Model,
    pub policy: AlertPolicy,
    /// Model file; `None` if the model was trained on the same logs.
    pub path: Option<PathBuf>,
    /// Counts, after [`for_each`].
    pub summary: Summary,
    pub context: RunContext<'a>,
}

/// A scored record of one of the logs.
pub struct ScoredLogRecord<'a> {
    /// Index of its [`ScoredLogs`].
    pub index: usize,
    pub model: &'a Model,
    pub name: &'a Arc<str>,
    pub scored: ScoredRecord<'a>,
    /// Keys of a later record, to be prefetched.
    pub later: Option<&'a ContextKeys>,
}

/// Loads the models and finds the logs of each. Returns one entry per model; conn.log comes first.
///
/// # Errors
/// If a model cannot be used, two are of one kind, or a model has no log.
pub fn load<'a>(
    models: &ModelsArgs,
    threshold: &ThresholdArgs,
    context: &'a ContextArgs,
    logs: &LogArgs,
    threads: usize,
    console: &Console,
) -> Result<Vec<ScoredLogs<'a>>> {
    let (trust, stored) = (models.trust.trust(), context.context.as_deref());
    let scored = |inputs: LogInputs, path: Option<&Path>, model: Model| {
        let policy = threshold.policy(&model)?;
        let context = RunContext::load(stored, inputs.log, &trust)?;
        let path = path.map(Path::to_owned);
        Ok(ScoredLogs { inputs, model, policy, path, summary: Summary::default(), context })
    };
    let paths = &models.model;
    if paths.len() < 2 {
        let path = paths.first().map(PathBuf::as_path);
        let inputs = LogInputs::new(logs)?;
        let model = model_file::load_or_train(path, &trust, &inputs, threads, console)?;
        return Ok(vec![scored(inputs, path, model)?]);
    }
    ensure!(stored.is_none(), "--context: a context file is for one kind of log; give only one model");
    ensure!(logs.log.is_none(), "--log: not allowed with several models; the kind of each log is detected");
    let mut loaded: Vec<(&Path, Model)> = Vec::new();
    for path in paths {
        let model = model_file::load(path, &trust)?;
        let kind = model.schema().log;
        if let Some((other, _)) = loaded.iter().find(|(_, other)| other.schema().log == kind) {
            let (other, path) = (other.display(), path.display());
            bail!("{other} and {path} are both models of {}.log; give one model for each log", kind.name());
        }
        loaded.push((path, model));
    }
    for path in logs.paths.iter().filter(|path| path.is_dir()) {
        let any = loaded.iter().any(|(_, model)| has_log(path, model.schema().log));
        ensure!(
            any,
            "{}: this directory has no log of the models' kinds; to read a file with another name, give it as an argument",
            path.display()
        );
    }
    loaded.sort_by_key(|(_, model)| LogKind::ALL.iter().position(|kind| *kind == model.schema().log));
    loaded
        .into_iter()
        .map(|(path, model)| {
            let kind = model.schema().log;
            let of_kind = logs_of(kind, &logs.paths)?;
            let mut inputs = LogInputs::of(&of_kind, &LogArgs { log: Some(kind), ..logs.clone() })?;
            // Files that this kind ignores are read as the other kind.
            inputs.ignored = 0;
            scored(inputs, Some(path), model)
        })
        .collect()
}

/// Returns true if a directory has a log of this kind.
fn has_log(directory: &Path, kind: LogKind) -> bool {
    find_inputs([directory], kind.name()).is_ok()
}

/// Files of a kind, and directories with logs of it. A log that cannot be recognized counts as conn.log.
fn logs_of(kind: LogKind, paths: &[PathBuf]) -> Result<Vec<PathBuf>> {
    ensure!(
        !paths.is_empty() && paths.iter().all(|path| path != Path::new("-")),
        "with several models, give the logs as files or directories, not on standard input"
    );
    let is_of_kind = |path: &&PathBuf| match path.is_dir() {
        true => has_log(path, kind),
        false => log::kind_of(&Input::File((*path).clone())).unwrap_or(LogKind::Conn) == kind,
    };
    let found: Vec<PathBuf> = paths.iter().filter(is_of_kind).cloned().collect();
    ensure!(!found.is_empty(), "no {0}.log among the logs; add one, or omit its model", kind.name());
    Ok(found)
}

/// Scores all logs and calls `each` with every record; those of several logs come in the order in which Zeek logs them.
///
/// # Errors
/// Same as [`Pipeline::run`]; also if no record can be read.
pub fn for_each(
    logs: &mut [ScoredLogs<'_>],
    threads: usize,
    console: &Console,
    mut each: impl FnMut(&ScoredLogRecord<'_>),
) -> Result<()> {
    if let [log] = logs {
        let ScoredLogs { inputs, model, policy, context, .. } = log;
        log.summary = Pipeline::new(inputs, threads, console).score(model, policy, &mut context.state, |batch| {
            let name = batch.block.name();
            for (i, scored) in batch.scored().enumerate() {
                each(&ScoredLogRecord { index: 0, model, name, scored, later: batch.keys_ahead(i) });
            }
            Ok(())
        })?;
        return log.summary.require_some();
    }
    let summaries: Vec<Result<Summary>> = thread::scope(|scope| {
        let mut runs = Vec::new();
        let mut streams: Vec<Stream<'_>> = Vec::new();
        for (index, log) in logs.iter_mut().enumerate() {
            let ScoredLogs { inputs, model, policy, context, .. } = log;
            let (model, policy): (&Model, &AlertPolicy) = (model, policy);
            let ((send, batches), (give_back, used)) = (sync_channel(1), channel());
            streams.push(Stream { index, model, batches, give_back, batch: None, at: 0 });
            // One progress bar is enough.
            let pipeline = Pipeline { mute_progress: index > 0, ..Pipeline::new(inputs, threads, console) };
            runs.push(scope.spawn(move || {
                pipeline.score(model, policy, &mut context.state, |batch| {
                    let scored = mem::replace(batch, used.try_recv().unwrap_or_default());
                    send.send(scored).map_err(|_| anyhow!("the records are no longer needed"))
                })
            }));
        }
        let mut delivered = Delivered::default();
        while let Some(stream) = earliest(&mut streams, &delivered) {
            stream.deliver(&mut each, &mut delivered);
        }
        drop(streams);
        let join = |run: thread::ScopedJoinHandle<'_, _>| match run.join() {
            Ok(summary) => summary,
            Err(panic) => std::panic::resume_unwind(panic),
        };
        runs.into_iter().map(join).collect()
    });
    for (log, summary) in logs.iter_mut().zip(summaries) {
        log.summary = summary?;
        log.summary.require_some()?;
    }
    Ok(())
}

/// Scored batches of one pipeline.
struct Stream<'a> {
    index: usize,
    model: &'a Model,
    batches: Receiver<Batch>,
    give_back: Sender<Batch>,
    batch: Option<Batch>,
    /// Index of the next record in the batch.
    at: usize,
}

/// Hashed uids of recently delivered connections. A query without an answer is due when its connection was delivered,
/// because [`LogRecord::logged`](detector::LogRecord::logged) only estimates its time.
#[derive(Default)]
struct Delivered {
    hasher: RandomState,
    uids: HashSet<u64>,
    earlier: HashSet<u64>,
}

impl Delivered {
    /// Number of uids in a set.
    const CAPACITY: usize = 65_536;

    fn add(&mut self, uid: &[u8]) {
        if self.uids.len() >= Self::CAPACITY {
            self.earlier = mem::take(&mut self.uids);
        }
        self.uids.insert(self.hasher.hash_one(uid));
    }

    fn contains(&self, uid: &[u8]) -> bool {
        let uid = self.hasher.hash_one(uid);
        self.uids.contains(&uid) || self.earlier.contains(&uid)
    }
}

/// Stream with the earliest next record; `None` if all have ended.
fn earliest<'s, 'a>(streams: &'s mut [Stream<'a>], delivered: &Delivered) -> Option<&'s mut Stream<'a>> {
    let times = streams.iter_mut().enumerate().filter_map(|(i, stream)| Some((stream.next_time(delivered)?, i)));
    let (_, first) = times.min()?;
    streams.get_mut(first)
}

impl Stream<'_> {
    /// Time of the next record; waits for the next batch at the end of one.
    fn next_time(&mut self, delivered: &Delivered) -> Option<(i64, u8)> {
        loop {
            if let Some(batch) = &self.batch {
                if self.at < batch.records.len() {
                    let ScoredRecord { record, uid, .. } = batch.scored_at(self.at);
                    let is_next = record.follows_connection() && uid.is_some_and(|uid| delivered.contains(uid));
                    return Some(if is_next { (i64::MIN, 0) } else { record.logged() });
                }
                if let Some(mut batch) = self.batch.take() {
                    batch.clear();
                    // The pipeline has ended if it takes no batches back.
                    let _ = self.give_back.send(batch);
                }
            }
            self.batch = Some(self.batches.recv().ok()?);
            self.at = 0;
        }
    }

    fn deliver(&mut self, each: &mut impl FnMut(&ScoredLogRecord<'_>), delivered: &mut Delivered) {
        if let Some(batch) = &self.batch {
            let (index, model, name) = (self.index, self.model, batch.block.name());
            let scored = batch.scored_at(self.at);
            if let (LogRecord::Conn(_), Some(uid)) = (&scored.record, scored.uid) {
                delivered.add(uid);
            }
            each(&ScoredLogRecord { index, model, name, scored, later: batch.keys_ahead(self.at) });
            self.at += 1;
        }
    }
}

/// States that no record is selected: `no queries of 192.0.2.1 in dns.log`.
pub fn none_selected(logs: &[ScoredLogs<'_>], filter: &HostFilter) -> String {
    let none = |log: &ScoredLogs<'_>| {
        format!("no {}{} in {}", log.inputs.log.nouns(), filter.words(), format::names(&log.inputs.names))
    };
    logs.iter().map(none).collect::<Vec<_>>().join("; ")
}

/// Thresholds of the models in words.
pub fn thresholds(logs: &[ScoredLogs<'_>]) -> String {
    thresholds_text(&logs.iter().map(|log| (log.inputs.log, log.policy.threshold())).collect::<Vec<_>>())
}

/// Thresholds in words: `threshold 0.612345`, `thresholds 0.612345 (conn.log) and 0.598765 (dns.log)`.
pub fn thresholds_text(thresholds: &[(LogKind, f64)]) -> String {
    if let [(_, threshold)] = thresholds {
        return format!("threshold {threshold:.6}");
    }
    let each = thresholds.iter().map(|(log, threshold)| format!("{threshold:.6} ({}.log)", log.name()));
    format!("thresholds {}", each.collect::<Vec<_>>().join(" and "))
}

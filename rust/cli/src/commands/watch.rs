//! `watch`: shows the incidents of logs while Zeek writes them.

use std::os::unix::fs::FileTypeExt;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, RecvTimeoutError, sync_channel};
use std::time::Duration;

use anyhow::{Result, bail, ensure};
use detector::{Change, Detector, Event, LogKind};
use zeek_log::{Block, Input, ReadOptions, Reader};

use super::{incidents, top};
use crate::cli::options::{FilterArgs, KnownArgs, ThresholdArgs, TrustArgs};
use crate::console::{self, Console};
use crate::context_file::RunContext;
use crate::format;
use crate::grouping::Grouping;
use crate::host_filter::HostFilter;
use crate::input;
use crate::input::follow::{Follow, Starts};
use crate::input::log;
use crate::known_list;
use crate::model_file;
use crate::pipeline::parse::{Parser, check_columns};
use crate::pipeline::{ScoredRecord, UnusableRows};
use crate::scored_logs::thresholds_text;
use crate::top_k::StoredRecord;

/// Pause of the logs after which incidents no longer wait for their kind: the time of the records stands still meanwhile.
const IDLE_TIMEOUT: Duration = Duration::from_secs(60);

/// Show incidents, and anomalous connections and queries, while Zeek writes them
///
/// Follows a conn.log or dns.log through rotation and shows each incident when it opens, when its kind changes, and when
/// it has ten times the records; with --connections also each anomalous connection or query with its reasons. An incident
/// of kind `other` is shown up to a minute after it opened. Logs of both kinds need a model of each. The existing content
/// of the log is read first, as context for later records. Several logs, as several loggers write them, give one context,
/// in the order in which their lines arrive. Runs until interrupted; ^C gives exit status 130.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  zeek-iforest watch -m iforest.model /usr/local/zeek/logs/current/conn.log
  zeek-iforest watch -m iforest.model spool/logger-*/conn.log
  zeek-iforest watch -m conn.model -m dns.model current/conn.log current/dns.log
  zeek-iforest watch -m iforest.model conn.log --known known.tsv
  zeek-iforest watch -m iforest.model conn.log --connections
  zeek-iforest watch -m iforest.model conn.log --json | jq -r .summary")]
pub struct WatchArgs {
    /// The logs that Zeek writes, which do not have to exist yet; or - for standard input
    #[arg(value_name = "LOG", required = true)]
    pub logs: Vec<PathBuf>,

    /// The model, as written by train; repeat it for logs of both kinds
    #[arg(long, short, value_name = "MODEL", required = true)]
    pub model: Vec<PathBuf>,

    /// Show each anomalous connection or query as well
    #[arg(long)]
    pub connections: bool,

    /// Print JSON lines: incidents with the keys of `incidents`, connections with those of `top`
    #[arg(long)]
    pub json: bool,

    #[command(flatten)]
    pub threshold: ThresholdArgs,

    #[command(flatten)]
    pub filter: FilterArgs,

    #[command(flatten)]
    pub known: KnownArgs,

    /// Read this context of an earlier run, if it exists
    ///
    /// Replaced only when the input ends, as a pipe does; not after ^C.
    #[arg(long, value_name = "FILE", help_heading = "Reading")]
    pub context: Option<PathBuf>,

    #[command(flatten)]
    pub trust: TrustArgs,
}

pub fn run(args: &WatchArgs, console: &Console) -> Result<()> {
    let known = known_list::read(args.known.known.as_deref(), console)?;
    let mut grouping = Grouping::new(known.clone(), false, args.filter.filter());
    let detectors = open_models(args, &mut grouping)?;
    let mut watch = Watch { args, console, filter: args.filter.filter(), detectors, grouping };
    let mut is_checked = false;
    let mut logs = watch.open_logs()?;
    watch.print_start(&logs);
    let blocks = read_all(&logs);
    loop {
        let (index, read) = match blocks.recv_timeout(IDLE_TIMEOUT) {
            Ok(block) => block,
            Err(RecvTimeoutError::Timeout) => {
                watch.grouping.apply_pause(IDLE_TIMEOUT);
                watch.show_changes()?;
                continue;
            }
            Err(RecvTimeoutError::Disconnected) => break,
        };
        let log = &mut logs[index];
        let block = read.map_err(|error| input::file_type::explain(&log.input, error))?;
        watch.follow(log, &block)?;
        if !is_checked {
            is_checked = watch.grouping.first().is_some();
            known_list::warn_if_expired(args.known.known.as_deref(), &known, watch.grouping.first(), console);
        }
    }
    logs.iter_mut().for_each(|log| log.rows.end(console));
    let [detector] = &watch.detectors[..] else { return watch.end() };
    let (extractor, history) = detector.state();
    let mut context = RunContext::of(args.context.as_deref(), (extractor.clone(), history.clone()));
    watch.grouping.save(&mut context);
    watch.end()?;
    context.save()
}

/// Loads the models, at most one for each kind of log, with the saved context.
fn open_models(args: &WatchArgs, grouping: &mut Grouping) -> Result<Vec<Detector>> {
    let trust = args.trust.trust();
    let stored = args.context.as_deref();
    let is_single = args.model.len() == 1;
    ensure!(stored.is_none() || is_single, "--context: a context file is for one kind of log; give only one model");
    let mut detectors: Vec<Detector> = Vec::new();
    for path in &args.model {
        let model = model_file::load(path, &trust)?;
        let kind = model.schema().log;
        let is_other = detectors.iter().all(|other| log_of(other) != kind);
        ensure!(is_other, "{}: is a second model of {}.log; give one model for each log", path.display(), kind.name());
        let policy = args.threshold.policy(&model)?;
        let mut context = RunContext::load(stored, kind, &trust)?;
        grouping.resume(&mut context)?;
        let mut detector = Detector::new(model);
        detector.set_policy(policy);
        detector.set_state(context.state.0, context.state.1);
        detectors.push(detector);
    }
    Ok(detectors)
}

/// Kind of log that a detector scores.
fn log_of(detector: &Detector) -> LogKind {
    detector.model().schema().log
}

/// State of the command.
struct Watch<'a> {
    args: &'a WatchArgs,
    console: &'a Console,
    filter: HostFilter,
    detectors: Vec<Detector>,
    grouping: Grouping,
}

impl Watch<'_> {
    /// The logs, each of a kind with a model.
    fn open_logs(&self) -> Result<Vec<WatchedLog>> {
        let mut logs = Vec::new();
        for path in &self.args.logs {
            let kind = if let [detector] = &self.detectors[..] { log_of(detector) } else { kind_of(path) };
            let has_model = self.detectors.iter().any(|detector| log_of(detector) == kind);
            ensure!(has_model, "{}: no model of {}.log is given", path.display(), kind.name());
            logs.push(WatchedLog::new(kind, path));
        }
        for log in &logs {
            if let Input::File(path) = &log.input {
                require_place(path)?;
                if !path.exists() {
                    self.console.note(&format!("{} does not exist yet: waiting for it", log.input));
                }
            }
        }
        Ok(logs)
    }

    /// Prints the names of the logs and the thresholds.
    fn print_start(&self, logs: &[WatchedLog]) {
        let names: Vec<_> = logs.iter().map(|log| log.input.to_string()).collect();
        let thresholds: Vec<_> = self.detectors.iter().map(|it| (log_of(it), it.policy().threshold())).collect();
        let thresholds = thresholds_text(&thresholds);
        self.console.note(&format!("watching {}, {thresholds}; stop with ^C", names.join(", ")));
    }

    /// Scores the rows of a block, and prints alerts and incidents.
    fn follow(&mut self, log: &mut WatchedLog, block: &Block) -> Result<()> {
        // Only the first header is checked, because a later damaged line can look like one.
        if !std::mem::replace(&mut log.is_checked, true) {
            check_columns(log.kind, block, None)?;
        }
        let Self { args, console, filter, detectors, grouping } = self;
        let Some(detector) = detectors.iter_mut().find(|it| log_of(it) == log.kind) else { return Ok(()) };
        let threshold = detector.policy().threshold();
        let mut shown = Ok(());
        let WatchedLog { parser, rows, .. } = log;
        rows.start_file_of(block.first_line(), console);
        parser.parse(block, false, |_, parsed| match parsed {
            Ok(Some(parsed)) if shown.is_ok() => {
                let verdict = detector.score(*parsed.record);
                let connection = parsed.record.connection();
                let scored = ScoredRecord::new(*parsed.record, parsed.uid, detector.row(), detector.keys(), &verdict);
                grouping.add(&scored, detector.model());
                if args.connections && verdict.alert && filter.matches(&connection) {
                    shown = show(&scored, detector, threshold, args.json);
                }
                if shown.is_ok() {
                    shown = show_changes(grouping, filter, args.json);
                }
            }
            Ok(_) => {}
            Err(error) => rows.warn(error, console),
        });
        shown
    }

    /// Closes all incidents, which reports those that still wait for their kind.
    fn end(&mut self) -> Result<()> {
        self.grouping.close_all();
        self.show_changes()
    }

    fn show_changes(&mut self) -> Result<()> {
        show_changes(&mut self.grouping, &self.filter, self.args.json)
    }
}

/// Kind of a log by its contents, or by its name if it does not exist yet.
fn kind_of(path: &Path) -> LogKind {
    let is_dns = || path.file_name().is_some_and(|name| name.to_string_lossy().starts_with("dns"));
    let by_name = || if is_dns() { LogKind::Dns } else { LogKind::Conn };
    log::kind_of(&Input::File(path.to_owned())).unwrap_or_else(by_name)
}

/// Unusable rows of the current file of a log.
struct CurrentFile {
    name: String,
    starts: Starts,
    /// Number of lines of the log before this file.
    start: u64,
    unusable: UnusableRows,
}

impl CurrentFile {
    fn new(name: String) -> Self {
        Self { name, starts: Starts::default(), start: 0, unusable: UnusableRows::default() }
    }

    /// Reports the rest of the previous file if a line, counted in the log, is of another.
    fn start_file_of(&mut self, line: u64, console: &Console) {
        let start = self.starts.start_of(line);
        if start != self.start {
            self.end(console);
            self.start = start;
        }
    }

    /// Warns of an unusable row, at its line in the file.
    fn warn(&mut self, error: zeek_log::Error, console: &Console) {
        let line = error.line().unwrap_or(0);
        self.start_file_of(line, console);
        if self.unusable.add() {
            console.warning(&format!("{}; the row is skipped", error.with_line(line - self.start)));
        }
    }

    /// Reports the number of unusable rows without a separate warning.
    fn end(&mut self, console: &Console) {
        let unusable = std::mem::take(&mut self.unusable);
        unusable.rest(&self.name).iter().for_each(|rest| console.warning(rest));
    }
}

/// One of the watched logs, with its own parser.
struct WatchedLog {
    input: Input,
    parser: Parser<'static>,
    rows: CurrentFile,
    /// True once its columns were checked.
    is_checked: bool,
    kind: LogKind,
}

impl WatchedLog {
    fn new(kind: LogKind, path: &Path) -> Self {
        let input = if path == Path::new("-") { Input::Stdin } else { Input::File(path.to_owned()) };
        let rows = CurrentFile::new(input.to_string());
        Self { input, parser: Parser::new(kind, None), rows, is_checked: false, kind }
    }

    /// Reader of its lines as they are written. A pipe, such as the output of another command, is read to the end.
    fn open(kind: LogKind, input: &Input, starts: Starts) -> Result<Reader, zeek_log::Error> {
        let options = ReadOptions::new().stream(kind.name());
        let is_pipe = |path: &Path| path.metadata().is_ok_and(|log| log.file_type().is_fifo());
        let reader = match input {
            Input::File(path) if !is_pipe(path) => {
                Reader::from_read(&input.to_string(), Follow::new(path.clone(), starts), &options)
            }
            _ => Reader::open(input, &options),
        };
        reader.map(Reader::eager)
    }
}

/// Reads all logs concurrently, one thread each. Returns blocks of lines in order of arrival, with the index of their
/// log. The channel closes when all logs have ended; files never end, so their threads run until the process exits.
fn read_all(logs: &[WatchedLog]) -> Receiver<(usize, Result<Block, zeek_log::Error>)> {
    let (sender, blocks) = sync_channel(logs.len());
    for (index, log) in logs.iter().enumerate() {
        let kind = log.kind;
        let (input, starts, sender) = (log.input.clone(), log.rows.starts.clone(), sender.clone());
        std::thread::spawn(move || {
            let mut reader = match WatchedLog::open(kind, &input, starts) {
                Ok(reader) => reader,
                Err(error) => return sender.send((index, Err(error))),
            };
            loop {
                let mut block = Block::default();
                match reader.next_block(&mut block) {
                    Ok(true) => sender.send((index, Ok(block)))?,
                    Ok(false) => return Ok(()),
                    Err(error) => return sender.send((index, Err(error))),
                }
            }
        });
    }
    blocks
}

/// Refuses a directory, and a log in a directory that does not exist.
fn require_place(log: &Path) -> Result<()> {
    let name = log.display();
    ensure!(!log.is_dir(), "{name}: this is a directory; give the log in it that Zeek writes");
    match log.parent().filter(|directory| *directory != Path::new("") && !directory.is_dir()) {
        Some(directory) => bail!("{name}: directory {} not found", directory.display()),
        None => Ok(()),
    }
}

/// Prints the incidents that opened or changed.
fn show_changes(grouping: &mut Grouping, filter: &HostFilter, json: bool) -> Result<()> {
    let changes = grouping.take_changes();
    grouping.discard_closed();
    changes.iter().filter(|it| filter.matches_incident(&it.incident)).try_for_each(|it| show_change(it, json))
}

/// Prints an incident that opened or changed.
fn show_change(change: &Change, json: bool) -> Result<()> {
    let status = match change.event {
        Event::Opened => "opened",
        Event::Changed => "changed",
        Event::Closed | Event::Merged => return Ok(()),
    };
    if json {
        return super::print(&incidents::json_lines(std::slice::from_ref(&change.incident))?);
    }
    let width = console::width();
    let head = incidents::headline(&format!("{status:<7}  "), &change.incident, width);
    super::print(&format!("{head}\n{}", incidents::details(&change.incident, width)))
}

/// Prints an anomalous connection with its reasons.
fn show(scored: &ScoredRecord<'_>, detector: &Detector, threshold: f64, json: bool) -> Result<()> {
    let model = detector.model();
    if json {
        return super::print(&top::json_lines(&[StoredRecord::new(scored)], model, threshold)?);
    }
    let ScoredRecord { record, connection, uid, row, verdict, .. } = scored;
    let unset = || "-".to_owned();
    let time = format!("{}  ", format::date_time(connection.ts));
    let columns = format!(
        "  {:<6} {:>6}  {:>6}  {:>6}",
        format::state(record),
        connection.duration.map_or_else(unset, format::duration),
        connection.orig.bytes.map_or_else(unset, format::bytes),
        connection.resp.bytes.map_or_else(unset, format::bytes),
    );
    let endpoints = format!(
        "{} -> {}  {}",
        connection.orig.addr,
        format::target(record),
        uid.map(format::name).unwrap_or_default(),
    );
    let score = format!("{:.6}", verdict.score);
    // A terminal gets a second line if the first is too long; in a file each connection is one line, for grep.
    let length = time.len() + score.len() + columns.len() + "  ".len() + endpoints.chars().count();
    let gap = match console::terminal_width() {
        Some(width) if length > width => format!("\n{:1$}", "", top::INDENT),
        _ => "  ".to_owned(),
    };
    let style = top::ANOMALOUS;
    let line = format!("{time}{style}{score}{style:#}{columns}{gap}{endpoints}\n");
    let reasons = model.reasons(record, row, None);
    super::print(&(line + &top::reason_lines(&reasons, console::width())))
}

//! `watch`: shows the anomalous connections of a log while Zeek writes it.

use std::os::unix::fs::FileTypeExt;
use std::path::{Path, PathBuf};

use anyhow::{Result, bail, ensure};
use detector::Detector;
use zeek_log::{Block, Input, ReadOptions, Reader};

use super::{load_model, top};
use crate::cli::options::{ContextArgs, FilterArgs, ThresholdArgs, TrustArgs};
use crate::console::{self, Console};
use crate::context_file::RunContext;
use crate::format;
use crate::input::follow::Follow;
use crate::input::{self, conn_log};
use crate::pipeline::Judged;
use crate::pipeline::parse::{Parser, check_columns};
use crate::top_k::ScoredConnection;

/// Show anomalous connections while Zeek writes them
///
/// Follows a conn.log through rotation and shows each anomalous connection with its reasons as soon as its line is
/// complete. The existing content of the log is read first, as context for later connections. Runs until interrupted;
/// ^C gives exit status 130.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  zeek-iforest watch -m iforest.model /usr/local/zeek/logs/current/conn.log
  zeek-iforest watch -m iforest.model conn.log --json | jq -r .uid")]
pub struct WatchArgs {
    /// The log that Zeek writes, which does not have to exist yet; or - for standard input
    #[arg(value_name = "LOG")]
    pub log: PathBuf,

    /// The model, as written by train
    #[arg(long, short, value_name = "MODEL")]
    pub model: PathBuf,

    /// Print JSON lines with Zeek's field names
    #[arg(long)]
    pub json: bool,

    #[command(flatten)]
    pub threshold: ThresholdArgs,

    #[command(flatten)]
    pub filter: FilterArgs,

    #[command(flatten)]
    pub context: ContextArgs,

    #[command(flatten)]
    pub trust: TrustArgs,
}

pub fn run(args: &WatchArgs, console: &Console) -> Result<()> {
    let trust = args.trust.trust();
    let model = load_model(&args.model, &trust)?;
    let policy = args.threshold.policy(&model)?;
    let threshold = policy.threshold();
    let filter = args.filter.filter();
    let mut context = RunContext::load(args.context.context.as_deref(), &trust)?;
    let mut detector = Detector::new(model);
    detector.set_policy(policy);
    detector.remember(context.state.0, context.state.1);
    let options = ReadOptions::new().stream(conn_log::STREAM);
    let is_stdin = args.log == Path::new("-");
    let input = if is_stdin { Input::Stdin } else { Input::File(args.log.clone()) };
    let name = input.to_string();
    if !is_stdin {
        require_place(&args.log)?;
        if !args.log.exists() {
            console.note(&format!("{name} does not exist yet: waiting for it"));
        }
    }
    console.note(&format!("watching {name} for anomalous connections, threshold {threshold:.6}; stop with ^C"));

    let follow = Follow::new(args.log.clone());
    let starts = follow.starts();
    // A pipe, such as the output of another command, is read to the end.
    let is_pipe = args.log.metadata().is_ok_and(|log| log.file_type().is_fifo());
    let mut reader = match input {
        Input::File(_) if !is_pipe => Reader::from_read(&name, follow, &options)?.eager(),
        _ => Reader::open(&input, &options)?.eager(),
    };
    let mut block = Block::default();
    let mut parser = Parser::new(None);
    let mut is_conn_log = false;
    while reader.next_block(&mut block).map_err(|error| input::explain(&input, error))? {
        // Later a damaged line can look like another header.
        if !std::mem::replace(&mut is_conn_log, true) {
            check_columns(&block, None)?;
        }
        let mut shown = Ok(());
        parser.parse(&block, false, |_, parsed| match parsed {
            Ok(Some(parsed)) if shown.is_ok() => {
                let verdict = detector.score(&parsed.connection);
                if verdict.anomalous && filter.matches(&parsed.connection) {
                    let (row, connection) = (*detector.row(), parsed.connection);
                    let judged = Judged { connection, uid: parsed.uid, row: &row, verdict: &verdict };
                    shown = show(&judged, &detector, threshold, args.json);
                }
            }
            Ok(_) => {}
            Err(error) => {
                let line = error.line().map_or(0, |line| starts.line_in_log(line));
                console.warning(&format!("{}; the row is skipped", error.with_line(line)));
            }
        });
        shown?;
    }
    let (extractor, cusum) = detector.memory();
    context.state = (extractor.clone(), cusum.clone());
    context.save()
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

/// Prints an anomalous connection with its reasons.
fn show(judged: &Judged<'_>, detector: &Detector, threshold: f64, json: bool) -> Result<()> {
    let model = detector.model();
    if json {
        return super::print(&top::json_lines(&[ScoredConnection::new(judged)], model, threshold)?);
    }
    let Judged { connection, uid, row, verdict } = judged;
    let unset = || "-".to_owned();
    let time = format!("{}  ", format::date_time(connection.ts));
    let columns = format!(
        "  {:<6} {:>6}  {:>6}  {:>6}",
        connection.conn_state.map_or("-", |state| state.name()),
        connection.duration.map_or_else(unset, format::duration),
        connection.orig.bytes.map_or_else(unset, format::bytes),
        connection.resp.bytes.map_or_else(unset, format::bytes),
    );
    let endpoints = format!(
        "{} -> {}  {}",
        connection.orig.addr,
        format::responder(connection),
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
    let reasons = model.reasons(connection, row, None);
    super::print(&(line + &top::reason_lines(&reasons, console::width())))
}

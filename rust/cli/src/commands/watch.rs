//! `watch`: the anomalous connections of a log that is being written, as they come.

use std::os::unix::fs::FileTypeExt;
use std::path::Path;
use std::sync::Arc;

use anstyle::{AnsiColor, Style};
use anyhow::{Result, bail, ensure};
use detector::{Connection, Detector};
use zeek_log::{Binding, Block, Input, Layout, LineKind, Parsed, ReadOptions, Reader, Row};

use super::{load_model, top};
use crate::args::WatchArgs;
use crate::conn_log::{self, COLUMNS};
use crate::console::{self, Console};
use crate::follow::Follow;
use crate::highest::Entry;
use crate::human;
use crate::source;

const SCORE: Style = AnsiColor::Red.on_default().bold();

pub fn run(args: &WatchArgs, console: &Console) -> Result<()> {
    let mut detector = Detector::new(load_model(&args.model, &args.trust.trust())?);
    let options = ReadOptions::new().stream(conn_log::STREAM);
    let is_stdin = args.log == Path::new("-");
    let input = if is_stdin { Input::Stdin } else { Input::File(args.log.clone()) };
    let name = input.to_string();
    if !is_stdin {
        require_place(&args.log)?;
        if !args.log.exists() {
            console.note(&format!("{name} is not there yet: waiting for it"));
        }
    }
    let threshold = detector.model().threshold();
    console.note(&format!(
        "watching {name} for anomalous connections, threshold {threshold:.6} (lower \
         where one stands for many); stop with ^C"
    ));

    let follow = Follow::new(args.log.clone());
    let starts = follow.starts();
    // What was a pipe from the start, such as another command's output, is read to its end.
    let is_pipe = args.log.metadata().is_ok_and(|log| log.file_type().is_fifo());
    let mut reader = match input {
        Input::File(_) if !is_pipe => Reader::from_read(&name, follow, &options)?.eager(),
        _ => Reader::open(&input, &options)?.eager(),
    };
    let (mut block, mut row) = (Block::default(), Row::new());
    let mut bound: Option<(Arc<Layout>, Binding)> = None;
    let mut is_conn_log = false;
    let skipped = |error: zeek_log::Error| {
        let line = error.line().map_or(0, |line| starts.line_in_log(line));
        let error = error.with_line(line);
        console.warning(&format!("{error}; the row is skipped"));
    };
    while reader.next_block(&mut block).map_err(|error| source::explained(&input, error))? {
        let layout = block.layout().clone();
        let kept = bound.take().filter(|(known, _)| Arc::ptr_eq(known, &layout));
        let (layout, binding) = match kept {
            Some(bound) => bound,
            None => {
                let binding = layout.bind(COLUMNS);
                // A damaged line further on can look like another header.
                if !is_conn_log {
                    require_columns(&binding, &name)?;
                }
                is_conn_log = true;
                (layout, binding)
            }
        };
        for line in block.lines() {
            if line.kind() == LineKind::Meta {
                continue;
            }
            match binding.parse(&line, &mut row) {
                Ok(Parsed::OtherStream) => {}
                Ok(Parsed::Row) => match conn_log::connection(&row) {
                    Ok(connection) => show(&connection, conn_log::uid(&row), &mut detector, args.json)?,
                    Err(error) => skipped(error),
                },
                Err(error) => skipped(error),
            }
        }
        bound = Some((layout, binding));
    }
    Ok(())
}

/// Refuses a log that is a directory, and one that can never come because there is no directory for it.
fn require_place(log: &Path) -> Result<()> {
    let name = log.display();
    ensure!(!log.is_dir(), "{name}: is a directory; give the log in it that Zeek is writing");
    match log.parent().filter(|directory| *directory != Path::new("") && !directory.is_dir()) {
        Some(directory) => bail!("{name}: there is no directory {}", directory.display()),
        None => Ok(()),
    }
}

fn require_columns(binding: &Binding, name: &str) -> Result<()> {
    let missing: Vec<_> =
        conn_log::essential().filter(|(column, _)| !binding.is_bound(*column)).map(|(_, name)| name).collect();
    if !missing.is_empty() {
        bail!("{name}: is no conn log: it has no column {}", missing.join(", "));
    }
    Ok(())
}

/// Scores a connection and prints it, with the reasons, if it is anomalous.
fn show(connection: &Connection<'_>, uid: Option<&[u8]>, detector: &mut Detector, json: bool) -> Result<()> {
    let verdict = detector.score(connection);
    if !verdict.anomalous {
        return Ok(());
    }
    if json {
        let entry = Entry::alone(connection, uid, detector.row(), &verdict);
        return super::print(&top::json_lines(&[entry], detector.model(), detector.model().threshold())?);
    }
    let unset = || "-".to_owned();
    let before = format!("{}  ", human::date_time(connection.ts));
    let behind = format!(
        "  {:<6} {:>6}  {:>6}  {:>6}",
        connection.conn_state.map_or("-", |state| state.name()),
        connection.duration.map_or_else(unset, human::duration),
        connection.orig.bytes.map_or_else(unset, human::bytes),
        connection.resp.bytes.map_or_else(unset, human::bytes),
    );
    let who = format!(
        "{} -> {}  {}",
        connection.orig.addr,
        human::responder(connection),
        uid.map(human::name).unwrap_or_default(),
    );
    let score = format!("{:.6}", verdict.score);
    // Below the rest where it does not fit behind it on a terminal; in a file each connection is found by one line.
    let length = before.len() + score.len() + behind.len() + "  ".len() + who.chars().count();
    let gap = match console::terminal_width() {
        Some(width) if length > width => format!("\n{:1$}", "", top::INDENT),
        _ => "  ".to_owned(),
    };
    let line = format!("{before}{SCORE}{score}{SCORE:#}{behind}{gap}{who}\n");
    super::print(&(line + &top::lines_of(&detector.reasons(connection, &verdict), console::width())))
}

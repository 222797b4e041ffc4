//! `top`: the most anomalous connections, as a table or as JSON.

use std::borrow::Cow;
use std::fmt::Write;

use anstyle::{AnsiColor, Style};
use anyhow::Result;
use detector::{Extractor, Model};
use serde::Serialize;

use super::model_for;
use crate::args::TopArgs;
use crate::console::{self, Console};
use crate::highest::{Entry, Highest};
use crate::human;
use crate::pipeline::{Batch, Run};
use crate::source::Source;

/// A score at or above the threshold.
const ANOMALOUS: Style = AnsiColor::Red.on_default().bold();

pub fn run(args: TopArgs, threads: usize, console: &Console) -> Result<()> {
    let source = Source::new(&args.logs, &args.reading)?;
    let model = model_for(args.model.as_deref(), &source, threads, console)?;
    let mut extractor = Extractor::new();
    let mut top = Highest::new(args.number);
    let mut anomalous = 0u64;
    let summary = Run::new(&source, threads, console).stages(
        |batch| batch.extract(&mut extractor),
        || |batch: &mut Batch| batch.score(&model),
        |batch| {
            let connections = batch.connections.iter().zip(batch.connections.uids());
            for ((connection, uid), (row, &score)) in connections.zip(batch.features.iter().zip(&batch.scores)) {
                anomalous += u64::from(score >= model.threshold());
                top.offer(&connection, uid, row, score);
            }
            Ok(())
        },
    )?;
    summary.require_some()?;
    let entries = top.into_sorted();
    super::print(&if args.json { json_lines(&entries)? } else { table(&entries, &model, console::width()) })?;
    console.note(&format!(
        "{}, {} at or above the threshold {:.6}",
        human::counted(summary.connections, "connection"),
        human::count(anomalous),
        model.threshold()
    ));
    summary.require_all("the table was made")
}

/// Everything of fixed width comes first, so that a long address pushes nothing out of line.
fn table(entries: &[Entry], model: &Model, width: usize) -> String {
    let years: Vec<String> = entries.iter().map(|entry| human::time(entry.connection().ts, "%Y")).collect();
    let one_year = years.windows(2).all(|pair| pair[0] == pair[1]);
    let (time_head, time_pattern) = match years.first().filter(|_| one_year) {
        Some(year) => (format!("{year} (UTC)"), "%m-%d %H:%M:%S"),
        None => ("time (UTC)".to_owned(), "%Y-%m-%d %H:%M:%S"),
    };
    let time_width = human::time(0, time_pattern).len();
    let fixed = |score: &str, time: &str, state: &str, duration: &str, out: &str, into: &str| {
        format!("{score:<8}  {time:<time_width$}  {state:<6} {duration:>6}  {out:>6}  {into:>6}  ")
    };
    if entries.is_empty() {
        return String::new();
    }
    let mut text = fixed("score", &time_head, "state", "lasted", "out", "in");
    text.push_str("connection\n");
    let mut above = true;
    for (i, entry) in entries.iter().enumerate() {
        let connection = entry.connection();
        if above && entry.score < model.threshold() {
            above = false;
            if i > 0 {
                let rule = format!("-- below the threshold {:.6} ", model.threshold());
                let _ = writeln!(text, "{rule:-<width$}");
            }
        }
        let unset = || "-".to_owned();
        let start = fixed(
            &format!("{:.6}", entry.score),
            &human::time(connection.ts, time_pattern),
            connection.conn_state.map_or("-", |state| state.name()),
            &connection.duration.map_or_else(unset, human::duration),
            &connection.orig.bytes.map_or_else(unset, human::bytes),
            &connection.resp.bytes.map_or_else(unset, human::bytes),
        );
        let originator = connection.orig.addr.to_string();
        let responder = human::responder(&connection);
        let length = responder.chars().count();
        let style = if above { ANOMALOUS } else { Style::new() };
        let (score, rest) = start.split_at(8);
        // Writing to a string cannot fail.
        let _ = if start.len() + originator.len() + 4 + length > width {
            let indent = (start.len() + 2).min(width.saturating_sub(length));
            writeln!(text, "{style}{score}{style:#}{rest}{originator} ->\n{:indent$}{responder}", "")
        } else {
            writeln!(text, "{style}{score}{style:#}{rest}{originator} -> {responder}")
        };
    }
    text
}

fn json_lines(entries: &[Entry]) -> Result<String> {
    entries.iter().try_fold(String::new(), |text, entry| Ok(text + &serde_json::to_string(&Object::of(entry))? + "\n"))
}

/// A connection as Zeek names its fields; like Zeek's JSON, without those that are unset.
#[derive(Serialize)]
struct Object<'a> {
    anomaly_score: f64,
    ts: f64,
    #[serde(skip_serializing_if = "Option::is_none")]
    uid: Option<Cow<'a, str>>,
    #[serde(rename = "id.orig_h")]
    orig_h: String,
    #[serde(rename = "id.orig_p")]
    orig_p: u16,
    #[serde(rename = "id.resp_h")]
    resp_h: String,
    #[serde(rename = "id.resp_p")]
    resp_p: u16,
    proto: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    service: Option<Cow<'a, str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    duration: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    orig_bytes: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    resp_bytes: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    conn_state: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    history: Option<Cow<'a, str>>,
}

impl<'a> Object<'a> {
    fn of(entry: &'a Entry) -> Self {
        let connection = entry.connection();
        let text = |text: Option<&'a [u8]>| text.map(String::from_utf8_lossy);
        Self {
            anomaly_score: entry.score,
            ts: connection.ts as f64 / 1e6,
            uid: text(entry.uid()),
            orig_h: connection.orig.addr.to_string(),
            orig_p: connection.orig.port,
            resp_h: connection.resp.addr.to_string(),
            resp_p: connection.resp.port,
            proto: connection.proto.name(),
            service: text(connection.service),
            duration: connection.duration.map(|micros| micros as f64 / 1e6),
            orig_bytes: connection.orig.bytes,
            resp_bytes: connection.resp.bytes,
            conn_state: connection.conn_state.map(|state| state.name()),
            history: text(connection.history),
        }
    }
}

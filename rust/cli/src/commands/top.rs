//! `top`: the most anomalous connections, as a table or as JSON.

use std::borrow::Cow;
use std::fmt::Write;

use anstyle::{AnsiColor, Style};
use anyhow::Result;
use detector::{Cusum, Extractor, Model, Reason, format_reasons};
use serde::Serialize;

use super::model_for;
use crate::args::TopArgs;
use crate::columns::Columns;
use crate::columns::Side::{self, Left, Right};
use crate::console::{self, Console};
use crate::highest::{Entry, Highest};
use crate::human;
use crate::pipeline::{Batch, Run};
use crate::source::Source;

/// Before what stands below a connection's score.
pub const INDENT: usize = 10;
const ARROW: &str = " -> ";
/// Where the responder stands on the next line, behind as much as [`INDENT`].
const ARROW_AT_END: &str = " ->\n          ";
const SIDES: [Side; 7] = [Left, Left, Left, Right, Right, Right, Left];

/// The score of an anomalous connection.
const ANOMALOUS: Style = AnsiColor::Red.on_default().bold();
/// So many times the alerts that a threshold was set for are no luck of the day.
const MANY: f64 = 2.0;

pub fn run(args: TopArgs, threads: usize, console: &Console) -> Result<()> {
    let source = Source::new(&args.logs)?;
    let model = model_for(&args.model, &source, threads, console)?;
    let threshold = args.threshold.threshold(&model);
    let (mut extractor, mut evidence) = (Extractor::new(), Cusum::new());
    let mut top = Highest::new(args.number, threshold);
    let mut anomalous = 0u64;
    let mut range = None;
    let summary = Run::new(&source, threads, console).stages(
        |batch| batch.extract(&mut extractor),
        || |batch: &mut Batch| batch.score(&model),
        |batch| {
            batch.weigh(&model, &mut evidence);
            for (connection, uid, row, verdict) in batch.weighed() {
                anomalous += u64::from(verdict.passes(threshold));
                let (first, last) = range.unwrap_or((connection.ts, connection.ts));
                range = Some((first.min(connection.ts), last.max(connection.ts)));
                top.offer(&connection, uid, row, verdict);
            }
            Ok(())
        },
    )?;
    summary.require_some()?;
    let entries = top.into_sorted();
    let text = if args.json {
        json_lines(&entries, &model, threshold)?
    } else {
        table(&entries, &model, threshold, console::width())
    };
    super::print(&text)?;
    console.note(&format!(
        "{}, {} anomalous at the threshold {:.6}",
        human::counted(summary.connections, "connection"),
        human::count(anomalous),
        threshold
    ));
    if entries.iter().any(|entry| entry.verdict.sustained.is_some() && entry.verdict.score < threshold) {
        console.note(
            "those with a score below it stand for many connections to one service, each a little unusual, and rank \
             above their own score",
        );
    }
    let per_day = model.provenance().alerts_per_day;
    if threshold == model.threshold() && anomalous as f64 > MANY * per_day * days(range) {
        console.note(&format!(
            "it was set for {per_day} alerts a day in traffic like that learnt from: this is unlike it (an attack, a \
             failure, a new service or network)"
        ));
    }
    summary.require_all("the table was made")
}

/// The length of a range of time in days, of one at least.
fn days(range: Option<(i64, i64)>) -> f64 {
    const DAY: f64 = 86_400e6;
    range.map_or(1.0, |(first, last)| (last.saturating_sub(first) as f64 / DAY).max(1.0))
}

/// Everything of fixed width comes first, so that a long address pushes nothing out of line.
fn table(entries: &[Entry], model: &Model, threshold: f64, width: usize) -> String {
    if entries.is_empty() {
        return String::new();
    }
    let years: Vec<String> = entries.iter().map(|entry| human::time(entry.connection().ts, "%Y")).collect();
    let one_year = years.windows(2).all(|pair| pair[0] == pair[1]);
    let (time_head, time_pattern) = match years.first().filter(|_| one_year) {
        Some(year) => (format!("{year} (UTC)"), "%m-%d %H:%M:%S"),
        None => ("time (UTC)".to_owned(), "%Y-%m-%d %H:%M:%S"),
    };
    let heads = ["score", &time_head, "state", "lasted", "out", "in", "connection"].map(str::to_owned).to_vec();
    let mut rows = vec![heads];
    rows.extend(entries.iter().map(|entry| cells(entry, time_pattern, width)));
    let columns = Columns::new(&SIDES, &rows, INDENT, width);
    // A connection on a line of its own needs no head.
    let shown = if columns.is_one_line() { SIDES.len() } else { SIDES.len() - 1 };
    let mut text = columns.row(&rows[0][..shown]) + "\n";
    let mut above = true;
    for (i, (entry, cells)) in entries.iter().zip(&rows[1..]).enumerate() {
        if above && !entry.verdict.passes(threshold) {
            above = false;
            if i > 0 {
                let rule = format!("-- not anomalous at the threshold {threshold:.6} ");
                let rule = if rule.len() > width { format!("-- below {threshold:.6} ") } else { rule };
                // Writing to a string cannot fail.
                let _ = writeln!(text, "{rule:-<width$}");
            }
        }
        let style = if above { ANOMALOUS } else { Style::new() };
        let row = columns.row(cells);
        let (score, rest) = row.split_at(cells[0].len());
        let _ = writeln!(text, "{style}{score}{style:#}{rest}");
        text.push_str(&lines_of(&entry.reasons(model), width));
    }
    text
}

/// What stands in each column.
fn cells(entry: &Entry, time_pattern: &str, width: usize) -> Vec<String> {
    let connection = entry.connection();
    let unset = || "-".to_owned();
    let (originator, responder) = (connection.orig.addr.to_string(), human::responder(&connection));
    let length = originator.len() + ARROW.len() + responder.chars().count();
    let arrow = if INDENT + length <= width { ARROW } else { ARROW_AT_END };
    vec![
        format!("{:.6}", entry.verdict.score),
        human::time(connection.ts, time_pattern),
        connection.conn_state.map_or("-", |state| state.name()).to_owned(),
        connection.duration.map_or_else(unset, human::duration),
        connection.orig.bytes.map_or_else(unset, human::bytes),
        connection.resp.bytes.map_or_else(unset, human::bytes),
        format!("{originator}{arrow}{responder}"),
    ]
}

/// Reasons below their connection, each whole on a line where it fits.
pub fn lines_of(reasons: &[Reason], width: usize) -> String {
    const SEPARATOR: &str = "; ";
    let mut lines: Vec<String> = Vec::new();
    for reason in reasons.iter().map(Reason::to_string) {
        let length = |line: &str| INDENT + line.chars().count() + SEPARATOR.len();
        match lines.last_mut() {
            Some(line) if length(line) + length(&reason) <= INDENT + width => {
                line.push_str(SEPARATOR);
                line.push_str(&reason);
            }
            _ => lines.push(reason),
        }
    }
    let wrapped = |line: &String| format!("{:INDENT$}{}", "", human::wrapped(line, INDENT, width - 1));
    let text = lines.iter().map(wrapped).collect::<Vec<_>>().join(";\n");
    if text.is_empty() { text } else { text + "\n" }
}

/// One JSON object a line.
pub fn json_lines(entries: &[Entry], model: &Model, threshold: f64) -> Result<String> {
    entries
        .iter()
        .try_fold(String::new(), |text, entry| Ok(text + &human::json(&Object::of(entry, model, threshold))? + "\n"))
}

/// A connection as Zeek names its fields; like Zeek's JSON, without those that are unset.
#[derive(Serialize)]
struct Object<'a> {
    anomaly_score: f64,
    /// Whether it stands above the rule in the table.
    anomalous: bool,
    anomaly_reasons: String,
    /// The features the reasons speak of, in their order.
    reason_features: Vec<&'static str>,
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
    fn of(entry: &'a Entry, model: &Model, threshold: f64) -> Self {
        let (connection, reasons) = (entry.connection(), entry.reasons(model));
        let text = |text: Option<&'a [u8]>| text.map(String::from_utf8_lossy);
        Self {
            anomaly_score: entry.verdict.score,
            anomalous: entry.verdict.passes(threshold),
            anomaly_reasons: format_reasons(&reasons),
            reason_features: reasons.iter().map(Reason::feature).collect(),
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

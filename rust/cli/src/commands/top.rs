//! `top`: lists the most anomalous connections or queries as a table or JSON.

use std::borrow::Cow;
use std::fmt::Write;

use anstyle::{AnsiColor, Style};
use anyhow::Result;
use detector::{LogKind, LogRecord, rcode_name, type_name, units::DAY};
use detector::{Model, Reason, format_reasons};
use serde::Serialize;

use crate::cli::options::{ContextArgs, FilterArgs, LogArgs, ModelArgs, ThresholdArgs};
use crate::cli::values::within;
use crate::console::{self, Console};
use crate::context_file::RunContext;
use crate::escape;
use crate::format;
use crate::input::LogInputs;
use crate::model_file;
use crate::pipeline::Pipeline;
use crate::text_table::Align::{self, Left, Right};
use crate::text_table::TextTable;
use crate::top_k::{StoredRecord, TopK};

/// Show the most anomalous connections or queries
///
/// Prints a table by descending score; a line marks the threshold. The columns out and in are payload bytes sent by the
/// originator and the responder; for queries, bytes of the name and of the answers.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  zeek-iforest top -m iforest.model conn.log
  zeek-iforest top -m iforest.model logs/2024-04-19/ -n 100 | less
  zeek-iforest top -m iforest.model conn.log --json | jq -r 'select(.anomalous).uid'")]
pub struct TopArgs {
    #[command(flatten)]
    pub model: ModelArgs,

    /// Number of connections or queries, 1 to 1000000
    #[arg(long, short = 'n', value_name = "N", default_value_t = 20, value_parser = within(1..=1_000_000))]
    pub number: usize,

    /// Print JSON lines with Zeek's field names
    ///
    /// The field anomalous is true at or above the threshold. Reasons are given for all rows.
    #[arg(long)]
    pub json: bool,

    #[command(flatten)]
    pub threshold: ThresholdArgs,

    #[command(flatten)]
    pub filter: FilterArgs,

    #[command(flatten)]
    pub context: ContextArgs,

    #[command(flatten)]
    pub logs: LogArgs,
}

/// Indentation of lines below a connection.
pub const INDENT: usize = 10;
const ARROW: &str = " -> ";
/// Arrow before a responder on the next line, indented by [`INDENT`].
const WRAPPING_ARROW: &str = " ->\n          ";
const ALIGNS: [Align; 7] = [Left, Left, Left, Right, Right, Right, Left];

/// Style of the score of an anomalous connection.
pub const ANOMALOUS: Style = AnsiColor::Red.on_default().bold();
/// Multiple of the alert budget that is not explained by chance.
const BUDGET_EXCESS: f64 = 2.0;

pub fn run(args: TopArgs, threads: usize, console: &Console) -> Result<()> {
    let inputs = LogInputs::new(&args.logs)?;
    let model =
        model_file::load_or_train(args.model.model.as_deref(), &args.model.trust.trust(), &inputs, threads, console)?;
    let policy = args.threshold.policy(&model)?;
    let threshold = policy.threshold();
    let mut context = RunContext::load(args.context.context.as_deref(), inputs.log, &args.model.trust.trust())?;
    let filter = args.filter.filter();
    let mut shown = 0u64;
    let mut top = TopK::new(args.number);
    let mut anomalous = 0u64;
    let mut range = None;
    let summary = Pipeline::new(&inputs, threads, console).score(&model, &policy, &mut context.state, |batch| {
        for scored in batch.scored().filter(|scored| filter.matches(&scored.connection)) {
            shown += 1;
            let ts = scored.connection.ts;
            anomalous += u64::from(scored.verdict.alert);
            let (first, last) = range.unwrap_or((ts, ts));
            range = Some((first.min(ts), last.max(ts)));
            top.push(&scored);
        }
        Ok(())
    })?;
    summary.require_some()?;
    let entries = top.into_sorted();
    let text = if args.json {
        json_lines(&entries, &model, threshold)?
    } else {
        table(&entries, &model, threshold, console::width())
    };
    super::print(&text)?;
    console.note(&format!(
        "{}, {} at the threshold {:.6}",
        format::counted(shown, inputs.log.noun()),
        format::counted(anomalous, "alert"),
        threshold
    ));
    let per_day = model.provenance().alerts_per_day;
    if threshold == model.threshold() && anomalous as f64 > BUDGET_EXCESS * per_day * days(range) {
        console.note(&format!(
            "the threshold targets {}, but this traffic differs from the training data (an attack, an \
             outage, a new service or network?)",
            format::alerts_a_day(per_day)
        ));
    }
    summary.require_all(&format!("listed the {}", inputs.log.nouns()))?;
    context.save()
}

/// Length of a time range in days, at least one.
fn days(range: Option<(i64, i64)>) -> f64 {
    range.map_or(1.0, |(first, last)| (last.saturating_sub(first) as f64 / DAY as f64).max(1.0))
}

/// Formats the table. Columns of fixed width come first, so long addresses do not break the alignment.
fn table(entries: &[StoredRecord], model: &Model, threshold: f64, width: usize) -> String {
    if entries.is_empty() {
        return String::new();
    }
    let years: Vec<String> = entries.iter().map(|entry| format::time(entry.connection().ts, "%Y")).collect();
    let one_year = years.windows(2).all(|pair| pair[0] == pair[1]);
    let (time_head, time_pattern) = match years.first().filter(|_| one_year) {
        Some(year) => (format!("{year} (UTC)"), "%m-%d %H:%M:%S"),
        None => ("time (UTC)".to_owned(), "%Y-%m-%d %H:%M:%S"),
    };
    let (state, lasted, what) = match model.schema().log {
        LogKind::Conn => ("state", "lasted", "connection"),
        LogKind::Dns => ("type", "rtt", "query"),
    };
    let heads = ["score", &time_head, state, lasted, "out", "in", what].map(str::to_owned).to_vec();
    let mut rows = vec![heads];
    rows.extend(entries.iter().map(|entry| cells(entry, time_pattern, width)));
    let columns = TextTable::new(&ALIGNS, &rows, INDENT, width);
    // The connection needs no header if it is on a separate line.
    let shown = if columns.is_one_line() { ALIGNS.len() } else { ALIGNS.len() - 1 };
    let mut text = columns.row(&rows[0][..shown]) + "\n";
    let mut above = true;
    for (i, (entry, cells)) in entries.iter().zip(&rows[1..]).enumerate() {
        if above && entry.verdict.score < threshold {
            above = false;
            if i > 0 {
                let rule = format!("-- below the threshold {threshold:.6} ");
                let rule = if rule.len() > width { format!("-- below {threshold:.6} ") } else { rule };
                // Writing to a `String` cannot fail.
                let _ = writeln!(text, "{rule:-<width$}");
            }
        }
        let style = if above { ANOMALOUS } else { Style::new() };
        let row = columns.row(cells);
        let (score, rest) = row.split_at(cells[0].len());
        let _ = writeln!(text, "{style}{score}{style:#}{rest}");
        text.push_str(&reason_lines(&entry.reasons(model), width));
    }
    text
}

/// Cells of a row.
fn cells(entry: &StoredRecord, time_pattern: &str, width: usize) -> Vec<String> {
    let connection = entry.connection();
    let unset = || "-".to_owned();
    let (originator, responder) = (connection.orig.addr.to_string(), format::target(&entry.record()));
    let length = originator.len() + ARROW.len() + responder.chars().count();
    let arrow = if INDENT + length <= width { ARROW } else { WRAPPING_ARROW };
    vec![
        format!("{:.6}", entry.verdict.score),
        format::time(connection.ts, time_pattern),
        format::state(&entry.record()),
        connection.duration.map_or_else(unset, format::duration),
        connection.orig.bytes.map_or_else(unset, format::bytes),
        connection.resp.bytes.map_or_else(unset, format::bytes),
        format!("{originator}{arrow}{responder}"),
    ]
}

/// Formats reasons below their connection; each stays on one line if it fits.
pub fn reason_lines(reasons: &[Reason], width: usize) -> String {
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
    let wrapped = |line: &String| format!("{:INDENT$}{}", "", format::wrapped(line, INDENT, width - 1));
    let text = lines.iter().map(wrapped).collect::<Vec<_>>().join(";\n");
    if text.is_empty() { text } else { text + "\n" }
}

/// Formats connections as JSON lines.
pub fn json_lines(entries: &[StoredRecord], model: &Model, threshold: f64) -> Result<String> {
    entries.iter().try_fold(String::new(), |text, entry| {
        Ok(text + &escape::json(&JsonConnection::of(entry, model, threshold))? + "\n")
    })
}

/// Connection with Zeek's field names, without unset fields like Zeek's JSON.
#[derive(Serialize)]
struct JsonConnection<'a> {
    anomaly_score: f64,
    /// True if the score is at or above the threshold.
    anomalous: bool,
    anomaly_reasons: String,
    /// Features of the reasons, in order.
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
    query: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    qtype_name: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    rcode_name: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    rtt: Option<f64>,
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

impl<'a> JsonConnection<'a> {
    fn of(entry: &'a StoredRecord, model: &Model, threshold: f64) -> Self {
        let (connection, reasons) = (entry.connection(), entry.reasons(model));
        let query = match entry.record() {
            LogRecord::Conn(_) => None,
            LogRecord::Dns(query) => Some(query),
        };
        let is_query = query.is_some();
        let text = |text: Option<&'a [u8]>| text.map(String::from_utf8_lossy);
        Self {
            anomaly_score: entry.verdict.score,
            anomalous: entry.verdict.score >= threshold,
            anomaly_reasons: format_reasons(&reasons),
            reason_features: reasons.iter().map(Reason::feature).collect(),
            ts: connection.ts as f64 / 1e6,
            uid: text(entry.uid()),
            orig_h: connection.orig.addr.to_string(),
            orig_p: connection.orig.port,
            resp_h: connection.resp.addr.to_string(),
            resp_p: connection.resp.port,
            proto: connection.proto.name(),
            query: query.and_then(|query| query.query).map(|name| String::from_utf8_lossy(name).into_owned()),
            qtype_name: query.and_then(|query| query.qtype).map(type_name),
            rcode_name: query.and_then(|query| query.rcode).map(rcode_name),
            rtt: query.and_then(|query| query.rtt).map(|micros| micros as f64 / 1e6),
            service: text(connection.service).filter(|_| !is_query),
            duration: connection.duration.filter(|_| !is_query).map(|micros| micros as f64 / 1e6),
            orig_bytes: connection.orig.bytes.filter(|_| !is_query),
            resp_bytes: connection.resp.bytes.filter(|_| !is_query),
            conn_state: connection.conn_state.map(|state| state.name()),
            history: text(connection.history),
        }
    }
}

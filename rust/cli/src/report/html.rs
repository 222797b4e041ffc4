//! Texts of the HTML report.
//!
//! Attackers can control the contents of logs. Every text from a log passes through [`format::printable_bytes`] and the
//! template's escaping. None is part of the script or the style sheet, and the content security policy of the page
//! allows only [`Page::SCRIPT`].

use std::collections::HashMap;

use anyhow::Result;
use askama::Template;
use detector::{Address, Model};

use super::aggregates::{Aggregates, HISTORY_STEPS, Host, Port, STEPS};
use super::charts::{self, Chart};
use super::incidents::{FoundIncidents, IncidentView, RiskView};
use super::timeline::{self, Axis, Outliers};
use crate::format;
use crate::top_k::ScoredConnection;
use crate::training::MIN_CONNECTIONS;

/// Minimum number of listed connections, filled with those below the threshold.
const MIN_ROWS: usize = 50;
/// Minimum and maximum number of listed hosts.
const MIN_HOSTS: usize = 10;
const MAX_HOSTS: usize = 25;
/// Maximum number of listed ports.
const MAX_PORTS: usize = 20;
/// Maximum number of listed logs.
const MAX_LOGS: usize = 1_000;

/// Origin of a report.
pub struct Origin<'a> {
    /// Model file; `None` if the model was trained on the same logs.
    pub model: Option<String>,
    /// Creation time, in microseconds since 1970.
    pub made_at: i64,
    /// Command that created it.
    pub command: String,
    /// Log arguments.
    pub logs: &'a [String],
    /// Size of the log files, if known.
    pub bytes: Option<u64>,
    /// Unusable rows.
    pub skipped: u64,
    /// Logs that could not be read to the end.
    pub failures: u64,
}

/// Fields of the template.
#[derive(Template)]
#[template(path = "report.html")]
struct Page {
    period: String,
    figures: Vec<Tile>,
    /// Warning about the model, if any.
    warning: String,
    meaning: String,
    incidents_lead: String,
    incidents: Vec<IncidentView>,
    risks: Vec<RiskView>,
    /// Step width of the charts.
    steps: String,
    /// Note on connections that the charts omit.
    outliers: String,
    traffic: Chart,
    scores: Chart,
    distribution: Chart,
    history_steps: usize,
    histories: Vec<History>,
    hosts_lead: String,
    hosts: Vec<HostRow>,
    rows_lead: String,
    rows: Vec<ConnectionRow>,
    ports_lead: String,
    ports: Vec<PortRow>,
    facts: Vec<Fact>,
    n_logs: String,
    logs: Vec<Fact>,
    command: String,
}

impl Page {
    const STYLE: &str = include_str!("../../templates/report.css");
    const SCRIPT: &str = include_str!("../../templates/report.js");
    /// Hash of [`Self::SCRIPT`], the only script that the page may run.
    const SCRIPT_HASH: &str = "sha256-GoNCFRjErZHYhXcIgHanhHQ2LBsNxKKQrRNGVtSKloY=";
}

struct Tile {
    name: &'static str,
    value: String,
    remark: String,
}

struct Fact {
    name: String,
    value: String,
}

/// History of a host, defined once and referenced by its rows.
struct History {
    usual: String,
    unusual: String,
}

#[derive(Clone)]
struct Spark {
    symbol: usize,
    label: String,
}

struct HostRow {
    address: String,
    anomalous: String,
    connections: String,
    score: String,
    history: Spark,
    example: String,
    reasons: String,
}

struct PortRow {
    name: String,
    services: String,
    anomalous: String,
    connections: String,
    highest: String,
}

/// Row of the connection table. Fields ending in `_text` are displayed; their counterparts are sort keys.
struct ConnectionRow {
    below: bool,
    score: f64,
    score_text: String,
    ts: i64,
    time: String,
    order: String,
    orig: String,
    resp: String,
    reasons: String,
    details: String,
    duration: String,
    duration_text: String,
    out: String,
    out_text: String,
    into: String,
    into_text: String,
    history: Spark,
}

/// Renders the page.
///
/// # Errors
/// If drawing a chart or filling the template fails.
pub fn render(
    mut aggregates: Aggregates,
    found: &FoundIncidents,
    model: &Model,
    origin: &Origin<'_>,
) -> Result<String> {
    let threshold = aggregates.threshold;
    let mut entries = aggregates.take_highest();
    let above = entries.iter().take_while(|entry| entry.verdict.anomalous).count();
    entries.truncate(above.max(MIN_ROWS));
    let connections = aggregates.connections();
    let (axis, outliers) = aggregates.times.axis();
    let axis = axis.in_at_most(STEPS, 0);
    let history_axis = axis.in_at_most(HISTORY_STEPS, aggregates.history_times.width());
    let (first, last) = axis.range();
    let ranked_hosts = aggregates.hosts.ranked();
    let anomalous_hosts = ranked_hosts.iter().filter(|(_, host)| host.counts.anomalous > 0).count();

    let mut sparks = Sparks::new(&aggregates, &history_axis);
    let listed_hosts = ranked_hosts.iter().take(anomalous_hosts.clamp(MIN_HOSTS, MAX_HOSTS));
    let hosts: Vec<_> = listed_hosts.map(|(address, host)| host_row(*address, host, model, &mut sparks)).collect();
    let rows: Vec<_> = entries.iter().map(|entry| row(entry, model, &mut sparks)).collect();
    let ports: Vec<_> =
        aggregates.ports.ranked().into_iter().take(MAX_PORTS).map(|(key, port)| port_row(key, port)).collect();
    let histories = sparks.histories;

    let mut hosts_lead = match anomalous_hosts {
        0 => "No host opened an anomalous connection. Those with the highest scores are listed.".to_owned(),
        1 => "One host opened anomalous connections.".to_owned(),
        n => format!("{} hosts opened anomalous connections.", format::count(n as u64)),
    };
    if anomalous_hosts > MAX_HOSTS {
        hosts_lead.push_str(&format!(" The {MAX_HOSTS} with the most are listed."));
    }
    hosts_lead.push_str(" The score is the highest of the host.");
    if aggregates.hosts.is_partial {
        hosts_lead.push_str(
            " The logs have too many hosts: those with the lowest scores are missing, and histories can be incomplete.",
        );
    }
    let page = Page {
        period: period(first, last),
        figures: vec![
            Tile {
                name: "Incidents",
                value: format::count(found.incidents.len() as u64),
                remark: format!("{} at risk", format::counted(found.risks.len() as u64, "host")),
            },
            Tile { name: "Connections", value: format::count(connections), remark: format::time_span(last - first) },
            Tile {
                name: "Anomalous",
                value: format::count(aggregates.anomalous),
                remark: share(aggregates.anomalous, connections),
            },
            Tile {
                name: "Anomalous hosts",
                value: format::count(anomalous_hosts as u64),
                remark: format!("of {}", at_least(aggregates.hosts.len(), aggregates.hosts.is_partial)),
            },
            Tile { name: "Threshold", value: format!("{threshold:.4}"), remark: threshold_remark(model, threshold) },
        ],
        warning: warning(model),
        meaning: meaning(model, threshold),
        incidents_lead: found.lead(),
        incidents: found.views(model, &axis),
        risks: found.risk_views(),
        steps: steps_note(axis.width(), charts::narrow_width(&axis)),
        outliers: outliers.map(|outliers| outliers_note(outliers, &axis)).unwrap_or_default(),
        traffic: charts::traffic(&aggregates, &axis)?,
        scores: charts::scores(&aggregates, &axis, threshold)?,
        distribution: charts::distribution(&aggregates, threshold)?,
        history_steps: history_axis.steps(),
        histories,
        hosts_lead,
        hosts,
        rows_lead: rows_lead(entries.len() - above, above, aggregates.anomalous, connections),
        rows,
        ports_lead: format!(
            "The {} with the most anomalous connections, then with the highest scores.",
            format::counted(ports.len() as u64, "port")
        ),
        ports,
        facts: facts(&aggregates, model, origin),
        n_logs: format::count(aggregates.logs.len() as u64),
        logs: aggregates
            .logs
            .iter()
            .take(MAX_LOGS)
            .map(|(name, n)| Fact { name: format::printable(name).into_owned(), value: format::count(*n) })
            .collect(),
        command: format::printable(&origin.command).into_owned(),
    };
    Ok(page.render()?)
}

/// Histories of hosts, each drawn once.
struct Sparks<'a> {
    aggregates: &'a Aggregates,
    axis: &'a Axis,
    known: HashMap<Address, Spark>,
    histories: Vec<History>,
}

impl<'a> Sparks<'a> {
    fn new(aggregates: &'a Aggregates, axis: &'a Axis) -> Self {
        Self { aggregates, axis, known: HashMap::new(), histories: Vec::new() }
    }

    fn of(&mut self, address: Address) -> Spark {
        let (aggregates, axis, histories) = (self.aggregates, self.axis, &mut self.histories);
        let draw = || {
            let host = aggregates.hosts.get(address);
            let (usual, unusual) = host.map(|host| charts::history(&host.history, axis)).unwrap_or_default();
            histories.push(History { usual, unusual });
            let counts = host.map(|host| host.counts).unwrap_or_default();
            let label = format!(
                "{address}: {}, {} anomalous",
                format::counted(counts.connections, "connection"),
                format::count(counts.anomalous)
            );
            Spark { symbol: histories.len() - 1, label }
        };
        self.known.entry(address).or_insert_with(draw).clone()
    }
}

fn host_row(address: Address, host: &Host, model: &Model, sparks: &mut Sparks<'_>) -> HostRow {
    HostRow {
        address: address.to_string(),
        anomalous: format::count(host.counts.anomalous),
        connections: format::count(host.counts.connections),
        score: score_text(f64::from(host.counts.highest) / 1e6),
        history: sparks.of(address),
        example: host.example.as_ref().map(|e| format!("→ {}", format::responder(&e.connection()))).unwrap_or_default(),
        reasons: host.example.as_ref().map(|e| reasons(model, e)).unwrap_or_default(),
    }
}

fn port_row((proto, number): (&str, u16), port: &Port) -> PortRow {
    let mut services: Vec<_> = port.services.iter().collect();
    services.sort_by(|a, b| b.1.cmp(&a.1).then(a.0.cmp(&b.0)));
    let names: Vec<_> = services.iter().take(3).map(|(name, _)| format::printable_bytes(name)).collect();
    PortRow {
        name: if number == 0 { proto.to_owned() } else { format!("{number}/{proto}") },
        services: if names.is_empty() { "none".to_owned() } else { names.join(", ") },
        anomalous: format::count(port.counts.anomalous),
        connections: format::count(port.counts.connections),
        highest: score_text(f64::from(port.counts.highest) / 1e6),
    }
}

fn row(entry: &ScoredConnection, model: &Model, sparks: &mut Sparks<'_>) -> ConnectionRow {
    let connection = entry.connection();
    let details = [
        entry.uid().map(format::printable_bytes),
        connection.conn_state.map(|state| state.describe(connection.proto).into()),
        connection.history.map(format::printable_bytes),
    ];
    let details: Vec<_> = details.into_iter().flatten().collect();
    let hex = |address: Address| address.0.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    let amount = |n: Option<u64>| n.map_or_else(String::new, |n| n.to_string());
    let unset = || "–".to_owned();
    ConnectionRow {
        below: !entry.verdict.anomalous,
        score: entry.verdict.score,
        score_text: score_text(entry.verdict.score),
        ts: connection.ts,
        time: format::date_time(connection.ts),
        // With the letter the script sorts it as text.
        order: format!("x{}{}{:05}", hex(connection.orig.addr), hex(connection.resp.addr), connection.resp.port),
        orig: connection.orig.addr.to_string(),
        resp: format::responder(&connection),
        reasons: reasons(model, entry),
        details: details.join(" · "),
        duration: connection.duration.map_or_else(String::new, |micros| micros.to_string()),
        duration_text: connection.duration.map_or_else(unset, format::duration),
        out: amount(connection.orig.bytes),
        out_text: connection.orig.bytes.map_or_else(unset, format::bytes),
        into: amount(connection.resp.bytes),
        into_text: connection.resp.bytes.map_or_else(unset, format::bytes),
        history: sparks.of(connection.orig.addr),
    }
}

fn reasons(model: &Model, entry: &ScoredConnection) -> String {
    detector::format_reasons(&entry.reasons(model))
}

fn score_text(score: f64) -> String {
    format!("{score:.4}")
}

pub(super) fn period(first: i64, last: i64) -> String {
    let (from, to) = (format::date_time(first), format::date_time(last));
    // Within one day the date is given once.
    let to = match (from.split_once(' '), to.split_once(' ')) {
        (Some((day, _)), Some((other, time))) if day == other => time.to_owned(),
        _ => to,
    };
    format!("{from} to {to} UTC")
}

/// Note on connections that the charts over time omit; the tables include them.
fn outliers_note(outliers: Outliers, axis: &Axis) -> String {
    let ((earliest, latest), (first, last)) = (outliers.range, axis.range());
    let far = [(earliest < first).then_some(earliest), (latest > last).then_some(latest)].into_iter().flatten();
    let far: Vec<_> = far.map(format::date_time).collect();
    format!(
        "The charts omit {} with distant start times, up to {} UTC, probably of a wrong clock.",
        format::counted(outliers.connections, "connection"),
        far.join(" and ")
    )
}

fn share(part: u64, all: u64) -> String {
    match part as f64 / all.max(1) as f64 {
        0.0 => "none".to_owned(),
        share if share >= 0.1 => format!("{:.0} %", 100.0 * share),
        share if share >= 0.000_1 => format!("{:.2} %", 100.0 * share),
        share => format!("1 in {}", format::count((1.0 / share).round() as u64)),
    }
}

fn at_least(n: usize, partial: bool) -> String {
    format!("{}{}", if partial { "more than " } else { "" }, format::count(n as u64))
}

fn threshold_remark(model: &Model, threshold: f64) -> String {
    if threshold == model.threshold() {
        format!("for {} alerts a day in the training data", model.provenance().alerts_per_day)
    } else {
        "set on the command line".to_owned()
    }
}

fn warning(model: &Model) -> String {
    let connections = model.provenance().connections;
    if connections >= MIN_CONNECTIONS {
        return String::new();
    }
    format!(
        "The model was trained on only {}, too few to tell rare from typical. Train on at least a day of logs.",
        format::counted(connections, "connection")
    )
}

fn meaning(model: &Model, threshold: f64) -> String {
    format!(
        "The score measures how easily random splits isolate a connection from the {} in the training data: about 0.5 is \
         typical, values towards 1 are unusual. Connections that score {threshold:.4} or more are anomalous. Unusual does not mean malicious: check the \
         reasons and the host before you act.",
        format::counted(model.provenance().connections, "connection"),
    )
}

/// Note on the step widths of wide and narrow pages, in microseconds.
fn steps_note(wide: i64, narrow: i64) -> String {
    let mut text = format!("Each bar is {}", timeline::width_in_words(wide));
    if narrow != wide {
        text.push_str(&format!(", on a narrow screen {}", timeline::width_in_words(narrow)));
    }
    text + "."
}

fn rows_lead(below: usize, above: usize, anomalous: u64, connections: u64) -> String {
    let mut text = match (above, anomalous) {
        (0, 0) => "No connection is anomalous.".to_owned(),
        (1, 1) => "One connection is anomalous.".to_owned(),
        (above, all) if above as u64 == all => format!("All {} anomalous connections.", format::count(all)),
        (above, all) => {
            format!("The first {} of {} anomalous connections.", format::count(above as u64), format::count(all))
        }
    };
    if below > 0 {
        let connections = format::count(connections);
        text.push_str(&format!(" The {below} next highest scores of {connections} connections are grey."));
    }
    text + " Out and In are payload bytes sent by the originator and the responder."
}

fn facts(aggregates: &Aggregates, model: &Model, origin: &Origin<'_>) -> Vec<Fact> {
    let provenance = model.provenance();
    let fact =
        |name: &str, value: String| Fact { name: name.to_owned(), value: format::printable(&value).into_owned() };
    let mut read = format!(
        "{} in {}",
        format::counted(aggregates.connections(), "connection"),
        format::counted(aggregates.logs.len() as u64, "log")
    );
    if let Some(bytes) = origin.bytes {
        read.push_str(&format!(" ({})", format::bytes(bytes)));
    }
    if origin.skipped > 0 {
        read.push_str(&format!("; {} could not be used", format::counted(origin.skipped, "row")));
    }
    if origin.failures > 0 {
        read.push_str(&format!("; {} could not be read to the end", format::counted(origin.failures, "log")));
    }
    vec![
        fact("Logs", format::names(origin.logs)),
        fact("Read", read),
        fact(
            "Made",
            format!("{} UTC by zeek-iforest {}", format::date_time(origin.made_at), env!("CARGO_PKG_VERSION")),
        ),
        fact(
            "Model",
            format!(
                "{}, checksum {:016x}",
                origin.model.as_deref().unwrap_or("trained on the same logs"),
                model.checksum()
            ),
        ),
        fact(
            "Trained",
            format!(
                "{} UTC by zeek-iforest {} on {}: {}, {}",
                format::date_time(provenance.trained_at),
                provenance.software,
                format::names(&provenance.sources),
                format::counted(provenance.connections, "connection"),
                period(provenance.first_ts, provenance.last_ts),
            ),
        ),
        fact(
            "Forest",
            format!(
                "{} trees of {} rows each, seed {}",
                format::count(model.forest().n_trees() as u64),
                format::count(model.forest().sample_size() as u64),
                provenance.seed
            ),
        ),
    ]
}

#[cfg(test)]
mod tests {
    use base64::Engine;
    use sha2::Digest;

    use super::*;

    #[test]
    fn policy_allows_the_script() {
        let hash = base64::engine::general_purpose::STANDARD.encode(sha2::Sha256::digest(Page::SCRIPT));
        assert_eq!(Page::SCRIPT_HASH, format!("sha256-{hash}"));
    }

    #[test]
    fn formats_shares() {
        assert_eq!(share(0, 10), "none");
        assert_eq!(share(3, 10), "30 %");
        assert_eq!(share(12, 3068), "0.39 %");
        assert_eq!(share(2, 1_000_000), "1 in 500,000");
    }

    #[test]
    fn gives_the_date_once() {
        assert_eq!(period(0, 3_600_000_000), "1970-01-01 00:00:00 to 01:00:00 UTC");
        assert_eq!(period(0, 90_000_000_000), "1970-01-01 00:00:00 to 1970-01-02 01:00:00 UTC");
    }
}

//! The page itself: every word of it and where it stands.
//!
//! What a log holds, an attacker may have chosen. All of it passes through [`human::printable_bytes`], then through the
//! template's escaping; none of it stands in the script or the style sheet, and the page's own security policy allows no
//! other script than [`Page::SCRIPT`].

use std::collections::HashMap;

use anyhow::Result;
use askama::Template;
use detector::{Address, Model};

use super::charts::{self, Chart};
use super::survey::{HISTORY_STEPS, Host, Port, STEPS, Survey};
use super::timeline::{self, Axis, Outside};
use crate::highest::Entry;
use crate::human;

/// Connections that are not anomalous are listed until there are so many.
const FEWEST_ROWS: usize = 50;
/// Hosts and ports that are listed.
const HOSTS: usize = 25;
const PORTS: usize = 20;
/// Logs that are listed.
const LOGS: usize = 1_000;

/// What is said about how the page came to be.
pub struct Origin<'a> {
    /// The model's file; `None` when it was learnt from the same logs.
    pub model: Option<String>,
    /// When the page was made, in microseconds since 1970.
    pub made_at: i64,
    /// The command that made it.
    pub command: String,
    /// The arguments that named logs.
    pub logs: &'a [String],
    /// Bytes in the logs as they are stored, where that is known.
    pub bytes: Option<u64>,
    /// Rows that could not be used.
    pub skipped: u64,
    /// Logs that could not be read to their end.
    pub failures: u64,
}

/// The template's fields; all texts as they are to be read.
#[derive(Template)]
#[template(path = "report.html")]
struct Page {
    period: String,
    figures: Vec<Figure>,
    meaning: String,
    /// How long the time of a bar is.
    bars: String,
    /// What is not in the charts over time, if anything.
    outside: String,
    traffic: Chart,
    scores: Chart,
    distribution: Chart,
    history_steps: usize,
    histories: Vec<History>,
    hosts_lead: String,
    hosts: Vec<HostRow>,
    rows_lead: String,
    rows: Vec<Row>,
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
    /// Of [`Self::SCRIPT`], which is the only one that the page may run.
    const SCRIPT_HASH: &str = "sha256-GoNCFRjErZHYhXcIgHanhHQ2LBsNxKKQrRNGVtSKloY=";
}

struct Figure {
    name: &'static str,
    value: String,
    remark: String,
}

struct Fact {
    name: String,
    value: String,
}

/// A host's history, drawn once and shown wherever the host is.
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
    /// That of the example.
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

/// A connection. The fields that end in `_text` are shown, their namesakes sorted by.
struct Row {
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

/// The page as HTML.
///
/// # Errors
/// When a chart cannot be drawn or the template not be filled, which should not happen.
pub fn html(mut survey: Survey, model: &Model, origin: &Origin<'_>) -> Result<String> {
    let threshold = model.threshold();
    let entries = survey.take_highest();
    let above = entries.iter().take_while(|entry| entry.verdict.passes(threshold)).count();
    let shown = &entries[..entries.len().min(above.max(FEWEST_ROWS))];
    let connections = survey.connections();
    let (axis, outside) = survey.times.axis();
    let axis = axis.in_at_most(STEPS, 0);
    let history_axis = axis.in_at_most(HISTORY_STEPS, survey.history_times.width());
    let (first, last) = axis.range();
    let anomalous_hosts: Vec<_> = survey.hosts.ranked().into_iter().filter(|(_, h)| h.counts.anomalous > 0).collect();

    let mut sparks = Sparks::new(&survey, &history_axis);
    let hosts = anomalous_hosts.iter().take(HOSTS).map(|(address, host)| host_row(*address, host, model, &mut sparks));
    let hosts: Vec<_> = hosts.collect();
    let rows: Vec<_> = shown.iter().map(|entry| row(entry, model, &mut sparks)).collect();
    let ports: Vec<_> = survey.ports.ranked().into_iter().take(PORTS).map(|(key, port)| port_row(key, port)).collect();
    let histories = sparks.histories;

    let mut hosts_lead = format!(
        "{} at least one anomalous connection, of {} that opened any.",
        match anomalous_hosts.len() {
            1 => "One host opened".to_owned(),
            n => format!("{} hosts opened", human::count(n as u64)),
        },
        at_least(survey.hosts.len(), survey.hosts.is_partial),
    );
    if anomalous_hosts.len() > HOSTS {
        hosts_lead.push_str(&format!(" The {HOSTS} with the most are listed."));
    }
    hosts_lead.push_str(" The score is that of the most anomalous connection.");
    if survey.hosts.is_partial {
        hosts_lead.push_str(" Of so many, those with the lowest scores were not kept, and a history may begin late.");
    }
    let page = Page {
        period: period(first, last),
        figures: vec![
            Figure { name: "Connections", value: human::count(connections), remark: human::span(last - first) },
            Figure {
                name: "Anomalous",
                value: human::count(survey.anomalous),
                remark: share(survey.anomalous, connections),
            },
            Figure {
                name: "Hosts that opened anomalous ones",
                value: human::count(anomalous_hosts.len() as u64),
                remark: format!("of {}", at_least(survey.hosts.len(), survey.hosts.is_partial)),
            },
            Figure {
                name: "Threshold",
                value: format!("{threshold:.4}"),
                remark: format!(
                    "set so that the traffic learnt from gives {} alerts a day",
                    model.provenance().alerts_per_day
                ),
            },
        ],
        meaning: meaning(model),
        bars: bars(axis.width(), charts::narrow_width(&axis)),
        outside: outside.map(|outside| not_drawn(outside, &axis)).unwrap_or_default(),
        traffic: charts::traffic(&survey, &axis)?,
        scores: charts::scores(&survey, &axis, threshold)?,
        distribution: charts::distribution(&survey, threshold)?,
        history_steps: history_axis.steps(),
        histories,
        hosts_lead,
        hosts,
        rows_lead: rows_lead(shown, above, survey.anomalous, connections),
        rows,
        ports_lead: format!(
            "The {} with the most anomalous connections, then the highest scores.",
            human::counted(ports.len() as u64, "port")
        ),
        ports,
        facts: facts(&survey, model, origin),
        n_logs: human::count(survey.logs.len() as u64),
        logs: survey
            .logs
            .iter()
            .take(LOGS)
            .map(|(name, n)| Fact { name: human::printable(name).into_owned(), value: human::count(*n) })
            .collect(),
        command: human::printable(&origin.command).into_owned(),
    };
    Ok(page.render()?)
}

/// Draws each host's history once.
struct Sparks<'a> {
    survey: &'a Survey,
    axis: &'a Axis,
    known: HashMap<Address, Spark>,
    histories: Vec<History>,
}

impl<'a> Sparks<'a> {
    fn new(survey: &'a Survey, axis: &'a Axis) -> Self {
        Self { survey, axis, known: HashMap::new(), histories: Vec::new() }
    }

    fn of(&mut self, address: Address) -> Spark {
        let (survey, axis, histories) = (self.survey, self.axis, &mut self.histories);
        let draw = || {
            let host = survey.hosts.get(address);
            let (usual, unusual) = host.map(|host| charts::history(&host.history, axis)).unwrap_or_default();
            histories.push(History { usual, unusual });
            let counts = host.map(|host| host.counts).unwrap_or_default();
            let label = format!(
                "{address}: {}, {} anomalous",
                human::counted(counts.connections, "connection"),
                human::count(counts.anomalous)
            );
            Spark { symbol: histories.len() - 1, label }
        };
        self.known.entry(address).or_insert_with(draw).clone()
    }
}

fn host_row(address: Address, host: &Host, model: &Model, sparks: &mut Sparks<'_>) -> HostRow {
    HostRow {
        address: address.to_string(),
        anomalous: human::count(host.counts.anomalous),
        connections: human::count(host.counts.connections),
        score: host.example.as_ref().map(|e| score_text(e.verdict.score)).unwrap_or_default(),
        history: sparks.of(address),
        example: host.example.as_ref().map(|e| format!("→ {}", human::responder(&e.connection()))).unwrap_or_default(),
        reasons: host.example.as_ref().map(|e| reasons(model, e)).unwrap_or_default(),
    }
}

fn port_row((proto, number): (&str, u16), port: &Port) -> PortRow {
    let mut services: Vec<_> = port.services.iter().collect();
    services.sort_by(|a, b| b.1.cmp(&a.1).then(a.0.cmp(&b.0)));
    let names: Vec<_> = services.iter().take(3).map(|(name, _)| human::printable_bytes(name)).collect();
    PortRow {
        name: if number == 0 { proto.to_owned() } else { format!("{number}/{proto}") },
        services: if names.is_empty() { "none".to_owned() } else { names.join(", ") },
        anomalous: human::count(port.counts.anomalous),
        connections: human::count(port.counts.connections),
        highest: score_text(f64::from(port.counts.highest) / 1e6),
    }
}

fn row(entry: &Entry, model: &Model, sparks: &mut Sparks<'_>) -> Row {
    let connection = entry.connection();
    let details = [
        entry.uid().map(human::printable_bytes),
        connection.conn_state.map(|state| state.describe(connection.proto).into()),
        connection.history.map(human::printable_bytes),
    ];
    let details: Vec<_> = details.into_iter().flatten().collect();
    let hex = |address: Address| address.0.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    let amount = |n: Option<u64>| n.map_or_else(String::new, |n| n.to_string());
    let unset = || "–".to_owned();
    Row {
        below: !entry.verdict.passes(model.threshold()),
        score: entry.verdict.score,
        score_text: score_text(entry.verdict.score),
        ts: connection.ts,
        time: human::date_time(connection.ts),
        // The letter keeps it from being taken for a number.
        order: format!("x{}{}{:05}", hex(connection.orig.addr), hex(connection.resp.addr), connection.resp.port),
        orig: connection.orig.addr.to_string(),
        resp: human::responder(&connection),
        reasons: reasons(model, entry),
        details: details.join(" · "),
        duration: connection.duration.map_or_else(String::new, |micros| micros.to_string()),
        duration_text: connection.duration.map_or_else(unset, human::duration),
        out: amount(connection.orig.bytes),
        out_text: connection.orig.bytes.map_or_else(unset, human::bytes),
        into: amount(connection.resp.bytes),
        into_text: connection.resp.bytes.map_or_else(unset, human::bytes),
        history: sparks.of(connection.orig.addr),
    }
}

fn reasons(model: &Model, entry: &Entry) -> String {
    detector::format_reasons(&entry.reasons(model))
}

fn score_text(score: f64) -> String {
    format!("{score:.4}")
}

fn period(first: i64, last: i64) -> String {
    let (from, to) = (human::date_time(first), human::date_time(last));
    // The date is not repeated within one day.
    let to = match (from.split_once(' '), to.split_once(' ')) {
        (Some((day, _)), Some((other, time))) if day == other => time.to_owned(),
        _ => to,
    };
    format!("{from} to {to} UTC")
}

/// What the charts over time leave out. The most anomalous of it are in the tables like any other.
fn not_drawn(outside: Outside, axis: &Axis) -> String {
    let ((earliest, latest), (first, last)) = (outside.range, axis.range());
    let far = [(earliest < first).then_some(earliest), (latest > last).then_some(latest)].into_iter().flatten();
    let far: Vec<_> = far.map(human::date_time).collect();
    let (is, it) = match outside.connections {
        1 => ("is", "it began"),
        _ => ("are", "they began"),
    };
    format!(
        "{} {is} not in these charts: {it} far from all others, as far as {} UTC. A clock may have been wrong.",
        human::counted(outside.connections, "connection"),
        far.join(" and ")
    )
}

fn share(part: u64, all: u64) -> String {
    match part as f64 / all.max(1) as f64 {
        0.0 => "none".to_owned(),
        share if share >= 0.1 => format!("{:.0} %", 100.0 * share),
        share if share >= 0.000_1 => format!("{:.2} %", 100.0 * share),
        share => format!("1 in {}", human::count((1.0 / share).round() as u64)),
    }
}

fn at_least(n: usize, partial: bool) -> String {
    format!("{}{}", if partial { "more than " } else { "" }, human::count(n as u64))
}

fn meaning(model: &Model) -> String {
    let provenance = model.provenance();
    format!(
        "A score says how easily a few random cuts set a connection apart from the {} learnt from: about 0.5 for one \
         like most, towards 1 the more unusual. Anomalous is what scores {:.4} or more, or stands for many to one \
         service that are each a little unusual. Unusual is not malicious: read the reasons and look at the host \
         before you act.",
        human::counted(provenance.connections, "connection"),
        model.threshold(),
    )
}

/// The widths of bars on a wide page and on a narrow one, in microseconds.
fn bars(wide: i64, narrow: i64) -> String {
    let mut text = format!("Each bar is {}", timeline::in_words(wide));
    if narrow != wide {
        text.push_str(&format!(", on a narrow screen {}", timeline::in_words(narrow)));
    }
    text + "."
}

fn rows_lead(shown: &[Entry], above: usize, anomalous: u64, connections: u64) -> String {
    let mut text = match (above, anomalous) {
        (0, 0) => "No connection is anomalous.".to_owned(),
        (1, 1) => "One connection is anomalous.".to_owned(),
        (above, all) if above as u64 == all => {
            format!("All {} anomalous connections.", human::count(all))
        }
        (above, all) => {
            format!("The first {} of {} anomalous connections.", human::count(above as u64), human::count(all))
        }
    };
    let below = shown.len() - above;
    let connections = human::count(connections);
    match (above, below) {
        (_, 0) => {}
        (0, _) => text.push_str(&format!(" The {below} most anomalous of all {connections} are listed.")),
        _ => text.push_str(&format!(" The next {below} of all {connections} follow, their scores in grey.")),
    }
    if shown.iter().any(|entry| entry.verdict.sustained.is_some()) {
        text.push_str(" One that stands for many connections, each a little unusual, ranks above its own score.");
    }
    text + " Out and In are payload sent by the originator and by the responder."
}

fn facts(survey: &Survey, model: &Model, origin: &Origin<'_>) -> Vec<Fact> {
    let provenance = model.provenance();
    let fact = |name: &str, value: String| Fact { name: name.to_owned(), value: human::printable(&value).into_owned() };
    let mut read = format!(
        "{} in {}",
        human::counted(survey.connections(), "connection"),
        human::counted(survey.logs.len() as u64, "log")
    );
    if let Some(bytes) = origin.bytes {
        read.push_str(&format!(" ({})", human::bytes(bytes)));
    }
    if origin.skipped > 0 {
        read.push_str(&format!("; {} could not be used", human::counted(origin.skipped, "row")));
    }
    if origin.failures > 0 {
        read.push_str(&format!("; {} could not be read to the end", human::counted(origin.failures, "log")));
    }
    vec![
        fact("Logs", human::names(origin.logs)),
        fact("Read", read),
        fact("Made", format!("{} UTC by zeek-iforest {}", human::date_time(origin.made_at), env!("CARGO_PKG_VERSION"))),
        fact(
            "Model",
            format!(
                "{}, checksum {:016x}",
                origin.model.as_deref().unwrap_or("learnt from the same logs"),
                model.checksum()
            ),
        ),
        fact(
            "Learnt",
            format!(
                "{} UTC by zeek-iforest {} from {}: {}, {}",
                human::date_time(provenance.trained_at),
                provenance.software,
                human::names(&provenance.sources),
                human::counted(provenance.connections, "connection"),
                period(provenance.first_ts, provenance.last_ts),
            ),
        ),
        fact(
            "Forest",
            format!(
                "{} trees of {} rows each, seed {}",
                human::count(model.forest().n_trees() as u64),
                human::count(model.forest().sample_size() as u64),
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
    fn the_policy_allows_the_script() {
        let hash = base64::engine::general_purpose::STANDARD.encode(sha2::Sha256::digest(Page::SCRIPT));
        assert_eq!(Page::SCRIPT_HASH, format!("sha256-{hash}"));
    }

    #[test]
    fn shares_as_people_write_them() {
        assert_eq!(share(0, 10), "none");
        assert_eq!(share(3, 10), "30 %");
        assert_eq!(share(12, 3068), "0.39 %");
        assert_eq!(share(2, 1_000_000), "1 in 500,000");
    }

    #[test]
    fn a_day_is_named_once() {
        assert_eq!(period(0, 3_600_000_000), "1970-01-01 00:00:00 to 01:00:00 UTC");
        assert_eq!(period(0, 90_000_000_000), "1970-01-01 00:00:00 to 1970-01-02 01:00:00 UTC");
    }
}

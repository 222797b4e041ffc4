//! Rows of the tables of hosts, ports and records, and the histories in them.

use std::collections::HashMap;

use detector::{Address, LogRecord, Model, Proto, rcode_name};

use super::super::aggregates::{Aggregates, Host, Port};
use super::super::charts;
use super::super::timeline::Axis;
use crate::top_k::StoredRecord;
use crate::{escape, format};

/// History of a host, defined once and referenced by its rows.
pub struct History {
    /// Width of the drawing.
    pub steps: usize,
    pub usual: String,
    pub unusual: String,
}

#[derive(Clone)]
pub struct Spark {
    pub symbol: usize,
    pub label: String,
}

pub struct HostRow {
    pub address: String,
    pub anomalous: String,
    pub connections: String,
    pub score: String,
    pub history: Spark,
    pub example: String,
    pub reasons: String,
}

pub struct PortRow {
    pub name: String,
    pub services: String,
    pub anomalous: String,
    pub connections: String,
    pub highest: String,
}

/// Row of the connection table. Fields ending in `_text` are displayed; their counterparts are sort keys.
pub struct ConnectionRow {
    pub below: bool,
    pub score: f64,
    pub score_text: String,
    pub ts: i64,
    pub time: String,
    pub order: String,
    pub orig: String,
    pub resp: String,
    pub reasons: String,
    pub details: String,
    pub duration: String,
    pub duration_text: String,
    pub out: String,
    pub out_text: String,
    pub into: String,
    pub into_text: String,
    pub history: Spark,
}

/// Histories of hosts, each drawn once.
pub struct Sparks<'a> {
    pub aggregates: &'a Aggregates,
    pub axis: &'a Axis,
    pub noun: &'static str,
    pub known: HashMap<Address, Spark>,
    pub histories: &'a mut Vec<History>,
}

impl<'a> Sparks<'a> {
    pub fn new(
        aggregates: &'a Aggregates,
        axis: &'a Axis,
        noun: &'static str,
        histories: &'a mut Vec<History>,
    ) -> Self {
        Self { aggregates, axis, noun, known: HashMap::new(), histories }
    }

    pub fn of(&mut self, address: Address) -> Spark {
        let (aggregates, axis, noun) = (self.aggregates, self.axis, self.noun);
        let histories = &mut *self.histories;
        let draw = || {
            let host = aggregates.hosts.get(address);
            let (usual, unusual) = host.map(|host| charts::history(&host.history, axis)).unwrap_or_default();
            histories.push(History { steps: axis.steps(), usual, unusual });
            let counts = host.map(|host| host.counts).unwrap_or_default();
            let label = format!(
                "{address}: {}, {} anomalous",
                format::counted(counts.connections, noun),
                format::count(counts.anomalous)
            );
            Spark { symbol: histories.len() - 1, label }
        };
        self.known.entry(address).or_insert_with(draw).clone()
    }
}

pub fn host_row(address: Address, host: &Host, model: &Model, sparks: &mut Sparks<'_>) -> HostRow {
    HostRow {
        address: address.to_string(),
        anomalous: format::count(host.counts.anomalous),
        connections: format::count(host.counts.connections),
        score: score_text(f64::from(host.counts.highest) / 1e6),
        history: sparks.of(address),
        example: host.example.as_ref().map(|e| format!("→ {}", format::target(&e.record()))).unwrap_or_default(),
        reasons: host.example.as_ref().map(|e| reasons(model, e)).unwrap_or_default(),
    }
}

pub fn port_row((proto, number): (Proto, u16), port: &Port) -> PortRow {
    let proto = proto.name();
    let mut services: Vec<_> = port.services.iter().collect();
    services.sort_by(|a, b| b.1.cmp(&a.1).then(a.0.cmp(&b.0)));
    let names: Vec<_> = services.iter().take(3).map(|(name, _)| escape::printable_bytes(name)).collect();
    PortRow {
        name: if number == 0 { proto.to_owned() } else { format!("{number}/{proto}") },
        services: if names.is_empty() { "none".to_owned() } else { names.join(", ") },
        anomalous: format::count(port.counts.anomalous),
        connections: format::count(port.counts.connections),
        highest: score_text(f64::from(port.counts.highest) / 1e6),
    }
}

pub fn row(entry: &StoredRecord, model: &Model, sparks: &mut Sparks<'_>) -> ConnectionRow {
    let connection = entry.connection();
    let details = [
        entry.uid().map(escape::printable_bytes),
        connection.conn_state.map(|state| state.describe(connection.proto).into()),
        connection.history.map(escape::printable_bytes),
        match entry.record() {
            LogRecord::Conn(_) => None,
            LogRecord::Dns(query) => {
                let rcode = query.rcode.map_or_else(|| "no response".to_owned(), rcode_name);
                Some(format!("{} {rcode}", format::state(&entry.record())).into())
            }
        },
    ];
    let details: Vec<_> = details.into_iter().flatten().collect();
    let hex = |address: Address| address.0.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    let amount = |n: Option<u64>| n.map_or_else(String::new, |n| n.to_string());
    let unset = || "–".to_owned();
    ConnectionRow {
        below: !entry.verdict.alert,
        score: entry.verdict.score,
        score_text: score_text(entry.verdict.score),
        ts: connection.ts,
        time: format::date_time(connection.ts),
        // The letter makes the script sort it as text.
        order: format!("x{}{}{:05}", hex(connection.orig.addr), hex(connection.resp.addr), connection.resp.port),
        orig: connection.orig.addr.to_string(),
        resp: format::target(&entry.record()),
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

fn reasons(model: &Model, entry: &StoredRecord) -> String {
    detector::format_reasons(&entry.reasons(model))
}

fn score_text(score: f64) -> String {
    format!("{score:.4}")
}

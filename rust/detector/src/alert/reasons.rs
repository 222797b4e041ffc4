//! Reasons: which features made a connection anomalous, in words and values.
//!
//! A feature is a reason as far as the score would fall if the feature had its typical value; what training never held
//! (a larger amount, another port) counts for more than what it held. Features that speak of the same thing (bytes sent
//! by this connection, bytes sent to this service lately) are one topic and make one reason.

use std::fmt;

use crate::conn::connection::{Connection, Proto};
use crate::conn::schema::Column;
use crate::model::Model;
use crate::model::feature_stats::Quantiles;
use crate::schema::{Encoding, FeatureRow, MAX_COLUMNS};
use crate::units::{bytes, count, duration};

/// More would be read by nobody.
const MOST: usize = 3;
/// A reason that moves the score less than this share of what the first one does is none.
const LEAST_SHARE: f64 = 0.2;
/// A topic is named by the first of its columns that moves the score at least this share of what its strongest does.
const NAMING_SHARE: f64 = 0.1;
/// Weight added to a feature with a value never seen in training. Scores of most connections lie around 0.5 and
/// those of anomalies some tenths higher, so that the unseen is named unless something else explains nearly all of it.
const UNSEEN: f64 = 0.2;

/// Columns that speak of the same thing, the plainest first.
const TOPICS: &[&[Column]] = &[
    &[Column::OrigBytes, Column::ServiceBytes],
    &[Column::RespBytes],
    &[Column::Duration],
    &[Column::OrigPkts, Column::RespPkts, Column::PacketRate],
    &[Column::ByteRate],
    &[Column::OrigPktSize, Column::UnusualOrigSize],
    &[Column::RespPktSize, Column::UnusualRespSize],
    &[Column::MissedBytes],
    &[Column::Port, Column::RespPort, Column::OrigPort],
    &[Column::Service],
    &[Column::History],
    &[Column::Progress, Column::ServiceFailures, Column::RespFailedShare],
    &[Column::Direction],
    &[Column::OrigFailures],
    &[Column::ServiceCount],
    &[Column::Periodicity],
    &[Column::RespOriginators],
    &[Column::RespNet, Column::NetShare],
    &[Column::Orig],
    &[Column::OrigPause, Column::UnusualPause],
    &[Column::ServicePause],
];

/// Categories of traffic, of which a new one is worth naming; new pairs of hosts come every minute.
const KINDS: [Column; 3] = [Column::Port, Column::Service, Column::History];
/// Periodicity of about ten pauses of a steady beacon.
const STEADY: f32 = 4.0;
/// Three failed connections in a row.
const IN_A_ROW: f32 = 2.0;
/// A category seen in more than one of so many rows of training is usual.
const RARE: u64 = 20;

/// A feature that made a connection anomalous.
#[derive(Clone, Debug, PartialEq)]
pub struct Reason {
    feature: &'static str,
    text: String,
}

impl Reason {
    /// The feature's name in the schema; `sustained` for evidence that has added up.
    pub fn feature(&self) -> &'static str {
        self.feature
    }
}

impl fmt::Display for Reason {
    /// Such as `4.1 GB out, usually under 2.0 MB` or `port 4444/tcp, seen 0 times in 48,213`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// Reasons as one text, the strongest first: the value of `anomaly_reasons`.
pub fn format_reasons(reasons: &[Reason]) -> String {
    reasons.iter().map(|reason| reason.text.as_str()).collect::<Vec<_>>().join("; ")
}

impl Model {
    /// The two or three features that made the score of a connection and its row, the strongest first; fewer, or none,
    /// where nothing but their combination is unusual. `sustained` is that of the [`Verdict`](crate::Verdict).
    pub fn reasons(&self, connection: &Connection<'_>, row: &FeatureRow, sustained: Option<u32>) -> Vec<Reason> {
        let sustained = sustained.map(|connections| {
            let text = format!("{} connections to this service, each a little unusual", count(connections.into()));
            Reason { feature: "sustained", text }
        });
        sustained.into_iter().chain(self.reasons_of_features(connection, row)).take(MOST).collect()
    }

    fn reasons_of_features(&self, connection: &Connection<'_>, row: &FeatureRow) -> Vec<Reason> {
        let mut weights = self.weights(connection, row);
        for (column, weight) in weights.iter_mut().enumerate() {
            *weight = if self.is_usual(column, row) { 0.0 } else { *weight };
        }
        let mut topics: Vec<(f64, Column)> = Vec::with_capacity(TOPICS.len());
        for topic in TOPICS {
            let weight = |column: &Column| weights[*column as usize];
            let strongest = topic.iter().map(weight).fold(0.0, f64::max);
            let naming = topic.iter().find(|column| weight(column) >= NAMING_SHARE * strongest);
            let total = topic.iter().map(|column| weight(column).max(0.0)).sum();
            topics.extend(naming.filter(|_| strongest > 0.0).map(|&column| (total, column)));
        }
        topics.sort_by(|a, b| b.0.total_cmp(&a.0));
        let least = topics.first().map_or(0.0, |(weight, _)| weight * LEAST_SHARE);
        let topics = topics.into_iter().take(MOST).take_while(|(weight, _)| *weight >= least);
        topics
            .map(|(_, column)| {
                let text = self.describe(column, connection, row);
                Reason { feature: self.schema().features[column as usize].name, text }
            })
            .collect()
    }

    /// Returns whether a value is one that most rows of training come near, so that it explains nothing.
    fn is_usual(&self, column: usize, row: &FeatureRow) -> bool {
        let Some(feature) = self.schema().features.get(column) else { return true };
        let (value, Quantiles { low, median, high, .. }) = (row[column], self.stats().of(column));
        let is = |other: Column| column == other as usize;
        match feature.encoding {
            Encoding::Category => {
                let (seen, of) = self.encoder().seen(column, value);
                u64::from(seen) * RARE > u64::from(of)
            }
            Encoding::Number if is(Column::Progress) || is(Column::Direction) => value == median,
            Encoding::Number if is(Column::RespFailedShare) => (value - median).abs() < 0.1,
            Encoding::Number if is(Column::Periodicity) => value < STEADY,
            Encoding::Number if is(Column::OrigFailures) => value < IN_A_ROW,
            // Less than twice and more than half of the usual amount.
            Encoding::Number => (low..=high).contains(&value) && (value - median).abs() < 1.0,
            _ => false,
        }
    }

    /// Decrease of the score of a row if each feature had its typical value, and more for the unseen.
    fn weights(&self, connection: &Connection<'_>, row: &FeatureRow) -> [f64; MAX_COLUMNS] {
        let learnt = self.has_learnt(connection.ts);
        let (schema, typical) = (self.schema(), self.stats().typical(self.schema()));
        let encoded = self.encoder().encode(schema, row, learnt);
        let forest = self.forest_of(row);
        let raised = |score: f64, row: &FeatureRow| self.raise(self.with_records(row, score, learnt));
        let score = raised(forest.score(&encoded), &encoded);
        let mut weights = [0.0; MAX_COLUMNS];
        for (column, (weight, without)) in weights.iter_mut().zip(forest.scores_without(&encoded, &typical)).enumerate()
        {
            let mut other = encoded;
            other[column] = typical[column];
            *weight = score - raised(without, &other);
        }
        for ((column, feature), weight) in schema.features.iter().enumerate().zip(&mut weights) {
            let unseen = match feature.encoding {
                Encoding::Number => self.stats().beyond(column, encoded[column], learnt),
                Encoding::Category if KINDS.iter().any(|&kind| kind as usize == column) => {
                    let seen = self.encoder().seen(column, row[column]).0.saturating_sub(u32::from(learnt));
                    f64::from(u8::from(seen == 0))
                }
                _ => 0.0,
            };
            *weight += UNSEEN * unseen;
        }
        weights
    }

    fn describe(&self, column: Column, connection: &Connection<'_>, row: &FeatureRow) -> String {
        let value = row[column as usize];
        let subject = subject(column, row, connection);
        if self.schema().features[column as usize].encoding == Encoding::Category {
            let (seen, of) = self.encoder().seen(column as usize, value);
            let learnt = u32::from(self.has_learnt(connection.ts));
            let (seen, of) = (seen.saturating_sub(learnt), of.saturating_sub(learnt));
            let times = if seen == 1 { "time" } else { "times" };
            return format!("{subject}, seen {} {times} in {}", count(seen.into()), count(of.into()));
        }
        let Some(amount) = amount(column) else { return subject };
        let Quantiles { low, median, high, .. } = self.stats().of(column as usize);
        let (how, usual) = match () {
            () if value > high => ("under", high),
            () if value < low => ("over", low),
            () => ("about", median),
        };
        let is_pause = matches!(column, Column::OrigPause | Column::ServicePause);
        if is_pause && is_long_ago(value) {
            return subject;
        }
        if is_pause && is_long_ago(usual) {
            return format!("{subject}, usually a day or more");
        }
        let usual = amount(usual);
        match () {
            () if how == "about" && usual == amount(value) => subject,
            () if how != "over" && usual == amount(0.0) => format!("{subject}, usually none"),
            // Too little to be told by how much.
            () if usual.starts_with('<') => format!("{subject}, usually {usual}"),
            () => format!("{subject}, usually {how} {usual}"),
        }
    }
}

/// Returns whether a pause is the longest there is, which stands for all longer ones and for no connection before.
fn is_long_ago(pause: f32) -> bool {
    plain(pause) > 0.99e5
}

/// The number that was compressed to log2 of 1 + it, by the inverse of the interpolation.
fn plain(log: f32) -> f64 {
    let whole = f64::from(log.clamp(0.0, 127.0).floor());
    libm::exp2(whole) * (1.0 + f64::from(log.clamp(0.0, 127.0)) - whole) - 1.0
}

fn whole(value: f32) -> u64 {
    plain(value).round() as u64
}

/// How the amounts of a column are written; none for a column that holds no amount.
fn amount(column: Column) -> Option<fn(f32) -> String> {
    Some(match column {
        Column::OrigBytes | Column::RespBytes | Column::MissedBytes | Column::ServiceBytes => |v| bytes(whole(v)),
        Column::OrigPktSize | Column::RespPktSize => |v| bytes(whole(v)),
        Column::ByteRate => |v| format!("{}/s", bytes(whole(v))),
        Column::Duration => |v| duration((plain(v) * 1e3) as i64),
        Column::OrigPause | Column::ServicePause => |v| duration((plain(v) * 1e6) as i64),
        Column::PacketRate | Column::OrigPkts | Column::RespPkts => |v| count(whole(v)),
        Column::RespOriginators | Column::OrigFailures | Column::ServiceCount | Column::ServiceFailures => {
            |v| count(whole(v))
        }
        Column::RespFailedShare => |v| format!("{:.0} %", 100.0 * v),
        _ => return None,
    })
}

/// Text of a value, without the usual value.
fn subject(column: Column, row: &FeatureRow, connection: &Connection<'_>) -> String {
    let value = row[column as usize];
    // The connection has exact values; those of the row are rounded.
    let uncounted = || "no count of bytes".to_owned();
    let amount = match column {
        Column::OrigBytes => connection.orig.bytes.map_or_else(uncounted, bytes),
        Column::RespBytes => connection.resp.bytes.map_or_else(uncounted, bytes),
        Column::MissedBytes => bytes(connection.missed_bytes),
        Column::Duration => connection.duration.map_or_else(|| "no known time".to_owned(), duration),
        Column::OrigPkts => count(connection.orig.pkts.unwrap_or(0)),
        Column::RespPkts => count(connection.resp.pkts.unwrap_or(0)),
        _ => amount(column).map_or_else(String::new, |amount| amount(value)),
    };
    let noun = |one: &'static str, many: &'static str| if whole(value) == 1 { one } else { many };
    match column {
        Column::OrigBytes => format!("{amount} out"),
        Column::RespBytes => format!("{amount} in"),
        Column::ByteRate => amount,
        Column::PacketRate => format!("{amount} {} a second", noun("packet", "packets")),
        Column::Progress => match connection.conn_state {
            None => "no state".to_owned(),
            // Zeek has one state for all of it.
            Some(_) if connection.proto == Proto::Icmp => "protocol icmp".to_owned(),
            Some(state) => format!("state {}", state.describe(connection.proto)),
        },
        Column::Direction => match value {
            v if v > 0.0 => "from inside to outside".to_owned(),
            v if v < 0.0 => "from outside to inside".to_owned(),
            _ => "neither inbound nor outbound".to_owned(),
        },
        Column::Service => match printable(connection.service) {
            Some(service) => format!("service {service}"),
            None => "no known service".to_owned(),
        },
        Column::Port => port(connection),
        Column::History => match printable(connection.history) {
            Some(history) => format!("history {history}"),
            None => "no history".to_owned(),
        },
        Column::Duration => format!("{amount} long"),
        Column::OrigPkts => format!("{amount} {} out", noun("packet", "packets")),
        Column::RespPkts => format!("{amount} {} in", noun("packet", "packets")),
        Column::OrigPktSize => format!("{amount} a packet out"),
        Column::RespPktSize => format!("{amount} a packet in"),
        Column::MissedBytes => format!("{amount} missed"),
        // Half a failure more than were seen, of one connection more: of few connections nobody knows.
        Column::RespFailedShare => format!("an estimated {amount} of connections to this responder fail"),
        Column::RespOriginators => format!("responder of {amount} {} lately", noun("host", "hosts")),
        Column::OrigFailures => {
            format!("{amount} {} in a row from the originator", noun("failed connection", "failed connections"))
        }
        Column::OrigPause if is_long_ago(value) => "originator not seen before, or not for a day".to_owned(),
        Column::OrigPause => format!("{amount} since the originator's last connection"),
        Column::ServiceFailures => format!("{amount} {} in a row", noun("failure", "failures")),
        Column::ServiceCount => format!("{amount} {} to this service in an hour", noun("connection", "connections")),
        Column::ServiceBytes => format!("{amount} out to this service in an hour"),
        Column::Periodicity => {
            let pause = duration((plain(row[Column::ServicePause as usize]) * 1e6) as i64);
            format!("connections to this service at steady intervals, the last after {pause}")
        }
        Column::ServicePause if is_long_ago(value) => {
            "first connection to this service, or the first for a day".to_owned()
        }
        Column::ServicePause => format!("{amount} since the last connection to this service"),
        Column::RespNet => format!("network of {}", connection.resp.addr),
        Column::RespPort => format!("{} on {}", connection.resp.addr, port(connection)),
        Column::OrigPort => format!("{} to {}", connection.orig.addr, port(connection)),
        Column::NetShare => format!("network of {}, which few hosts here use", connection.resp.addr),
        Column::Orig => format!("{}, of which little is known", connection.orig.addr),
        Column::UnusualPause => "a pause that is rare for this service".to_owned(),
        Column::UnusualOrigSize => "a packet size out that is rare for this service".to_owned(),
        Column::UnusualRespSize => "a packet size in that is rare for this service".to_owned(),
        Column::Pair | Column::Chatter => String::new(),
    }
}

fn port(connection: &Connection<'_>) -> String {
    match connection.proto {
        Proto::Icmp => format!("icmp code {}", connection.resp.port),
        Proto::Unknown => format!("port {}", connection.resp.port),
        proto => format!("port {}/{}", connection.resp.port, proto.name()),
    }
}

/// A name that Zeek gives; what a forged log holds in its place is not repeated.
fn printable(name: Option<&[u8]>) -> Option<&str> {
    let name = std::str::from_utf8(name?).ok()?;
    let harmless = |c: char| c.is_ascii_alphanumeric() || matches!(c, ',' | '-' | '_' | '^' | '.');
    (!name.is_empty() && name.len() <= 64 && name.chars().all(harmless)).then_some(name)
}

//! Texts of reasons for conn.log.

use crate::conn::connection::Connection;
use crate::conn::schema::Column;
use crate::proto::Proto;
use crate::quantiles::Quantiles;
use crate::quantize::{expand, expand_whole};
use crate::reason_texts::{Format, Texts};
use crate::schema::FeatureRow;
use crate::units::{bytes, count, counted, duration};

/// Topics: related columns, the plainest first.
const TOPICS: &[&[u16]] = &[
    &[Column::OrigBytes as u16, Column::ServiceBytes as u16],
    &[Column::RespBytes as u16],
    &[Column::Duration as u16],
    &[Column::OrigPkts as u16, Column::RespPkts as u16, Column::PacketRate as u16],
    &[Column::ByteRate as u16],
    &[Column::OrigPktSize as u16, Column::UnusualOrigSize as u16],
    &[Column::RespPktSize as u16, Column::UnusualRespSize as u16],
    &[Column::MissedBytes as u16],
    &[Column::Port as u16, Column::InternalPort as u16, Column::RespPort as u16, Column::InternalResp as u16],
    &[Column::Service as u16],
    &[Column::History as u16],
    &[Column::Progress as u16, Column::ServiceFailures as u16, Column::RespFailedShare as u16],
    &[Column::Direction as u16],
    &[Column::OrigFailures as u16],
    &[Column::ServiceCount as u16],
    &[Column::Periodicity as u16],
    &[Column::RespOriginators as u16],
    &[Column::RespNet as u16, Column::NetShare as u16],
    &[Column::OrigServices as u16],
    &[Column::OrigPause as u16, Column::UnusualPause as u16],
    &[Column::ServicePause as u16],
];

/// Texts of the log.
pub(crate) static TEXTS: Texts = Texts {
    of_service: "connections to this service",
    of_fan_out: "connections to new hosts on this port",
    topics: TOPICS,
    names_category,
    is_usual,
    is_long_pause,
    amount,
};

/// Periodicity of about twelve pauses of a steady beacon.
const STEADY: f32 = 4.0;
/// Three failed connections in a row.
const IN_A_ROW: f32 = 2.0;

/// Returns true if a new category in this column is worth naming. New pairs of hosts are too common.
fn names_category(column: usize) -> bool {
    matches!(Column::at(column), Some(Column::Port | Column::Service | Column::History))
}

/// Returns true if a number is close to that of most training rows.
fn is_usual(column: usize, value: f32, quantiles: Quantiles) -> bool {
    let Quantiles { median, .. } = quantiles;
    match Column::at(column) {
        Some(Column::Progress | Column::Direction) => value == median,
        Some(Column::RespFailedShare) => (value - median).abs() < 0.1,
        Some(Column::Periodicity) => value < STEADY,
        Some(Column::OrigFailures) => value < IN_A_ROW,
        _ => quantiles.is_usual_amount(value),
    }
}

/// Returns true if a pause is the maximum, which stands for longer ones and for no earlier connection.
fn is_long_ago(pause: f32) -> bool {
    expand(pause) > 0.99e5
}

fn is_long_pause(column: usize, value: f32) -> bool {
    matches!(Column::at(column), Some(Column::OrigPause | Column::ServicePause)) && is_long_ago(value)
}

/// Format of a column's amounts; `None` for a column without an amount.
fn amount(column: usize) -> Option<Format> {
    Some(match Column::at(column)? {
        Column::OrigBytes
        | Column::RespBytes
        | Column::MissedBytes
        | Column::ServiceBytes
        | Column::OrigPktSize
        | Column::RespPktSize => |v| bytes(expand_whole(v)),
        Column::ByteRate => |v| format!("{}/s", bytes(expand_whole(v))),
        Column::Duration => |v| duration((expand(v) * 1e3) as i64),
        Column::OrigPause | Column::ServicePause => |v| duration((expand(v) * 1e6) as i64),
        Column::PacketRate
        | Column::OrigPkts
        | Column::RespPkts
        | Column::RespOriginators
        | Column::OrigFailures
        | Column::ServiceCount
        | Column::ServiceFailures => |v| count(expand_whole(v)),
        Column::RespFailedShare => |v| format!("{:.0} %", 100.0 * v),
        _ => return None,
    })
}

/// Text of a value, without the usual value.
pub(crate) fn subject(position: usize, row: &FeatureRow, connection: &Connection<'_>) -> String {
    let (Some(column), Some(&value)) = (Column::at(position), row.get(position)) else { return String::new() };
    // The connection has exact values, the row rounded ones.
    let uncounted = || "an unknown amount".to_owned();
    let amount = match column {
        Column::OrigBytes => connection.orig.bytes.map_or_else(uncounted, bytes),
        Column::RespBytes => connection.resp.bytes.map_or_else(uncounted, bytes),
        Column::MissedBytes => bytes(connection.missed_bytes),
        Column::Duration => connection.duration.map_or_else(|| "an unknown time".to_owned(), duration),
        _ => amount(position).map_or_else(String::new, |amount| amount(value)),
    };
    let counted_value = |noun| counted(expand_whole(value), noun);
    match column {
        Column::OrigBytes => format!("sent {amount}"),
        Column::RespBytes => format!("received {amount}"),
        Column::ByteRate => amount,
        Column::PacketRate => format!("{} per second", counted_value("packet")),
        Column::Progress => match connection.conn_state {
            None => "no connection state".to_owned(),
            // Zeek has one state for all ICMP.
            Some(_) if connection.proto == Proto::Icmp => "protocol icmp".to_owned(),
            Some(state) => format!("state {}", state.describe(connection.proto)),
        },
        Column::Direction => match value {
            v if v > 0.0 => "outbound".to_owned(),
            v if v < 0.0 => "inbound".to_owned(),
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
        Column::Duration => format!("lasted {amount}"),
        Column::OrigPkts => format!("sent {}", counted(connection.orig.pkts.unwrap_or(0), "packet")),
        Column::RespPkts => format!("received {}", counted(connection.resp.pkts.unwrap_or(0), "packet")),
        Column::OrigPktSize => format!("sent {amount} per packet"),
        Column::RespPktSize => format!("received {amount} per packet"),
        Column::MissedBytes => format!("{amount} missing from the capture"),
        // The estimate adds half a failure and one connection.
        Column::RespFailedShare => format!("an estimated {amount} of connections to this responder fail"),
        Column::RespOriginators => format!("responder has {}", counted_value("recent client")),
        Column::OrigFailures => format!("{} by the originator", counted_value("consecutive failed connection")),
        Column::OrigPause if is_long_ago(value) => "originator not seen for at least a day".to_owned(),
        Column::OrigPause => format!("{amount} since the originator's last connection"),
        Column::ServiceFailures => format!("{} of this service", counted_value("consecutive failure")),
        Column::ServiceCount => format!("{} to this service in an hour", counted_value("connection")),
        Column::ServiceBytes => format!("sent {amount} to this service in an hour"),
        Column::Periodicity => {
            let pause = duration((expand(row[Column::ServicePause as usize]) * 1e6) as i64);
            format!("connections to this service at regular intervals (the last after {pause})")
        }
        Column::ServicePause if is_long_ago(value) => "first connection to this service in at least a day".to_owned(),
        Column::ServicePause => format!("{amount} since the last connection to this service"),
        Column::InternalPort => format!("{} between local hosts", port(connection)),
        Column::InternalResp => format!("local connection to {}", connection.resp.addr),
        Column::RespNet => format!("network of {}", connection.resp.addr),
        Column::RespPort => format!("responder {} on {}", connection.resp.addr, port(connection)),
        Column::NetShare => format!("few hosts contact the network of {}", connection.resp.addr),
        Column::OrigServices => format!("originator {} is rare in the training data", connection.orig.addr),
        Column::UnusualPause => "unusual pause for this service".to_owned(),
        Column::UnusualOrigSize => "unusual size of sent packets for this service".to_owned(),
        Column::UnusualRespSize => "unusual size of received packets for this service".to_owned(),
        Column::Pair | Column::Chatter | Column::Routine => String::new(),
    }
}

fn port(connection: &Connection<'_>) -> String {
    match connection.proto {
        Proto::Icmp => format!("icmp code {}", connection.resp.port),
        Proto::Unknown => format!("port {}", connection.resp.port),
        proto => format!("port {}/{}", connection.resp.port, proto.name()),
    }
}

/// A service or history, if it contains only characters that Zeek uses there.
fn printable(name: Option<&[u8]>) -> Option<&str> {
    let name = std::str::from_utf8(name?).ok()?;
    let harmless = |c: char| c.is_ascii_alphanumeric() || matches!(c, ',' | '-' | '_' | '^' | '.');
    (!name.is_empty() && name.len() <= 64 && name.chars().all(harmless)).then_some(name)
}

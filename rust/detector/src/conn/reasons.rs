//! Texts of reasons for conn.log.

use crate::alert::reasons::{plain, whole};
use crate::conn::connection::{Connection, Proto};
use crate::conn::schema::Column;
use crate::model::feature_stats::Quantiles;
use crate::schema::FeatureRow;
use crate::units::{bytes, count, duration};

/// Columns that speak of the same thing, the plainest first.
pub(crate) const TOPICS: &[&[u16]] = &[
    &[Column::OrigBytes as u16, Column::ServiceBytes as u16],
    &[Column::RespBytes as u16],
    &[Column::Duration as u16],
    &[Column::OrigPkts as u16, Column::RespPkts as u16, Column::PacketRate as u16],
    &[Column::ByteRate as u16],
    &[Column::OrigPktSize as u16, Column::UnusualOrigSize as u16],
    &[Column::RespPktSize as u16, Column::UnusualRespSize as u16],
    &[Column::MissedBytes as u16],
    &[Column::Port as u16, Column::RespPort as u16, Column::OrigPort as u16],
    &[Column::Service as u16],
    &[Column::History as u16],
    &[Column::Progress as u16, Column::ServiceFailures as u16, Column::RespFailedShare as u16],
    &[Column::Direction as u16],
    &[Column::OrigFailures as u16],
    &[Column::ServiceCount as u16],
    &[Column::Periodicity as u16],
    &[Column::RespOriginators as u16],
    &[Column::RespNet as u16, Column::NetShare as u16],
    &[Column::Orig as u16],
    &[Column::OrigPause as u16, Column::UnusualPause as u16],
    &[Column::ServicePause as u16],
];

/// Periodicity of about ten pauses of a steady beacon.
const STEADY: f32 = 4.0;
/// Three failed connections in a row.
const IN_A_ROW: f32 = 2.0;

/// Returns whether a column holds a category of traffic, of which a new one is worth naming; new pairs of hosts come
/// every minute.
pub(crate) fn is_kind(column: usize) -> bool {
    matches!(Column::at(column), Some(Column::Port | Column::Service | Column::History))
}

/// Returns whether a number is one that most rows of training come near.
pub(crate) fn is_usual(column: usize, value: f32, quantiles: Quantiles) -> bool {
    let Quantiles { low, median, high, .. } = quantiles;
    match Column::at(column) {
        Some(Column::Progress | Column::Direction) => value == median,
        Some(Column::RespFailedShare) => (value - median).abs() < 0.1,
        Some(Column::Periodicity) => value < STEADY,
        Some(Column::OrigFailures) => value < IN_A_ROW,
        // Less than twice and more than half of the usual amount.
        _ => (low..=high).contains(&value) && (value - median).abs() < 1.0,
    }
}

/// Returns whether a pause is the longest there is, which stands for all longer ones and for no connection before.
pub(crate) fn is_long_ago(pause: f32) -> bool {
    plain(pause) > 0.99e5
}

/// Returns whether a column holds a pause.
pub(crate) fn is_pause(column: usize) -> bool {
    matches!(Column::at(column), Some(Column::OrigPause | Column::ServicePause))
}

/// How the amounts of a column are written; none for a column that holds no amount.
pub(crate) fn amount(column: usize) -> Option<fn(f32) -> String> {
    Some(match Column::at(column)? {
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
pub(crate) fn subject(position: usize, row: &FeatureRow, connection: &Connection<'_>) -> String {
    let (Some(column), Some(&value)) = (Column::at(position), row.get(position)) else { return String::new() };
    // The connection has exact values; those of the row are rounded.
    let uncounted = || "no count of bytes".to_owned();
    let amount = match column {
        Column::OrigBytes => connection.orig.bytes.map_or_else(uncounted, bytes),
        Column::RespBytes => connection.resp.bytes.map_or_else(uncounted, bytes),
        Column::MissedBytes => bytes(connection.missed_bytes),
        Column::Duration => connection.duration.map_or_else(|| "no known time".to_owned(), duration),
        Column::OrigPkts => count(connection.orig.pkts.unwrap_or(0)),
        Column::RespPkts => count(connection.resp.pkts.unwrap_or(0)),
        _ => amount(position).map_or_else(String::new, |amount| amount(value)),
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

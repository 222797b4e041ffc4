//! Conversion of conn.log rows to [`Connection`]: columns, their aliases, and the type of each.
//!
//! The aliases are the underscored names of logs shipped with `@stream`, and the names of Filebeat's Zeek module
//! (Elastic Common Schema).

use detector::{ConnState, Connection, Endpoint};
use zeek_log::{Error, Row, value};

use super::columns::{Essentials, log_columns, within};

log_columns! {
    "zeek.connection.ts";
    Service "service" ["network.application", "network.protocol"];
    Duration "duration" ["zeek.connection.duration"];
    DurationNanos "event.duration" [];
    OrigBytes "orig_bytes" ["zeek.connection.orig_bytes"];
    RespBytes "resp_bytes" ["zeek.connection.resp_bytes"];
    ConnState "conn_state" ["zeek.connection.state", "zeek.connection.conn_state"];
    LocalOrig "local_orig" ["zeek.connection.local_orig"];
    LocalResp "local_resp" ["zeek.connection.local_resp"];
    MissedBytes "missed_bytes" ["zeek.connection.missed_bytes"];
    History "history" ["zeek.connection.history"];
    OrigPkts "orig_pkts" ["source.packets", "zeek.connection.orig_pkts"];
    OrigIpBytes "orig_ip_bytes" ["source.bytes", "zeek.connection.orig_ip_bytes"];
    RespPkts "resp_pkts" ["destination.packets", "zeek.connection.resp_pkts"];
    RespIpBytes "resp_ip_bytes" ["destination.bytes", "zeek.connection.resp_ip_bytes"];
}

/// Converts a row that was parsed with [`COLUMNS`], without copying.
///
/// # Errors
/// If an essential column is unset, or a value does not have the type of its column.
pub fn connection(row: &Row) -> Result<Connection<'_>, Error> {
    let Essentials { ts, orig, resp, proto } = Essentials::of(row)?;
    let count = |column: Column| row.count(column as usize);
    let text = |column: Column| row.get(column as usize).filter(|text| !text.is_empty());
    Ok(Connection {
        ts,
        duration: match row.micros(Column::Duration as usize)? {
            Some(micros) => {
                within(row, Column::Duration as usize, Some(micros), 0..i64::MAX, "a duration of 0 or more")?
            }
            None => row.value(Column::DurationNanos as usize, "a number of nanoseconds", micros_of_nanos)?,
        },
        orig: Endpoint {
            addr: orig.0,
            port: orig.1,
            bytes: count(Column::OrigBytes)?,
            pkts: count(Column::OrigPkts)?,
            ip_bytes: count(Column::OrigIpBytes)?,
            local: row.bool(Column::LocalOrig as usize)?,
        },
        resp: Endpoint {
            addr: resp.0,
            port: resp.1,
            bytes: count(Column::RespBytes)?,
            pkts: count(Column::RespPkts)?,
            ip_bytes: count(Column::RespIpBytes)?,
            local: row.bool(Column::LocalResp as usize)?,
        },
        proto,
        conn_state: row.value(Column::ConnState as usize, "a connection state such as SF", ConnState::parse)?,
        service: text(Column::Service),
        history: text(Column::History),
        missed_bytes: count(Column::MissedBytes)?.unwrap_or(0),
    })
}

fn micros_of_nanos(text: &[u8]) -> Option<i64> {
    i64::try_from(value::parse_count(text)? / 1000).ok()
}

//! Conversion of conn.log rows to [`Connection`]: columns, their aliases, and the type of each.
//!
//! The aliases are the underscored names of logs shipped with `@stream`, and the names of Filebeat's Zeek module
//! (Elastic Common Schema).

use std::ops::Range;

use detector::{Address, ConnState, Connection, Endpoint, Proto};
use zeek_log::{ColumnSpec, Error, ErrorKind, Row, value};

/// Latest valid time in microseconds since 1970, the end of 2099. Later times have another unit or a broken clock.
pub(super) const MAX_TIME: i64 = 4_102_444_800_000_000;

macro_rules! columns {
    ($($column:ident $name:literal $aliases:expr;)*) => {
        #[derive(Clone, Copy)]
        enum Column { $($column),* }

        /// Columns of a connection, in the order that [`connection`] expects.
        pub const COLUMNS: &[ColumnSpec<'static>] = &[$(ColumnSpec::with_aliases($name, &$aliases)),*];
    };
}

columns! {
    Ts "ts" ["@timestamp", "zeek.connection.ts"];
    Uid "uid" ["zeek.session_id"];
    OrigH "id.orig_h" ["id_orig_h", "source.ip", "source.address"];
    OrigP "id.orig_p" ["id_orig_p", "source.port"];
    RespH "id.resp_h" ["id_resp_h", "destination.ip", "destination.address"];
    RespP "id.resp_p" ["id_resp_p", "destination.port"];
    Proto "proto" ["network.transport"];
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

/// Indices and names of the columns that every connection needs.
pub fn essential() -> impl Iterator<Item = (usize, &'static str)> {
    [Column::Ts, Column::OrigH, Column::OrigP, Column::RespH, Column::RespP, Column::Proto]
        .into_iter()
        .map(|column| (column as usize, COLUMNS[column as usize].name))
}

/// Converts a row that was parsed with [`COLUMNS`], without copying.
///
/// # Errors
/// If an essential column is unset, or a value does not have the type of its column.
pub fn connection(row: &Row) -> Result<Connection<'_>, Error> {
    let set = |column: Column| move || row.error(column as usize, ErrorKind::Unset);
    let addr = |column: Column| Ok(Address(row.addr(column as usize)?.ok_or_else(set(column))?));
    let port = |column: Column| row.port(column as usize)?.ok_or_else(set(column));
    let count = |column: Column| row.count(column as usize);
    let within = |column: Column, micros: Option<i64>, range: Range<i64>, wanted: &'static str| match micros {
        Some(micros) if !range.contains(&micros) => row.value(column as usize, wanted, |_| None),
        micros => Ok(micros),
    };
    let text = |column: Column| row.get(column as usize).filter(|text| !text.is_empty());
    Ok(Connection {
        ts: within(Column::Ts, row.time(Column::Ts as usize)?, 0..MAX_TIME, "a time from 1970 to 2099, in seconds")?
            .ok_or_else(set(Column::Ts))?,
        duration: match row.micros(Column::Duration as usize)? {
            Some(micros) => within(Column::Duration, Some(micros), 0..i64::MAX, "a duration of 0 or more")?,
            None => row.value(Column::DurationNanos as usize, "a number of nanoseconds", micros_of_nanos)?,
        },
        orig: Endpoint {
            addr: addr(Column::OrigH)?,
            port: port(Column::OrigP)?,
            bytes: count(Column::OrigBytes)?,
            pkts: count(Column::OrigPkts)?,
            ip_bytes: count(Column::OrigIpBytes)?,
            local: row.bool(Column::LocalOrig as usize)?,
        },
        resp: Endpoint {
            addr: addr(Column::RespH)?,
            port: port(Column::RespP)?,
            bytes: count(Column::RespBytes)?,
            pkts: count(Column::RespPkts)?,
            ip_bytes: count(Column::RespIpBytes)?,
            local: row.bool(Column::LocalResp as usize)?,
        },
        proto: Proto::parse(row.get(Column::Proto as usize).ok_or_else(set(Column::Proto))?),
        conn_state: row.value(Column::ConnState as usize, "a connection state such as SF", ConnState::parse)?,
        service: text(Column::Service),
        history: text(Column::History),
        missed_bytes: count(Column::MissedBytes)?.unwrap_or(0),
    })
}

fn micros_of_nanos(text: &[u8]) -> Option<i64> {
    i64::try_from(value::parse_count(text)? / 1000).ok()
}

/// Returns the `uid` of a row that was parsed with [`COLUMNS`].
pub fn uid(row: &Row) -> Option<&[u8]> {
    row.get(Column::Uid as usize)
}

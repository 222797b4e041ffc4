//! Conversion of dns.log rows to [`DnsQuery`]: columns, their aliases, and the type of each.

use detector::{Address, DnsQuery, Proto};
use zeek_log::{ColumnSpec, Error, ErrorKind, Row, value};

use crate::input::conn_log::MAX_TIME;

macro_rules! columns {
    ($($column:ident $name:literal $aliases:expr;)*) => {
        #[derive(Clone, Copy)]
        enum Column { $($column),* }

        /// Columns of a query, in the order that [`query`] expects.
        pub const COLUMNS: &[ColumnSpec<'static>] = &[$(ColumnSpec::with_aliases($name, &$aliases)),*];
    };
}

columns! {
    Ts "ts" ["@timestamp", "zeek.dns.ts"];
    Uid "uid" ["zeek.session_id"];
    OrigH "id.orig_h" ["id_orig_h", "source.ip", "source.address"];
    OrigP "id.orig_p" ["id_orig_p", "source.port"];
    RespH "id.resp_h" ["id_resp_h", "destination.ip", "destination.address"];
    RespP "id.resp_p" ["id_resp_p", "destination.port"];
    Proto "proto" ["network.transport"];
    Rtt "rtt" ["zeek.dns.rtt"];
    Query "query" ["zeek.dns.query", "dns.question.name"];
    Qclass "qclass" ["zeek.dns.qclass"];
    Qtype "qtype" ["zeek.dns.qtype"];
    Rcode "rcode" ["zeek.dns.rcode"];
    Aa "AA" ["zeek.dns.AA"];
    Tc "TC" ["zeek.dns.TC"];
    Rd "RD" ["zeek.dns.RD"];
    Ra "RA" ["zeek.dns.RA"];
    Answers "answers" ["zeek.dns.answers"];
    Ttls "TTLs" ["zeek.dns.TTLs"];
    Rejected "rejected" ["zeek.dns.rejected"];
}

/// Indices and names of the columns that every query needs.
pub fn essential() -> impl Iterator<Item = (usize, &'static str)> {
    [Column::Ts, Column::OrigH, Column::OrigP, Column::RespH, Column::RespP, Column::Proto]
        .into_iter()
        .map(|column| (column as usize, COLUMNS[column as usize].name))
}

/// Converts a row that was parsed with [`COLUMNS`]. `name` holds the name that the query borrows.
///
/// # Errors
/// If an essential column is unset, or a value does not have the type of its column.
pub fn query<'n>(row: &Row, name: &'n mut Vec<u8>) -> Result<DnsQuery<'n>, Error> {
    let set = |column: Column| move || row.error(column as usize, ErrorKind::Unset);
    let addr = |column: Column| Ok(Address(row.addr(column as usize)?.ok_or_else(set(column))?));
    let port = |column: Column| row.port(column as usize)?.ok_or_else(set(column));
    let flag = |column: Column| Ok(row.bool(column as usize)?.unwrap_or(false));
    let count = |column: Column| row.count(column as usize);
    let ts = match row.time(Column::Ts as usize)? {
        Some(micros) if !(0..MAX_TIME).contains(&micros) => {
            row.value(Column::Ts as usize, "a time from 1970 to 2099, in seconds", |_| None)?
        }
        micros => micros,
    };
    let rtt = match row.micros(Column::Rtt as usize)? {
        Some(..0) => row.value(Column::Rtt as usize, "a time of 0 or more", |_| None)?,
        micros => micros,
    };
    let (mut answers, mut answer_bytes) = (0u32, 0u64);
    for answer in row.elements(Column::Answers as usize).into_iter().flatten() {
        answers = answers.saturating_add(1);
        answer_bytes = answer_bytes.saturating_add(row.binary(&answer).len() as u64);
    }
    let mut min_ttl: Option<i64> = None;
    for ttl in row.elements(Column::Ttls as usize).into_iter().flatten() {
        let Some(ttl) = value::parse_micros(&ttl) else {
            row.value(Column::Ttls as usize, "numbers of seconds", |_| None::<()>)?;
            break;
        };
        min_ttl = Some(min_ttl.map_or(ttl, |least| least.min(ttl)));
    }
    name.clear();
    let query = row.get(Column::Query as usize).map(|text| {
        name.extend_from_slice(&row.binary(text));
        &name[..]
    });
    Ok(DnsQuery {
        ts: ts.ok_or_else(set(Column::Ts))?,
        client: addr(Column::OrigH)?,
        client_port: port(Column::OrigP)?,
        server: addr(Column::RespH)?,
        server_port: port(Column::RespP)?,
        proto: Proto::parse(row.get(Column::Proto as usize).ok_or_else(set(Column::Proto))?),
        rtt,
        query,
        qclass: count(Column::Qclass)?,
        qtype: count(Column::Qtype)?,
        rcode: count(Column::Rcode)?,
        authoritative: flag(Column::Aa)?,
        truncated: flag(Column::Tc)?,
        recursion_desired: flag(Column::Rd)?,
        recursion_available: flag(Column::Ra)?,
        rejected: flag(Column::Rejected)?,
        answers,
        answer_bytes,
        min_ttl,
    })
}

/// Returns the `uid` of a row that was parsed with [`COLUMNS`].
pub fn uid(row: &Row) -> Option<&[u8]> {
    row.get(Column::Uid as usize)
}

//! Conversion of dns.log rows to [`DnsQuery`]: columns, their aliases, and the type of each.

use detector::DnsQuery;
use zeek_log::{Error, Row, value};

use super::columns::{Essentials, log_columns, within};

log_columns! {
    "zeek.dns.ts";
    Rtt "rtt" ["zeek.dns.rtt"];
    Query "query" ["zeek.dns.query", "dns.question.name"];
    Qtype "qtype" ["zeek.dns.qtype"];
    Rcode "rcode" ["zeek.dns.rcode"];
    Answers "answers" ["zeek.dns.answers"];
    Ttls "TTLs" ["zeek.dns.TTLs"];
}

/// Converts a row that was parsed with [`COLUMNS`]. `name` is a buffer for the name, which the query borrows.
///
/// # Errors
/// If an essential column is unset, or a value does not have the type of its column.
pub fn query<'n>(row: &Row, name: &'n mut Vec<u8>) -> Result<DnsQuery<'n>, Error> {
    let Essentials { ts, orig, resp, proto } = Essentials::of(row)?;
    let count = |column: Column| row.count(column as usize);
    let rtt = row.micros(Column::Rtt as usize)?;
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
        ts,
        client: orig.0,
        client_port: orig.1,
        server: resp.0,
        server_port: resp.1,
        proto,
        rtt: within(row, Column::Rtt as usize, rtt, 0..i64::MAX, "a time of 0 or more")?,
        query,
        qtype: count(Column::Qtype)?,
        rcode: count(Column::Rcode)?,
        answers,
        answer_bytes,
        min_ttl,
    })
}

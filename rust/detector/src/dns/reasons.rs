//! Texts of reasons for dns.log.

use crate::dns::context::is_other_type;
use crate::dns::domain::{DomainName, NameKind};
use crate::dns::query::{DnsQuery, type_name};
use crate::dns::schema::Column;
use crate::quantiles::Quantiles;
use crate::quantize::{expand, expand_whole};
use crate::reason_texts::{Format, Texts};
use crate::units::{bytes, count, counted, duration};

/// Topics: related columns, the plainest first.
const TOPICS: &[&[u16]] = &[
    &[Column::NameLength as u16, Column::LongestLabel as u16, Column::Labels as u16, Column::NameSurprisal as u16],
    &[Column::OddBytes as u16, Column::LetterSurprisal as u16, Column::DigitShare as u16],
    &[Column::DomainSurprisal as u16],
    &[Column::Qtype as u16, Column::PairTypeShare as u16],
    &[Column::Domain as u16, Column::DomainNewness as u16, Column::DomainClients as u16],
    &[Column::Suffix as u16],
    &[Column::AnswerBytes as u16, Column::Answers as u16, Column::PairBytesIn as u16],
    &[Column::MinTtl as u16],
    &[Column::Rtt as u16],
    &[Column::PairBytesOut as u16, Column::PairNames as u16, Column::PairUniqueShare as u16],
    &[Column::PairQueries as u16],
    &[Column::ClientNonexistent as u16, Column::ClientFailedShare as u16],
    &[Column::ClientRandomBits as u16, Column::ClientNewDomains as u16],
    &[Column::ClientServers as u16],
];

/// Texts of the log.
pub(crate) static TEXTS: Texts = Texts {
    of_service: "queries for this domain",
    of_fan_out: "queries for new domains",
    topics: TOPICS,
    names_category,
    is_usual,
    is_long_pause: |_, _| false,
    amount,
};

/// Largest length of a name in a reason.
const MAX_TEXT: usize = 64;

/// Smallest difference of an unusual share.
const SHARE: f32 = 0.1;

/// Returns true if a new category in this column is worth naming. New domains are too common.
fn names_category(column: usize) -> bool {
    matches!(Column::at(column), Some(Column::Qtype | Column::Suffix))
}

/// Returns true if a number is close to that of most training rows.
fn is_usual(column: usize, value: f32, quantiles: Quantiles) -> bool {
    let Quantiles { median, .. } = quantiles;
    match Column::at(column) {
        Some(Column::DigitShare | Column::PairUniqueShare | Column::PairTypeShare | Column::ClientFailedShare) => {
            (value - median).abs() < SHARE
        }
        _ => quantiles.is_usual_amount(value),
    }
}

/// Format of a column's amounts; `None` for a column without an amount.
fn amount(column: usize) -> Option<Format> {
    Some(match Column::at(column)? {
        Column::NameLength
        | Column::LongestLabel
        | Column::AnswerBytes
        | Column::PairBytesOut
        | Column::PairBytesIn => |v| bytes(expand_whole(v)),
        Column::Labels => |v| count(v.max(0.0) as u64),
        Column::OddBytes
        | Column::Answers
        | Column::PairQueries
        | Column::PairNames
        | Column::DomainClients
        | Column::ClientNonexistent
        | Column::ClientNewDomains
        | Column::ClientServers => |v| count(expand_whole(v)),
        Column::DigitShare | Column::PairUniqueShare | Column::PairTypeShare | Column::ClientFailedShare => {
            |v| format!("{:.0} %", 100.0 * v)
        }
        Column::MinTtl => |v| duration((expand(v) * 1e6) as i64),
        Column::Rtt => |v| duration((expand(v) * 1e3) as i64),
        _ => return None,
    })
}

/// Text of a value, without the usual value.
pub(crate) fn subject(column: usize, value: f32, query: &DnsQuery<'_>) -> String {
    let amount = amount(column).map_or_else(String::new, |amount| amount(value));
    let Some(column) = Column::at(column) else { return String::new() };
    let counted_value = |noun| counted(expand_whole(value), noun);
    let name = DomainName::new(query.query.unwrap_or_default());
    match column {
        Column::NameLength => format!("{amount} before the domain"),
        Column::Labels => format!("{} before the domain", counted(value.max(0.0) as u64, "label")),
        Column::LongestLabel => format!("a label of {amount}"),
        Column::NameSurprisal | Column::LetterSurprisal => "random-looking name".to_owned(),
        Column::DigitShare => format!("{amount} digits in the name"),
        Column::OddBytes => format!("{} invalid in host names", counted_value("byte")),
        Column::DomainSurprisal => format!("random-looking {}", domain(&name)),
        Column::Qtype => match query.qtype {
            Some(qtype) => format!("query type {}", type_name(qtype)),
            None => "no query type".to_owned(),
        },
        Column::Answers => counted_value("answer"),
        Column::AnswerBytes => format!("answers of {amount}"),
        Column::MinTtl if value < 0.0 => "no answer".to_owned(),
        Column::MinTtl => format!("time to live {amount}"),
        Column::Rtt => format!("answered after {amount}"),
        Column::Suffix if name.kind() == NameKind::Registered => {
            format!("suffix .{}", printable(name.suffix()))
        }
        Column::Suffix => domain(&name),
        Column::Domain if query.is_chatter() => format!("protocol {}", query.protocol().name()),
        Column::Domain => domain(&name),
        Column::PairQueries => format!("{} for this domain in an hour", counted_value("query")),
        Column::PairNames => format!("{} in this domain", counted_value("different recent name")),
        Column::PairUniqueShare => "names in this domain rarely repeat".to_owned(),
        Column::PairBytesOut => format!("{amount} in different names of this domain in an hour"),
        Column::PairBytesIn => format!("{amount} of answers from this domain in an hour"),
        Column::PairTypeShare if query.qtype.is_some_and(is_other_type) => {
            "most queries for this domain are not for addresses".to_owned()
        }
        Column::PairTypeShare => "queries for this domain are often not for addresses".to_owned(),
        Column::DomainClients => format!("domain has {}", counted_value("recent client")),
        Column::DomainNewness => "domain new to this network".to_owned(),
        Column::ClientNonexistent => format!("{} in an hour", counted_value("nonexistent name")),
        Column::ClientFailedShare => format!("{amount} of the client's names do not exist"),
        Column::ClientNewDomains => format!("{} new to this network in an hour", counted_value("domain")),
        Column::ClientServers => format!("client used {} recently", counted_value("server")),
        Column::ClientRandomBits => "client queries random-looking domains new to this network".to_owned(),
        Column::Chatter | Column::Pair => String::new(),
    }
}

/// The registered domain, or the kind of a name without one.
fn domain(name: &DomainName) -> String {
    match name.kind() {
        NameKind::Registered => format!("domain {}", printable(name.registered())),
        NameKind::Unlisted => "name outside any domain".to_owned(),
        NameKind::Reverse => "reverse lookup".to_owned(),
        NameKind::Local => "local name".to_owned(),
        NameKind::SingleLabel => "name of one label".to_owned(),
        NameKind::Empty => "no name".to_owned(),
    }
}

/// A name as text, with `?` for bytes that are invalid in host names.
pub(crate) fn printable(name: &[u8]) -> String {
    let text = name.iter().take(MAX_TEXT).map(|&byte| match byte {
        b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' | b'.' => char::from(byte),
        _ => '?',
    });
    text.chain((name.len() > MAX_TEXT).then_some('…')).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::quantize::log2;

    #[test]
    fn reasons_name_domains_and_types() {
        let query = DnsQuery { query: Some(b"x1.Pirate.sea"), qtype: Some(10), ..DnsQuery::default() };
        let text = |column: Column, value: f32| subject(column as usize, value, &query);
        assert_eq!(text(Column::Domain, 7.0), "domain pirate.sea");
        assert_eq!(text(Column::Suffix, 7.0), "suffix .sea");
        assert_eq!(text(Column::Qtype, 11.0), "query type NULL");
        assert_eq!(text(Column::PairNames, log2(137.0)), "137 different recent names in this domain");
        assert_eq!(text(Column::PairBytesOut, log2(9_100.0)), "9.1 kB in different names of this domain in an hour");
        assert_eq!(text(Column::MinTtl, -1.0), "no answer");
        assert_eq!(text(Column::OddBytes, log2(1.0)), "1 byte invalid in host names");
        assert_eq!(text(Column::OddBytes, log2(2.0)), "2 bytes invalid in host names");
        assert_eq!(text(Column::Labels, log2(1.0)), "1 label before the domain");
        let multicast = DnsQuery { server_port: 5353, ..query };
        assert_eq!(subject(Column::Domain as usize, 7.0, &multicast), "protocol multicast DNS");
    }

    #[test]
    fn replaces_bytes_that_names_do_not_have() {
        let query = DnsQuery { query: Some(b"a.<b>;\x1b[1m.com"), ..DnsQuery::default() };
        assert_eq!(subject(Column::Domain as usize, 1.0, &query), "domain ?b????1m.com");
        let long = [&[b'a'; 90][..], b".com"].concat();
        let query = DnsQuery { query: Some(&long), ..DnsQuery::default() };
        assert!(subject(Column::Domain as usize, 1.0, &query).ends_with("aaa…"));
    }

    #[test]
    fn every_column_of_a_group_has_a_text() {
        for topic in TOPICS {
            for &column in *topic {
                assert!(!subject(usize::from(column), 3.0, &DnsQuery::default()).is_empty(), "{column}");
            }
        }
    }
}

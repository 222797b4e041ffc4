//! Feature extraction: converts a query and its context to a row of numbers.

use twox_hash::XxHash3_64;

use crate::context::keys::ContextKeys;
use crate::dns::character_stats::CharacterStats;
use crate::dns::context::{DnsContext, domain_key, keys};
use crate::dns::domain::{DomainName, NameKind};
use crate::dns::query::{ADDRESS, DnsQuery, Protocol};
use crate::dns::schema::Column;
use crate::quantize::{log2, on_grid};
use crate::schema::{FeatureRow, MAX_COLUMNS, identity};

impl DnsContext {
    /// The query's row and keys. Call it once per query, in order.
    pub(crate) fn context_row(&mut self, query: &DnsQuery<'_>) -> (FeatureRow, ContextKeys) {
        let name = DomainName::new(query.query.unwrap_or_default());
        let domain = domain_key(query, &name);
        let keys = keys(query, domain);
        // Entries come from memory while the name is measured.
        self.prefetch(domain, &keys);
        let mut row = [0.0; MAX_COLUMNS];
        let mut set = |column: Column, value: f32| row[column as usize] = value;
        // Labels of reverse lookups and of chatter are not words.
        let is_text = query.protocol() == Protocol::Dns && name.kind() != NameKind::Reverse;
        let subdomain = if is_text { name.subdomain() } else { b"" };
        let stats = CharacterStats::of(subdomain);
        let length = subdomain.len() as f32;
        set(Column::NameLength, log2(length));
        set(Column::Labels, stats.labels as f32);
        set(Column::LongestLabel, log2(stats.longest_label as f32));
        set(Column::NameSurprisal, log2(stats.bits()));
        set(Column::LetterSurprisal, (stats.bits() + 4.0 * 4.0) / (length + 1.0 + 4.0));
        set(Column::DigitShare, stats.digits as f32 / (length + 4.0));
        set(Column::OddBytes, log2(stats.odd as f32));
        let (label, length) = (CharacterStats::of(name.label()), name.label().len());
        set(Column::DomainSurprisal, (label.bits() + 4.0 * 2.0) / (length as f32 + 1.0 + 2.0));
        let context = self.observe(query, &name, label.excess(length), domain, &keys);
        // A response without its query has no type, which says nothing about the query.
        set(Column::Qtype, 1.0 + (query.qtype.unwrap_or(ADDRESS) & 0xFFFF) as f32);
        set(Column::Answers, log2(query.answers as f32));
        set(Column::AnswerBytes, log2(query.answer_bytes as f32));
        set(Column::MinTtl, query.min_ttl.map_or(-1.0, |ttl| log2(ttl.max(0) as f32 / 1e6)));
        set(Column::Rtt, query.rtt.map_or(0.0, |rtt| log2(rtt.max(0) as f32 / 1000.0)));
        let suffix = if name.kind() == NameKind::Registered { name.suffix() } else { b"" };
        set(Column::Suffix, identity(XxHash3_64::oneshot(suffix)));
        set(Column::Domain, identity(domain));
        set(Column::PairQueries, context.pair_queries);
        set(Column::PairNames, context.pair_names);
        set(Column::PairUniqueShare, context.pair_unique_share);
        set(Column::PairBytesOut, context.pair_bytes_out);
        set(Column::PairBytesIn, context.pair_bytes_in);
        set(Column::PairTypeShare, context.pair_type_share);
        set(Column::DomainClients, context.domain_clients);
        set(Column::DomainNewness, context.domain_newness);
        set(Column::ClientNonexistent, context.client_nonexistent);
        set(Column::ClientFailedShare, context.client_failed_share);
        set(Column::ClientNewDomains, context.client_new_domains);
        set(Column::ClientRandomBits, context.client_random_bits);
        set(Column::ClientServers, context.client_servers);
        set(Column::Chatter, f32::from(query.is_chatter()));
        set(Column::Pair, identity(keys.pair));
        (row.map(on_grid), keys)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn row_contains_the_values_of_the_schema() {
        let query = DnsQuery {
            query: Some(b"Ab3-x.\xe4bc.Example.CO.UK"),
            qtype: Some(16),
            rcode: Some(0),
            rtt: Some(15_000),
            answers: 3,
            answer_bytes: 127,
            min_ttl: Some(63_000_000),
            server_port: 53,
            ..DnsQuery::default()
        };
        let (row, keys) = DnsContext::default().context_row(&query);
        for (column, value) in [
            (Column::NameLength, log2(9.0)),
            (Column::Labels, 2.0),
            (Column::LongestLabel, log2(5.0)),
            (Column::DigitShare, 1.0 / 13.0),
            (Column::OddBytes, 1.0),
            (Column::Qtype, 17.0),
            (Column::Answers, 2.0),
            (Column::AnswerBytes, 7.0),
            (Column::MinTtl, 6.0),
            (Column::Rtt, 4.0),
            (Column::Suffix, identity(XxHash3_64::oneshot(b"co.uk"))),
            (Column::Domain, identity(XxHash3_64::oneshot(b"example.co.uk"))),
            (Column::PairQueries, 1.0),
            (Column::DomainNewness, log2(86_400.0)),
            (Column::Chatter, 0.0),
            (Column::Pair, identity(keys.pair)),
        ] {
            assert_eq!(row[column as usize], on_grid(value), "{column:?}");
        }
        assert_eq!(keys.pair, keys.service);
    }

    #[test]
    fn any_query_gives_a_row_of_finite_numbers() {
        let mut extractor = DnsContext::default();
        let names: [&[u8]; 6] = [b"", b".", b"..", &[0xff; 300], &[b'.'; 300], b"a.com"];
        for (name, n) in names.into_iter().zip([i64::MAX, i64::MIN, 0, 1, -1, 7]) {
            let query = DnsQuery {
                ts: n,
                query: Some(name),
                qtype: Some(n as u64),
                rtt: Some(n),
                min_ttl: Some(n),
                answers: u32::MAX,
                answer_bytes: n as u64,
                ..DnsQuery::default()
            };
            let (row, _) = extractor.context_row(&query);
            assert!(row.iter().all(|value| value.is_finite()), "{row:?}");
        }
    }

    #[test]
    fn texts_of_chatter_and_reverse_lookups_are_not_measured() {
        let of = |name: &'static [u8], server_port| {
            let query = DnsQuery { query: Some(name), server_port, ..DnsQuery::default() };
            let (row, _) = DnsContext::default().context_row(&query);
            (row[Column::NameLength as usize], row[Column::Chatter as usize])
        };
        assert_eq!(of(b"9f8a7b6c5d4e.local", 5353), (0.0, 1.0));
        assert_eq!(of(b"b.a.9.8.7.6.ip6.arpa", 53), (0.0, 0.0));
        assert_eq!(of(b"printer.local", 53), (on_grid(log2(13.0)), 0.0));
    }
}

//! Columns of dns.log rows: their names, their purpose, and the groups of columns a tree may split together.

use crate::schema::{Encoding, Feature, LogKind, Record, Schema, columns};

columns! {
    NameLength,
    Labels,
    LongestLabel,
    NameSurprisal,
    LetterSurprisal,
    DigitShare,
    OddBytes,
    DomainSurprisal,
    Qtype,
    Answers,
    AnswerBytes,
    MinTtl,
    Rtt,
    Suffix,
    Domain,
    PairQueries,
    PairNames,
    PairUniqueShare,
    PairBytesOut,
    PairBytesIn,
    PairTypeShare,
    DomainClients,
    DomainNewness,
    ClientNonexistent,
    ClientFailedShare,
    ClientNewDomains,
    ClientServers,
    ClientRandomBits,
    Chatter,
    Pair,
}

const fn number(name: &'static str, meaning: &'static str) -> Feature {
    Feature { name, encoding: Encoding::Number, meaning }
}

const fn category(name: &'static str, meaning: &'static str) -> Feature {
    Feature { name, encoding: Encoding::Category, meaning }
}

/// Every column. Amounts are compressed as log2 of 1 + the amount; a missing amount counts as 0. Context is of earlier
/// queries and of the present one; "lately" means with a weight that falls to 1/e in an hour. The name is that before
/// the registered domain, of DNS proper, reverse lookups aside.
const FEATURES: &[Feature] = &[
    number("name_length", "bytes of the name before the registered domain: tunnels, exfiltration"),
    number("labels", "labels before the registered domain"),
    number("longest_label", "bytes of the longest of them"),
    number("name_surprisal", "bits by which the letters before the domain surprise, beside words"),
    number("letter_surprisal", "bits a letter of that, drawn towards 4 for short names: encoded data"),
    number("digit_share", "share of digits before the domain"),
    number("odd_bytes", "bytes outside `a-z`, `0-9`, `-`, `_` and `.`: binary tunnels"),
    number("domain_surprisal", "bits a letter by which the registered label surprises: generated domains"),
    category("qtype", "the query type: how rare it is here"),
    number("answers", "records in the answer"),
    number("answer_bytes", "bytes of them as text"),
    number("min_ttl", "the least time to live, in seconds; -1 without an answer"),
    number("rtt", "milliseconds until the response"),
    category("suffix", "the public suffix: how rare it is here"),
    category("domain", "the registered domain: how rare it is here"),
    number("pair_queries", "queries of this client for this domain lately"),
    number("pair_names", "different names in it that the client asked for in this clock hour and the one before"),
    number("pair_unique_share", "different names to queries: tunnels do not repeat themselves"),
    number(
        "pair_bytes_out",
        "bytes of different names that the client asked this domain for lately: what a tunnel sent",
    ),
    number("pair_bytes_in", "bytes of answers from this domain to the client lately: what a tunnel received"),
    number("pair_type_share", "share of types other than addresses in the client's queries for this domain"),
    number("domain_clients", "different clients of the domain in this clock hour and the one before"),
    number("domain_newness", "a day to the time since the domain was first asked for here"),
    number("client_nonexistent", "names asked for by the client lately that do not exist; 0 beside a known domain"),
    number("client_failed_share", "share of those in its queries"),
    number(
        "client_new_domains",
        "domains new to this network that the client asked for lately; 0 beside a domain known for an hour",
    ),
    number("client_servers", "different servers that the client asked in this clock hour and the one before: scans"),
    number(
        "client_random_bits",
        "bits by which the labels of those domains surprise beyond words; 0 beside a domain that does not",
    ),
    number("chatter", "1 for multicast DNS, LLMNR and NetBIOS, which have a forest of their own"),
    Feature {
        name: "pair",
        encoding: Encoding::Identity,
        meaning: "the client and the domain; not seen by the forest",
    },
];

/// Groups of columns. A rare domain alone is common, and so is a rare type: what is rare in both is not.
const GROUPS: &[&[u16]] = &[
    &[Column::NameLength as u16, Column::LongestLabel as u16, Column::Labels as u16, Column::NameSurprisal as u16],
    &[Column::LetterSurprisal as u16, Column::DigitShare as u16],
    &[Column::OddBytes as u16],
    &[Column::DomainSurprisal as u16, Column::Domain as u16],
    &[Column::Qtype as u16],
    &[Column::Qtype as u16, Column::Domain as u16],
    &[Column::Answers as u16, Column::AnswerBytes as u16],
    &[Column::MinTtl as u16, Column::Rtt as u16],
    &[Column::Suffix as u16],
    &[Column::Domain as u16],
    &[Column::PairQueries as u16, Column::PairBytesIn as u16],
    &[Column::PairNames as u16],
    &[Column::PairUniqueShare as u16, Column::PairNames as u16],
    &[Column::PairBytesOut as u16],
    &[Column::PairTypeShare as u16],
    &[Column::PairTypeShare as u16, Column::Domain as u16],
    &[Column::DomainClients as u16],
    &[Column::DomainNewness as u16],
    &[Column::ClientNonexistent as u16, Column::ClientFailedShare as u16],
    &[Column::ClientServers as u16],
    &[Column::ClientRandomBits as u16],
    &[Column::ClientRandomBits as u16, Column::ClientNewDomains as u16],
];

/// Amounts that matter to an analyst when they exceed all of training.
const RECORDS: &[Record] = &[
    Record { column: Column::PairBytesOut as u16, weight: 0.5, from: 0.0 },
    Record { column: Column::ClientRandomBits as u16, weight: 0.5, from: 0.0 },
];

/// Columns of dns.log rows.
pub static SCHEMA: Schema = Schema {
    log: LogKind::Dns,
    name: "dns",
    version: 2,
    features: FEATURES,
    groups: GROUPS,
    trees_per_group: 8,
    mean_exponent: 6,
    records: RECORDS,
    peer_group: Column::Chatter as u16,
    routine: None,
    pair: Column::Pair as u16,
};

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dns::domain::LIST_VERSION;

    #[test]
    fn features_stand_in_the_order_of_their_columns() {
        for (name, column) in [
            ("name_length", Column::NameLength),
            ("qtype", Column::Qtype),
            ("domain", Column::Domain),
            ("pair_bytes_out", Column::PairBytesOut),
            ("client_servers", Column::ClientServers),
            ("pair", Column::Pair),
        ] {
            assert_eq!(FEATURES[column as usize].name, name);
        }
        assert_eq!(FEATURES.len(), Column::Pair as usize + 1);
    }

    /// Fails when columns or the Public Suffix List change. A model made before then fits no longer: raise the version
    /// as well.
    #[test]
    fn schema_is_that_of_its_version() {
        assert_eq!((SCHEMA.version, SCHEMA.fingerprint(), LIST_VERSION), (2, 10_968_985_004_320_304_074, "2.1.247"));
    }
}

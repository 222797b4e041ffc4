//! Schema of dns.log: columns, their purpose, and groups of columns.

use crate::schema::{Encoding, LogKind, Schema, TrackedMaximum, category, columns, feature, number};

columns! {
    /// All columns. Amounts are compressed as log2 of 1 + the amount; a missing amount counts as 0. Context includes
    /// earlier queries and the present one; "lately" means with a weight that decays to 1/e in an hour. Subdomains are
    /// measured in DNS proper, except in reverse lookups.
    NameLength = number("name_length",
        "bytes of the subdomain, the name before the registered domain: tunnels, exfiltration");
    Labels = number("labels", "labels of the subdomain");
    LongestLabel = number("longest_label", "bytes of the subdomain's longest label");
    NameSurprisal = number("name_surprisal",
        "surprisal of the subdomain's characters in bits, by the letter pairs of words");
    LetterSurprisal = number("letter_surprisal",
        "surprisal of the subdomain per character, shrunk towards 4 for short subdomains: encoded data");
    DigitShare = number("digit_share", "share of digits in the subdomain");
    OddBytes = number("odd_bytes", "bytes outside `a-z`, `0-9`, `-`, `_` and `.`: binary tunnels");
    DomainSurprisal = number("domain_surprisal",
        "surprisal of the registered label in bits per character: generated domains");
    Qtype = category("qtype", "query type: how rare it is here");
    Answers = number("answers", "records in the answer");
    AnswerBytes = number("answer_bytes", "bytes of the answers as text");
    MinTtl = number("min_ttl", "smallest time to live in seconds; -1 without an answer");
    Rtt = number("rtt", "milliseconds until the response");
    Suffix = category("suffix", "public suffix: how rare it is here");
    Domain = category("domain", "registered domain: how rare it is here");
    PairQueries = number("pair_queries", "queries of this client for this domain, lately");
    PairNames = number("pair_names",
        "different names of the domain that the client queried in this clock hour and the one before");
    PairUniqueShare = number("pair_unique_share",
        "share of different names in those queries: tunnels do not repeat names");
    PairBytesOut = number("pair_bytes_out",
        "bytes of different names of this domain that the client queried lately: data that a tunnel sent");
    PairBytesIn = number("pair_bytes_in",
        "bytes of answers from this domain to the client, lately: data that a tunnel received");
    PairTypeShare = number("pair_type_share",
        "share of types other than addresses in the client's queries for this domain");
    DomainClients = number("domain_clients", "different clients of the domain in this clock hour and the one before");
    DomainNewness = number("domain_newness",
        "newness of the domain: a day divided by the time since its first query here");
    ClientNonexistent = number("client_nonexistent",
        "nonexistent names that the client queried lately; 0 for a query of a known, existing domain");
    ClientFailedShare = number("client_failed_share", "share of nonexistent names in the client's queries");
    ClientNewDomains = number("client_new_domains",
        "new domains that the client queried lately; 0 for a query of a domain known for an hour");
    ClientServers = number("client_servers",
        "different servers that the client queried in this clock hour and the one before: scans");
    ClientRandomBits = number("client_random_bits",
        "surprisal of those new domains beyond that of words, in bits; 0 for a query of a domain like a word");
    Chatter = number("chatter", "1 for multicast DNS, LLMNR and NetBIOS, which have a separate forest");
    Pair = feature("pair", Encoding::Identity, "the client and the domain; not seen by the forest");
}

/// Groups of columns. A rare domain or a rare type alone is common; both in one query are not.
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

/// Amounts whose new maxima matter to an analyst.
const MAXIMA: &[TrackedMaximum] = &[
    TrackedMaximum { column: Column::PairBytesOut as u16, weight: 0.5, from: 0.0, rank: 1 },
    TrackedMaximum { column: Column::ClientRandomBits as u16, weight: 0.5, from: 0.0, rank: 1 },
];

/// Columns of dns.log rows.
pub static SCHEMA: Schema = Schema {
    log: LogKind::Dns,
    name: "dns",
    version: 3,
    features: FEATURES,
    groups: GROUPS,
    trees_per_group: 8,
    mean_exponent: 6,
    maxima: MAXIMA,
    peer_group: Column::Chatter as u16,
    routine: None,
    counts_bursts: true,
    pair: Column::Pair as u16,
    // Clients repeat their queries all day, and a command-and-control server shows in the name, not in the pair.
    pair_gain: None,
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

    /// Fails when columns or the Public Suffix List change. Older models no longer fit: raise the version as well.
    #[test]
    fn version_changes_with_the_schema() {
        assert_eq!((SCHEMA.version, SCHEMA.fingerprint(), LIST_VERSION), (3, 18_054_828_144_382_611_527, "2.1.247"));
    }
}

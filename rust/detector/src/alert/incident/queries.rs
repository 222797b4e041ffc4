//! Queries of an incident: the fields that incidents use, and sums by registered domain.

use serde::{Deserialize, Serialize};
use twox_hash::XxHash3_64;

use super::distinct_set::DistinctSet;
use crate::address::Address;
use crate::dns::character_stats::CharacterStats;
use crate::dns::context::domain_key;
use crate::dns::domain::{DomainName, NameKind};
use crate::dns::query::{DnsQuery, NXDOMAIN, Protocol};
use crate::dns::reasons::printable;

/// Surprisal above that of a word, in bits, from which a registered label counts as random. In three networks 6 to 9 %
/// of the domains reach it; of those that the malware Simda generates, 60 %.
const RANDOM_BITS: f32 = 6.0;

/// Fields of a query that incidents use.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(super) struct Query {
    /// Registered domain, or kind of the name, as a hash.
    pub(super) domain: u64,
    /// The name as a hash.
    pub(super) name: u64,
    /// Length of the name before the registered domain, in bytes.
    pub(super) data: u16,
    pub(super) qtype: u8,
    pub(super) names: NameKind,
    /// True for chatter: multicast DNS, LLMNR, NetBIOS.
    pub(super) chatter: bool,
    /// True if the name does not exist.
    pub(super) nonexistent: bool,
    /// True if the registered domain is unlike a word.
    pub(super) random: bool,
}

impl Query {
    pub(super) fn of(query: &DnsQuery<'_>) -> Self {
        let name = DomainName::new(query.query.unwrap_or_default());
        let chatter = query.protocol() != Protocol::Dns;
        Self {
            domain: domain_key(query, &name),
            name: XxHash3_64::oneshot(name.name()),
            data: name.subdomain().len() as u16,
            qtype: query.qtype.unwrap_or_default().min(255) as u8,
            names: name.kind(),
            chatter,
            nonexistent: query.rcode == Some(NXDOMAIN),
            random: !chatter
                && name.kind() == NameKind::Registered
                && CharacterStats::of(name.label()).excess(name.label().len()) >= RANDOM_BITS,
        }
    }

    /// Returns true if a client of generated domains may have made it.
    pub(super) fn may_be_generated(&self) -> bool {
        self.is_registered() && (self.nonexistent || self.random)
    }

    fn is_registered(&self) -> bool {
        !self.chatter && self.names == NameKind::Registered
    }
}

/// Queries of an incident for names of one domain.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Domain {
    pub(super) key: u64,
    /// The names in words: `names of example.com`.
    pub(super) text: String,
    /// True for names that can carry data: with a registered domain, or outside any domain.
    pub(super) carries_data: bool,
    pub(super) reverse: bool,
    pub(super) names: DistinctSet<u64>,
    /// Types queried, one bit for each, modulo 64.
    types: u64,
    /// Bytes before the registered domain, of all queries.
    data: u64,
    pub(super) nonexistent: u64,
    /// Servers asked for these names.
    pub(super) servers: DistinctSet<Address>,
    /// True if an alert was for the number of servers that the client asked.
    pub(super) many_servers: bool,
}

impl Domain {
    pub(super) fn new(query: &Query, full: Option<&DnsQuery<'_>>) -> Self {
        Self {
            key: query.domain,
            text: full.map(names).unwrap_or_default(),
            carries_data: !query.chatter && matches!(query.names, NameKind::Registered | NameKind::Unlisted),
            reverse: !query.chatter && query.names == NameKind::Reverse,
            names: DistinctSet::default(),
            types: 0,
            data: 0,
            nonexistent: 0,
            servers: DistinctSet::default(),
            many_servers: false,
        }
    }

    pub(super) fn add(&mut self, query: &Query, server: Address) {
        self.names.add(query.name);
        self.servers.add(server);
        self.types |= 1 << (query.qtype % 64);
        self.data = self.data.saturating_add(query.data.into());
        self.nonexistent += u64::from(query.nonexistent);
    }

    /// Takes its text from a query, if it began with queries of the history, which have no names.
    pub(super) fn name_from(&mut self, query: &DnsQuery<'_>) {
        if self.text.is_empty() {
            self.text = names(query);
        }
    }

    pub(super) fn merge(&mut self, other: &Self) {
        self.names.merge(&other.names);
        self.types |= other.types;
        self.data = self.data.saturating_add(other.data);
        self.nonexistent = self.nonexistent.saturating_add(other.nonexistent);
        self.servers.merge(&other.servers);
        self.many_servers |= other.many_servers;
        if self.text.is_empty() {
            self.text.clone_from(&other.text);
        }
    }

    /// Number of different types queried, at most 64.
    pub(super) fn types(&self) -> u32 {
        self.types.count_ones()
    }

    /// Mean length of the names before the registered domain, in bytes.
    pub(super) fn mean_data(&self, queries: u64) -> u64 {
        self.data / queries.max(1)
    }

    /// Bytes in different names: repetitions count once, by the mean length.
    pub(super) fn bytes_out(&self, queries: u64) -> u64 {
        let share = self.names.count().min(queries) as f64 / queries.max(1) as f64;
        (self.data as f64 * share) as u64
    }

    /// Returns true if its values are possible.
    pub(super) fn is_sound(&self, queries: u64) -> bool {
        self.names.is_sound() && self.servers.is_sound() && self.nonexistent <= queries && self.text.len() <= 1024
    }
}

/// Sums over the queries of an incident.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(super) struct Queries {
    pub(super) count: u64,
    /// All registered domains.
    domains: DistinctSet<u64>,
    /// Registered domains of names that do not exist.
    pub(super) nonexistent: DistinctSet<u64>,
    /// Other registered domains that are unlike words.
    pub(super) random: DistinctSet<u64>,
    /// Servers asked.
    pub(super) servers: DistinctSet<Address>,
    /// One of the random domains, for the summary.
    pub(super) example: String,
}

impl Queries {
    pub(super) fn add(&mut self, query: &Query, server: Address, full: Option<&DnsQuery<'_>>) {
        self.count += 1;
        self.servers.add(server);
        if query.is_registered() {
            self.domains.add(query.domain);
        }
        if !query.may_be_generated() {
            return;
        }
        let domains = if query.nonexistent { &mut self.nonexistent } else { &mut self.random };
        domains.add(query.domain);
        if let (true, Some(full)) = (self.example.is_empty() && query.random, full) {
            let name = DomainName::new(full.query.unwrap_or_default());
            self.example = printable(name.registered());
        }
    }

    /// Returns true if its domains are like generated ones: at least five that do not exist or look random, and at
    /// least half of all.
    pub(super) fn are_generated(&self) -> bool {
        let generated = self.nonexistent.count() + self.random.count();
        generated >= 5 && 2 * generated >= self.domains.count()
    }

    pub(super) fn merge(&mut self, other: &Self) {
        self.count = self.count.saturating_add(other.count);
        self.domains.merge(&other.domains);
        self.nonexistent.merge(&other.nonexistent);
        self.random.merge(&other.random);
        self.servers.merge(&other.servers);
        if self.example.is_empty() {
            self.example.clone_from(&other.example);
        }
    }

    /// Returns true if its values are possible.
    pub(super) fn is_sound(&self, records: u64) -> bool {
        let members = [&self.domains, &self.nonexistent, &self.random].into_iter().all(DistinctSet::is_sound)
            && self.servers.is_sound();
        members && self.count <= records && self.example.len() <= 1024
    }
}

/// Names in words.
fn names(query: &DnsQuery<'_>) -> String {
    match query.protocol() {
        Protocol::Dns => {}
        Protocol::Mdns => return "names by multicast DNS".to_owned(),
        Protocol::Llmnr => return "names by LLMNR".to_owned(),
        Protocol::Netbios => return "NetBIOS names".to_owned(),
    }
    let name = DomainName::new(query.query.unwrap_or_default());
    match name.kind() {
        NameKind::Registered => format!("names of {}", printable(name.registered())),
        NameKind::Unlisted => "names outside any domain".to_owned(),
        NameKind::Reverse => "names of addresses".to_owned(),
        NameKind::Local => "local names".to_owned(),
        NameKind::SingleLabel => "single-label names".to_owned(),
        NameKind::Empty => "no name".to_owned(),
    }
}

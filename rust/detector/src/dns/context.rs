//! Context: recent behaviour of clients and domains, in bounded memory.
//!
//! Hashes of addresses and names are the keys of tables of fixed size. Time comes from the records, so a replayed log
//! gives the same context as the sensor.

use serde::{Deserialize, Serialize};
use twox_hash::XxHash3_64;

use crate::context::decay::{HOUR_SECONDS, decay, seconds};
use crate::context::keys::{ContextKeys, combine};
use crate::context::linear_counter::LinearCounter;
use crate::context::table::{Table, TableSnapshot};
use crate::dns::domain::{DomainName, NameKind};
use crate::dns::query::{DnsQuery, NXDOMAIN, Protocol};
use crate::quantize::log2;
use crate::units;

/// Age of a domain, in seconds, at which its newness is 1.
const DAY_SECONDS: f32 = (units::DAY / units::SECOND) as f32;

/// Sizes of the tables, as powers of 2.
const CLIENTS: u32 = 15;
const DOMAINS: u32 = 16;
const PAIRS: u32 = 17;

/// Recent behaviour of clients and domains.
#[derive(Clone, Debug)]
pub(crate) struct DnsContext {
    clients: Table<Client>,
    domains: Table<Domain>,
    pairs: Table<Pair>,
}

/// Context in a file.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct DnsSnapshot {
    clients: TableSnapshot<Client>,
    domains: TableSnapshot<Domain>,
    pairs: TableSnapshot<Pair>,
}

/// A client. Counts decay.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
struct Client {
    queries: f32,
    nonexistent: f32,
    /// Queries for domains that no client queried before.
    new_domains: f32,
    /// Surprisal of the registered labels of such domains beyond that of words, in bits.
    random_bits: f32,
    servers: LinearCounter,
}

/// A registered domain.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
struct Domain {
    first_seen: i64,
    clients: LinearCounter,
}

/// A client and a registered domain. Counts decay.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
struct Pair {
    queries: f32,
    /// Queries for other types than addresses.
    other_types: f32,
    /// Bytes of subdomains that are new to the pair.
    bytes_out: f32,
    bytes_in: f32,
    names: LinearCounter,
}

/// Context features of one query, itself included. Counts are log2 of 1 + count.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct ContextFeatures {
    pub(crate) client_nonexistent: f32,
    pub(crate) client_failed_share: f32,
    pub(crate) client_new_domains: f32,
    pub(crate) client_servers: f32,
    pub(crate) client_random_bits: f32,
    pub(crate) domain_clients: f32,
    pub(crate) domain_newness: f32,
    pub(crate) pair_queries: f32,
    pub(crate) pair_names: f32,
    pub(crate) pair_unique_share: f32,
    pub(crate) pair_bytes_out: f32,
    pub(crate) pair_bytes_in: f32,
    pub(crate) pair_type_share: f32,
}

/// Hash of a query's registered domain, or key of the kind of a name without one.
pub(crate) fn domain_key(query: &DnsQuery<'_>, name: &DomainName) -> u64 {
    match query.protocol() {
        Protocol::Dns if name.kind() == NameKind::Registered => XxHash3_64::oneshot(name.registered()),
        Protocol::Dns => name.kind() as u64,
        chatter => 64 + chatter as u64,
    }
}

/// The keys of a query. The client and the registered domain are its pair and its service.
pub(crate) fn keys(query: &DnsQuery<'_>, domain: u64) -> ContextKeys {
    let (orig, resp) = (XxHash3_64::oneshot(&query.client.0), XxHash3_64::oneshot(&query.server.0));
    let pair = combine(orig, domain);
    ContextKeys { orig, resp, pair, service: pair, fan_out: orig }
}

impl Default for DnsContext {
    fn default() -> Self {
        Self { clients: Table::new(CLIENTS), domains: Table::new(DOMAINS), pairs: Table::new(PAIRS) }
    }
}

impl DnsContext {
    /// Copy to write to a file.
    pub(crate) fn snapshot(&self) -> DnsSnapshot {
        DnsSnapshot { clients: self.clients.snapshot(), domains: self.domains.snapshot(), pairs: self.pairs.snapshot() }
    }

    /// Context from a file; `None` if it contains impossible values.
    pub(crate) fn from_snapshot(snapshot: DnsSnapshot) -> Option<Self> {
        let counts = |counts: &[f32]| counts.iter().all(|count| (0.0..=f32::MAX).contains(count));
        Some(Self {
            clients: Table::from_snapshot(snapshot.clients, CLIENTS, |it| {
                counts(&[it.queries, it.nonexistent, it.new_domains, it.random_bits]) && it.servers.is_sound()
            })?,
            domains: Table::from_snapshot(snapshot.domains, DOMAINS, |it| it.clients.is_sound())?,
            pairs: Table::from_snapshot(snapshot.pairs, PAIRS, |it| {
                counts(&[it.queries, it.other_types, it.bytes_out, it.bytes_in]) && it.names.is_sound()
            })?,
        })
    }

    /// Starts fetching the entries of a query from memory.
    pub(crate) fn prefetch(&self, domain: u64, keys: &ContextKeys) {
        self.domains.prefetch(domain);
        self.pairs.prefetch(keys.pair);
        self.clients.prefetch(keys.orig);
    }

    /// Adds a query and returns its context features. `excess` is the
    /// [`CharacterStats::excess`](crate::dns::character_stats::CharacterStats::excess) of the registered label.
    pub(crate) fn observe(
        &mut self,
        query: &DnsQuery<'_>,
        name: &DomainName,
        excess: f32,
        domain: u64,
        keys: &ContextKeys,
    ) -> ContextFeatures {
        let now = query.ts;
        let is_dns = query.protocol() == Protocol::Dns;
        let is_counted = is_dns && matches!(name.kind(), NameKind::Registered | NameKind::Unlisted);
        let mut features = ContextFeatures { pair_unique_share: PRIOR_SHARE, ..ContextFeatures::default() };

        let (mut is_new_domain, mut is_young) = (false, false);
        if is_counted {
            let visit = self.domains.visit(domain, now);
            if visit.since.is_none() {
                visit.value.first_seen = now;
                is_new_domain = true;
            }
            let age = seconds(now.saturating_sub(visit.value.first_seen).max(0));
            features.domain_newness = log2(DAY_SECONDS / (age + 1.0));
            is_young = age < HOUR_SECONDS;
            features.domain_clients = log2(visit.value.clients.add(keys.orig, now));
        }

        let visit = self.pairs.visit(keys.pair, now);
        let factor = visit.since.map_or(0.0, decay);
        let pair = visit.value;
        pair.queries = pair.queries * factor + 1.0;
        pair.other_types = pair.other_types * factor + f32::from(query.qtype.is_some_and(is_other_type));
        pair.bytes_in = pair.bytes_in * factor + query.answer_bytes as f32;
        pair.bytes_out *= factor;
        if is_counted {
            let subdomain = name.subdomain();
            let new = pair.names.insert(XxHash3_64::oneshot(subdomain), now);
            pair.bytes_out += new * subdomain.len() as f32;
            let names = pair.names.estimate();
            features.pair_names = log2(names);
            features.pair_unique_share = (names + PRIOR_SHARE * PRIOR) / (pair.queries.max(names) + PRIOR);
            features.pair_bytes_out = log2(pair.bytes_out);
            features.pair_bytes_in = log2(pair.bytes_in);
            features.pair_type_share = pair.other_types / (pair.queries + PRIOR);
            features.pair_queries = log2(pair.queries);
        }

        let visit = self.clients.visit(keys.orig, now);
        let factor = visit.since.map_or(0.0, decay);
        let client = visit.value;
        let nonexistent = is_dns && query.rcode == Some(NXDOMAIN) && name.kind() == NameKind::Registered;
        client.queries = client.queries * factor + 1.0;
        client.nonexistent = client.nonexistent * factor + f32::from(nonexistent);
        client.new_domains = client.new_domains * factor + f32::from(is_new_domain);
        client.random_bits = client.random_bits * factor + if is_new_domain { excess } else { 0.0 };
        if is_dns {
            // Only suspicious queries get these features: failures must not raise the scores of ordinary queries.
            if nonexistent || (is_new_domain && excess > 0.0) {
                features.client_nonexistent = log2(client.nonexistent);
                features.client_failed_share = client.nonexistent / (client.queries + 10.0);
            }
            if is_young {
                features.client_new_domains = log2(client.new_domains);
                if excess > 0.0 {
                    features.client_random_bits = log2(client.random_bits);
                }
            }
            features.client_servers = log2(client.servers.add(keys.resp, now));
        }
        features
    }
}

/// Prior of a pair: a number of queries, and the share of distinct names among them.
const PRIOR: f32 = 5.0;
const PRIOR_SHARE: f32 = 0.3;

/// Returns true if a type is neither an address nor one that browsers query with it (SVCB, HTTPS).
pub(crate) fn is_other_type(qtype: u64) -> bool {
    !matches!(qtype, 1 | 28 | 64 | 65)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Address;
    use crate::dns::character_stats::CharacterStats;

    const SECOND: i64 = 1_000_000;

    fn client(last: u8) -> Address {
        Address::from(std::net::IpAddr::from([10, 0, 0, last]))
    }

    fn query(name: &[u8], seconds: i64) -> DnsQuery<'_> {
        DnsQuery {
            ts: seconds * SECOND,
            client: client(1),
            server_port: 53,
            query: Some(name),
            qtype: Some(1),
            ..DnsQuery::default()
        }
    }

    fn observe(context: &mut DnsContext, query: &DnsQuery<'_>) -> ContextFeatures {
        let name = DomainName::new(query.query.unwrap_or_default());
        let domain = domain_key(query, &name);
        let excess = CharacterStats::of(name.label()).excess(name.label().len());
        context.observe(query, &name, excess, domain, &keys(query, domain))
    }

    fn plain(log: f32) -> f32 {
        (2f32).powf(log) - 1.0
    }

    #[test]
    fn different_names_add_up_and_repeated_ones_do_not() {
        let (mut repeated, mut different) = (DnsContext::default(), DnsContext::default());
        let (mut same, mut other) = (ContextFeatures::default(), ContextFeatures::default());
        for i in 0..500 {
            same = observe(&mut repeated, &query(b"www.example.com", i));
            let name = format!("{:032x}.example.com", i * 7919);
            other = observe(&mut different, &query(name.as_bytes(), i));
        }
        assert!(plain(same.pair_names) < 2.0 && plain(same.pair_bytes_out) < 4.0, "{same:?}");
        // 500 names of 32 bytes, the first ones decayed a little.
        let bytes = plain(other.pair_bytes_out);
        assert!((9_000.0..25_000.0).contains(&bytes), "{bytes}");
        assert!(plain(other.pair_names) > 300.0 && other.pair_unique_share > 0.5, "{other:?}");
        assert!(same.pair_unique_share < 0.1, "{same:?}");
    }

    #[test]
    fn counts_decay_to_one_in_e_in_an_hour() {
        let mut context = DnsContext::default();
        let answered = DnsQuery { answer_bytes: 1000, qtype: Some(16), ..query(b"a.example.com", 0) };
        let first = observe(&mut context, &answered);
        assert_eq!((first.pair_bytes_in, first.pair_type_share), (log2(1000.0), 1.0 / 6.0));
        let again = observe(&mut context, &query(b"a.example.com", 3600));
        let hour = (-1f32).exp();
        assert!((again.pair_bytes_in - log2(1000.0 * hour)).abs() < 1e-3, "{again:?}");
        assert!((again.pair_queries - log2(1.0 + hour)).abs() < 1e-4, "{again:?}");
    }

    #[test]
    fn client_of_generated_domains_stands_out_beside_them_only() {
        let mut context = DnsContext::default();
        observe(&mut context, &query(b"www.example.com", 0));
        let mut last = ContextFeatures::default();
        for (i, name) in ["vojyqem", "xkcdqzv", "qexyvuw", "zyjqvox", "wuqyxag"].into_iter().enumerate() {
            let name = format!("{name}.com");
            last =
                observe(&mut context, &DnsQuery { rcode: Some(NXDOMAIN), ..query(name.as_bytes(), 4000 + i as i64) });
        }
        assert!(plain(last.client_random_bits) > 20.0 && plain(last.client_new_domains) > 4.0, "{last:?}");
        assert!(plain(last.client_nonexistent) > 4.0, "{last:?}");
        let usual = observe(&mut context, &query(b"www.example.com", 4010));
        assert_eq!((usual.client_random_bits, usual.client_new_domains), (0.0, 0.0));
        assert_eq!((usual.client_nonexistent, usual.client_failed_share), (0.0, 0.0));
    }

    #[test]
    fn newness_of_a_domain_falls_with_its_age() {
        let mut context = DnsContext::default();
        let mut at = |seconds| plain(observe(&mut context, &query(b"www.example.com", seconds)).domain_newness);
        for (age, newness) in [(0, 86_400.0), (1, 43_200.0), (86_399, 1.0)] {
            let found = at(age);
            // Logarithms are linear between powers of 2.
            assert!((found / newness - 1.0).abs() < 0.1, "{found} after {age} s");
        }
        assert!(at(30 * 86_400) < 0.2);
    }

    #[test]
    fn names_without_a_registered_domain_are_not_counted() {
        let mut context = DnsContext::default();
        for i in 0..50 {
            let name = format!("{i}.0.2.192.in-addr.arpa");
            let features = observe(&mut context, &query(name.as_bytes(), i));
            assert_eq!((features.pair_names, features.pair_bytes_out, features.client_new_domains), (0.0, 0.0, 0.0));
        }
        let mdns = DnsQuery { server_port: 5353, ..query(b"x.example.com", 60) };
        assert_eq!(observe(&mut context, &mdns).pair_names, 0.0);
    }

    #[test]
    fn restores_sound_snapshots_only() {
        let mut context = DnsContext::default();
        (0..300).for_each(|i| _ = observe(&mut context, &query(format!("h{i}.d{}.com", i % 7).as_bytes(), i)));
        let mut again = DnsContext::from_snapshot(context.snapshot()).unwrap();
        let next = query(b"new.d3.com", 301);
        assert_eq!(observe(&mut context, &next), observe(&mut again, &next));
        let unsound: [fn(&mut DnsContext); 4] = [
            |it| it.clients.visit(7, 0).value.random_bits = f32::NAN,
            |it| it.domains.visit(7, 0).value.clients = LinearCounter::of_no_time(),
            |it| it.pairs.visit(7, 0).value.bytes_out = -1.0,
            |it| it.pairs.visit(7, 0).value.names = LinearCounter::of_no_time(),
        ];
        for (i, change) in unsound.into_iter().enumerate() {
            let mut changed = context.clone();
            change(&mut changed);
            assert!(DnsContext::from_snapshot(changed.snapshot()).is_none(), "change {i}");
        }
    }
}

//! Context: recent behaviour of the hosts of a connection, in bounded memory.
//!
//! Hashes of addresses are the keys of tables of fixed size. Time comes from the connections, so a replayed log
//! gives the same context as the sensor.

use serde::{Deserialize, Serialize};
use twox_hash::XxHash3_64;

use crate::conn::connection::Connection;
use crate::context::decay::{decay, seconds};
use crate::context::keys::{ContextKeys, combine};
use crate::context::linear_counter::LinearCounter;
use crate::context::periodicity::Periodicity;
use crate::context::table::{Table, TableSnapshot};
use crate::quantize::log2;
use crate::units::DAY;

/// Longest silence of a host, in seconds; stands for a host never seen as well.
const LONG_AGO: f32 = 1e5;

/// Sizes of the tables, as powers of 2.
const HOSTS: u32 = 16;
const SERVICES: u32 = 18;

/// Recent behaviour of hosts and services.
#[derive(Clone, Debug)]
pub(crate) struct ConnContext {
    originators: Table<Originator>,
    responders: Table<Responder>,
    services: Table<Service>,
    /// Time of the latest record.
    clock: Option<i64>,
}

/// Context in a file.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct ConnSnapshot {
    originators: TableSnapshot<Originator>,
    responders: TableSnapshot<Responder>,
    services: TableSnapshot<Service>,
}

/// A host as originator.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
struct Originator {
    failures_in_a_row: u32,
}

/// A host as responder.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
struct Responder {
    /// Decayed numbers of connections to it, and of failed ones.
    connections: f32,
    failed: f32,
    originators: LinearCounter,
}

/// An originator, a responder, and the protocol and port it was contacted on.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
struct Service {
    count: f32,
    bytes: f32,
    failures_in_a_row: u32,
    periodicity: Periodicity,
}

/// Context features of one connection, itself included. Counts are log2 of 1 + count.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct ContextFeatures {
    pub(crate) resp_failed_share: f32,
    pub(crate) resp_originators: f32,
    pub(crate) orig_pause: f32,
    pub(crate) service_failures: f32,
    pub(crate) service_count: f32,
    pub(crate) service_bytes: f32,
    pub(crate) periodicity: f32,
    pub(crate) orig_failures: f32,
    pub(crate) service_pause: f32,
}

impl ContextKeys {
    /// The keys of a connection.
    pub fn of(c: &Connection<'_>) -> Self {
        let (orig, resp) = (XxHash3_64::oneshot(&c.orig.addr.0), XxHash3_64::oneshot(&c.resp.addr.0));
        let port = c.service_port();
        let pair = combine(orig, resp);
        Self { orig, resp, pair, service: combine(pair, port), fan_out: combine(orig, port) }
    }
}

impl Default for ConnContext {
    /// Creates tables of about 17 megabytes: 65,536 hosts on either side, and 262,144 services used by one host of
    /// another.
    fn default() -> Self {
        let (originators, responders) = (Table::new(HOSTS), Table::new(HOSTS));
        Self { originators, responders, services: Table::new(SERVICES), clock: None }
    }
}

impl ConnContext {
    /// Copy to write to a file.
    pub(crate) fn snapshot(&self) -> ConnSnapshot {
        ConnSnapshot {
            originators: self.originators.snapshot(),
            responders: self.responders.snapshot(),
            services: self.services.snapshot(),
        }
    }

    /// Context from a file; `None` if it contains impossible values.
    pub(crate) fn from_snapshot(snapshot: ConnSnapshot) -> Option<Self> {
        let counts = |counts: &[f32]| counts.iter().all(|count| (0.0..=f32::MAX).contains(count));
        let ConnSnapshot { originators, responders, services } = snapshot;
        Some(Self {
            originators: Table::from_snapshot(originators, HOSTS, |_| true)?,
            responders: Table::from_snapshot(responders, HOSTS, |it| {
                counts(&[it.connections, it.failed]) && it.originators.is_sound()
            })?,
            services: Table::from_snapshot(services, SERVICES, |it| {
                counts(&[it.count, it.bytes]) && it.periodicity.is_sound()
            })?,
            clock: None,
        })
    }

    /// Starts fetching the entries of a connection, see [`Table::prefetch`].
    pub(crate) fn prefetch(&self, keys: &ContextKeys) {
        self.services.prefetch(keys.service);
        self.originators.prefetch(keys.orig);
        self.responders.prefetch(keys.resp);
    }

    /// Time of a record: the end of its connection.
    ///
    /// In a log sorted by start, a long connection precedes records that ended while it was open. Counted at its end,
    /// it would date its hosts days ahead of these, so it counts at its start.
    fn time(&mut self, c: &Connection<'_>) -> i64 {
        let clock = self.clock.unwrap_or(c.end());
        let now = if c.end() > clock.saturating_add(DAY) { c.ts.max(clock) } else { c.end() };
        // A jump back by more than a day is a corrected clock.
        self.clock = Some(if now < clock.saturating_sub(DAY) { now } else { now.max(clock) });
        now
    }

    /// Adds a connection and returns its context features.
    pub(crate) fn observe(&mut self, c: &Connection<'_>, keys: &ContextKeys) -> ContextFeatures {
        let failed = c.failed();
        let ContextKeys { orig, resp, service, .. } = *keys;
        let now = self.time(c);

        let visit = self.services.visit(service, now);
        let service_pause = visit.since.map_or(LONG_AGO, |since| seconds(since).min(LONG_AGO));
        let service_failures = count_in_a_row(&mut visit.value.failures_in_a_row, failed);
        if let Some(since) = visit.since {
            visit.value.periodicity.add(seconds(since));
        }
        let factor = visit.since.map_or(0.0, decay);
        visit.value.count = visit.value.count * factor + 1.0;
        visit.value.bytes = visit.value.bytes * factor + c.orig.bytes.unwrap_or(0) as f32;
        let (service_count, service_bytes) = (log2(visit.value.count), log2(visit.value.bytes));
        let periodicity = visit.value.periodicity.strength();

        let visit = self.originators.visit(orig, now);
        let pause = visit.since.map_or(LONG_AGO, |since| seconds(since).min(LONG_AGO));
        let failures = &mut visit.value.failures_in_a_row;
        // Chatter is never answered, so it says nothing about failures.
        let orig_failures = if c.is_chatter() { *failures as f32 } else { count_in_a_row(failures, failed) };

        let visit = self.responders.visit(resp, now);
        let factor = visit.since.map_or(0.0, decay);
        let responder = visit.value;
        responder.connections = responder.connections * factor + 1.0;
        responder.failed = responder.failed * factor + f32::from(failed);

        ContextFeatures {
            resp_failed_share: (responder.failed + 0.5) / (responder.connections + 1.0),
            resp_originators: log2(responder.originators.add(orig, now)),
            orig_pause: log2(pause),
            service_failures: log2(service_failures),
            service_count,
            service_bytes,
            periodicity,
            orig_failures: log2(orig_failures),
            service_pause: log2(service_pause),
        }
    }
}

fn count_in_a_row(count: &mut u32, more: bool) -> f32 {
    *count = if more { count.saturating_add(1) } else { 0 };
    *count as f32
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixtures::address;
    use crate::{ConnState, Proto};

    const MINUTE: i64 = 60_000_000;

    fn host(last: u8) -> crate::Address {
        crate::Address::from(std::net::IpAddr::from([10, 0, 0, last]))
    }

    /// Host 1 contacts host 2 on port 445, sends 1000 bytes, and gets no answer.
    fn refused() -> Connection<'static> {
        let mut c = Connection { proto: Proto::Tcp, conn_state: Some(ConnState::S0), ..Connection::default() };
        (c.orig.addr, c.resp.addr, c.resp.port, c.orig.bytes) = (host(1), host(2), 445, Some(1000));
        c
    }

    fn observe(context: &mut ConnContext, c: &Connection<'_>) -> [f32; 8] {
        let it = context.observe(c, &ContextKeys::of(c));
        [
            it.resp_failed_share,
            it.resp_originators,
            it.orig_failures,
            it.orig_pause,
            it.service_failures,
            it.service_count,
            it.service_bytes,
            it.periodicity,
        ]
    }

    fn alike(found: [f32; 8], expected: [f32; 8]) {
        let close = |(a, b): (&f32, &f32)| (a - b).abs() < 1e-4;
        assert!(found.iter().zip(&expected).all(close), "{found:?} for {expected:?}");
    }

    #[test]
    fn context_decays_to_1_e_in_an_hour() {
        let mut context = ConnContext::default();
        let mut c = refused();
        // Linear counting's estimates of one item and of two.
        let (one, two) = (128.0 * (128f32 / 127.0).ln(), 128.0 * (128f32 / 126.0).ln());
        let new = [0.75, log2(one), 1.0, log2(LONG_AGO), 1.0, 1.0, log2(1000.0), 0.0];
        alike(observe(&mut context, &c), new);

        // An hour later, answered.
        (c.ts, c.conn_state, c.orig.bytes) = (60 * MINUTE, Some(ConnState::SF), Some(3000));
        let hour = (-1f32).exp();
        let share = (hour + 0.5) / (hour + 2.0);
        let again = [share, log2(one), 0.0, log2(3600.0), 0.0, log2(hour + 1.0), log2(1000.0 * hour + 3000.0), 0.0];
        alike(observe(&mut context, &c), again);

        // Half an hour later to another port, and to the first one as well.
        let half = (-0.5f32).exp();
        (c.ts, c.conn_state, c.resp.port) = (90 * MINUTE, Some(ConnState::REJ), 139);
        let (failed, connections) = (hour * half + 1.0, (hour + 1.0) * half + 1.0);
        let share = (failed + 0.5) / (connections + 1.0);
        alike(observe(&mut context, &c), [share, log2(one), 1.0, log2(1800.0), 1.0, 1.0, log2(3000.0), 0.0]);
        c.resp.port = 445;
        let share = (failed + 1.5) / (connections + 2.0);
        let bytes = log2((1000.0 * hour + 3000.0) * half + 3000.0);
        let count = log2((hour + 1.0) * half + 1.0);
        // Of the two pauses the mean is 2700 s, the deviation 450 s.
        let periodicity = log2(2.0 * (0.7f32 * 3.0 / 2.0).ln());
        alike(observe(&mut context, &c), [share, log2(one), log2(2.0), 0.0, 1.0, count, bytes, periodicity]);

        // Another originator, with failures of the responder in its history.
        (c.orig.addr, c.orig.bytes) = (host(3), None);
        let share = (failed + 2.5) / (connections + 3.0);
        alike(observe(&mut context, &c), [share, log2(two), 1.0, log2(LONG_AGO), 1.0, 1.0, 0.0, 0.0]);
    }

    #[test]
    fn failures_of_an_originator_are_counted_without_chatter() {
        let mut context = ConnContext::default();
        let mut failures = |responder: &str| {
            let mut c = refused();
            c.resp.addr = address(responder);
            context.observe(&c, &ContextKeys::of(&c)).orig_failures
        };
        let counted = ["192.0.2.1", "224.0.0.251", "192.0.2.2", "192.0.2.255"].map(&mut failures);
        assert_eq!(counted, [1.0, 1.0, log2(2.0), log2(2.0)]);
    }

    #[test]
    fn counts_consecutive_failures_without_icmp() {
        let mut context = ConnContext::default();
        let mut after = |proto, conn_state| {
            let c = Connection { proto, conn_state: Some(conn_state), ..refused() };
            context.observe(&c, &ContextKeys::of(&c)).service_failures
        };
        let tcp = [ConnState::S0, ConnState::REJ, ConnState::S0, ConnState::SF, ConnState::S0];
        assert_eq!(tcp.map(|state| after(Proto::Tcp, state)), [1.0, 2.0, 3.0, 0.0, 1.0].map(log2));
        assert_eq!([ConnState::S0, ConnState::OTH].map(|state| after(Proto::Icmp, state)), [0.0; 2]);
    }

    #[test]
    fn service_key_includes_hosts_protocol_and_port() {
        let mut services = std::collections::HashSet::new();
        for (orig, resp, port) in [(1, 2, 0), (2, 1, 0), (1, 2, 1), (1, 2, 2), (1, 2, 4), (1, 2, 8), (1, 2, 0x8000)] {
            for proto in [Proto::Unknown, Proto::Icmp, Proto::Tcp, Proto::Udp] {
                let mut c = Connection { proto, ..refused() };
                (c.orig.addr, c.resp.addr, c.resp.port) = (host(orig), host(resp), port);
                assert!(services.insert(ContextKeys::of(&c).service), "{c:?}");
            }
        }
    }

    #[test]
    fn hashes_are_combined_the_same_everywhere() {
        let most = u64::MAX;
        for (a, b, combined) in [
            (0, 0, 0xc9d8_74ca_57d9_e055),
            (1, 2, 0xbd60_66e6_b2ae_ea0c),
            (2, 1, 0xd876_f001_e176_6145),
            (most, 0x0123_4567_89ab_cdef, 0xdf48_0056_3ab2_75cf),
        ] {
            assert_eq!(combine(a, b), combined, "{a:#x} and {b:#x}");
        }
    }

    #[test]
    fn rejects_impossible_contexts() {
        let is_restored = |change: fn(&mut ConnContext)| {
            let mut context = ConnContext::default();
            _ = observe(&mut context, &refused());
            change(&mut context);
            ConnContext::from_snapshot(context.snapshot()).is_some()
        };
        assert!(is_restored(|_| ()));
        assert!(is_restored(|it| it.services.visit(7, 0).value.bytes = f32::MAX));
        let unsound: [fn(&mut ConnContext); 6] = [
            |it| it.responders.visit(7, 0).value.originators = LinearCounter::of_no_time(),
            |it| it.responders.visit(7, 0).value.connections = f32::INFINITY,
            |it| it.responders.visit(7, 0).value.failed = f32::NAN,
            |it| it.services.visit(7, 0).value.count = -1.0,
            |it| it.services.visit(7, 0).value.bytes = f32::INFINITY,
            |it| it.services.visit(7, 0).value.periodicity.add(-1.0),
        ];
        for (i, change) in unsound.into_iter().enumerate() {
            assert!(!is_restored(change), "change {i}");
        }
    }

    /// Records of `clients` that use one server, one a second from `start`, in seconds.
    fn clients(start: i64) -> impl Iterator<Item = Connection<'static>> {
        (0..300).map(move |i| {
            let mut c = Connection { ts: (start + i) * 1_000_000, duration: Some(1000), ..Connection::default() };
            (c.orig.addr.0[14], c.orig.addr.0[15]) = ((i / 256) as u8, i as u8);
            (c.resp.addr.0[0], c.resp.port, c.conn_state) = (9, 445, Some(ConnState::SF));
            c
        })
    }

    /// Connection between the first client and the server that lasts 25 hours and ends at `end`, in seconds.
    fn long(end: i64) -> Connection<'static> {
        let duration = 25 * 3_600_000_000;
        let ts = end * 1_000_000 - duration;
        clients(0).next().map(|c| Connection { ts, duration: Some(duration), ..c }).unwrap()
    }

    fn features(records: impl IntoIterator<Item = Connection<'static>>) -> Vec<ContextFeatures> {
        let mut context = ConnContext::default();
        records.into_iter().map(|c| context.observe(&c, &ContextKeys::of(&c))).collect()
    }

    #[test]
    fn long_connection_does_not_clear_the_context() {
        let start = 100 * 24 * 3600;
        let days = || clients(start - 400).chain(clients(start));
        let without = features(days());
        let with = features(clients(start - 400).chain([long(start)]).chain(clients(start)));
        // The first client has one connection more; the others see no difference.
        assert_eq!(with[302..].len(), without[301..].len());
        for (with, without) in with[302..].iter().zip(&without[301..]) {
            assert_eq!(with.resp_originators, without.resp_originators);
            assert_eq!((with.orig_pause, with.service_count), (without.orig_pause, without.service_count));
        }
        assert!(with[400].resp_originators > 7.0, "{}", with[400].resp_originators);
    }

    #[test]
    fn long_connection_in_a_log_sorted_by_start_does_not_clear_the_context() {
        let start = 100 * 24 * 3600;
        let first = Connection { ts: (start - 50) * 1_000_000, ..long(start) };
        let with = features(clients(start - 400).chain([first]).chain(clients(start)));
        let without = features(clients(start - 400).chain(clients(start)));
        assert_eq!(with[400].resp_originators, without[399].resp_originators);
    }

    #[test]
    fn corrected_clock_clears_the_context() {
        let start = 100 * 24 * 3600;
        let after = features(clients(start + 30 * 24 * 3600).chain(clients(start)));
        let anew = features(clients(start));
        assert_eq!(after[300].resp_originators, anew[0].resp_originators);
    }
}

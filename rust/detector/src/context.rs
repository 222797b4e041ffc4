//! Context: what the hosts of a connection did lately, in bounded memory.
//!
//! Everything is keyed by hashes of addresses and kept in tables of fixed size; nothing here grows with the traffic.
//! Times are those of the connections, not of a clock: a log replayed gives what the sensor saw.

mod distinct;
mod rhythm;
pub(crate) mod table;

use distinct::Distinct;
use rhythm::Rhythm;
use serde::{Deserialize, Serialize};
pub(crate) use table::Table;
use twox_hash::XxHash3_64;

use crate::scale::log2;
use crate::{Connection, Proto};

/// Counts decay to 1/e in an hour.
const HOUR: f32 = 3600.0;
/// A host never seen before counts as silent for this long, in seconds; so does one silent for longer.
const LONG_AGO: f32 = 1e5;

/// The sizes of the tables, as powers of 2.
const HOSTS: u32 = 16;
const SERVICES: u32 = 18;

/// What is known of the hosts of all connections so far.
#[derive(Clone, Debug)]
pub(crate) struct Context {
    originators: Table<Originator>,
    responders: Table<Responder>,
    services: Table<Service>,
}

/// A context in a file.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Kept {
    originators: table::Kept<Originator>,
    responders: table::Kept<Responder>,
    services: table::Kept<Service>,
}

/// A host as originator.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
struct Originator {
    /// Decayed count of ports of responders it contacted for the first time.
    new_services: f32,
}

/// A host as responder.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
struct Responder {
    /// Decayed counts of connections to it, and of those that failed.
    connections: f32,
    failed: f32,
    originators: Distinct,
}

/// An originator, a responder, and the protocol and port it was contacted on.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
struct Service {
    count: f32,
    bytes: f32,
    failures_in_a_row: u32,
    rhythm: Rhythm,
}

/// What the context says of one connection, itself included. Counts are as log2 of 1 + count.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Circumstances {
    pub(crate) resp_failed_share: f32,
    pub(crate) resp_originators: f32,
    pub(crate) orig_new_services: f32,
    pub(crate) orig_pause: f32,
    pub(crate) service_failures: f32,
    pub(crate) service_count: f32,
    pub(crate) service_bytes: f32,
    pub(crate) beat: f32,
}

/// What a connection's hosts, and its service of one for the other, are known by.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Keys {
    pub(crate) orig: u64,
    pub(crate) resp: u64,
    /// The originator, the responder, the protocol and the port.
    pub(crate) service: u64,
}

impl Keys {
    pub(crate) fn of(c: &Connection<'_>) -> Self {
        let (orig, resp) = (XxHash3_64::oneshot(&c.orig.addr.0), XxHash3_64::oneshot(&c.resp.addr.0));
        let port = u64::from(c.resp.port) << 2 | c.proto as u64;
        Self { orig, resp, service: combine(combine(orig, resp), port) }
    }
}

impl Default for Context {
    /// About 17 megabytes: 65,536 hosts on either side, and 262,144 services one host uses of another.
    fn default() -> Self {
        Self { originators: Table::new(HOSTS), responders: Table::new(HOSTS), services: Table::new(SERVICES) }
    }
}

impl Context {
    /// What a file is to keep of it.
    pub(crate) fn keep(&self) -> Kept {
        Kept {
            originators: self.originators.keep(),
            responders: self.responders.keep(),
            services: self.services.keep(),
        }
    }

    /// The context that was kept; none if it is not such as connections give.
    pub(crate) fn from_kept(kept: Kept) -> Option<Self> {
        let counts = |counts: &[f32]| counts.iter().all(|count| (0.0..=f32::MAX).contains(count));
        let Kept { originators, responders, services } = kept;
        Some(Self {
            originators: Table::from_kept(originators, HOSTS, |it| counts(&[it.new_services]))?,
            responders: Table::from_kept(responders, HOSTS, |it| counts(&[it.connections, it.failed]))?,
            services: Table::from_kept(services, SERVICES, |it| counts(&[it.count, it.bytes]) && it.rhythm.is_sound())?,
        })
    }

    /// Takes a connection in and says what the context makes of it.
    pub(crate) fn observe(&mut self, c: &Connection<'_>, keys: &Keys) -> Circumstances {
        let failed = c.proto != Proto::Icmp && c.conn_state.is_some_and(|state| state.failed());
        let Keys { orig, resp, service } = *keys;

        let visit = self.services.visit(service, c.ts);
        let new_service = visit.since.is_none();
        let service_failures = count_in_a_row(&mut visit.value.failures_in_a_row, failed);
        if let Some(since) = visit.since {
            visit.value.rhythm.add(seconds(since));
        }
        let kept = visit.since.map_or(0.0, decay);
        visit.value.count = visit.value.count * kept + 1.0;
        visit.value.bytes = visit.value.bytes * kept + c.orig.bytes.unwrap_or(0) as f32;
        let (service_count, service_bytes) = (log2(visit.value.count), log2(visit.value.bytes));
        let beat = visit.value.rhythm.evidence();

        let visit = self.originators.visit(orig, c.ts);
        let pause = visit.since.map_or(LONG_AGO, |since| seconds(since).min(LONG_AGO));
        let kept = visit.since.map_or(0.0, decay);
        let originator = visit.value;
        originator.new_services = originator.new_services * kept + f32::from(new_service);

        let visit = self.responders.visit(resp, c.ts);
        let kept = visit.since.map_or(0.0, decay);
        let responder = visit.value;
        responder.connections = responder.connections * kept + 1.0;
        responder.failed = responder.failed * kept + f32::from(failed);

        Circumstances {
            resp_failed_share: (responder.failed + 0.5) / (responder.connections + 1.0),
            resp_originators: log2(responder.originators.add(orig, c.ts)),
            orig_new_services: log2(originator.new_services),
            orig_pause: log2(pause),
            service_failures: log2(service_failures),
            service_count,
            service_bytes,
            beat,
        }
    }
}

fn count_in_a_row(count: &mut u32, more: bool) -> f32 {
    *count = if more { count.saturating_add(1) } else { 0 };
    *count as f32
}

fn seconds(micros: i64) -> f32 {
    micros as f32 / 1e6
}

/// What is left of an hour's decayed count after a pause in microseconds.
fn decay(since: i64) -> f32 {
    libm::exp2f(seconds(since) * (-std::f32::consts::LOG2_E / HOUR))
}

/// A hash of two hashes, in order.
fn combine(a: u64, b: u64) -> u64 {
    // Multiplication folded onto itself: every bit of either depends on every bit of both.
    let product = u128::from(a ^ 0x9E37_79B9_7F4A_7C15) * u128::from(b ^ 0xD6E8_FEB8_6659_FD93);
    (product as u64) ^ (product >> 64) as u64
}

//! Exchanges at regular intervals that last a day. They reveal a beacon with ordinary connections that was already
//! running during training, so that no score is unusual.
//!
//! For every originator and service the pause between answered connections, its deviation and the share of equal
//! payloads are averaged. Chatter, DNS and NTP are regular by design and do not count, nor does traffic within the
//! network, where monitoring polls every host. Every network has regular exchanges, so at most one a day becomes
//! evidence.

use serde::{Deserialize, Serialize};

use super::record::Record;
use crate::alert::reasons::Reason;
use crate::conn::connection::Connection;
use crate::context::keys::ContextKeys;
use crate::context::periodicity::Periodicity;
use crate::context::table::{Table, TableSnapshot};
use crate::proto::Proto;
use crate::units::{DAY, count, duration};

/// Number of services, as a power of 2.
const SERVICES: u32 = 15;
/// Smallest number of connections of a regular exchange.
const MIN_CONNECTIONS: u32 = 100;
/// Its smallest duration, in microseconds: a day.
const MIN_LENGTH: i64 = DAY;
/// Longest pause, in microseconds; after a longer one the exchange starts again.
const MAX_PAUSE: i64 = DAY;
/// Smallest mean of the pauses, in seconds.
const MIN_MEAN: f32 = 10.0;
/// Largest mean deviation of the pauses, as a share of their mean.
const MAX_DEVIATION: f32 = 0.3;
/// Smallest share of connections with the same payload as the one before.
const MIN_EQUAL: f32 = 0.8;
/// Number of connections that the share of equal payloads covers.
const AVERAGED: f32 = 32.0;
/// Ports of DNS and NTP, which are regular by design.
pub(super) const REGULAR_PORTS: [u16; 2] = [53, 123];

/// Regular exchanges, in bounded memory: about 2 MB.
#[derive(Debug)]
pub(super) struct Exchanges {
    services: Table<Exchange>,
    /// Time of the last report, in microseconds since 1970.
    reported: Option<i64>,
}

/// Exchanges and the time of the last report, in a file.
pub(super) type ExchangesSnapshot = (TableSnapshot<Exchange>, Option<i64>);

#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
pub(super) struct Exchange {
    first: i64,
    last: i64,
    bytes: u64,
    connections: u32,
    pauses: Periodicity,
    equal: f32,
    reported: bool,
}

/// Evidence of a regular exchange.
#[derive(Clone, Debug)]
pub(super) struct Regularity {
    pub(super) connections: u32,
    pub(super) reason: Reason,
}

impl Default for Exchanges {
    fn default() -> Self {
        Self { services: Table::new(SERVICES), reported: None }
    }
}

impl Exchanges {
    pub(super) fn snapshot(&self) -> ExchangesSnapshot {
        (self.services.snapshot(), self.reported)
    }

    /// Exchanges from a file; `None` if they contain impossible values.
    pub(super) fn from_snapshot((services, reported): ExchangesSnapshot) -> Option<Self> {
        let is_sound = |it: &Exchange| it.pauses.is_sound() && (0.0..=1.0).contains(&it.equal);
        Some(Self { services: Table::from_snapshot(services, SERVICES, is_sound)?, reported })
    }

    /// Starts fetching the exchange with a service, see [`Table::prefetch`].
    pub(super) fn prefetch(&self, keys: &ContextKeys) {
        self.services.prefetch(keys.service);
    }

    /// Adds a connection, and returns the evidence if the exchange has just become regular; without `may_report`, a
    /// later connection can do so.
    pub(super) fn add(
        &mut self,
        record: &Record,
        connection: &Connection<'_>,
        keys: &ContextKeys,
        may_report: bool,
    ) -> Option<Regularity> {
        let is_session = !record.failed && matches!(record.proto, Proto::Tcp | Proto::Udp);
        if record.query.is_some()
            || !is_session
            || REGULAR_PORTS.contains(&record.port)
            || record.orig_is_internal && record.resp_is_internal
            || connection.is_chatter()
        {
            return None;
        }
        let exchange = self.services.visit(keys.service, record.end).value;
        exchange.add(record);
        // The last report can lie ahead of a clock that was corrected.
        let is_allowed = self.reported.is_none_or(|last| record.end.abs_diff(last) >= DAY.unsigned_abs());
        if !may_report || exchange.reported || !is_allowed || !exchange.is_regular() {
            return None;
        }
        exchange.reported = true;
        self.reported = Some(record.end);
        let text = format!(
            "{} connections of equal size to this service in {}, about every {}",
            count(exchange.connections.into()),
            duration(exchange.last.saturating_sub(exchange.first)),
            duration((f64::from(exchange.pauses.mean) * 1e6) as i64)
        );
        Some(Regularity { connections: exchange.connections, reason: Reason::new("regular", text) })
    }
}

impl Exchange {
    fn add(&mut self, record: &Record) {
        let pause = record.ts.saturating_sub(self.last);
        if self.connections == 0 || pause > MAX_PAUSE {
            *self =
                Self { first: record.ts, last: record.ts, bytes: record.bytes_out, connections: 1, ..Self::default() };
            return;
        }
        self.pauses.add(pause.max(0) as f32 / 1e6);
        let weight = 1.0 / (self.connections as f32).min(AVERAGED);
        self.equal += weight * (f32::from(u8::from(record.bytes_out == self.bytes)) - self.equal);
        self.connections = self.connections.saturating_add(1);
        (self.last, self.bytes) = (self.last.max(record.ts), record.bytes_out);
    }

    fn is_regular(&self) -> bool {
        self.connections >= MIN_CONNECTIONS
            && self.last.saturating_sub(self.first) >= MIN_LENGTH
            && self.pauses.mean >= MIN_MEAN
            && self.pauses.deviation <= MAX_DEVIATION * self.pauses.mean
            && self.equal >= MIN_EQUAL
    }
}

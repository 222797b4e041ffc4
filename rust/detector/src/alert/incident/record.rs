//! Common view of connections and queries for incidents.

use serde::{Deserialize, Serialize};

use super::incident::Observation;
use super::queries::Query;
use super::service::{self, ServiceName, service_name};
use crate::address::Address;
use crate::conn::connection::Connection;
use crate::proto::Proto;
use crate::record::LogRecord;

/// Key of an incident's totals: the service of a responder, or the hash of a domain in dns.log.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum TotalsKey {
    Service(Address, Proto, u16),
    Domain(u64),
}

/// Fields of a record that incidents use.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(super) struct Record {
    pub(super) originator: Address,
    pub(super) responder: Address,
    pub(super) proto: Proto,
    pub(super) port: u16,
    #[serde(with = "service")]
    pub(super) service: ServiceName,
    pub(super) failed: bool,
    pub(super) orig_is_internal: bool,
    pub(super) resp_is_internal: bool,
    pub(super) ts: i64,
    pub(super) end: i64,
    pub(super) bytes_out: u64,
    pub(super) bytes_in: u64,
    /// The query, for a record of dns.log.
    pub(super) query: Option<Query>,
    /// True if it adds to the sum of its originator's connections to new hosts, or queries for new domains.
    pub(super) adds_to_fan_out: bool,
}

impl Record {
    pub(super) fn of(o: &Observation<'_>, c: &Connection<'_>) -> Self {
        let query = match &o.record {
            LogRecord::Conn(_) => None,
            LogRecord::Dns(query) => Some(Query::of(query)),
        };
        // Multicast groups and broadcasts do not answer, and a stray reply is no connection that failed.
        let can_fail = !c.resp.addr.is_group() && c.receiver_of_stray_reply().is_none();
        Self {
            originator: c.orig.addr,
            responder: c.resp.addr,
            proto: c.proto,
            port: c.resp.port,
            service: c.service.map_or("", service_name),
            failed: can_fail && o.record.failed(),
            orig_is_internal: c.orig.is_internal(),
            resp_is_internal: c.resp.is_internal(),
            ts: c.ts,
            end: c.end(),
            bytes_out: c.orig.bytes.unwrap_or(0),
            bytes_in: c.resp.bytes.unwrap_or(0),
            query,
            adds_to_fan_out: o.verdict.adds_to_fan_out,
        }
    }

    /// Key of the totals it counts in.
    pub(super) fn key(&self) -> TotalsKey {
        match &self.query {
            None => TotalsKey::Service(self.responder, self.proto, self.port),
            Some(query) => TotalsKey::Domain(query.domain),
        }
    }

    /// Returns true if another record of the originator belongs to the same connections to new hosts on a port, or
    /// queries for new domains. Failed connections and generated domains do so even if they are not unusual.
    pub(super) fn is_of_same_fan_out(&self, other: &Record) -> bool {
        let is_same_port = (self.proto, self.port) == (other.proto, other.port);
        match (&self.query, &other.query) {
            (None, None) => is_same_port && (other.adds_to_fan_out || self.failed && other.failed),
            (Some(query), Some(other_query)) => {
                other.adds_to_fan_out || query.may_be_generated() && other_query.may_be_generated()
            }
            _ => false,
        }
    }

    /// Returns true if it is a query that a client of generated domains may make.
    pub(super) fn may_be_generated(&self) -> bool {
        self.query.is_some_and(|query| query.may_be_generated())
    }
}

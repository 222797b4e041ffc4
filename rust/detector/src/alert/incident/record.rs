//! Common view of connections and queries for incidents.

use super::domain::Query;
use super::trail::Trail;
use crate::conn::connection::{Address, Connection, Proto};
use crate::record::LogRecord;

/// Fields of a record that incidents use.
#[derive(Clone, Copy, Debug)]
pub(super) struct Record {
    pub(super) originator: Address,
    pub(super) responder: Address,
    pub(super) proto: Proto,
    pub(super) port: u16,
    pub(super) service: &'static str,
    pub(super) failed: bool,
    pub(super) inward: bool,
    pub(super) ts: i64,
    pub(super) end: i64,
    pub(super) bytes_out: u64,
    pub(super) bytes_in: u64,
    /// The query, for a record of dns.log.
    pub(super) query: Option<Query>,
}

impl Record {
    pub(super) fn of(record: &LogRecord<'_>, c: &Connection<'_>) -> Self {
        let (query, query_failed) = match record {
            LogRecord::Conn(_) => (None, false),
            LogRecord::Dns(query) => (Some(Query::of(query)), query.failed()),
        };
        Self {
            originator: c.orig.addr,
            responder: c.resp.addr,
            proto: c.proto,
            port: c.resp.port,
            service: c.service.map_or("", service_name),
            // Multicast groups and broadcasts do not answer.
            failed: c.proto != Proto::Icmp
                && !c.resp.addr.is_group()
                && (query_failed || c.conn_state.is_some_and(|state| state.failed())),
            inward: !c.orig.is_local() && c.resp.is_local(),
            ts: c.ts,
            end: c.end(),
            bytes_out: c.orig.bytes.unwrap_or(0),
            bytes_in: c.resp.bytes.unwrap_or(0),
            query,
        }
    }

    /// Returns whether it belongs to a trail: the same service of a responder, or the same domain of a query.
    pub(super) fn is_to(&self, trail: &Trail) -> bool {
        match (&self.query, &trail.domain) {
            (None, None) => (trail.port, trail.proto, trail.responder) == (self.port, self.proto, self.responder),
            (Some(query), Some(domain)) => query.domain == domain.key,
            _ => false,
        }
    }

    /// Returns whether another record would belong to the same trail.
    pub(super) fn is_like(&self, other: &Record) -> bool {
        match (&self.query, &other.query) {
            (None, None) => (other.port, other.proto, other.responder) == (self.port, self.proto, self.responder),
            (Some(query), Some(other)) => query.domain == other.domain,
            _ => false,
        }
    }

    /// Returns whether it is a query that a client of generated domains may make.
    pub(super) fn may_be_generated(&self) -> bool {
        self.query.is_some_and(|query| query.may_be_generated())
    }
}

/// The /24 or /64 of an address.
pub(super) fn network(address: Address) -> Address {
    let (prefix, mut bytes) = (address.network(), [0; 16]);
    bytes[..prefix.len()].copy_from_slice(prefix);
    Address(bytes)
}

/// First service of a connection with a known name.
pub(super) fn service_name(services: &[u8]) -> &'static str {
    const NAMES: [&str; 20] = [
        "dns", "ssh", "http", "ssl", "quic", "ftp", "smtp", "imap", "pop3", "rdp", "rfb", "smb", "dce_rpc", "ntlm",
        "krb", "ldap", "mysql", "ntp", "dhcp", "snmp",
    ];
    let is_service = |name: &&&str| services.split(|&byte| byte == b',').any(|service| service == name.as_bytes());
    NAMES.iter().find(is_service).copied().unwrap_or("")
}

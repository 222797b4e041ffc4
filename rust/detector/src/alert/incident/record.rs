//! Fields of a connection that incidents use.

use super::trail::Trail;
use crate::conn::connection::{Address, Connection, Proto};

/// Fields of a connection that incidents use.
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
}

impl Record {
    pub(super) fn of(c: &Connection<'_>) -> Self {
        Self {
            originator: c.orig.addr,
            responder: c.resp.addr,
            proto: c.proto,
            port: c.resp.port,
            service: c.service.map_or("", service_name),
            // Multicast groups and broadcasts do not answer.
            failed: c.proto != Proto::Icmp
                && !is_group(c.resp.addr)
                && c.conn_state.is_some_and(|state| state.failed()),
            inward: !c.orig.is_local() && c.resp.is_local(),
            ts: c.ts,
            end: c.end(),
            bytes_out: c.orig.bytes.unwrap_or(0),
            bytes_in: c.resp.bytes.unwrap_or(0),
        }
    }

    pub(super) fn is_to(&self, trail: &Trail) -> bool {
        (trail.port, trail.proto, trail.responder) == (self.port, self.proto, self.responder)
    }
}

/// Returns whether an address is multicast, or broadcast by its last byte.
pub(super) fn is_group(address: Address) -> bool {
    match std::net::Ipv6Addr::from(address.0).to_canonical() {
        std::net::IpAddr::V4(address) => address.is_multicast() || address.octets()[3] == 255,
        std::net::IpAddr::V6(address) => address.is_multicast(),
    }
}

/// The /24 or /64 of an address.
pub(super) fn network(address: Address) -> Address {
    let is_v4 = std::net::Ipv6Addr::from(address.0).to_ipv4_mapped().is_some();
    let mut bytes = address.0;
    bytes[if is_v4 { 15 } else { 8 }..].fill(0);
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

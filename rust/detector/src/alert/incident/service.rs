//! Names of services that incidents distinguish. They are static, so that totals stay small.

use serde::{Deserialize, Deserializer, Serializer};

/// An alias, because serde's derive macro mistakes a reference for borrowed input.
pub(super) type ServiceName = &'static str;

/// Name of a service of a connection, the first in this list; empty if none is in it.
pub(super) fn service_name(services: &[u8]) -> &'static str {
    const NAMES: [&str; 20] = [
        "dns", "ssh", "http", "ssl", "quic", "ftp", "smtp", "imap", "pop3", "rdp", "rfb", "smb", "dce_rpc", "ntlm",
        "krb", "ldap", "mysql", "ntp", "dhcp", "snmp",
    ];
    let is_service = |name: &&&str| services.split(|&byte| byte == b',').any(|service| service == name.as_bytes());
    NAMES.iter().find(is_service).copied().unwrap_or("")
}

pub(super) fn serialize<S: Serializer>(name: &&'static str, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(name)
}

/// Unknown names become empty.
pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<&'static str, D::Error> {
    let name = String::deserialize(deserializer)?;
    Ok(service_name(name.as_bytes()))
}

//! Selection of connections by address.

use detector::{Address, Connection, Incident, Network};

use crate::format;

/// Connections to show: those of certain hosts, except those of excluded networks. All connections count as context.
#[derive(Clone, Debug, Default)]
pub struct HostFilter {
    /// If not empty, one side must be one of these.
    pub hosts: Vec<Address>,
    /// Neither side can be in one of these.
    pub excluded: Vec<Network>,
}

impl HostFilter {
    /// Returns true if a connection is selected.
    pub fn matches(&self, connection: &Connection<'_>) -> bool {
        let sides = [connection.orig.addr, connection.resp.addr];
        let is_host = self.hosts.is_empty() || sides.iter().any(|side| self.hosts.contains(side));
        is_host && !self.excludes(connection)
    }

    /// Returns true if an incident involves one of the hosts.
    pub fn matches_incident(&self, incident: &Incident) -> bool {
        self.hosts.is_empty() || self.hosts.iter().any(|host| incident.involves(*host))
    }

    /// The selection as words after a noun: ` of 192.0.2.1 outside the excluded networks`.
    pub fn words(&self) -> String {
        let hosts: Vec<_> = self.hosts.iter().map(Address::to_string).collect();
        let hosts = if hosts.is_empty() { String::new() } else { format!(" of {}", format::names(&hosts)) };
        hosts + if self.excluded.is_empty() { "" } else { " outside the excluded networks" }
    }

    /// Returns true if one side of a connection is in an excluded network.
    pub fn excludes(&self, connection: &Connection<'_>) -> bool {
        let sides = [connection.orig.addr, connection.resp.addr];
        self.excluded.iter().any(|network| sides.iter().any(|side| network.contains(*side)))
    }
}

#[cfg(test)]
mod tests {
    use std::net::IpAddr;

    use super::*;

    fn address(text: &str) -> Address {
        text.parse::<IpAddr>().unwrap().into()
    }

    #[test]
    fn filters_by_both_sides() {
        let mut connection = Connection::default();
        (connection.orig.addr, connection.resp.addr) = (address("192.0.2.1"), address("198.51.100.1"));
        let filter = |hosts: &[&str], excluded: &[&str]| HostFilter {
            hosts: hosts.iter().map(|host| address(host)).collect(),
            excluded: excluded.iter().map(|network| network.parse().unwrap()).collect(),
        };
        assert!(filter(&[], &[]).matches(&connection));
        assert!(filter(&["192.0.2.1"], &[]).matches(&connection));
        assert!(filter(&["203.0.113.1", "198.51.100.1"], &[]).matches(&connection));
        assert!(!filter(&["192.0.2.2"], &[]).matches(&connection));
        assert!(!filter(&["192.0.2.1"], &["198.51.100.0/24"]).matches(&connection));
    }
}

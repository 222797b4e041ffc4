//! Selection of connections by address.

use std::net::IpAddr;
use std::str::FromStr;

use detector::{Address, Connection};

/// Connections to show: those of certain hosts, except those of excluded networks. All connections count as context.
#[derive(Clone, Debug, Default)]
pub struct HostFilter {
    /// If not empty, one side must be one of these.
    pub hosts: Vec<Address>,
    /// Neither side can be in one of these.
    pub excluded: Vec<Network>,
}

/// Network in CIDR notation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Network {
    address: u128,
    mask: u128,
}

impl HostFilter {
    /// True if a connection is selected.
    pub fn matches(&self, connection: &Connection<'_>) -> bool {
        let sides = [connection.orig.addr, connection.resp.addr];
        let is_host = self.hosts.is_empty() || sides.iter().any(|side| self.hosts.contains(side));
        is_host && !self.excluded.iter().any(|network| sides.iter().any(|side| network.contains(*side)))
    }
}

impl Network {
    fn contains(self, address: Address) -> bool {
        u128::from_be_bytes(address.0) & self.mask == self.address
    }
}

impl FromStr for Network {
    type Err = String;

    /// Parses `192.0.2.0/24`, `2001:db8::/32` or a single address.
    fn from_str(text: &str) -> Result<Self, String> {
        let invalid = || "not an address or a network such as 192.0.2.0/24".to_owned();
        let (ip, length) = match text.split_once('/') {
            Some((ip, length)) => (ip, Some(length.parse::<u32>().map_err(|_| invalid())?)),
            None => (text, None),
        };
        let ip: IpAddr = ip.parse().map_err(|_| invalid())?;
        let bits = if ip.is_ipv4() { 32 } else { 128 };
        let length = length.unwrap_or(bits);
        if length > bits {
            return Err(invalid());
        }
        // IPv4 addresses are the last 32 bits of a mapped address.
        let mask = u128::MAX.checked_shl(bits - length).unwrap_or(0);
        let mask = if ip.is_ipv4() { mask | !u128::from(u32::MAX) } else { mask };
        Ok(Self { address: u128::from_be_bytes(Address::from(ip).0) & mask, mask })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(text: &str) -> Address {
        text.parse::<IpAddr>().unwrap().into()
    }

    #[test]
    fn networks_contain_their_addresses() {
        for (network, inside, outside) in [
            ("192.0.2.0/24", "192.0.2.255", "192.0.3.0"),
            ("192.0.2.7", "192.0.2.7", "192.0.2.8"),
            ("0.0.0.0/0", "203.0.113.1", "2001:db8::1"),
            ("2001:db8::/32", "2001:db8:ffff::1", "2001:db9::"),
        ] {
            let network: Network = network.parse().unwrap();
            assert!(network.contains(address(inside)) && !network.contains(address(outside)), "{network:?}");
        }
        assert!("::/0".parse::<Network>().unwrap().contains(address("2001:db8::1")));
    }

    #[test]
    fn rejects_invalid_networks() {
        for text in ["", "x", "192.0.2.0/33", "192.0.2.0/-1", "192.0.2.0/", "2001:db8::/129", "host.example/8"] {
            assert!(text.parse::<Network>().is_err(), "{text}");
        }
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

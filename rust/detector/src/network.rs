//! Networks in CIDR notation.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use crate::address::Address;
use crate::error::{Error, ErrorKind};

/// Length of the prefix of all IPv4 addresses in an [`Address`], in bits.
const MAPPED: u32 = 96;

/// Addresses with a common prefix.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Network {
    prefix: Address,
    /// Length of the prefix in bits. IPv4 addresses are mapped, so their prefixes have 96 bits more.
    bits: u32,
}

impl Network {
    /// The /24 of an IPv4 address, the /64 of an IPv6 address.
    pub(crate) fn of(address: Address) -> Self {
        Self { prefix: address.network(), bits: 8 * address.network_bytes().len() as u32 }
    }

    /// Returns true if all addresses of another network are in this one.
    pub(crate) fn contains_network(self, other: Self) -> bool {
        self.bits <= other.bits && self.contains(other.prefix)
    }

    /// Returns true if an address is in the network. An IPv6 network contains no IPv4 addresses.
    pub fn contains(self, address: Address) -> bool {
        let difference = u128::from_be_bytes(self.prefix.0) ^ u128::from_be_bytes(address.0);
        difference.leading_zeros() >= self.bits && (self.bits >= MAPPED || address.number().is_err())
    }

    /// Returns true if the network is wider than /8; in IPv6, than /7, the prefix of unique local addresses.
    pub fn is_broad(self) -> bool {
        let widest = if self.prefix.number().is_ok() { MAPPED + 8 } else { 7 };
        self.bits < widest
    }
}

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mapped = if self.prefix.number().is_ok() { MAPPED } else { 0 };
        write!(f, "{}/{}", self.prefix, self.bits - mapped)
    }
}

impl FromStr for Network {
    type Err = Error;

    /// Parses `192.0.2.0/24`, `2001:db8::/32` or a single address.
    fn from_str(text: &str) -> Result<Self, Error> {
        let (address, length) = text.split_once('/').map_or((text, None), |(address, bits)| (address, Some(bits)));
        let address: IpAddr = address.parse().map_err(|_| ErrorKind::Network)?;
        let (most, mapped) = if address.is_ipv4() { (32, MAPPED) } else { (128, 0) };
        let bits = length.map_or(Ok(most), str::parse).map_err(|_| ErrorKind::Network)?;
        if bits > most {
            return Err(ErrorKind::Network.into());
        }
        Ok(Self { prefix: address.into(), bits: bits + mapped })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixtures::address;

    #[test]
    fn networks_contain_their_addresses() {
        for (network, inside, outside) in [
            ("192.0.2.0/24", "192.0.2.255", "192.0.3.0"),
            ("192.0.2.77/24", "192.0.2.1", "192.0.3.0"),
            ("192.0.2.7", "192.0.2.7", "192.0.2.8"),
            ("0.0.0.0/0", "203.0.113.1", "2001:db8::1"),
            ("::/0", "2001:db8::1", "203.0.113.1"),
            ("::/8", "::1", "203.0.113.1"),
            ("2001:db8::/32", "2001:db8:ffff::1", "2001:db9::"),
        ] {
            let network: Network = network.parse().unwrap();
            assert!(network.contains(address(inside)) && !network.contains(address(outside)), "{network:?}");
        }
    }

    #[test]
    fn the_network_of_an_address_is_in_wider_ones_only() {
        for (host, own, wider, half) in [
            ("192.0.2.77", "192.0.2.0/24", "192.0.0.0/16", "192.0.2.0/25"),
            ("2001:db8::7", "2001:db8::/64", "2001:db8::/32", "2001:db8::/65"),
        ] {
            let network = Network::of(address(host));
            let contains = |text: &str| text.parse::<Network>().unwrap().contains_network(network);
            assert_eq!(network.to_string(), own);
            assert_eq!(
                [own, wider, half, "10.0.0.0/8", "::/0"].map(contains),
                [true, true, false, false, host.contains(':')]
            );
        }
    }

    #[test]
    fn networks_wider_than_private_ones_are_broad() {
        for (network, is_broad) in [
            ("0.0.0.0/0", true),
            ("128.0.0.0/1", true),
            ("10.0.0.0/7", true),
            ("10.0.0.0/8", false),
            ("::/0", true),
            ("2000::/3", true),
            ("fc00::/7", false),
            ("2001:db8::1", false),
        ] {
            assert_eq!(network.parse::<Network>().unwrap().is_broad(), is_broad, "{network}");
        }
    }

    #[test]
    fn rejects_invalid_networks() {
        for text in ["", "*", "x", "192.0.2.0/33", "192.0.2.0/-1", "192.0.2.0/", "2001:db8::/129", "host.example/8"] {
            assert!(text.parse::<Network>().is_err(), "{text}");
        }
    }
}

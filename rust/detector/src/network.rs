//! Networks in CIDR notation.

use std::net::{IpAddr, Ipv6Addr};
use std::str::FromStr;

use crate::address::Address;
use crate::error::{Error, ErrorKind};

/// Addresses with a common prefix.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Network {
    prefix: Address,
    /// Length of the prefix in bits. IPv4 addresses are mapped, so their prefixes have 96 bits more.
    bits: u32,
}

impl Network {
    /// Every address, IPv4 and IPv6.
    pub const ANY: Self = Self { prefix: Address([0; 16]), bits: 0 };

    /// Returns true if an address is in the network.
    pub fn contains(self, address: Address) -> bool {
        let difference = u128::from_be_bytes(self.prefix.0) ^ u128::from_be_bytes(address.0);
        difference.leading_zeros() >= self.bits
    }

    /// Returns true if the network has all addresses, or all of IPv4.
    pub fn covers_all(self) -> bool {
        self.bits == 0 || (self.bits == 96 && Ipv6Addr::from(self.prefix.0).to_ipv4_mapped().is_some())
    }
}

impl FromStr for Network {
    type Err = Error;

    /// Parses `192.0.2.0/24`, `2001:db8::/32` or a single address.
    fn from_str(text: &str) -> Result<Self, Error> {
        let (address, length) = text.split_once('/').map_or((text, None), |(address, bits)| (address, Some(bits)));
        let address: IpAddr = address.parse().map_err(|_| ErrorKind::Network)?;
        let (most, mapped) = if address.is_ipv4() { (32, 96) } else { (128, 0) };
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

    fn address(text: &str) -> Address {
        text.parse::<IpAddr>().unwrap().into()
    }

    #[test]
    fn networks_contain_their_addresses() {
        for (network, inside, outside) in [
            ("192.0.2.0/24", "192.0.2.255", "192.0.3.0"),
            ("192.0.2.77/24", "192.0.2.1", "192.0.3.0"),
            ("192.0.2.7", "192.0.2.7", "192.0.2.8"),
            ("0.0.0.0/0", "203.0.113.1", "2001:db8::1"),
            ("2001:db8::/32", "2001:db8:ffff::1", "2001:db9::"),
        ] {
            let network: Network = network.parse().unwrap();
            assert!(network.contains(address(inside)) && !network.contains(address(outside)), "{network:?}");
        }
        for any in [Network::ANY, "::/0".parse().unwrap()] {
            assert!(any.contains(address("2001:db8::1")) && any.contains(address("192.0.2.1")));
        }
    }

    #[test]
    fn whole_address_families_cover_all() {
        for (network, covers_all) in [("::/0", true), ("0.0.0.0/0", true), ("10.0.0.0/8", false), ("::/96", false)] {
            assert_eq!(network.parse::<Network>().unwrap().covers_all(), covers_all, "{network}");
        }
    }

    #[test]
    fn rejects_invalid_networks() {
        for text in ["", "*", "x", "192.0.2.0/33", "192.0.2.0/-1", "192.0.2.0/", "2001:db8::/129", "host.example/8"] {
            assert!(text.parse::<Network>().is_err(), "{text}");
        }
    }
}

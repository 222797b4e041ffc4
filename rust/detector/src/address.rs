//! IP addresses.

use serde::{Deserialize, Serialize};

/// IP address, 16 bytes in network order. IPv4 addresses are mapped (`::ffff:a.b.c.d`), as in Zeek.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Address(pub [u8; 16]);

impl Address {
    /// Returns true if the address is internal: private (RFC 1918), unique local (RFC 4193), link-local, loopback or
    /// multicast.
    pub fn is_internal(self) -> bool {
        match self.number() {
            Ok(v4) => {
                let is_private = v4 >> 24 == 10 || v4 >> 20 == 0xac1 || v4 >> 16 == 0xc0a8;
                is_private || v4 >> 16 == 0xa9fe || v4 >> 24 == 127 || v4 >> 28 == 0xe
            }
            Err(v6) => v6 >> 121 == 0xfc00 >> 9 || v6 >> 118 == 0xfe80 >> 6 || v6 == 1 || v6 >> 120 == 0xff,
        }
    }

    /// Returns true for an address of documentation (RFC 5737, RFC 3849).
    pub(crate) fn is_documentation(self) -> bool {
        match self.number() {
            Ok(v4) => matches!(v4 >> 8, 0xc0_0002 | 0xc6_3364 | 0xcb_0071),
            Err(v6) => v6 >> 96 == 0x2001_0db8,
        }
    }

    /// Bytes of its network: /24 for IPv4, /64 for IPv6.
    pub(crate) fn network_bytes(&self) -> &[u8] {
        let is_v4 = self.0[..12] == [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff];
        if is_v4 { &self.0[..15] } else { &self.0[..8] }
    }

    /// Its network as an address that ends in zeros.
    pub(crate) fn network(&self) -> Self {
        let (prefix, mut bytes) = (self.network_bytes(), [0; 16]);
        bytes[..prefix.len()].copy_from_slice(prefix);
        Self(bytes)
    }

    /// The address as a number: of IPv4, or else of IPv6.
    pub(crate) fn number(self) -> Result<u32, u128> {
        let number = u128::from_be_bytes(self.0);
        if number >> 32 == 0xffff { Ok(number as u32) } else { Err(number) }
    }

    /// Returns true if the address is unspecified or link-local. Every record is asked, so it compares numbers.
    pub(crate) fn is_of_link(self) -> bool {
        match self.number() {
            Ok(v4) => v4 == 0 || v4 >> 16 == 0xa9fe,
            Err(v6) => v6 == 0 || v6 >> 118 == 0xfe80 >> 6,
        }
    }

    /// Returns true if the address stands for several hosts: multicast, or broadcast by its last byte.
    pub(crate) fn is_group(self) -> bool {
        match self.number() {
            Ok(v4) => v4 >> 28 == 0xe || v4 & 0xff == 0xff,
            Err(v6) => v6 >> 120 == 0xff,
        }
    }

    /// Returns true if it is a multicast group.
    pub fn is_multicast(self) -> bool {
        match self.number() {
            Ok(v4) => v4 >> 28 == 0xe,
            Err(v6) => v6 >> 120 == 0xff,
        }
    }
}

impl From<std::net::IpAddr> for Address {
    fn from(ip: std::net::IpAddr) -> Self {
        match ip {
            std::net::IpAddr::V4(ip) => Self(ip.to_ipv6_mapped().octets()),
            std::net::IpAddr::V6(ip) => Self(ip.octets()),
        }
    }
}

impl std::fmt::Display for Address {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        std::net::Ipv6Addr::from(self.0).to_canonical().fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use crate::fixtures::address;

    #[test]
    fn recognizes_internal_addresses() {
        for inside in [
            "10.1.2.3",
            "172.16.0.0",
            "172.31.0.1",
            "192.168.0.1",
            "169.254.1.1",
            "127.0.0.1",
            "224.0.0.251",
            "239.255.255.250",
            "::1",
            "fc00::1",
            "fdff::1",
            "fe80::1",
            "ff02::fb",
        ] {
            assert!(address(inside).is_internal(), "{inside}");
        }
        for outside in [
            "9.9.9.9",
            "11.0.0.1",
            "126.0.0.1",
            "169.253.0.1",
            "172.15.0.1",
            "172.32.0.1",
            "192.167.0.1",
            "240.0.0.1",
            "::",
            "2001:db8::1",
            "fbff::1",
            "fe00::1",
            "fec0::1",
        ] {
            assert!(!address(outside).is_internal(), "{outside}");
        }
    }

    #[test]
    fn recognizes_addresses_of_chatter() {
        let kind = |text: &str| (address(text).is_of_link(), address(text).is_group());
        for link in ["0.0.0.0", "169.254.0.0", "169.254.254.254", "::", "fe80::1", "febf::1"] {
            assert_eq!(kind(link), (true, false), "{link}");
        }
        for group in ["224.0.0.0", "239.1.2.3", "10.0.0.255", "255.255.255.255", "ff00::", "ff02::fb"] {
            assert_eq!(kind(group), (false, true), "{group}");
        }
        for host in
            ["0.0.0.1", "169.253.0.1", "169.255.0.1", "223.1.2.3", "240.0.0.1", "::1", "fe7f::1", "fec0::1", "fdff::"]
        {
            assert_eq!(kind(host), (false, false), "{host}");
        }
    }

    #[test]
    fn addresses_print_as_in_a_log() {
        assert_eq!(address("10.0.0.1").to_string(), "10.0.0.1");
        assert_eq!(address("2001:db8::1").to_string(), "2001:db8::1");
    }
}

//! DNS transaction in the fields of dns.log, borrowed from its source.

use crate::address::Address;
use crate::proto::Proto;

/// One row of dns.log: a query, its response, or both.
///
/// Names and answers are the bytes of the message, without the escapes of a log, so that a sensor and a log give the
/// same features. Times are integer microseconds, as in [`Connection`](crate::Connection).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DnsQuery<'a> {
    /// `ts`: time of the query, in microseconds since 1970.
    pub ts: i64,
    /// `id.orig_h`: the client.
    pub client: Address,
    /// `id.orig_p`.
    pub client_port: u16,
    /// `id.resp_h`: the name server or resolver, or a multicast group.
    pub server: Address,
    /// `id.resp_p`.
    pub server_port: u16,
    /// `proto`.
    pub proto: Proto,
    /// `rtt` in microseconds.
    pub rtt: Option<i64>,
    /// `query`: the name, in any case.
    pub query: Option<&'a [u8]>,
    /// `qtype`.
    pub qtype: Option<u64>,
    /// `rcode` of the response.
    pub rcode: Option<u64>,
    /// Number of elements of `answers`.
    pub answers: u32,
    /// Length of all elements of `answers`, in bytes.
    pub answer_bytes: u64,
    /// Smallest of `TTLs`, in microseconds.
    pub min_ttl: Option<i64>,
}

/// Protocols that Zeek logs in dns.log. All but DNS proper are chatter, which has a peer group.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Protocol {
    /// DNS proper: unicast, usually port 53.
    Dns,
    /// Multicast DNS (RFC 6762), port 5353.
    Mdns,
    /// Link-Local Multicast Name Resolution (RFC 4795), port 5355.
    Llmnr,
    /// NetBIOS name service (RFC 1002), port 137.
    Netbios,
}

impl Protocol {
    /// Its name in reasons.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Dns => "DNS",
            Self::Mdns => "multicast DNS",
            Self::Llmnr => "LLMNR",
            Self::Netbios => "NetBIOS",
        }
    }
}

impl DnsQuery<'_> {
    /// The protocol, by its ports and addresses.
    pub fn protocol(&self) -> Protocol {
        match (self.client_port, self.server_port) {
            (_, 5353) | (5353, _) => Protocol::Mdns,
            (_, 5355) | (5355, _) => Protocol::Llmnr,
            (_, 137) => Protocol::Netbios,
            _ if self.server.is_multicast() => Protocol::Mdns,
            _ => Protocol::Dns,
        }
    }

    /// Returns true if it resolves names on the local link (mDNS, LLMNR, NetBIOS), which has a separate peer group.
    pub(crate) fn is_chatter(&self) -> bool {
        self.protocol() != Protocol::Dns
    }

    /// Returns true if it got no answer from its server, or was refused.
    pub(crate) fn failed(&self) -> bool {
        !self.is_chatter() && self.rcode.is_none_or(|rcode| UNPROCESSED.contains(&rcode))
    }

    /// Copy without the name, which borrows from the source of the record.
    pub fn without_texts(&self) -> DnsQuery<'static> {
        DnsQuery { query: None, ..*self }
    }
}

/// `qtype` of an address.
pub(crate) const ADDRESS: u64 = 1;
/// `rcode` of queries that the server did not process: SERVFAIL, NOTIMP, REFUSED.
const UNPROCESSED: [u64; 3] = [2, 4, 5];
/// `rcode` of a name that does not exist.
pub const NXDOMAIN: u64 = 3;

/// Registered name of a query type; `TYPE65280` for one without.
pub fn type_name(qtype: u64) -> String {
    let name = match qtype {
        1 => "A",
        2 => "NS",
        5 => "CNAME",
        6 => "SOA",
        10 => "NULL",
        12 => "PTR",
        13 => "HINFO",
        15 => "MX",
        16 => "TXT",
        24 => "SIG",
        25 => "KEY",
        28 => "AAAA",
        32 => "NetBIOS",
        33 => "SRV",
        35 => "NAPTR",
        43 => "DS",
        46 => "RRSIG",
        47 => "NSEC",
        48 => "DNSKEY",
        52 => "TLSA",
        64 => "SVCB",
        65 => "HTTPS",
        99 => "SPF",
        251 => "IXFR",
        252 => "AXFR",
        255 => "ANY",
        257 => "CAA",
        other => return format!("TYPE{other}"),
    };
    name.to_owned()
}

/// Registered name of a response code; `RCODE15` for one without.
pub fn rcode_name(rcode: u64) -> String {
    let name = match rcode {
        0 => "NOERROR",
        1 => "FORMERR",
        2 => "SERVFAIL",
        3 => "NXDOMAIN",
        4 => "NOTIMP",
        5 => "REFUSED",
        6 => "YXDOMAIN",
        7 => "YXRRSET",
        8 => "NXRRSET",
        9 => "NOTAUTH",
        10 => "NOTZONE",
        other => return format!("RCODE{other}"),
    };
    name.to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixtures::address;

    #[test]
    fn refused_and_unanswered_queries_fail_and_nonexistent_names_do_not() {
        let failed = |rcode, server_port| DnsQuery { rcode, server_port, ..DnsQuery::default() }.failed();
        for (rcode, expected) in
            [(None, true), (Some(0), false), (Some(2), true), (Some(NXDOMAIN), false), (Some(5), true)]
        {
            assert_eq!(failed(rcode, 53), expected, "{rcode:?}");
        }
        assert!(!failed(None, 5353), "multicast queries often have no answer");
    }

    #[test]
    fn protocols_are_recognised_by_port_and_group() {
        let of = |client_port, server_port, server| {
            DnsQuery { client_port, server_port, server: address(server), ..DnsQuery::default() }.protocol()
        };
        assert_eq!(of(40_000, 53, "192.0.2.1"), Protocol::Dns);
        assert_eq!(of(40_000, 5353, "224.0.0.251"), Protocol::Mdns);
        assert_eq!(of(5353, 40_000, "192.0.2.1"), Protocol::Mdns);
        assert_eq!(of(40_000, 5355, "ff02::1:3"), Protocol::Llmnr);
        assert_eq!(of(5355, 40_000, "192.0.2.1"), Protocol::Llmnr);
        assert_eq!(of(137, 137, "192.0.2.255"), Protocol::Netbios);
        assert_eq!(of(40_000, 53, "224.0.0.251"), Protocol::Mdns);
        assert_eq!(of(137, 53, "192.0.2.1"), Protocol::Dns);
    }

    #[test]
    fn types_and_codes_have_their_registered_names() {
        assert_eq!([1, 16, 65, 65_280].map(type_name), ["A", "TXT", "HTTPS", "TYPE65280"]);
        assert_eq!([0, NXDOMAIN, 23].map(rcode_name), ["NOERROR", "NXDOMAIN", "RCODE23"]);
    }
}

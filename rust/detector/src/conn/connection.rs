//! A connection with the fields of Zeek's conn.log, borrowed from its source.

use crate::address::Address;
use crate::proto::Proto;
use crate::quantize::nearest;

/// One side of a connection.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Endpoint {
    /// `id.orig_h`, `id.resp_h`.
    pub addr: Address,
    /// `id.orig_p`, `id.resp_p`; for ICMP the type and code, as in Zeek.
    pub port: u16,
    /// `orig_bytes`, `resp_bytes`: payload.
    pub bytes: Option<u64>,
    /// `orig_pkts`, `resp_pkts`.
    pub pkts: Option<u64>,
    /// `orig_ip_bytes`, `resp_ip_bytes`: with headers.
    pub ip_bytes: Option<u64>,
    /// `local_orig`, `local_resp`; unset if the sensor's local networks are not configured.
    pub local: Option<bool>,
}

impl Endpoint {
    /// Returns true if this side is local: by `local`, or else by its address.
    pub(crate) fn is_local(&self) -> bool {
        self.local.unwrap_or_else(|| self.addr.is_internal())
    }

    /// Returns true for a private address, or one that the log calls local. Zeek's default also calls the addresses of
    /// documentation local, which stand for external hosts.
    pub(crate) fn is_internal(&self) -> bool {
        self.addr.is_internal() || self.local == Some(true) && !self.addr.is_documentation()
    }
}

/// A finished connection, one row of conn.log.
///
/// Times are integer microseconds, the resolution of a log, so that a connection is identical from the sensor and from
/// its log row. [`Connection::micros`] converts seconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Connection<'a> {
    /// `ts`: time of the first packet, in microseconds since 1970.
    pub ts: i64,
    /// `duration` in microseconds.
    pub duration: Option<i64>,
    /// The originator.
    pub orig: Endpoint,
    /// The responder.
    pub resp: Endpoint,
    /// `proto`.
    pub proto: Proto,
    /// `conn_state`.
    pub conn_state: Option<ConnState>,
    /// `service`: names separated by commas, in any order.
    pub service: Option<&'a [u8]>,
    /// `history`.
    pub history: Option<&'a [u8]>,
    /// `missed_bytes`.
    pub missed_bytes: u64,
}

impl Connection<'_> {
    /// Time of the last packet, in microseconds since 1970: records arrive in about this order.
    pub fn end(&self) -> i64 {
        self.ts.saturating_add(self.duration.unwrap_or(0).max(0))
    }

    /// Returns true if it was refused or unanswered. Zeek has one state for all ICMP, which never fails.
    pub(crate) fn failed(&self) -> bool {
        self.proto != Proto::Icmp && self.conn_state.is_some_and(ConnState::failed)
    }

    /// Returns true for chatter, traffic of discovery or address configuration: multicast, broadcast, link-local or unspecified
    /// addresses, neighbour and multicast listener discovery, DHCP. Such traffic is steady and unanswered on every
    /// network, so it has a separate peer group.
    pub fn is_chatter(&self) -> bool {
        let is_v6 = self.resp.addr.number().is_err();
        let discovers = self.proto == Proto::Icmp && is_v6 && matches!(self.orig.port, 130..=136 | 143);
        let configures = self.proto == Proto::Udp && matches!(self.resp.port, 67 | 68 | 546 | 547);
        discovers
            || configures
            || self.orig.addr.is_of_link()
            || self.resp.addr.is_of_link()
            || self.resp.addr.is_group()
    }

    /// Receiver of a reply that Zeek logs as a connection of its own: an ICMP error (unreachable, time exceeded and the
    /// like), or a lone TCP reset, sent after Zeek logged the connection. Zeek reverses resets of well-known ports.
    pub(crate) fn receiver_of_stray_reply(&self) -> Option<Address> {
        let is_v4 = self.resp.addr.number().is_ok();
        match self.proto {
            Proto::Icmp if is_v4 => matches!(self.orig.port, 3 | 4 | 11 | 12).then_some(self.resp.addr),
            Proto::Icmp => (self.orig.port <= 4).then_some(self.resp.addr),
            Proto::Tcp if self.history == Some(b"R") => Some(self.resp.addr),
            Proto::Tcp if self.history == Some(b"^r") => Some(self.orig.addr),
            _ => None,
        }
    }

    /// Responder port and protocol as one number.
    pub(crate) fn service_port(&self) -> u64 {
        u64::from(self.resp.port) << 2 | self.proto as u64
    }

    /// Copy without `service` and `history`, which borrow from the source of the record.
    pub fn without_texts(&self) -> Connection<'static> {
        Connection { service: None, history: None, ..*self }
    }

    /// Converts seconds to the microseconds that a log shows, rounded like `printf("%.6f")`: to the nearest, exact
    /// halves to even. NaN becomes 0; values out of range are clamped.
    pub fn micros(seconds: f64) -> i64 {
        // Whole seconds are separated, so that the fraction has few enough bits for an exact product; the only rounding
        // is the intended one.
        let whole = seconds as i64;
        let micros = nearest((seconds - whole as f64) * 1e6);
        whole.saturating_mul(1_000_000).saturating_add(micros as i64)
    }
}

/// `conn_state`: final state of a connection, with Zeek's names.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
#[allow(missing_docs, reason = "the names are Zeek's, documented with conn.log")]
pub enum ConnState {
    S0,
    S1,
    SF,
    REJ,
    S2,
    S3,
    RSTO,
    RSTR,
    RSTOS0,
    RSTRH,
    SH,
    SHR,
    OTH,
}

impl ConnState {
    /// All states, in the order of Zeek's documentation.
    pub const ALL: [Self; 13] = {
        use ConnState::*;
        [S0, S1, SF, REJ, S2, S3, RSTO, RSTR, RSTOS0, RSTRH, SH, SHR, OTH]
    };

    /// From conn.log's name for it.
    pub fn parse(name: &[u8]) -> Option<Self> {
        Some(match name {
            b"S0" => Self::S0,
            b"S1" => Self::S1,
            b"SF" => Self::SF,
            b"REJ" => Self::REJ,
            b"S2" => Self::S2,
            b"S3" => Self::S3,
            b"RSTO" => Self::RSTO,
            b"RSTR" => Self::RSTR,
            b"RSTOS0" => Self::RSTOS0,
            b"RSTRH" => Self::RSTRH,
            b"SH" => Self::SH,
            b"SHR" => Self::SHR,
            b"OTH" => Self::OTH,
            _ => return None,
        })
    }

    /// conn.log's name for it.
    pub fn name(self) -> &'static str {
        ["S0", "S1", "SF", "REJ", "S2", "S3", "RSTO", "RSTR", "RSTOS0", "RSTRH", "SH", "SHR", "OTH"][self as usize]
    }

    /// Name with its meaning for a protocol, after Zeek's documentation of conn.log: `REJ (refused)`. Only the name if
    /// Zeek uses it for every protocol.
    pub fn describe(self, proto: Proto) -> String {
        let meaning = match (proto, self) {
            (Proto::Tcp, Self::S0) | (Proto::Udp, Self::S0) => "no answer",
            (Proto::Tcp, Self::S1) => "not closed",
            (Proto::Tcp, Self::SF) => "closed in order",
            (Proto::Tcp, Self::REJ) => "refused",
            (Proto::Tcp, Self::S2) => "closed by the originator only",
            (Proto::Tcp, Self::S3) => "closed by the responder only",
            (Proto::Tcp, Self::RSTO) => "reset by the originator",
            (Proto::Tcp, Self::RSTR) => "reset by the responder",
            (Proto::Tcp, Self::RSTOS0) => "reset by the originator before an answer",
            (Proto::Tcp, Self::RSTRH) => "reset by the responder, beginning not seen",
            (Proto::Tcp, Self::SH) => "closed by the originator before an answer",
            (Proto::Tcp, Self::SHR) => "closed by the responder, beginning not seen",
            (Proto::Tcp, Self::OTH) => "beginning and end not seen",
            (Proto::Udp, Self::SF) => "answered",
            (Proto::Udp, Self::SHR) => "only the responder sent",
            _ => return self.name().to_owned(),
        };
        format!("{} ({meaning})", self.name())
    }

    /// Returns true if the responder never accepted: no answer, a refusal, or a reset during the handshake.
    pub fn failed(self) -> bool {
        matches!(self, Self::S0 | Self::REJ | Self::RSTOS0 | Self::RSTRH | Self::SH | Self::SHR)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn state_names_parse_back() {
        for (i, state) in ConnState::ALL.into_iter().enumerate() {
            assert_eq!(state as usize, i);
            assert_eq!(ConnState::parse(state.name().as_bytes()), Some(state));
        }
        assert_eq!(ConnState::parse(b"sf"), None);
    }

    #[test]
    fn descriptions_fit_the_protocol() {
        assert!(ConnState::ALL.iter().all(|state| state.describe(Proto::Tcp).contains(" (")));
        assert_eq!(ConnState::SF.describe(Proto::Tcp), "SF (closed in order)");
        assert_eq!(ConnState::SF.describe(Proto::Udp), "SF (answered)");
        assert_eq!(ConnState::OTH.describe(Proto::Icmp), "OTH");
    }

    #[test]
    fn microseconds_equal_those_of_a_printed_timestamp() {
        // Formatting is slow under Miri.
        let times = if cfg!(miri) { 200 } else { 20_000 };
        let mut x = 0x9E37_79B9u64;
        for _ in 0..times {
            x = x.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            let seconds = 1.6e9 + (x >> 11) as f64 / (1u64 << 53) as f64 * 4e8;
            let printed = format!("{seconds:.6}").replace('.', "");
            assert_eq!(Connection::micros(seconds).to_string(), printed);
        }
        assert_eq!(Connection::micros(1_700_000_000.0 + 1.0 / 128.0), 1_700_000_000_007_812);
        assert_eq!(Connection::micros(-0.000_001), -1);
        assert_eq!(Connection::micros(f64::NAN), 0);
        assert_eq!(Connection::micros(f64::INFINITY), i64::MAX);
        assert_eq!(Connection::micros(-1e300), i64::MIN);
    }
}

//! Transport protocols.

use serde::{Deserialize, Serialize};

/// `proto`: the transport protocol.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[repr(u8)]
pub enum Proto {
    /// Any other, as `unknown_transport`.
    #[default]
    Unknown,
    /// `icmp`, of IPv4 or IPv6.
    Icmp,
    /// `tcp`.
    Tcp,
    /// `udp`.
    Udp,
}

impl Proto {
    /// Parses conn.log's name; any other text is [`Proto::Unknown`].
    pub fn parse(name: &[u8]) -> Self {
        match name {
            b"tcp" => Self::Tcp,
            b"udp" => Self::Udp,
            b"icmp" => Self::Icmp,
            _ => Self::Unknown,
        }
    }

    /// conn.log's name for it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Tcp => "tcp",
            Self::Udp => "udp",
            Self::Icmp => "icmp",
            Self::Unknown => "unknown_transport",
        }
    }
}

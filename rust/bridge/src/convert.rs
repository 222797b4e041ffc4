//! Conversion of C++ views to the detector's borrowed connection. It allocates nothing.

use detector::{Address, ConnState, Connection, Endpoint, Proto};

use crate::types;

/// Borrows the connection behind a view.
pub(crate) fn connection<'a>(view: &types::ConnectionView<'a>) -> Connection<'a> {
    Connection {
        ts: Connection::micros(view.ts),
        duration: (view.duration >= 0.0).then(|| Connection::micros(view.duration)),
        orig: endpoint(&view.orig),
        resp: endpoint(&view.resp),
        proto: match view.proto {
            types::Proto::Icmp => Proto::Icmp,
            types::Proto::Tcp => Proto::Tcp,
            types::Proto::Udp => Proto::Udp,
            _ => Proto::Unknown,
        },
        conn_state: ConnState::parse(view.conn_state),
        service: text(view.service),
        history: text(view.history),
        missed_bytes: view.missed_bytes,
    }
}

fn endpoint(side: &types::Endpoint) -> Endpoint {
    Endpoint {
        addr: Address(side.addr),
        port: side.port,
        bytes: number(side.bytes),
        pkts: number(side.pkts),
        ip_bytes: number(side.ip_bytes),
        local: match side.local {
            types::Tristate::No => Some(false),
            types::Tristate::Yes => Some(true),
            _ => None,
        },
    }
}

fn number(count: types::Count) -> Option<u64> {
    count.set.then_some(count.value)
}

fn text(bytes: &[u8]) -> Option<&[u8]> {
    (!bytes.is_empty()).then_some(bytes)
}

//! From the view that C++ hands over to the detector's connection. Borrows, copies numbers, allocates nothing.

use detector::{Address, ConnState, Connection, Endpoint, Proto};

use crate::ffi;

/// The connection that a view shows.
pub(crate) fn connection<'a>(view: &ffi::ConnectionView<'a>) -> Connection<'a> {
    Connection {
        ts: Connection::micros(view.ts),
        duration: (view.duration >= 0.0).then(|| Connection::micros(view.duration)),
        orig: endpoint(&view.orig),
        resp: endpoint(&view.resp),
        proto: match view.proto {
            ffi::Proto::Icmp => Proto::Icmp,
            ffi::Proto::Tcp => Proto::Tcp,
            ffi::Proto::Udp => Proto::Udp,
            _ => Proto::Unknown,
        },
        conn_state: ConnState::parse(view.conn_state),
        service: text(view.service),
        history: text(view.history),
        missed_bytes: view.missed_bytes,
    }
}

fn endpoint(side: &ffi::Endpoint) -> Endpoint {
    Endpoint {
        addr: Address(side.addr),
        port: side.port,
        bytes: number(side.bytes),
        pkts: number(side.pkts),
        ip_bytes: number(side.ip_bytes),
        local: match side.local {
            ffi::Known::No => Some(false),
            ffi::Known::Yes => Some(true),
            _ => None,
        },
    }
}

fn number(count: ffi::Count) -> Option<u64> {
    count.set.then_some(count.value)
}

fn text(bytes: &[u8]) -> Option<&[u8]> {
    (!bytes.is_empty()).then_some(bytes)
}

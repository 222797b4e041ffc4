//! Conversion of C++ views to the detector's borrowed records. It allocates nothing.

use detector::{Address, ConnState, Connection, DnsQuery, Endpoint, Proto};

use crate::types;

/// Converts a view to a connection that borrows its texts.
pub(crate) fn connection<'a>(view: &types::ConnectionView<'a>) -> Connection<'a> {
    Connection {
        ts: Connection::micros(view.ts),
        duration: (view.duration >= 0.0).then(|| Connection::micros(view.duration)),
        orig: endpoint(&view.orig),
        resp: endpoint(&view.resp),
        proto: proto(view.proto),
        conn_state: ConnState::parse(view.conn_state),
        service: text(view.service),
        history: text(view.history),
        missed_bytes: view.missed_bytes,
    }
}

/// Converts a view to a query that borrows its texts.
pub(crate) fn query<'a>(view: &types::DnsView<'a>) -> DnsQuery<'a> {
    let seconds = |seconds: f64| (seconds >= 0.0).then(|| Connection::micros(seconds));
    DnsQuery {
        ts: Connection::micros(view.ts),
        client: Address(view.client),
        client_port: view.client_port,
        server: Address(view.server),
        server_port: view.server_port,
        proto: proto(view.proto),
        rtt: seconds(view.rtt),
        query: view.has_query.then_some(view.query),
        qtype: number(view.qtype),
        rcode: number(view.rcode),
        answers: view.answers,
        answer_bytes: view.answer_bytes,
        min_ttl: seconds(view.min_ttl),
    }
}

fn proto(proto: types::Proto) -> Proto {
    match proto {
        types::Proto::Icmp => Proto::Icmp,
        types::Proto::Tcp => Proto::Tcp,
        types::Proto::Udp => Proto::Udp,
        _ => Proto::Unknown,
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

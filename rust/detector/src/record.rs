//! Records of every log kind.

use crate::address::Address;
use crate::conn::connection::{Connection, Endpoint};
use crate::dns::query::DnsQuery;
use crate::proto::Proto;
use crate::schema::{LogKind, Schema};
use crate::units::SECOND;
use crate::{conn, dns};

impl LogKind {
    /// Kind with this name.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|log| log.name() == name)
    }

    /// Name of the log without its extension: `conn`.
    pub fn name(self) -> &'static str {
        self.schema().name
    }

    /// Noun for one of its records: `connection`.
    pub fn noun(self) -> &'static str {
        match self {
            Self::Conn => "connection",
            Self::Dns => "query",
        }
    }

    /// Noun for its records: `connections`.
    pub fn nouns(self) -> &'static str {
        match self {
            Self::Conn => "connections",
            Self::Dns => "queries",
        }
    }

    /// Columns of its rows.
    pub fn schema(self) -> &'static Schema {
        match self {
            Self::Conn => &conn::schema::SCHEMA,
            Self::Dns => &dns::schema::SCHEMA,
        }
    }
}

/// One record of a log, borrowed from its source.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogRecord<'a> {
    /// Of conn.log.
    Conn(Connection<'a>),
    /// Of dns.log.
    Dns(DnsQuery<'a>),
}

impl<'a> LogRecord<'a> {
    /// Kind of its log.
    pub fn log(&self) -> LogKind {
        match self {
            Self::Conn(_) => LogKind::Conn,
            Self::Dns(_) => LogKind::Dns,
        }
    }

    /// `ts` in microseconds since 1970.
    pub fn ts(&self) -> i64 {
        match self {
            Self::Conn(connection) => connection.ts,
            Self::Dns(query) => query.ts,
        }
    }

    /// Time at which the record was complete: records arrive in about this order.
    pub fn end(&self) -> i64 {
        match self {
            Self::Conn(connection) => connection.end(),
            Self::Dns(query) => query.ts.saturating_add(query.rtt.unwrap_or(0).max(0)),
        }
    }

    /// Order in which Zeek logs records of several logs: the time by its default timeouts, and a rank, because a query
    /// and its connection can have the same time. A query is logged with its answer, before its connection. Without an
    /// answer it is logged after its connection, the end of which is estimated here.
    pub fn logged(&self) -> (i64, u8) {
        let (pause, rank) = match self {
            Self::Conn(connection) => (timeout(connection), 1),
            Self::Dns(query) if query.rtt.is_some() => (0, 0),
            Self::Dns(_) => (MAX_TIMEOUT, 2),
        };
        (self.end().saturating_add(pause), rank)
    }

    /// Returns true if it is logged after the connection that carried it.
    pub fn follows_connection(&self) -> bool {
        matches!(self, Self::Dns(query) if query.rtt.is_none())
    }

    /// Returns true if it was refused or unanswered.
    pub(crate) fn failed(&self) -> bool {
        match self {
            Self::Conn(connection) => connection.failed(),
            Self::Dns(query) => query.failed(),
        }
    }

    /// Returns true if it belongs to the peer group: discovery and address configuration.
    pub(crate) fn is_chatter(&self) -> bool {
        match self {
            Self::Conn(connection) => connection.is_chatter(),
            Self::Dns(query) => query.is_chatter(),
        }
    }

    /// Returns true for an ICMP error, or a lone TCP reset, which answers a packet of an earlier connection.
    pub(crate) fn is_stray_reply(&self) -> bool {
        matches!(self, Self::Conn(connection) if connection.receiver_of_stray_reply().is_some())
    }

    /// Returns true if the originator is in the local network.
    pub(crate) fn is_of_local_originator(&self) -> bool {
        match self {
            Self::Conn(connection) => connection.orig.is_local(),
            Self::Dns(query) => query.client.is_internal(),
        }
    }

    /// The originator.
    pub fn originator(&self) -> Address {
        match self {
            Self::Conn(connection) => connection.orig.addr,
            Self::Dns(query) => query.client,
        }
    }

    /// The responder.
    pub fn responder(&self) -> Address {
        match self {
            Self::Conn(connection) => connection.resp.addr,
            Self::Dns(query) => query.server,
        }
    }

    /// Copy without texts, which borrow from the source of the record. Without a history, stray TCP resets are not
    /// recognised.
    pub fn without_texts(&self) -> LogRecord<'static> {
        match self {
            Self::Conn(connection) => LogRecord::Conn(connection.without_texts()),
            Self::Dns(query) => LogRecord::Dns(query.without_texts()),
        }
    }

    /// The connection that carried the record, as far as the record knows it.
    pub fn connection(&self) -> Connection<'a> {
        match self {
            Self::Conn(connection) => *connection,
            Self::Dns(query) => Connection {
                ts: query.ts,
                duration: query.rtt,
                orig: Endpoint {
                    addr: query.client,
                    port: query.client_port,
                    bytes: query.query.map(|name| name.len() as u64),
                    ..Endpoint::default()
                },
                resp: Endpoint {
                    addr: query.server,
                    port: query.server_port,
                    bytes: Some(query.answer_bytes),
                    ..Endpoint::default()
                },
                proto: if query.proto == Proto::Unknown { Proto::Udp } else { query.proto },
                service: Some(b"dns"),
                ..Connection::default()
            },
        }
    }
}

/// Zeek's `dns_session_timeout` and the longest of its timeouts, `tcp_inactivity_timeout`, in microseconds.
const DNS_TIMEOUT: i64 = 10 * SECOND;
const MAX_TIMEOUT: i64 = 300 * SECOND;

/// Pause from the end of a connection until Zeek logs it: `tcp_close_delay`, `dns_session_timeout` or
/// `udp_inactivity_timeout`.
fn timeout(connection: &Connection<'_>) -> i64 {
    match (connection.proto, connection.resp.port) {
        (Proto::Tcp, _) => 5 * SECOND,
        (Proto::Udp, 53 | 137 | 5353 | 5355) => DNS_TIMEOUT,
        _ => 60 * SECOND,
    }
}

impl<'a> From<&Connection<'a>> for LogRecord<'a> {
    fn from(connection: &Connection<'a>) -> Self {
        Self::Conn(*connection)
    }
}

impl<'a> From<&DnsQuery<'a>> for LogRecord<'a> {
    fn from(query: &DnsQuery<'a>) -> Self {
        Self::Dns(*query)
    }
}

impl<'a> From<&LogRecord<'a>> for LogRecord<'a> {
    fn from(record: &LogRecord<'a>) -> Self {
        *record
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_query_is_logged_before_its_connection_and_without_an_answer_after_it() {
        let mut query = DnsQuery { ts: 7 * SECOND, rtt: Some(1000), ..DnsQuery::default() };
        let mut connection =
            Connection { ts: query.ts, duration: query.rtt, proto: Proto::Udp, ..Connection::default() };
        connection.resp.port = 53;
        let logged = |record: LogRecord<'_>| record.logged();
        assert_eq!(logged((&query).into()), (7 * SECOND + 1000, 0));
        assert!(logged((&query).into()) < logged((&connection).into()));
        (query.rtt, connection.duration) = (None, None);
        assert!(logged((&query).into()) > logged((&connection).into()));
        // Zeek waits longer for the end of other flows.
        let tcp = Connection { proto: Proto::Tcp, ..connection };
        let icmp = Connection { proto: Proto::Icmp, ..connection };
        assert!(logged((&tcp).into()) < logged((&connection).into()));
        assert!(logged((&connection).into()) < logged((&icmp).into()));
    }
}

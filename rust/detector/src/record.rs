//! Records of every log kind, and their feature extraction.

use crate::conn::connection::{Address, Connection, Endpoint, Proto};
use crate::conn::context::ContextKeys;
use crate::conn::features::Extractor as ConnExtractor;
use crate::dns::features::DnsExtractor;
use crate::dns::query::DnsQuery;
use crate::schema::{FeatureRow, LogKind, MAX_COLUMNS};

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

    /// Copy without texts, which borrow from the source of the record.
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

/// Turns records of one log kind into rows, in their order.
///
/// It remembers what it was shown, in bounded memory: the same sequence of records gives the same rows, whether it
/// comes from the sensor or from a log.
#[derive(Clone, Debug)]
pub struct Extractor(pub(crate) ExtractorKind);

#[derive(Clone, Debug)]
pub(crate) enum ExtractorKind {
    Conn(ConnExtractor),
    Dns(Box<DnsExtractor>),
}

impl Default for Extractor {
    fn default() -> Self {
        Self::new()
    }
}

impl Extractor {
    /// An extractor for conn.log that has seen nothing yet. It takes about 17 megabytes at once and no more later.
    pub fn new() -> Self {
        Self::of(LogKind::Conn)
    }

    /// An extractor that has seen nothing yet.
    pub fn of(log: LogKind) -> Self {
        Self(match log {
            LogKind::Conn => ExtractorKind::Conn(ConnExtractor::new()),
            LogKind::Dns => ExtractorKind::Dns(Box::default()),
        })
    }

    /// Kind of the records it takes.
    pub fn log(&self) -> LogKind {
        match self.0 {
            ExtractorKind::Conn(_) => LogKind::Conn,
            ExtractorKind::Dns(_) => LogKind::Dns,
        }
    }

    /// The record's row. Call it once per record, in order.
    pub fn extract<'a>(&mut self, record: impl Into<LogRecord<'a>>) -> FeatureRow {
        self.context_row(record).0
    }

    /// The record's row, and the keys that [`ScoreHistory::verdict`](crate::ScoreHistory::verdict) needs. Call it once
    /// per record, in order. A record of another kind gives a row of zeros.
    pub fn context_row<'a>(&mut self, record: impl Into<LogRecord<'a>>) -> (FeatureRow, ContextKeys) {
        match (&mut self.0, record.into()) {
            (ExtractorKind::Conn(extractor), LogRecord::Conn(connection)) => extractor.context_row(&connection),
            (ExtractorKind::Dns(extractor), LogRecord::Dns(query)) => extractor.context_row(&query),
            _ => ([0.0; MAX_COLUMNS], ContextKeys::default()),
        }
    }
}

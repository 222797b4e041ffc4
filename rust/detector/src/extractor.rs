//! Feature extraction for every log kind.

use crate::conn::context::ConnContext;
use crate::context::keys::ContextKeys;
use crate::dns::context::DnsContext;
use crate::record::LogRecord;
use crate::schema::{FeatureRow, LogKind, MAX_COLUMNS};

/// Extracts rows from records of one log kind, in their order.
///
/// Its context is bounded. The same sequence of records gives the same rows, from the sensor and from a log.
#[derive(Clone, Debug)]
pub struct Extractor(pub(crate) Context);

/// Context of one log kind.
#[derive(Clone, Debug)]
pub(crate) enum Context {
    Conn(ConnContext),
    Dns(DnsContext),
}

impl Default for Extractor {
    fn default() -> Self {
        Self::of(LogKind::Conn)
    }
}

impl Extractor {
    /// Creates an extractor with empty context. It allocates about 17 megabytes, and no more later.
    pub fn of(log: LogKind) -> Self {
        Self(match log {
            LogKind::Conn => Context::Conn(ConnContext::default()),
            LogKind::Dns => Context::Dns(DnsContext::default()),
        })
    }

    /// Kind of the records it takes.
    pub fn log(&self) -> LogKind {
        match self.0 {
            Context::Conn(_) => LogKind::Conn,
            Context::Dns(_) => LogKind::Dns,
        }
    }

    /// Starts fetching the context of a later record from memory, while other work goes on.
    pub fn prefetch(&self, record: &LogRecord<'_>) {
        if let (Context::Conn(context), LogRecord::Conn(connection)) = (&self.0, record) {
            context.prefetch(&ContextKeys::of(connection));
        }
    }

    /// Row of a record. Call it once per record, in order.
    pub fn extract<'a>(&mut self, record: impl Into<LogRecord<'a>>) -> FeatureRow {
        self.context_row(record).0
    }

    /// Row of a record, and the keys for [`ScoreHistory::verdict`](crate::ScoreHistory::verdict). Call it once per
    /// record, in order. A record of another kind gives a row of zeros.
    pub fn context_row<'a>(&mut self, record: impl Into<LogRecord<'a>>) -> (FeatureRow, ContextKeys) {
        match (&mut self.0, &record.into()) {
            (Context::Conn(context), LogRecord::Conn(connection)) => context.context_row(connection),
            (Context::Dns(context), LogRecord::Dns(query)) => context.context_row(query),
            _ => ([0.0; MAX_COLUMNS], ContextKeys::default()),
        }
    }
}

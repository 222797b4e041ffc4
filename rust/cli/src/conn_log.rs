//! A row of conn.log as a [`Connection`]: which columns there are, by which names they go, and how each is read.
//!
//! Besides Zeek's own names, in TSV and JSON, these are known: the underscored ones of logs shipped with `@stream`, and
//! those that Filebeat's module for Zeek gives them (Elastic Common Schema).

use std::ops::Range;

use detector::{Address, ConnState, Connection, Endpoint, Proto};
use zeek_log::{ColumnSpec, Error, ErrorKind, Row, value};

/// In microseconds since 1970: later times are in another unit, or of a broken clock, and would be as far from all others
/// on every axis of time.
const END_OF_TIME: i64 = 4_102_444_800_000_000;

/// The name of the stream.
pub const STREAM: &str = "conn";

macro_rules! columns {
    ($($column:ident $name:literal $aliases:expr;)*) => {
        #[derive(Clone, Copy)]
        enum Column { $($column),* }

        /// The columns a connection is made from, as [`connection`] expects them.
        pub const COLUMNS: &[ColumnSpec<'static>] = &[$(ColumnSpec::with_aliases($name, &$aliases)),*];
    };
}

columns! {
    Ts "ts" ["@timestamp", "zeek.connection.ts"];
    Uid "uid" ["zeek.session_id"];
    OrigH "id.orig_h" ["id_orig_h", "source.ip", "source.address"];
    OrigP "id.orig_p" ["id_orig_p", "source.port"];
    RespH "id.resp_h" ["id_resp_h", "destination.ip", "destination.address"];
    RespP "id.resp_p" ["id_resp_p", "destination.port"];
    Proto "proto" ["network.transport"];
    Service "service" ["network.application", "network.protocol"];
    Duration "duration" ["zeek.connection.duration"];
    DurationNanos "event.duration" [];
    OrigBytes "orig_bytes" ["zeek.connection.orig_bytes"];
    RespBytes "resp_bytes" ["zeek.connection.resp_bytes"];
    ConnState "conn_state" ["zeek.connection.state", "zeek.connection.conn_state"];
    LocalOrig "local_orig" ["zeek.connection.local_orig"];
    LocalResp "local_resp" ["zeek.connection.local_resp"];
    MissedBytes "missed_bytes" ["zeek.connection.missed_bytes"];
    History "history" ["zeek.connection.history"];
    OrigPkts "orig_pkts" ["source.packets", "zeek.connection.orig_pkts"];
    OrigIpBytes "orig_ip_bytes" ["source.bytes", "zeek.connection.orig_ip_bytes"];
    RespPkts "resp_pkts" ["destination.packets", "zeek.connection.resp_pkts"];
    RespIpBytes "resp_ip_bytes" ["destination.bytes", "zeek.connection.resp_ip_bytes"];
}

/// The columns without which a row is no connection, and their indices.
pub fn essential() -> impl Iterator<Item = (usize, &'static str)> {
    [Column::Ts, Column::OrigH, Column::OrigP, Column::RespH, Column::RespP, Column::Proto]
        .into_iter()
        .map(|column| (column as usize, COLUMNS[column as usize].name))
}

/// The connection of a row that was parsed with [`COLUMNS`], without copying or allocating.
///
/// # Errors
/// When an essential column is unset, or a value is not of its column's type.
pub fn connection(row: &Row) -> Result<Connection<'_>, Error> {
    let set = |column: Column| move || row.error(column as usize, ErrorKind::Unset);
    let addr = |column: Column| Ok(Address(row.addr(column as usize)?.ok_or_else(set(column))?));
    let port = |column: Column| row.port(column as usize)?.ok_or_else(set(column));
    let count = |column: Column| row.count(column as usize);
    let within = |column: Column, micros: Option<i64>, range: Range<i64>, wanted: &'static str| match micros {
        Some(micros) if !range.contains(&micros) => row.value(column as usize, wanted, |_| None),
        micros => Ok(micros),
    };
    let text = |column: Column| row.get(column as usize).filter(|text| !text.is_empty());
    Ok(Connection {
        ts: within(Column::Ts, row.time(Column::Ts as usize)?, 0..END_OF_TIME, "a time from 1970 to 2099, in seconds")?
            .ok_or_else(set(Column::Ts))?,
        duration: match row.micros(Column::Duration as usize)? {
            Some(micros) => within(Column::Duration, Some(micros), 0..i64::MAX, "a duration of 0 or more")?,
            None => row.value(Column::DurationNanos as usize, "a number of nanoseconds", micros_of_nanos)?,
        },
        orig: Endpoint {
            addr: addr(Column::OrigH)?,
            port: port(Column::OrigP)?,
            bytes: count(Column::OrigBytes)?,
            pkts: count(Column::OrigPkts)?,
            ip_bytes: count(Column::OrigIpBytes)?,
            local: row.bool(Column::LocalOrig as usize)?,
        },
        resp: Endpoint {
            addr: addr(Column::RespH)?,
            port: port(Column::RespP)?,
            bytes: count(Column::RespBytes)?,
            pkts: count(Column::RespPkts)?,
            ip_bytes: count(Column::RespIpBytes)?,
            local: row.bool(Column::LocalResp as usize)?,
        },
        proto: Proto::parse(row.get(Column::Proto as usize).ok_or_else(set(Column::Proto))?),
        conn_state: row.value(Column::ConnState as usize, "a connection state such as SF", ConnState::parse)?,
        service: text(Column::Service),
        history: text(Column::History),
        missed_bytes: count(Column::MissedBytes)?.unwrap_or(0),
    })
}

fn micros_of_nanos(text: &[u8]) -> Option<i64> {
    i64::try_from(value::parse_count(text)? / 1000).ok()
}

/// The `uid` of a row that was parsed with [`COLUMNS`].
pub fn uid(row: &Row) -> Option<&[u8]> {
    row.get(Column::Uid as usize)
}

/// Which rows of a labelled log are malicious.
#[derive(Clone, Debug)]
pub struct Labels {
    /// The column that holds the label.
    pub field: String,
    /// A label that starts with this, case ignored, is malicious.
    pub prefix: Vec<u8>,
    /// Whether a log without the column is refused.
    pub required: bool,
}

impl Labels {
    /// The index of the label's column behind [`COLUMNS`].
    pub const COLUMN: usize = COLUMNS.len();

    /// Whether the row's label says malicious; `None` where there is no label.
    pub fn malicious(&self, row: &Row) -> Option<bool> {
        let label = Self::of(row)?;
        Some(label.get(..self.prefix.len()).is_some_and(|start| start.eq_ignore_ascii_case(&self.prefix)))
    }

    /// The row's label.
    pub fn of(row: &Row) -> Option<&[u8]> {
        row.get(Self::COLUMN)
    }
}

/// Connections with their texts, kept together: what one batch of rows was parsed to.
#[derive(Debug, Default)]
pub struct Connections {
    kept: Vec<Kept>,
    texts: Vec<u8>,
}

/// A connection without its texts, and where these lie.
#[derive(Debug)]
struct Kept {
    connection: Connection<'static>,
    uid: Option<Span>,
    label: Option<Span>,
    service: Option<Span>,
    history: Option<Span>,
}

/// Start and end. Kept together may be the texts of many logs.
type Span = (usize, usize);

impl Connections {
    /// Forgets all connections, but keeps the memory.
    pub fn clear(&mut self) {
        self.kept.clear();
        self.texts.clear();
    }

    /// How many bytes their texts have.
    pub fn text_bytes(&self) -> usize {
        self.texts.len()
    }

    /// Gives back what more than so many bytes of texts took.
    pub fn shrink_texts(&mut self, most: usize) {
        self.texts.shrink_to(most);
    }

    /// Bytes of texts that there is room for.
    #[cfg(test)]
    pub fn room(&self) -> usize {
        self.texts.capacity()
    }

    /// Adds a connection, its `uid` and its label.
    pub fn push(&mut self, connection: Connection<'_>, uid: Option<&[u8]>, label: Option<&[u8]>) {
        let Connection { ts, duration, orig, resp, proto, conn_state, service, history, missed_bytes } = connection;
        let mut keep = |text: Option<&[u8]>| {
            text.map(|text| {
                let start = self.texts.len();
                self.texts.extend_from_slice(text);
                (start, self.texts.len())
            })
        };
        let (uid, label, service, history) = (keep(uid), keep(label), keep(service), keep(history));
        let connection =
            Connection { ts, duration, orig, resp, proto, conn_state, service: None, history: None, missed_bytes };
        self.kept.push(Kept { connection, uid, label, service, history });
    }

    /// The connections in the order in which they were added.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = Connection<'_>> {
        (0..self.kept.len()).map(|index| self.get(index))
    }

    /// The connection that was added as number `index`, from 0.
    ///
    /// # Panics
    /// If there is none.
    pub fn get(&self, index: usize) -> Connection<'_> {
        let kept = &self.kept[index];
        Connection { service: self.text(kept.service), history: self.text(kept.history), ..kept.connection }
    }

    /// The `uid` of each connection.
    pub fn uids(&self) -> impl ExactSizeIterator<Item = Option<&[u8]>> {
        self.kept.iter().map(|kept| self.text(kept.uid))
    }

    /// The label of each connection, where it was asked for and is set.
    pub fn labels(&self) -> impl ExactSizeIterator<Item = Option<&[u8]>> {
        self.kept.iter().map(|kept| self.text(kept.label))
    }

    fn text(&self, span: Option<Span>) -> Option<&[u8]> {
        span.map(|(start, end)| &self.texts[start..end])
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.kept.len()
    }
}

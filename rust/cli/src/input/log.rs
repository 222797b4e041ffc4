//! Log kinds: the columns of each, conversion of rows, and detection of a log's kind.

use detector::{LogKind, LogRecord};
use zeek_log::{Block, ColumnSpec, Error, Format, Input, ReadOptions, Reader, Row};

use super::{conn_log, dns_log};

/// Columns of a log kind, in the order that [`record`] expects.
pub fn columns(log: LogKind) -> &'static [ColumnSpec<'static>] {
    match log {
        LogKind::Conn => conn_log::COLUMNS,
        LogKind::Dns => dns_log::COLUMNS,
    }
}

/// Converts a row that was parsed with [`columns`]. `name` is a buffer for a text that the record borrows.
///
/// # Errors
/// If an essential column is unset, or a value does not have the type of its column.
pub fn record<'a>(log: LogKind, row: &'a Row, name: &'a mut Vec<u8>) -> Result<LogRecord<'a>, Error> {
    Ok(match log {
        LogKind::Conn => LogRecord::Conn(conn_log::connection(row)?),
        LogKind::Dns => LogRecord::Dns(dns_log::query(row, name)?),
    })
}

/// Kind of a log by `#path`, `_path` or its fields; `None` if it cannot be read, or is of another stream.
pub fn kind_of(input: &Input) -> Option<LogKind> {
    let Input::File(path) = input else { return None };
    // Opening a pipe would block.
    if !path.is_file() {
        return None;
    }
    let mut reader = Reader::open(input, &ReadOptions::new()).ok()?;
    let mut block = Block::new();
    if !reader.next_block(&mut block).ok()? {
        return None;
    }
    let layout = block.layout();
    if let Some(path) = layout.path() {
        return LogKind::parse(path);
    }
    match layout.format() {
        Format::Tsv => kind_of_fields(|name| layout.position(name).is_some()),
        Format::Json => kind_of_rows(&block),
    }
}

/// Kind of a TSV log, if it has the columns of dns.log.
pub fn kind_of_fields(has: impl Fn(&str) -> bool) -> Option<LogKind> {
    (has("qtype") && !has("conn_state")).then_some(LogKind::Dns)
}

/// Kind of the first JSON rows that name their stream, or have the fields of one.
fn kind_of_rows(block: &Block) -> Option<LogKind> {
    const ROWS: usize = 64;
    let columns = [
        ColumnSpec::with_aliases("_path", &["@stream"]),
        ColumnSpec::with_aliases("qtype", &["qtype_name", "query", "zeek.dns.query", "zeek.dns.qtype"]),
        ColumnSpec::with_aliases("conn_state", &["zeek.connection.state", "history", "orig_pkts"]),
    ];
    let binding = block.layout().bind(&columns);
    let mut row = Row::new();
    let mut kinds = block.lines().take(ROWS).filter_map(|line| {
        binding.parse(&line, &mut row).ok()?;
        match (row.get(0), row.get(1), row.get(2)) {
            (Some(path), ..) => std::str::from_utf8(path).ok().and_then(LogKind::parse),
            (None, _, Some(_)) => Some(LogKind::Conn),
            (None, Some(_), None) => Some(LogKind::Dns),
            _ => None,
        }
    });
    // A file of all streams counts as conn.log.
    let first = kinds.next()?;
    Some(if kinds.any(|kind| kind == LogKind::Conn) { LogKind::Conn } else { first })
}

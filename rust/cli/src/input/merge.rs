//! Rotated logs of several loggers, merged into one log.
//!
//! Each logger of a cluster writes a part of the hour's rows, in the order in which the records ended. The merged log
//! has the rows of all files by end time (`ts` plus `duration` or `rtt`), so the context equals that of a single log.

use std::collections::VecDeque;
use std::io::{self, Read};
use std::path::PathBuf;
use std::sync::Arc;

use detector::LogKind;
use zeek_log::{Binding, Block, Error, Input, Layout, LineKind, Parsed, ReadOptions, Reader, Row};

use crate::input::log;

/// Splits the inputs into runs of files that several loggers wrote in the same interval.
pub fn by_interval(inputs: &[Input]) -> impl Iterator<Item = &[Input]> {
    inputs.chunk_by(|a, b| interval(a).is_some_and(|interval_a| interval(b) == Some(interval_a)))
}

/// The path up to the interval, if a logger's name follows: `conn.09:00:00-10:00:00` of
/// `conn.09:00:00-10:00:00-logger-1.log.gz`.
fn interval(input: &Input) -> Option<PathBuf> {
    let Input::File(path) = input else { return None };
    let name = path.file_name()?.to_str()?;
    let stem = &name[..name.rfind(".log")?];
    let is_digit = |c: char| c.is_ascii_digit();
    let logger = stem.match_indices('-').find(|(at, _)| {
        stem[..*at].ends_with(is_digit) && stem[at + 1..].starts_with(|c: char| c.is_ascii_alphabetic())
    })?;
    Some(path.with_file_name(&stem[..logger.0]))
}

/// Opens the inputs of one interval as one log.
///
/// # Errors
/// When the first of them cannot be opened; the failure of another is reported after the rows of the rest.
pub fn open(log: LogKind, inputs: &[Input], options: &ReadOptions) -> Result<Reader, Error> {
    let [first, others @ ..] = inputs else { return Reader::from_read("", io::empty(), options) };
    if others.is_empty() {
        return Reader::open(first, options);
    }
    let mut merged = Merged { logs: Vec::new(), layout: None, pending: VecDeque::new(), failure: None };
    for input in inputs {
        match Reader::open(input, options) {
            Ok(reader) => merged.logs.push(Log::new(log, reader)),
            Err(error) => merged.failure = Some(error),
        }
    }
    for log in &mut merged.logs {
        if let Err(error) = log.advance() {
            merged.failure = Some(error);
        }
    }
    Reader::from_read(&format!("{first} and {} more", others.len()), merged, options)
}

/// The merged bytes of several logs.
struct Merged {
    logs: Vec<Log>,
    /// The layout of the last row.
    layout: Option<Arc<Layout>>,
    pending: VecDeque<u8>,
    failure: Option<Error>,
}

/// One of the logs, at its next row.
struct Log {
    kind: LogKind,
    name: Vec<u8>,
    reader: Reader,
    block: Block,
    /// Index of the next line in the block.
    next: usize,
    binding: Option<(Arc<Layout>, Binding)>,
    row: Row,
    /// The header lines above the next row.
    header: Vec<u8>,
    after_row: bool,
    /// The next row; empty at the end.
    line: Vec<u8>,
    /// Its end time in microseconds; an invalid row has the end time of the row before.
    end_time: i64,
}

impl Log {
    fn new(kind: LogKind, reader: Reader) -> Self {
        Self {
            kind,
            name: Vec::new(),
            reader,
            block: Block::new(),
            next: 0,
            binding: None,
            row: Row::new(),
            header: Vec::new(),
            after_row: false,
            line: Vec::new(),
            end_time: i64::MIN,
        }
    }

    /// Moves to the next row.
    fn advance(&mut self) -> Result<(), Error> {
        self.line.clear();
        loop {
            if self.next == self.block.len() {
                self.next = 0;
                if !self.reader.next_block(&mut self.block)? {
                    return Ok(());
                }
                let layout = self.block.layout();
                if !self.binding.as_ref().is_some_and(|(bound, _)| Arc::ptr_eq(bound, layout)) {
                    self.binding = Some((layout.clone(), layout.bind(log::columns(self.kind))));
                }
            }
            let Some(line) = self.block.get(self.next) else { return Ok(()) };
            self.next += 1;
            if line.kind() == LineKind::Meta {
                if line.bytes().starts_with(b"#") && !line.bytes().starts_with(b"#close") {
                    if self.after_row {
                        self.header.clear();
                    }
                    self.after_row = false;
                    self.header.extend_from_slice(line.bytes());
                    self.header.push(b'\n');
                }
                continue;
            }
            self.after_row = true;
            // The bytes of a line that is too long were skipped; an invalid row in its place is reported.
            let bytes = if line.kind() == LineKind::TooLong { b"(too long)" } else { line.bytes() };
            self.line.extend_from_slice(bytes);
            self.line.push(b'\n');
            let parsed = self.binding.as_ref().map(|(_, binding)| binding.parse(&line, &mut self.row));
            if let Some(Ok(Parsed::Row)) = parsed {
                if let Ok(record) = log::record(self.kind, &self.row, &mut self.name) {
                    self.end_time = record.end();
                }
            }
            return Ok(());
        }
    }

    fn layout(&self) -> Option<&Arc<Layout>> {
        self.binding.as_ref().map(|(layout, _)| layout)
    }
}

impl Merged {
    /// Appends the next row to the pending bytes; `false` at the end.
    fn push_row(&mut self) -> bool {
        let Some(log) = self.logs.iter_mut().filter(|log| !log.line.is_empty()).min_by_key(|log| log.end_time) else {
            // The header of logs without rows.
            let header = self.logs.first_mut().filter(|_| self.layout.is_none()).map(|log| &mut log.header);
            self.pending.extend(header.into_iter().flat_map(std::mem::take));
            return false;
        };
        if self.layout.as_ref() != log.layout() {
            self.pending.extend(&log.header);
            self.layout = log.layout().cloned();
        }
        self.pending.extend(&log.line);
        if let Err(error) = log.advance() {
            self.failure = Some(error);
        }
        true
    }
}

impl Read for Merged {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        while self.pending.len() < into.len() && self.push_row() {}
        if self.pending.is_empty() {
            return self.failure.take().map_or(Ok(0), |error| Err(io::Error::other(error)));
        }
        self.pending.read(into)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(name: &str) -> Input {
        Input::File(PathBuf::from(name))
    }

    #[test]
    fn groups_loggers_of_one_interval() {
        let inputs = [
            "d/conn.09:00:00-10:00:00-logger-1.log.gz",
            "d/conn.09:00:00-10:00:00-logger-2.log.gz",
            "d/conn.10:00:00-11:00:00-logger-1.log.gz",
            "d/conn.10:00:00-11:00:00.log.gz",
            "d/conn.log",
            "d/conn.log",
        ]
        .map(file);
        let lengths: Vec<_> = by_interval(&inputs).map(<[Input]>::len).collect();
        assert_eq!(lengths, [2, 1, 1, 1, 1]);
    }
}

//! Rotated logs of several loggers, merged into one log.
//!
//! Each logger of a cluster writes a part of the hour's rows, in the order in which the records ended. The merged log
//! has the rows of all files by end time (`ts` plus `duration` or `rtt`), so the context equals that of a single log.

use std::collections::VecDeque;
use std::io::{self, Read};
use std::mem;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use detector::LogKind;
use zeek_log::{Binding, Block, Error, Input, Layout, LineKind, Parsed, ReadOptions, Reader, Row};

use crate::input::{file_type, log};

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

/// Reader of one log, or of the logs of one interval as one log.
pub struct IntervalReader {
    input: Input,
    reader: Reader,
    /// `None` for one log.
    sources: Option<Arc<Mutex<Sources>>>,
}

/// Position of a merged line in its log.
#[derive(Debug, Default)]
pub struct LineSource {
    name: Arc<str>,
    line: u64,
    /// The error of the line. That of the merged line differs if the log was cut short or the line was too long.
    error: Option<Error>,
}

/// The origins of the merged bytes.
#[derive(Default)]
struct Sources {
    /// The merged lines after the last block.
    lines: VecDeque<LineSource>,
    /// The logs that could not be read to the end.
    failures: Vec<(Input, Error)>,
    bytes_read: u64,
}

impl IntervalReader {
    /// Opens the inputs of one interval.
    ///
    /// # Errors
    /// If a single input cannot be opened. [`IntervalReader::next_block`] reports those of several that cannot, after
    /// the rows of the others.
    pub fn open(log: LogKind, inputs: &[Input], options: &ReadOptions) -> Result<Self, Error> {
        let [input, others @ ..] = inputs else {
            let reader = Reader::from_read("", io::empty(), options)?;
            return Ok(Self { input: Input::Stdin, reader, sources: None });
        };
        let input = input.clone();
        if others.is_empty() {
            let reader = Reader::open(&input, options)?;
            return Ok(Self { input, reader, sources: None });
        }
        let sources = Arc::new(Mutex::new(Sources::default()));
        let merged = Merged::open(log, inputs, options, sources.clone());
        let reader = Reader::from_read(&format!("{input} and {} more", others.len()), merged, options)?;
        Ok(Self { input, reader, sources: Some(sources) })
    }

    /// Fills `block` with the next lines, and `lines` with their positions if the logs are several; returns `false` at
    /// the end.
    ///
    /// # Errors
    /// One for each log that could not be read to the end, after the rows of all.
    pub fn next_block(&mut self, block: &mut Block, lines: &mut Vec<LineSource>) -> Result<bool, Vec<anyhow::Error>> {
        lines.clear();
        let read = self.reader.next_block(block);
        if let Some(sources) = &self.sources {
            let mut sources = lock(sources);
            let n = block.len().min(sources.lines.len());
            lines.extend(sources.lines.drain(..n));
            // Without any rows the merged bytes are no log, but the failures are the cause.
            if !matches!(read, Ok(true)) && !sources.failures.is_empty() {
                let failures = sources.failures.drain(..);
                return Err(failures.map(|(input, error)| file_type::explain(&input, error)).collect());
            }
        }
        read.map_err(|error| vec![file_type::explain(&self.input, error)])
    }

    /// Bytes of all logs read so far, before decompression.
    pub fn bytes_read(&self) -> u64 {
        self.sources.as_ref().map_or_else(|| self.reader.bytes_read(), |sources| lock(sources).bytes_read)
    }
}

impl LineSource {
    /// The error of the line in its log, for an error of the merged line.
    pub fn locate(&mut self, error: Error) -> Error {
        self.error.take().unwrap_or_else(|| error.with_name(&self.name).with_line(self.line))
    }
}

fn lock(sources: &Mutex<Sources>) -> MutexGuard<'_, Sources> {
    sources.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The merged bytes of several logs.
struct Merged {
    logs: Vec<Log>,
    /// The layout of the last row.
    layout: Option<Arc<Layout>>,
    pending: VecDeque<u8>,
    sources: Arc<Mutex<Sources>>,
}

/// One of the logs, at its next row.
struct Log {
    kind: LogKind,
    input: Input,
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
    source: LineSource,
    /// Its end time in microseconds; an invalid row has the end time of the row before.
    end_time: i64,
}

impl Log {
    fn new(kind: LogKind, input: Input, reader: Reader) -> Self {
        Self {
            kind,
            input,
            name: Vec::new(),
            reader,
            block: Block::new(),
            next: 0,
            binding: None,
            row: Row::new(),
            header: Vec::new(),
            after_row: false,
            line: Vec::new(),
            source: LineSource::default(),
            end_time: i64::MIN,
        }
    }

    /// Moves to the next row; a failure ends the log.
    fn advance(&mut self, sources: &mut Sources) {
        if let Err(error) = self.read_row() {
            sources.failures.push((self.input.clone(), error));
        }
    }

    fn read_row(&mut self) -> Result<(), Error> {
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
            // The bytes of a line that is too long were skipped; an invalid row takes its place.
            let bytes = if line.kind() == LineKind::TooLong { b"(too long)" } else { line.bytes() };
            self.line.extend_from_slice(bytes);
            self.line.push(b'\n');
            self.source = LineSource { name: line.name().clone(), line: line.number(), error: None };
            match self.binding.as_ref().map(|(_, binding)| binding.parse(&line, &mut self.row)) {
                Some(Ok(Parsed::Row)) => {
                    if let Ok(record) = log::record(self.kind, &self.row, &mut self.name) {
                        self.end_time = record.end();
                    }
                }
                Some(Err(error)) => self.source.error = Some(error),
                Some(Ok(Parsed::OtherStream)) | None => {}
            }
            return Ok(());
        }
    }

    fn layout(&self) -> Option<&Arc<Layout>> {
        self.binding.as_ref().map(|(layout, _)| layout)
    }
}

impl Merged {
    /// Opens the logs, and reads the first row of each.
    fn open(kind: LogKind, inputs: &[Input], options: &ReadOptions, shared: Arc<Mutex<Sources>>) -> Self {
        let mut logs = Vec::new();
        let mut sources = lock(&shared);
        for input in inputs {
            match Reader::open(input, options) {
                Ok(reader) => logs.push(Log::new(kind, input.clone(), reader)),
                Err(error) => sources.failures.push((input.clone(), error)),
            }
        }
        logs.iter_mut().for_each(|log| log.advance(&mut sources));
        drop(sources);
        Self { logs, layout: None, pending: VecDeque::new(), sources: shared }
    }

    /// Appends the next row to the pending bytes; `false` at the end.
    fn push_row(&mut self, sources: &mut Sources) -> bool {
        let Some(log) = self.logs.iter_mut().filter(|log| !log.line.is_empty()).min_by_key(|log| log.end_time) else {
            // The header of logs without rows.
            let header = self.logs.first_mut().filter(|_| self.layout.is_none()).map(|log| &mut log.header);
            self.pending.extend(header.into_iter().flat_map(mem::take));
            return false;
        };
        if self.layout.as_ref() != log.layout() {
            self.pending.extend(&log.header);
            let lines = log.header.iter().filter(|&&byte| byte == b'\n').count();
            sources.lines.extend((0..lines).map(|_| LineSource::default()));
            self.layout = log.layout().cloned();
        }
        self.pending.extend(&log.line);
        sources.lines.push_back(mem::take(&mut log.source));
        log.advance(sources);
        true
    }
}

impl Read for Merged {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let shared = self.sources.clone();
        let mut sources = lock(&shared);
        while self.pending.len() < into.len() && self.push_row(&mut sources) {}
        sources.bytes_read = self.logs.iter().map(|log| log.reader.bytes_read()).sum();
        self.pending.read(into)
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

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

    #[test]
    fn counts_bytes_before_decompression() {
        let dir = tempfile::tempdir().unwrap();
        let log = format!("#separator \\x09\n#path\tconn\n#fields\tts\tuid\n{}", "1.0\tC1\n".repeat(1000));
        let inputs = [1, 2].map(|n| Input::File(dir.path().join(format!("conn.09:00:00-10:00:00-logger-{n}.log.zst"))));
        let mut size = 0;
        for input in &inputs {
            let compressed = zstd::encode_all(log.as_bytes(), 1).unwrap();
            size += compressed.len() as u64;
            fs::write(input.to_string(), compressed).unwrap();
        }
        let mut reader = IntervalReader::open(LogKind::Conn, &inputs, &ReadOptions::new().stream("conn")).unwrap();
        let (mut block, mut lines) = (Block::new(), Vec::new());
        let mut rows = 0;
        while reader.next_block(&mut block, &mut lines).unwrap() {
            assert_eq!(lines.len(), block.len());
            rows += lines.iter().filter(|line| line.line > 0).count();
        }
        assert_eq!((rows, reader.bytes_read()), (2000, size));
    }
}

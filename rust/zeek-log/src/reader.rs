//! From an input to blocks of lines, in constant memory.
//!
//! The reader splits bytes into lines; what the lines are is followed by [`Parts`].

use std::fmt;
use std::fs::File;
use std::io::{self, Read};
use std::mem;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use memchr::memchr;

use crate::block::Span;
use crate::decompress::decompress;
use crate::parts::{Parts, Step};
use crate::{Block, Error, Input, LineKind};

/// How to read.
#[derive(Clone, Debug)]
pub struct ReadOptions {
    /// The stream that is wanted, such as `conn`: a TSV log that begins with another is an error, a JSON row, or a further
    /// part of a TSV log, of another is told apart ([`Parsed::OtherStream`](crate::Parsed::OtherStream)). `None` takes any.
    pub path: Option<String>,
    /// Names of the columns of TSV rows that come without a header. A log's own header has precedence.
    pub fields: Option<Vec<String>>,
    /// About how many bytes a block has. A block is longer where a single line is.
    pub block_size: usize,
    /// The longest line that is read, in bytes, at most 2^30; a longer one is a bad row.
    pub max_line: usize,
}

impl Default for ReadOptions {
    fn default() -> Self {
        Self { path: None, fields: None, block_size: 256 << 10, max_line: 1 << 20 }
    }
}

/// Reads one input block by block.
pub struct Reader {
    name: Arc<str>,
    source: Box<dyn Read + Send>,
    compression: Option<&'static str>,
    bytes_read: Arc<AtomicU64>,
    block_size: usize,
    max_line: usize,
    /// Whether to hand on all complete lines that one read brought, without waiting for a whole block.
    eager: bool,
    /// `buffer[start..filled]` has been read and not been handed on; its first `scanned` bytes are whole lines.
    buffer: Vec<u8>,
    start: usize,
    filled: usize,
    scanned: usize,
    /// How many bytes behind them hold no line end.
    searched: usize,
    /// Whether the rest of a line that is too long is still to be skipped.
    skipping: bool,
    at_end: bool,
    failure: Option<Error>,
    finished: bool,
    next_line: u64,
    parts: Parts,
}

impl fmt::Debug for Reader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { name, compression, next_line, .. } = self;
        f.debug_struct("Reader")
            .field("name", name)
            .field("compression", compression)
            .field("next_line", next_line)
            .finish_non_exhaustive()
    }
}

/// Bytes asked for at a time. Little enough that corrupt gzip data, of which a whole request is lost, loses little.
const REQUEST: usize = 64 << 10;

/// How long a header, or blank lines, may go on before a row, in bytes and lines: they are held until one comes.
const MOST_WITHOUT_ROWS: (usize, usize) = (8 << 20, 1 << 16);

const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

impl Reader {
    /// Opens an input; compression is told by its first bytes.
    ///
    /// # Errors
    /// When it cannot be opened or read.
    pub fn open(input: &Input, options: &ReadOptions) -> Result<Self, Error> {
        let name = input.to_string();
        match input {
            Input::Stdin => Ok(Self::from_read(&name, io::stdin(), options)?.eager()),
            Input::File(path) => {
                let file = File::open(path).map_err(|cause| Error::Open { name: name.as_str().into(), cause })?;
                Self::from_read(&name, file, options)
            }
        }
    }

    /// Reads from any source of bytes; `name` stands for it in messages.
    ///
    /// # Errors
    /// When its first bytes cannot be read.
    pub fn from_read(name: &str, source: impl Read + Send + 'static, options: &ReadOptions) -> Result<Self, Error> {
        // Places within a block are counted in 32 bits.
        const MOST: usize = 1 << 30;
        let name: Arc<str> = name.into();
        let bytes_read = Arc::new(AtomicU64::new(0));
        let counted = Counted { source, count: bytes_read.clone() };
        let plain = decompress(counted).map_err(|cause| Error::Open { name: name.clone(), cause })?;
        Ok(Self {
            parts: Parts::new(name.clone(), options.clone()),
            name,
            source: plain.bytes,
            compression: plain.compression,
            bytes_read,
            block_size: options.block_size.clamp(1, MOST),
            max_line: options.max_line.clamp(1, MOST),
            eager: false,
            buffer: Vec::new(),
            start: 0,
            filled: 0,
            scanned: 0,
            searched: 0,
            skipping: false,
            at_end: false,
            failure: None,
            finished: false,
            next_line: 1,
        })
    }

    /// Hands on all complete lines that one read brought, without waiting for a whole block: for a source that is still
    /// being written.
    #[must_use]
    pub fn eager(mut self) -> Self {
        self.eager = true;
        self
    }

    /// Fills `block` with the next lines; `false` when there are no more.
    ///
    /// # Errors
    /// When the input is no Zeek log, of another stream, damaged or unreadable from here on. All lines before that have
    /// been delivered, and there are none after it.
    pub fn next_block(&mut self, block: &mut Block) -> Result<bool, Error> {
        block.spans.clear();
        block.first_line = self.next_line;
        if self.finished {
            (block.base, block.end) = (0, 0);
            return Ok(false);
        }
        while !self.scan(&mut block.spans) && !self.at_end {
            if self.eager && self.scanned > 0 && self.parts.is_settled() {
                break;
            }
            self.read();
        }
        if !self.parts.is_settled() {
            // Only the end leaves a part unsettled here.
            self.settle(true);
            if !self.parts.is_settled() {
                block.spans.clear();
            }
        }
        self.hand_over(block);
        if !block.is_empty() {
            return Ok(true);
        }
        self.finished = true;
        self.failure.take().map_or(Ok(false), Err)
    }

    /// Bytes taken from the input so far, before decompression: what a progress bar compares to the file's size.
    pub fn bytes_read(&self) -> u64 {
        self.bytes_read.load(Ordering::Relaxed)
    }

    /// Adds complete lines to `spans` until they make a block, or there are no more for now; whether they make a block.
    fn scan(&mut self, spans: &mut Vec<Span>) -> bool {
        loop {
            let (bytes, lines) = MOST_WITHOUT_ROWS;
            if !self.parts.is_settled() && (self.scanned > bytes || spans.len() > lines) {
                self.settle(false);
                return true;
            }
            if self.scanned >= self.block_size && self.parts.is_settled() {
                return true;
            }
            let from = self.start + self.scanned;
            let rest = &self.buffer[from..self.filled];
            let (length, newline) = match memchr(b'\n', &rest[self.searched..]) {
                Some(at) => (self.searched + at, 1),
                None if rest.len() > self.max_line => (rest.len(), 0),
                None if rest.is_empty() || !self.at_end => {
                    self.searched = rest.len();
                    return false;
                }
                None => (rest.len(), 0),
            };
            self.searched = 0;
            let too_long = length > self.max_line;
            let line = &rest[..length];
            let mark = if self.next_line == 1 && line.starts_with(BYTE_ORDER_MARK) { BYTE_ORDER_MARK.len() } else { 0 };
            let line = &line[mark..];
            let line = line.strip_suffix(b"\r").unwrap_or(line);
            let crlf = newline == 1 && mark + line.len() < length;
            let start = self.scanned + mark;
            let (start, end) = (start as u32, (start + line.len()) as u32);
            let step = if too_long && self.parts.has_shown_rows() {
                Ok(Step::Take(LineKind::TooLong))
            } else {
                self.parts.next(line, self.next_line, crlf)
            };
            match step {
                Ok(Step::Take(LineKind::Meta)) if too_long => {
                    let reason = format!("the line is longer than {} bytes", self.max_line);
                    self.fail(Error::Header { name: self.name.clone(), line: self.next_line, reason });
                    return true;
                }
                Ok(Step::Take(_)) if too_long => {
                    self.buffer.copy_within(from + length + newline..self.filled, from);
                    self.filled -= length + newline;
                    self.skipping = newline == 0;
                    let at = self.scanned as u32;
                    spans.push(Span { start: at, end: at, kind: LineKind::TooLong });
                }
                Ok(Step::Take(kind)) => {
                    spans.push(Span { start, end, kind });
                    self.scanned += length + newline;
                }
                // The block ends here; the line comes again, and begins the next.
                Ok(Step::Cut) if !spans.is_empty() => return true,
                Ok(Step::Cut) => {
                    self.parts.begin();
                    continue;
                }
                Err(error) => {
                    self.fail(error);
                    return true;
                }
            }
            self.next_line += 1;
        }
    }

    /// Settles what a part without rows is, at the end or when it has become too long.
    fn settle(&mut self, ended: bool) {
        if let Err(error) = self.parts.finish(self.next_line.saturating_sub(1), ended) {
            self.fail(error);
        }
    }

    /// Reads once, or notes that there is no more to read.
    fn read(&mut self) {
        if self.start > 0 {
            self.buffer.copy_within(self.start..self.filled, 0);
            self.filled -= self.start;
            self.start = 0;
        }
        if self.filled == self.buffer.len() {
            let mut larger = vec![0; (self.block_size + REQUEST).max(2 * self.buffer.len())];
            larger[..self.filled].copy_from_slice(&self.buffer[..self.filled]);
            self.buffer = larger;
        }
        let end = self.buffer.len().min(self.filled + REQUEST.min(self.block_size));
        let into = &mut self.buffer[self.filled..end];
        let count = match self.source.read(into) {
            Ok(0) => {
                self.at_end = true;
                return;
            }
            Ok(count) => count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => return,
            Err(cause) => {
                let (name, line) = (self.name.clone(), self.next_line - 1);
                self.fail(match self.compression {
                    Some(compression) => Error::Damaged { name, line, compression, cause },
                    None => Error::Read { name, line, cause },
                });
                return;
            }
        };
        if !self.skipping {
            self.filled += count;
        } else if let Some(newline) = memchr(b'\n', &into[..count]) {
            self.buffer.copy_within(self.filled + newline + 1..self.filled + count, self.filled);
            self.filled += count - newline - 1;
            self.skipping = false;
        }
    }

    /// Ends the reading; the lines before are kept. The first failure counts.
    fn fail(&mut self, error: Error) {
        self.failure.get_or_insert(error);
        (self.filled, self.searched) = (self.start + self.scanned, 0);
        self.at_end = true;
    }

    /// Gives the lines that were scanned to the block. Whichever is less is copied, they or what is left.
    fn hand_over(&mut self, block: &mut Block) {
        if !Arc::ptr_eq(&block.name, &self.name) {
            block.name = self.name.clone();
        }
        if !Arc::ptr_eq(&block.layout, self.parts.layout()) {
            block.layout = self.parts.layout().clone();
        }
        block.max_line = self.max_line;
        let end = self.start + self.scanned;
        let left = self.filled - end;
        if left <= self.scanned {
            fit(&mut block.data, left.max(self.block_size + REQUEST));
            block.data[..left].copy_from_slice(&self.buffer[end..self.filled]);
            mem::swap(&mut block.data, &mut self.buffer);
            (block.base, block.end) = (self.start, end);
            (self.start, self.filled) = (0, left);
        } else {
            fit(&mut block.data, self.scanned.max(self.block_size + REQUEST));
            block.data[..self.scanned].copy_from_slice(&self.buffer[self.start..end]);
            (block.base, block.end) = (0, self.scanned);
            self.start = end;
        }
        self.scanned = 0;
    }
}

/// Gives a buffer at least this length, whatever is in it, and gives back memory that one long line once took.
fn fit(buffer: &mut Vec<u8>, length: usize) {
    const SLACK: usize = 8;
    if buffer.len() < length || buffer.len() / SLACK > length {
        // Zeros from the allocator cost less than writing them.
        *buffer = vec![0; length];
    }
}

/// Counts what is read.
struct Counted<R> {
    source: R,
    count: Arc<AtomicU64>,
}

impl<R: Read> Read for Counted<R> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let count = self.source.read(into)?;
        self.count.fetch_add(count as u64, Ordering::Relaxed);
        Ok(count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Gives one piece at each read.
    struct Pieces(std::vec::IntoIter<String>);

    impl Read for Pieces {
        fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
            let piece = self.0.next().unwrap_or_default();
            into[..piece.len()].copy_from_slice(piece.as_bytes());
            Ok(piece.len())
        }
    }

    #[test]
    fn an_eager_reader_hands_on_the_lines_of_each_read_together() {
        let row = "{\"ts\":1.0}\n";
        let pieces =
            vec![row[..4].to_owned(), format!("{}{}{}", &row[4..], row.repeat(2), &row[..5]), row[5..].to_owned()];
        let reader = Reader::from_read("pieces", Pieces(pieces.into_iter()), &ReadOptions::default()).unwrap();
        let mut reader = Reader { eager: true, ..reader };
        let (mut block, mut lines) = (Block::new(), Vec::new());
        while reader.next_block(&mut block).unwrap() {
            lines.push(block.len());
        }
        assert_eq!(lines, [3, 1]);
    }
}

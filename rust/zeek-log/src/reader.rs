//! Reader: splits an input into blocks of lines, in constant memory. [`Segments`] classifies the lines.

use std::fmt;
use std::fs::File;
use std::io::{self, Read};
use std::mem;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use memchr::memchr;

use crate::block::{Block, LineKind, LineSpan};
use crate::decompress::decompress;
use crate::error::{Error, ErrorKind};
use crate::inputs::Input;
use crate::options::ReadOptions;
use crate::segments::{Segments, Step};

/// Reads one input block by block.
pub struct Reader {
    name: Arc<str>,
    source: Box<dyn Read + Send>,
    compression: Option<&'static str>,
    bytes_read: Arc<AtomicU64>,
    block_size: usize,
    max_line: usize,
    /// True to return complete lines at once instead of filling a block.
    eager: bool,
    /// `buffer[start..filled]` has been read but not delivered; its first `scanned` bytes are complete lines.
    buffer: Vec<u8>,
    start: usize,
    filled: usize,
    scanned: usize,
    /// Number of bytes after the complete lines that were searched and have no line end.
    searched: usize,
    /// True if the rest of a line that is too long must be skipped.
    skipping: bool,
    at_end: bool,
    failure: Option<Error>,
    finished: bool,
    next_line: u64,
    segments: Segments,
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

/// Bytes per read. Corrupt gzip data loses a whole read, so this is small.
const READ_SIZE: usize = 64 << 10;

/// Maximum bytes and lines buffered before the first row of a segment.
const MAX_WITHOUT_ROWS: (usize, usize) = (8 << 20, 1 << 16);

const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

impl Reader {
    /// Opens an input. Its first bytes decide whether it is decompressed.
    ///
    /// # Errors
    /// [`ErrorKind::Open`].
    pub fn open(input: &Input, options: &ReadOptions) -> Result<Self, Error> {
        let name = input.to_string();
        match input {
            Input::Stdin => Ok(Self::from_read(&name, io::stdin(), options)?.eager()),
            Input::File(path) => {
                let file =
                    File::open(path).map_err(|cause| Error::new(&name.as_str().into(), ErrorKind::Open(cause)))?;
                Self::from_read(&name, file, options)
            }
        }
    }

    /// Reads from any source of bytes; `name` identifies it in messages.
    ///
    /// # Errors
    /// [`ErrorKind::Open`] if its first bytes cannot be read.
    pub fn from_read(name: &str, source: impl Read + Send + 'static, options: &ReadOptions) -> Result<Self, Error> {
        let name: Arc<str> = name.into();
        let bytes_read = Arc::new(AtomicU64::new(0));
        let counted = Counted { source, count: bytes_read.clone() };
        let plain = decompress(counted).map_err(|cause| Error::new(&name, ErrorKind::Open(cause)))?;
        Ok(Self {
            segments: Segments::new(name.clone(), options.clone()),
            name,
            source: plain.bytes,
            compression: plain.compression,
            bytes_read,
            block_size: options.block_size,
            max_line: options.max_line,
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

    /// Returns complete lines as soon as they are read, instead of filling a block: for a log still being written.
    #[must_use]
    pub fn eager(mut self) -> Self {
        self.eager = true;
        self
    }

    /// Fills `block` with the next lines; returns `false` at the end.
    ///
    /// # Errors
    /// If the input is not a Zeek log, belongs to another stream, is damaged, or becomes unreadable. All lines before
    /// the error have been delivered; later calls return `false`.
    pub fn next_block(&mut self, block: &mut Block) -> Result<bool, Error> {
        block.spans.clear();
        block.first_line = self.next_line;
        if self.finished {
            (block.base, block.end) = (0, 0);
            return Ok(false);
        }
        while !self.scan(&mut block.spans) && !self.at_end {
            if self.eager && self.scanned > 0 && self.segments.is_settled() {
                break;
            }
            self.read();
        }
        if !self.segments.is_settled() {
            // Only the end of the input leaves a segment unsettled here.
            self.settle(true);
            if !self.segments.is_settled() {
                block.spans.clear();
            }
        }
        self.deliver(block);
        if !block.is_empty() {
            return Ok(true);
        }
        self.finished = true;
        self.failure.take().map_or(Ok(false), Err)
    }

    /// Bytes read so far, before decompression: compare with the file size for progress.
    pub fn bytes_read(&self) -> u64 {
        self.bytes_read.load(Ordering::Relaxed)
    }

    /// Adds complete lines to `spans`; returns true if they make a block, false if more must be read.
    fn scan(&mut self, spans: &mut Vec<LineSpan>) -> bool {
        loop {
            let (bytes, lines) = MAX_WITHOUT_ROWS;
            if !self.segments.is_settled() && (self.scanned > bytes || spans.len() > lines) {
                self.settle(false);
                return true;
            }
            if self.scanned >= self.block_size && self.segments.is_settled() {
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
            let step = if too_long && self.segments.has_layout() {
                Ok(Step::Take(LineKind::TooLong))
            } else {
                self.segments.next(line, self.next_line, crlf)
            };
            match step {
                Ok(Step::Take(LineKind::Meta)) if too_long => {
                    let reason = format!("the line is longer than {} bytes", self.max_line);
                    self.fail(Error::at(&self.name, self.next_line, ErrorKind::Header(reason)));
                    return true;
                }
                Ok(Step::Take(_)) if too_long => {
                    self.buffer.copy_within(from + length + newline..self.filled, from);
                    self.filled -= length + newline;
                    self.skipping = newline == 0;
                    let at = self.scanned as u32;
                    spans.push(LineSpan { start: at, end: at, kind: LineKind::TooLong });
                }
                Ok(Step::Take(kind)) => {
                    spans.push(LineSpan { start, end, kind });
                    self.scanned += length + newline;
                }
                // The block ends here; the line is classified again as the first of the next block.
                Ok(Step::Begin | Step::Resume) if !spans.is_empty() => return true,
                Ok(step) => {
                    if step == Step::Begin {
                        self.segments.begin()
                    } else {
                        self.segments.resume()
                    }
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

    /// Settles a segment without rows.
    fn settle(&mut self, ended: bool) {
        if let Err(error) = self.segments.finish(self.next_line.saturating_sub(1), ended) {
            self.fail(error);
        }
    }

    /// Reads once and detects the end.
    fn read(&mut self) {
        if self.start > 0 {
            self.buffer.copy_within(self.start..self.filled, 0);
            self.filled -= self.start;
            self.start = 0;
        }
        if self.filled == self.buffer.len() {
            let mut larger = vec![0; (self.block_size + READ_SIZE).max(2 * self.buffer.len())];
            larger[..self.filled].copy_from_slice(&self.buffer[..self.filled]);
            self.buffer = larger;
        }
        let end = self.buffer.len().min(self.filled + READ_SIZE.min(self.block_size));
        let into = &mut self.buffer[self.filled..end];
        let count = match self.source.read(into) {
            Ok(0) => {
                self.at_end = true;
                return;
            }
            Ok(count) => count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => return,
            Err(cause) => {
                let line = self.next_line - 1;
                let kind = match self.compression {
                    Some(compression) => ErrorKind::Damaged { line, compression, cause },
                    None => ErrorKind::Read { line, cause },
                };
                self.fail(Error::new(&self.name, kind));
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

    /// Ends the input after the lines scanned so far. The first error is the one returned.
    fn fail(&mut self, error: Error) {
        self.failure.get_or_insert(error);
        (self.filled, self.searched) = (self.start + self.scanned, 0);
        self.at_end = true;
    }

    /// Moves the scanned lines to the block. Copies either these or the rest of the buffer, the shorter of the two.
    fn deliver(&mut self, block: &mut Block) {
        if !Arc::ptr_eq(&block.name, &self.name) {
            block.name = self.name.clone();
        }
        if !Arc::ptr_eq(&block.layout, self.segments.layout()) {
            block.layout = self.segments.layout().clone();
        }
        block.max_line = self.max_line;
        let end = self.start + self.scanned;
        let left = self.filled - end;
        if left <= self.scanned {
            resize(&mut block.data, left.max(self.block_size + READ_SIZE));
            block.data[..left].copy_from_slice(&self.buffer[end..self.filled]);
            mem::swap(&mut block.data, &mut self.buffer);
            (block.base, block.end) = (self.start, end);
            (self.start, self.filled) = (0, left);
        } else {
            resize(&mut block.data, self.scanned.max(self.block_size + READ_SIZE));
            block.data[..self.scanned].copy_from_slice(&self.buffer[self.start..end]);
            (block.base, block.end) = (0, self.scanned);
            self.start = end;
        }
        self.scanned = 0;
    }
}

/// Resizes a buffer, whose content is lost, to at least this length; shrinks it after a very long line.
fn resize(buffer: &mut Vec<u8>, length: usize) {
    const SLACK: usize = 8;
    if buffer.len() < length || buffer.len() / SLACK > length {
        // Memory zeroed by the allocator is cheaper than `resize`.
        *buffer = vec![0; length];
    }
}

/// Counts the bytes read.
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

    /// Source that returns one piece per read.
    struct Pieces(std::vec::IntoIter<String>);

    impl Read for Pieces {
        fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
            let piece = self.0.next().unwrap_or_default();
            into[..piece.len()].copy_from_slice(piece.as_bytes());
            Ok(piece.len())
        }
    }

    #[test]
    fn eager_reader_returns_the_lines_of_each_read() {
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

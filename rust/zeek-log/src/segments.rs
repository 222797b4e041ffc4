//! Segments of a log: which lines are rows, and under which layout.
//!
//! Each header begins a segment; concatenated logs have several. A damaged line can look like a header, so the last
//! layout that was confirmed by rows stays as a fallback: a row that fits the fallback but not the current segment
//! returns to it. The fallback is dropped once enough rows have fit the current segment.

use std::sync::Arc;

use crate::block::LineKind;
use crate::error::{Error, ErrorKind, excerpt};
use crate::header::{Header, split};
use crate::layout::{Format, Layout};
use crate::options::ReadOptions;

/// State of the reader between two lines.
#[derive(Debug)]
pub(crate) struct Segments {
    name: Arc<str>,
    options: ReadOptions,
    header: Header,
    layout: Arc<Layout>,
    /// True if `layout` belongs to the current segment, not the previous one.
    settled: bool,
    /// The layout to return to.
    fallback: Option<Arc<Layout>>,
    /// Rows that fit this segment, counted while there is a fallback.
    rows: u32,
    /// The first line of the segment that is not blank.
    first_line: Option<(u64, String)>,
    /// The error about a first line that may be the end of a truncated row.
    refusal: Option<Error>,
}

/// After this many fitting rows a segment cannot be due to a damaged line.
const CONFIRMED: u32 = 100;

/// Treatment of a line.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// The line belongs to the segment.
    Take(LineKind),
    /// The line begins a segment: pass it again after [`Segments::begin`].
    Begin,
    /// The line belongs to the fallback: pass it again after [`Segments::resume`].
    Resume,
}

impl Segments {
    pub(crate) fn new(name: Arc<str>, options: ReadOptions) -> Self {
        Self {
            name,
            options,
            header: Header::default(),
            layout: Arc::default(),
            settled: false,
            fallback: None,
            rows: 0,
            first_line: None,
            refusal: None,
        }
    }

    /// The layout of the segment, once it is settled.
    pub(crate) fn layout(&self) -> &Arc<Layout> {
        &self.layout
    }

    /// Returns true if the layout of the segment is known.
    pub(crate) fn is_settled(&self) -> bool {
        self.settled
    }

    /// Returns true if any layout is known, so that one unusable line does not end the log.
    pub(crate) fn has_layout(&self) -> bool {
        self.settled || self.fallback.is_some()
    }

    /// Begins a segment.
    pub(crate) fn begin(&mut self) {
        if self.rows > 0 || self.fallback.is_none() {
            self.fallback = Some(self.layout.clone());
        }
        self.header = Header::after(&self.layout);
        (self.settled, self.rows, self.first_line) = (false, 0, None);
    }

    /// Returns to the fallback; the current segment becomes the fallback if rows have fit it.
    pub(crate) fn resume(&mut self) {
        let Some(layout) = self.fallback.take() else { return };
        if self.settled && self.rows > 0 {
            self.fallback = Some(self.layout.clone());
        }
        self.header = Header::after(&layout);
        (self.layout, self.settled, self.rows) = (layout, true, 0);
    }

    /// Classifies the next line; `crlf` is whether it ends in `\r\n`.
    #[inline]
    pub(crate) fn next(&mut self, line: &[u8], number: u64, crlf: bool) -> Result<Step, Error> {
        match line.first() {
            None => Ok(Step::Take(LineKind::Meta)),
            Some(b'#') => self.comment(line, number, crlf),
            Some(b'{') if self.settled && self.layout.format == Format::Tsv && self.layout.is_json(line) => {
                Ok(Step::Begin)
            }
            Some(_) if self.settled => Ok(self.row(line)),
            Some(_) => self.first_row(line, number, crlf),
        }
    }

    /// Settles a segment without rows, when the log has `ended` or the segment is too long to be buffered.
    pub(crate) fn finish(&mut self, lines: u64, ended: bool) -> Result<(), Error> {
        if self.settled || self.header.is_complete() && self.settle_tsv(false)? {
            return Ok(());
        }
        if self.fallback.is_some() {
            self.resume();
            return Ok(());
        }
        if let Some(refusal) = self.refusal.take() {
            return Err(refusal);
        }
        let (line, kind) = match self.first_line.take() {
            None if ended => return Err(Error::new(&self.name, ErrorKind::Empty)),
            None => (lines, ErrorKind::NotZeek { expected: "expected rows after blank lines", found: "\n".to_owned() }),
            Some(_) if self.header.is_begun() => {
                let reason = if ended { "the log ends before a #fields line" } else { "there is no #fields line" };
                (lines, ErrorKind::Header(reason.to_owned()))
            }
            Some((line, found)) => (line, ErrorKind::NotZeek { expected: "expected rows after comments", found }),
        };
        Err(Error::at(&self.name, line, kind))
    }

    fn comment(&mut self, line: &[u8], number: u64, crlf: bool) -> Result<Step, Error> {
        if self.first_line.is_none() {
            self.first_line = Some((number, excerpt(line)));
        }
        if let Some((key, rest)) = self.header.key(line) {
            if self.settled {
                return Ok(Step::Begin);
            }
            if self.header.has(key) && self.header.is_complete() {
                if self.settle_tsv(crlf)? {
                    return Ok(Step::Begin);
                }
                self.header = Header::after(&self.layout);
            }
            self.header.feed(key, rest, number);
        } else if line.starts_with(b"#close") && !self.settled && self.header.is_complete() {
            self.settle_tsv(crlf)?;
        }
        Ok(Step::Take(LineKind::Meta))
    }

    fn row(&mut self, line: &[u8]) -> Step {
        let Some(fallback) = &self.fallback else { return Step::Take(LineKind::Row) };
        if self.layout.fits(line) {
            self.rows += 1;
            if self.rows == CONFIRMED {
                self.fallback = None;
            }
        } else if fallback.fits(line) {
            return Step::Resume;
        }
        Step::Take(LineKind::Row)
    }

    fn first_row(&mut self, line: &[u8], number: u64, crlf: bool) -> Result<Step, Error> {
        let start = line.trim_ascii_start();
        if self.header.is_complete() && self.settle_tsv(crlf)? {
            return self.next(line, number, crlf);
        }
        if start.is_empty() {
            return Ok(Step::Take(LineKind::Meta));
        }
        if !is_object(line) && self.fallback.is_some() {
            return Ok(Step::Resume);
        }
        if start.first() == Some(&b'{') {
            self.settle(Layout { wanted_path: self.options.stream.clone(), crlf, ..Layout::json() });
            self.rows = 1;
            return Ok(Step::Take(LineKind::Row));
        }
        if self.options.fields.is_some() {
            self.settle_tsv(crlf)?;
            return Ok(Step::Take(LineKind::Row));
        }
        let error = self.not_zeek(line, number);
        // A JSON log cut at its beginning, as by `tail -c`, begins with the end of a row.
        if self.refusal.is_none() && !self.header.is_begun() && line.ends_with(b"}") {
            self.refusal = Some(error);
            return Ok(Step::Take(LineKind::Row));
        }
        Err(self.refusal.take().unwrap_or(error))
    }

    fn not_zeek(&self, line: &[u8], number: u64) -> Error {
        // Prose and source code have tabs, too, but the smallest of Zeek's logs has four columns.
        const MIN_COLUMNS: usize = 4;
        let columns = 1 + line.iter().filter(|b| **b == b'\t').count();
        let is_text = !line.contains(&0);
        let kind = if is_text && (columns >= MIN_COLUMNS || self.header.is_begun() && columns > 1) {
            ErrorKind::NoHeader { columns }
        } else {
            let expected = match line {
                [0xff, 0xfe, ..] | [0xfe, 0xff, ..] => "UTF-16 text must be converted to UTF-8 first",
                _ if line.trim_ascii_start().first() == Some(&b'[') => {
                    "expected one JSON object per line, not an array (split it with `jq -c '.[]'`)"
                }
                _ => "expected a #fields header or one JSON object per line",
            };
            ErrorKind::NotZeek { expected, found: excerpt(line) }
        };
        Error::at(&self.name, number, kind)
    }

    /// Settles the layout of the header; `false` if the header is unusable and therefore a damaged line.
    fn settle_tsv(&mut self, crlf: bool) -> Result<bool, Error> {
        let is_first = self.fallback.is_none();
        if is_first {
            self.header.check_stream(&self.name, &self.options)?;
        }
        match self.header.layout(&self.name, &self.options, crlf) {
            Ok(layout) => self.settle(layout),
            Err(error) if is_first => return Err(error),
            Err(_) => return Ok(false),
        }
        Ok(true)
    }

    /// Reuses an equal layout, so that bindings made for it remain valid.
    fn settle(&mut self, layout: Layout) {
        if *self.layout != layout {
            self.layout = Arc::new(layout);
        }
        self.settled = true;
    }
}

impl Layout {
    /// Returns true if a line has the columns, or the braces, of a row. Any line would fit a single column, so none
    /// does.
    fn fits(&self, line: &[u8]) -> bool {
        match self.format {
            Format::Tsv => {
                self.widths.len() > 1
                    && split(line, &self.separator).count() == self.widths.len()
                    && !self.is_json(line)
            }
            Format::Json => is_object(line),
        }
    }

    /// Returns true if a line among TSV rows is a JSON object.
    fn is_json(&self, line: &[u8]) -> bool {
        is_object(line) && line.ends_with(b"}") && memchr::memmem::find(line, &self.separator).is_none()
    }
}

/// Returns true if a line begins like a JSON object with members.
fn is_object(line: &[u8]) -> bool {
    let inside = line.trim_ascii_start().strip_prefix(b"{");
    inside.is_some_and(|inside| inside.trim_ascii_start().starts_with(b"\""))
}

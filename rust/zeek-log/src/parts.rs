//! Follows a log line by line: which lines are rows, and under which layout.
//!
//! A log has one part for each header in it; logs that were concatenated have several. A damaged line can look as if
//! another part began there: a row that has not the form of its part, but that of one before, goes on with that one, and
//! so do those behind it. Bytes and buffers are the reader's business.

use std::mem;
use std::sync::Arc;

use crate::error::excerpt;
use crate::header::{Header, split};
use crate::{Error, Format, Layout, LineKind, ReadOptions};

/// Where in a log one is.
#[derive(Debug)]
pub(crate) struct Parts {
    name: Arc<str>,
    options: ReadOptions,
    header: Header,
    layout: Arc<Layout>,
    settled: bool,
    /// How many rows of this part had its form, as far as they were looked at.
    rows: u32,
    /// Parts before, the latest last.
    before: Vec<Part>,
    /// Which of them the line belongs to that cut this part.
    returns: Option<usize>,
    /// How often one did.
    returned: u32,
    /// The first line of this part that was not blank.
    first_line: Option<(u64, String)>,
    /// Why the first line is no log's, should the next not show that it was the end of a row.
    refusal: Option<Error>,
}

/// What one part of a log looks like.
#[derive(Debug)]
struct Part {
    header: Header,
    layout: Arc<Layout>,
}

/// The most parts that are gone back to.
const MOST_BEFORE: usize = 8;

/// How often parts are gone back to: readers have to find the columns again each time, of which there may be many.
const MOST_RETURNS: u32 = 1000;

/// When so many rows had the form of a part, it was no damaged line that began it.
const PROVEN: u32 = 100;

const BLANK: &str = "blank lines should be followed by rows";

/// What is to be done with a line.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// It belongs to the part.
    Take(LineKind),
    /// It begins another part. It is to come again after [`Parts::begin`].
    Cut,
}

impl Parts {
    pub(crate) fn new(name: Arc<str>, options: ReadOptions) -> Self {
        let (header, layout) = (Header::default(), Arc::default());
        Self {
            name,
            options,
            header,
            layout,
            settled: false,
            rows: 0,
            before: Vec::new(),
            returns: None,
            returned: 0,
            first_line: None,
            refusal: None,
        }
    }

    /// The layout of the part, once it is settled.
    pub(crate) fn layout(&self) -> &Arc<Layout> {
        &self.layout
    }

    /// Whether the layout of the part is known.
    pub(crate) fn is_settled(&self) -> bool {
        self.settled
    }

    /// Whether it has been seen what rows look like, so that one line that cannot be used does not end the log.
    pub(crate) fn has_shown_rows(&self) -> bool {
        self.settled || !self.before.is_empty()
    }

    /// Begins another part, or goes on with one before.
    pub(crate) fn begin(&mut self) {
        let next = self.header.next();
        let header = mem::replace(&mut self.header, next);
        let back = self.returns.take().map(|index| self.before.remove(index));
        self.before.push(Part { header, layout: self.layout.clone() });
        if let Some(part) = back {
            self.go_on_with(part);
            return;
        }
        if self.before.len() > MOST_BEFORE {
            self.before.remove(0);
        }
        (self.settled, self.rows) = (false, 0);
        self.first_line = None;
    }

    fn go_on_with(&mut self, part: Part) {
        (self.header, self.layout) = (part.header, part.layout);
        // It is not proven again: what led back to it may have been a damaged row of the part behind it.
        (self.settled, self.rows) = (true, 0);
        self.returned += 1;
    }

    /// The latest part before that has room for a line.
    fn fitting(&self, line: &[u8]) -> Option<usize> {
        let parts = if self.returned < MOST_RETURNS { &self.before[..] } else { &[] };
        parts.iter().rposition(|part| part.layout.has_room_for(line))
    }

    /// Says what the next line is; `crlf` is whether it ends in `\r\n`.
    #[inline]
    pub(crate) fn next(&mut self, line: &[u8], number: u64, crlf: bool) -> Result<Step, Error> {
        match line.first() {
            None => Ok(Step::Take(LineKind::Meta)),
            Some(b'#') => self.comment(line, number, crlf),
            Some(b'{') if self.settled && self.begins_json(line) => Ok(Step::Cut),
            Some(_) if self.settled && (self.rows == PROVEN || self.rows > 0 && self.before.is_empty()) => {
                Ok(Step::Take(LineKind::Row))
            }
            Some(_) if self.settled => Ok(self.row(line)),
            Some(_) => self.first_row(line, number, crlf),
        }
    }

    /// Settles the layout of a part without rows: when the log has `ended`, or such a part has become too long to be held.
    pub(crate) fn finish(&mut self, lines: u64, ended: bool) -> Result<(), Error> {
        if self.settled || self.header.is_complete() && self.settle_tsv(false)? {
            return Ok(());
        }
        if let Some(part) = self.before.pop() {
            self.go_on_with(part);
            return Ok(());
        }
        if let Some(refusal) = self.refusal.take() {
            return Err(refusal);
        }
        let name = self.name.clone();
        Err(match self.first_line.take() {
            None if ended => Error::Empty { name },
            None => Error::NotZeek { name, line: lines, reason: BLANK, found: "\n".to_owned() },
            Some(_) if self.header.is_begun() => {
                let reason =
                    if ended { "the log ends before any #fields line" } else { "there is no #fields line in it" };
                Error::Header { name, line: lines, reason: reason.to_owned() }
            }
            Some((line, found)) => Error::NotZeek { name, line, reason: "comments should be followed by rows", found },
        })
    }

    fn comment(&mut self, line: &[u8], number: u64, crlf: bool) -> Result<Step, Error> {
        if self.first_line.is_none() {
            self.first_line = Some((number, excerpt(line)));
        }
        if let Some((key, rest)) = self.header.key(line) {
            if self.settled {
                return Ok(Step::Cut);
            }
            if self.header.has(key) && self.header.is_complete() {
                if self.settle_tsv(crlf)? {
                    return Ok(Step::Cut);
                }
                self.header = self.before.last().map(|part| part.header.next()).unwrap_or_default();
            }
            self.header.feed(key, rest, number);
        } else if line.starts_with(b"#close") && !self.settled && self.header.is_complete() {
            self.settle_tsv(crlf)?;
        }
        Ok(Step::Take(LineKind::Meta))
    }

    /// Whether a line with a brace among TSV rows is JSON that was concatenated, and no row whose first column begins so.
    fn begins_json(&self, line: &[u8]) -> bool {
        self.layout.format == Format::Tsv && self.returned < MOST_RETURNS && self.layout.is_json(line)
    }

    /// A row of a part that may be a damaged line of one before.
    fn row(&mut self, line: &[u8]) -> Step {
        if self.layout.has_room_for(line) {
            self.rows = (self.rows + 1).min(self.layout.proven());
            return Step::Take(LineKind::Row);
        }
        self.returns = self.fitting(line);
        if self.returns.is_some() { Step::Cut } else { Step::Take(LineKind::Row) }
    }

    fn first_row(&mut self, line: &[u8], number: u64, crlf: bool) -> Result<Step, Error> {
        let start = line.trim_ascii_start();
        if self.header.is_complete() && self.settle_tsv(crlf)? {
            return self.next(line, number, crlf);
        }
        if !is_object(line) && !start.is_empty() && !self.before.is_empty() {
            let index = self.fitting(line).unwrap_or(self.before.len() - 1);
            let part = self.before.remove(index);
            self.go_on_with(part);
            return self.next(line, number, crlf);
        }
        if start.first() == Some(&b'{') {
            self.settle(Layout { wanted_path: self.options.path.clone(), crlf, ..Layout::json() });
            self.rows = 1;
            return Ok(Step::Take(LineKind::Row));
        }
        if start.is_empty() {
            return Ok(Step::Take(LineKind::Meta));
        }
        if self.options.fields.is_some() {
            self.settle_tsv(crlf)?;
            self.rows = 1;
            return Ok(Step::Take(LineKind::Row));
        }
        let error = self.no_log(line, number);
        // A log that was cut at its beginning, as `tail -c` does, may begin within a row.
        if self.refusal.is_none() && !self.header.is_begun() && line.ends_with(b"}") {
            self.refusal = Some(error);
            return Ok(Step::Take(LineKind::Row));
        }
        Err(self.refusal.take().unwrap_or(error))
    }

    /// Why the first row of a log is none.
    fn no_log(&self, line: &[u8], number: u64) -> Error {
        let (name, start) = (self.name.clone(), line.trim_ascii_start());
        let columns = 1 + line.iter().filter(|b| **b == b'\t').count();
        // Prose and source code have a tab here and there; the shortest of Zeek's logs has more columns.
        const LEAST_COLUMNS: usize = 4;
        if columns >= LEAST_COLUMNS || self.header.is_begun() && columns > 1 {
            return Error::NoHeader { name, line: number, columns };
        }
        let reason = match line {
            [0xff, 0xfe, ..] | [0xfe, 0xff, ..] => "it is UTF-16 text, which must be converted to UTF-8 first",
            _ if start.first() == Some(&b'[') => {
                "Zeek writes one JSON object a line, and this is an array (`jq -c '.[]'` takes it apart)"
            }
            _ => "its lines should begin with a #fields header, or each be a JSON object",
        };
        Error::NotZeek { name, line: number, reason, found: excerpt(line) }
    }

    /// Settles the layout that the header describes; whether it can be used. One that cannot be, among rows, is damaged
    /// lines.
    fn settle_tsv(&mut self, crlf: bool) -> Result<bool, Error> {
        let is_first = self.before.is_empty();
        if let Some(refusal) = self.header.refusal(&self.name, &self.options).filter(|_| is_first) {
            return Err(refusal);
        }
        match self.header.layout(&self.name, &self.options, crlf) {
            Ok(layout) => self.settle(layout),
            Err(error) if is_first => return Err(error),
            Err(_) => return Ok(false),
        }
        Ok(true)
    }

    /// Keeps the layout of the part before where it is the same, so that what was made for it still holds.
    fn settle(&mut self, layout: Layout) {
        if *self.layout != layout {
            self.layout = Arc::new(layout);
        }
        self.settled = true;
    }
}

impl Layout {
    /// How many rows prove a part to be one. Lines that are no JSON are told at a glance, however many rows there were.
    fn proven(&self) -> u32 {
        match self.format {
            Format::Tsv => PROVEN,
            Format::Json => 1,
        }
    }

    /// Whether a line has the form of its rows: as many columns, or the braces of an object. Anything could be a single
    /// column.
    fn has_room_for(&self, line: &[u8]) -> bool {
        let columns = || split(line, &self.separator).count();
        match self.format {
            Format::Tsv => self.packs.len() > 1 && columns() == self.packs.len() && !self.is_json(line),
            Format::Json => is_object(line),
        }
    }

    /// Whether a line among its rows is a line of JSON.
    fn is_json(&self, line: &[u8]) -> bool {
        is_object(line) && line.ends_with(b"}") && memchr::memmem::find(line, &self.separator).is_none()
    }
}

/// Whether a line begins as an object does that holds something.
fn is_object(line: &[u8]) -> bool {
    let inside = line.trim_ascii_start().strip_prefix(b"{");
    inside.is_some_and(|inside| inside.trim_ascii_start().starts_with(b"\""))
}

//! Follows a log line by line: which lines are rows, and under which layout.
//!
//! A log has one part for each header in it; logs that were concatenated have several. A damaged line can look as if
//! another part began there: where what follows does not go with it but goes with the part before, that one goes on.
//! Bytes and buffers are the reader's business.

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
    /// Whether a row settled it, rather than the end of its header.
    has_rows: bool,
    /// The part before that had rows, while this one may be a damaged line of it.
    before: Option<(Header, Arc<Layout>)>,
    /// Whether the line that cut this part belongs to the one before.
    returns: bool,
    /// How often one did.
    returned: u32,
    /// The first line of this part that was not blank.
    first_line: Option<(u64, String)>,
}

/// After so many lines of JSON that were none, others among TSV rows are damaged rows: each time, readers have to find the
/// columns of the part again, of which there may be many.
const MOST_RETURNS: u32 = 1000;

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
            has_rows: false,
            before: None,
            returns: false,
            returned: 0,
            first_line: None,
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

    /// Begins another part, or goes on with the one before.
    pub(crate) fn begin(&mut self) {
        if mem::take(&mut self.returns) {
            self.returned += 1;
            self.go_back();
            return;
        }
        let next = self.header.next();
        let header = mem::replace(&mut self.header, next);
        if mem::take(&mut self.has_rows) || self.before.is_none() {
            self.before = Some((header, self.layout.clone()));
        }
        self.settled = false;
        self.first_line = None;
    }

    /// Goes on with the part before; whether there was one.
    fn go_back(&mut self) -> bool {
        let Some((header, layout)) = self.before.take() else { return false };
        (self.header, self.layout) = (header, layout);
        (self.settled, self.has_rows) = (true, true);
        true
    }

    /// Says what the next line is; `crlf` is whether it ends in `\r\n`.
    #[inline]
    pub(crate) fn next(&mut self, line: &[u8], number: u64, crlf: bool) -> Result<Step, Error> {
        match line.first() {
            None => Ok(Step::Take(LineKind::Meta)),
            Some(b'#') => self.comment(line, number, crlf),
            Some(b'{') if self.settled && self.layout.format == Format::Tsv => Ok(self.brace(line)),
            Some(_) if self.settled && self.layout.format == Format::Json => Ok(self.object(line)),
            Some(_) if self.settled => Ok(Step::Take(LineKind::Row)),
            Some(_) => self.first_row(line, number, crlf),
        }
    }

    /// At the end of the log: settles the layout of a part without rows.
    pub(crate) fn finish(&mut self, lines: u64) -> Result<(), Error> {
        if self.settled {
            return Ok(());
        }
        if self.header.is_complete() {
            return self.settle_tsv(false);
        }
        if self.go_back() {
            return Ok(());
        }
        let name = self.name.clone();
        Err(match self.first_line.take() {
            None => Error::Empty { name },
            Some(_) if self.header.is_begun() => {
                Error::Header { name, line: lines, reason: "the log ends before any #fields line".to_owned() }
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
                self.settle_tsv(crlf)?;
                return Ok(Step::Cut);
            }
            self.header.feed(key, rest, number);
        } else if line.starts_with(b"#close") && !self.settled && self.header.is_complete() {
            self.settle_tsv(crlf)?;
        }
        Ok(Step::Take(LineKind::Meta))
    }

    /// A line with a brace among TSV rows: JSON that was concatenated, or a row whose first column begins so.
    fn brace(&self, line: &[u8]) -> Step {
        let json = self.returned < MOST_RETURNS
            && line.ends_with(b"}")
            && memchr::memmem::find(line, &self.layout.separator).is_none();
        if json { Step::Cut } else { Step::Take(LineKind::Row) }
    }

    /// A line among JSON rows: one of them, or where another part was before, one of that.
    fn object(&mut self, line: &[u8]) -> Step {
        self.returns = self.before.is_some() && !is_object(line);
        if self.returns { Step::Cut } else { Step::Take(LineKind::Row) }
    }

    fn first_row(&mut self, line: &[u8], number: u64, crlf: bool) -> Result<Step, Error> {
        let start = line.trim_ascii_start();
        if self.header.is_complete() {
            let goes_with_before = self.before.as_ref().is_some_and(|(_, before)| before.has_room_for(line));
            if goes_with_before && !self.header.layout(&self.name, &self.options, crlf)?.has_room_for(line) {
                self.go_back();
            } else {
                self.settle_tsv(crlf)?;
                self.has_rows = true;
            }
            return self.next(line, number, crlf);
        }
        if !is_object(line) && !start.is_empty() && self.go_back() {
            return self.next(line, number, crlf);
        }
        if start.first() == Some(&b'{') {
            self.settle(Layout { wanted_path: self.options.path.clone(), crlf, ..Layout::json() });
            self.has_rows = true;
            return Ok(Step::Take(LineKind::Row));
        }
        if start.is_empty() {
            return Ok(Step::Take(LineKind::Meta));
        }
        if self.options.fields.is_some() {
            self.settle_tsv(crlf)?;
            self.has_rows = true;
            return Ok(Step::Take(LineKind::Row));
        }
        let name = self.name.clone();
        let columns = 1 + line.iter().filter(|b| **b == b'\t').count();
        // Prose and source code have a tab here and there; the shortest of Zeek's logs has more columns.
        const LEAST_COLUMNS: usize = 4;
        if columns >= LEAST_COLUMNS || self.header.is_begun() && columns > 1 {
            return Err(Error::NoHeader { name, line: number, columns });
        }
        let reason = match line {
            [0xff, 0xfe, ..] | [0xfe, 0xff, ..] => "it is UTF-16 text, which must be converted to UTF-8 first",
            _ if start.first() == Some(&b'[') => {
                "Zeek writes one JSON object a line, and this is an array (`jq -c '.[]'` takes it apart)"
            }
            _ => "its lines should begin with a #fields header, or each be a JSON object",
        };
        Err(Error::NotZeek { name, line: number, reason, found: excerpt(line) })
    }

    fn settle_tsv(&mut self, crlf: bool) -> Result<(), Error> {
        let layout = self.header.layout(&self.name, &self.options, crlf)?;
        self.settle(layout);
        Ok(())
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
    /// Whether a line has the form of its rows: as many columns, or the braces of an object.
    fn has_room_for(&self, line: &[u8]) -> bool {
        match self.format {
            Format::Tsv => split(line, &self.separator).count() == self.packs.len(),
            Format::Json => is_object(line),
        }
    }
}

fn is_object(line: &[u8]) -> bool {
    line.trim_ascii_start().starts_with(b"{")
}

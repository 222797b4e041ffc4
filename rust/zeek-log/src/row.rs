//! A row: the wanted columns of one line, as bytes and as values.
//!
//! A row keeps its own copy of the line, so that it can be reused for any line of any block, and allocates only while
//! it grows to the longest of them.

use std::borrow::Cow;
use std::sync::Arc;

use crate::error::excerpt;
use crate::escape::unescape;
use crate::keys::Hints;
use crate::layout::Format;
use crate::value;
use crate::{RowCause, RowError, ValueError, json};

/// The wanted columns of one line. [`Binding::parse`](crate::Binding::parse) fills it; columns are numbered as in the
/// list that the binding was made from.
#[derive(Debug, Default)]
pub struct Row {
    /// The line's bytes, then the text of those fields that had to be unescaped.
    pub(crate) bytes: Vec<u8>,
    pub(crate) cells: Vec<Cell>,
    pub(crate) shape: Arc<Shape>,
    pub(crate) name: Arc<str>,
    pub(crate) line: u64,
    /// Which keys came in which order in the JSON rows before.
    pub(crate) hints: Hints,
    /// Where the columns of a TSV row begin.
    pub(crate) bounds: Vec<u32>,
}

/// What all rows of one binding have in common.
#[derive(Debug)]
pub(crate) struct Shape {
    pub(crate) names: Box<[Arc<str>]>,
    pub(crate) format: Format,
    pub(crate) set_separator: Box<[u8]>,
}

impl Default for Shape {
    fn default() -> Self {
        Self { names: Box::default(), format: Format::Tsv, set_separator: Box::from(*b",") }
    }
}

/// Where one column lies in the bytes of its row.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Cell {
    pub(crate) kind: CellKind,
    /// JSON: which of the column's spellings it was found under, 0 the first.
    pub(crate) rank: u8,
    /// As it is in the file.
    pub(crate) raw: (u32, u32),
    /// Unescaped.
    pub(crate) text: (u32, u32),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum CellKind {
    Unset,
    Empty,
    Text,
    /// A JSON array.
    Array,
}

impl Cell {
    pub(crate) const UNSET: Self = Self { kind: CellKind::Unset, rank: u8::MAX, raw: (0, 0), text: (0, 0) };

    /// A cell whose text needs no unescaping. Lines are shorter than 2^32 bytes.
    #[inline]
    pub(crate) fn at(kind: CellKind, start: usize, end: usize) -> Self {
        let span = (start as u32, end as u32);
        Self { kind, rank: 0, raw: span, text: span }
    }
}

impl Row {
    /// A row to be filled.
    pub fn new() -> Self {
        Self::default()
    }

    /// The text of a column, unescaped; `None` if it is unset or the log has no such column, `Some(b"")` if it is empty.
    /// A JSON array comes as its elements joined by commas, as TSV has it; a JSON object as its JSON.
    #[inline]
    pub fn get(&self, column: usize) -> Option<&[u8]> {
        let cell = self.cells.get(column)?;
        match cell.kind {
            CellKind::Unset => None,
            CellKind::Empty => Some(b""),
            CellKind::Text | CellKind::Array => Some(self.slice(cell.text)),
        }
    }

    /// The elements of a set or vector column, unescaped, in the order of the file; `None` if it is unset. A column
    /// that is not a set gives its text as the one element.
    pub fn elements(&self, column: usize) -> Option<Elements<'_>> {
        let cell = self.cells.get(column)?;
        Some(match (cell.kind, self.shape.format) {
            (CellKind::Unset, _) => return None,
            (CellKind::Empty, _) => Elements(Kind::Done),
            (CellKind::Array, _) => Elements(Kind::Json(self.slice(cell.raw))),
            (CellKind::Text, Format::Tsv) => Elements(Kind::Tsv(self.slice(cell.raw), &self.shape.set_separator)),
            (CellKind::Text, Format::Json) => Elements(Kind::Text(self.slice(cell.text))),
        })
    }

    /// A column of type `count` or `int` that is not negative.
    ///
    /// # Errors
    /// When the text is not a whole number from 0 to 2^64 - 1.
    #[inline]
    pub fn count(&self, column: usize) -> Result<Option<u64>, RowError> {
        self.value(column, value::parse_count)
    }

    /// A column of type `double`, or `interval` in seconds.
    ///
    /// # Errors
    /// When the text is not a finite decimal number.
    #[inline]
    pub fn double(&self, column: usize) -> Result<Option<f64>, RowError> {
        self.value(column, value::parse_double)
    }

    /// A column of type `interval` in microseconds, exact.
    ///
    /// # Errors
    /// When the text is not a decimal number, or out of range.
    #[inline]
    pub fn micros(&self, column: usize) -> Result<Option<i64>, RowError> {
        self.value(column, value::parse_micros)
    }

    /// A column of type `time`, seconds since 1970 or ISO 8601, in microseconds since 1970, exact.
    ///
    /// # Errors
    /// When the text is neither.
    #[inline]
    pub fn time(&self, column: usize) -> Result<Option<i64>, RowError> {
        self.value(column, value::parse_time)
    }

    /// A column of type `port`.
    ///
    /// # Errors
    /// When the text is not a whole number from 0 to 65535.
    #[inline]
    pub fn port(&self, column: usize) -> Result<Option<u16>, RowError> {
        self.value(column, value::parse_port)
    }

    /// A column of type `addr`: IPv6, or IPv4 mapped into it (`::ffff:192.0.2.1`).
    ///
    /// # Errors
    /// When the text is no address.
    #[inline]
    pub fn addr(&self, column: usize) -> Result<Option<[u8; 16]>, RowError> {
        self.value(column, value::parse_addr)
    }

    /// A column of type `bool`.
    ///
    /// # Errors
    /// When the text is neither of `T`, `F`, `true`, `false`.
    #[inline]
    pub fn bool(&self, column: usize) -> Result<Option<bool>, RowError> {
        self.value(column, value::parse_bool)
    }

    /// A column through a parser of the caller's, such as those in [`value`].
    ///
    /// # Errors
    /// The parser's, with file, line and field.
    #[inline]
    pub fn value<T>(
        &self,
        column: usize,
        parse: impl FnOnce(&[u8]) -> Result<T, ValueError>,
    ) -> Result<Option<T>, RowError> {
        let Some(text) = self.get(column) else {
            return Ok(None);
        };
        match parse(text) {
            Ok(value) => Ok(Some(value)),
            Err(error) => Err(self.error(column, RowCause::Value { text: excerpt(text).into(), error })),
        }
    }

    /// An error about a column of this row.
    #[cold]
    pub fn error(&self, column: usize, cause: RowCause) -> RowError {
        let field = self.shape.names.get(column).cloned();
        RowError { name: self.name.clone(), line: self.line, field, cause }
    }

    /// The line this row was parsed from, counted from 1.
    pub fn line(&self) -> u64 {
        self.line
    }

    #[inline]
    fn slice(&self, (start, end): (u32, u32)) -> &[u8] {
        &self.bytes[start as usize..end as usize]
    }
}

/// The elements of a set or vector. Made by [`Row::elements`].
#[derive(Clone, Debug)]
pub struct Elements<'r>(Kind<'r>);

#[derive(Clone, Debug)]
enum Kind<'r> {
    Done,
    /// Raw text and the separator of elements; each element is still escaped.
    Tsv(&'r [u8], &'r [u8]),
    /// Text of a JSON string, which lists elements as TSV does.
    Text(&'r [u8]),
    /// An array, valid JSON from bracket to bracket.
    Json(&'r [u8]),
}

impl<'r> Iterator for Elements<'r> {
    type Item = Cow<'r, [u8]>;

    fn next(&mut self) -> Option<Self::Item> {
        match self.0 {
            Kind::Done => None,
            Kind::Tsv(rest, separator) => {
                let (element, rest) = split_once(rest, separator);
                self.0 = rest.map_or(Kind::Done, |rest| Kind::Tsv(rest, separator));
                Some(unescape(element))
            }
            Kind::Text(rest) => {
                let (element, rest) = split_once(rest, b",");
                self.0 = rest.map_or(Kind::Done, Kind::Text);
                Some(Cow::Borrowed(element))
            }
            Kind::Json(array) => {
                let (element, rest) = json::next_element(array)?;
                self.0 = Kind::Json(rest);
                Some(element)
            }
        }
    }
}

fn split_once<'r>(text: &'r [u8], separator: &[u8]) -> (&'r [u8], Option<&'r [u8]>) {
    match memchr::memmem::find(text, separator) {
        Some(at) if !separator.is_empty() => (&text[..at], Some(&text[at + separator.len()..])),
        _ => (text, None),
    }
}

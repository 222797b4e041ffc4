//! Row: the wanted columns of one line, as bytes and as values. It owns a copy of the line, so that it can be reused.

use std::borrow::Cow;
use std::sync::Arc;

use crate::error::{Error, ErrorKind, excerpt};
use crate::json::{self, key_cache::KeyCache};
use crate::layout::Format;
use crate::tsv::escape::{unescape, unescape_bytes};
use crate::value;

/// The wanted columns of one line, numbered as in [`Layout::bind`](crate::Layout::bind).
///
/// [`Binding::parse`](crate::Binding::parse) fills it.
#[derive(Debug, Default)]
pub struct Row {
    /// The line's bytes, followed by unescaped text.
    pub(crate) bytes: Vec<u8>,
    /// One cell for each wanted column, unless the row is plain.
    pub(crate) cells: Vec<Cell>,
    /// True if `bounds` and [`Shape::plain`] give the fields, so that only columns that are read cost time.
    pub(crate) is_plain: bool,
    pub(crate) shape: Arc<Shape>,
    pub(crate) name: Arc<str>,
    pub(crate) line: u64,
    pub(crate) key_cache: KeyCache,
    /// Start of each column of a TSV row.
    pub(crate) bounds: Vec<u32>,
}

/// Properties common to all rows of a binding.
#[derive(Debug)]
pub(crate) struct Shape {
    pub(crate) names: Box<[Arc<str>]>,
    pub(crate) format: Format,
    pub(crate) set_separator: Box<[u8]>,
    pub(crate) plain: PlainFields,
}

impl Default for Shape {
    fn default() -> Self {
        let plain = PlainFields { positions: Box::default(), unset: b'-', empty: Box::default() };
        Self { names: Box::default(), format: Format::Tsv, set_separator: Box::from(*b","), plain }
    }
}

/// Wanted columns of a TSV row without escapes and packed columns, with a separator of one byte.
#[derive(Debug)]
pub(crate) struct PlainFields {
    /// Position of each wanted column in the row; `u32::MAX` for one that the log lacks.
    pub(crate) positions: Box<[u32]>,
    /// The text of an unset field.
    pub(crate) unset: u8,
    /// The text of an empty field.
    pub(crate) empty: Box<[u8]>,
}

impl PlainFields {
    #[inline(always)]
    fn text<'l>(&self, column: usize, bounds: &[u32], line: &'l [u8]) -> Option<&'l [u8]> {
        let at = *self.positions.get(column)? as usize;
        let next = *bounds.get(at + 1)?;
        let text = &line[bounds[at] as usize..next as usize - 1];
        match text {
            [byte] if *byte == self.unset => None,
            _ if text == &*self.empty => Some(b""),
            _ => Some(text),
        }
    }
}

/// Position of a column in the bytes of its row.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Cell {
    pub(crate) kind: CellKind,
    /// JSON: rank of the name it was found by, 0 the first.
    pub(crate) rank: u8,
    /// As in the file.
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

    /// A cell without escapes. Lines are shorter than 2^32 bytes.
    #[inline]
    pub(crate) fn at(kind: CellKind, start: usize, end: usize) -> Self {
        let span = (start as u32, end as u32);
        Self { kind, rank: 0, raw: span, text: span }
    }
}

impl Row {
    /// Creates an empty row.
    pub fn new() -> Self {
        Self::default()
    }

    /// The unescaped text of a column: `None` if it is unset or missing, `Some(b"")` if it is empty. Elements of a JSON
    /// array are joined by commas, as in TSV; a JSON object is its JSON.
    #[inline(always)]
    pub fn get(&self, column: usize) -> Option<&[u8]> {
        if self.is_plain {
            return self.shape.plain.text(column, &self.bounds, &self.bytes);
        }
        let cell = self.cells.get(column)?;
        match cell.kind {
            CellKind::Unset => None,
            CellKind::Empty => Some(b""),
            CellKind::Text | CellKind::Array => Some(self.slice(cell.text)),
        }
    }

    /// The unescaped elements of a set or vector in the order of the file; `None` if it is unset. Any other column has
    /// its text as the only element.
    pub fn elements(&self, column: usize) -> Option<Elements<'_>> {
        if self.is_plain {
            let text = self.get(column)?;
            return Some(Elements(if text.is_empty() {
                Rest::Done
            } else {
                Rest::Tsv(text, &self.shape.set_separator)
            }));
        }
        let cell = self.cells.get(column)?;
        Some(match (cell.kind, self.shape.format) {
            (CellKind::Unset, _) => return None,
            (CellKind::Empty, _) => Elements(Rest::Done),
            (CellKind::Array, _) => Elements(Rest::Json(self.slice(cell.raw))),
            (CellKind::Text, Format::Tsv) => Elements(Rest::Tsv(self.slice(cell.raw), &self.shape.set_separator)),
            (CellKind::Text, Format::Json) => Elements(Rest::Text(self.slice(cell.text))),
        })
    }

    /// The bytes of a text or an element of this row. Zeek writes bytes that are not UTF-8 as `\xHH` in JSON, too, where
    /// they are part of the text; TSV is unescaped already.
    pub fn binary<'t>(&self, text: &'t [u8]) -> Cow<'t, [u8]> {
        match self.shape.format {
            Format::Tsv => Cow::Borrowed(text),
            Format::Json => unescape_bytes(text),
        }
    }

    /// A column of type `count`, or a non-negative `int`.
    ///
    /// # Errors
    /// When the text is not a whole number from 0 to 2^64 - 1.
    #[inline(always)]
    pub fn count(&self, column: usize) -> Result<Option<u64>, Error> {
        self.value(column, "a count", value::parse_count)
    }

    /// A column of type `interval` in microseconds, exact.
    ///
    /// # Errors
    /// When the text is not a decimal number, or out of range.
    #[inline(always)]
    pub fn micros(&self, column: usize) -> Result<Option<i64>, Error> {
        self.value(column, "a number of seconds", value::parse_micros)
    }

    /// A column of type `time`, seconds since 1970 or ISO 8601, in microseconds since 1970, exact.
    ///
    /// # Errors
    /// When the text is neither.
    #[inline]
    pub fn time(&self, column: usize) -> Result<Option<i64>, Error> {
        self.value(column, "a time", value::parse_time)
    }

    /// A column of type `port`.
    ///
    /// # Errors
    /// When the text is not a whole number from 0 to 65535.
    #[inline(always)]
    pub fn port(&self, column: usize) -> Result<Option<u16>, Error> {
        self.value(column, "a port", value::parse_port)
    }

    /// A column of type `addr`: IPv6, or IPv4 mapped into it (`::ffff:192.0.2.1`).
    ///
    /// # Errors
    /// When the text is not an address.
    #[inline(always)]
    pub fn addr(&self, column: usize) -> Result<Option<[u8; 16]>, Error> {
        self.value(column, "an address", value::parse_addr)
    }

    /// A column of type `bool`.
    ///
    /// # Errors
    /// When the text is not `T`, `F`, `true` or `false`.
    #[inline(always)]
    pub fn bool(&self, column: usize) -> Result<Option<bool>, Error> {
        self.value(column, "a bool", value::parse_bool)
    }

    /// A column parsed by a function, such as those in [`value`]; `wanted` names the type, as in `a count`.
    ///
    /// # Errors
    /// [`ErrorKind::Value`] when `parse` returns `None`.
    #[inline(always)]
    pub fn value<T>(
        &self,
        column: usize,
        wanted: &'static str,
        parse: impl FnOnce(&[u8]) -> Option<T>,
    ) -> Result<Option<T>, Error> {
        let Some(text) = self.get(column) else {
            return Ok(None);
        };
        match parse(text) {
            Some(value) => Ok(Some(value)),
            None => Err(self.error(column, ErrorKind::Value { text: excerpt(text), wanted })),
        }
    }

    /// Creates an error about a column of this row.
    #[cold]
    pub fn error(&self, column: usize, kind: ErrorKind) -> Error {
        Error::at(&self.name, self.line, kind).with_field(self.shape.names.get(column).cloned())
    }

    /// The line number, counted from 1.
    pub fn line(&self) -> u64 {
        self.line
    }

    #[inline]
    fn slice(&self, (start, end): (u32, u32)) -> &[u8] {
        &self.bytes[start as usize..end as usize]
    }
}

/// Iterator over the elements of a set or vector, made by [`Row::elements`].
#[derive(Clone, Debug)]
pub struct Elements<'r>(Rest<'r>);

#[derive(Clone, Debug)]
enum Rest<'r> {
    Done,
    /// Raw text and the separator; elements are still escaped.
    Tsv(&'r [u8], &'r [u8]),
    /// Text of a JSON string, with elements separated by commas.
    Text(&'r [u8]),
    /// The rest of a valid JSON array.
    Json(&'r [u8]),
}

impl<'r> Iterator for Elements<'r> {
    type Item = Cow<'r, [u8]>;

    fn next(&mut self) -> Option<Self::Item> {
        match self.0 {
            Rest::Done => None,
            Rest::Tsv(rest, separator) => {
                let (element, rest) = split_once(rest, separator);
                self.0 = rest.map_or(Rest::Done, |rest| Rest::Tsv(rest, separator));
                Some(unescape(element))
            }
            Rest::Text(rest) => {
                let (element, rest) = split_once(rest, b",");
                self.0 = rest.map_or(Rest::Done, Rest::Text);
                Some(Cow::Borrowed(element))
            }
            Rest::Json(array) => {
                let (element, rest) = json::next_element(array)?;
                self.0 = Rest::Json(rest);
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

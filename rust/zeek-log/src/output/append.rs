//! Appender: adds columns to the lines of a log and copies every other byte.

use memchr::memchr;
use memchr::memmem::{self, Finder};

use crate::block::Line;
use crate::error::{Error, ErrorKind};
use crate::header::{HeaderKey, split};
use crate::json::{self, Scanner, SyntaxError};
use crate::layout::{Format, Layout, PACKING};
use crate::tsv::Place;
use crate::tsv::escape::{escape_into, push_hex};

/// A column to add.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewField {
    /// Name, such as `anomaly_score`.
    pub name: String,
    /// Zeek type, such as `double`, which decides the JSON type.
    pub zeek_type: String,
}

/// Adds columns to the lines of one layout. An existing column is replaced in its place.
#[derive(Clone, Debug)]
pub struct Appender {
    layout: Layout,
    columns: Vec<Column>,
    /// JSON: the common prefix of the new keys; a row without it has none of them.
    prefix: Finder<'static>,
    /// TSV: the bytes that never need an escape.
    plain: [bool; 256],
}

#[derive(Clone, Debug)]
struct Column {
    field: NewField,
    /// TSV: the place of an existing column.
    place: Option<Place>,
    /// JSON: the key in its quotes.
    key: Finder<'static>,
}

impl Appender {
    /// Prepares to add `fields` to the lines under `layout`.
    pub fn new(layout: &Layout, fields: &[NewField]) -> Self {
        let column = |field: &NewField| {
            let mut key = Vec::new();
            json::push_string(field.name.as_bytes(), &mut key);
            Column {
                field: field.clone(),
                place: layout.position(&field.name).and_then(|position| Place::of(layout, position)),
                key: Finder::new(&key).into_owned(),
            }
        };
        let columns: Vec<_> = fields.iter().map(column).collect();
        let keys = columns.iter().map(|column| column.key.needle());
        let prefix = Finder::new(keys.reduce(common_prefix).unwrap_or_default()).into_owned();
        let plain = std::array::from_fn(|byte| {
            let byte = byte as u8;
            byte.is_ascii_graphic() && byte != b'\\' && layout.separator.first() != Some(&byte)
        });
        Self { layout: layout.clone(), columns, prefix, plain }
    }

    /// Writes a [`Meta`](crate::LineKind::Meta) line to `out`, `#fields` and `#types` with the new columns.
    ///
    /// Lines of another stream are copied. A last line without a line end gets one.
    pub fn header(&self, line: &Line<'_>, out: &mut Vec<u8>) {
        let bytes = line.bytes();
        let start = out.len();
        if self.names(bytes, out).is_none() {
            out.truncate(start);
            out.extend_from_slice(bytes);
        }
        self.end(line, out);
    }

    /// Writes `#fields` or `#types` with the new columns; `None` for any other line.
    fn names(&self, line: &[u8], out: &mut Vec<u8>) -> Option<()> {
        if self.layout.format != Format::Tsv || self.layout.is_of_other_stream() {
            return None;
        }
        let (key, row) = HeaderKey::of(line, &self.layout.separator)?;
        let word: fn(&NewField) -> &str = match key {
            HeaderKey::Fields => |field| &field.name,
            HeaderKey::Types => |field| &field.zeek_type,
            _ => return None,
        };
        out.extend_from_slice(&line[..line.len() - row.len()]);
        let write = |column: &Column, _, out: &mut Vec<u8>| out.extend_from_slice(word(&column.field).as_bytes());
        self.tsv(row, write, out).ok()
    }

    /// Writes a row to `out` with the values of the new columns in their order. A value is unescaped text: the digits of
    /// a number, `T` or `F` for a bool, or a string. Values that are `None` or missing are unset: `-` in TSV, no key in
    /// JSON.
    ///
    /// A last row without a line end gets one.
    ///
    /// # Errors
    /// When a JSON row is not an object, or a TSV row lacks a column to replace; nothing is written then. Rows accepted
    /// by [`Binding::parse`](crate::Binding::parse) never fail.
    pub fn append<V: AsRef<[u8]>>(
        &self,
        line: &Line<'_>,
        values: &[Option<V>],
        out: &mut Vec<u8>,
    ) -> Result<(), Error> {
        let start = out.len();
        let value = |index: usize| values.get(index)?.as_ref().map(AsRef::as_ref);
        let result = match self.layout.format {
            Format::Tsv => self.tsv(line.bytes(), |column, index, out| self.tsv_value(column, value(index), out), out),
            Format::Json => self.json(line.bytes(), value, out).map_err(SyntaxError::kind),
        };
        match result {
            Ok(()) => {
                self.end(line, out);
                Ok(())
            }
            Err(kind) => {
                out.truncate(start);
                Err(line.error(kind))
            }
        }
    }

    fn end(&self, line: &Line<'_>, out: &mut Vec<u8>) {
        let ending = if line.ending().ends_with(b"\n") { line.ending() } else { self.layout.line_ending() };
        push_short(ending, out);
    }

    /// Writes a row, or a header line without its key; `write` writes the text of a new column.
    fn tsv(
        &self,
        row: &[u8],
        write: impl Fn(&Column, usize, &mut Vec<u8>),
        out: &mut Vec<u8>,
    ) -> Result<(), ErrorKind> {
        let columns = || self.columns.iter().enumerate();
        if columns().all(|(_, column)| column.place.is_none()) {
            out.extend_from_slice(row);
        } else {
            let mut found = 0;
            for (position, old) in split(row, &self.layout.separator).enumerate() {
                if position > 0 {
                    out.extend_from_slice(&self.layout.separator);
                }
                found += 1;
                let packing =
                    if self.layout.widths.get(position).is_some_and(|width| *width > 1) { PACKING } else { b"" };
                for (index, old) in split(old, packing).enumerate() {
                    if index > 0 {
                        out.extend_from_slice(packing);
                    }
                    let here = |place: Place| (place.column, place.index) == (position, index);
                    match columns().find(|(_, column)| column.place.is_some_and(here)) {
                        Some((index, column)) => write(column, index, out),
                        None => out.extend_from_slice(old),
                    }
                }
            }
            let wanted = self.layout.widths.len();
            if found != wanted {
                return Err(ErrorKind::Columns { found, wanted });
            }
        }
        for (index, column) in columns().filter(|(_, column)| column.place.is_none()) {
            push_short(&self.layout.separator, out);
            write(column, index, out);
        }
        Ok(())
    }

    fn tsv_value(&self, column: &Column, value: Option<&[u8]>, out: &mut Vec<u8>) {
        let layout = &self.layout;
        let packing = if column.place.is_some_and(|place| place.width > 1) { PACKING } else { b"" };
        let begins_row = column.place.is_some_and(|place| (place.column, place.index) == (0, 0));
        let reserved: [&[u8]; 2] = [&layout.separator, packing];
        match value {
            None => push_short(&layout.unset_field, out),
            Some([]) => out.extend_from_slice(&layout.empty_field),
            // Escapes text that would read as unset, empty or a comment.
            Some(text @ [first, rest @ ..])
                if *text == layout.unset_field || *text == layout.empty_field || begins_row && *first == b'#' =>
            {
                push_hex(*first, out);
                escape_into(rest, &reserved, out);
            }
            // The spaces between packed fields are not plain, so they are escaped below.
            Some(text) if text.iter().all(|byte| self.plain[usize::from(*byte)]) => out.extend_from_slice(text),
            Some(text) => escape_into(text, &reserved, out),
        }
    }

    fn json<'v>(
        &self,
        row: &[u8],
        value: impl Fn(usize) -> Option<&'v [u8]>,
        out: &mut Vec<u8>,
    ) -> Result<(), SyntaxError> {
        // An escaped key may equal a new one.
        let may_be_escaped = memchr(b'\\', row).is_some() && memmem::find(row, b"\\u").is_some();
        let has_key = || self.columns.iter().any(|column| column.key.find(row).is_some());
        if may_be_escaped || self.prefix.find(row).is_some() && has_key() {
            return self.json_replacing(row, value, out);
        }
        let close = row.trim_ascii_end().len().saturating_sub(1);
        if row.get(close) != Some(&b'}') {
            return Err(SyntaxError::missing_end(row));
        }
        out.extend_from_slice(&row[..close]);
        let mut empty = row[..close].trim_ascii_end().ends_with(b"{");
        for (index, column) in self.columns.iter().enumerate() {
            column.push_member(value(index), &mut empty, out);
        }
        out.extend_from_slice(&row[close..]);
        Ok(())
    }

    /// Writes a row that may have some of the new keys.
    fn json_replacing<'v>(
        &self,
        row: &[u8],
        value: impl Fn(usize) -> Option<&'v [u8]>,
        out: &mut Vec<u8>,
    ) -> Result<(), SyntaxError> {
        let mut scanner = Scanner::new(row);
        scanner.enter()?;
        out.extend_from_slice(&row[..scanner.at()]);
        let mut replaced = vec![false; self.columns.len()];
        let (mut first, mut empty) = (true, true);
        loop {
            let gap = scanner.at();
            if scanner.next_key(first)?.is_none() {
                let close = scanner.at() - 1;
                out.extend_from_slice(&row[gap..close]);
                for (index, column) in self.columns.iter().enumerate().filter(|(index, _)| !replaced[*index]) {
                    column.push_member(value(index), &mut empty, out);
                }
                out.extend_from_slice(&row[close..]);
                return scanner.finish();
            }
            let start = scanner.at() - 1;
            let (key, escaped) = scanner.key()?;
            scanner.colon()?;
            let old = scanner.at();
            scanner.value(1)?;
            let is_key = |column: &Column| column.is_key(key, escaped);
            let known = self.columns.iter().position(is_key);
            let new = known.map(|index| (index, value(index)));
            if let Some((index, _)) = new {
                replaced[index] = true;
            }
            if !matches!(new, Some((_, None))) {
                // Drops the comma of the first remaining member.
                let comma = usize::from(empty && !first);
                out.extend_from_slice(row[gap..start].trim_ascii_start().get(comma..).unwrap_or_default());
                match new {
                    Some((index, Some(new))) => {
                        out.extend_from_slice(&row[start..old]);
                        push_value(&self.columns[index].field.zeek_type, new, out);
                    }
                    _ => out.extend_from_slice(&row[start..scanner.at()]),
                }
                empty = false;
            }
            first = false;
        }
    }
}

impl Column {
    fn is_key(&self, raw: &[u8], escaped: bool) -> bool {
        if !escaped {
            return raw == self.field.name.as_bytes();
        }
        let mut key = Vec::with_capacity(raw.len());
        json::unescape_into(raw, &mut key);
        key == self.field.name.as_bytes()
    }

    /// Appends a comma unless the object is empty, the key and the value; nothing if the value is unset.
    fn push_member(&self, value: Option<&[u8]>, empty: &mut bool, out: &mut Vec<u8>) {
        let Some(value) = value else { return };
        if !*empty {
            out.push(b',');
        }
        *empty = false;
        out.extend_from_slice(self.key.needle());
        out.push(b':');
        push_value(&self.field.zeek_type, value, out);
    }
}

/// Appends a text of usually one byte; a push is cheaper than a call to copy.
#[inline(always)]
fn push_short(text: &[u8], out: &mut Vec<u8>) {
    match text {
        [byte] => out.push(*byte),
        _ => out.extend_from_slice(text),
    }
}

fn common_prefix<'k>(a: &'k [u8], b: &[u8]) -> &'k [u8] {
    &a[..a.iter().zip(b).take_while(|(a, b)| a == b).count()]
}

/// Appends a value as JSON.
fn push_value(zeek_type: &str, text: &[u8], out: &mut Vec<u8>) {
    match (zeek_type, text) {
        ("count" | "int" | "double" | "interval" | "time" | "port", _) if json::is_number(text) => {
            out.extend_from_slice(text);
        }
        ("bool", b"T" | b"true") => out.extend_from_slice(b"true"),
        ("bool", b"F" | b"false") => out.extend_from_slice(b"false"),
        _ => json::push_string(text, out),
    }
}

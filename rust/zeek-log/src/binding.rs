//! From the wanted columns and a layout to a parser of rows.
//!
//! Where columns are in a TSV row is found in [`tsv`], what a JSON row holds in [`json`](crate::json) and
//! [`keys`](crate::keys).

use std::sync::Arc;

use memchr::memchr;

use crate::json::{Fault, Scanner, Value, ValueKind, next_element};
use crate::keys::{Keys, MemberId, ROOT, Target};
use crate::layout::{Format, Layout};
use crate::row::{Cell, CellKind, Row, Shape};
use crate::tsv::{self, Place};
use crate::{Line, LineKind, RowCause, RowError, escape, json};

/// A column the caller wants: its name in Zeek's logs, and other names it may go by.
///
/// In TSV the names are looked up in `#fields`. In JSON a dot in a name stands for itself or for nesting: `id.orig_h`
/// finds `{"id.orig_h":…}` and `{"id":{"orig_h":…}}`. Where a row has several of the names, the first in order counts.
#[derive(Clone, Copy, Debug)]
pub struct ColumnSpec<'a> {
    /// Zeek's own name.
    pub name: &'a str,
    /// Other names.
    pub aliases: &'a [&'a str],
}

impl<'a> ColumnSpec<'a> {
    /// A column that goes by one name.
    pub const fn new(name: &'a str) -> Self {
        Self { name, aliases: &[] }
    }

    /// A column that goes by several names.
    pub const fn with_aliases(name: &'a str, aliases: &'a [&'a str]) -> Self {
        Self { name, aliases }
    }

    fn spellings(&self) -> impl Iterator<Item = &'a str> {
        [self.name].into_iter().chain(self.aliases.iter().copied())
    }
}

/// What [`Binding::parse`] made of a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Parsed {
    /// The row is filled.
    Row,
    /// A JSON row whose `_path` or `@stream` names another stream than [`ReadOptions::path`](crate::ReadOptions::path), or
    /// a TSV row under another `#path` further on in a log; the row is not to be used.
    OtherStream,
}

/// Finds the wanted columns in the lines of one layout. Made by [`Layout::bind`]; shared between threads as it is.
#[derive(Clone, Debug)]
pub struct Binding {
    shape: Arc<Shape>,
    bound: Vec<bool>,
    kind: Kind,
}

#[derive(Clone, Debug)]
enum Kind {
    Tsv(Tsv),
    Json(Json),
}

#[derive(Clone, Debug)]
struct Tsv {
    separator: Vec<u8>,
    empty_field: Vec<u8>,
    unset_field: Vec<u8>,
    columns: usize,
    wanted: Vec<Option<Place>>,
    /// Nothing is wanted of its rows.
    of_other_stream: bool,
}

#[derive(Clone, Debug)]
struct Json {
    keys: Keys,
    stream: Option<Vec<u8>>,
}

/// The keys under which JSON logs of several streams name the stream of a row.
const STREAM_KEYS: [&str; 2] = ["_path", "@stream"];

impl Layout {
    /// Prepares to read these columns. Their order gives the column numbers of [`Row`].
    pub fn bind(&self, columns: &[ColumnSpec<'_>]) -> Binding {
        let shape = Shape {
            names: columns.iter().map(|column| Arc::from(column.name)).collect(),
            format: self.format,
            set_separator: self.set_separator.as_slice().into(),
        };
        let (bound, kind) = match self.format {
            Format::Tsv => {
                let tsv = Tsv::new(self, columns);
                (tsv.wanted.iter().map(Option::is_some).collect(), Kind::Tsv(tsv))
            }
            Format::Json => (vec![true; columns.len()], Kind::Json(Json::new(self, columns))),
        };
        Binding { shape: Arc::new(shape), bound, kind }
    }
}

impl Binding {
    /// Whether the log has the column at all: false for a TSV log without it, always true for JSON, where each row may
    /// have it or not.
    pub fn is_bound(&self, column: usize) -> bool {
        self.bound.get(column).copied().unwrap_or(false)
    }

    /// Reads one line of kind [`Row`](LineKind::Row) or [`TooLong`](LineKind::TooLong).
    ///
    /// # Errors
    /// When the row has too few or too many columns, is not one JSON object, or is too long. `row` is not to be used
    /// then.
    #[inline]
    pub fn parse(&self, line: &Line<'_>, row: &mut Row) -> Result<Parsed, RowError> {
        row.begin(line, &self.shape);
        let result = match (&self.kind, line.kind()) {
            (_, LineKind::TooLong) => Err((None, RowCause::TooLong { limit: line.limit() })),
            (Kind::Tsv(tsv), _) => tsv.parse(line.bytes(), row),
            (Kind::Json(json), _) => json.parse(line.bytes(), row).map_err(|fault| (None, fault.cause())),
        };
        result.map_err(|(column, cause)| self.error(line, column, cause))
    }

    #[cold]
    fn error(&self, line: &Line<'_>, column: Option<usize>, cause: RowCause) -> RowError {
        let unfinished = line.ending().is_empty();
        let cause = match cause {
            RowCause::Columns { found, wanted } if unfinished && found < wanted => RowCause::CutShort,
            RowCause::Json { at, .. } if unfinished && at == line.bytes().len() => RowCause::CutShort,
            cause => cause,
        };
        line.error(column.and_then(|column| self.shape.names.get(column).cloned()), cause)
    }
}

impl Tsv {
    fn new(layout: &Layout, columns: &[ColumnSpec<'_>]) -> Self {
        let place = |column: &ColumnSpec<'_>| {
            let position = column.spellings().find_map(|name| layout.position(name))?;
            Place::of(layout, position)
        };
        Self {
            separator: layout.separator.clone(),
            empty_field: layout.empty_field.clone(),
            unset_field: layout.unset_field.clone(),
            columns: layout.packs.len(),
            wanted: columns.iter().map(place).collect(),
            of_other_stream: layout.is_of_other_stream(),
        }
    }

    #[inline]
    fn parse(&self, line: &[u8], row: &mut Row) -> Result<Parsed, (Option<usize>, RowCause)> {
        if self.of_other_stream {
            return Ok(Parsed::OtherStream);
        }
        tsv::split(line, &self.separator, &mut row.bounds);
        let found = row.bounds.len() - 1;
        if found != self.columns {
            return Err((None, RowCause::Columns { found, wanted: self.columns }));
        }
        let may_have_escapes = memchr(b'\\', line).is_some();
        for (column, place) in self.wanted.iter().enumerate() {
            let Some(place) = place else {
                row.cells.push(Cell::UNSET);
                continue;
            };
            let mut start = row.bounds[place.column] as usize;
            let mut end = row.bounds[place.column + 1] as usize - self.separator.len();
            if place.parts > 1 {
                let wanted = place.parts;
                let (from, to) = tsv::part(&line[start..end], place.part, wanted)
                    .map_err(|found| (Some(column), RowCause::Packed { found, wanted }))?;
                (start, end) = (start + from, start + to);
            }
            let text = &line[start..end];
            let kind = if text == self.unset_field {
                CellKind::Unset
            } else if text.is_empty() || text == self.empty_field {
                CellKind::Empty
            } else {
                CellKind::Text
            };
            let mut cell = Cell::at(kind, start, end);
            if may_have_escapes && kind == CellKind::Text && memchr(b'\\', text).is_some() {
                cell.text = add_text(&mut row.bytes, |bytes| escape::unescape_into(text, bytes));
            }
            row.cells.push(cell);
        }
        Ok(Parsed::Row)
    }
}

impl Json {
    fn new(layout: &Layout, columns: &[ColumnSpec<'_>]) -> Self {
        let mut keys = Keys::default();
        for (index, column) in columns.iter().enumerate() {
            for (rank, spelling) in column.spellings().enumerate() {
                keys.add(spelling, index as u16, rank.min(usize::from(u8::MAX) - 1) as u8);
            }
        }
        let stream = layout.wanted_path.as_ref().map(|path| path.clone().into_bytes());
        if stream.is_some() {
            STREAM_KEYS.iter().for_each(|key| keys.add_stream(key));
        }
        Self { keys, stream }
    }

    #[inline]
    fn parse(&self, line: &[u8], row: &mut Row) -> Result<Parsed, Fault> {
        row.cells.resize(row.shape.names.len(), Cell::UNSET);
        row.hints.rewind();
        let mut scanner = Scanner::new(line);
        scanner.enter()?;
        let mut parsed = Parsed::Row;
        self.members(&mut scanner, line, row, ROOT, 1, &mut parsed)?;
        scanner.finish()?;
        Ok(parsed)
    }

    fn members(
        &self,
        scanner: &mut Scanner<'_>,
        line: &[u8],
        row: &mut Row,
        object: MemberId,
        depth: usize,
        parsed: &mut Parsed,
    ) -> Result<(), Fault> {
        let mut first = true;
        while !scanner.leave() {
            let target = match row.hints.guess(object, first, scanner.rest()) {
                Some((target, length)) => {
                    scanner.skip(length);
                    target
                }
                None => match self.look_up(scanner, row, object, first)? {
                    Some(target) => target,
                    None => return Ok(()),
                },
            };
            first = false;
            let here = scanner.clone();
            let value = scanner.value(depth)?;
            match target {
                Target::Skip => {}
                Target::Column(column, rank) => row.put(usize::from(column), rank, value, line),
                Target::Member(id) => self.member(here, line, row, id, depth, value, parsed)?,
            }
        }
        Ok(())
    }

    /// A value that more is wanted of than one column, and where it begins.
    #[cold]
    #[expect(clippy::too_many_arguments, reason = "the state of `members`, taken out of its loop")]
    fn member(
        &self,
        mut here: Scanner<'_>,
        line: &[u8],
        row: &mut Row,
        id: MemberId,
        depth: usize,
        value: Value,
        parsed: &mut Parsed,
    ) -> Result<(), Fault> {
        let Some(member) = self.keys.get(id) else {
            return Ok(());
        };
        if member.nested && here.enter_nested() {
            self.members(&mut here, line, row, id, depth + 1, parsed)?;
        }
        if member.stream && self.is_other_stream(line, value) {
            *parsed = Parsed::OtherStream;
        }
        for &(column, rank) in &member.columns {
            row.put(usize::from(column), rank, value, line);
        }
        Ok(())
    }

    /// The next member, found without a hint; `None` at the end of the object.
    #[cold]
    fn look_up(
        &self,
        scanner: &mut Scanner<'_>,
        row: &mut Row,
        object: MemberId,
        first: bool,
    ) -> Result<Option<Target>, Fault> {
        let before = scanner.clone();
        if scanner.next_key(first)?.is_none() {
            return Ok(None);
        }
        let (key, escaped) = scanner.key()?;
        scanner.colon()?;
        if escaped {
            let mut text = Vec::with_capacity(key.len());
            json::unescape_into(key, &mut text);
            return Ok(Some(self.keys.target(self.keys.find(object, &text))));
        }
        let target = self.keys.target(self.keys.find(object, key));
        row.hints.learn(object, first, before.up_to(scanner), target);
        Ok(Some(target))
    }

    fn is_other_stream(&self, line: &[u8], value: Value) -> bool {
        let Some(wanted) = &self.stream else {
            return false;
        };
        match value.kind {
            ValueKind::String => value.of(line) != wanted,
            ValueKind::EscapedString => {
                let mut text = Vec::new();
                json::unescape_into(value.of(line), &mut text);
                text != *wanted
            }
            _ => false,
        }
    }
}

impl Row {
    /// Takes over the line; no cell is set yet.
    #[inline]
    fn begin(&mut self, line: &Line<'_>, shape: &Arc<Shape>) {
        if !Arc::ptr_eq(&self.shape, shape) {
            self.shape = shape.clone();
            self.hints.clear();
        }
        if !Arc::ptr_eq(&self.name, line.name()) {
            self.name = line.name().clone();
        }
        self.line = line.number();
        self.cells.clear();
        self.bytes.clear();
        self.bytes.extend_from_slice(line.bytes());
    }

    /// Takes a JSON value for a column, unless it has one under a better spelling.
    #[inline]
    fn put(&mut self, column: usize, rank: u8, value: Value, line: &[u8]) {
        let Some(cell) = self.cells.get_mut(column) else {
            return;
        };
        if rank > cell.rank {
            return;
        }
        let span = value.span();
        let kind = match value.kind {
            ValueKind::String if span.0 == span.1 => CellKind::Empty,
            ValueKind::String | ValueKind::Bare => CellKind::Text,
            _ => {
                let new = Cell { kind: CellKind::Text, rank, raw: span, text: span };
                if let Some(new) = unusual_cell(value, new, *cell, line, &mut self.bytes) {
                    *cell = new;
                }
                return;
            }
        };
        *cell = Cell { kind, rank, raw: span, text: span };
    }
}

/// A cell for a value that is not text as it stands; `None` for a null, which leaves the cell to another spelling.
#[cold]
fn unusual_cell(value: Value, new: Cell, old: Cell, line: &[u8], bytes: &mut Vec<u8>) -> Option<Cell> {
    let raw = value.of(line);
    Some(match value.kind {
        ValueKind::Null if new.rank == old.rank => Cell::UNSET,
        ValueKind::Null => return None,
        ValueKind::EscapedString => Cell { text: add_text(bytes, |bytes| json::unescape_into(raw, bytes)), ..new },
        ValueKind::Array if next_element(raw).is_none() => Cell { kind: CellKind::Empty, ..new },
        ValueKind::Array => {
            let text = add_text(bytes, |bytes| json::join(raw, b",", bytes));
            Cell { text, kind: CellKind::Array, ..new }
        }
        ValueKind::String | ValueKind::Bare | ValueKind::Object => new,
    })
}

/// Where the text lies that `write` adds to the bytes of a row.
#[cold]
fn add_text(bytes: &mut Vec<u8>, write: impl FnOnce(&mut Vec<u8>)) -> (u32, u32) {
    let start = bytes.len() as u32;
    write(bytes);
    (start, bytes.len() as u32)
}

//! Binding of wanted columns to a layout: parses lines to rows.

use std::sync::Arc;

use memchr::memchr;

use crate::block::{Line, LineKind};
use crate::error::{Error, ErrorKind};
use crate::json::fields::{JsonFields, MemberId, ROOT, Target};
use crate::json::key_cache::KeyPlace;
use crate::json::{self, Scanner, SyntaxError, Value, ValueKind, next_element};
use crate::layout::{Format, Layout};
use crate::row::{Cell, CellKind, PlainFields, Row, Shape};
use crate::tsv::{self, Place, escape};

/// A wanted column: its name in Zeek's logs, and aliases.
///
/// In JSON a dot is literal or nesting: `id.orig_h` finds `{"id.orig_h":…}` and `{"id":{"orig_h":…}}`. Of several names
/// in a row, the first in this order counts.
#[derive(Clone, Copy, Debug)]
pub struct ColumnSpec<'a> {
    /// Zeek's name.
    pub name: &'a str,
    /// Other names, in order of precedence.
    pub aliases: &'a [&'a str],
}

impl<'a> ColumnSpec<'a> {
    /// A column with one name.
    pub const fn new(name: &'a str) -> Self {
        Self { name, aliases: &[] }
    }

    /// A column with several names.
    pub const fn with_aliases(name: &'a str, aliases: &'a [&'a str]) -> Self {
        Self { name, aliases }
    }

    fn names(&self) -> impl Iterator<Item = &'a str> {
        [self.name].into_iter().chain(self.aliases.iter().copied())
    }
}

/// Result of [`Binding::parse`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Parsed {
    /// The row holds the line's values.
    Row,
    /// The line is of another stream than [`ReadOptions::stream`](crate::ReadOptions::stream), according to `_path` or
    /// `@stream` in JSON or a later `#path` in TSV. The row has no values.
    OtherStream,
}

/// Parser of lines of one layout, made by [`Layout::bind`]. Threads can share it.
#[derive(Clone, Debug)]
pub struct Binding {
    shape: Arc<Shape>,
    bound: Vec<bool>,
    format: Bound,
}

#[derive(Clone, Debug)]
enum Bound {
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
    /// True if rows without escapes are plain, see [`PlainFields`].
    is_plain: bool,
    is_other_stream: bool,
}

#[derive(Clone, Debug)]
struct Json {
    fields: JsonFields,
    stream: Option<Vec<u8>>,
}

/// Keys that name the stream of a JSON row.
const STREAM_KEYS: [&str; 2] = ["_path", "@stream"];

impl Layout {
    /// Binds columns, in the order in which [`Row`] numbers them.
    pub fn bind(&self, columns: &[ColumnSpec<'_>]) -> Binding {
        let mut shape = Shape {
            names: columns.iter().map(|column| Arc::from(column.name)).collect(),
            format: self.format,
            set_separator: self.set_separator.as_slice().into(),
            ..Shape::default()
        };
        let (bound, format) = match self.format {
            Format::Tsv => {
                let tsv = Tsv::new(self, columns);
                shape.plain = tsv.plain();
                (tsv.wanted.iter().map(Option::is_some).collect(), Bound::Tsv(tsv))
            }
            Format::Json => (vec![true; columns.len()], Bound::Json(Json::new(self, columns))),
        };
        Binding { shape: Arc::new(shape), bound, format }
    }
}

impl Binding {
    /// Returns true if the log has the column. Always true for JSON, where every row may have it.
    pub fn is_bound(&self, column: usize) -> bool {
        self.bound.get(column).copied().unwrap_or(false)
    }

    /// Parses one line of kind [`Row`](LineKind::Row) or [`TooLong`](LineKind::TooLong) into `row`.
    ///
    /// # Errors
    /// When the line has too few or too many columns, is not one JSON object, or is too long. `row` is unspecified
    /// then.
    #[inline]
    pub fn parse(&self, line: &Line<'_>, row: &mut Row) -> Result<Parsed, Error> {
        row.begin(line, &self.shape);
        let result = match (&self.format, line.kind()) {
            (_, LineKind::TooLong) => Err((None, ErrorKind::TooLong { limit: line.limit() })),
            (Bound::Tsv(tsv), _) => tsv.parse(line.bytes(), row),
            (Bound::Json(json), _) => json.parse(line.bytes(), row).map_err(|error| (None, error.kind())),
        };
        result.map_err(|(column, kind)| self.error(line, column, kind))
    }

    #[cold]
    fn error(&self, line: &Line<'_>, column: Option<usize>, kind: ErrorKind) -> Error {
        let unfinished = line.ending().is_empty();
        let kind = match kind {
            ErrorKind::Columns { found, wanted } if unfinished && found < wanted => ErrorKind::Truncated,
            ErrorKind::Json { at, .. } if unfinished && at == line.bytes().len() => ErrorKind::Truncated,
            kind => kind,
        };
        line.error(kind).with_field(column.and_then(|column| self.shape.names.get(column).cloned()))
    }
}

impl Tsv {
    fn new(layout: &Layout, columns: &[ColumnSpec<'_>]) -> Self {
        let place = |column: &ColumnSpec<'_>| {
            let position = column.names().find_map(|name| layout.position(name))?;
            Place::of(layout, position)
        };
        let wanted: Vec<_> = columns.iter().map(place).collect();
        let is_packed = wanted.iter().flatten().any(|place| place.width > 1);
        Self {
            separator: layout.separator.clone(),
            empty_field: layout.empty_field.clone(),
            unset_field: layout.unset_field.clone(),
            columns: layout.widths.len(),
            wanted,
            is_plain: layout.separator.len() == 1 && layout.unset_field.len() == 1 && !is_packed,
            is_other_stream: layout.is_of_other_stream(),
        }
    }

    fn plain(&self) -> PlainFields {
        let position = |place: &Option<Place>| place.map_or(u32::MAX, |place| place.column as u32);
        PlainFields {
            positions: self.wanted.iter().map(position).collect(),
            unset: self.unset_field.first().copied().unwrap_or(b'-'),
            empty: self.empty_field.as_slice().into(),
        }
    }

    #[inline]
    fn parse(&self, line: &[u8], row: &mut Row) -> Result<Parsed, (Option<usize>, ErrorKind)> {
        if self.is_other_stream {
            return Ok(Parsed::OtherStream);
        }
        let (found, may_have_escapes) = tsv::split(line, &self.separator, self.columns, &mut row.bounds);
        if found != self.columns {
            return Err((None, ErrorKind::Columns { found, wanted: self.columns }));
        }
        row.is_plain = self.is_plain && !may_have_escapes;
        if !row.is_plain {
            self.fill_cells(line, row, may_have_escapes)?;
        }
        Ok(Parsed::Row)
    }

    fn fill_cells(&self, line: &[u8], row: &mut Row, may_have_escapes: bool) -> Result<(), (Option<usize>, ErrorKind)> {
        row.cells.resize(self.wanted.len(), Cell::UNSET);
        let Row { cells, bytes, bounds, .. } = row;
        for (column, (place, cell)) in self.wanted.iter().zip(cells).enumerate() {
            let Some(place) = place else { continue };
            let mut start = bounds[place.column] as usize;
            let mut end = bounds[place.column + 1] as usize - self.separator.len();
            if place.width > 1 {
                let wanted = place.width;
                let (from, to) = tsv::packed(&line[start..end], place.index, wanted)
                    .map_err(|found| (Some(column), ErrorKind::Packed { found, wanted }))?;
                (start, end) = (start + from, start + to);
            }
            let text = &line[start..end];
            let kind = match text {
                _ if text == self.unset_field => CellKind::Unset,
                _ if text.is_empty() || text == self.empty_field => CellKind::Empty,
                _ => CellKind::Text,
            };
            *cell = Cell::at(kind, start, end);
            if may_have_escapes && kind == CellKind::Text && memchr(b'\\', text).is_some() {
                cell.text = add_text(bytes, |bytes| escape::unescape_into(text, bytes));
            }
        }
        Ok(())
    }
}

impl Json {
    fn new(layout: &Layout, columns: &[ColumnSpec<'_>]) -> Self {
        let mut fields = JsonFields::default();
        for (index, column) in columns.iter().enumerate() {
            for (rank, name) in column.names().enumerate() {
                fields.add(name, index as u16, rank.min(usize::from(u8::MAX) - 1) as u8);
            }
        }
        let stream = layout.wanted_path.as_ref().map(|path| path.clone().into_bytes());
        if stream.is_some() {
            STREAM_KEYS.iter().for_each(|key| fields.add_stream(key));
        }
        Self { fields, stream }
    }

    #[inline]
    fn parse(&self, line: &[u8], row: &mut Row) -> Result<Parsed, SyntaxError> {
        row.cells.resize(row.shape.names.len(), Cell::UNSET);
        row.key_cache.rewind();
        let mut scanner = Scanner::new(line);
        scanner.enter()?;
        let mut parsed = Parsed::Row;
        let end = self.members(line, scanner.at(), row, ROOT, 1, &mut parsed)?;
        Scanner::from(line, end).finish()?;
        Ok(parsed)
    }

    /// Parses the members of an object from position `at`; returns the position after its end. Each member has a new
    /// scanner, so that the position stays in a register.
    fn members(
        &self,
        line: &[u8],
        mut at: usize,
        row: &mut Row,
        object: MemberId,
        depth: usize,
        parsed: &mut Parsed,
    ) -> Result<usize, SyntaxError> {
        let mut place = KeyPlace::new(object, true);
        loop {
            let mut scanner = Scanner::from(line, at);
            let mut looked_up = Target::Skip;
            let predicted = row.key_cache.predict(place, scanner.rest());
            match predicted {
                Some((_, length)) => scanner.skip(length),
                None if scanner.leave() => return Ok(scanner.at()),
                None => match self.look_up(line, &mut at, row, object, place)? {
                    Some(target) => (looked_up, scanner) = (target, Scanner::from(line, at)),
                    None => return Ok(at),
                },
            }
            place = KeyPlace::new(object, false);
            let start = scanner.at();
            let value = scanner.value(depth)?;
            at = scanner.at();
            let target = predicted.map_or(looked_up, |(index, _)| row.key_cache.target(index));
            match target {
                Target::Skip => {}
                Target::Column(column, rank) => row.put(usize::from(column), rank, value, line),
                Target::Member(id) => self.member(line, start, row, id, depth, value, parsed)?,
            }
        }
    }

    /// Handles a value that fills several columns, has wanted members or names the stream; it begins at `start`.
    #[cold]
    #[expect(clippy::too_many_arguments, reason = "the state of `members`, taken out of its loop")]
    fn member(
        &self,
        line: &[u8],
        start: usize,
        row: &mut Row,
        id: MemberId,
        depth: usize,
        value: Value,
        parsed: &mut Parsed,
    ) -> Result<(), SyntaxError> {
        let Some(member) = self.fields.get(id) else {
            return Ok(());
        };
        let mut scanner = Scanner::from(line, start);
        if member.nested && scanner.enter_nested() {
            self.members(line, scanner.at(), row, id, depth + 1, parsed)?;
        }
        if member.stream && self.is_other_stream(line, value) {
            *parsed = Parsed::OtherStream;
        }
        for &(column, rank) in &member.columns {
            row.put(usize::from(column), rank, value, line);
        }
        Ok(())
    }

    /// Looks up the next key, which the cache did not predict, and moves `at` to its value; `None` at the end of the
    /// object.
    #[cold]
    fn look_up(
        &self,
        line: &[u8],
        at: &mut usize,
        row: &mut Row,
        object: MemberId,
        place: KeyPlace,
    ) -> Result<Option<Target>, SyntaxError> {
        let before = *at;
        let mut scanner = Scanner::from(line, before);
        let key = match scanner.next_key(place == KeyPlace::new(object, true))? {
            Some(()) => {
                let key = scanner.key()?;
                scanner.colon()?;
                Some(key)
            }
            None => None,
        };
        *at = scanner.at();
        let Some((key, escaped)) = key else { return Ok(None) };
        if escaped {
            let mut text = Vec::with_capacity(key.len());
            json::unescape_into(key, &mut text);
            return Ok(Some(self.fields.target(self.fields.find(object, &text))));
        }
        let target = self.fields.target(self.fields.find(object, key));
        row.key_cache.insert(place, &line[before..*at], target);
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
    /// Copies the line, and clears the cells.
    #[inline]
    fn begin(&mut self, line: &Line<'_>, shape: &Arc<Shape>) {
        if !Arc::ptr_eq(&self.shape, shape) {
            self.shape = shape.clone();
            self.key_cache.clear();
        }
        if !Arc::ptr_eq(&self.name, line.name()) {
            self.name = line.name().clone();
        }
        self.line = line.number();
        self.cells.clear();
        self.is_plain = false;
        self.bytes.clear();
        self.bytes.extend_from_slice(line.bytes());
    }

    /// Sets a column to a JSON value, unless a name of higher precedence has set it.
    #[inline(always)]
    fn put(&mut self, column: usize, rank: u8, value: Value, line: &[u8]) {
        let Some(cell) = self.cells.get_mut(column) else {
            return;
        };
        if rank > cell.rank {
            return;
        }
        let bounds = value.bounds();
        let kind = match value.kind {
            ValueKind::String if bounds.0 == bounds.1 => CellKind::Empty,
            ValueKind::String | ValueKind::Bare => CellKind::Text,
            _ => {
                let new = Cell { kind: CellKind::Text, rank, raw: bounds, text: bounds };
                if let Some(new) = unusual_cell(value, new, *cell, line, &mut self.bytes) {
                    *cell = new;
                }
                return;
            }
        };
        *cell = Cell { kind, rank, raw: bounds, text: bounds };
    }
}

/// The cell for a null, escaped or structured value; `None` leaves the column to another name.
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

/// Appends text to the bytes of a row; returns its position.
#[cold]
fn add_text(bytes: &mut Vec<u8>, write: impl FnOnce(&mut Vec<u8>)) -> (u32, u32) {
    let start = bytes.len() as u32;
    write(bytes);
    (start, bytes.len() as u32)
}

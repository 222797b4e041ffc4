//! From the wanted columns and a layout to a parser of rows.

use std::sync::Arc;

use crate::layout::{Format, Layout};
use crate::row::{Row, Shape};
use crate::{Line, RowError};

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
}

/// What [`Binding::parse`] made of a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Parsed {
    /// The row is filled.
    Row,
    /// A JSON row whose `_path` or `@stream` names another stream than
    /// [`ReadOptions::path`](crate::ReadOptions::path); the row is not to be used.
    OtherStream,
}

/// Finds the wanted columns in the lines of one layout. Made by [`Layout::bind`]; shared between threads as it is.
#[derive(Clone, Debug)]
pub struct Binding {
    shape: Arc<Shape>,
    bound: Vec<bool>,
}

impl Layout {
    /// Prepares to read these columns. Their order gives the column numbers of [`Row`].
    pub fn bind(&self, columns: &[ColumnSpec<'_>]) -> Binding {
        let _ = columns;
        todo!()
    }
}

impl Binding {
    /// Whether the log has the column at all: false for a TSV log without it, always true for JSON, where each row may
    /// have it or not.
    pub fn is_bound(&self, column: usize) -> bool {
        self.bound.get(column).copied().unwrap_or(false)
    }

    /// Reads one line of kind [`Row`](crate::LineKind::Row) or [`TooLong`](crate::LineKind::TooLong).
    ///
    /// # Errors
    /// When the row has too few or too many columns, is not one JSON object, or is too long; `row` is then empty.
    pub fn parse(&self, line: &Line<'_>, row: &mut Row) -> Result<Parsed, RowError> {
        let _ = (line, row, Format::Tsv);
        todo!()
    }
}

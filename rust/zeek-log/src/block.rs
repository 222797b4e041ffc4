//! Block: complete lines under one layout, the unit of work for threads. A [`Binding`](crate::Binding) parses its rows.

use std::sync::Arc;

use crate::error::{Error, ErrorKind};
use crate::layout::Layout;

/// Complete lines under one [`Layout`]. [`Reader::next_block`](crate::Reader::next_block) refills it without
/// allocating.
#[derive(Debug, Default)]
pub struct Block {
    pub(crate) name: Arc<str>,
    pub(crate) layout: Arc<Layout>,
    pub(crate) first_line: u64,
    /// The block is `data[base..end]`; the rest is spare capacity.
    pub(crate) data: Vec<u8>,
    pub(crate) base: usize,
    pub(crate) end: usize,
    pub(crate) spans: Vec<LineSpan>,
    pub(crate) max_line: usize,
}

/// Position of a line, relative to `base`. Its line ending extends to the start of the next line.
#[derive(Clone, Copy, Debug)]
pub(crate) struct LineSpan {
    pub(crate) start: u32,
    pub(crate) end: u32,
    pub(crate) kind: LineKind,
}

/// Kind of a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LineKind {
    /// A row: TSV or a JSON object, according to the layout's format.
    Row,
    /// A header line, `#close`, another comment or a blank line.
    Meta,
    /// A row longer than [`ReadOptions::max_line`](crate::ReadOptions::max_line), without its bytes. Parsing it is an
    /// error.
    TooLong,
}

/// One line of a [`Block`].
#[derive(Clone, Copy, Debug)]
pub struct Line<'b> {
    block: &'b Block,
    number: u64,
    kind: LineKind,
    raw: &'b [u8],
    len: usize,
}

impl Block {
    /// Creates an empty block.
    pub fn new() -> Self {
        Self::default()
    }

    /// The name of the input.
    pub fn name(&self) -> &Arc<str> {
        &self.name
    }

    /// The layout of the lines. Blocks under the same header share it: compare with `Arc::ptr_eq` to reuse a binding.
    pub fn layout(&self) -> &Arc<Layout> {
        &self.layout
    }

    /// The number of the first line, counted from 1.
    pub fn first_line(&self) -> u64 {
        self.first_line
    }

    /// All bytes of the block.
    pub fn bytes(&self) -> &[u8] {
        &self.data[self.base..self.end]
    }

    /// The number of lines.
    pub fn len(&self) -> usize {
        self.spans.len()
    }

    /// Returns true if there are no lines.
    pub fn is_empty(&self) -> bool {
        self.spans.is_empty()
    }

    /// The lines in the order of the file.
    pub fn lines(&self) -> impl ExactSizeIterator<Item = Line<'_>> {
        (0..self.spans.len()).map(|index| self.line(index))
    }

    /// The line at this index, counted from 0.
    pub fn get(&self, index: usize) -> Option<Line<'_>> {
        (index < self.spans.len()).then(|| self.line(index))
    }

    fn line(&self, index: usize) -> Line<'_> {
        let bytes = self.bytes();
        let span = self.spans[index];
        let next = self.spans.get(index + 1).map_or(bytes.len(), |next| next.start as usize);
        let raw = &bytes[span.start as usize..next];
        let len = (span.end - span.start) as usize;
        Line { block: self, number: self.first_line + index as u64, kind: span.kind, raw, len }
    }
}

impl<'b> Line<'b> {
    /// The name of the input.
    pub fn name(&self) -> &'b Arc<str> {
        &self.block.name
    }

    /// The maximum length of a line in bytes.
    pub(crate) fn limit(&self) -> usize {
        self.block.max_line
    }

    /// The number of the line in its input, counted from 1.
    pub fn number(&self) -> u64 {
        self.number
    }

    /// The kind of the line.
    pub fn kind(&self) -> LineKind {
        self.kind
    }

    /// The line without its ending.
    pub fn bytes(&self) -> &'b [u8] {
        &self.raw[..self.len]
    }

    /// The line ending: `\n`, `\r\n`, or empty at the end of an input without one.
    pub fn ending(&self) -> &'b [u8] {
        &self.raw[self.len..]
    }

    /// The line with its ending, without the input's byte order mark.
    pub fn raw(&self) -> &'b [u8] {
        self.raw
    }

    /// Creates an error about this line.
    pub(crate) fn error(&self, kind: ErrorKind) -> Error {
        Error::at(self.name(), self.number, kind)
    }
}

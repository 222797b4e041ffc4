//! A block: a run of complete lines under one layout, the unit that a reader hands to threads.
//!
//! A block says which lines are rows; what is in them is for a [`Binding`](crate::Binding) to say.

use std::sync::Arc;

use crate::{Layout, RowCause, RowError};

/// Complete lines that all fall under one [`Layout`]. Reuse it: [`Reader::next_block`](crate::Reader::next_block) fills
/// it again without allocating.
#[derive(Debug, Default)]
pub struct Block {
    pub(crate) name: Arc<str>,
    pub(crate) layout: Arc<Layout>,
    pub(crate) first_line: u64,
    /// Only `data[base..end]` belongs to the block; the rest is room for the next.
    pub(crate) data: Vec<u8>,
    pub(crate) base: usize,
    pub(crate) end: usize,
    pub(crate) spans: Vec<Span>,
    pub(crate) max_line: usize,
}

/// Where a line lies, counted from the base of its block. The end of its line ending is the next line's start.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Span {
    pub(crate) start: u32,
    pub(crate) end: u32,
    pub(crate) kind: LineKind,
}

/// What a line is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LineKind {
    /// A row of the log: a TSV row or a JSON object, as the layout's format says.
    Row,
    /// A header line, `#close`, another comment or a blank line: carried over to an output.
    Meta,
    /// A row longer than [`ReadOptions::max_line`](crate::ReadOptions::max_line), whose bytes were not kept. Parsing it
    /// gives the error that says so.
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
    /// A block to be filled.
    pub fn new() -> Self {
        Self::default()
    }

    /// The name of the input the lines come from.
    pub fn name(&self) -> &Arc<str> {
        &self.name
    }

    /// What the lines look like. Blocks under the same header share it, so that `Arc::ptr_eq` tells whether a binding
    /// made for the block before still holds.
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

    /// How many lines there are.
    pub fn len(&self) -> usize {
        self.spans.len()
    }

    /// Whether there is no line.
    pub fn is_empty(&self) -> bool {
        self.spans.is_empty()
    }

    /// The lines in the order of the file.
    pub fn lines(&self) -> impl ExactSizeIterator<Item = Line<'_>> {
        (0..self.spans.len()).map(|index| self.line(index))
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

    /// The longest line that is read, in bytes.
    pub(crate) fn limit(&self) -> usize {
        self.block.max_line
    }

    /// The number of the line in its input, counted from 1.
    pub fn number(&self) -> u64 {
        self.number
    }

    /// What the line is.
    pub fn kind(&self) -> LineKind {
        self.kind
    }

    /// The line without its ending.
    pub fn bytes(&self) -> &'b [u8] {
        &self.raw[..self.len]
    }

    /// The line's ending: `\n`, `\r\n`, or nothing where the input ends without one.
    pub fn ending(&self) -> &'b [u8] {
        &self.raw[self.len..]
    }

    /// The line with its ending, as it is in the input but for a byte order mark before the first.
    pub fn raw(&self) -> &'b [u8] {
        self.raw
    }

    /// An error about this line.
    pub fn error(&self, field: Option<Arc<str>>, cause: RowCause) -> RowError {
        RowError { name: self.name().clone(), line: self.number, field, cause }
    }
}

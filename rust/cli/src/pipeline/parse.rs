//! Parsing of log lines to records.

use std::sync::Arc;

use anyhow::{Result, ensure};
use detector::{LogKind, LogRecord};
use zeek_log::{Binding, Block, ColumnSpec, ErrorKind, Format, Layout, Line, LineKind, Parsed, Row};

use super::batch::{Batch, LineStatus};
use crate::input::columns::{self, Essentials};
use crate::input::log;
use crate::labels::Labels;

/// Parser for the lines of any number of logs.
pub struct Parser<'a> {
    log: LogKind,
    labels: Option<&'a Labels>,
    bound: Option<(Arc<Layout>, Binding)>,
    row: Row,
    name: Vec<u8>,
}

/// A record and the texts of its row. The record is borrowed, because moving it costs as much as parsing a column.
pub struct ParsedRecord<'a> {
    pub record: &'a LogRecord<'a>,
    pub uid: Option<&'a [u8]>,
    pub label: Option<&'a [u8]>,
    pub malicious: Option<bool>,
}

impl<'a> Parser<'a> {
    /// A parser that also reads the label column, if any.
    pub fn new(log: LogKind, labels: Option<&'a Labels>) -> Self {
        Self { log, labels, bound: None, row: Row::new(), name: Vec::new() }
    }

    /// Binds the columns of the block's layout.
    fn bind(&mut self, block: &Block) -> &Binding {
        let bound = self.bound.take().filter(|(layout, _)| Arc::ptr_eq(layout, block.layout()));
        let bound = bound.unwrap_or_else(|| (block.layout().clone(), bind(self.log, block.layout(), self.labels)));
        &self.bound.insert(bound).1
    }

    /// Parses the lines of a block. With `needs_label`, rows without a label column are unusable.
    pub fn parse(
        &mut self,
        block: &Block,
        needs_label: bool,
        mut each: impl FnMut(LineStatus, Result<Option<ParsedRecord<'_>>, zeek_log::Error>),
    ) {
        let label = log::columns(self.log).len();
        let lacks_label = !self.bind(block).is_bound(label) && needs_label;
        for line in block.lines() {
            self.parse_line(&line, lacks_label, &mut each);
        }
    }

    /// Parses a line and passes its status and result to `each`.
    #[inline]
    fn parse_line(
        &mut self,
        line: &Line<'_>,
        lacks_label: bool,
        each: &mut impl FnMut(LineStatus, Result<Option<ParsedRecord<'_>>, zeek_log::Error>),
    ) {
        let Some((_, binding)) = self.bound.as_ref().filter(|_| line.kind() != LineKind::Meta) else {
            return each(LineStatus::Meta, Ok(None));
        };
        match binding.parse(line, &mut self.row) {
            Ok(Parsed::OtherStream) => return each(LineStatus::OtherStream, Ok(None)),
            Ok(Parsed::Row) => {}
            Err(error) => return each(LineStatus::Malformed, Err(error)),
        }
        let (log, row, column) = (self.log, &self.row, log::columns(self.log).len());
        let record = log::record(log, row, &mut self.name);
        match record {
            Ok(_) if lacks_label => each(LineStatus::Unusable, Err(row.error(column, ErrorKind::Unset))),
            Ok(ref record) => {
                let label = self.labels.and_then(|_| row.get(column));
                let malicious = self.labels.and_then(|labels| labels.malicious(row, column));
                each(LineStatus::Record, Ok(Some(ParsedRecord { record, uid: columns::uid(row), label, malicious })));
            }
            Err(error) => each(LineStatus::Unusable, Err(error)),
        }
    }

    /// Parses the lines of a batch.
    pub(super) fn parse_batch(&mut self, batch: &mut Batch) {
        let Batch { block, lines, records, malicious, labelled, errors, failures, .. } = batch;
        lines.clear();
        records.clear();
        malicious.clear();
        errors.clear();
        if !failures.is_empty() {
            return;
        }
        let reads_labels = self.labels.is_some();
        self.parse(block, *labelled, |status, parsed| {
            lines.push(status);
            match parsed {
                Ok(Some(parsed)) => {
                    records.push(parsed.record, parsed.uid, parsed.label);
                    malicious.extend(reads_labels.then_some(parsed.malicious));
                }
                Ok(None) => {}
                Err(error) => errors.push(error),
            }
        });
    }
}

/// Refuses a log without the columns of a record, or without a required label column. Returns true if rows need a
/// label; later rows without the columns are unusable.
pub fn check_columns(log: LogKind, block: &Block, labels: Option<&Labels>) -> Result<bool> {
    let binding = bind(log, block.layout(), labels);
    let missing = Essentials::COLUMNS.into_iter().filter(|&column| !binding.is_bound(column));
    let missing: Vec<_> = missing.map(|column| log::columns(log)[column].name).collect();
    let (columns, are) = if missing.len() > 1 { ("columns", "are") } else { ("column", "is") };
    ensure!(
        missing.is_empty(),
        "{}: not a {} log: {columns} {} {are} missing; if they have other names, give them Zeek's names",
        block.name(),
        log.name(),
        missing.join(", ")
    );
    let Some(labels) = labels else { return Ok(false) };
    let has_labels = binding.is_bound(log::columns(log).len());
    let field = &labels.field;
    ensure!(
        has_labels || !labels.required,
        "{}: column {field:?} is missing; give the label column with --label",
        block.name()
    );
    // In JSON each row has its own fields.
    Ok(has_labels && (labels.required || block.layout().format() == Format::Tsv))
}

fn bind(log: LogKind, layout: &Layout, labels: Option<&Labels>) -> Binding {
    let mut columns = log::columns(log).to_vec();
    columns.extend(labels.map(|labels| ColumnSpec::new(&labels.field)));
    layout.bind(&columns)
}

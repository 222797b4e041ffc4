//! Warnings and errors of a run, and its summary.

use std::sync::Arc;

use anyhow::{Error, Result, anyhow, bail};
use indicatif::ProgressBar;

use super::batch::{Batch, LineStatus};
use super::time_order::TimeOrder;
use crate::console::{Console, Reported};
use crate::format;
use crate::input::LogInputs;

/// Largest number of unusable rows per log with a separate warning; further ones are only counted.
const MAX_WARNINGS: u64 = 10;

/// Counts of a run.
#[derive(Debug, Default)]
pub struct Summary {
    /// Rows that are records.
    pub records: u64,
    /// Rows that were skipped, or written without a score.
    pub skipped: u64,
    /// Logs that could not be read to the end.
    pub failures: u64,
    pub(super) inputs: u64,
    /// The first failure of a silent run.
    pub(super) unreported: Option<String>,
}

impl Summary {
    /// Returns an error if no log could be read.
    pub fn require_some(&self) -> Result<()> {
        match (self.records, self.failures, self.inputs) {
            (0, 1.., 1) => Err(self.unreported.clone().map_or_else(|| Reported.into(), Error::msg)),
            (0, 1.., inputs) => {
                let first = self.unreported.as_ref().map_or_else(String::new, |first| format!("; {first}"));
                Err(anyhow!("none of {} could be read{first}", format::counted(inputs, "log")))
            }
            _ => Ok(()),
        }
    }

    /// Returns an error if a log could not be read to the end; `done` says what was written: `m was written`.
    pub fn require_all(&self, done: &str) -> Result<()> {
        self.missing().map_or(Ok(()), |missing| bail!("{missing}; {done} without the missing part"))
    }

    /// Describes the logs that could not be read; `None` if all were.
    pub fn missing(&self) -> Option<String> {
        match (self.failures, self.inputs) {
            (0, _) => None,
            (_, 1) => Some("the log could not be read to the end".to_owned()),
            (failures, inputs) => {
                Some(format!("{failures} of {} could not be read to the end", format::counted(inputs, "log")))
            }
        }
    }
}

/// Reports and counts unusable rows and logs.
pub struct Diagnostics<'a> {
    pub inputs: &'a LogInputs,
    pub console: &'a Console,
    pub bar: &'a ProgressBar,
    pub unusable_consequence: &'static str,
    pub report_unusable: bool,
    pub summary: Summary,
    /// `None` if the order of the rows does not matter.
    pub order: Option<TimeOrder>,
    /// The log, or the merged logs, of the last unusable row.
    pub current: Arc<str>,
    /// The logs that it consists of, with their unusable rows.
    pub unusable: Vec<(Arc<str>, UnusableRows)>,
}

/// Number of unusable rows of a log. Only the first have a separate warning.
#[derive(Debug, Default)]
pub struct UnusableRows(u64);

impl UnusableRows {
    /// Counts a row; returns true if it has a separate warning.
    pub fn add(&mut self) -> bool {
        self.0 += 1;
        self.0 <= MAX_WARNINGS
    }

    /// Warning about the rows without a separate one; `None` if there are none.
    pub fn rest(&self, log: &str) -> Option<String> {
        let rest = self.0.checked_sub(MAX_WARNINGS).filter(|&rest| rest > 0)?;
        Some(format!("{log}: {}", format::counted(rest, "more unusable row")))
    }
}

impl Diagnostics<'_> {
    /// Counts the records of a batch, and reports its unusable rows.
    pub fn rows(&mut self, batch: &mut Batch) -> Result<()> {
        self.summary.records += batch.records.len() as u64;
        if let Some(order) = &mut self.order {
            batch.records.without_texts().for_each(|record| order.add(record));
        }
        if batch.errors.is_empty() {
            return Ok(());
        }
        let consequences = batch.lines.iter().filter_map(|line| match line {
            LineStatus::Unusable => Some(self.unusable_consequence),
            LineStatus::Malformed => Some("the row is skipped"),
            _ => None,
        });
        let consequences: Vec<_> = consequences.collect();
        if self.current != *batch.block.name() {
            self.remaining_rows();
            self.current = batch.block.name().clone();
        }
        for (error, consequence) in batch.take_errors().into_iter().zip(consequences) {
            if self.inputs.strict {
                return Err(error.into());
            }
            self.summary.skipped += 1;
            if self.unusable_rows(error.name()).add() {
                self.warn(&format!("{error}; {consequence}"));
            }
        }
        Ok(())
    }

    /// The unusable rows of one of the current logs.
    fn unusable_rows(&mut self, log: &Arc<str>) -> &mut UnusableRows {
        let at = self.unusable.iter().position(|(name, _)| name == log).unwrap_or_else(|| {
            self.unusable.push((log.clone(), UnusableRows::default()));
            self.unusable.len() - 1
        });
        &mut self.unusable[at].1
    }

    /// Reports the number of unusable rows without a separate warning.
    fn remaining_rows(&mut self) {
        for (name, rows) in std::mem::take(&mut self.unusable) {
            rows.rest(&name).iter().for_each(|rest| self.warn(rest));
        }
    }

    /// Reports the failures of logs.
    pub fn failures(&mut self, batch: &mut Batch) -> Result<()> {
        for failure in batch.failures.drain(..) {
            if self.inputs.strict {
                return Err(failure);
            }
            self.summary.failures += 1;
            let failure = format!("{failure:#}");
            if self.report_unusable {
                self.bar.suspend(|| self.console.error(&failure));
            } else {
                self.summary.unreported.get_or_insert(failure);
            }
        }
        Ok(())
    }

    /// Reports the totals.
    pub fn finish(mut self) -> Summary {
        self.remaining_rows();
        if self.summary.skipped > 0 {
            let rows = self.summary.records + self.summary.skipped;
            let (skipped, all) = (format::count(self.summary.skipped), format::counted(rows, "row"));
            self.warn(&format!("{skipped} of {all} could not be used"));
        }
        let warning = self.order.as_ref().and_then(|order| order.warning(self.inputs.log));
        warning.iter().for_each(|warning| self.warn(warning));
        self.summary
    }

    fn warn(&self, text: &str) {
        if self.report_unusable {
            self.bar.suspend(|| self.console.warning(text));
        }
    }
}

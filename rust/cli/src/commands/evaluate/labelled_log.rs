//! Labelled log in memory, for protocols that read it more than once.

use anyhow::{Result, ensure};
use detector::LogKind;

use super::attack_labels::{AttackLabels, Class};
use crate::console::Console;
use crate::format;
use crate::input::LogInputs;
use crate::input::records::Records;
use crate::labels::Labels;
use crate::pipeline::{Pipeline, Summary, idle};

/// Maximum number of records, at about 330 bytes each.
const MAX_RECORDS: usize = 1 << 24;
/// Maximum size of the texts: services and histories, or names.
///
/// These are 64 bytes for each record; Zeek rarely needs more than 16.
const MAX_TEXT: usize = MAX_RECORDS * 64;

/// Records and their classes.
#[derive(Debug)]
pub struct LabelledLog {
    pub log: LogKind,
    /// The records, in log order.
    pub records: Records,
    pub classes: Vec<Class>,
    /// Indices of the records in order of `ts`, then of the log.
    pub by_time: Vec<usize>,
}

impl LabelledLog {
    /// Reads labelled logs. Unreadable logs are reported; the caller decides from the summary whether that is an error.
    pub fn read(
        inputs: &LogInputs,
        labels: &Labels,
        classes: &mut AttackLabels,
        threads: usize,
        console: &Console,
    ) -> Result<(Self, Summary)> {
        let mut records = Records::default();
        let mut found = Vec::new();
        let pipeline = Pipeline { labels: Some(labels), needs_order: false, ..Pipeline::new(inputs, threads, console) };
        let summary = pipeline.run(
            |_| {},
            idle,
            |batch| {
                found.extend(classes.of(batch));
                for record in batch.records.iter() {
                    records.push(&record, None, None);
                }
                require_room(inputs.log, found.len(), records.text_bytes(), &inputs.names)
            },
        )?;
        summary.require_some()?;
        ensure!(!found.is_empty(), "no {} in {}", inputs.log.nouns(), inputs.names.join(", "));
        let times: Vec<i64> = records.iter().map(|record| record.ts()).collect();
        let mut by_time: Vec<usize> = (0..times.len()).collect();
        by_time.sort_by_key(|&index| times[index]);
        Ok((Self { log: inputs.log, records, classes: found, by_time }, summary))
    }
}

/// Returns an error if the records or texts exceed the memory limits.
fn require_room(log: LogKind, records: usize, text_bytes: usize, names: &[String]) -> Result<()> {
    let names = names.join(", ");
    ensure!(
        records <= MAX_RECORDS,
        "{names}: more than {} do not fit in memory; train a model and give it with -m",
        format::counted(MAX_RECORDS as u64, log.noun())
    );
    ensure!(
        text_bytes <= MAX_TEXT,
        "{names}: more than {} of texts do not fit in memory; train a model and give it with -m",
        format::bytes(MAX_TEXT as u64)
    );
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rejects_logs_beyond_the_memory_limits() {
        let names = ["conn.log".to_owned()];
        assert!(require_room(LogKind::Conn, MAX_RECORDS, MAX_TEXT, &names).is_ok());
        let error = |log, records, text| require_room(log, records, text, &names).unwrap_err().to_string();
        assert!(error(LogKind::Conn, MAX_RECORDS + 1, 0).starts_with("conn.log: more than 16,777,216 connections do"));
        assert!(error(LogKind::Dns, MAX_RECORDS + 1, 0).contains("more than 16,777,216 queries do"));
        assert!(error(LogKind::Conn, 1, MAX_TEXT + 1).starts_with("conn.log: more than 1.1 GB of texts"));
    }
}

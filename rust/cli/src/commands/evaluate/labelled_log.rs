//! Labelled log in memory, for protocols that read it more than once.

use anyhow::{Result, ensure};

use super::attack_labels::{AttackLabels, Class};
use crate::console::Console;
use crate::format;
use crate::input::LogInputs;
use crate::input::records::Records;
use crate::labels::Labels;
use crate::pipeline::{Pipeline, Summary, idle};

/// Maximum number of connections, at about 330 bytes each.
const MAX_CONNECTIONS: usize = 1 << 24;
/// Maximum size of services and histories: 64 bytes each; Zeek rarely needs more than 16.
const MAX_TEXT: usize = MAX_CONNECTIONS * 64;

/// Connections and their classes.
#[derive(Debug)]
pub struct LabelledLog {
    /// The records, in log order.
    pub records: Records,
    pub classes: Vec<Class>,
    /// Indices of the connections in order of `ts`, then of the log.
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
        let pipeline = Pipeline { labels: Some(labels), ..Pipeline::new(inputs, threads, console) };
        let summary = pipeline.run(
            |_| {},
            idle,
            |batch| {
                found.extend(classes.of(batch));
                for record in batch.records.iter() {
                    records.push(&record, None, None);
                }
                require_room(found.len(), records.text_bytes(), &inputs.names)
            },
        )?;
        summary.require_some()?;
        ensure!(!found.is_empty(), "no connections in {}", inputs.names.join(", "));
        let times: Vec<i64> = records.iter().map(|record| record.ts()).collect();
        let mut by_time: Vec<usize> = (0..times.len()).collect();
        by_time.sort_by_key(|&index| times[index]);
        Ok((Self { records, classes: found, by_time }, summary))
    }
}

/// Returns an error if the connections or texts exceed the memory limits.
fn require_room(connections: usize, text_bytes: usize, names: &[String]) -> Result<()> {
    let names = names.join(", ");
    ensure!(
        connections <= MAX_CONNECTIONS,
        "{names}: more than {MAX_CONNECTIONS} connections do not fit in memory; train a model and give it with -m"
    );
    ensure!(
        text_bytes <= MAX_TEXT,
        "{names}: more than {} of services and histories do not fit in memory; train a model and give it with -m",
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
        assert!(require_room(MAX_CONNECTIONS, MAX_TEXT, &names).is_ok());
        let error = |connections, text| require_room(connections, text, &names).unwrap_err().to_string();
        assert!(error(MAX_CONNECTIONS + 1, 0).starts_with("conn.log: more than 16777216 connections"));
        assert!(error(1, MAX_TEXT + 1).starts_with("conn.log: more than 1.1 GB of services and histories"));
    }
}

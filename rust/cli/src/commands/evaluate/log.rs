//! A labelled log in memory, for protocols that read it more than once.

use anyhow::{Result, ensure};

use super::kinds::{Kind, Kinds};
use crate::conn_log::{Connections, Labels};
use crate::console::Console;
use crate::pipeline::{Run, idle};
use crate::source::Source;

/// The most connections kept: each takes about 250 bytes.
const MOST: u64 = 1 << 24;

/// Connections with the truth about them.
#[derive(Debug)]
pub struct Log {
    /// The connections, in the order in which they were read.
    pub connections: Connections,
    /// What each of them is.
    pub kinds: Vec<Kind>,
    /// The indices of the connections in the order of their `ts`; of equal ones the earlier read comes first.
    pub by_time: Vec<usize>,
}

impl Log {
    /// Reads logs that have labels. What could not be read was reported; whether that is an error is for the caller to
    /// say at the end.
    pub fn read(
        source: &Source,
        labels: &Labels,
        kinds: &mut Kinds,
        threads: usize,
        console: &Console,
    ) -> Result<(Self, crate::pipeline::Summary)> {
        let mut connections = Connections::default();
        let mut found = Vec::new();
        let run = Run { labels: Some(labels), ..Run::new(source, threads, console) };
        let summary = run.stages(
            |_| {},
            idle,
            |batch| {
                found.extend(kinds.of(batch));
                for connection in batch.connections.iter() {
                    connections.push(connection, None, None);
                }
                ensure!(
                    found.len() as u64 <= MOST,
                    "{} hold more than {MOST} connections, too many to keep in memory; train a model and give it by -m",
                    source.names.join(", ")
                );
                Ok(())
            },
        )?;
        summary.require_some()?;
        ensure!(!found.is_empty(), "there is no connection in {}", source.names.join(", "));
        let times: Vec<i64> = connections.iter().map(|connection| connection.ts).collect();
        let mut by_time: Vec<usize> = (0..times.len()).collect();
        by_time.sort_by_key(|&index| times[index]);
        Ok((Self { connections, kinds: found, by_time }, summary))
    }
}

//! A labelled log in memory, for protocols that read it more than once.

use anyhow::{Result, ensure};

use super::kinds::{Kind, Kinds};
use crate::conn_log::{Connections, Labels};
use crate::console::Console;
use crate::human;
use crate::pipeline::{Run, idle};
use crate::source::Source;

/// The most connections kept: each takes about 330 bytes.
const MOST: usize = 1 << 24;
/// The most bytes of their services and histories: 64 for each, of which Zeek seldom needs more than 16.
const MOST_TEXT: usize = MOST * 64;

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
                require_room(found.len(), connections.text_bytes(), &source.names)
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

/// An error where so many connections with so much text are too much.
fn require_room(connections: usize, text_bytes: usize, names: &[String]) -> Result<()> {
    let names = names.join(", ");
    ensure!(
        connections <= MOST,
        "{names} hold more than {MOST} connections, too many to keep in memory; train a model and give it by -m"
    );
    ensure!(
        text_bytes <= MOST_TEXT,
        "{names} hold more than {} of services and histories, too much to keep in memory; train a model and give it \
         by -m",
        human::bytes(MOST_TEXT as u64)
    );
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_is_room_for_so_much_and_no_more() {
        let names = ["conn.log".to_owned()];
        assert!(require_room(MOST, MOST_TEXT, &names).is_ok());
        let told = |connections, text| require_room(connections, text, &names).unwrap_err().to_string();
        assert!(told(MOST + 1, 0).starts_with("conn.log hold more than 16777216 connections"));
        assert!(told(1, MOST_TEXT + 1).starts_with("conn.log hold more than 1.1 GB of services and histories"));
    }
}

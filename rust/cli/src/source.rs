//! From the arguments that name logs to inputs that can be read.

use std::io::IsTerminal;
use std::path::PathBuf;

use anyhow::{Result, bail};
use zeek_log::{Input, ReadOptions, find_inputs};

use crate::args::ReadingArgs;
use crate::conn_log;

/// What to read and how.
#[derive(Clone, Debug)]
pub struct Source {
    /// The logs in the order given, directories resolved.
    pub inputs: Vec<Input>,
    /// How to read them.
    pub options: ReadOptions,
    /// Whether the first thing that cannot be used ends the command.
    pub strict: bool,
    /// The arguments as they were given, for provenance.
    pub names: Vec<String>,
}

impl Source {
    /// From arguments; none means standard input.
    ///
    /// # Errors
    /// When one does not exist, a directory holds no conn log, or standard input is a person at a terminal.
    pub fn new(logs: &[PathBuf], reading: &ReadingArgs) -> Result<Self> {
        let stdin = [PathBuf::from("-")];
        let logs = if logs.is_empty() { &stdin[..] } else { logs };
        let inputs = find_inputs(logs, conn_log::STREAM)?;
        if inputs.contains(&Input::Stdin) && std::io::stdin().is_terminal() {
            bail!(
                "no log given, and standard input is a terminal; name a conn.log or a directory of them, or pipe one \
                 in, as in: zcat conn.*.log.gz | zeek-iforest ..."
            );
        }
        let options = ReadOptions {
            path: Some(conn_log::STREAM.to_owned()),
            fields: reading.fields.clone(),
            ..ReadOptions::default()
        };
        let names = logs.iter().map(|path| path.display().to_string()).collect();
        Ok(Self { inputs, options, strict: reading.strict, names })
    }

    /// The number of bytes in all files together; `None` where that is unknown.
    pub fn bytes(&self) -> Option<u64> {
        self.inputs.iter().map(file_size).sum()
    }

    /// Whether it can be read more than once: files can, pipes cannot.
    pub fn is_repeatable(&self) -> bool {
        self.bytes().is_some()
    }
}

fn file_size(input: &Input) -> Option<u64> {
    match input {
        Input::Stdin => None,
        Input::File(path) => path.metadata().ok().filter(std::fs::Metadata::is_file).map(|metadata| metadata.len()),
    }
}

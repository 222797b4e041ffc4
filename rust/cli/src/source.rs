//! From the arguments that name logs to inputs that can be read.

use std::io::{IsTerminal, Read};
use std::path::PathBuf;

use anyhow::{Error, Result, anyhow, bail};
use zeek_log::{ErrorKind, Input, Inputs, ReadOptions, find_inputs};

use crate::args::LogArgs;
use crate::conn_log;

/// What to read and how.
#[derive(Clone, Debug)]
pub struct Source {
    /// The logs in the order given, directories resolved.
    pub inputs: Vec<Input>,
    /// How many files of other names the directories hold.
    pub left_out: u64,
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
    pub fn new(args: &LogArgs) -> Result<Self> {
        Self::of(&args.paths, args)
    }

    /// The same of other logs, read as the arguments say.
    ///
    /// # Errors
    /// As [`Source::new`].
    pub fn of(logs: &[PathBuf], args: &LogArgs) -> Result<Self> {
        let stdin = [PathBuf::from("-")];
        let logs = if logs.is_empty() { &stdin[..] } else { logs };
        let Inputs { found: inputs, ignored: left_out } = find_inputs(logs, conn_log::STREAM)?;
        if inputs.contains(&Input::Stdin) && std::io::stdin().is_terminal() {
            bail!(
                "no log given, and standard input is a terminal; name a conn.log or a directory of them, or pipe one \
                 in, as in: zcat conn.*.log.gz | zeek-iforest ..."
            );
        }
        let mut options = ReadOptions::new().stream(conn_log::STREAM);
        if let Some(fields) = &args.fields {
            options = options.fields(fields);
        }
        let names = logs.iter().map(|path| path.display().to_string()).collect();
        Ok(Self { inputs, left_out, options, strict: args.strict, names })
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

/// An error of reading, with what the input is where it is no log.
pub fn explained(input: &Input, error: zeek_log::Error) -> Error {
    match (error.kind(), taken_for_a_log(input)) {
        (ErrorKind::NotZeek { .. }, Some(what)) => anyhow!("{input}: {what}"),
        _ => error.into(),
    }
}

/// What a file is that is no log, by its first bytes, and what to do with it.
fn taken_for_a_log(input: &Input) -> Option<&'static str> {
    const CAPTURE: &str = "is a packet capture; make logs of it first, with: zeek -r FILE";
    const KNOWN: [(&[u8], &str); 10] = [
        (b"ZIFOREST", "is a model, not a log; give it with --model"),
        (b"\xd4\xc3\xb2\xa1", CAPTURE),
        (b"\xa1\xb2\xc3\xd4", CAPTURE),
        (b"\x4d\x3c\xb2\xa1", CAPTURE),
        (b"\xa1\xb2\x3c\x4d", CAPTURE),
        (b"\x0a\x0d\x0d\x0a", CAPTURE),
        (b"BZh", "is compressed with bzip2; read it with: bzcat FILE | zeek-iforest ... -"),
        (b"\xfd7zXZ\0", "is compressed with xz; read it with: xzcat FILE | zeek-iforest ... -"),
        (b"\x04\x22\x4d\x18", "is compressed with lz4; read it with: lz4cat FILE | zeek-iforest ... -"),
        (b"PK\x03\x04", "is a zip archive; read it with: unzip -p FILE | zeek-iforest ... -"),
    ];
    let Input::File(path) = input else { return None };
    if !path.is_file() {
        // A pipe that was read to its end would be waited for.
        return None;
    }
    let mut start = [0; 8];
    let read = std::fs::File::open(path).and_then(|mut file| file.read(&mut start)).ok()?;
    KNOWN.into_iter().find(|(magic, _)| start[..read].starts_with(magic)).map(|(_, what)| what)
}

fn file_size(input: &Input) -> Option<u64> {
    match input {
        Input::Stdin => None,
        Input::File(path) => path.metadata().ok().filter(std::fs::Metadata::is_file).map(|metadata| metadata.len()),
    }
}

//! Log inputs: resolution of arguments, and conversion of rows to records.

pub mod columns;
pub mod conn_log;
pub mod dns_log;
pub mod follow;
pub mod log;
pub mod merge;
pub mod records;

use std::io::{IsTerminal, Read};
use std::path::PathBuf;

use anyhow::{Error, Result, anyhow, bail, ensure};
use detector::LogKind;
use zeek_log::{ErrorKind, Input, Inputs, ReadOptions, find_inputs};

use crate::cli::options::LogArgs;
use crate::format;

/// Logs to read, and how.
#[derive(Clone, Debug)]
pub struct LogInputs {
    /// Kind of the logs.
    pub log: LogKind,
    /// The logs in the order given, with directories resolved.
    pub inputs: Vec<Input>,
    /// Number of other files in the directories.
    pub ignored: u64,
    /// Read options.
    pub options: ReadOptions,
    /// True if the first unusable row or log ends the command.
    pub strict: bool,
    /// The arguments, for provenance.
    pub names: Vec<String>,
}

impl LogInputs {
    /// Resolves arguments; none means standard input.
    ///
    /// # Errors
    /// If a log does not exist, the logs are of different kinds, a directory has no log of their kind, or standard input
    /// is a terminal.
    pub fn new(args: &LogArgs) -> Result<Self> {
        Self::of(&args.paths, args)
    }

    /// Resolves other logs than those of the arguments, with the same options.
    ///
    /// # Errors
    /// As [`LogInputs::new`].
    pub fn of(logs: &[PathBuf], args: &LogArgs) -> Result<Self> {
        let stdin = [PathBuf::from("-")];
        let logs = if logs.is_empty() { &stdin[..] } else { logs };
        let of_files = logs.iter().filter_map(|path| Some((path, log::kind_of(&Input::File(path.clone()))?)));
        let given: Vec<_> = if args.log.is_none() { of_files.collect() } else { Vec::new() };
        require_one_kind(given.iter().copied())?;
        let given = given.first().map(|(_, kind)| *kind);
        let named =
            || args.fields.as_ref().and_then(|names| log::kind_of_fields(|name| names.iter().any(|it| it == name)));
        let log = args.log.or(given).or_else(named).unwrap_or(LogKind::Conn);
        let Inputs { found: inputs, ignored } = find_inputs(logs, log.name())?;
        if inputs.contains(&Input::Stdin) && std::io::stdin().is_terminal() {
            bail!(
                "no log given and standard input is a terminal; give a {}.log, a directory, or a pipe such as: zcat \
                 {}.*.log.gz | zeek-iforest ...",
                log.name(),
                log.name()
            );
        }
        let mut options = ReadOptions::new().stream(log.name());
        if let Some(fields) = &args.fields {
            options = options.fields(fields);
        }
        let names = logs.iter().map(|path| path.display().to_string()).collect();
        Ok(Self { log, inputs, ignored, options, strict: args.strict, names })
    }

    /// Total size of the files; `None` if one is a pipe.
    pub fn bytes(&self) -> Option<u64> {
        self.inputs.iter().map(file_size).sum()
    }

    /// Returns true if the logs can be read more than once: files can, pipes cannot.
    pub fn is_repeatable(&self) -> bool {
        self.bytes().is_some()
    }
}

/// Refuses inputs of different kinds.
///
/// # Errors
/// Names the inputs of each kind.
pub fn require_one_kind<'a>(inputs: impl Iterator<Item = (&'a PathBuf, LogKind)> + Clone) -> Result<()> {
    let of_kind = |kind: LogKind| {
        let of_kind = inputs.clone().filter(|(_, other)| *other == kind);
        let names: Vec<_> = of_kind.map(|(path, _)| path.display().to_string()).collect();
        (!names.is_empty()).then(|| format!("{} of {}.log", format::names(&names), kind.name()))
    };
    let found: Vec<_> = LogKind::ALL.into_iter().filter_map(of_kind).collect();
    ensure!(found.len() < 2, "the inputs are of two kinds: {}; give inputs of one kind", found.join("; "));
    Ok(())
}

/// Describes the input if it is another kind of file.
pub fn explain(input: &Input, error: zeek_log::Error) -> Error {
    let ErrorKind::NotZeek { found, .. } = error.kind() else { return error.into() };
    let own = OWN_FILES.iter().find(|(magic, _)| found.starts_with(magic)).map(|(_, what)| *what);
    match own.or_else(|| other_kind(input)) {
        Some(what) => anyhow!("{input}: {what}"),
        None => error.into(),
    }
}

/// Files of zeek-iforest by their first bytes, and how to use them.
const OWN_FILES: [(&str, &str); 3] = [
    (
        "ZIFOREST",
        "this is a model, not a log; score logs with it by --model, or describe it with: zeek-iforest inspect FILE",
    ),
    ("ZIFSAMPL", "this is a sample, not a log; train a model on it with: zeek-iforest train FILE -o MODEL"),
    ("ZIFMEMOR", "this is saved context, not a log; give it with --context"),
];

/// Recognises other kinds of files by their first bytes, and says how to use them.
fn other_kind(input: &Input) -> Option<&'static str> {
    const CAPTURE: &str = "this is a packet capture; convert it to logs with: zeek -r FILE";
    const KNOWN: [(&[u8], &str); 9] = [
        (b"\xd4\xc3\xb2\xa1", CAPTURE),
        (b"\xa1\xb2\xc3\xd4", CAPTURE),
        (b"\x4d\x3c\xb2\xa1", CAPTURE),
        (b"\xa1\xb2\x3c\x4d", CAPTURE),
        (b"\x0a\x0d\x0d\x0a", CAPTURE),
        (b"BZh", "compressed with bzip2; read it with: bzcat FILE | zeek-iforest ... -"),
        (b"\xfd7zXZ\0", "compressed with xz; read it with: xzcat FILE | zeek-iforest ... -"),
        (b"\x04\x22\x4d\x18", "compressed with lz4; read it with: lz4cat FILE | zeek-iforest ... -"),
        (b"PK\x03\x04", "this is a zip archive; read it with: unzip -p FILE | zeek-iforest ... -"),
    ];
    let Input::File(path) = input else { return None };
    if !path.is_file() {
        // Opening a pipe could block.
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

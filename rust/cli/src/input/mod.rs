//! Log inputs: resolution of arguments, and conversion of rows to records.

pub mod columns;
pub mod conn_log;
pub mod dns_log;
pub mod file_type;
pub mod follow;
pub mod log;
pub mod merge;
pub mod records;

use std::io::IsTerminal;
use std::path::PathBuf;

use anyhow::{Result, bail, ensure};
use detector::LogKind;
use zeek_log::{Input, Inputs, ReadOptions, find_inputs};

use crate::cli::options::LogArgs;
use crate::format;

/// Logs to read, and how.
#[derive(Clone, Debug)]
pub struct LogInputs {
    pub log: LogKind,
    /// The logs in the order given, with directories resolved.
    pub inputs: Vec<Input>,
    /// Number of other files in the directories.
    pub ignored: u64,
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
        let given = if args.log.is_none() { detect_kinds(logs) } else { Vec::new() };
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

/// The logs that are files, with the kinds that their contents show.
pub fn detect_kinds(logs: &[PathBuf]) -> Vec<(&PathBuf, LogKind)> {
    logs.iter().filter_map(|path| Some((path, log::kind_of(&Input::File(path.clone()))?))).collect()
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

fn file_size(input: &Input) -> Option<u64> {
    match input {
        Input::Stdin => None,
        Input::File(path) => path.metadata().ok().filter(std::fs::Metadata::is_file).map(|metadata| metadata.len()),
    }
}

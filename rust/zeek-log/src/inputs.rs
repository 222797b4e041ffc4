//! From command-line arguments to an ordered list of inputs: files, directories of rotated logs, standard input.
//!
//! Nothing is opened here; whether a file is a log at all is for the reader to say.

use std::collections::HashSet;
use std::ffi::OsStr;
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use walkdir::{DirEntry, WalkDir};

use crate::Error;

/// One thing to read.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Input {
    /// Standard input, which an argument `-` stands for.
    Stdin,
    /// A file, a named pipe or a device.
    File(PathBuf),
}

impl fmt::Display for Input {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Stdin => f.write_str("(standard input)"),
            Self::File(path) => path.display().fmt(f),
        }
    }
}

/// What arguments stand for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Inputs {
    /// The inputs, in the order of the arguments.
    pub found: Vec<Input>,
    /// How many other files the directories hold: logs of other streams, or whatever else has another name.
    pub left_out: u64,
}

/// Turns arguments into inputs, in the order given.
///
/// A file is taken whatever its name. A directory stands for all logs of `stream` (such as `conn`) in it and below it,
/// ordered by path, so that dated directories and times of day come out in order of time; see [`is_log_of`]. A log that
/// can be reached by several paths, through symbolic links, is taken once per directory argument.
///
/// # Errors
/// When an argument does not exist or cannot be listed, and when a directory holds no log of `stream`.
pub fn find_inputs<A: AsRef<OsStr>>(arguments: impl IntoIterator<Item = A>, stream: &str) -> Result<Inputs, Error> {
    let mut inputs = Inputs::default();
    for argument in arguments {
        let argument = argument.as_ref();
        if argument == "-" {
            inputs.found.push(Input::Stdin);
            continue;
        }
        let path = Path::new(argument);
        let metadata = path.metadata().map_err(|cause| open_error(path, cause))?;
        if metadata.is_dir() {
            let (logs, others) = logs_below(path, stream)?;
            inputs.found.extend(logs.into_iter().map(Input::File));
            inputs.left_out += others;
        } else {
            inputs.found.push(Input::File(path.to_owned()));
        }
    }
    Ok(inputs)
}

/// Whether a file of this name is a log of `stream`: the name begins with the stream, then comes a dot, or a date after
/// an underscore or hyphen, and it ends in `.log` or `.json`, before a number or compression there may be.
///
/// ```
/// use zeek_log::is_log_of;
///
/// assert!(is_log_of("conn.log", "conn"));
/// assert!(is_log_of("conn.07:00:00-08:00:00.log.gz", "conn"));
/// assert!(is_log_of("conn_20240101_07:00:00-08:00:00+0000.log.gz", "conn"));
/// assert!(is_log_of("conn.json.1.zst", "conn"));
/// assert!(!is_log_of("conn-summary.07:00:00-08:00:00.log.gz", "conn"));
/// assert!(!is_log_of("open_conn.07:00:00-08:00:00.log.gz", "conn"));
/// assert!(!is_log_of("conn.log.bak", "conn"));
/// ```
pub fn is_log_of(file_name: &str, stream: &str) -> bool {
    let Some(rest) = file_name.strip_prefix(stream) else {
        return false;
    };
    let mut after = rest.chars();
    let stem_ends = match after.next() {
        Some('.') => true,
        Some('_' | '-') => after.next().is_some_and(|c| c.is_ascii_digit()),
        _ => false,
    };
    let is_suffix = |part: &&str| matches!(*part, "gz" | "zst" | "zstd") || part.bytes().all(|b| b.is_ascii_digit());
    let kind = rest.split('.').skip(1).filter(|part| !is_suffix(part)).last();
    stem_ends && matches!(kind, Some("log" | "json" | "ndjson" | "jsonl"))
}

/// The logs of the stream, and how many files there are beside them.
fn logs_below(directory: &Path, stream: &str) -> Result<(Vec<PathBuf>, u64), Error> {
    let mut found = Vec::new();
    let mut others = Vec::new();
    // A directory that several links lead to is entered once: links that fork at each level would be paths without number.
    let mut entered = HashSet::new();
    let mut is_new = |entry: &DirEntry| {
        !entry.file_type().is_dir() || entry.path().canonicalize().map_or(true, |real| entered.insert(real))
    };
    for entry in WalkDir::new(directory).follow_links(true).sort_by_file_name().into_iter().filter_entry(&mut is_new) {
        let entry = match entry {
            Ok(entry) => entry,
            // A link to a directory above, to nothing or to itself hides no log.
            Err(error) if error.loop_ancestor().is_some() => continue,
            Err(error) if error.io_error().is_some_and(leads_nowhere) => continue,
            // What cannot be looked into is said when it is its turn to be read, and keeps nothing else from it.
            Err(error) if error.depth() > 0 && error.path().is_some() => {
                found.extend(error.path().map(Path::to_owned));
                continue;
            }
            Err(error) => {
                let cause = error.into_io_error().unwrap_or_else(|| io::ErrorKind::Other.into());
                return Err(open_error(directory, cause));
            }
        };
        let wanted = entry.file_name().to_str().is_some_and(|name| is_log_of(name, stream));
        if !entry.file_type().is_file() {
            continue;
        }
        if wanted { &mut found } else { &mut others }.push(entry.into_path());
    }
    found.sort();
    let mut seen = HashSet::new();
    for files in [&mut found, &mut others] {
        files.retain(|path| path.canonicalize().map_or(true, |real| seen.insert(real)));
    }
    let others = others.len() as u64;
    if found.is_empty() {
        return Err(Error::NoLogs { directory: directory.to_owned(), stream: stream.to_owned(), others });
    }
    Ok((found, others))
}

/// Whether this is what a link to nothing gives, or one to itself.
fn leads_nowhere(error: &io::Error) -> bool {
    // The kind of the latter has no stable name yet.
    const LOOP: i32 = if cfg!(target_os = "linux") { 40 } else { 62 };
    error.kind() == io::ErrorKind::NotFound || error.raw_os_error() == Some(LOOP)
}

fn open_error(path: &Path, cause: io::Error) -> Error {
    Error::Open { name: Arc::from(path.to_string_lossy()), cause }
}

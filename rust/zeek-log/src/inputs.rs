//! Inputs: resolves command-line arguments to files, rotated logs in directories, and standard input.

use std::collections::HashSet;
use std::ffi::OsStr;
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

use walkdir::{DirEntry, WalkDir};

use crate::error::{Error, ErrorKind};

/// A log to read.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Input {
    /// Standard input, argument `-`.
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

/// Result of [`find_inputs`].
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Inputs {
    /// The inputs, in the order of the arguments.
    pub found: Vec<Input>,
    /// Number of files of other names in the directories.
    pub ignored: u64,
}

/// Resolves arguments to inputs, in the order given.
///
/// A file may have any name. A directory contributes all logs of `stream` (such as `conn`) in it and below it, see
/// [`is_log_of`], ordered by path and therefore by time. A log that symbolic links reach by several paths counts once.
///
/// # Errors
/// [`ErrorKind::Open`] and [`ErrorKind::NoLogs`].
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
            inputs.ignored += others;
        } else {
            inputs.found.push(Input::File(path.to_owned()));
        }
    }
    Ok(inputs)
}

/// Returns true if a file name belongs to a log of `stream`: the stream, then a dot, or an underscore or hyphen and a
/// date, and `.log` or `.json` at the end, possibly followed by a number or the suffix of a compression.
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

/// The logs of the stream, and the number of other files.
fn logs_below(directory: &Path, stream: &str) -> Result<(Vec<PathBuf>, u64), Error> {
    let mut found = Vec::new();
    let mut others = Vec::new();
    // Each directory is entered once: links that fork at each level would make exponentially many paths.
    let mut entered = HashSet::new();
    let mut is_new = |entry: &DirEntry| {
        !entry.file_type().is_dir() || entry.path().canonicalize().map_or(true, |real| entered.insert(real))
    };
    for entry in WalkDir::new(directory).follow_links(true).sort_by_file_name().into_iter().filter_entry(&mut is_new) {
        let entry = match entry {
            Ok(entry) => entry,
            // Loops and broken links hide no log.
            Err(error) if error.loop_ancestor().is_some() => continue,
            Err(error) if error.io_error().is_some_and(is_broken_link) => continue,
            // An unreadable directory becomes an input, which fails when it is opened.
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
        let kind = ErrorKind::NoLogs { stream: stream.to_owned(), others };
        return Err(Error::new(&directory.to_string_lossy().into(), kind));
    }
    Ok((found, others))
}

/// Returns true if the error stands for a broken or circular link.
fn is_broken_link(error: &io::Error) -> bool {
    // `ErrorKind::FilesystemLoop` is unstable.
    let is_loop = error.raw_os_error() == Some(rustix::io::Errno::LOOP.raw_os_error());
    is_loop || error.kind() == io::ErrorKind::NotFound
}

fn open_error(path: &Path, cause: io::Error) -> Error {
    Error::new(&path.to_string_lossy().into(), ErrorKind::Open(cause))
}

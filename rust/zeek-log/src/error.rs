//! What can go wrong, as values: `Error` ends the reading of one input or the writing of one output, `RowError`
//! concerns a single row and leaves the rest readable.
//!
//! Nothing here decides whether a bad row is skipped, counted or fatal: that is the caller's policy.

use std::fmt;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;

/// Why an input cannot be read (further) or an output cannot be written. Every message is one sentence that names the
/// file, the line where there is one, and what to do where something can be done.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The file or directory is not there, or may not be opened.
    #[error("{name}: {}", told(.cause))]
    Open {
        /// The input's name.
        name: Arc<str>,
        /// What the system said.
        cause: io::Error,
    },
    /// A directory holds no log of the wanted stream.
    #[error(
        "{}: none of the {others} files in this directory and below it is named like a {stream} log ({stream}.log, \
         {stream}.07:00:00-08:00:00.log.gz, {stream}_20240101_07:00:00-08:00:00.log.gz); a file of any other name has \
         to be given itself",
        .directory.display()
    )]
    NoLogs {
        /// The directory that was searched.
        directory: PathBuf,
        /// The stream that was looked for, such as `conn`.
        stream: String,
        /// How many files of other names it holds.
        others: u64,
    },
    /// Reading failed part of the way; everything before it has been delivered.
    #[error("{name}: cannot be read beyond line {line}: {cause}")]
    Read {
        /// The input's name.
        name: Arc<str>,
        /// The last complete line.
        line: u64,
        /// What the system said.
        cause: io::Error,
    },
    /// A compressed input is truncated or corrupt; every complete line before the damage has been delivered.
    #[error("{name}: the {compression} data is {} after line {line} ({cause}); the lines before that are read",
        if .cause.kind() == io::ErrorKind::UnexpectedEof { "cut short" } else { "damaged" })]
    Damaged {
        /// The input's name.
        name: Arc<str>,
        /// The last complete line.
        line: u64,
        /// `gzip` or `zstd`.
        compression: &'static str,
        /// What the decompressor said.
        cause: io::Error,
    },
    /// Not a single line.
    #[error("{name}: is empty, without even a header")]
    Empty {
        /// The input's name.
        name: Arc<str>,
    },
    /// Neither Zeek's TSV nor JSON lines.
    #[error("{name}:{line}: is not a Zeek log: {reason}, but {found:?}")]
    NotZeek {
        /// The input's name.
        name: Arc<str>,
        /// The line that gave it away.
        line: u64,
        /// What was expected.
        reason: &'static str,
        /// The beginning of what is there instead.
        found: String,
    },
    /// Tab-separated rows, but nothing that names their columns.
    #[error(
        "{name}:{line}: {columns} tab-separated columns without a #fields header; name them with --fields, \
         for example --fields ts,uid,id.orig_h,..."
    )]
    NoHeader {
        /// The input's name.
        name: Arc<str>,
        /// The first such row.
        line: u64,
        /// How many columns it has.
        columns: usize,
    },
    /// A header line that contradicts itself or another.
    #[error("{name}:{line}: the header cannot be used: {reason}")]
    Header {
        /// The input's name.
        name: Arc<str>,
        /// The header line.
        line: u64,
        /// What is wrong with it.
        reason: String,
    },
    /// A log of another stream than the one asked for.
    #[error("{name}:{line}: is the log of {found}, not of {wanted}")]
    OtherPath {
        /// The input's name.
        name: Arc<str>,
        /// The `#path` line.
        line: u64,
        /// What `#path` says.
        found: String,
        /// What was asked for.
        wanted: String,
    },
    /// The output could not be written; nothing was left under its final name.
    #[error("{name}: cannot be written: {cause}")]
    Write {
        /// The output's name.
        name: Arc<str>,
        /// What the system said.
        cause: io::Error,
    },
    /// Whoever read the output has closed it, as `head` does. Usually a reason to stop in silence.
    #[error("{name}: the reader of this output has closed it")]
    BrokenPipe {
        /// The output's name.
        name: Arc<str>,
    },
}

/// Why one row could not be used. Its `Display` reads
/// `conn.log:17: field orig_bytes: "12x" is not a count`; what becomes of the row is for the caller to add.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub struct RowError {
    /// The input's name.
    pub name: Arc<str>,
    /// The line, counted from 1.
    pub line: u64,
    /// The column at fault, where one is.
    pub field: Option<Arc<str>>,
    /// What is wrong.
    pub cause: RowCause,
}

impl fmt::Display for RowError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: ", self.name, self.line)?;
        if let Some(field) = &self.field {
            write!(f, "field {field}: ")?;
        }
        self.cause.fmt(f)
    }
}

/// What is wrong with a row.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RowCause {
    /// More or fewer columns than the header names.
    #[error("{found} columns where the header names {wanted}")]
    Columns {
        /// Columns in the row.
        found: usize,
        /// Columns in the header.
        wanted: usize,
    },
    /// The last line of the input ends in mid-row: too few columns, or broken JSON, and no line end.
    #[error("the last line is cut short")]
    CutShort,
    /// A column that holds several values (a packed label) does not hold as many as its header names.
    #[error("{found} values, separated by three spaces, where the header names {wanted}")]
    Packed {
        /// Values in the row.
        found: usize,
        /// Values in the header.
        wanted: usize,
    },
    /// Not one well-formed JSON object.
    #[error("the JSON is broken at byte {at}: {expected}")]
    Json {
        /// Offset within the line, counted from 0.
        at: usize,
        /// What should be there.
        expected: &'static str,
    },
    /// The line is longer than `ReadOptions::max_line`.
    #[error("the line is longer than {limit} bytes")]
    TooLong {
        /// The limit in bytes.
        limit: usize,
    },
    /// The text of a field is not a value of the wanted type.
    #[error("{text:?} {error}")]
    Value {
        /// The text, cut to a readable length.
        text: Box<str>,
        /// What it should have been.
        error: ValueError,
    },
    /// A field that the caller needs is unset.
    #[error("is unset")]
    Unset,
}

/// A text that is not a value of the wanted type.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("is not {wanted}")]
pub struct ValueError {
    /// The type with its article, such as `a count`.
    pub wanted: &'static str,
}

/// Why a file or directory cannot be opened.
fn told(cause: &io::Error) -> String {
    match cause.kind() {
        io::ErrorKind::NotFound => "there is no such file or directory; check the name".to_owned(),
        _ => format!("cannot be opened: {cause}"),
    }
}

/// The beginning of some bytes from a file, fit to be shown in a message.
pub(crate) fn excerpt(bytes: &[u8]) -> String {
    const SHOWN: usize = 48;
    let cut = bytes.len().min(SHOWN);
    let mut text = String::from_utf8_lossy(&bytes[..cut]).into_owned();
    if cut < bytes.len() {
        text.push('…');
    }
    text
}

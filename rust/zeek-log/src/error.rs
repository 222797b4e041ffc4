//! Errors of inputs, outputs and rows. The caller decides whether to skip, count or stop at a bad row.

use std::fmt;
use std::io;
use std::sync::Arc;

/// Error of an input, an output or a single row. An error of a row leaves the rows after it readable.
///
/// `Display` is one sentence that names the file, and the line and field where there are any:
/// `conn.log:17: field orig_bytes: "12x" is not a count`.
#[derive(Debug)]
pub struct Error(Box<Details>);

#[derive(Debug)]
struct Details {
    name: Arc<str>,
    line: Option<u64>,
    field: Option<Arc<str>>,
    kind: ErrorKind,
}

impl Error {
    /// An error of a whole input or output.
    pub(crate) fn new(name: &Arc<str>, kind: ErrorKind) -> Self {
        Self(Box::new(Details { name: name.clone(), line: None, field: None, kind }))
    }

    /// An error at a line, counted from 1.
    pub(crate) fn at(name: &Arc<str>, line: u64, kind: ErrorKind) -> Self {
        Self(Box::new(Details { name: name.clone(), line: Some(line), field: None, kind }))
    }

    pub(crate) fn with_field(mut self, field: Option<Arc<str>>) -> Self {
        self.0.field = field;
        self
    }

    /// The same error in another input: for inputs that are several files.
    #[must_use]
    pub fn with_name(mut self, name: &Arc<str>) -> Self {
        self.0.name = name.clone();
        self
    }

    /// The same error at another line: for inputs that are several files.
    #[must_use]
    pub fn with_line(mut self, line: u64) -> Self {
        self.0.line = Some(line);
        self
    }

    /// The name of the input or output.
    pub fn name(&self) -> &Arc<str> {
        &self.0.name
    }

    /// The line, counted from 1.
    pub fn line(&self) -> Option<u64> {
        self.0.line
    }

    /// The kind of error.
    pub fn kind(&self) -> &ErrorKind {
        &self.0.kind
    }
}

impl std::error::Error for Error {}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Details { name, line, field, kind } = &*self.0;
        name.fmt(f)?;
        if let Some(line) = line {
            write!(f, ":{line}")?;
        }
        f.write_str(": ")?;
        if let Some(field) = field {
            write!(f, "field {field}: ")?;
        }
        kind.fmt(f)
    }
}

/// Kind of an [`Error`].
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ErrorKind {
    /// Input: the file or directory does not exist or cannot be opened.
    #[error("{}", open_message(.0))]
    Open(io::Error),
    /// Input: a directory holds no log of the wanted stream.
    #[error(
        "none of the {others} files in this directory and below it is named like a {stream} log ({stream}.log, \
         {stream}.07:00:00-08:00:00.log.gz, {stream}_20240101_07:00:00-08:00:00.log.gz); to read a file with \
         another name, give it as an argument"
    )]
    NoLogs {
        /// The wanted stream, such as `conn`.
        stream: String,
        /// Number of files with other names.
        others: u64,
    },
    /// Input: reading failed. All complete lines before have been delivered.
    #[error("cannot be read beyond line {line}: {cause}")]
    Read {
        /// The last complete line.
        line: u64,
        /// The system's error.
        cause: io::Error,
    },
    /// Input: compressed data is truncated or corrupt. All complete lines before have been delivered.
    #[error("the {compression} data is {} after line {line} ({cause}); only the lines before it were used",
        if .cause.kind() == io::ErrorKind::UnexpectedEof { "cut short" } else { "damaged" })]
    Damaged {
        /// The last complete line.
        line: u64,
        /// `gzip` or `zstd`.
        compression: &'static str,
        /// The decompressor's error.
        cause: io::Error,
    },
    /// Input: no lines.
    #[error("is empty; even a log without rows has a header")]
    Empty,
    /// Input: neither Zeek's TSV nor lines of JSON.
    #[error("is not a Zeek log: {expected}, found {found:?}")]
    NotZeek {
        /// The expected content.
        expected: &'static str,
        /// The beginning of the line.
        found: String,
    },
    /// Input: tab-separated rows without column names.
    #[error(
        "{columns} tab-separated columns without a #fields header; name them with --fields, for example --fields \
         ts,uid,id.orig_h,..."
    )]
    NoHeader {
        /// Number of columns in the first row.
        columns: usize,
    },
    /// Input: an unusable header line.
    #[error("invalid header: {0}")]
    Header(String),
    /// Input: a log of another stream than the wanted one.
    #[error("the stream is {found}, not {wanted}; give a {wanted}.log")]
    OtherStream {
        /// The stream that `#path` names.
        found: String,
        /// The wanted stream.
        wanted: String,
    },
    /// Output: writing failed. No file exists under the output's name that did not exist before.
    #[error("cannot be written: {0}")]
    Write(io::Error),
    /// Output: the reading end of a pipe was closed, as by `head`. Usually a reason to stop silently.
    #[error("the reader of this output has closed it")]
    BrokenPipe,
    /// Row: more or fewer columns than the header names.
    #[error("{found} columns, but the header names {wanted}")]
    Columns {
        /// Columns in the row.
        found: usize,
        /// Columns in the header.
        wanted: usize,
    },
    /// Row: the last line has too few columns, or invalid JSON, and no line end.
    #[error("the last line is cut short")]
    Truncated,
    /// Row: a column of several packed values has more or fewer than its header names.
    #[error("{found} values, separated by three spaces, but the header names {wanted}")]
    Packed {
        /// Values in the row.
        found: usize,
        /// Values in the header.
        wanted: usize,
    },
    /// Row: not exactly one JSON object.
    #[error("invalid JSON at byte {at}: expected {expected}")]
    Json {
        /// Offset in the line, counted from 0.
        at: usize,
        /// The expected text.
        expected: &'static str,
    },
    /// Row: longer than [`ReadOptions::max_line`](crate::ReadOptions::max_line).
    #[error("the line is longer than {limit} bytes")]
    TooLong {
        /// The limit in bytes.
        limit: usize,
    },
    /// Row: a field is not a value of the wanted type.
    #[error("{text:?} is not {wanted}")]
    Value {
        /// The field's text, shortened.
        text: String,
        /// The wanted type with its article, such as `a count`.
        wanted: &'static str,
    },
    /// Row: a required field is unset.
    #[error("is unset")]
    Unset,
}

fn open_message(cause: &io::Error) -> String {
    match cause.kind() {
        io::ErrorKind::NotFound => "there is no such file or directory; check the name".to_owned(),
        _ => format!("cannot be opened: {cause}"),
    }
}

/// The beginning of a line or field, for a message.
pub(crate) fn excerpt(bytes: &[u8]) -> String {
    const MAX_BYTES: usize = 48;
    let length = bytes.len().min(MAX_BYTES);
    let mut text = String::from_utf8_lossy(&bytes[..length]).into_owned();
    if length < bytes.len() {
        text.push('…');
    }
    text
}

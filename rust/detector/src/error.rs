//! Errors of files, messages, training and settings.

use std::fmt;
use std::io;
use std::path::PathBuf;

use crate::schema::LogKind;
use crate::units::counted;

/// Error of a file, a message, a fit or a setting. `Display` is one sentence, with the file's name if there is one:
/// `net.model: is damaged: its checksum does not match; copy it again or create it again`.
#[derive(Debug)]
pub struct Error(Box<Details>);

#[derive(Debug)]
struct Details {
    subject: Option<String>,
    kind: ErrorKind,
}

/// Both versions of a schema in brackets.
fn in_brackets(versions: Option<[u32; 2]>) -> String {
    versions.map_or_else(String::new, |[found, own]| format!(" (version {found}, not {own})"))
}

impl Error {
    /// Adds the name of a file or message.
    pub(crate) fn of(mut self, subject: impl fmt::Display) -> Self {
        self.0.subject = Some(subject.to_string());
        self
    }

    #[cfg(test)]
    pub(crate) fn into_kind(self) -> ErrorKind {
        self.0.kind
    }

    /// The kind of error.
    pub fn kind(&self) -> &ErrorKind {
        &self.0.kind
    }
}

impl From<ErrorKind> for Error {
    fn from(kind: ErrorKind) -> Self {
        Self(Box::new(Details { subject: None, kind }))
    }
}

impl From<iforest::Error> for Error {
    fn from(error: iforest::Error) -> Self {
        ErrorKind::Forest(error).into()
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Details { subject, kind } = &*self.0;
        if let Some(subject) = subject {
            write!(f, "{subject}: ")?;
        }
        kind.fmt(f)
    }
}

impl std::error::Error for Error {}

/// Contents of files and messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Contents {
    /// A model.
    Model,
    /// A sample, or the reservoir of a sensor.
    Sample,
    /// Host context, evidence and open incidents.
    State,
    /// Incidents of another node.
    Incidents,
}

impl Contents {
    fn remedy(self) -> &'static str {
        match self {
            Self::Model => "train it again (a learning sensor fits a new one)",
            Self::Sample => "draw it again (a learning sensor starts a new one)",
            Self::State => "delete it",
            Self::Incidents => "run the same version on all nodes",
        }
    }

    /// Error of values that are invalid.
    pub(crate) fn invalid(self, problem: impl Into<String>) -> ErrorKind {
        ErrorKind::Invalid { contents: self, problem: problem.into() }
    }

    /// Message for other contents.
    fn other(self) -> &'static str {
        match self {
            Self::Model => "is not a zeek-iforest model; make one with `zeek-iforest train`",
            Self::Sample => "is not a zeek-iforest sample; make one with `zeek-iforest sample`",
            Self::State => "is not a context file of zeek-iforest; choose another file",
            Self::Incidents => "is not a message about incidents; run the same version on all nodes",
        }
    }
}

/// Kind of an [`Error`].
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ErrorKind {
    /// File: it cannot be read.
    #[error("cannot be read: {0}")]
    Read(#[from] io::Error),
    /// File: it cannot be written.
    #[error("cannot be written: {0}")]
    Write(io::Error),
    /// File: a pipe or a device.
    #[error("is not a regular file; give a regular file")]
    NotAFile,
    /// File: it, or a directory above it, belongs to another user.
    #[error(
        "is not trusted: {} belongs to user {owner}, who can change it; run chown on it, or accept it with --allow-writable \
         or IForest::allow_writable",
        place.display()
    )]
    Owner {
        /// The file, a link on the way to it, or a directory above it.
        place: PathBuf,
        /// The number of the user it belongs to.
        owner: u32,
    },
    /// File: other users can change it, or a directory above it.
    #[error(
        "is not trusted: others can write to {} (mode {mode:04o}); run chmod go-w on it, or accept it with \
         --allow-writable or IForest::allow_writable",
        place.display()
    )]
    Writable {
        /// The file, or a directory above it.
        place: PathBuf,
        /// Its permissions.
        mode: u32,
    },
    /// File: it was replaced while it was read.
    #[error("is not trusted: it was replaced while it was read; try again")]
    Replaced,
    /// Signature: the trusted key is invalid.
    #[error(
        "cannot be verified: the trusted key {0:?} is not a minisign public key; give the second line of the file that \
         minisign -G writes"
    )]
    Key(String),
    /// Signature: there is none.
    #[error("is not trusted: it is not signed: {0}")]
    Unsigned(Box<Error>),
    /// Signature: it is of another file or by another key.
    #[error(
        "is not trusted: {} does not match the file and the trusted key; sign the file again, or give the key that signed \
         it",
        signature.display()
    )]
    WronglySigned {
        /// The signature.
        signature: PathBuf,
    },
    /// Contents: something else.
    #[error("{}", .0.other())]
    OtherContents(Contents),
    /// Contents: written by a later version of the software.
    #[error("is of format {found}, newer than the format {known} this version reads; update zeek-iforest")]
    Newer {
        /// The format version found.
        found: u32,
        /// The newest format known.
        known: u32,
    },
    /// Contents: written by an earlier version of the software.
    #[error("is of format {found}, older than the format {known} this version reads; {}", contents.remedy())]
    Older {
        /// The contents.
        contents: Contents,
        /// The format version found.
        found: u32,
        /// The oldest format known.
        known: u32,
    },
    /// Contents: cut short, or longer than declared.
    #[error(
        "is damaged: its payload has {found} bytes where {expected} are announced; copy it again or create it again"
    )]
    Length {
        /// Bytes declared in the header.
        expected: u64,
        /// Bytes found.
        found: u64,
    },
    /// Contents: longer than allowed.
    #[error("has a payload of {found} bytes; this version reads at most {max}")]
    TooLarge {
        /// Bytes found.
        found: u64,
        /// Bytes allowed.
        max: u64,
    },
    /// Contents: the checksum does not match.
    #[error("is damaged: its checksum does not match; copy it again or create it again")]
    Checksum,
    /// Contents: from a version with other features.
    #[error("has other features than this zeek-iforest{}; {}", in_brackets(*versions), contents.remedy())]
    OtherSchema {
        /// The contents.
        contents: Contents,
        /// The schema versions of the contents and of this software, if the log is known.
        versions: Option<[u32; 2]>,
    },
    /// Contents: a model of a log that this version does not score.
    #[error("is a model of {found}.log, which this version does not score; update zeek-iforest")]
    OtherLog {
        /// Name of the log without its extension.
        found: String,
    },
    /// Contents: invalid values.
    #[error("is damaged: {problem}; {}", contents.remedy())]
    Invalid {
        /// The contents.
        contents: Contents,
        /// Description of the values.
        problem: String,
    },
    /// Training: too few records.
    #[error(
        "only {} to learn from; at least 2 are needed, a few thousand make a useful model",
        counted(*found, log.noun())
    )]
    TooFewRecords {
        /// Number of records.
        found: u64,
        /// Their log.
        log: LogKind,
    },
    /// Training: a forest for other rows.
    #[error(
        "the forest takes {found} columns, a row of this version has {expected}; fit it on the matrix that \
         `zeek-iforest features` writes, without the column `label`"
    )]
    OtherRows {
        /// Number of columns of the forest.
        found: usize,
        /// Number of columns of a row.
        expected: usize,
    },
    /// Training: the forest cannot be built.
    #[error(transparent)]
    Forest(iforest::Error),
    /// Merging: reservoirs with different sampling.
    #[error("was sampled differently: log kind, half-life and quota must be equal")]
    OtherSampling,
    /// Known list: a line that cannot be used.
    #[error("line {line}: {problem}")]
    KnownList {
        /// The number of the line, from 1.
        line: usize,
        /// Description of the problem.
        problem: String,
    },
    /// Text: not a network.
    #[error("not an address or a network such as 192.0.2.0/24")]
    Network,
}

impl ErrorKind {
    /// Returns true if a file or message was read but has unusable contents.
    pub fn is_content_error(&self) -> bool {
        matches!(
            self,
            Self::OtherContents(_)
                | Self::Newer { .. }
                | Self::Older { .. }
                | Self::Length { .. }
                | Self::TooLarge { .. }
                | Self::Checksum
                | Self::OtherSchema { .. }
                | Self::OtherLog { .. }
                | Self::Invalid { .. }
        )
    }
}

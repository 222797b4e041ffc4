//! Errors of loading and saving files, the same for every kind of contents.

use std::io;
use std::path::{Path, PathBuf};

use thiserror::Error;

use crate::storage::trust::Distrust;

/// Error of loading or saving a file; `R` is the problem with its contents.
#[derive(Debug, Error)]
#[error("{}: {fault}", path.display())]
pub struct FileError<R> {
    /// The file.
    pub path: PathBuf,
    /// The problem.
    pub fault: Fault<R>,
}

/// Problem with a file.
#[derive(Debug, Error)]
pub enum Fault<R> {
    /// The system would not let it be read.
    #[error("cannot be read: {0}")]
    Read(io::Error),
    /// The file is not trusted.
    #[error("{0}")]
    Distrusted(Distrust),
    /// The contents cannot be used.
    #[error("{0}")]
    Refused(R),
    /// The system would not let it be written.
    #[error("cannot be written: {0}")]
    Write(io::Error),
}

impl<R> Fault<R> {
    /// The same, of this file.
    pub(crate) fn of(self, path: &Path) -> FileError<R> {
        FileError { path: path.to_owned(), fault: self }
    }
}

impl<R> From<Distrust> for Fault<R> {
    fn from(distrust: Distrust) -> Self {
        match distrust {
            Distrust::Read(cause) => Self::Read(cause),
            distrust => Self::Distrusted(distrust),
        }
    }
}

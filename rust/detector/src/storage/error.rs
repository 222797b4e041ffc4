//! What goes wrong with a file that is loaded or saved, the same for every kind of contents.

use std::io;
use std::path::{Path, PathBuf};

use thiserror::Error;

use crate::storage::trust::Distrust;

/// Why a file could not be loaded or saved; `R` says what can be wrong with its contents.
#[derive(Debug, Error)]
#[error("{}: {fault}", path.display())]
pub struct FileError<R> {
    /// The file.
    pub path: PathBuf,
    /// What is wrong.
    pub fault: Fault<R>,
}

/// What is wrong with a file.
#[derive(Debug, Error)]
pub enum Fault<R> {
    /// The system would not let it be read.
    #[error("cannot be read: {0}")]
    Read(io::Error),
    /// It is not to be believed, whatever it holds.
    #[error("{0}")]
    Distrusted(Distrust),
    /// It was read, and cannot be used.
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

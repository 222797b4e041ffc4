//! What goes wrong with a file that is loaded or saved, the same for every kind of contents.

use std::convert::Infallible;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use thiserror::Error;

use crate::{Distrust, sealed};

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

/// Writes bytes as a file: the old one or the new one is there at any time, never a part.
///
/// # Errors
/// [`Fault::Write`], naming the file.
pub fn save_bytes(path: &Path, bytes: &[u8]) -> Result<(), FileError<Infallible>> {
    save_together(&[(path, bytes)])
}

/// Writes files that belong together, in this order: all are whole on the disk before the first is there under its name.
/// Where one cannot be written, those that were there before stay.
///
/// # Errors
/// [`Fault::Write`], naming the file.
pub fn save_together(files: &[(&Path, &[u8])]) -> Result<(), FileError<Infallible>> {
    let failed = |path: &Path, cause| Fault::Write(cause).of(path);
    let mut whole = Vec::with_capacity(files.len());
    for (path, bytes) in files {
        let file = sealed::prepare(path, |file| file.write_all(bytes)).map_err(|cause| failed(path, cause))?;
        whole.push((path, file));
    }
    for (path, file) in whole {
        file.persist(path).map_err(|error| failed(path, error.error))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn files_that_belong_together_are_all_written_or_none() {
        let directory = tempfile::tempdir().unwrap();
        let (first, second) = (directory.path().join("first"), directory.path().join("second"));
        save_together(&[(&first, b"one"), (&second, b"two")]).unwrap();
        assert_eq!((fs::read(&first).unwrap(), fs::read(&second).unwrap()), (b"one".into(), b"two".into()));
        let nowhere = directory.path().join("nowhere/second");
        let error = save_together(&[(&first, b"three"), (&nowhere, b"four")]).unwrap_err();
        assert!(error.to_string().contains("second: cannot be written: there is no directory"), "{error}");
        assert_eq!(fs::read(&first).unwrap(), b"one");
        assert_eq!(directory.path().read_dir().unwrap().count(), 2, "nothing is left over");
        save_bytes(&second, b"five").unwrap();
        assert_eq!(fs::read(&second).unwrap(), b"five");
    }
}

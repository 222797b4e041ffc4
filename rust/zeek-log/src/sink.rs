//! Where output goes: standard output, or a file that appears under its name only when it is complete.

use std::path::Path;

use crate::Error;

/// An output. Dropped before [`finish`](Self::finish), it leaves no file.
#[derive(Debug)]
pub struct Sink {}

impl Sink {
    /// Standard output.
    pub fn stdout() -> Self {
        todo!()
    }

    /// A file; `-` is standard output. A name that ends in `.gz` or `.zst` is compressed.
    ///
    /// # Errors
    /// When no file can be made in its directory.
    pub fn create(path: &Path) -> Result<Self, Error> {
        let _ = path;
        todo!()
    }

    /// Writes bytes.
    ///
    /// # Errors
    /// [`Error::BrokenPipe`] when the reading end has gone, [`Error::Write`] otherwise.
    pub fn write(&mut self, bytes: &[u8]) -> Result<(), Error> {
        let _ = bytes;
        todo!()
    }

    /// Completes the output and gives it its name.
    ///
    /// # Errors
    /// As for [`write`](Self::write); nothing is left under the final name then.
    pub fn finish(self) -> Result<(), Error> {
        todo!()
    }
}

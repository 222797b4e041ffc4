//! A file that another program is writing, as an endless stream of bytes.
//!
//! What Zeek does to a log on rotation is to rename it and to open another of the old name; others truncate. Either way the
//! old file is read to its end first. The file is looked at a few times a second, which works on any file system.
//! Two things go unseen: that a file was truncated which between two looks grew past its old length, and a file that came
//! and went while the one before was still being read.

use std::fs::{self, File};
use std::io::{self, Read, Seek, SeekFrom};
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;
use std::thread;
use std::time::Duration;

/// How often the file is looked at.
const PAUSE: Duration = Duration::from_millis(200);

/// Reads a file, waits for more at its end, and goes on with the file that takes its place.
#[derive(Debug)]
pub struct Follow {
    path: PathBuf,
    file: Option<File>,
    position: u64,
    /// Whether the last byte read ends a line.
    at_line_start: bool,
}

impl Follow {
    /// Follows the file of this name, which need not be there yet.
    pub fn new(path: PathBuf) -> Self {
        Self { path, file: None, position: 0, at_line_start: true }
    }

    /// Goes to the file of the name where that is another than the one being read, or to the start of one that was
    /// truncated; whether there is a new place to read from.
    fn turn(&mut self) -> io::Result<bool> {
        let Some(file) = &mut self.file else {
            self.file = found(File::open(&self.path))?;
            self.position = 0;
            return Ok(self.file.is_some());
        };
        let current = file.metadata()?;
        if current.len() < self.position {
            file.seek(SeekFrom::Start(0))?;
            self.position = 0;
            return Ok(true);
        }
        let Some(named) = found(fs::metadata(&self.path))? else { return Ok(false) };
        if (named.dev(), named.ino()) == (current.dev(), current.ino()) || current.len() > self.position {
            return Ok(false);
        }
        self.file = None;
        self.turn()
    }
}

/// That there is no file is no error: there may be one soon.
fn found<T>(result: io::Result<T>) -> io::Result<Option<T>> {
    match result {
        Ok(found) => Ok(Some(found)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

impl Read for Follow {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        loop {
            if let Some(file) = &mut self.file {
                let n = file.read(into)?;
                if n > 0 {
                    self.position += n as u64;
                    self.at_line_start = into[..n].ends_with(b"\n");
                    return Ok(n);
                }
            }
            if !self.turn()? {
                thread::sleep(PAUSE);
            } else if !self.at_line_start
                && let Some(first) = into.first_mut()
            {
                // A line cut short must not run into the first one of the next file.
                *first = b'\n';
                self.at_line_start = true;
                return Ok(1);
            }
        }
    }
}

//! Endless reader for a log that another program writes and rotates.
//!
//! On rotation Zeek renames the log and creates a new one; other programs truncate it. The old file is read to the end
//! first. The file is polled, which works on every file system. Logs that appeared and were rotated between two polls
//! are found in the same directory by the name that Zeek gives rotated logs (`conn.2024-04-19-18-00-00.log`).
//!
//! Three cases go unnoticed if they happen between two polls: a file is truncated and grows beyond its old length, a
//! log is moved out of the directory, and a log is rotated in a directory without read permission.

use std::ffi::OsStr;
use std::fs::{self, File, Metadata, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, SystemTime};

use rustix::fs::OFlags;
use rustix::io::Errno;

/// Time between two polls.
const POLL_INTERVAL: Duration = Duration::from_millis(200);

/// Reader that waits at the end of a file and continues with its replacement.
#[derive(Debug)]
pub struct Follow {
    path: PathBuf,
    /// Logs rotated before this time are not read.
    since: SystemTime,
    file: Option<File>,
    position: u64,
    /// True if the last byte was a newline.
    at_line_start: bool,
    /// Number of lines read from all files.
    lines: u64,
    starts: Starts,
}

/// Number of lines before the start of each file; clones share it.
#[derive(Clone, Debug, Default)]
pub struct Starts(Arc<Mutex<Vec<u64>>>);

impl Starts {
    /// Number of lines before the file of a line of the stream, which is counted from 1.
    pub fn start_of(&self, line: u64) -> u64 {
        let starts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        starts.iter().rev().find(|start| **start < line).copied().unwrap_or(0)
    }
}

impl Follow {
    /// Follows the file of this name, which does not have to exist yet, and records the starts of the files read.
    pub fn new(path: PathBuf, starts: Starts) -> Self {
        Self { path, since: SystemTime::now(), file: None, position: 0, at_line_start: true, lines: 0, starts }
    }

    /// Records the start of a file.
    fn start(&mut self) {
        self.starts.0.lock().unwrap_or_else(PoisonError::into_inner).push(self.lines);
    }

    /// Moves to the next file, or to the start of a truncated one. Returns false if there is neither.
    fn advance(&mut self) -> io::Result<bool> {
        let current = self.file.as_ref().map(File::metadata).transpose()?;
        if let (Some(file), Some(current)) = (&mut self.file, &current) {
            if current.len() < self.position {
                file.seek(SeekFrom::Start(0))?;
                self.position = 0;
                return Ok(true);
            }
        }
        // Opened before listing the rotated logs: if it is rotated meanwhile, the list contains it.
        let named = open(&self.path)?;
        if let Some(current) = &current {
            let is_named = named.as_ref().map(File::metadata).transpose()?.is_some_and(|named| same(&named, current));
            if is_named || current.len() > self.position {
                return Ok(false);
            }
        }
        let Some(next) = self.rotated_after(current.as_ref())?.or(named) else { return Ok(false) };
        self.file = Some(next);
        self.position = 0;
        Ok(true)
    }

    /// The first rotated log that was written after a file, or since the start.
    fn rotated_after(&self, file: Option<&Metadata>) -> io::Result<Option<File>> {
        let directory = match self.path.parent() {
            Some(parent) if parent != Path::new("") => parent,
            _ => Path::new("."),
        };
        // Without read permission on the directory, only the followed log can be read.
        let entries = match fs::read_dir(directory) {
            Err(error) if error.kind() == io::ErrorKind::PermissionDenied => None,
            entries => found(entries)?,
        };
        let mut logs = Vec::new();
        for entry in entries.into_iter().flatten() {
            let entry = entry?;
            if !self.is_rotated_name(&entry.file_name()) {
                continue;
            }
            if let Some(metadata) = found(entry.metadata())?.filter(Metadata::is_file) {
                logs.push((metadata.modified()?, entry.file_name(), metadata));
            }
        }
        // Modification times can be equal; names are in order.
        logs.sort_by(|a, b| (a.0, &a.1).cmp(&(b.0, &b.1)));
        let last = file.map_or(Ok(self.since), Metadata::modified)?;
        let next = match logs.iter().position(|(_, _, metadata)| file.is_some_and(|file| same(metadata, file))) {
            Some(at) => logs.get(at + 1),
            None => logs.iter().find(|(modified, _, _)| *modified > last),
        };
        next.map_or(Ok(None), |(_, name, _)| open(&directory.join(name)))
    }

    /// Returns true if Zeek would give this name to a rotation of the followed log.
    fn is_rotated_name(&self, name: &OsStr) -> bool {
        let (Some(stem), Some(extension), Some(name)) =
            (self.path.file_stem().and_then(|stem| stem.to_str()), self.path.extension(), name.to_str())
        else {
            return false;
        };
        let middle = name.strip_prefix(stem).and_then(|rest| rest.strip_suffix(extension.to_str()?)?.strip_suffix('.'));
        let is_time = |rest: &str| rest.starts_with(|c: char| c.is_ascii_digit());
        middle.and_then(|rest| rest.strip_prefix(['.', '-'])).is_some_and(is_time)
    }
}

/// Opens a log if it exists. Other kinds of files count as missing: a log can still replace them.
fn open(path: &Path) -> io::Result<Option<File>> {
    let at_once = OFlags::NONBLOCK.bits() as i32;
    let opened = match OpenOptions::new().read(true).custom_flags(at_once).open(path) {
        // Returned for a socket, or a device without a driver.
        Err(error) if error.raw_os_error() == Some(Errno::NXIO.raw_os_error()) => None,
        opened => found(opened)?,
    };
    let Some(file) = opened else { return Ok(None) };
    Ok(file.metadata()?.is_file().then_some(file))
}

fn same(a: &Metadata, b: &Metadata) -> bool {
    (a.dev(), a.ino()) == (b.dev(), b.ino())
}

/// Maps a missing file to `None`: it can appear later.
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
                    self.lines += into[..n].iter().filter(|&&byte| byte == b'\n').count() as u64;
                    return Ok(n);
                }
            }
            if !self.advance()? {
                thread::sleep(POLL_INTERVAL);
                continue;
            }
            // An incomplete last line must not merge with the first line of the next file.
            let is_cut = !self.at_line_start;
            self.lines += u64::from(is_cut);
            self.start();
            if let (true, Some(first)) = (is_cut, into.first_mut()) {
                *first = b'\n';
                self.at_line_start = true;
                return Ok(1);
            }
        }
    }
}

//! A file that another program is writing, as an endless stream of bytes.
//!
//! What Zeek does to a log on rotation is to rename it and to open another of the old name; others truncate. Either way the
//! old file is read to its end first. The file is looked at a few times a second, which works on any file system. Logs
//! that came and were rotated between two looks lie beside it under the names that Zeek gives rotated logs
//! (`conn.2024-04-19-18-00-00.log`), and are read in their turn. Unseen goes a file that was truncated and between two
//! looks grew past its old length, a log that was taken out of the directory between two looks, and one that was rotated
//! between them in a directory that may not be listed.

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

/// How often the file is looked at.
const PAUSE: Duration = Duration::from_millis(200);

/// Reads a file, waits for more at its end, and goes on with the file that takes its place.
#[derive(Debug)]
pub struct Follow {
    path: PathBuf,
    /// What was rotated before is history.
    since: SystemTime,
    file: Option<File>,
    position: u64,
    /// Whether the last byte read ends a line.
    at_line_start: bool,
    /// How many lines have been read, of all files.
    lines: u64,
    starts: Starts,
}

/// Behind how many lines of the stream each file begins.
#[derive(Clone, Debug, Default)]
pub struct Starts(Arc<Mutex<Vec<u64>>>);

impl Starts {
    /// The number that a line of the stream has in its file, both counted from 1.
    pub fn line_in_log(&self, line: u64) -> u64 {
        let starts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        line - starts.iter().rev().find(|start| **start < line).unwrap_or(&0)
    }
}

impl Follow {
    /// Follows the file of this name, which need not be there yet.
    pub fn new(path: PathBuf) -> Self {
        Self {
            path,
            since: SystemTime::now(),
            file: None,
            position: 0,
            at_line_start: true,
            lines: 0,
            starts: Starts::default(),
        }
    }

    /// Where files begin, as far as they have been read.
    pub fn starts(&self) -> Starts {
        self.starts.clone()
    }

    /// Records that what comes next is the first line of a file.
    fn start(&mut self) {
        self.starts.0.lock().unwrap_or_else(PoisonError::into_inner).push(self.lines);
    }

    /// Goes to what was written after the file being read, or to the start of one that was truncated; whether there is a
    /// new place to read from.
    fn turn(&mut self) -> io::Result<bool> {
        let current = self.file.as_ref().map(File::metadata).transpose()?;
        if let (Some(file), Some(current)) = (&mut self.file, &current) {
            if current.len() < self.position {
                file.seek(SeekFrom::Start(0))?;
                self.position = 0;
                return Ok(true);
            }
        }
        // Opened before the rotated logs are looked for: if it is rotated meanwhile, it is found among them.
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

    /// The first of the rotated logs that were written to after a file, or since the start.
    fn rotated_after(&self, file: Option<&Metadata>) -> io::Result<Option<File>> {
        let directory = match self.path.parent() {
            Some(parent) if parent != Path::new("") => parent,
            _ => Path::new("."),
        };
        // What may be entered and not listed hides rotated logs, and not the one that is followed.
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
        // Two logs can have been written to last in one tick of the clock; their names are in order then.
        logs.sort_by(|a, b| (a.0, &a.1).cmp(&(b.0, &b.1)));
        let last = file.map_or(Ok(self.since), Metadata::modified)?;
        let next = match logs.iter().position(|(_, _, metadata)| file.is_some_and(|file| same(metadata, file))) {
            Some(at) => logs.get(at + 1),
            None => logs.iter().find(|(modified, _, _)| *modified > last),
        };
        next.map_or(Ok(None), |(_, name, _)| open(&directory.join(name)))
    }

    /// Whether a file is named as Zeek names rotated logs of the one that is followed.
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

/// Opens a log, if there is one under this name. Another kind of file is none, and a pipe is not waited for: a log may
/// take its place.
fn open(path: &Path) -> io::Result<Option<File>> {
    let at_once = OFlags::NONBLOCK.bits() as i32;
    let opened = match OpenOptions::new().read(true).custom_flags(at_once).open(path) {
        // A socket, or a device without a driver.
        Err(error) if error.raw_os_error() == Some(Errno::NXIO.raw_os_error()) => None,
        opened => found(opened)?,
    };
    let Some(file) = opened else { return Ok(None) };
    Ok(file.metadata()?.is_file().then_some(file))
}

fn same(a: &Metadata, b: &Metadata) -> bool {
    (a.dev(), a.ino()) == (b.dev(), b.ino())
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
                    self.lines += into[..n].iter().filter(|&&byte| byte == b'\n').count() as u64;
                    return Ok(n);
                }
            }
            if !self.turn()? {
                thread::sleep(PAUSE);
                continue;
            }
            // A line cut short must not run into the first one of the next file.
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

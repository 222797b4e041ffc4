//! Output: standard output, or a file that gets its name only when it is complete.

pub(crate) mod append;
pub(crate) mod device;

use std::fmt;
use std::fs::{self, File};
use std::io::{self, BufWriter, IsTerminal, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use flate2::write::GzEncoder;
use tempfile::{NamedTempFile, TempPath};

use crate::error::{Error, ErrorKind};

/// Destination of output. Dropped before [`finish`](Self::finish), it leaves no file.
pub struct Output {
    name: Arc<str>,
    writer: Writer,
    is_terminal: bool,
    temporary: Option<Temporary>,
}

/// A file under a temporary name.
struct Temporary {
    file: File,
    path: TempPath,
    name: PathBuf,
}

type RawWriter = Box<dyn Write + Send>;

enum Writer {
    Plain(RawWriter),
    Gzip(GzEncoder<RawWriter>),
    Zstd(zstd::Encoder<'static, RawWriter>),
}

impl fmt::Debug for Output {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Output").field("name", &self.name).finish_non_exhaustive()
    }
}

impl Output {
    /// Standard output.
    pub fn stdout() -> Self {
        let writer = Writer::Plain(Box::new(io::stdout()));
        let is_terminal = io::stdout().is_terminal();
        Self { name: Arc::from("(standard output)"), writer, is_terminal, temporary: None }
    }

    /// A file, or standard output for `-`. The suffixes `.gz` and `.zst` add compression.
    ///
    /// The file is written under a temporary name in the same directory. [`finish`](Self::finish) renames it, which
    /// atomically replaces a file, preserving its permissions, or a symbolic link, but not its target. Devices, named
    /// pipes and descriptors of this process (`/dev/stdout`, `/dev/fd/3`) are written to directly.
    ///
    /// # Errors
    /// When no file can be created in the directory, and for a named pipe of another user than root.
    pub fn create(path: &Path) -> Result<Self, Error> {
        if path == Path::new("-") {
            return Ok(Self::stdout());
        }
        let name: Arc<str> = path.to_string_lossy().into();
        let (file, temporary) = open(path).map_err(|cause| write_error(&name, cause))?;
        let is_terminal = file.is_terminal();
        let plain = buffered(file);
        let extension = path.extension().and_then(|extension| extension.to_str());
        let writer = match extension {
            Some("gz") => Writer::Gzip(GzEncoder::new(plain, flate2::Compression::default())),
            Some("zst") => {
                let encoder = zstd::Encoder::new(plain, zstd::DEFAULT_COMPRESSION_LEVEL);
                Writer::Zstd(encoder.map_err(|cause| write_error(&name, cause))?)
            }
            _ => Writer::Plain(plain),
        };
        Ok(Self { name, writer, is_terminal, temporary })
    }

    /// Returns true if it is a terminal, which interprets control characters.
    pub fn is_terminal(&self) -> bool {
        self.is_terminal
    }

    /// Writes bytes.
    ///
    /// # Errors
    /// [`ErrorKind::BrokenPipe`] when the reader has closed it, [`ErrorKind::Write`] otherwise.
    pub fn write(&mut self, bytes: &[u8]) -> Result<(), Error> {
        let writer: &mut dyn Write = match &mut self.writer {
            Writer::Plain(writer) => writer,
            Writer::Gzip(writer) => writer,
            Writer::Zstd(writer) => writer,
        };
        writer.write_all(bytes).map_err(|cause| write_error(&self.name, cause))
    }

    /// Completes the output and renames it to its final name.
    ///
    /// # Errors
    /// As for [`write`](Self::write); the final name then still has its old file, if any.
    pub fn finish(self) -> Result<(), Error> {
        let Self { name, writer, temporary, .. } = self;
        let complete = || {
            let mut plain = match writer {
                Writer::Plain(writer) => writer,
                Writer::Gzip(encoder) => encoder.finish()?,
                Writer::Zstd(encoder) => encoder.finish()?,
            };
            plain.flush()?;
            drop(plain);
            let Some(Temporary { file, path, name }) = temporary else { return Ok(()) };
            // A full quota or a remote disk may report its error only here.
            file.sync_all()?;
            path.persist(name).map_err(|error| error.error)
        };
        complete().map_err(|cause| write_error(&name, cause))
    }
}

fn open(path: &Path) -> io::Result<(File, Option<Temporary>)> {
    if fs::symlink_metadata(path).is_ok_and(|there| there.is_dir()) {
        return Err(io::ErrorKind::IsADirectory.into());
    }
    // Renaming onto /dev/null would replace the device.
    if let Some(file) = device::open(path)? {
        return Ok((file, None));
    }
    let directory = match path.parent() {
        Some(parent) if parent != Path::new("") => parent,
        _ => Path::new("."),
    };
    let mut builder = tempfile::Builder::new();
    builder.prefix(".").suffix(".part");
    let permissions = replaced_permissions(path);
    // The permissions of a new file, before the umask.
    builder.permissions(permissions.clone().unwrap_or_else(|| fs::Permissions::from_mode(0o666)));
    let file = builder.tempfile_in(directory).map_err(|error| create_error(directory, error))?;
    if let Some(permissions) = permissions {
        // The umask was applied at creation.
        file.as_file().set_permissions(permissions)?;
    }
    let (file, temporary) = NamedTempFile::into_parts(file);
    let temporary = Temporary { file: file.try_clone()?, path: temporary, name: path.to_owned() };
    Ok((file, Some(temporary)))
}

/// The cause without the temporary name, which would mean nothing to the user.
fn create_error(directory: &Path, error: io::Error) -> io::Error {
    if !directory.is_dir() {
        return io::Error::new(error.kind(), format!("there is no directory {}", directory.display()));
    }
    let cause = error.get_ref().and_then(|error| error.source()).and_then(|cause| cause.downcast_ref::<io::Error>());
    cause.and_then(io::Error::raw_os_error).map_or(error.kind().into(), io::Error::from_raw_os_error)
}

fn buffered(file: File) -> RawWriter {
    Box::new(BufWriter::with_capacity(128 << 10, file))
}

/// The permissions of the file that is replaced, if there is one.
fn replaced_permissions(path: &Path) -> Option<fs::Permissions> {
    let replaced = fs::symlink_metadata(path).ok().filter(fs::Metadata::is_file)?;
    Some(fs::Permissions::from_mode(replaced.permissions().mode() & 0o777))
}

fn write_error(name: &Arc<str>, cause: io::Error) -> Error {
    let kind = match cause.kind() {
        io::ErrorKind::BrokenPipe => ErrorKind::BrokenPipe,
        _ => ErrorKind::Write(cause),
    };
    Error::new(name, kind)
}

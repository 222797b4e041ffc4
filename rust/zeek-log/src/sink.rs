//! Where output goes: standard output, or a file that appears under its name only when it is complete.
//!
//! What is written is the caller's business; only compression is added, by the ending of the file's name.

use std::fmt;
use std::fs::{self, File};
use std::io::{self, BufWriter, IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use flate2::write::GzEncoder;
use tempfile::{NamedTempFile, TempPath};

use crate::Error;

/// An output. Dropped before [`finish`](Self::finish), it leaves no file.
pub struct Sink {
    name: Arc<str>,
    writer: Writer,
    is_terminal: bool,
    /// Of a file that does not have its name yet.
    unnamed: Option<Unnamed>,
}

/// A file under a temporary name.
struct Unnamed {
    /// The file itself, for what is only known when all of it is on the disk.
    file: File,
    temporary: TempPath,
    name: PathBuf,
}

type Plain = Box<dyn Write + Send>;

enum Writer {
    Plain(Plain),
    Gzip(GzEncoder<Plain>),
    Zstd(zstd::Encoder<'static, Plain>),
}

impl fmt::Debug for Sink {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sink").field("name", &self.name).finish_non_exhaustive()
    }
}

impl Sink {
    /// Standard output.
    pub fn stdout() -> Self {
        let writer = Writer::Plain(Box::new(io::stdout()));
        let is_terminal = io::stdout().is_terminal();
        Self { name: Arc::from("(standard output)"), writer, is_terminal, unnamed: None }
    }

    /// A file; `-` is standard output. A name that ends in `.gz` or `.zst` is compressed.
    ///
    /// The file is written under a temporary name in the same directory. [`finish`](Self::finish) then renames it, which
    /// replaces a file of that name in one step and keeps its permissions; a symbolic link of that name is itself
    /// replaced, and what it points to is left alone. A device, a named pipe and a descriptor of this process
    /// (`/dev/stdout`, `/dev/fd/3`) are written to directly.
    ///
    /// # Errors
    /// When no file can be made in its directory, and for another user's named pipe, unless that is root.
    pub fn create(path: &Path) -> Result<Self, Error> {
        if path == Path::new("-") {
            return Ok(Self::stdout());
        }
        let name: Arc<str> = path.to_string_lossy().into();
        let (file, unnamed) = open(path).map_err(|cause| write_error(&name, cause))?;
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
        Ok(Self { name, writer, is_terminal, unnamed })
    }

    /// Whether it is written to a terminal, which acts on some of what it is sent.
    pub fn is_terminal(&self) -> bool {
        self.is_terminal
    }

    /// Writes bytes.
    ///
    /// # Errors
    /// [`Error::BrokenPipe`] when the reading end has gone, [`Error::Write`] otherwise.
    pub fn write(&mut self, bytes: &[u8]) -> Result<(), Error> {
        let writer: &mut dyn Write = match &mut self.writer {
            Writer::Plain(writer) => writer,
            Writer::Gzip(writer) => writer,
            Writer::Zstd(writer) => writer,
        };
        writer.write_all(bytes).map_err(|cause| write_error(&self.name, cause))
    }

    /// Completes the output and gives it its name.
    ///
    /// # Errors
    /// As for [`write`](Self::write); nothing is left under the final name then that was not there before.
    pub fn finish(self) -> Result<(), Error> {
        let Self { name, writer, unnamed, .. } = self;
        let complete = || {
            let mut plain = match writer {
                Writer::Plain(writer) => writer,
                Writer::Gzip(encoder) => encoder.finish()?,
                Writer::Zstd(encoder) => encoder.finish()?,
            };
            plain.flush()?;
            drop(plain);
            let Some(Unnamed { file, temporary, name }) = unnamed else { return Ok(()) };
            // A full quota or a remote disk may only tell now.
            file.sync_all()?;
            temporary.persist(name).map_err(|error| error.error)
        };
        complete().map_err(|cause| write_error(&name, cause))
    }
}

fn open(path: &Path) -> io::Result<(File, Option<Unnamed>)> {
    if fs::symlink_metadata(path).is_ok_and(|there| there.is_dir()) {
        return Err(io::ErrorKind::IsADirectory.into());
    }
    // Renaming onto /dev/null or /dev/stdout would take it away from everybody.
    #[cfg(unix)]
    if let Some(file) = crate::stream::open(path)? {
        return Ok((file, None));
    }
    let directory = match path.parent() {
        Some(parent) if parent != Path::new("") => parent,
        _ => Path::new("."),
    };
    let mut builder = tempfile::Builder::new();
    builder.prefix(".").suffix(".part");
    let permissions = permissions(path);
    if let Some(permissions) = &permissions {
        builder.permissions(permissions.clone());
    }
    let file = builder.tempfile_in(directory).map_err(|error| cannot_create(directory, error))?;
    let (file, temporary) = NamedTempFile::into_parts(file);
    let unnamed = Unnamed { file: file.try_clone()?, temporary, name: path.to_owned() };
    Ok((file, Some(unnamed)))
}

/// Why no file can be made, without the temporary name, which tells nobody anything.
fn cannot_create(directory: &Path, error: io::Error) -> io::Error {
    if !directory.is_dir() {
        return io::Error::new(error.kind(), format!("there is no directory {}", directory.display()));
    }
    let cause = error.get_ref().and_then(|error| error.source()).and_then(|cause| cause.downcast_ref::<io::Error>());
    cause.and_then(io::Error::raw_os_error).map_or(error.kind().into(), io::Error::from_raw_os_error)
}

fn buffered(file: File) -> Plain {
    Box::new(BufWriter::with_capacity(128 << 10, file))
}

/// Those of the file that is replaced, or what a new file ordinarily has.
#[cfg(unix)]
fn permissions(path: &Path) -> Option<fs::Permissions> {
    use std::os::unix::fs::PermissionsExt;
    let replaced = fs::symlink_metadata(path).ok().filter(fs::Metadata::is_file);
    let mode = replaced.map_or(0o666, |metadata| metadata.permissions().mode() & 0o777);
    Some(fs::Permissions::from_mode(mode))
}

#[cfg(not(unix))]
fn permissions(_: &Path) -> Option<fs::Permissions> {
    None
}

fn write_error(name: &Arc<str>, cause: io::Error) -> Error {
    let name = name.clone();
    match cause.kind() {
        io::ErrorKind::BrokenPipe => Error::BrokenPipe { name },
        _ => Error::Write { name, cause },
    }
}

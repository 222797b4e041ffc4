//! Outputs written to directly instead of by renaming a file: inherited descriptors, devices and pipes.
//!
//! The file type decides, not the directory: below `/dev/shm` any user can create a file, a link or a pipe.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::fd::AsFd;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::Path;

/// Returns true if a path names a descriptor of this process: `/dev/stdout`, `/dev/stderr`, `/dev/fd/3`.
pub fn is_descriptor(path: &Path) -> bool {
    descriptor(path).is_some()
}

/// Opens a descriptor, device or pipe; `None` for a regular file or a new one.
///
/// # Errors
/// When it cannot be opened, and for a block device, a socket, or a named pipe of another user, who could read it.
pub(crate) fn open(path: &Path) -> io::Result<Option<File>> {
    if let Some(number) = descriptor(path) {
        return open_descriptor(number).map(Some);
    }
    let Ok(there) = fs::symlink_metadata(path) else { return Ok(None) };
    let kind = there.file_type();
    if kind.is_block_device() {
        return Err(io::Error::other("it is a block device; write to a file"));
    }
    if kind.is_socket() {
        return Err(io::Error::other("it is a socket; write to a file or a pipe"));
    }
    if !kind.is_fifo() && !kind.is_char_device() {
        return Ok(None);
    }
    if kind.is_fifo() && !is_trusted(there.uid()) {
        return Err(io::Error::other(format!(
            "it is a named pipe of user {}, who could read the output; write to a file or to your own pipe",
            there.uid()
        )));
    }
    let file = OpenOptions::new().write(true).open(path)?;
    let opened = file.metadata()?;
    if (opened.dev(), opened.ino()) != (there.dev(), there.ino()) {
        return Err(io::Error::other("it was replaced while it was opened; try again"));
    }
    Ok(Some(file))
}

/// The descriptor number of a path whose directory resolves to that of descriptors.
fn descriptor(path: &Path) -> Option<u32> {
    let name = path.file_name()?.to_str()?;
    let directory = path.parent()?.canonicalize().ok()?;
    match name {
        "stdout" if directory == Path::new("/dev") => Some(1),
        "stderr" if directory == Path::new("/dev") => Some(2),
        _ => name.parse().ok().filter(|_| fs::canonicalize("/dev/fd").is_ok_and(|own| own == directory)),
    }
}

fn open_descriptor(number: u32) -> io::Result<File> {
    // A duplicate shares the position and the flags of the original.
    match number {
        1 => return Ok(io::stdout().as_fd().try_clone_to_owned()?.into()),
        2 => return Ok(io::stderr().as_fd().try_clone_to_owned()?.into()),
        _ => {}
    }
    let path = format!("/dev/fd/{number}");
    // Linux opens a file again here, with the position at its start.
    let is_file = fs::metadata(&path)?.is_file();
    OpenOptions::new().write(true).append(is_file).open(path)
}

/// Returns true if the owner is root or the current user.
fn is_trusted(owner: u32) -> bool {
    owner == 0 || owner == rustix::process::geteuid().as_raw()
}

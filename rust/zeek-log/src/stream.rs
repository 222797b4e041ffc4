//! Outputs that are written to as they are, rather than renamed into their place: the descriptors that this process was
//! started with, devices and pipes.
//!
//! What a path leads to decides, not where it lies: below `/dev/shm` anybody can make a file, a link or a pipe.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::fd::AsFd;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::Path;

/// Whether a name stands for a descriptor of this process: `/dev/stdout`, `/dev/stderr`, `/dev/fd/3`.
pub fn is_descriptor(path: &Path) -> bool {
    descriptor(path).is_some()
}

/// What is written to as it is under this name; `None` where a file is to be made or replaced.
///
/// # Errors
/// When it cannot be opened, or should not be written to: another user's named pipe, whose reader nobody knows, a block
/// device, a socket.
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
            "it is a named pipe of user {}, who would read what is written; write to a file, or to a pipe of your own",
            there.uid()
        )));
    }
    let file = OpenOptions::new().write(true).open(path)?;
    let opened = file.metadata()?;
    if (opened.dev(), opened.ino()) != (there.dev(), there.ino()) {
        return Err(io::Error::other("something else took its place while it was opened"));
    }
    Ok(Some(file))
}

/// The number of the descriptor that a name stands for, by whatever way it leads to where descriptors have names.
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
    // The same open file, with its place and whatever was asked for when it was opened.
    match number {
        1 => return Ok(io::stdout().as_fd().try_clone_to_owned()?.into()),
        2 => return Ok(io::stderr().as_fd().try_clone_to_owned()?.into()),
        _ => {}
    }
    let path = format!("/dev/fd/{number}");
    // Opened anew where this system does so, a file would be written to from its start.
    let is_file = fs::metadata(&path)?.is_file();
    OpenOptions::new().write(true).append(is_file).open(path)
}

/// Whether what belongs to this user was made by root, or by whoever runs this.
fn is_trusted(owner: u32) -> bool {
    owner == 0 || owner == rustix::process::geteuid().as_raw()
}

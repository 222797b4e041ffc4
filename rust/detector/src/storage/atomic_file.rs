//! Atomic file replacement: write to a temporary name, fsync, rename.

use std::fs::File;
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use tempfile::NamedTempFile;

use crate::error::{Error, ErrorKind};

/// Prefix and suffix of temporary names. A killed process leaves a file with such a name.
const TEMPORARY: (&str, &str) = (".iforest-", ".tmp");

/// Removes temporary files that killed processes left in a directory. No other process may be writing there.
///
/// # Errors
/// The system's error, for the directory or a file.
pub fn remove_leftovers(directory: &Path) -> std::io::Result<()> {
    for entry in directory.read_dir()? {
        let entry = entry?;
        let name = entry.file_name();
        let ours = name.to_str().is_some_and(|name| name.starts_with(TEMPORARY.0) && name.ends_with(TEMPORARY.1));
        if ours && entry.file_type()?.is_file() {
            std::fs::remove_file(entry.path())?;
        }
    }
    Ok(())
}

/// Writes a file under a temporary name beside `path` and renames it, so that readers see the old file or the new one,
/// even after a crash. Errors do not contain the temporary name.
pub(crate) fn write(path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    replace(path, |file| file.write_all(bytes))
}

pub(crate) fn replace(path: &Path, fill: impl FnOnce(&mut File) -> std::io::Result<()>) -> std::io::Result<()> {
    prepare(path, fill)?.persist(path)?;
    Ok(())
}

/// Complete temporary file for `path`, synced to disk.
pub(crate) fn prepare(
    path: &Path,
    fill: impl FnOnce(&mut File) -> std::io::Result<()>,
) -> std::io::Result<NamedTempFile> {
    let directory = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    // Readable like any new file, because another user may read it, but writable for the owner only.
    let mut file = tempfile::Builder::new()
        .prefix(TEMPORARY.0)
        .suffix(TEMPORARY.1)
        .permissions(std::fs::Permissions::from_mode(0o644))
        .tempfile_in(directory)
        .map_err(|error| cannot_create(directory, error))?;
    fill(file.as_file_mut())?;
    file.as_file().sync_all()?;
    Ok(file)
}

/// Error of creating a file, without the temporary name.
pub(crate) fn cannot_create(directory: &Path, error: std::io::Error) -> std::io::Error {
    if !directory.is_dir() {
        return std::io::Error::new(error.kind(), format!("there is no directory {}", directory.display()));
    }
    let cause =
        error.get_ref().and_then(|error| error.source()).and_then(|cause| cause.downcast_ref::<std::io::Error>());
    cause.and_then(std::io::Error::raw_os_error).map_or(error.kind().into(), std::io::Error::from_raw_os_error)
}

/// Replaces files that belong together, in this order. All are complete on disk before the first is renamed. If one
/// cannot be written, the existing files stay.
///
/// # Errors
/// [`ErrorKind::Write`], naming the file.
pub fn save_together(files: &[(&Path, &[u8])]) -> Result<(), Error> {
    let failed = |path: &Path, cause| Error::from(ErrorKind::Write(cause)).of(path.display());
    let mut whole = Vec::with_capacity(files.len());
    for (path, bytes) in files {
        let file = prepare(path, |file| file.write_all(bytes)).map_err(|cause| failed(path, cause))?;
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
    fn writes_all_files_or_none() {
        let directory = tempfile::tempdir().unwrap();
        let (first, second) = (directory.path().join("first"), directory.path().join("second"));
        save_together(&[(&first, b"one"), (&second, b"two")]).unwrap();
        assert_eq!((fs::read(&first).unwrap(), fs::read(&second).unwrap()), (b"one".into(), b"two".into()));
        let nowhere = directory.path().join("nowhere/second");
        let error = save_together(&[(&first, b"three"), (&nowhere, b"four")]).unwrap_err();
        assert!(error.to_string().contains("second: cannot be written: there is no directory"), "{error}");
        assert_eq!(fs::read(&first).unwrap(), b"one");
        assert_eq!(directory.path().read_dir().unwrap().count(), 2, "nothing is left over");
        save_together(&[(&second, b"five")]).unwrap();
        assert_eq!(fs::read(&second).unwrap(), b"five");
    }

    #[test]
    fn removes_leftovers_only() {
        let directory = tempfile::tempdir().unwrap();
        let names = [".iforest-Xy12Ab.tmp", ".iforest-", ".tmpXy12Ab", "model", "model.tmp"];
        names.iter().for_each(|name| std::fs::write(directory.path().join(name), "x").unwrap());
        std::fs::create_dir(directory.path().join(".iforest-d.tmp")).unwrap();
        write(&directory.path().join("sample"), b"x").unwrap();
        remove_leftovers(directory.path()).unwrap();
        let mut left: Vec<_> = directory
            .path()
            .read_dir()
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        left.sort();
        assert_eq!(left, [".iforest-", ".iforest-d.tmp", ".tmpXy12Ab", "model", "model.tmp", "sample"]);
    }

    #[test]
    fn replaces_a_link_and_leaves_its_target() {
        let directory = tempfile::tempdir().unwrap();
        let (precious, link) = (directory.path().join("precious"), directory.path().join("link"));
        std::fs::write(&precious, "precious").unwrap();
        std::os::unix::fs::symlink(&precious, &link).unwrap();
        write(&link, b"new").unwrap();
        assert_eq!(
            (std::fs::read(&precious).unwrap(), std::fs::read(&link).unwrap()),
            (b"precious".into(), b"new".into())
        );
        assert!(link.symlink_metadata().unwrap().is_file());
    }

    #[test]
    fn error_names_the_directory() {
        let directory = tempfile::tempdir().unwrap();
        replace(&directory.path().join("file"), |_| {
            assert_eq!(directory.path().read_dir()?.count(), 1);
            Ok(())
        })
        .unwrap();
        let nowhere = directory.path().join("nowhere");
        let missing = write(&nowhere.join("file"), b"x").unwrap_err();
        assert_eq!(missing.to_string(), format!("there is no directory {}", nowhere.display()));
        let denied = std::io::Error::from(std::io::ErrorKind::PermissionDenied);
        assert_eq!(cannot_create(directory.path(), denied).to_string(), "permission denied");
    }
}

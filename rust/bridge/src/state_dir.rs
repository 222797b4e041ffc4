//! The state directory: one process at a time may write, and no file is replaced by an older version.

use std::fs;
use std::io::ErrorKind;
use std::os::fd::OwnedFd;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use detector::Trust;
use rustix::fs::{FlockOperation, Mode, OFlags, flock, fstat, open};
use rustix::io::Errno;

use crate::learning::Latest;

/// Exclusive lock on a directory. The operating system releases it when the process ends, however that happens.
pub(crate) struct DirLock {
    locked: OwnedFd,
}

fn create(directory: &Path) -> Result<(), String> {
    match fs::create_dir(directory) {
        Err(error) if error.kind() != ErrorKind::AlreadyExists => {
            Err(format!("{}: cannot be created: {error}", directory.display()))
        }
        _ => Ok(()),
    }
}

impl DirLock {
    /// Creates a directory and its parent if missing, locks it, and removes the partial files of a killed process. On
    /// file systems without locks every attempt succeeds.
    pub(crate) fn acquire(directory: &Path, trust: &Trust) -> Result<Self, String> {
        let named = |error: &dyn std::fmt::Display| format!("{}: {error}", directory.display());
        // Files in a directory that others can write to would be refused later, and a link could redirect the writes.
        for directory in directory.parent().into_iter().filter(|above| *above != Path::new("")).chain([directory]) {
            create(directory)?;
            trust.check_directory(directory).map_err(|error| format!("{}: {error}", directory.display()))?;
        }
        // Without NONBLOCK, opening a pipe would wait for a writer.
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let locked = open(directory, flags, Mode::empty()).map_err(|error| named(&error))?;
        match flock(&locked, FlockOperation::NonBlockingLockExclusive) {
            // Leftovers that cannot be removed are harmless.
            Ok(()) => _ = detector::remove_leftovers(directory),
            Err(Errno::WOULDBLOCK) => {
                return Err(named(&"is in use by another Zeek; set IForest::state_dir to a directory of its own"));
            }
            Err(_) => {}
        }
        Ok(Self { locked })
    }

    /// Returns true if `directory` is the locked directory, by whatever name. False after it was removed or replaced.
    pub(crate) fn is_on(&self, directory: &Path) -> bool {
        let (Ok(held), Ok(other)) = (fstat(&self.locked), fs::metadata(directory)) else { return false };
        (held.st_dev, held.st_ino) == (other.dev(), other.ino())
    }
}

/// Writes model files from any thread; never replaces a newer version with an older one, except for one dated by a clock that
/// ran ahead.
#[derive(Default)]
pub(crate) struct ModelWriter {
    /// Path and version of the last write.
    last: Mutex<Option<(PathBuf, i64)>>,
}

impl ModelWriter {
    pub(crate) fn write(&self, path: &Path, version: i64, bytes: &[u8]) -> Result<(), String> {
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        let latest = Latest::now().0;
        if last.as_ref().is_some_and(|(before, newest)| before == path && (version + 1..=latest).contains(newest)) {
            return Ok(());
        }
        detector::save_together(&[(path, bytes)]).map_err(|error| error.to_string())?;
        *last = Some((path.to_owned(), version));
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lock(directory: &Path) -> Result<DirLock, String> {
        DirLock::acquire(directory, &Trust::default())
    }

    #[test]
    fn a_directory_has_one_lock_at_a_time() {
        let directory = tempfile::tempdir().unwrap();
        let left = directory.path().join(".iforest-Ab12Cd.tmp");
        std::fs::write(&left, "half").unwrap();
        let first = lock(directory.path()).unwrap();
        assert!(!left.exists());
        std::fs::write(&left, "being written").unwrap();
        let refusal = lock(directory.path()).err().unwrap();
        assert!(refusal.contains("is in use by another Zeek"), "{refusal}");
        assert!(left.exists(), "the second must not clean up");
        drop(first);
        lock(directory.path()).unwrap();
        assert!(!left.exists());
    }

    #[test]
    fn creates_a_directory_and_its_parent() {
        let directory = tempfile::tempdir().unwrap();
        let own = directory.path().join("base/own");
        assert!(lock(&own).unwrap().is_on(&own));
        let deeper = lock(&directory.path().join("none/base/own")).err().unwrap();
        assert!(deeper.contains("none/base: cannot be created: No such file"), "{deeper}");
    }

    #[test]
    fn creates_nothing_where_others_can_write() {
        use std::os::unix::fs::{PermissionsExt, lchown, symlink};
        let directory = tempfile::tempdir().unwrap();
        let (theirs, link) = (directory.path().join("theirs"), directory.path().join("link"));
        fs::create_dir(&theirs).unwrap();
        fs::set_permissions(&theirs, fs::Permissions::from_mode(0o777)).unwrap();
        symlink(&theirs, &link).unwrap();
        for base in [&theirs, &link] {
            let refusal = lock(&base.join("own")).err().unwrap();
            assert!(refusal.contains("others can write to"), "{refusal}");
        }
        fs::set_permissions(&theirs, fs::Permissions::from_mode(0o755)).unwrap();
        // Only root can give links away.
        if lchown(&link, Some(4242), None).is_ok() {
            let refusal = lock(&link.join("own")).err().unwrap();
            assert!(refusal.contains("belongs to user 4242"), "{refusal}");
        }
        assert_eq!(fs::read_dir(&theirs).unwrap().count(), 0);
    }

    #[test]
    fn a_pipe_is_refused_without_waiting() {
        let directory = tempfile::tempdir().unwrap();
        let pipe = directory.path().join("pipe");
        assert!(std::process::Command::new("mkfifo").arg(&pipe).status().unwrap().success());
        let refusal = lock(&pipe).err().unwrap();
        assert!(refusal.contains("pipe: Not a directory"), "{refusal}");
    }

    #[test]
    fn an_older_model_never_replaces_a_newer_one() {
        let directory = tempfile::tempdir().unwrap();
        let (path, other) = (directory.path().join("model"), directory.path().join("other"));
        let file = ModelWriter::default();
        file.write(&path, 7, b"seven").unwrap();
        file.write(&path, 6, b"six").unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), b"seven");
        file.write(&path, 8, b"eight").unwrap();
        file.write(&other, 1, b"one").unwrap();
        assert_eq!(
            (std::fs::read(&path).unwrap(), std::fs::read(&other).unwrap()),
            (b"eight".to_vec(), b"one".to_vec())
        );
        // A clock that ran ahead was corrected.
        file.write(&path, i64::MAX, b"ahead").unwrap();
        file.write(&path, 9, b"nine").unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), b"nine");
        let missing = file.write(&directory.path().join("no/model"), 9, b"nine").unwrap_err();
        assert!(missing.contains("no/model: cannot be written: there is no directory"), "{missing}");
    }
}

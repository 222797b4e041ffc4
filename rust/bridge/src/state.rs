//! The state directory: kept by one process at a time, and each file in it never older than what is at work.
//!
//! What is in the files is not its business.

use std::fs;
use std::io::ErrorKind;
use std::os::fd::OwnedFd;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use detector::Trust;
use rustix::fs::{FlockOperation, Mode, OFlags, flock, fstat, open};
use rustix::io::Errno;

/// A directory that no other process writes in while this is held. The lock is the system's own on the directory: it ends
/// with the process, however that ends.
pub(crate) struct Claim {
    locked: OwnedFd,
}

/// Makes a directory unless it is there.
fn make(directory: &Path) -> Result<(), String> {
    match fs::create_dir(directory) {
        Err(cause) if cause.kind() != ErrorKind::AlreadyExists => {
            Err(format!("{}: cannot be made: {cause}", directory.display()))
        }
        _ => Ok(()),
    }
}

impl Claim {
    /// Claims a directory, which is made with the one above it where it is missing, and removes what a process that was
    /// killed has left half-written in it. Where the file system knows no locks, everybody's claim is good.
    pub(crate) fn on(directory: &Path, trust: &Trust) -> Result<Self, String> {
        let named = |cause: &dyn std::fmt::Display| format!("{}: {cause}", directory.display());
        // What is in one that others can write to would be refused: it is not to be replaced before somebody has seen to
        // it. Nor is anything made where a link of theirs leads to.
        for directory in directory.parent().into_iter().filter(|above| *above != Path::new("")).chain([directory]) {
            make(directory)?;
            trust.check_directory(directory).map_err(|distrust| format!("{}: {distrust}", directory.display()))?;
        }
        // What is no directory is not waited for, as a pipe would be that has no writer.
        let at_once = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let locked = open(directory, at_once, Mode::empty()).map_err(|cause| named(&cause))?;
        match flock(&locked, FlockOperation::NonBlockingLockExclusive) {
            // What cannot be removed does no harm.
            Ok(()) => _ = detector::remove_leftovers(directory),
            Err(Errno::WOULDBLOCK) => {
                return Err(named(
                    &"is in use by another Zeek, which goes on writing there; give this one a directory of \
                                   its own with IForest::state_dir",
                ));
            }
            Err(_) => {}
        }
        Ok(Self { locked })
    }

    /// Whether this is the directory that is held, by whatever name.
    pub(crate) fn is_on(&self, directory: &Path) -> bool {
        let (Ok(held), Ok(other)) = (fstat(&self.locked), fs::metadata(directory)) else { return false };
        (held.st_dev, held.st_ino) == (other.dev(), other.ino())
    }
}

/// Writes models, from whichever thread, such that a newer one is never replaced by an older one.
#[derive(Default)]
pub(crate) struct ModelFile {
    /// What was written last: where, and which version.
    last: Mutex<Option<(PathBuf, i64)>>,
}

impl ModelFile {
    pub(crate) fn write(&self, path: &Path, version: i64, bytes: &[u8]) -> Result<(), String> {
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        if last.as_ref().is_some_and(|(before, newest)| before == path && *newest > version) {
            return Ok(());
        }
        detector::save_bytes(path, bytes).map_err(|cause| cause.to_string())?;
        *last = Some((path.to_owned(), version));
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// That of the tests below: what is theirs alone.
    fn claim(directory: &Path) -> Result<Claim, String> {
        Claim::on(directory, &Trust::default())
    }

    #[test]
    fn a_directory_is_kept_by_one_at_a_time() {
        let directory = tempfile::tempdir().unwrap();
        let left = directory.path().join(".iforest-Ab12Cd.tmp");
        std::fs::write(&left, "half").unwrap();
        let first = claim(directory.path()).unwrap();
        assert!(!left.exists());
        std::fs::write(&left, "being written").unwrap();
        let refusal = claim(directory.path()).err().unwrap();
        assert!(refusal.contains("is in use by another Zeek"), "{refusal}");
        assert!(left.exists(), "it is not for the second to clear up");
        drop(first);
        claim(directory.path()).unwrap();
        assert!(!left.exists());
    }

    #[test]
    fn a_directory_is_made_with_the_one_above_it() {
        let directory = tempfile::tempdir().unwrap();
        let own = directory.path().join("base/own");
        assert!(claim(&own).unwrap().is_on(&own));
        let deeper = claim(&directory.path().join("none/base/own")).err().unwrap();
        assert!(deeper.contains("none/base: cannot be made: No such file"), "{deeper}");
    }

    #[test]
    fn nothing_is_made_where_others_can_write() {
        use std::os::unix::fs::{PermissionsExt, lchown, symlink};
        let directory = tempfile::tempdir().unwrap();
        let (theirs, link) = (directory.path().join("theirs"), directory.path().join("link"));
        fs::create_dir(&theirs).unwrap();
        fs::set_permissions(&theirs, fs::Permissions::from_mode(0o777)).unwrap();
        symlink(&theirs, &link).unwrap();
        for base in [&theirs, &link] {
            let refusal = claim(&base.join("own")).err().unwrap();
            assert!(refusal.contains("others can write to"), "{refusal}");
        }
        fs::set_permissions(&theirs, fs::Permissions::from_mode(0o755)).unwrap();
        // Only root can give links away.
        if lchown(&link, Some(4242), None).is_ok() {
            let refusal = claim(&link.join("own")).err().unwrap();
            assert!(refusal.contains("belongs to user 4242"), "{refusal}");
        }
        assert_eq!(fs::read_dir(&theirs).unwrap().count(), 0);
    }

    #[test]
    fn a_pipe_in_its_place_is_not_waited_for() {
        let directory = tempfile::tempdir().unwrap();
        let pipe = directory.path().join("pipe");
        assert!(std::process::Command::new("mkfifo").arg(&pipe).status().unwrap().success());
        let refusal = claim(&pipe).err().unwrap();
        assert!(refusal.contains("pipe: Not a directory"), "{refusal}");
    }

    #[test]
    fn an_older_model_never_replaces_a_newer_one() {
        let directory = tempfile::tempdir().unwrap();
        let (path, other) = (directory.path().join("model"), directory.path().join("other"));
        let file = ModelFile::default();
        file.write(&path, 7, b"seven").unwrap();
        file.write(&path, 6, b"six").unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), b"seven");
        file.write(&path, 8, b"eight").unwrap();
        file.write(&other, 1, b"one").unwrap();
        assert_eq!(
            (std::fs::read(&path).unwrap(), std::fs::read(&other).unwrap()),
            (b"eight".to_vec(), b"one".to_vec())
        );
        let missing = file.write(&directory.path().join("no/model"), 9, b"nine").unwrap_err();
        assert!(missing.contains("no/model: cannot be written: there is no directory"), "{missing}");
    }
}

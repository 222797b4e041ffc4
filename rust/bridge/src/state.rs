//! The state directory: kept by one process at a time, and each file in it never older than what is at work.
//!
//! What is in the files is not its business.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use rustix::fs::{FlockOperation, flock};
use rustix::io::Errno;

/// A directory that no other process writes in while this is held. The lock is the system's own on the directory: it ends
/// with the process, however that ends.
pub(crate) struct Claim {
    _locked: File,
}

impl Claim {
    /// Claims a directory and removes what a process that was killed has left half-written in it. Where the file system
    /// knows no locks, everybody's claim is good.
    pub(crate) fn on(directory: &Path) -> Result<Self, String> {
        let named = |cause: &dyn std::fmt::Display| format!("{}: {cause}", directory.display());
        let locked = File::open(directory).map_err(|cause| named(&cause))?;
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
        Ok(Self { _locked: locked })
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

    #[test]
    fn a_directory_is_kept_by_one_at_a_time() {
        let directory = tempfile::tempdir().unwrap();
        let left = directory.path().join(".iforest-Ab12Cd.tmp");
        std::fs::write(&left, "half").unwrap();
        let first = Claim::on(directory.path()).unwrap();
        assert!(!left.exists());
        std::fs::write(&left, "being written").unwrap();
        let refusal = Claim::on(directory.path()).err().unwrap();
        assert!(refusal.contains("is in use by another Zeek"), "{refusal}");
        assert!(left.exists(), "it is not for the second to clear up");
        drop(first);
        Claim::on(directory.path()).unwrap();
        assert!(!left.exists());
        let missing = Claim::on(&directory.path().join("missing")).err().unwrap();
        assert!(missing.contains("missing: No such file"), "{missing}");
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

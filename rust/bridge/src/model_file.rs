//! The configured model file: loading it, and detecting that it has changed since the last attempt.
//!
//! Loading and checking do not use `Sensor`, so they can run on the background thread.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use detector::{Model, Trust, signature_of};

use crate::panic::load;

/// A loaded model with its file contents, or the reason for its refusal.
pub(crate) type Loaded = Result<(Box<Model>, Vec<u8>), String>;

/// The last attempt to load the model file, successful or not.
pub(crate) struct LoadAttempt {
    pub(crate) path: PathBuf,
    version: Option<FileVersion>,
    signature: Option<FileVersion>,
    /// Set if the file was refused for another reason than its contents. Ownership or options can then change without
    /// the file's version.
    distrusted: Option<Permissions>,
}

/// Inode, size and modification time.
#[derive(PartialEq)]
struct FileVersion(u64, u64, i64, i64);

impl FileVersion {
    /// Returns `None` if there is no such file.
    fn of(path: &Path) -> Option<Self> {
        let file = fs::metadata(path).ok()?;
        Some(Self(file.ino(), file.size(), file.mtime(), file.mtime_nsec()))
    }
}

/// Conditions of trust in a file, apart from its contents and its signature.
#[derive(PartialEq)]
struct Permissions {
    key: String,
    safe: bool,
    /// Time of the last change of owner or mode. New links change it too, so it is not part of [`FileVersion`].
    changed: Option<(i64, i64)>,
}

impl Permissions {
    fn of(path: &Path, trust: &Trust) -> Self {
        let changed = fs::metadata(path).ok().map(|file| (file.ctime(), file.ctime_nsec()));
        Self { key: trust.key.clone(), safe: trust.check_directory(path).is_ok(), changed }
    }
}

impl LoadAttempt {
    pub(crate) fn load(path: &Path, trust: &Trust) -> (Self, Loaded) {
        // Versions are read before the file, so that a change during the read is seen by the next check.
        let signature = FileVersion::of(&signature_of(path));
        let (version, permissions) = (FileVersion::of(path), Permissions::of(path, trust));
        let mut distrusted = false;
        let model = load(path, |path| {
            Model::load(path, trust).inspect_err(|error| distrusted = !error.kind().is_content_error())
        });
        let loaded = model.and_then(|model| {
            let bytes = model.to_bytes().map_err(|error| error.to_string())?;
            Ok((Box::new(model), bytes))
        });
        (Self { path: path.to_owned(), version, signature, distrusted: distrusted.then_some(permissions) }, loaded)
    }

    /// Returns true if another attempt could have another result.
    pub(crate) fn is_outdated(&self, trust: &Trust) -> bool {
        self.version != FileVersion::of(&self.path)
            || (!trust.key.is_empty() && self.signature != FileVersion::of(&signature_of(&self.path)))
            || self.distrusted.as_ref().is_some_and(|before| *before != Permissions::of(&self.path, trust))
    }
}

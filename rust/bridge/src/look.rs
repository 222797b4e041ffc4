//! The model file as it was when it was last tried, and whether it is worth another try.
//!
//! A try and a look touch no sensor, so that either can be made where a disk that hangs holds nobody up.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use detector::{Fault, Model, Trust, signature_of};

use crate::fault::load;

/// What came of a try: the model and the bytes of its file, or why it was refused.
pub(crate) type Loaded = Result<(Box<Model>, Vec<u8>), String>;

/// The model file that was last tried, and which version of it, whether it was loaded or refused.
pub(crate) struct Tried {
    pub(crate) path: PathBuf,
    version: Option<FileVersion>,
    /// That of its signature, where it might be refused for it.
    signature: Option<FileVersion>,
    /// Where it was not even read, as for who can write to it: that can change without the file, or with an option.
    distrusted: Option<Standing>,
}

/// What tells one version of a file from the next: inode, size, and time of modification. `None` stands for no file.
#[derive(PartialEq)]
struct FileVersion(u64, u64, i64, i64);

impl FileVersion {
    fn of(path: &Path) -> Option<Self> {
        let file = fs::metadata(path).ok()?;
        Some(Self(file.ino(), file.size(), file.mtime(), file.mtime_nsec()))
    }
}

/// What decides whether a file is believed and can be read, other than what it and its signature hold.
#[derive(PartialEq)]
struct Standing {
    key: String,
    safe: bool,
    /// When its owner or its mode changed last: with every new link, too, so that it is no part of its version.
    changed: Option<(i64, i64)>,
}

impl Standing {
    fn of(path: &Path, trust: &Trust) -> Self {
        let changed = fs::metadata(path).ok().map(|file| (file.ctime(), file.ctime_nsec()));
        Self { key: trust.key.clone(), safe: trust.check_directory(path).is_ok(), changed }
    }
}

impl Tried {
    /// Tries a file.
    pub(crate) fn load(path: &Path, trust: &Trust) -> (Self, Loaded) {
        // Taken before the file is read: if it changes meanwhile, the next look finds it changed.
        let signature = FileVersion::of(&signature_of(path));
        let (version, standing) = (FileVersion::of(path), Standing::of(path, trust));
        let mut distrusted = false;
        let model = load(path, |path| {
            Model::load(path, trust).inspect_err(|error| distrusted = !matches!(error.fault, Fault::Refused(_)))
        });
        let loaded = model.and_then(|model| {
            let bytes = model.to_bytes().map_err(|cause| cause.to_string())?;
            Ok((Box::new(model), bytes))
        });
        (Self { path: path.to_owned(), version, signature, distrusted: distrusted.then_some(standing) }, loaded)
    }

    /// Whether the file, or what it was refused for, is another now.
    pub(crate) fn is_outdated(&self, trust: &Trust) -> bool {
        self.version != FileVersion::of(&self.path)
            || (!trust.key.is_empty() && self.signature != FileVersion::of(&signature_of(&self.path)))
            || self.distrusted.as_ref().is_some_and(|before| *before != Standing::of(&self.path, trust))
    }
}

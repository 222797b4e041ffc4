//! Results of background jobs: fits, writes, file checks and locks.

use std::path::PathBuf;
use std::time::Duration;

use detector::Model;

use crate::model_file::{LoadAttempt, Loaded};
use crate::state_dir::DirLock;

/// Result of a background job, applied by the sensor on the main thread.
pub(crate) enum JobResult {
    Fitted(Box<Fitted>),
    FitFailed(String),
    Saved(PathBuf, Result<(), String>),
    /// The sensor's generation when the check started, and the new attempt if the file had changed.
    Checked(u64, Option<(LoadAttempt, Loaded)>),
    Locked(PathBuf, Option<DirLock>),
    Released,
}

/// A new model and the result of writing its file.
pub(crate) struct Fitted {
    pub(crate) model: Model,
    pub(crate) bytes: Vec<u8>,
    pub(crate) file: PathBuf,
    pub(crate) written: Result<(), String>,
    pub(crate) took: Duration,
}

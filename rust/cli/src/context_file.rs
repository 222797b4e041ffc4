//! Context of earlier runs in a file: remembered hosts, and evidence against services.

use std::io::ErrorKind;
use std::path::Path;

use anyhow::Result;
use detector::{Extractor, ScoreHistory, State, Trust};

/// Context of a run, loaded from a file if one is given.
pub struct RunContext<'a> {
    path: Option<&'a Path>,
    pub state: (Extractor, ScoreHistory),
}

impl<'a> RunContext<'a> {
    /// Loads the context; a missing file is an empty one.
    ///
    /// # Errors
    /// If the file is damaged, or others can write to it.
    pub fn load(path: Option<&'a Path>, trust: &Trust) -> Result<Self> {
        // A signature by the trusted key is for models only.
        let trust = Trust { key: String::new(), ..*trust };
        let state = match path.map(|path| State::load(path, &trust).map(|state| (path, state.recall()))) {
            None => (Extractor::new(), ScoreHistory::new()),
            Some(Ok((_, Some(state)))) => state,
            Some(Ok((path, None))) => {
                anyhow::bail!("{}: is corrupt: it contains values no connection can have; delete it", path.display())
            }
            Some(Err(error)) => match error.kind() {
                detector::ErrorKind::Read(cause) if cause.kind() == ErrorKind::NotFound => {
                    (Extractor::new(), ScoreHistory::new())
                }
                _ => return Err(error.into()),
            },
        };
        Ok(Self { path, state })
    }

    /// Replaces the file, at the end of a successful run.
    ///
    /// # Errors
    /// If it cannot be written; the old file stays.
    pub fn save(&self) -> Result<()> {
        let (extractor, cusum) = &self.state;
        self.path.map_or(Ok(()), |path| Ok(State::new(extractor, cusum).save(path)?))
    }
}

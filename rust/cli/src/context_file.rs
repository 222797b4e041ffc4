//! Context of earlier runs in a file: remembered hosts, accumulated evidence, and open incidents.

use std::io::ErrorKind;
use std::path::Path;

use anyhow::{Context, Result, bail, ensure};
use detector::{Extractor, GrouperSnapshot, LogKind, ScoreHistory, State, Trust};

use crate::input::file_type;

/// Context of a run, loaded from a file if one is given.
pub struct RunContext<'a> {
    pub path: Option<&'a Path>,
    pub state: (Extractor, ScoreHistory),
    /// Open incidents. Commands that group no records save them unchanged.
    pub incidents: Option<GrouperSnapshot>,
}

impl<'a> RunContext<'a> {
    /// Loads the context; a missing file is an empty one.
    ///
    /// # Errors
    /// If the file is damaged or no context, or others can write to it.
    pub fn load(path: Option<&'a Path>, log: LogKind, trust: &Trust) -> Result<Self> {
        let empty = || (Extractor::of(log), ScoreHistory::default());
        // A signature by the trusted key is for models only.
        let trust = Trust { key: String::new(), ..*trust };
        let Some(file) = path else { return Ok(Self { path, state: empty(), incidents: None }) };
        let mut incidents = None;
        let state = match State::load(file, &trust) {
            Ok(mut state) => {
                incidents = state.incidents.take();
                let found = state.log();
                ensure!(
                    found == log,
                    "{}: is the context of {}.log, but the logs are {}.log; give another file",
                    file.display(),
                    found.name(),
                    log.name()
                );
                state.restore().with_context(|| file.display().to_string())?
            }
            Err(error) => match error.kind() {
                detector::ErrorKind::Read(cause) if cause.kind() == ErrorKind::NotFound => empty(),
                detector::ErrorKind::OtherContents(_) => bail!(
                    "{}: is {}, not a context file; give --context a new name, or the context file of an earlier run",
                    file.display(),
                    file_type::noun(file).unwrap_or("another kind of file")
                ),
                _ => return Err(error.into()),
            },
        };
        Ok(Self { path, state, incidents })
    }

    /// Context to save to a file.
    pub fn of(path: Option<&'a Path>, state: (Extractor, ScoreHistory)) -> Self {
        Self { path, state, incidents: None }
    }

    /// Replaces the file, at the end of a successful run.
    ///
    /// # Errors
    /// If it cannot be written; the old file stays.
    pub fn save(&self) -> Result<()> {
        let (extractor, history) = &self.state;
        let Some(path) = self.path else { return Ok(()) };
        let mut state = State::new(extractor, history);
        state.incidents.clone_from(&self.incidents);
        Ok(state.save(path)?)
    }
}

//! Files in the state directory: model, sample and context.

use detector::{LogKind, Model, State};

use super::{Scoring, Sensor, existing, path};
use crate::learning::{Latest, start_saving};
use crate::panic::load;

impl Sensor {
    pub(crate) fn open_state(&mut self, directory: &[u8]) -> Result<(), String> {
        let trust = self.trust_in_state();
        self.learning.open_directory(&mut self.background, path(directory), &trust)
    }

    pub(crate) fn lock_state(&mut self) -> Result<(), String> {
        let trust = self.trust_in_state();
        self.learning.lock_directory(&mut self.background, trust)
    }

    pub(crate) fn save_model(&mut self, file: &[u8]) -> Result<(), String> {
        let (Some(file), Some(active)) = (path(file), self.active()) else { return Ok(()) };
        let (version, bytes) = (self.version(), active.bytes.clone());
        // It would be refused when it is loaded.
        if version == i64::MIN {
            return Ok(());
        }
        self.learning.save_model(&mut self.background, file, version, bytes)
    }

    pub(crate) fn load_saved_model(&mut self, file: &[u8]) -> Result<bool, String> {
        let Some(file) = existing(file) else { return Ok(false) };
        let trust = self.trust_in_state();
        let model = load(&file, |file| Model::load(file, &trust))?;
        self.check_log(&model).map_err(|error| format!("{}: {error}", file.display()))?;
        if model.provenance().trained_at <= self.version() {
            return Ok(false);
        }
        if model.provenance().trained_at > Latest::now().0 {
            return Err(format!(
                "{}: is dated more than a day in the future, so that no later model would replace it; check the clock, \
                 then remove the file",
                file.display()
            ));
        }
        let bytes = model.to_bytes().map_err(|error| error.to_string())?;
        self.activate(model, bytes);
        Ok(true)
    }

    pub(crate) fn save_sample(&mut self, file: &[u8]) -> Result<(), String> {
        path(file).map_or(Ok(()), |file| self.learning.save_sample(&mut self.background, file))
    }

    pub(crate) fn load_sample(&mut self, file: &[u8]) -> Result<(), String> {
        let trust = self.trust_in_state();
        existing(file).map_or(Ok(()), |file| self.learning.load_sample(&file, &trust))
    }

    pub(crate) fn save_context(&mut self, file: &[u8]) -> Result<(), String> {
        let Some(file) = path(file) else { return Ok(()) };
        self.background.ready()?;
        let Some(state) = self.snapshot() else { return Ok(()) };
        start_saving(&mut self.background, file, move |file| state.save(file).map_err(|error| error.to_string()))
    }

    pub(crate) fn load_context(&mut self, file: &[u8]) -> Result<(), String> {
        let Some(file) = existing(file) else { return Ok(()) };
        let trust = self.trust_in_state();
        let state = load(&file, |file| State::load(file, &trust))?;
        if state.log() != self.learning.log {
            return Err(format!("{}: is the context of {}.log", file.display(), state.log().name()));
        }
        self.restore(state).map_err(|error| format!("{}: {error}", file.display()))
    }

    fn snapshot(&self) -> Option<State> {
        let mut state = match &self.scoring {
            Scoring::Off => return None,
            Scoring::Extracting(state) => State::new(&state.0, &state.1),
            Scoring::On(active) => {
                let (extractor, history) = active.detector.state();
                let mut state = State::new(extractor, history);
                state.drift = active.drift.slices().copied().collect();
                state.version = active.detector.model().provenance().trained_at;
                state
            }
        };
        // The logs share incidents.
        if self.learning.log == LogKind::Conn {
            state.incidents = self.incidents.with(|incidents| incidents.long_term());
        }
        Some(state)
    }

    /// Restores a snapshot. Scores of another model do not count for drift.
    fn restore(&mut self, mut state: State) -> Result<(), detector::Error> {
        let (drift, version, incidents) = (state.drift.clone(), state.version, state.incidents.take());
        let (extractor, history) = state.restore()?;
        incidents.and_then(|saved| self.incidents.with(|incidents| incidents.restore(saved))).transpose()?;
        match &mut self.scoring {
            Scoring::Off => {}
            Scoring::Extracting(current) => **current = (extractor, history),
            Scoring::On(active) => {
                active.detector.set_state(extractor, history);
                if active.detector.model().provenance().trained_at == version {
                    active.drift.resume(&drift);
                }
            }
        }
        Ok(())
    }
}

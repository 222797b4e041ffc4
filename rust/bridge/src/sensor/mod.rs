//! The sensor: a detector that may lack a model, its settings, and its counters.

mod scoring;
mod state;

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use detector::{Detector, Drift, Extractor, LogKind, Model, ScoreHistory, Trust};

use crate::background::Background;
use crate::incidents::SharedIncidents;
use crate::job::{Fitted, JobResult};
use crate::learning::{self, Fit, Latest, Learning, Origin, PendingExample};
use crate::model_file::{LoadAttempt, Loaded};
use crate::types::{Description, FinishedJob, JobKind, Statistics};

/// A detector that may lack a model.
#[derive(Default)]
pub(crate) struct Sensor {
    scoring: Scoring,
    learning: Learning,
    background: Background<JobResult>,
    model_file: Option<Arc<LoadAttempt>>,
    /// Generation counter; results of an earlier check are discarded.
    generation: u64,
    trust: Trust,
    threshold: Option<f64>,
    alerts_per_day: Option<f64>,
    statistics: Statistics,
    /// Number of records to score so far, including those without a score.
    offered: u64,
    pending: Option<PendingExample>,
    pub(crate) incidents: SharedIncidents,
}

/// State of scoring.
#[derive(Default)]
enum Scoring {
    #[default]
    Off,
    /// Features are extracted for learning and context; there is no model.
    Extracting(Box<(Extractor, ScoreHistory)>),
    On(Box<ActiveModel>),
}

/// The loaded model.
struct ActiveModel {
    detector: Detector,
    drift: Drift,
    /// Contents of the model file.
    bytes: Vec<u8>,
}

/// Returns `None` for an empty name.
fn path(bytes: &[u8]) -> Option<PathBuf> {
    (!bytes.is_empty()).then(|| Path::new(OsStr::from_bytes(bytes)).to_owned())
}

/// Returns `None` for an empty name and for a file that does not exist.
fn existing(bytes: &[u8]) -> Option<PathBuf> {
    path(bytes).filter(|file| file.exists())
}

// Loading and unloading.
impl Sensor {
    /// A sensor without a model for records of another log, with the same background thread and incidents.
    pub(crate) fn for_log(&self, log: LogKind) -> Self {
        let (background, incidents) = (self.background.share(), self.incidents.clone());
        let mut sensor = Self { background, incidents, ..Self::default() };
        sensor.learning.log = log;
        sensor
    }

    /// Name of its option for the alert budget.
    fn budget_option(&self) -> &'static str {
        match self.learning.log {
            LogKind::Conn => "IForest::alerts_per_day",
            LogKind::Dns => "IForest::dns_alerts_per_day",
        }
    }

    fn check_log(&self, model: &Model) -> Result<(), String> {
        let (found, wanted) = (model.schema().log, self.learning.log);
        if found == wanted {
            return Ok(());
        }
        Err(format!("is a model of {}.log; give a model of {}.log", found.name(), wanted.name()))
    }

    pub(crate) fn load_model(&mut self, path: &[u8]) -> Result<(), String> {
        let (attempt, loaded) = LoadAttempt::load(Path::new(OsStr::from_bytes(path)), &self.trust);
        self.apply_attempt(attempt, loaded)
    }

    fn apply_attempt(&mut self, attempt: LoadAttempt, loaded: Loaded) -> Result<(), String> {
        let path = attempt.path.display().to_string();
        self.model_file = Some(Arc::new(attempt));
        self.generation += 1;
        let loaded = loaded.and_then(|(model, bytes)| match self.check_log(&model) {
            Ok(()) => Ok((model, bytes)),
            Err(refusal) => Err(format!("{path}: {refusal}")),
        });
        let (model, bytes) = loaded.map_err(|refusal| {
            self.statistics.refused += 1;
            match self.model() {
                Some(_) => format!("{refusal}; the previous model stays loaded"),
                None => format!("{refusal}; {} are not scored", self.learning.log.nouns()),
            }
        })?;
        self.activate(*model, bytes);
        Ok(())
    }

    pub(crate) fn check_model_file(&mut self) -> Result<(), String> {
        let Some(attempt) = self.model_file.clone() else { return Ok(()) };
        let (generation, trust, path) = (self.generation, self.trust.clone(), attempt.path.clone());
        let job = move || {
            let outdated = attempt.is_outdated(&trust);
            JobResult::Checked(generation, outdated.then(|| LoadAttempt::load(&attempt.path, &trust)))
        };
        self.background.start(job, |panic| JobResult::Saved(path, Err(panic)))
    }

    /// Starts scoring with a model; host context stays.
    fn activate(&mut self, model: Model, bytes: Vec<u8>) {
        self.statistics.loaded += 1;
        let drift = Drift::new(model.calibration());
        let policy = self.policy(&model);
        let mut detector = match std::mem::take(&mut self.scoring) {
            Scoring::Off => Detector::new(model),
            Scoring::Extracting(state) => {
                let mut detector = Detector::new(model);
                detector.set_state(state.0, state.1);
                detector
            }
            Scoring::On(mut active) => {
                active.detector.replace_model(model);
                active.detector
            }
        };
        detector.set_policy(policy);
        self.scoring = Scoring::On(Box::new(ActiveModel { detector, drift, bytes }));
    }

    pub(crate) fn unload_model(&mut self) {
        self.scoring = match std::mem::take(&mut self.scoring) {
            Scoring::On(active) => Scoring::Extracting(Box::new(active.detector.into_state())),
            without_model => without_model,
        };
        self.model_file = None;
        self.generation += 1;
    }

    fn active(&self) -> Option<&ActiveModel> {
        match &self.scoring {
            Scoring::On(active) => Some(active),
            _ => None,
        }
    }

    fn model(&self) -> Option<&Arc<Model>> {
        self.active().map(|active| active.detector.model())
    }

    /// Version of the loaded model. Without one, and for a model dated by a clock that ran ahead, it is lower than any, so
    /// that the next model replaces it.
    fn version(&self) -> i64 {
        let version = self.model().map(|model| model.provenance().trained_at);
        version.filter(|&version| version <= Latest::now().0).unwrap_or(i64::MIN)
    }

    pub(crate) fn set_trust(&mut self, key: &[u8], allow_writable: bool) {
        // Invalid UTF-8 is not a key either way; loading then says so.
        self.trust = Trust { key: String::from_utf8_lossy(key).into_owned(), writable_by_others: allow_writable };
        self.generation += 1;
    }

    pub(crate) fn set_zeek_version(&mut self, version: &[u8]) {
        self.learning.zeek_version = String::from_utf8_lossy(version).into_owned();
    }

    /// Trust in the sensor's own files, which are not signed.
    fn trust_in_state(&self) -> Trust {
        Trust { key: String::new(), ..self.trust }
    }
}

// Learning.
impl Sensor {
    pub(crate) fn start_incidents(&mut self, timeout: f64, forwards: bool) {
        self.incidents.start(timeout, forwards);
    }

    pub(crate) fn learn(&mut self, learn_after: u64) -> bool {
        if self.pending.take().is_some_and(|example| self.learning.learn(&example)) {
            self.statistics.learnt += 1;
        }
        self.fit_is_due(learn_after)
    }

    pub(crate) fn start_learning(&mut self, rows: usize, half_life: f64) {
        self.learning.start(rows, half_life);
        if matches!(self.scoring, Scoring::Off) {
            self.scoring = Scoring::Extracting(Box::new((Extractor::of(self.learning.log), ScoreHistory::default())));
        }
    }

    pub(crate) fn stop_learning(&mut self) {
        self.learning.reservoir = None;
    }

    pub(crate) fn can_fit(&self, learn_after: u64) -> bool {
        self.learning.can_fit(learn_after)
    }

    pub(crate) fn fit_is_due(&self, learn_after: u64) -> bool {
        self.model().is_none() && self.can_fit(learn_after)
    }

    pub(crate) fn fit(&mut self, version: i64, alerts_per_day: f64, file: &[u8]) -> Result<(), String> {
        let zeek_version = self.learning.zeek_version.clone();
        self.start_fit(
            learning::new_fit(self.learning.log, alerts_per_day),
            version,
            alerts_per_day,
            zeek_version,
            file,
        )
    }

    pub(crate) fn recalibrate(&mut self, version: i64, alerts_per_day: f64, file: &[u8]) -> Result<(), String> {
        let model = self.model().ok_or("no model is loaded")?.clone();
        // The trees stay those of the Zeek they were fitted under.
        let zeek_version = learning::zeek_version(&model);
        self.start_fit(learning::new_recalibration(model, alerts_per_day), version, alerts_per_day, zeek_version, file)
    }

    fn start_fit(
        &mut self,
        fit: Fit,
        version: i64,
        alerts_per_day: f64,
        zeek_version: String,
        file: &[u8],
    ) -> Result<(), String> {
        if !alerts_per_day.is_finite() {
            return Err(format!("{alerts_per_day} is not a number of alerts per day"));
        }
        let origin = Origin { version, zeek_version };
        self.learning.start_fit(&mut self.background, fit, origin, path(file).unwrap_or_default())
    }

    pub(crate) fn take_sample(&mut self, max_rows: usize) -> Vec<u8> {
        self.learning.reservoir.as_mut().map(|reservoir| reservoir.take(max_rows).to_bytes()).unwrap_or_default()
    }

    pub(crate) fn merge_sample(&mut self, bytes: &[u8]) -> Result<(), String> {
        self.learning.merge_sample(bytes)
    }

    pub(crate) fn sample_bound(&self) -> f64 {
        self.learning.reservoir.as_ref().and_then(|reservoir| reservoir.bound()).unwrap_or(f64::INFINITY)
    }

    pub(crate) fn set_sample_bound(&mut self, bound: f64) {
        if let Some(reservoir) = &mut self.learning.reservoir {
            reservoir.set_bound(Some(bound));
        }
    }

    pub(crate) fn adopt_model(
        &mut self,
        bytes: &[u8],
        version: i64,
        checksum: &[u8],
        file: &[u8],
        write_first: bool,
    ) -> Result<bool, String> {
        self.adopt(bytes, version, checksum, file, write_first).inspect_err(|_| self.statistics.refused += 1)
    }

    fn adopt(
        &mut self,
        bytes: &[u8],
        version: i64,
        checksum: &[u8],
        file: &[u8],
        write_first: bool,
    ) -> Result<bool, String> {
        let loaded = self.version();
        if version < loaded {
            let behind = Duration::from_micros(loaded.abs_diff(version)).as_secs_f64();
            return Err(format!("the model is {behind:.6} seconds older than the loaded one"));
        }
        if version == loaded {
            return Ok(false);
        }
        // No later fit could replace such a model.
        if version > Latest::now().0 {
            return Err("the model is dated more than a day in the future; check the clocks of the nodes".into());
        }
        let model = Model::from_bytes(bytes).map_err(|refusal| format!("the model {refusal}"))?;
        if version != model.provenance().trained_at {
            return Err("the model's version differs from the announced one".into());
        }
        if !checksum.is_empty() && checksum != checksum_of(bytes).as_bytes() {
            return Err("the model's checksum differs from the announced one; it was damaged in transit".into());
        }
        self.check_log(&model).map_err(|error| format!("the model {error}"))?;
        if let Some(file) = path(file) {
            if write_first {
                self.learning.write_model(&mut self.background, file, version, bytes);
            } else {
                self.learning.save_model(&mut self.background, file, version, bytes.to_vec())?;
            }
        }
        self.activate(model, bytes.to_vec());
        Ok(true)
    }
}

// Background jobs.
impl Sensor {
    pub(crate) fn busy(&self) -> bool {
        self.background.running() > 0
    }

    pub(crate) fn finished_job(&mut self, wait: f64) -> FinishedJob {
        let wait = Duration::try_from_secs_f64(wait).unwrap_or_default();
        self.background.take(wait).map_or_else(FinishedJob::default, |result| self.apply(result))
    }

    fn apply(&mut self, result: JobResult) -> FinishedJob {
        match result {
            JobResult::Fitted(fitted) => self.apply_fit(*fitted),
            JobResult::FitFailed(problem) => {
                self.learning.fitting = false;
                FinishedJob { problem, ..finished(JobKind::FitFailed) }
            }
            JobResult::Saved(file, result) => with_file(JobKind::Saved, &file, result),
            JobResult::Checked(generation, Some((attempt, loaded))) if generation == self.generation => {
                let file = attempt.path.clone();
                let result = self.apply_attempt(attempt, loaded);
                with_file(if result.is_ok() { JobKind::Loaded } else { JobKind::Refused }, &file, result)
            }
            JobResult::Locked(directory, Some(lock)) if self.learning.directory.as_ref() == Some(&directory) => {
                self.learning.lock = Some(Arc::new(lock));
                with_file(JobKind::Locked, &directory, Ok(()))
            }
            JobResult::Checked(..) | JobResult::Locked(..) | JobResult::Released => finished(JobKind::NoChange),
        }
    }

    fn apply_fit(&mut self, fitted: Fitted) -> FinishedJob {
        let Fitted { model, bytes, file, written, took } = fitted;
        let began = Instant::now();
        self.learning.fitting = false;
        // A model file was set meanwhile.
        if !self.learning.is_on() {
            return finished(JobKind::NoChange);
        }
        if model.provenance().trained_at <= self.version() {
            let problem = "a newer model has arrived from another node".to_owned();
            return FinishedJob { problem, ..finished(JobKind::FitFailed) };
        }
        self.activate(model, bytes);
        let pause = (self.learning.pause + began.elapsed()).as_secs_f64();
        FinishedJob { took: took.as_secs_f64(), pause, ..with_file(JobKind::Fitted, &file, written) }
    }
}

// Drift, metrics and the description of the model.
impl Sensor {
    pub(crate) fn start_drift_slice(&mut self) -> Vec<u64> {
        match &mut self.scoring {
            Scoring::On(active) => active.drift.rotate().to_vec(),
            _ => Vec::new(),
        }
    }

    pub(crate) fn add_drift_counts(&mut self, counts: &[u64]) -> bool {
        match (&mut self.scoring, counts.try_into()) {
            (Scoring::On(active), Ok(counts)) => {
                active.drift.add(counts);
                true
            }
            _ => false,
        }
    }

    pub(crate) fn statistics(&self) -> Statistics {
        let reservoir = self.learning.reservoir.as_ref();
        let Statistics { scored, without_model, exempt, .. } = self.statistics;
        Statistics {
            failed: self.offered - scored - without_model - exempt,
            rows: reservoir.map_or(0, |reservoir| reservoir.len() as u64),
            seen: reservoir.map_or(0, |reservoir| reservoir.seen()),
            drift: self.active().and_then(|active| active.drift.index()).unwrap_or(0.0),
            ..self.statistics
        }
    }

    pub(crate) fn describe(&self) -> Description {
        let Some(active) = self.active() else { return Description::default() };
        let model = active.detector.model();
        let provenance = model.provenance();
        Description {
            version: self.version().max(0),
            checksum: checksum_of(&active.bytes),
            connections: provenance.connections,
            rows: provenance.rows,
            trees: model.forest().n_trees() as u64,
            sample_size: model.forest().sample_size() as u64,
            threshold: model.threshold(),
            zeek_version: learning::zeek_version(model),
        }
    }

    pub(crate) fn model_bytes(&self) -> Vec<u8> {
        self.active().map(|active| active.bytes.clone()).unwrap_or_default()
    }
}

/// Checksum in the header of a model file, in hexadecimal digits.
fn checksum_of(bytes: &[u8]) -> String {
    format!("{:016x}", detector::checksum(bytes))
}

fn finished(kind: JobKind) -> FinishedJob {
    FinishedJob { kind, ..FinishedJob::default() }
}

fn with_file(kind: JobKind, file: &Path, result: Result<(), String>) -> FinishedJob {
    // Zeek's Reporter refuses strings with a NUL.
    let text = |text: String| text.replace('\0', "\\0");
    let (file, problem) = (text(file.display().to_string()), text(result.err().unwrap_or_default()));
    FinishedJob { file, problem, ..finished(kind) }
}

#[cfg(test)]
mod tests;

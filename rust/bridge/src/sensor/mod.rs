//! The sensor: a detector that may lack a model, its settings, and its counters.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use detector::units::DAY;
use detector::{
    AlertPolicy, Detector, Drift, Extractor, FeatureRow, LogKind, LogRecord, Model, Observation, Reservoir,
    ScoreHistory, State, Trust, format_reasons,
};

use crate::background::Background;
use crate::convert::{connection, query};
use crate::incidents::SharedIncidents;
use crate::job::{Fitted, JobResult};
use crate::learning::{self, Fit, Latest, Learning, Origin, PendingExample, start_saving};
use crate::model_file::{LoadAttempt, Loaded};
use crate::panic::{catch, load};
use crate::types::{
    ConnectionView, Description, DnsView, FinishedJob, HostRisk, IncidentChange, JobKind, Outcome, Statistics, Verdict,
};

/// One scoring call in this many is timed.
const TIMED: u64 = 16;

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
    incidents: SharedIncidents,
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

    /// Version of the loaded model; without one, lower than any.
    fn version(&self) -> i64 {
        self.model().map_or(i64::MIN, |model| model.provenance().trained_at)
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

// Thresholds and scores.
impl Sensor {
    pub(crate) fn set_threshold(&mut self, threshold: f64) {
        self.threshold = (threshold > 0.0).then_some(threshold);
        self.update_policy();
    }

    pub(crate) fn set_alerts_per_day(&mut self, alerts_per_day: f64) {
        self.alerts_per_day = (alerts_per_day > 0.0 && alerts_per_day.is_finite()).then_some(alerts_per_day);
        self.update_policy();
    }

    /// Returns the policy from the options (threshold before budget), or else the model's.
    fn policy(&self, model: &Model) -> AlertPolicy {
        match (self.threshold, self.alerts_per_day) {
            (Some(threshold), _) => AlertPolicy::for_threshold(model, threshold),
            (None, Some(alerts)) => AlertPolicy::for_alerts(model, alerts),
            (None, None) => AlertPolicy::of(model),
        }
    }

    fn update_policy(&mut self) {
        let policy = self.model().map(|model| self.policy(model));
        if let (Scoring::On(active), Some(policy)) = (&mut self.scoring, policy) {
            active.detector.set_policy(policy);
        }
    }

    /// Returns a warning if the loaded model's sample is too small for the alert budget in force, or an empty string.
    /// The warning contains no number that changes with every fit.
    pub(crate) fn budget_problem(&self) -> String {
        let Some(model) = self.model().filter(|_| self.threshold.is_none()) else { return String::new() };
        let alerts = self.alerts_per_day.unwrap_or(model.provenance().alerts_per_day);
        if !model.is_extrapolated(alerts) {
            return String::new();
        }
        let is_full = |reservoir: &Reservoir| reservoir.len() >= reservoir.sampling().capacity;
        let full = self.learning.reservoir.as_ref().map(is_full);
        // The first models of a sensor are provisional: the next fits use more records.
        if full == Some(false) && self.alerts_per_day.is_none() && model.provenance().time_seen < DAY {
            return String::new();
        }
        let records = self.learning.log.nouns();
        let advice = match full {
            None => format!("train the model on more {records}"),
            Some(true) => format!("raise IForest::reservoir_rows or {}", self.budget_option()),
            Some(false) => format!("a model of more {records} will be more exact"),
        };
        format!("the sample is too small for {alerts} alerts a day; the threshold is extrapolated; {advice}")
    }

    pub(crate) fn score(&mut self, view: &ConnectionView<'_>, learn: bool, learn_after: u64) -> Verdict {
        self.score_record(LogRecord::Conn(connection(view)), view.uid, learn, learn_after)
    }

    pub(crate) fn score_dns(&mut self, view: &DnsView<'_>, learn: bool, learn_after: u64) -> Verdict {
        self.score_record(LogRecord::Dns(query(view)), view.uid, learn, learn_after)
    }

    fn score_record(&mut self, record: LogRecord<'_>, uid: &[u8], learn: bool, learn_after: u64) -> Verdict {
        // After a panic the previous record must not be learnt in place of this one.
        self.pending = None;
        self.offered += 1;
        let mut verdict = Verdict { outcome: Outcome::NoModel, ..Verdict::default() };
        let Scoring::On(active) = &mut self.scoring else {
            self.extract(&record);
            self.statistics.without_model += 1;
            verdict.outcome = self.learnt(verdict.outcome, learn, learn_after);
            return verdict;
        };
        let began = (self.statistics.scored % TIMED == 0).then(Instant::now);
        #[cfg(any(test, feature = "injected-panic"))]
        crate::panic::injected(self.offered - 1);
        let detector = &mut active.detector;
        let scored = detector.score(record);
        let alert = scored.alert;
        active.drift.observe(scored.score);
        let reasons = match alert || scored.evidence.is_some() && self.incidents.are_on() {
            true => detector.model().reasons(record, detector.row(), scored.evidence),
            false => Vec::new(),
        };
        if alert {
            verdict.reasons = format_reasons(&reasons);
            verdict.main_reason = reasons.first().map(|main| main.feature().to_owned()).unwrap_or_default();
        }
        let observation = Observation {
            record,
            uid: (!uid.is_empty()).then_some(uid),
            score: scored.score,
            alert,
            evidence: scored.evidence,
            reasons: &reasons,
        };
        let grouped = self.incidents.with(|incidents| incidents.observe(&observation));
        let incidents_changed;
        (verdict.incident, incidents_changed) = grouped.unwrap_or_default();
        verdict.score = scored.score;
        verdict.threshold = detector.policy().threshold();
        verdict.seconds = began.map_or(-1.0, |began| began.elapsed().as_secs_f64());
        self.statistics.scored += 1;
        self.statistics.alerted += u64::from(alert);
        if self.learning.is_on() {
            // By the model's own threshold: the configured one selects alerts, not the usual traffic.
            let alerts = scored.score >= detector.model().threshold();
            self.pending = Some(PendingExample::new(&record, *detector.row(), alerts));
        }
        let outcome = match (alert, incidents_changed) {
            (true, _) => Outcome::Alert,
            (false, true) => Outcome::Incident,
            (false, false) => Outcome::Normal,
        };
        verdict.outcome = self.learnt(outcome, learn, learn_after);
        verdict
    }

    pub(crate) fn observe(&mut self, view: &ConnectionView<'_>, learn: bool, learn_after: u64) -> Outcome {
        self.observe_record(LogRecord::Conn(connection(view)), learn, learn_after)
    }

    pub(crate) fn observe_dns(&mut self, view: &DnsView<'_>, learn: bool, learn_after: u64) -> Outcome {
        self.observe_record(LogRecord::Dns(query(view)), learn, learn_after)
    }

    fn observe_record(&mut self, record: LogRecord<'_>, learn: bool, learn_after: u64) -> Outcome {
        self.pending = None;
        self.offered += 1;
        #[cfg(test)]
        crate::panic::injected(self.offered - 1);
        self.extract(&record);
        self.statistics.exempt += 1;
        let outcome = if self.model().is_some() { Outcome::Normal } else { Outcome::NoModel };
        self.learnt(outcome, learn, learn_after)
    }

    /// Adds a record to the context without a score.
    fn extract(&mut self, record: &LogRecord<'_>) {
        let row: FeatureRow = match &mut self.scoring {
            Scoring::Off => return,
            Scoring::Extracting(state) => state.0.extract(record),
            Scoring::On(active) => {
                active.detector.observe(record);
                *active.detector.row()
            }
        };
        self.pending = self.learning.is_on().then(|| PendingExample::new(record, row, false));
    }

    /// Learns the last record if `learn` is set. Returns [`Outcome::FitDue`] if a fit is due, otherwise `outcome`.
    fn learnt(&mut self, outcome: Outcome, learn: bool, learn_after: u64) -> Outcome {
        if learn && self.learn(learn_after) { Outcome::FitDue } else { outcome }
    }
}

// Incidents.
impl Sensor {
    pub(crate) fn start_incidents(&mut self, timeout: f64, forwards: bool) {
        self.incidents.start(timeout, forwards);
    }

    pub(crate) fn set_incident_timeout(&mut self, timeout: f64) {
        self.incidents.with(|incidents| incidents.set_timeout(timeout));
    }

    pub(crate) fn set_known(&mut self, list: &[u8]) -> Result<(), String> {
        self.incidents.with(|incidents| incidents.set_known(&String::from_utf8_lossy(list))).unwrap_or(Ok(()))
    }

    pub(crate) fn next_incident(&mut self) -> IncidentChange {
        self.incidents.with(|incidents| incidents.next_change()).unwrap_or_default()
    }

    pub(crate) fn close_incidents(&mut self, now: f64, all: bool) -> bool {
        self.incidents.with(|incidents| incidents.close(now, all)).unwrap_or_default()
    }

    pub(crate) fn has_additions(&self) -> bool {
        self.incidents.with(|incidents| incidents.has_additions()).unwrap_or_default()
    }

    pub(crate) fn take_additions(&mut self, most: usize, now: f64) -> Vec<u8> {
        self.incidents.with(|incidents| incidents.take_additions(most, now)).unwrap_or_default()
    }

    pub(crate) fn merge_additions(&mut self, bytes: &[u8]) -> Result<bool, String> {
        self.incidents.with(|incidents| incidents.merge_additions(bytes)).unwrap_or(Ok(false))
    }

    pub(crate) fn renamings(&self) -> Vec<u8> {
        self.incidents.with(|incidents| incidents.renamings()).unwrap_or_default()
    }

    pub(crate) fn take_opened(&mut self) -> Vec<u8> {
        self.incidents.with(|incidents| incidents.take_opened()).unwrap_or_default()
    }

    pub(crate) fn rename_incidents(&mut self, bytes: &[u8]) -> Result<(), String> {
        self.incidents.with(|incidents| incidents.rename(bytes)).unwrap_or(Ok(()))
    }

    pub(crate) fn host_risks(&mut self) -> Vec<HostRisk> {
        self.incidents.with(|incidents| incidents.host_risks()).unwrap_or_default()
    }
}

// Learning.
impl Sensor {
    pub(crate) fn learn(&mut self, learn_after: u64) -> bool {
        if self.pending.take().is_some_and(|example| self.learning.learn(&example)) {
            self.statistics.learnt += 1;
        }
        self.fit_is_due(learn_after)
    }

    pub(crate) fn start_learning(&mut self, rows: usize, half_life: f64) {
        self.learning.start(rows, half_life);
        if matches!(self.scoring, Scoring::Off) {
            self.scoring = Scoring::Extracting(Box::new((Extractor::of(self.learning.log), ScoreHistory::new())));
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
        let model = catch(|| Model::from_bytes(bytes).map_err(|refusal| refusal.to_string()));
        let model = model.unwrap_or_else(Err).map_err(|error| format!("the model {error}"))?;
        if version != model.provenance().trained_at {
            return Err("the model's version differs from the announced one".into());
        }
        if !checksum.is_empty() && checksum != checksum_of(bytes).as_bytes() {
            return Err("the model's checksum differs from the announced one; it was damaged on the way".into());
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
        if model.provenance().trained_at <= self.version() {
            let problem = "a newer model has arrived from another node".to_owned();
            return FinishedJob { problem, ..finished(JobKind::FitFailed) };
        }
        self.activate(model, bytes);
        let pause = (self.learning.pause + began.elapsed()).as_secs_f64();
        FinishedJob { took: took.as_secs_f64(), pause, ..with_file(JobKind::Fitted, &file, written) }
    }
}

// The state directory.
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
        match &self.scoring {
            Scoring::Off => None,
            Scoring::Extracting(state) => Some(State::new(&state.0, &state.1)),
            Scoring::On(active) => {
                let (extractor, history) = active.detector.state();
                let mut state = State::new(extractor, history);
                state.drift = active.drift.slices().copied().collect();
                state.version = active.detector.model().provenance().trained_at;
                Some(state)
            }
        }
    }

    /// Restores a snapshot. Scores of another model do not count for drift.
    fn restore(&mut self, state: State) -> Result<(), detector::Error> {
        let (drift, version) = (state.drift.clone(), state.version);
        let (extractor, history) = state.restore()?;
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
            version: provenance.trained_at,
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
    // C++ reads both up to the first NUL.
    let text = |text: String| text.replace('\0', "\\0");
    let (file, problem) = (text(file.display().to_string()), text(result.err().unwrap_or_default()));
    FinishedJob { file, problem, ..finished(kind) }
}

#[cfg(test)]
mod tests;

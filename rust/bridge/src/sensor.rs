//! The sensor's handle: a detector that may be missing, the model file it came from, and what last went wrong.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use detector::{Connection, Cusum, Detector, Drift, Extractor, FeatureRow, Model, State, Trust, format_reasons};

use crate::background::Background;
use crate::ended::Report;
use crate::fault::{caught, silence};
use crate::ffi::{ConnectionView, Description, Outcome, Reasons, Statistics, Verdict};
use crate::learning::Learning;
use crate::look::{Loaded, Tried};
use crate::view::connection;

/// One connection in so many has its scoring timed.
const TIMED: u64 = 16;

/// A detector that may have no model yet.
#[derive(Default)]
pub struct Sensor {
    scoring: Scoring,
    pub(crate) learning: Learning,
    pub(crate) background: Background<Report>,
    tried: Option<Arc<Tried>>,
    /// Counts what an answer to an earlier look says nothing of any more.
    pub(crate) looks: u64,
    pub(crate) trust: Trust,
    threshold: Option<f64>,
    alerts_per_day: Option<f64>,
    /// Why the last connection is anomalous, if it is.
    reasons: Reasons,
    statistics: Statistics,
    /// How long the last connection took to score, if it was timed.
    took: Option<Duration>,
    last: Option<Last>,
    /// The first failure of the software, empty once told. Later ones are not kept: they are likely its echoes.
    fault: Option<String>,
}

/// What is done with a connection.
#[derive(Default)]
enum Scoring {
    /// Nothing.
    #[default]
    Off,
    /// Its row is computed, to learn from it.
    Extracting(Box<Extractor>),
    /// It is scored.
    On(Box<AtWork>),
}

/// A model at work.
struct AtWork {
    detector: Detector,
    drift: Drift,
    /// The threshold for the alert budget that was asked for; none for the model's own.
    threshold: Option<f64>,
    /// The model's file.
    bytes: Vec<u8>,
}

/// The connection that was handed over last, as far as learning from it takes it.
#[derive(Clone, Copy)]
struct Last {
    connection: Connection<'static>,
    row: FeatureRow,
    flagged: bool,
}

pub(crate) fn new_sensor() -> Box<Sensor> {
    silence();
    Box::default()
}

impl Sensor {
    pub(crate) fn load_model(&mut self, path: &[u8]) -> Result<(), String> {
        let (tried, loaded) = Tried::load(Path::new(OsStr::from_bytes(path)), &self.trust);
        self.take_over(tried, loaded)
    }

    /// Puts the model of a file to work, unless it was refused.
    pub(crate) fn take_over(&mut self, tried: Tried, loaded: Loaded) -> Result<(), String> {
        self.tried = Some(Arc::new(tried));
        self.looks += 1;
        let (model, bytes) = loaded.map_err(|refusal| {
            self.statistics.refused += 1;
            let state = match self.model() {
                Some(_) => "the model before it stays at work",
                None => "connections are not scored",
            };
            format!("{refusal}; {state}")
        })?;
        self.put_to_work(*model, bytes);
        Ok(())
    }

    pub(crate) fn look_at_model(&mut self) -> Result<(), String> {
        let Some(tried) = self.tried.clone() else { return Ok(()) };
        let (look, trust, path) = (self.looks, self.trust.clone(), tried.path.clone());
        let job = move || Report::Looked(look, tried.is_outdated(&trust).then(|| Tried::load(&tried.path, &trust)));
        self.background.start(job, |fault| Report::Saved(path, Err(fault)))
    }

    /// Puts a model to work; what was learnt of hosts stays.
    pub(crate) fn put_to_work(&mut self, model: Model, bytes: Vec<u8>) {
        self.statistics.loaded += 1;
        let drift = Drift::new(model.calibration());
        let threshold = self.alerts_per_day.map(|alerts| model.threshold_for_alerts(alerts));
        let detector = match std::mem::take(&mut self.scoring) {
            Scoring::Off => Detector::new(model),
            Scoring::Extracting(extractor) => Detector::resume(model, *extractor),
            Scoring::On(mut at_work) => {
                at_work.detector.replace_model(model);
                at_work.detector
            }
        };
        self.scoring = Scoring::On(Box::new(AtWork { detector, drift, threshold, bytes }));
    }

    /// Has the rows of connections computed, whether they are scored or not.
    pub(crate) fn extract_without_model(&mut self) {
        if matches!(self.scoring, Scoring::Off) {
            self.scoring = Scoring::Extracting(Box::default());
        }
    }

    /// What is remembered of the traffic; nothing while connections are of no interest.
    pub(crate) fn memory(&self) -> Option<State> {
        match &self.scoring {
            Scoring::Off => None,
            Scoring::Extracting(extractor) => Some(State::new(extractor, &Cusum::new())),
            Scoring::On(at_work) => {
                let (extractor, evidence) = at_work.detector.memory();
                let mut memory = State::new(extractor, evidence);
                memory.drift = at_work.drift.slices().copied().collect();
                memory.version = at_work.detector.model().provenance().trained_at;
                Some(memory)
            }
        }
    }

    /// Goes on with what was remembered, if it can be. The distribution of scores is that of one model.
    pub(crate) fn remember(&mut self, memory: State) -> bool {
        let (drift, version) = (memory.drift.clone(), memory.version);
        let Some((kept, evidence)) = memory.recall() else { return false };
        match &mut self.scoring {
            Scoring::Off => {}
            Scoring::Extracting(extractor) => **extractor = kept,
            Scoring::On(at_work) => {
                at_work.detector.remember(kept, evidence);
                if at_work.detector.model().provenance().trained_at == version {
                    at_work.drift.resume(&drift);
                }
            }
        }
        true
    }

    pub(crate) fn model(&self) -> Option<&Arc<Model>> {
        self.at_work().map(|at_work| at_work.detector.model())
    }

    fn at_work(&self) -> Option<&AtWork> {
        match &self.scoring {
            Scoring::On(at_work) => Some(at_work),
            _ => None,
        }
    }

    pub(crate) fn set_trust(&mut self, key: &str, allow_writable: bool) {
        self.trust = Trust { key: key.to_owned(), writable_by_others: allow_writable };
        self.looks += 1;
    }

    pub(crate) fn unload_model(&mut self) {
        self.scoring = match std::mem::take(&mut self.scoring) {
            Scoring::On(at_work) if self.learning.reservoir.is_some() => {
                Scoring::Extracting(Box::new(at_work.detector.into_extractor()))
            }
            Scoring::Extracting(extractor) if self.learning.reservoir.is_some() => Scoring::Extracting(extractor),
            _ => Scoring::Off,
        };
        self.tried = None;
        self.looks += 1;
    }

    pub(crate) fn set_threshold(&mut self, threshold: f64) {
        self.threshold = (threshold > 0.0).then_some(threshold);
    }

    pub(crate) fn set_alerts_per_day(&mut self, alerts_per_day: f64) {
        self.alerts_per_day = (alerts_per_day > 0.0 && alerts_per_day.is_finite()).then_some(alerts_per_day);
        if let Scoring::On(at_work) = &mut self.scoring {
            let model = at_work.detector.model();
            at_work.threshold = self.alerts_per_day.map(|alerts| model.threshold_for_alerts(alerts));
        }
    }

    pub(crate) fn threshold(&self) -> f64 {
        let of = |at_work: &AtWork| at_work.threshold.unwrap_or(at_work.detector.model().threshold());
        self.threshold.unwrap_or_else(|| self.at_work().map_or(0.0, of))
    }

    pub(crate) fn score(&mut self, view: &ConnectionView<'_>) -> Verdict {
        self.took = None;
        // After a fault the connection before is not to be learnt from in place of this one.
        self.last = None;
        let none = |outcome| Verdict { outcome, anomalous: false, score: 0.0 };
        let AtWork { detector, drift, threshold, .. } = match &mut self.scoring {
            Scoring::On(at_work) => &mut **at_work,
            _ => {
                self.statistics.without_model += 1;
                return none(self.observe(view));
            }
        };
        let began = self.statistics.scored.is_multiple_of(TIMED).then(Instant::now);
        let connection = connection(view);
        self.reasons = Reasons::default();
        let threshold = self.threshold.or(*threshold);
        #[cfg(any(test, feature = "planted-panic"))]
        let before = self.statistics.scored + self.statistics.faults;
        let scored = caught(|| {
            #[cfg(any(test, feature = "planted-panic"))]
            crate::fault::planted(before);
            let verdict = detector.score(&connection);
            let anomalous = threshold.map_or(verdict.anomalous, |threshold| verdict.passes(threshold));
            drift.observe(verdict.score);
            let reasons = if anomalous { detector.reasons(&connection, &verdict) } else { Vec::new() };
            (verdict, anomalous, reasons)
        });
        match scored {
            Ok((verdict, anomalous, reasons)) => {
                if let Some(main) = reasons.first() {
                    self.reasons = Reasons { text: format_reasons(&reasons), main: main.feature().to_owned() };
                }
                self.took = began.map(|began| began.elapsed());
                let score = verdict.score;
                self.statistics.scored += 1;
                self.statistics.flagged += u64::from(anomalous);
                // By the model's own threshold: one set by hand says what to report, not what is usual.
                let last =
                    || Last { connection: lasting(&connection), row: *detector.row(), flagged: verdict.anomalous };
                self.last = self.learning.reservoir.is_some().then(last);
                Verdict { outcome: Outcome::Scored, anomalous, score }
            }
            Err(cause) => {
                self.statistics.faults += 1;
                self.fault.get_or_insert(cause);
                none(Outcome::Fault)
            }
        }
    }

    pub(crate) fn reasons(&self) -> &Reasons {
        &self.reasons
    }

    pub(crate) fn pass_by(&mut self, view: &ConnectionView<'_>) -> Outcome {
        self.statistics.exempt += 1;
        self.observe(view)
    }

    /// Takes a connection in as context.
    fn observe(&mut self, view: &ConnectionView<'_>) -> Outcome {
        self.last = None;
        let connection = connection(view);
        let scoring = &mut self.scoring;
        let row = caught(|| {
            #[cfg(test)]
            crate::fault::planted(9);
            match scoring {
                Scoring::Off => None,
                Scoring::Extracting(extractor) => Some(extractor.extract(&connection)),
                Scoring::On(at_work) => {
                    at_work.detector.observe(&connection);
                    Some(*at_work.detector.row())
                }
            }
        });
        match row {
            Ok(row) => {
                self.last = row.map(|row| Last { connection: lasting(&connection), row, flagged: false });
                if self.model().is_some() { Outcome::Scored } else { Outcome::NoModel }
            }
            Err(cause) => {
                self.statistics.faults += 1;
                self.fault.get_or_insert(cause);
                Outcome::Fault
            }
        }
    }

    pub(crate) fn learn(&mut self, after: u64) -> bool {
        let Learning { reservoir, latest, .. } = &mut self.learning;
        if let (Some(last), Some(reservoir)) = (self.last.take(), reservoir) {
            let Connection { ts, duration, .. } = last.connection;
            let latest = latest.not_before(ts.saturating_add(duration.unwrap_or(0)));
            match caught(|| reservoir.learn(&last.connection, &last.row, last.flagged, latest)) {
                Ok(()) => self.statistics.learnt += 1,
                Err(cause) => {
                    self.statistics.faults += 1;
                    self.fault.get_or_insert(cause);
                }
            }
        }
        self.fit_is_due(after)
    }

    pub(crate) fn scoring_time(&self) -> f64 {
        self.took.map_or(-1.0, |took| took.as_secs_f64())
    }

    pub(crate) fn statistics(&self) -> Statistics {
        let reservoir = self.learning.reservoir.as_ref();
        Statistics {
            rows: reservoir.map_or(0, |reservoir| reservoir.len() as u64),
            seen: reservoir.map_or(0, |reservoir| reservoir.seen()),
            drift: self.at_work().and_then(|at_work| at_work.drift.index()).unwrap_or(0.0),
            ..self.statistics
        }
    }

    pub(crate) fn count_refusal(&mut self) {
        self.statistics.refused += 1;
    }

    pub(crate) fn turn_drift(&mut self) -> Vec<u64> {
        match &mut self.scoring {
            Scoring::On(at_work) => at_work.drift.rotate().to_vec(),
            _ => Vec::new(),
        }
    }

    pub(crate) fn add_drift(&mut self, counts: &[u64]) -> bool {
        match (&mut self.scoring, counts.try_into()) {
            (Scoring::On(at_work), Ok(counts)) => {
                at_work.drift.add(counts);
                true
            }
            _ => false,
        }
    }

    pub(crate) fn describe(&self) -> Description {
        let Some(at_work) = self.at_work() else { return Description::default() };
        let model = at_work.detector.model();
        let provenance = model.provenance();
        Description {
            version: provenance.trained_at,
            checksum: checksum(&at_work.bytes),
            connections: provenance.connections,
            rows: provenance.rows,
            trees: model.forest().n_trees() as u64,
            sample_size: model.forest().sample_size() as u64,
            threshold: model.threshold(),
        }
    }

    pub(crate) fn model_bytes(&self) -> Vec<u8> {
        self.at_work().map(|at_work| at_work.bytes.clone()).unwrap_or_default()
    }

    pub(crate) fn take_fault(&mut self) -> String {
        self.fault.as_mut().map(std::mem::take).unwrap_or_default()
    }
}

/// What a connection leaves behind when its texts are gone.
fn lasting(connection: &Connection<'_>) -> Connection<'static> {
    let Connection { ts, duration, orig, resp, proto, conn_state, missed_bytes, .. } = *connection;
    Connection { ts, duration, orig, resp, proto, conn_state, missed_bytes, service: None, history: None }
}

/// The checksum in the header of a model's file, in hexadecimal digits.
pub(crate) fn checksum(bytes: &[u8]) -> String {
    format!("{:016x}", detector::checksum(bytes))
}

#[cfg(test)]
mod tests;

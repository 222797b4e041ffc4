//! The sensor's handle: a detector that may be missing, the model file it came from, and what last went wrong.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use detector::{
    Connection, Detector, Drift, Evidence, Extractor, Memory, Model, Row, Trust, in_words, learner, signature_of,
};

use crate::fault::{caught, silence};
use crate::ffi::{ConnectionView, Description, Outcome, Reasons, Statistics, Verdict};
use crate::learning::{Learning, latest};
use crate::view::connection;

/// One connection in so many has its scoring timed.
const TIMED: u64 = 16;

/// A detector that may have no model yet.
#[derive(Default)]
pub struct Sensor {
    scoring: Scoring,
    pub(crate) learning: Learning,
    tried: Option<Tried>,
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
    row: Row,
    flagged: bool,
}

/// The model file that was last tried, and which version of it, whether it was loaded or refused.
struct Tried {
    path: PathBuf,
    version: Option<FileVersion>,
    /// That of its signature, where it might be refused for it.
    signature: Option<FileVersion>,
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

pub(crate) fn new_sensor() -> Box<Sensor> {
    silence();
    Box::default()
}

impl Sensor {
    pub(crate) fn load_model(&mut self, path: &[u8]) -> Result<(), String> {
        let path = Path::new(OsStr::from_bytes(path));
        // Taken before the file is read: if it changes meanwhile, the next look finds it changed.
        let signature = FileVersion::of(&signature_of(path));
        self.tried = Some(Tried { path: path.to_owned(), version: FileVersion::of(path), signature });
        let loaded = caught(|| Model::load(path, &self.trust).map_err(|refusal| refusal.to_string()));
        let model = loaded.unwrap_or_else(|fault| Err(format!("{}: {fault}", path.display()))).map_err(|refusal| {
            self.statistics.refused += 1;
            let state = match self.model() {
                Some(_) => "the model before it stays at work",
                None => "connections are not scored",
            };
            format!("{refusal}; {state}")
        })?;
        let bytes = model.to_bytes().map_err(|cause| cause.to_string())?;
        self.put_to_work(model, bytes);
        Ok(())
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
    pub(crate) fn memory(&self) -> Option<Memory> {
        match &self.scoring {
            Scoring::Off => None,
            Scoring::Extracting(extractor) => Some(Memory::new(extractor, &Evidence::new())),
            Scoring::On(at_work) => {
                let (extractor, evidence) = at_work.detector.memory();
                let mut memory = Memory::new(extractor, evidence);
                memory.drift = at_work.drift.slices().copied().collect();
                memory.version = at_work.detector.model().provenance().trained_at;
                Some(memory)
            }
        }
    }

    /// Goes on with what was remembered, if it can be. The distribution of scores is that of one model.
    pub(crate) fn remember(&mut self, memory: Memory) -> bool {
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
    }

    pub(crate) fn model_changed(&self) -> bool {
        let changed = |path: &Path, version: &Option<FileVersion>| *version != FileVersion::of(path);
        self.tried.as_ref().is_some_and(|tried| {
            changed(&tried.path, &tried.version)
                || (!self.trust.key.is_empty() && changed(&signature_of(&tried.path), &tried.signature))
        })
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
    }

    pub(crate) fn set_threshold(&mut self, threshold: f64) {
        self.threshold = (threshold > 0.0).then_some(threshold);
    }

    pub(crate) fn set_alerts_per_day(&mut self, alerts_per_day: f64) {
        self.alerts_per_day = (alerts_per_day > 0.0).then_some(alerts_per_day);
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
        #[cfg(feature = "planted-panic")]
        let before = self.statistics.scored + self.statistics.faults;
        let scored = caught(|| {
            #[cfg(feature = "planted-panic")]
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
                    self.reasons = Reasons { text: in_words(&reasons), main: main.feature().to_owned() };
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
        let connection = connection(view);
        let scoring = &mut self.scoring;
        let row = caught(|| match scoring {
            Scoring::Off => None,
            Scoring::Extracting(extractor) => Some(extractor.extract(&connection)),
            Scoring::On(at_work) => {
                at_work.detector.pass_by(&connection);
                Some(*at_work.detector.row())
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
        if let (Some(last), Some(reservoir)) = (self.last.take(), &mut self.learning.reservoir) {
            match caught(|| learner::learn(reservoir, &last.connection, &last.row, last.flagged, latest())) {
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
            Scoring::On(at_work) => at_work.drift.turn().to_vec(),
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
mod tests {
    use detector::{Connection, Params, Trainer};

    use super::*;
    use crate::ffi;

    fn view(duration: f64, resp_port: u16) -> ConnectionView<'static> {
        let count = |value| ffi::Count { set: true, value };
        let side = |port| ffi::Endpoint {
            addr: [0; 16],
            port,
            local: ffi::Known::Unset,
            bytes: count(100),
            pkts: count(3),
            ip_bytes: count(220),
        };
        ConnectionView {
            ts: 1_700_000_000.25,
            duration,
            orig: side(50_000),
            resp: side(resp_port),
            proto: ffi::Proto::Tcp,
            missed_bytes: 0,
            conn_state: b"SF",
            service: b"http",
            history: b"ShADadFf",
        }
    }

    fn model() -> Model {
        let mut trainer = Trainer::new(Params::default());
        for i in 0..400 {
            let view = ConnectionView { ts: 1_700_000_000.0 + f64::from(i), ..view(f64::from(i % 50) / 10.0, 80) };
            trainer.observe(&connection(&view));
        }
        trainer.fit().unwrap()
    }

    #[test]
    fn scores_are_the_detectors_own() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("model");
        model().save(&path).unwrap();
        let mut sensor = new_sensor();
        sensor.load_model(path.as_os_str().as_bytes()).unwrap();
        let mut detector = Detector::new(model());
        for (duration, port) in [(0.5, 80), (-1.0, 80), (9e5, 31_337)] {
            let verdict = sensor.score(&view(duration, port));
            assert!(verdict.outcome == Outcome::Scored);
            assert_eq!(verdict.score, detector.score(&connection(&view(duration, port))).score);
        }
    }

    #[test]
    fn unset_and_empty_fields_are_unset() {
        let mut view = view(-1.0, 80);
        view.service = b"";
        view.history = b"";
        view.conn_state = b"";
        view.orig.bytes = ffi::Count::default();
        view.orig.local = ffi::Known::No;
        let connection = connection(&view);
        assert_eq!((connection.duration, connection.conn_state), (None, None));
        assert_eq!((connection.service, connection.history), (None, None));
        assert_eq!((connection.orig.bytes, connection.resp.bytes), (None, Some(100)));
        assert_eq!((connection.orig.local, connection.resp.local), (Some(false), None));
        assert_eq!(connection.ts, Connection::micros(1_700_000_000.25));
    }

    /// A million connections, each from an originator of its own.
    fn from_everywhere() -> impl Iterator<Item = ConnectionView<'static>> {
        (0..1_000_000u32).map(|i| {
            let mut view = view(f64::from(i % 50) / 10.0, 80);
            view.ts += f64::from(i) / 1e3;
            view.orig.addr[12..].copy_from_slice(&i.to_be_bytes());
            view
        })
    }

    #[test]
    fn a_connection_allocates_nothing_unless_it_is_anomalous() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("model");
        model().save(&path).unwrap();
        let mut sensor = new_sensor();
        sensor.load_model(path.as_os_str().as_bytes()).unwrap();
        sensor.set_threshold(2.0);
        let mut allocating = 0;
        for view in from_everywhere() {
            let allocated = allocation_counter::measure(|| {
                assert!(sensor.score(&view).outcome == Outcome::Scored);
            });
            allocating += usize::from(allocated.count_total > 0);
        }
        assert_eq!(
            allocating as u64,
            sensor.statistics().flagged,
            "only evidence that adds up passes a threshold of 2"
        );
    }

    #[test]
    fn learning_takes_no_more_memory_once_the_reservoir_is_full() {
        let mut sensor = new_sensor();
        sensor.start_learning(1000, 86_400.0);
        let mut traffic = from_everywhere();
        let learn = |sensor: &mut Sensor, view: ConnectionView<'_>| {
            sensor.score(&view);
            sensor.learn(u64::MAX);
        };
        traffic.by_ref().take(100_000).for_each(|view| learn(&mut sensor, view));
        let grown = allocation_counter::measure(|| traffic.by_ref().for_each(|view| learn(&mut sensor, view)));
        assert_eq!(sensor.statistics().rows, 1000);
        assert!(grown.bytes_current.abs() < 1 << 20, "{grown:?}");
    }

    #[test]
    fn a_model_that_others_can_write_to_is_refused_unless_allowed() {
        use std::os::unix::fs::PermissionsExt;
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("model");
        model().save(&path).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o666)).unwrap();
        let mut sensor = new_sensor();
        let name = path.as_os_str().as_bytes();
        for refusal in [sensor.load_model(name).unwrap_err(), sensor.load_state(name).unwrap_err()] {
            assert!(refusal.contains("others can write to"), "{refusal}");
        }
        sensor.set_trust("", true);
        sensor.load_model(name).unwrap();
        assert_eq!(sensor.load_state(name), Ok(true));
    }

    #[test]
    fn a_signature_that_comes_after_the_model_is_another_try_worth() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("model");
        model().save(&path).unwrap();
        let mut sensor = new_sensor();
        sensor.set_trust("RWTL6Haq3nUaWx6uvpwnxKnqpOUxP0sL6v+9r5fxHldG5/fnlYpcUQQ4", false);
        let refusal = sensor.load_model(path.as_os_str().as_bytes()).unwrap_err();
        assert!(refusal.contains("is not signed") && refusal.ends_with("connections are not scored"), "{refusal}");
        assert!(!sensor.model_changed());
        std::fs::write(signature_of(&path), "another's").unwrap();
        assert!(sensor.model_changed());
        // What a sensor wrote itself has none.
        assert_eq!(sensor.load_state(path.as_os_str().as_bytes()), Ok(true));
    }

    #[test]
    fn a_refused_model_leaves_the_one_before_at_work() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("model");
        let name = path.as_os_str().as_bytes();
        let mut sensor = new_sensor();
        assert!(!sensor.model_changed(), "nothing was tried");

        let refusal = sensor.load_model(name).unwrap_err();
        assert!(refusal.starts_with(path.to_str().unwrap()), "{refusal}");
        assert!(refusal.ends_with("; connections are not scored"), "{refusal}");
        assert!(!sensor.model_changed(), "still missing");
        assert!(sensor.score(&view(0.5, 80)).outcome == Outcome::NoModel);

        model().save(&path).unwrap();
        assert!(sensor.model_changed());
        sensor.load_model(name).unwrap();
        assert!(!sensor.model_changed());

        fs::write(&path, "damaged").unwrap();
        assert!(sensor.model_changed());
        let refusal = sensor.load_model(name).unwrap_err();
        assert!(refusal.ends_with("; the model before it stays at work"), "{refusal}");
        assert!(!sensor.model_changed(), "one try per version of the file");
        assert!(sensor.score(&view(0.5, 80)).outcome == Outcome::Scored);

        sensor.unload_model();
        assert!(sensor.score(&view(0.5, 80)).outcome == Outcome::NoModel);
        assert!(!sensor.model_changed());
    }

    #[test]
    fn a_threshold_overrules_the_models_own() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("model");
        model().save(&path).unwrap();
        let mut sensor = new_sensor();
        assert_eq!(sensor.threshold(), 0.0);
        sensor.load_model(path.as_os_str().as_bytes()).unwrap();
        assert_eq!(sensor.threshold(), model().threshold());

        // The same connection again is another score: context has moved on.
        for threshold in [0.001, 0.999] {
            sensor.set_threshold(threshold);
            let verdict = sensor.score(&view(0.5, 80));
            assert_eq!(verdict.anomalous, verdict.score >= threshold);
        }
        sensor.set_threshold(0.0);
        assert_eq!(sensor.threshold(), model().threshold());
    }

    #[test]
    fn it_learns_and_then_scores() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("model");
        let mut sensor = new_sensor();
        sensor.start_learning(1000, 86_400.0);
        assert!(!sensor.busy() && !sensor.fit_is_due(300));
        for i in 0..400 {
            assert!(sensor.score(&view(f64::from(i % 50) / 10.0, 80)).outcome == Outcome::NoModel);
            sensor.learn(400);
            // What was learnt from once is not learnt from again.
            assert!(!sensor.learn(400));
        }
        assert_eq!((sensor.statistics().seen, sensor.statistics().without_model), (400, 400));
        // Of one originator no more than a quota is kept: not a tenth of what there was.
        assert!(!sensor.fit_is_due(400) && sensor.fit_is_due(150));
        assert!(!sensor.has_learnt(400) && sensor.has_learnt(150));
        sensor.fit(7, 20.0, file.as_os_str().as_bytes()).unwrap();
        assert!(sensor.busy() && !sensor.fit_is_due(150));
        assert!(sensor.fit(8, 20.0, b"").unwrap_err().contains("under way"));
        let done = sensor.finished(true);
        assert!(done.what == ffi::Finished::Fitted && done.problem.is_empty() && done.pause > 0.0);
        assert!(sensor.score(&view(0.5, 80)).outcome == Outcome::Scored);
        assert_eq!(sensor.describe().version, 7);
        assert_eq!(fs::read(&file).unwrap(), sensor.model_bytes());

        // Another node takes it over; an older or a damaged one it does not.
        let mut other = new_sensor();
        let (bytes, checksum) = (sensor.model_bytes(), sensor.describe().checksum);
        assert_eq!(other.adopt_model(&bytes, &checksum, b""), Ok(true));
        assert_eq!(other.adopt_model(&bytes, &checksum, b""), Ok(false), "it has that one");
        assert!(other.score(&view(0.5, 80)).outcome == Outcome::Scored);
        sensor.recalibrate(9, 20.0, b"").unwrap();
        assert!(sensor.finished(true).what == ffi::Finished::Fitted);
        assert_eq!(other.adopt_model(&sensor.model_bytes(), "", b""), Ok(true));
        assert!(other.adopt_model(&bytes, &checksum, b"").unwrap_err().contains("older"));
        let mut damaged = sensor.model_bytes();
        damaged[500] ^= 1;
        assert!(other.adopt_model(&damaged, "", b"").unwrap_err().contains("damaged"));
        assert!(other.adopt_model(&sensor.model_bytes(), "0123456789abcdef", b"").unwrap_err().contains("announced"));
        assert_eq!((other.describe().version, other.statistics().refused), (9, 3));
    }

    #[test]
    fn a_restart_goes_on_with_what_is_remembered() {
        let directory = tempfile::tempdir().unwrap();
        let (model_file, memory_file) = (directory.path().join("model"), directory.path().join("memory"));
        let name = memory_file.as_os_str().as_bytes();
        model().save(&model_file).unwrap();
        let mut sensor = new_sensor();
        sensor.load_memory(name).unwrap();
        sensor.load_state(model_file.as_os_str().as_bytes()).unwrap();
        let score = |sensor: &mut Sensor, i: u32| sensor.score(&view(f64::from(i % 50) / 10.0, 80)).score;
        (0..1200).for_each(|i| _ = score(&mut sensor, i));
        sensor.save_memory(name).unwrap();
        assert!(sensor.finished(true).problem.is_empty());
        let mut next = new_sensor();
        next.load_state(model_file.as_os_str().as_bytes()).unwrap();
        let mut cold = new_sensor();
        cold.load_state(model_file.as_os_str().as_bytes()).unwrap();
        next.load_memory(name).unwrap();
        assert_eq!(next.statistics().drift, sensor.statistics().drift);
        assert!(next.statistics().drift > 0.0);
        let scored = score(&mut sensor, 7);
        assert_eq!(score(&mut next, 7), scored);
        assert_ne!(score(&mut cold, 7), scored);
        fs::write(&memory_file, "damaged").unwrap();
        assert!(next.load_memory(name).unwrap_err().contains("memory: is something else"));
        // Without a model it is the hosts alone.
        let mut early = new_sensor();
        early.start_learning(1000, 86_400.0);
        early.score(&view(0.5, 80));
        early.save_memory(name).unwrap();
        assert!(early.finished(true).problem.is_empty());
        early.load_memory(name).unwrap();
    }

    #[test]
    fn samples_go_from_node_to_node() {
        let mut worker = new_sensor();
        let mut manager = new_sensor();
        worker.start_learning(1000, 86_400.0);
        manager.start_learning(1000, 86_400.0);
        for i in 0..12 {
            worker.score(&view(f64::from(i), 80));
            worker.learn(1000);
        }
        let (first, rest) = (worker.take_sample(10), worker.take_sample(10));
        assert_eq!((worker.statistics().rows, worker.statistics().seen), (0, 0));
        manager.merge_sample(&rest).unwrap();
        manager.merge_sample(&first).unwrap();
        assert_eq!((manager.statistics().rows, manager.statistics().seen), (12, 12));
        let mut damaged = first.clone();
        damaged[100] ^= 1;
        assert!(manager.merge_sample(&damaged).unwrap_err().contains("damaged"));
        let mut other = new_sensor();
        other.start_learning(1000, 3600.0);
        assert!(other.merge_sample(&first).unwrap_err().contains("half-life"));

        // And to the next run.
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("sample");
        let name = file.as_os_str().as_bytes();
        let mut next = new_sensor();
        next.start_learning(1000, 86_400.0);
        next.load_sample(name).unwrap();
        manager.save_sample(name).unwrap();
        assert!(manager.finished(true).problem.is_empty());
        next.load_sample(name).unwrap();
        assert_eq!((next.statistics().rows, next.statistics().seen), (12, 12));
    }

    #[test]
    fn a_budget_of_alerts_sets_the_threshold_of_every_model() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("model");
        model().save(&path).unwrap();
        let mut sensor = new_sensor();
        sensor.set_alerts_per_day(3.0);
        sensor.load_model(path.as_os_str().as_bytes()).unwrap();
        assert_eq!(sensor.threshold(), model().threshold_for_alerts(3.0));
        sensor.set_alerts_per_day(5000.0);
        assert_eq!(sensor.threshold(), model().threshold_for_alerts(5000.0));
        assert_ne!(sensor.threshold(), model().threshold());
        sensor.set_threshold(0.75);
        assert_eq!(sensor.threshold(), 0.75, "a threshold overrules a budget");
        sensor.set_threshold(0.0);
        sensor.set_alerts_per_day(0.0);
        assert_eq!(sensor.threshold(), model().threshold());
    }

    #[test]
    fn an_anomaly_has_reasons() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("model");
        model().save(&path).unwrap();
        let mut sensor = new_sensor();
        sensor.load_model(path.as_os_str().as_bytes()).unwrap();
        sensor.set_threshold(0.001);
        sensor.score(&view(9e5, 31_337));
        let reasons = sensor.reasons();
        assert!(reasons.text.contains("10d10h long, usually under 4.9s"), "{}", reasons.text);
        assert!(!reasons.main.is_empty());
        sensor.set_threshold(0.999);
        sensor.score(&view(9e5, 31_337));
        assert_eq!(sensor.reasons().text, "");
    }

    #[test]
    fn a_fault_is_told_once() {
        let mut sensor = new_sensor();
        assert_eq!(sensor.take_fault(), "");
        sensor.fault = caught(|| panic!("first")).err();
        assert!(sensor.take_fault().starts_with("first"));
        sensor.fault.get_or_insert("second".into());
        assert_eq!(sensor.take_fault(), "");
    }
}

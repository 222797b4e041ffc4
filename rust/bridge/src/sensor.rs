//! The sensor's handle: a detector that may be missing, the model file it came from, and what last went wrong.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use detector::{Detector, Model};

use crate::fault::{caught, silence};
use crate::ffi::{ConnectionView, Outcome, Verdict};
use crate::view::connection;

/// A detector that may have no model yet.
#[derive(Default)]
pub struct Sensor {
    detector: Option<Detector>,
    tried: Option<Tried>,
    threshold: Option<f64>,
    /// The first failure of the software, empty once told. Later ones are not kept: they are likely its echoes.
    fault: Option<String>,
}

/// The model file that was last tried, and which version of it, whether it was loaded or refused.
struct Tried {
    path: PathBuf,
    version: Option<FileVersion>,
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
        self.tried = Some(Tried { path: path.to_owned(), version: FileVersion::of(path) });
        let loaded = caught(|| Model::load(path).map_err(|refusal| refusal.to_string()));
        let model = loaded.unwrap_or_else(|fault| Err(format!("{}: {fault}", path.display()))).map_err(|refusal| {
            let state = match self.detector {
                Some(_) => "the model before it stays at work",
                None => "connections are not scored",
            };
            format!("{refusal}; {state}")
        })?;
        match &mut self.detector {
            Some(detector) => detector.replace_model(model),
            None => self.detector = Some(Detector::new(model)),
        }
        Ok(())
    }

    pub(crate) fn model_changed(&self) -> bool {
        self.tried.as_ref().is_some_and(|tried| tried.version != FileVersion::of(&tried.path))
    }

    pub(crate) fn unload_model(&mut self) {
        self.detector = None;
        self.tried = None;
    }

    pub(crate) fn set_threshold(&mut self, threshold: f64) {
        self.threshold = (threshold > 0.0).then_some(threshold);
    }

    pub(crate) fn threshold(&self) -> f64 {
        let own = || self.detector.as_ref().map_or(0.0, |detector| detector.model().threshold());
        self.threshold.unwrap_or_else(own)
    }

    pub(crate) fn score(&mut self, view: &ConnectionView<'_>) -> Verdict {
        let none = |outcome| Verdict { outcome, anomalous: false, score: 0.0 };
        let Some(detector) = &mut self.detector else { return none(Outcome::NoModel) };
        match caught(|| detector.score(&connection(view))) {
            Ok(verdict) => Verdict {
                outcome: Outcome::Scored,
                anomalous: self.threshold.map_or(verdict.anomalous, |threshold| verdict.score >= threshold),
                score: verdict.score,
            },
            Err(cause) => {
                self.fault.get_or_insert(cause);
                none(Outcome::Fault)
            }
        }
    }

    pub(crate) fn pass_by(&mut self, view: &ConnectionView<'_>) -> Outcome {
        let Some(detector) = &mut self.detector else { return Outcome::NoModel };
        match caught(|| detector.pass_by(&connection(view))) {
            Ok(()) => Outcome::Scored,
            Err(cause) => {
                self.fault.get_or_insert(cause);
                Outcome::Fault
            }
        }
    }

    pub(crate) fn take_fault(&mut self) -> String {
        self.fault.as_mut().map(std::mem::take).unwrap_or_default()
    }
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
            trainer.observe(&connection(&view(f64::from(i % 50) / 10.0, 80)));
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
    fn a_fault_is_told_once() {
        let mut sensor = new_sensor();
        assert_eq!(sensor.take_fault(), "");
        sensor.fault = caught(|| panic!("first")).err();
        assert!(sensor.take_fault().starts_with("first"));
        sensor.fault.get_or_insert("second".into());
        assert_eq!(sensor.take_fault(), "");
    }
}

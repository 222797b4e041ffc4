//! The sensor's learning: its reservoir, the fits in the background, the model's state on disk, and what other nodes of
//! a cluster hand over.
//!
//! When to learn, fit, save or send is decided by the scripts.

use std::ffi::OsStr;
use std::fmt::Display;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use detector::{FileError, Memory, Model, Params, Reservoir, Sampling, Snapshot, Trust, learner};

use crate::background::Background;
use crate::fault::caught;
use crate::ffi::{Done, Finished};
use crate::sensor::Sensor;
use crate::state::{Claim, ModelFile};

/// The seed of every fit at a sensor: what is drawn depends on the traffic as well.
const SEED: u64 = 1;
/// In microseconds.
const DAY: i64 = 86_400_000_000;

/// Learning in place.
#[derive(Default)]
pub(crate) struct Learning {
    /// None while nothing is learnt.
    pub(crate) reservoir: Option<Reservoir>,
    background: Background<Report>,
    fitting: bool,
    /// How long starting the present fit held the main thread up.
    pause: Duration,
    /// What the clock said when it was asked last.
    pub(crate) latest: Latest,
    /// Held while nobody else may write in the state directory.
    claim: Option<Claim>,
    model_file: Arc<ModelFile>,
}

/// What became of a job.
enum Report {
    Fitted { model: Box<Model>, bytes: Vec<u8>, written: Result<(), String>, took: Duration },
    NotFitted(String),
    Saved(Result<(), String>),
}

fn path(bytes: &[u8]) -> Option<PathBuf> {
    (!bytes.is_empty()).then(|| Path::new(OsStr::from_bytes(bytes)).to_owned())
}

fn save(path: &Path, bytes: &[u8]) -> Result<(), String> {
    detector::save_bytes(path, bytes).map_err(|cause| cause.to_string())
}

/// What a file holds; a fault in reading it is an error like any other.
pub(crate) fn load<T, R: Display>(
    path: &Path,
    load: impl FnOnce(&Path) -> Result<T, FileError<R>>,
) -> Result<T, String> {
    match caught(|| load(path)) {
        Ok(loaded) => loaded.map_err(|error| error.to_string()),
        Err(fault) => Err(format!("{}: {fault}", path.display())),
    }
}

/// A connection is not dated later than this, in microseconds since 1970: the clock and a day, by which the clocks of two
/// nodes, or a replayed trace, may run ahead.
#[derive(Clone, Copy, Default)]
pub(crate) struct Latest(i64);

impl Latest {
    /// Of a connection at `ts`: the clock is asked only where the last answer does not do.
    pub(crate) fn not_before(&mut self, ts: i64) -> i64 {
        if ts > self.0 {
            *self = Self::now();
        }
        self.0
    }

    fn now() -> Self {
        let clock = SystemTime::now().duration_since(UNIX_EPOCH).map_or(i64::MAX, |clock| clock.as_micros() as i64);
        Self(clock.saturating_add(DAY))
    }
}

/// What was drawn before, or elsewhere, as it would have been drawn here: dated no later than now, by the same rules.
fn as_drawn_here(mut sample: Reservoir, sampling: Sampling) -> Reservoir {
    sample.not_after(Latest::now().0);
    sample.redrawn(sampling)
}

impl Sensor {
    pub(crate) fn open_state(&mut self, directory: &[u8]) -> Result<(), String> {
        self.learning.claim = None;
        let Some(directory) = path(directory) else { return Ok(()) };
        // What is there would be refused: it is not to be replaced before somebody has seen to it.
        let trusted = self.trust_in_state().check_directory(&directory);
        trusted.map_err(|distrust| format!("{}: {distrust}", directory.display()))?;
        self.learning.claim = Some(Claim::on(&directory)?);
        Ok(())
    }

    pub(crate) fn start_learning(&mut self, rows: usize, half_life: f64) {
        let sampling = learner::sampling(rows.max(2), ((half_life * 1e6) as i64).max(1));
        let reservoir = match self.learning.reservoir.take() {
            Some(reservoir) => as_drawn_here(reservoir, sampling),
            None => Reservoir::new(sampling, SEED),
        };
        self.learning.reservoir = Some(reservoir);
        self.extract_without_model();
    }

    pub(crate) fn stop_learning(&mut self) {
        self.learning.reservoir = None;
    }

    pub(crate) fn has_learnt(&self, after: u64) -> bool {
        let enough = |reservoir: &Reservoir| {
            // A reservoir that is too small for a tenth does with half of what it holds.
            let rows = after.div_ceil(10).min(reservoir.sampling().capacity as u64 / 2);
            reservoir.seen() >= after && reservoir.len() as u64 >= rows
        };
        self.learning.reservoir.as_ref().is_some_and(enough)
    }

    pub(crate) fn fit_is_due(&self, after: u64) -> bool {
        !self.learning.fitting && self.model().is_none() && self.has_learnt(after)
    }

    pub(crate) fn fit(&mut self, version: i64, alerts_per_day: f64, file: &[u8]) -> Result<(), String> {
        let mut params = Params::default();
        (params.seed, params.alerts_per_day) = (SEED, alerts_per_day);
        self.start_fit(version, file, move |sample| detector::fit(sample, &params).map_err(|cause| cause.to_string()))
    }

    pub(crate) fn recalibrate(&mut self, version: i64, alerts_per_day: f64, file: &[u8]) -> Result<(), String> {
        let model = self.model().ok_or("no model is at work")?.clone();
        self.start_fit(version, file, move |sample| {
            detector::recalibrate(&model, sample, alerts_per_day).map_err(|cause| cause.to_string())
        })
    }

    fn start_fit(
        &mut self,
        version: i64,
        file: &[u8],
        fit: impl FnOnce(Snapshot) -> Result<Model, String> + Send + 'static,
    ) -> Result<(), String> {
        let began = Instant::now();
        let learning = &mut self.learning;
        if learning.fitting {
            return Err("a fit is under way".into());
        }
        let reservoir = learning.reservoir.as_mut().ok_or("nothing is learnt")?;
        reservoir.not_after(Latest::now().0);
        let sample = reservoir.snapshot();
        let (file, model_file) = (path(file), learning.model_file.clone());
        let job = move || {
            let began = Instant::now();
            let fitted = fit(sample).and_then(|mut model| {
                model.set_origin(env!("CARGO_PKG_VERSION"), version, vec!["learnt by the sensor".into()]);
                let bytes = model.to_bytes().map_err(|cause| cause.to_string())?;
                Ok((Box::new(model), bytes))
            });
            match fitted {
                Ok((model, bytes)) => {
                    let written = file.map_or(Ok(()), |file| model_file.write(&file, version, &bytes));
                    Report::Fitted { model, bytes, written, took: began.elapsed() }
                }
                Err(cause) => Report::NotFitted(cause),
            }
        };
        learning.background.start(job, Report::NotFitted)?;
        learning.fitting = true;
        learning.pause = began.elapsed();
        Ok(())
    }

    pub(crate) fn finished(&mut self, wait: f64) -> Done {
        let nothing = || Done { what: Finished::Nothing, problem: String::new(), took: 0.0, pause: 0.0 };
        let Some(report) = self.learning.background.take(Duration::try_from_secs_f64(wait).unwrap_or_default()) else { return nothing() };
        match report {
            Report::Fitted { model, bytes, written, took } => {
                let began = Instant::now();
                self.learning.fitting = false;
                if model.provenance().trained_at <= self.version() {
                    let problem = "a newer model has come from another node meanwhile".to_owned();
                    return Done { what: Finished::NotFitted, problem, ..nothing() };
                }
                self.put_to_work(*model, bytes);
                let pause = (self.learning.pause + began.elapsed()).as_secs_f64();
                let problem = written.err().unwrap_or_default();
                Done { what: Finished::Fitted, problem, took: took.as_secs_f64(), pause }
            }
            Report::NotFitted(problem) => {
                self.learning.fitting = false;
                Done { what: Finished::NotFitted, problem, ..nothing() }
            }
            Report::Saved(result) => {
                Done { what: Finished::Saved, problem: result.err().unwrap_or_default(), ..nothing() }
            }
        }
    }

    pub(crate) fn busy(&self) -> bool {
        self.learning.background.running() > 0
    }

    pub(crate) fn save_sample(&mut self, file: &[u8]) -> Result<(), String> {
        let (Some(reservoir), Some(file)) = (&self.learning.reservoir, path(file)) else { return Ok(()) };
        let sample = reservoir.snapshot();
        let job = move || Report::Saved(save(&file, &sample.to_bytes()));
        self.learning.background.start(job, |fault| Report::Saved(Err(fault)))
    }

    pub(crate) fn load_sample(&mut self, file: &[u8]) -> Result<(), String> {
        let trust = self.trust_in_state();
        let (Some(reservoir), Some(file)) = (&mut self.learning.reservoir, path(file).filter(|file| file.exists()))
        else {
            return Ok(());
        };
        let sample = load(&file, |file| Reservoir::load(file, SEED, &trust))?;
        let sample = as_drawn_here(sample, reservoir.sampling());
        reservoir.merge(&sample).map_err(|mismatch| format!("{}: {mismatch}", file.display()))
    }

    pub(crate) fn save_memory(&mut self, file: &[u8]) -> Result<(), String> {
        let (Some(memory), Some(file)) = (self.memory(), path(file)) else { return Ok(()) };
        let job = move || Report::Saved(memory.save(&file).map_err(|cause| cause.to_string()));
        self.learning.background.start(job, |fault| Report::Saved(Err(fault)))
    }

    pub(crate) fn load_memory(&mut self, file: &[u8]) -> Result<(), String> {
        let Some(file) = path(file).filter(|file| file.exists()) else { return Ok(()) };
        let trust = self.trust_in_state();
        let memory = load(&file, |file| Memory::load(file, &trust))?;
        let sound = self.remember(memory);
        sound.then_some(()).ok_or_else(|| format!("{}: is damaged: it holds what no connection gives", file.display()))
    }

    pub(crate) fn take_sample(&mut self, most: usize) -> Vec<u8> {
        self.learning.reservoir.as_mut().map(|reservoir| reservoir.take(most).to_bytes()).unwrap_or_default()
    }

    pub(crate) fn merge_sample(&mut self, bytes: &[u8]) -> Result<(), String> {
        let reservoir = self.learning.reservoir.as_mut().ok_or("nothing is learnt here")?;
        let merged = caught(|| {
            let mut sample = Reservoir::from_bytes(bytes, SEED).map_err(|refusal| refusal.to_string())?;
            // What its node has left out says nothing of the other nodes.
            sample.set_bound(None);
            let sample = as_drawn_here(sample, reservoir.sampling());
            reservoir.merge(&sample).map_err(|mismatch| mismatch.to_string())
        });
        merged.unwrap_or_else(Err).map_err(|cause| format!("the sample {cause}"))
    }

    pub(crate) fn sample_bound(&self) -> f64 {
        self.learning.reservoir.as_ref().and_then(Reservoir::bound).unwrap_or(f64::INFINITY)
    }

    pub(crate) fn set_sample_bound(&mut self, bound: f64) {
        if let Some(reservoir) = &mut self.learning.reservoir {
            reservoir.set_bound(Some(bound));
        }
    }

    /// What a sensor wrote itself is not signed.
    fn trust_in_state(&self) -> Trust {
        Trust { key: String::new(), ..self.trust }
    }

    pub(crate) fn load_state(&mut self, file: &[u8]) -> Result<bool, String> {
        let Some(file) = path(file).filter(|file| file.exists()) else { return Ok(false) };
        let trust = self.trust_in_state();
        let model = load(&file, |file| Model::load(file, &trust))?;
        if model.provenance().trained_at <= self.version() {
            return Ok(false);
        }
        let bytes = model.to_bytes().map_err(|cause| cause.to_string())?;
        self.put_to_work(model, bytes);
        Ok(true)
    }

    pub(crate) fn save_state(&mut self, file: &[u8]) -> Result<(), String> {
        let (bytes, version) = (self.model_bytes(), self.version());
        let Some(file) = path(file).filter(|_| !bytes.is_empty()) else { return Ok(()) };
        let model_file = self.learning.model_file.clone();
        let job = move || Report::Saved(model_file.write(&file, version, &bytes));
        self.learning.background.start(job, |fault| Report::Saved(Err(fault)))
    }

    /// That of the model at work, and before the first one, less than that of any.
    fn version(&self) -> i64 {
        self.model().map_or(i64::MIN, |model| model.provenance().trained_at)
    }

    pub(crate) fn adopt_model(&mut self, bytes: &[u8], checksum: &str, file: &[u8]) -> Result<bool, String> {
        self.adopt(bytes, checksum, file).inspect_err(|_| self.count_refusal())
    }

    fn adopt(&mut self, bytes: &[u8], checksum: &str, file: &[u8]) -> Result<bool, String> {
        let model = caught(|| Model::from_bytes(bytes).map_err(|refusal| refusal.to_string()));
        let model = model.unwrap_or_else(Err).map_err(|cause| format!("the model {cause}"))?;
        if !checksum.is_empty() && checksum != crate::sensor::checksum(bytes) {
            return Err("the model is damaged: its checksum is not the one announced".into());
        }
        let version = model.provenance().trained_at;
        let at_work = self.version();
        if version < at_work {
            let behind = Duration::from_micros(at_work.abs_diff(version)).as_secs_f64();
            return Err(format!("the model is {behind:.6} seconds older than the one at work"));
        }
        if version == at_work {
            return Ok(false);
        }
        if let Some(file) = path(file) {
            let (model_file, bytes) = (self.learning.model_file.clone(), bytes.to_vec());
            let job = move || Report::Saved(model_file.write(&file, version, &bytes));
            if self.sees_connections() {
                self.learning.background.start(job, |fault| Report::Saved(Err(fault)))?;
            } else {
                // Nothing is held up: it is in the file before it is at work, and a manager that dies and comes back does
                // not ask its workers to go back to an older one.
                self.learning.background.done(job());
            }
        }
        self.put_to_work(model, bytes.to_vec());
        Ok(true)
    }
}

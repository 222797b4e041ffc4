//! The sensor's learning: its reservoir, the fits in the background, the model's state on disk, and what other nodes of
//! a cluster hand over.
//!
//! When to learn, fit, save or send is decided by the scripts.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use detector::{Model, Params, Reservoir, Sampling, Snapshot, State, Trust};

use crate::ended::Report;
use crate::fault::{caught, load};
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
    pub(crate) fitting: bool,
    /// How long starting the present fit held the main thread up.
    pub(crate) pause: Duration,
    /// What the clock said when it was asked last.
    pub(crate) latest: Latest,
    /// Where state is to be written; none for nowhere.
    pub(crate) directory: Option<PathBuf>,
    /// Held while nobody else may write there.
    pub(crate) claim: Option<Claim>,
    model_file: Arc<ModelFile>,
}

fn path(bytes: &[u8]) -> Option<PathBuf> {
    (!bytes.is_empty()).then(|| Path::new(OsStr::from_bytes(bytes)).to_owned())
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
        self.learning.directory = path(directory);
        let (claim, wanted) = (self.learning.claim.take(), self.learning.directory.clone());
        self.learning.claim = match (wanted, claim) {
            (Some(directory), Some(claim)) if claim.is_on(&directory) => Some(claim),
            (wanted, claim) => {
                self.release(claim);
                wanted.map(|directory| Claim::on(&directory, &self.trust_in_state())).transpose()?
            }
        };
        Ok(())
    }

    /// Gives a directory up when all that is being written there has been.
    fn release(&mut self, claim: Option<Claim>) {
        let Some(claim) = claim else { return };
        let job = move || {
            drop(claim);
            Report::Released
        };
        // Where no thread can be started, none writes there.
        let _ = self.background.start(job, |_| Report::Released);
    }

    pub(crate) fn claim_state(&mut self) -> Result<(), String> {
        let Some(directory) = self.learning.directory.clone() else { return Ok(()) };
        let (trust, unclaimed) = (self.trust_in_state(), directory.clone());
        let job = move || Report::Claimed(directory.clone(), Claim::on(&directory, &trust).ok());
        self.background.start(job, |_| Report::Claimed(unclaimed, None))
    }

    pub(crate) fn start_learning(&mut self, rows: usize, half_life: f64) {
        // What is no number is not as much as a minute either.
        let sampling = Sampling::for_sensor(rows.max(2), (half_life.max(60.0) * 1e6) as i64);
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

    pub(crate) fn can_fit(&self, after: u64) -> bool {
        let enough = |reservoir: &Reservoir| {
            // A reservoir that is too small for a tenth does with half of what it holds.
            let rows = after.div_ceil(10).min(reservoir.sampling().capacity as u64 / 2);
            reservoir.seen() >= after && reservoir.len() as u64 >= rows
        };
        !self.learning.fitting && self.learning.reservoir.as_ref().is_some_and(enough)
    }

    pub(crate) fn fit_is_due(&self, after: u64) -> bool {
        self.model().is_none() && self.can_fit(after)
    }

    pub(crate) fn fit(&mut self, version: i64, alerts_per_day: f64, file: &[u8]) -> Result<(), String> {
        let mut params = Params::default();
        (params.seed, params.alerts_per_day) = (SEED, alerts_per_day);
        self.start_fit(version, alerts_per_day, file, move |sample| {
            detector::fit(sample, &params).map_err(|cause| cause.to_string())
        })
    }

    pub(crate) fn recalibrate(&mut self, version: i64, alerts_per_day: f64, file: &[u8]) -> Result<(), String> {
        let model = self.model().ok_or("no model is at work")?.clone();
        self.start_fit(version, alerts_per_day, file, move |sample| {
            detector::recalibrate(&model, sample, alerts_per_day).map_err(|cause| cause.to_string())
        })
    }

    fn start_fit(
        &mut self,
        version: i64,
        alerts_per_day: f64,
        file: &[u8],
        fit: impl FnOnce(Snapshot) -> Result<Model, String> + Send + 'static,
    ) -> Result<(), String> {
        let began = Instant::now();
        if !alerts_per_day.is_finite() {
            return Err(format!("{alerts_per_day} is no number of alerts a day"));
        }
        let learning = &mut self.learning;
        if learning.fitting {
            return Err("a fit is under way".into());
        }
        self.background.ready()?;
        let reservoir = learning.reservoir.as_mut().ok_or("nothing is learnt")?;
        reservoir.not_after(Latest::now().0);
        let sample = reservoir.snapshot();
        let (file, model_file) = (path(file).unwrap_or_default(), learning.model_file.clone());
        let job = move || {
            let began = Instant::now();
            #[cfg(feature = "planted-panic")]
            crate::fault::planted(9);
            let fitted = fit(sample).and_then(|mut model| {
                model.set_origin(env!("CARGO_PKG_VERSION"), version, vec!["learnt by the sensor".into()]);
                let bytes = model.to_bytes().map_err(|cause| cause.to_string())?;
                Ok((Box::new(model), bytes))
            });
            match fitted {
                Ok((model, bytes)) => {
                    let nowhere = file.as_os_str().is_empty();
                    let written = if nowhere { Ok(()) } else { model_file.write(&file, version, &bytes) };
                    Report::Fitted { model, bytes, file, written, took: began.elapsed() }
                }
                Err(cause) => Report::NotFitted(cause),
            }
        };
        self.background.start(job, Report::NotFitted)?;
        learning.fitting = true;
        learning.pause = began.elapsed();
        Ok(())
    }

    pub(crate) fn save_sample(&mut self, file: &[u8]) -> Result<(), String> {
        let (Some(reservoir), Some(file)) = (&self.learning.reservoir, path(file)) else { return Ok(()) };
        self.background.ready()?;
        let sample = reservoir.snapshot();
        self.start_to_save(file, move |file| {
            detector::save_bytes(file, &sample.to_bytes()).map_err(|cause| cause.to_string())
        })
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
        let Some(file) = path(file) else { return Ok(()) };
        self.background.ready()?;
        let Some(memory) = self.memory() else { return Ok(()) };
        self.start_to_save(file, move |file| memory.save(file).map_err(|cause| cause.to_string()))
    }

    fn start_to_save(
        &mut self,
        file: PathBuf,
        save: impl FnOnce(&Path) -> Result<(), String> + Send + 'static,
    ) -> Result<(), String> {
        let unsaved = file.clone();
        let job = move || {
            let saved = save(&file);
            Report::Saved(file, saved)
        };
        self.background.start(job, |fault| Report::Saved(unsaved, Err(fault)))
    }

    pub(crate) fn load_memory(&mut self, file: &[u8]) -> Result<(), String> {
        let Some(file) = path(file).filter(|file| file.exists()) else { return Ok(()) };
        let trust = self.trust_in_state();
        let memory = load(&file, |file| State::load(file, &trust))?;
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
        self.start_to_save(file, move |file| model_file.write(file, version, &bytes))
    }

    /// That of the model at work, and before the first one, less than that of any.
    pub(crate) fn version(&self) -> i64 {
        self.model().map_or(i64::MIN, |model| model.provenance().trained_at)
    }

    pub(crate) fn adopt_model(
        &mut self,
        bytes: &[u8],
        checksum: &str,
        file: &[u8],
        write_first: bool,
    ) -> Result<bool, String> {
        self.adopt(bytes, checksum, file, write_first).inspect_err(|_| self.count_refusal())
    }

    fn adopt(&mut self, bytes: &[u8], checksum: &str, file: &[u8], write_first: bool) -> Result<bool, String> {
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
            if write_first {
                let written = model_file.write(&file, version, &bytes);
                self.background.done(Report::Saved(file, written));
            } else {
                self.start_to_save(file, move |file| model_file.write(file, version, &bytes))?;
            }
        }
        self.put_to_work(model, bytes.to_vec());
        Ok(true)
    }
}

//! Learning at the sensor: reservoir, background fits, and the files in the state directory.
//!
//! The scripts decide when to learn, fit, save and send.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use detector::units::DAY;
use detector::{FeatureRow, LogKind, LogRecord, Model, Params, Reservoir, ReservoirSnapshot, Sampling, Trust};

use crate::background::Background;
use crate::job::{Fitted, JobResult};
use crate::panic::load;
use crate::state_dir::{DirLock, ModelWriter};

/// Seed of every fit. The random choices depend on the traffic as well.
const SEED: u64 = 1;

/// First of the `sources` of a model that a sensor learnt.
const SENSOR: &str = "learnt by the sensor";
/// Beginning of the second one; the version of Zeek follows.
const ZEEK: &str = "Zeek ";

/// Origin of a model fitted here.
pub(crate) struct Origin {
    /// Time of the fit in microseconds since 1970.
    pub(crate) version: i64,
    /// Empty if unknown.
    pub(crate) zeek_version: String,
}

impl Origin {
    fn record(self, model: &mut Model) {
        let mut sources = vec![SENSOR.to_owned()];
        if !self.zeek_version.is_empty() {
            sources.push(format!("{ZEEK}{}", self.zeek_version));
        }
        model.set_origin(env!("CARGO_PKG_VERSION"), self.version, sources);
    }
}

/// Returns the version of Zeek that a sensor learnt a model under; empty if not recorded.
pub(crate) fn zeek_version(model: &Model) -> String {
    match &model.provenance().sources[..] {
        [sensor, zeek] if sensor == SENSOR => zeek.strip_prefix(ZEEK).unwrap_or_default().to_owned(),
        _ => String::new(),
    }
}

type Jobs = Background<JobResult>;

/// Learning at the sensor.
#[derive(Default)]
pub(crate) struct Learning {
    pub(crate) log: LogKind,
    /// None while learning is off.
    pub(crate) reservoir: Option<Reservoir>,
    pub(crate) fitting: bool,
    /// Time that the start of the current fit took on the main thread.
    pub(crate) pause: Duration,
    /// Version of the Zeek this runs in; empty if unknown.
    pub(crate) zeek_version: String,
    latest: Latest,
    pub(crate) directory: Option<PathBuf>,
    /// None while another process has the directory locked.
    pub(crate) lock: Option<Arc<DirLock>>,
    writer: Arc<ModelWriter>,
}

/// The last record, until it is learnt or the next one arrives.
#[derive(Clone, Copy)]
pub(crate) struct PendingExample {
    record: LogRecord<'static>,
    row: FeatureRow,
    alert: bool,
}

impl PendingExample {
    pub(crate) fn new(record: &LogRecord<'_>, row: FeatureRow, alert: bool) -> Self {
        Self { record: record.without_texts(), row, alert }
    }
}

/// Latest plausible time in microseconds since 1970: the clock plus a day of tolerance for clocks that run ahead.
#[derive(Clone, Copy, Default)]
pub(crate) struct Latest(pub(crate) i64);

impl Latest {
    /// Returns the limit for a connection at `ts`. It reads the clock only if `ts` is past the previous limit.
    fn for_time(&mut self, ts: i64) -> i64 {
        if ts > self.0 {
            *self = Self::now();
        }
        self.0
    }

    pub(crate) fn now() -> Self {
        let clock = SystemTime::now().duration_since(UNIX_EPOCH).map_or(i64::MAX, |clock| clock.as_micros() as i64);
        Self(clock.saturating_add(DAY))
    }
}

/// Resamples a reservoir of another run or node to local settings, with no row in the future.
fn resample(mut sample: Reservoir, sampling: Sampling) -> Reservoir {
    sample.not_after(Latest::now().0);
    sample.resampled(sampling)
}

/// Builds a model from a snapshot of the reservoir, on the background thread.
pub(crate) type Fit = Box<dyn FnOnce(ReservoirSnapshot) -> Result<Model, String> + Send>;

pub(crate) fn new_fit(log: LogKind, alerts_per_day: f64) -> Fit {
    let mut params = Params::of(log);
    (params.seed, params.alerts_per_day) = (SEED, alerts_per_day);
    Box::new(move |sample| detector::fit(sample, &params).map_err(|error| error.to_string()))
}

pub(crate) fn new_recalibration(model: Arc<Model>, alerts_per_day: f64) -> Fit {
    Box::new(move |sample| detector::recalibrate(&model, sample, alerts_per_day).map_err(|error| error.to_string()))
}

impl Learning {
    pub(crate) fn is_on(&self) -> bool {
        self.reservoir.is_some()
    }

    pub(crate) fn start(&mut self, rows: usize, half_life: f64) {
        // `max` also replaces NaN.
        let sampling = Sampling::for_sensor(rows.max(2), (half_life.max(60.0) * 1e6) as i64);
        self.reservoir = Some(match self.reservoir.take() {
            Some(reservoir) => resample(reservoir, sampling),
            None => Reservoir::new(sampling, SEED).for_log(self.log),
        });
    }

    /// Adds a row to the reservoir. Returns false while learning is off.
    pub(crate) fn learn(&mut self, example: &PendingExample) -> bool {
        let PendingExample { record, row, alert } = example;
        let latest = self.latest.for_time(record.end());
        let Some(reservoir) = &mut self.reservoir else { return false };
        reservoir.learn(record, row, *alert, latest);
        true
    }

    pub(crate) fn can_fit(&self, learn_after: u64) -> bool {
        let enough = |reservoir: &Reservoir| {
            // A small reservoir needs only half of its rows.
            let rows = learn_after.div_ceil(10).min(reservoir.sampling().capacity as u64 / 2);
            reservoir.seen() >= learn_after && reservoir.len() as u64 >= rows
        };
        !self.fitting && self.reservoir.as_ref().is_some_and(enough)
    }

    pub(crate) fn start_fit(&mut self, jobs: &mut Jobs, fit: Fit, origin: Origin, file: PathBuf) -> Result<(), String> {
        let began = Instant::now();
        if self.fitting {
            return Err("a fit is already running".into());
        }
        jobs.ready()?;
        let reservoir = self.reservoir.as_mut().ok_or("learning is off")?;
        reservoir.not_after(Latest::now().0);
        let (sample, writer) = (reservoir.snapshot(), self.writer.clone());
        let job = move || {
            let began = Instant::now();
            #[cfg(feature = "injected-panic")]
            crate::panic::injected(9);
            let version = origin.version;
            let fitted = fit(sample).and_then(|mut model| {
                origin.record(&mut model);
                let bytes = model.to_bytes().map_err(|error| error.to_string())?;
                Ok((model, bytes))
            });
            match fitted {
                Ok((model, bytes)) => {
                    let nowhere = file.as_os_str().is_empty();
                    let written = if nowhere { Ok(()) } else { writer.write(&file, version, &bytes) };
                    JobResult::Fitted(Box::new(Fitted { model, bytes, file, written, took: began.elapsed() }))
                }
                Err(error) => JobResult::FitFailed(error),
            }
        };
        jobs.start(job, JobResult::FitFailed)?;
        self.fitting = true;
        self.pause = began.elapsed();
        Ok(())
    }

    pub(crate) fn save_sample(&mut self, jobs: &mut Jobs, file: PathBuf) -> Result<(), String> {
        let Some(reservoir) = &self.reservoir else { return Ok(()) };
        jobs.ready()?;
        let sample = reservoir.snapshot();
        start_saving(jobs, file, move |file| sample.save(file).map_err(|error| error.to_string()))
    }

    pub(crate) fn load_sample(&mut self, file: &Path, trust: &Trust) -> Result<(), String> {
        let Some(reservoir) = &mut self.reservoir else { return Ok(()) };
        let sample = load(file, |file| Reservoir::load(file, SEED, trust))?;
        let sample = resample(sample, reservoir.sampling());
        reservoir.merge(&sample).map_err(|mismatch| format!("{}: {mismatch}", file.display()))
    }

    pub(crate) fn merge_sample(&mut self, bytes: &[u8]) -> Result<(), String> {
        let reservoir = self.reservoir.as_mut().ok_or("learning is off")?;
        let mut sample = Reservoir::from_bytes(bytes, SEED).map_err(|refusal| format!("the sample {refusal}"))?;
        // The bound of one node does not hold for the others.
        sample.set_bound(None);
        let sample = resample(sample, reservoir.sampling());
        reservoir.merge(&sample).map_err(|mismatch| format!("the sample {mismatch}"))
    }

    pub(crate) fn save_model(
        &self,
        jobs: &mut Jobs,
        file: PathBuf,
        version: i64,
        bytes: Vec<u8>,
    ) -> Result<(), String> {
        let writer = self.writer.clone();
        start_saving(jobs, file, move |file| writer.write(file, version, &bytes))
    }

    /// Writes a model on the main thread and queues the result.
    pub(crate) fn write_model(&self, jobs: &mut Jobs, file: PathBuf, version: i64, bytes: &[u8]) {
        let written = self.writer.write(&file, version, bytes);
        jobs.done(JobResult::Saved(file, written));
    }

    pub(crate) fn open_directory(
        &mut self,
        jobs: &mut Jobs,
        directory: Option<PathBuf>,
        trust: &Trust,
    ) -> Result<(), String> {
        self.directory = directory.clone();
        let held = self.lock.take();
        self.lock = match (directory, held) {
            (Some(directory), Some(lock)) if lock.is_on(&directory) => Some(lock),
            (wanted, held) => {
                release(jobs, held);
                wanted.map(|directory| DirLock::acquire(&directory, trust).map(Arc::new)).transpose()?
            }
        };
        Ok(())
    }

    /// Starts a job that locks the directory unless this process still holds it.
    pub(crate) fn lock_directory(&self, jobs: &mut Jobs, trust: Trust) -> Result<(), String> {
        let Some(directory) = self.directory.clone() else { return Ok(()) };
        let (held, failed) = (self.lock.clone(), directory.clone());
        let job = move || match held.is_some_and(|lock| lock.is_on(&directory)) {
            true => JobResult::Released,
            false => {
                let lock = DirLock::acquire(&directory, &trust).ok();
                JobResult::Locked(directory, lock)
            }
        };
        jobs.start(job, |_| JobResult::Locked(failed, None))
    }
}

/// Starts writing a file.
pub(crate) fn start_saving(
    jobs: &mut Jobs,
    file: PathBuf,
    save: impl FnOnce(&Path) -> Result<(), String> + Send + 'static,
) -> Result<(), String> {
    let unsaved = file.clone();
    let job = move || {
        let saved = save(&file);
        JobResult::Saved(file, saved)
    };
    jobs.start(job, |panic| JobResult::Saved(unsaved, Err(panic)))
}

/// Releases a lock after the writes queued before.
fn release(jobs: &mut Jobs, lock: Option<Arc<DirLock>>) {
    let Some(lock) = lock else { return };
    let job = move || {
        drop(lock);
        JobResult::Released
    };
    // If no thread can be started, no writes are queued.
    let _ = jobs.start(job, |_| JobResult::Released);
}

//! What came to an end in the background, and what becomes of it: on the main thread, when that asks.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use detector::Model;

use crate::ffi::{Done, Finished};
use crate::look::{Loaded, Tried};
use crate::sensor::Sensor;
use crate::state::Claim;

/// What became of a job.
pub(crate) enum Report {
    Fitted {
        model: Box<Model>,
        bytes: Vec<u8>,
        file: PathBuf,
        written: Result<(), String>,
        took: Duration,
    },
    NotFitted(String),
    Saved(PathBuf, Result<(), String>),
    /// Which look it was, and what was tried because it had changed.
    Looked(u64, Option<(Tried, Loaded)>),
    Claimed(PathBuf, Option<Claim>),
    Released,
}

impl Sensor {
    pub(crate) fn busy(&self) -> bool {
        self.background.running() > 0
    }

    pub(crate) fn finished(&mut self, wait: f64) -> Done {
        let wait = Duration::try_from_secs_f64(wait).unwrap_or_default();
        self.background.take(wait).map_or_else(|| done(Finished::Nothing), |report| self.take_in(report))
    }

    fn take_in(&mut self, report: Report) -> Done {
        match report {
            Report::Fitted { model, bytes, file, written, took } => {
                let began = Instant::now();
                self.learning.fitting = false;
                if model.provenance().trained_at <= self.version() {
                    let problem = "a newer model has come from another node meanwhile".to_owned();
                    return Done { problem, ..done(Finished::NotFitted) };
                }
                self.put_to_work(*model, bytes);
                let pause = (self.learning.pause + began.elapsed()).as_secs_f64();
                Done { took: took.as_secs_f64(), pause, ..with_file(Finished::Fitted, file, written) }
            }
            Report::NotFitted(problem) => {
                self.learning.fitting = false;
                Done { problem, ..done(Finished::NotFitted) }
            }
            Report::Saved(file, result) => with_file(Finished::Saved, file, result),
            Report::Looked(look, Some((tried, loaded))) if look == self.looks => {
                let file = tried.path.clone();
                let result = self.take_over(tried, loaded);
                with_file(if result.is_ok() { Finished::Loaded } else { Finished::Refused }, file, result)
            }
            Report::Claimed(directory, Some(claim)) if self.learning.directory.as_ref() == Some(&directory) => {
                self.learning.claim = Some(claim);
                with_file(Finished::Claimed, directory, Ok(()))
            }
            Report::Looked(..) | Report::Claimed(..) | Report::Released => done(Finished::Unchanged),
        }
    }
}

fn done(what: Finished) -> Done {
    Done { what, file: String::new(), problem: String::new(), took: 0.0, pause: 0.0 }
}

fn with_file(what: Finished, file: PathBuf, result: Result<(), String>) -> Done {
    Done { file: file.display().to_string(), problem: result.err().unwrap_or_default(), ..done(what) }
}

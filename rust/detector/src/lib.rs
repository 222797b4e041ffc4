//! What an anomaly in a network connection is.
//!
//! A [`Connection`] comes from a sensor or from a line of a log; nothing in here knows which. An [`Extractor`] turns it
//! into a row of numbers, one per feature of the [`schema`]; a [`Model`] turns the row into a score; a [`Detector`] does
//! both and returns a [`Verdict`].
//!
//! ```
//! use detector::{Detector, Extractor, Params, Reservoir, Trainer};
//! # use detector::{ConnState, Connection, Proto};
//! # fn traffic() -> impl Iterator<Item = Connection<'static>> {
//! #     (0..500).map(|i| Connection {
//! #         ts: i * 1_000_000, duration: Some(50_000 + i % 7), proto: Proto::Tcp,
//! #         conn_state: Some(ConnState::SF), ..Connection::default()
//! #     })
//! # }
//! // Learn: one pass, a bounded sample of the rows, then the fit.
//! let mut trainer = Trainer::new(Params::default());
//! for connection in traffic() {
//!     trainer.observe(&connection);
//! }
//! let model = trainer.fit()?;
//!
//! // Score: connections in the order in which they end.
//! let mut detector = Detector::new(model);
//! for connection in traffic() {
//!     let verdict = detector.score(&connection);
//!     assert!((0.0..=1.0).contains(&verdict.score));
//! }
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

#![forbid(unsafe_code)]

mod baseline;
mod calibration;
mod connection;
mod context;
mod drift;
mod evidence;
mod features;
mod file;
pub mod learner;
mod memory;
mod model;
mod rarity;
mod reasons;
mod reservoir;
mod sample;
mod scale;
pub mod schema;
mod scorer;
mod sealed;
mod span;
mod trainer;
mod trust;
pub mod units;

pub use baseline::RecordRange;
pub use calibration::Calibration;
pub use connection::{Address, ConnState, Connection, Endpoint, Proto};
pub use drift::{BINS, Counts, Drift, SLICES};
pub use evidence::{Evidence, Verdict};
pub use features::{Extractor, Row};
pub use file::{Fault, FileError, save_bytes, save_together};
pub use memory::{Memory, MemoryRefusal};
pub use model::{Model, Provenance, Refusal};
pub use reasons::{Reason, in_words};
pub use reservoir::{Group, Mismatch, Reservoir, Sampling, Snapshot};
pub use sample::SampleRefusal;
pub use scorer::Detector;
pub use sealed::{Broken, checksum, remove_leftovers};
pub use trainer::{Params, TrainError, Trainer, fit, recalibrate};
pub use trust::{Distrust, Trust, signature_of};

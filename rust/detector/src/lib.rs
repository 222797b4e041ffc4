//! Anomaly detection on network connections and DNS queries.
//!
//! A [`Connection`] or a [`DnsQuery`] comes from a sensor or from a line of a log. An [`Extractor`] turns it into a row
//! of numbers, one per feature of the [`schema`]; a [`Model`] turns the row into a score; a [`Detector`] does both and
//! returns a [`Verdict`].
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
//!     trainer.learn(&connection);
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

mod address;
mod alert;
mod conn;
mod context;
mod detector;
mod dns;
mod error;
mod extractor;
#[cfg(test)]
mod fixtures;
mod model;
mod network;
mod proto;
mod quantiles;
mod quantize;
mod reason_texts;
mod record;
mod reservoir;
mod schema;
mod state;
mod storage;
pub mod units;
mod verdict;

pub use address::Address;
pub use alert::drift::{BINS, BinCounts, Drift, SLICES};
pub use alert::incident::distinct_set::DistinctSet;
pub use alert::incident::host_risk::{Contribution, HostRisk, RiskTable, host_risks};
pub use alert::incident::known::{KnownEntry, KnownList};
pub use alert::incident::rules::{RULES, Rule};
pub use alert::incident::{
    Change, Event, Grouper, GrouperSnapshot, INCIDENT_TIMEOUT, Incident, IncidentKind, Observation, Role, format_port,
};
pub use alert::reasons::{Reason, format_reasons};
pub use alert::score_history::ScoreHistory;
pub use conn::connection::{ConnState, Connection, Endpoint};
pub use conn::schema::Column;
pub use context::keys::ContextKeys;
pub use detector::Detector;
pub use dns::query::{DnsQuery, rcode_name, type_name};
pub use error::{Contents, Error, ErrorKind};
pub use extractor::Extractor;
pub use model::calibration::Calibration;
pub use model::feature_stats::MaximumRange;
pub use model::scoring::{RowScore, ScoreCache};
pub use model::train::{Params, Trainer, fit, recalibrate};
pub use model::{Model, Provenance};
pub use network::Network;
pub use proto::Proto;
pub use record::LogRecord;
pub use reservoir::Reservoir;
pub use reservoir::entry::QuotaGroup;
pub use reservoir::sample::ReservoirSnapshot;
pub use reservoir::sampling::Sampling;
pub use schema::{Encoding, Feature, FeatureRow, LogKind, MAX_COLUMNS, Schema};
pub use state::State;
pub use storage::atomic_file::{remove_leftovers, save_together};
pub use storage::envelope::checksum;
pub use storage::trust::{Trust, signature_of};
pub use verdict::{AlertPolicy, Evidence, Verdict};

//! HTML report: aggregates of one pass over the logs, charts, and the page.
//!
//! The command [`report`](crate::commands::report) reads and scores the logs.

pub mod aggregates;
pub mod charts;
pub mod html;
pub mod incidents;
pub mod timeline;

use detector::{LogKind, Model};

use self::aggregates::Aggregates;

/// Scored logs of one kind.
pub struct Section<'a> {
    /// Kind of the logs.
    pub log: LogKind,
    pub aggregates: Aggregates,
    pub model: &'a Model,
    /// Model file; `None` if the model was trained on the same logs.
    pub path: Option<String>,
    /// Log arguments.
    pub names: &'a [String],
    /// Size of the log files, if known.
    pub bytes: Option<u64>,
    /// Unusable rows.
    pub skipped: u64,
    /// Logs that could not be read to the end.
    pub failures: u64,
}

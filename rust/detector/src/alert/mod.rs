//! Alerts: evidence that accumulates, reasons, incidents, and drift of the scores.

pub(crate) mod cusum;
pub(crate) mod drift;
pub(crate) mod incident;
pub(crate) mod reasons;
pub(crate) mod score_history;
mod token_bucket;

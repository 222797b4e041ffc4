//! Alerts: evidence that accumulates, reasons, and drift of the scores.

pub(crate) mod cusum;
pub(crate) mod drift;
pub(crate) mod reasons;

//! HTML report: aggregates of one pass over the logs, charts, and the page.
//!
//! The command [`report`](crate::commands::report) reads and scores the logs.

pub mod aggregates;
pub mod charts;
pub mod html;
pub mod incidents;
pub mod timeline;

//! A page about the anomalies of some logs: what it needs of them, its charts, and the page.
//!
//! Reading and scoring is the command's business; see [`commands::report`](crate::commands::report).

pub mod charts;
pub mod page;
pub mod survey;
pub mod timeline;

//! The arguments of `report`.

use std::path::PathBuf;

use super::logs::LogArgs;
use super::model::ModelArgs;

/// Write a page about the anomalies in logs
///
/// One HTML file that needs nothing else, to read, print or attach to a ticket: what was read, traffic and scores over
/// time, the most anomalous connections and why, the hosts that opened them, ports and services, and how to make the
/// page again. It stays below 3 MB however long the logs are.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  zeek-iforest report conn.log -o report.html
  zeek-iforest report -m iforest.model logs/2024-04-19/ -o report.html")]
pub struct ReportArgs {
    #[command(flatten)]
    pub model: ModelArgs,

    /// Where to write the page; - for standard output
    #[arg(long, short, value_name = "HTML")]
    pub output: PathBuf,

    #[command(flatten)]
    pub logs: LogArgs,
}

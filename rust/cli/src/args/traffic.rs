//! What is learnt from: logs, and which of their rows.

use super::labels::LabelArgs;
use super::logs::LogArgs;
use crate::conn_log::Labels;

/// Logs, of labelled ones only what is not malicious if asked.
#[derive(Debug, clap::Args)]
pub struct TrafficArgs {
    /// Learn from the rows of a labelled log that are not malicious; the others pass by as context
    #[arg(long, help_heading = "Labels")]
    only_benign: bool,

    #[command(flatten)]
    labels: LabelArgs,

    #[command(flatten)]
    pub logs: LogArgs,
}

impl TrafficArgs {
    /// Which rows are malicious, where they are to be left out.
    pub fn left_out(&self) -> Option<Labels> {
        self.only_benign.then(|| self.labels.required())
    }
}

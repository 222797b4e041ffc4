//! The arguments of `features`.

use super::labels::LabelArgs;
use super::logs::LogArgs;
use super::model::ModelArgs;
use super::output::OutputArgs;

/// Write the feature matrix of logs as CSV
///
/// The numbers the forest sees, one row per connection, with the features' names as the header; NaN where a value is
/// missing. The model says how rare each port and service is. A last column `label` (1 malicious, 0 not) follows when
/// the log has a label, so that any other tool can be run on the same matrix.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  zeek-iforest features labelled.conn.log -o matrix.csv
  zeek-iforest features -m iforest.model conn.log -o matrix.csv")]
pub struct FeaturesArgs {
    #[command(flatten)]
    pub model: ModelArgs,

    #[command(flatten)]
    pub output: OutputArgs,

    #[command(flatten)]
    pub labels: LabelArgs,

    #[command(flatten)]
    pub logs: LogArgs,
}

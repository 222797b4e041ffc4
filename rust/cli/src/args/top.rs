//! The arguments of `top`.

use super::logs::LogArgs;
use super::model::ModelArgs;
use super::threshold::ThresholdArgs;
use super::values::within;

/// Show the most anomalous connections
///
/// A table, the most anomalous first; a rule separates the anomalous ones from those that are only
/// next.
/// Bytes out and in are payload sent by the originator and by the responder.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  zeek-iforest top -m iforest.model conn.log
  zeek-iforest top -m iforest.model logs/2024-04-19/ -n 100 | less
  zeek-iforest top -m iforest.model conn.log --json | jq -r 'select(.anomalous).uid'")]
pub struct TopArgs {
    #[command(flatten)]
    pub model: ModelArgs,

    /// How many connections to show, 1 to 1000000
    #[arg(long, short = 'n', value_name = "N", default_value_t = 20, value_parser = within(1..=1_000_000))]
    pub number: usize,

    /// Print one JSON object a line, with Zeek's names of the fields
    ///
    /// The field anomalous is true for the connections above the rule; the reasons stand with all.
    #[arg(long)]
    pub json: bool,

    #[command(flatten)]
    pub threshold: ThresholdArgs,

    #[command(flatten)]
    pub logs: LogArgs,
}

//! The arguments of `score`.

use super::logs::LogArgs;
use super::model::ModelArgs;
use super::output::OutputArgs;
use super::threshold::ThresholdArgs;

/// Add the columns anomaly_score and anomaly_reasons to logs
///
/// The reasons stand where a connection is anomalous. The output keeps the input's format, the order of its columns and
/// every other byte of its rows, and holds one row for each row read. A row with a value that cannot be used is kept
/// without a score; one that is no row at all (cut short, broken JSON) is left out. Both are reported. On a terminal,
/// what it would act on or hide is shown as \xHH.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  zeek-iforest score -m iforest.model conn.log -o scored.log
  zeek-iforest score -m iforest.model logs/2024-04-19/ -o scored.log.gz
  zcat conn.*.log.gz | zeek-iforest score -m iforest.model | zeek-cut -u ts uid anomaly_score
  zeek-iforest score conn.log > scored.log       learns from conn.log first")]
pub struct ScoreArgs {
    #[command(flatten)]
    pub model: ModelArgs,

    #[command(flatten)]
    pub output: OutputArgs,

    #[command(flatten)]
    pub threshold: ThresholdArgs,

    #[command(flatten)]
    pub logs: LogArgs,
}

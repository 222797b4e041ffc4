//! The arguments of `inspect`.

use std::path::PathBuf;

use super::trust::TrustArgs;

/// Say what is in a model, or in the state directory of a sensor
///
/// Of a model, when and from what it was learnt, its parameters, its features and their meaning, how its scores are
/// distributed, and its threshold. Of a state directory, which model each node has and what it goes on learning from.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  zeek-iforest inspect iforest.model
  zeek-iforest inspect /usr/local/zeek/spool/stores/iforest")]
pub struct InspectArgs {
    /// The model, as written by train; a state directory; or a sample
    #[arg(value_name = "MODEL")]
    pub model: PathBuf,

    /// Print one JSON object
    #[arg(long)]
    pub json: bool,

    #[command(flatten)]
    pub trust: TrustArgs,
}

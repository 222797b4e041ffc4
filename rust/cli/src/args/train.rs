//! The arguments of `train`.

use std::path::PathBuf;

use super::learning::LearningArgs;
use super::traffic::TrafficArgs;

/// Learn from logs and write a model
///
/// Reads every log once, in constant memory, keeps a uniform sample of the connections, grows the forest from it, and
/// sets the threshold to a number of alerts a day. Samples that `sample` drew from other logs can stand among the logs.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  zeek-iforest train /usr/local/zeek/logs/2024-04-*/ -o iforest.model
  zeek-iforest train conn.log.gz -o iforest.model --alerts-per-day 5
  zeek-iforest train labelled.conn.log -o iforest.model --only-benign
  zeek-iforest train logs/ -o iforest.model --sign-with ~/.minisign/minisign.key")]
pub struct TrainArgs {
    /// Where to write the model; replaced only when the new one is complete
    ///
    /// A named pipe or a link of that name is replaced by a file too.
    #[arg(long, short, value_name = "MODEL")]
    pub output: PathBuf,

    /// Sign the model with this secret key of minisign; the signature is MODEL.minisig
    #[arg(long, value_name = "KEY")]
    pub sign_with: Option<PathBuf>,

    /// Print what was learnt as one JSON object, as inspect does
    #[arg(long)]
    pub json: bool,

    #[command(flatten)]
    pub learning: LearningArgs,

    #[command(flatten)]
    pub traffic: TrafficArgs,
}

//! The arguments of `sample`.

use std::path::PathBuf;

use super::learning::SamplingArgs;
use super::traffic::TrafficArgs;

/// Draw a sample from logs, to train on elsewhere
///
/// For archives that are spread over machines or too large for one pass: draw a sample from each part wherever it is,
/// bring the samples together, and train on them. The result is as good as one pass over everything. Each part should
/// hold all traffic of its hosts, or all traffic of its days, in order of time: what a connection means depends on what
/// its hosts did before.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  zeek-iforest sample /archive/2024-04/ -o april.part
  parallel zeek-iforest sample {} -o parts/{/}.part ::: /archive/*/
  zeek-iforest train parts/*.part -o iforest.model")]
pub struct SampleArgs {
    /// Where to write the sample; replaced only when the new one is complete
    ///
    /// A named pipe or a link of that name is replaced by a file too.
    #[arg(long, short, value_name = "PART")]
    pub output: PathBuf,

    #[command(flatten)]
    pub sampling: SamplingArgs,

    #[command(flatten)]
    pub traffic: TrafficArgs,
}

//! `sample`: draws a sample from logs, for training elsewhere.

use std::path::PathBuf;

use anyhow::Result;

use crate::cli::options::{SamplingArgs, TrafficArgs};
use crate::console::Console;
use crate::input::LogInputs;
use crate::pipeline::Pipeline;
use crate::{format, training};

/// Draw a sample from logs, for training elsewhere
///
/// For archives on several machines, or too large for one pass: draw a sample from each part, collect the samples, and
/// train on them. The model is as good as one trained on all logs. Each part should contain all traffic of its hosts or
/// of its days, in order of time, because features depend on what hosts did before.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  zeek-iforest sample /archive/2024-04/ -o april.sample
  parallel zeek-iforest sample {} -o samples/{/}.sample ::: /archive/*/
  zeek-iforest train samples/*.sample -o iforest.model")]
pub struct SampleArgs {
    /// Output file; an existing file is replaced when the sample is complete
    ///
    /// Replaces an existing named pipe or symbolic link.
    #[arg(long, short, value_name = "SAMPLE")]
    pub output: PathBuf,

    #[command(flatten)]
    pub sampling: SamplingArgs,

    #[command(flatten)]
    pub traffic: TrafficArgs,
}

pub fn run(args: SampleArgs, threads: usize, console: &Console) -> Result<()> {
    let inputs = LogInputs::new(&args.traffic.logs)?;
    let labels = args.traffic.excluded();
    let pipeline = Pipeline { labels: labels.as_ref(), ..Pipeline::new(&inputs, threads, console) };
    let (trainer, summary) =
        training::sample(&pipeline, &args.sampling.params(inputs.log), &detector::KnownList::default())?;
    let sample = trainer.into_reservoir();
    sample.save(&args.output)?;
    let bytes = args.output.metadata().map_or(0, |metadata| metadata.len());
    console.note(&format!(
        "sampled {} of {}; wrote {} ({})",
        format::counted(sample.len() as u64, "row"),
        format::counted(summary.records, inputs.log.noun()),
        args.output.display(),
        format::bytes(bytes),
    ));
    summary.require_all(&format!("{} was written", args.output.display()))
}

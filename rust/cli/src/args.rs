//! The command line: every command, option, default and range, and the help that teaches them. Completions and the man
//! pages are made from this definition too.
//!
//! Each command has its file; what several have in common has one too. Nothing is done here:
//! [`source`](crate::source) turns the arguments that name logs into inputs.

mod evaluate;
mod features;
mod inspect;
mod labels;
mod learning;
mod logs;
mod model;
mod onnx;
mod output;
mod report;
mod sample;
mod score;
mod threshold;
mod top;
mod traffic;
mod train;
mod trust;
mod values;
mod watch;

use std::num::NonZeroUsize;

use anyhow::{Context, Result};
use clap::{Parser, Subcommand};
use clap_complete::Shell;

pub use self::evaluate::{EvaluateArgs, ProtocolName};
pub use self::features::FeaturesArgs;
pub use self::inspect::InspectArgs;
pub use self::logs::LogArgs;
pub use self::model::ModelArgs;
pub use self::onnx::{ExportOnnxArgs, ImportOnnxArgs};
pub use self::report::ReportArgs;
pub use self::sample::SampleArgs;
pub use self::score::ScoreArgs;
pub use self::top::TopArgs;
pub use self::train::TrainArgs;
pub use self::watch::WatchArgs;

const FIRST_STEPS: &str = "\
First steps:
  Learn what is usual from a directory of rotated conn logs:
      zeek-iforest train logs/ -o iforest.model
  See the most unusual connections as a table:
      zeek-iforest top -m iforest.model logs/today/
  Make a page of it, for a ticket:
      zeek-iforest report -m iforest.model logs/today/ -o report.html
  Write the same log with the columns anomaly_score and anomaly_reasons:
      zeek-iforest score -m iforest.model conn.log -o scored.log

LOG is a conn.log that Zeek wrote, TSV or JSON, plain, gzip or zstd (told by its first bytes); a directory, which \
stands for every conn log in it and below it, in the order of their names; or - for standard input.

Exit status: 0 done; 1 something could not be read, written or used; 2 the command line is wrong. A row that cannot be \
used is reported and skipped and leaves the status as it is; with --strict it ends the command.";

/// Score the connections in Zeek's conn.log by how unusual they are, with an isolation forest.
///
/// A score lies between 0 and 1: about 0.5 for a connection like most, the higher the more unusual. Nothing has to be
/// labelled: a model is learnt from a network's own traffic.
#[derive(Debug, Parser)]
#[command(name = "zeek-iforest", version, after_help = FIRST_STEPS, max_term_width = 100)]
pub struct Args {
    /// Print errors only: no progress, no notes, no word on skipped rows.
    #[arg(long, short, global = true)]
    pub quiet: bool,

    #[command(subcommand)]
    pub command: Command,
}

#[derive(Debug, Subcommand)]
pub enum Command {
    Train(TrainArgs),
    Sample(SampleArgs),
    Score(ScoreArgs),
    Top(TopArgs),
    Watch(WatchArgs),
    Report(ReportArgs),
    Evaluate(EvaluateArgs),
    Inspect(InspectArgs),
    Features(FeaturesArgs),
    ImportOnnx(ImportOnnxArgs),
    ExportOnnx(ExportOnnxArgs),
    /// Print the completions of a shell
    ///
    /// For bash, for example: zeek-iforest completions bash > /etc/bash_completion.d/zeek-iforest
    Completions {
        /// The shell to complete for
        shell: Shell,
    },
    /// Print the manual page, or that of a command
    ///
    /// For example: zeek-iforest man | man -l -
    Man {
        /// The command to print the page of [default: the page of zeek-iforest itself]
        command: Option<String>,
    },
}

impl Args {
    /// The number of threads asked for or sensible here, also for growing trees.
    pub fn threads(&self) -> Result<usize> {
        // One thread keeps the context, so that more than a handful around it would wait.
        const ENOUGH: usize = 8;
        let asked = self.command.logs().and_then(|logs| logs.threads);
        let cores = std::thread::available_parallelism().map_or(1, NonZeroUsize::get);
        rayon::ThreadPoolBuilder::new()
            .num_threads(asked.unwrap_or(cores))
            .build_global()
            .context("cannot start the threads that grow trees")?;
        Ok(asked.unwrap_or(cores.min(ENOUGH)))
    }
}

impl Command {
    /// The logs it reads, where it reads logs that are written.
    fn logs(&self) -> Option<&LogArgs> {
        match self {
            Self::Train(args) => Some(&args.traffic.logs),
            Self::Sample(args) => Some(&args.traffic.logs),
            Self::Score(args) => Some(&args.logs),
            Self::Top(args) => Some(&args.logs),
            Self::Report(args) => Some(&args.logs),
            Self::Evaluate(args) => Some(&args.logs),
            Self::Features(args) => Some(&args.logs),
            Self::ImportOnnx(args) => Some(&args.logs),
            Self::Watch(_) | Self::Inspect(_) | Self::ExportOnnx(_) | Self::Completions { .. } | Self::Man { .. } => {
                None
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;
    use detector::Params;

    use super::*;

    #[test]
    fn definition_is_sound() {
        Args::command().debug_assert();
    }

    #[test]
    fn defaults_are_the_detectors() {
        let args = Args::try_parse_from(["zeek-iforest", "train", "conn.log", "-o", "m"]).unwrap();
        let Command::Train(args) = args.command else { panic!("another command") };
        assert_eq!(args.learning.params(), Params::default());
    }

    #[test]
    fn numbers_out_of_range_are_refused() {
        for option in [
            "--trees=0",
            "--sample-size=1",
            "--alerts-per-day=0",
            "--alerts-per-day=inf",
            "--reservoir=x",
            "--contamination=1",
        ] {
            assert!(
                Args::try_parse_from(["zeek-iforest", "train", "conn.log", "-o", "m", option]).is_err(),
                "{option}"
            );
        }
    }
}

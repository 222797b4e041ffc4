//! The command line: its commands, and the help text. Shell completions and man pages are generated from it.
//!
//! Each command defines its arguments in its own file under [`commands`](crate::commands); [`options`] has the groups
//! of options that several commands share.

pub mod options;
pub mod values;

use std::num::NonZeroUsize;

use anyhow::{Context, Result};
use clap::{Parser, Subcommand};
use clap_complete::Shell;

use self::options::LogArgs;
use crate::commands::evaluate::EvaluateArgs;
use crate::commands::features::FeaturesArgs;
use crate::commands::incidents::IncidentsArgs;
use crate::commands::inspect::InspectArgs;
use crate::commands::onnx::{ExportOnnxArgs, ImportOnnxArgs};
use crate::commands::report::ReportArgs;
use crate::commands::sample::SampleArgs;
use crate::commands::score::ScoreArgs;
use crate::commands::top::TopArgs;
use crate::commands::train::TrainArgs;
use crate::commands::watch::WatchArgs;

const FIRST_STEPS: &str = "\
First steps:
  Train a model on a directory of rotated conn logs:
      zeek-iforest train logs/ -o iforest.model
  List the most unusual connections:
      zeek-iforest top -m iforest.model logs/today/
  Write a report for a ticket:
      zeek-iforest report -m iforest.model logs/today/ -o report.html
  Add the columns anomaly_score and anomaly_reasons to a log:
      zeek-iforest score -m iforest.model conn.log -o scored.log

LOG is a conn.log or dns.log, TSV or JSON, plain or compressed with gzip or zstd (detected from its content); a directory, read \
with its subdirectories in order of file names; or - for standard input.

Exit status: 0 success; 1 a file could not be read, written or used; 2 usage error. Unusable rows are reported and \
skipped without changing the exit status; with --strict the first one ends the command.";

/// Score the records of Zeek's conn.log and dns.log by how unusual they are, with an isolation forest.
///
/// Scores range from 0 to 1: typical records score about 0.5, unusual ones more. No labels are needed: the model is
/// trained on your network's own traffic.
#[derive(Debug, Parser)]
#[command(name = "zeek-iforest", version, after_help = FIRST_STEPS, max_term_width = 100)]
pub struct Cli {
    /// Print errors only: no progress, notes or warnings.
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
    Incidents(IncidentsArgs),
    Watch(WatchArgs),
    Report(ReportArgs),
    Evaluate(EvaluateArgs),
    Inspect(InspectArgs),
    Features(FeaturesArgs),
    ImportOnnx(ImportOnnxArgs),
    ExportOnnx(ExportOnnxArgs),
    /// Print shell completions
    ///
    /// For bash, for example: zeek-iforest completions bash > /etc/bash_completion.d/zeek-iforest
    Completions {
        /// The shell to complete for
        shell: Shell,
    },
    /// Print the man page of zeek-iforest or of a command
    ///
    /// For example: zeek-iforest man | man -l -
    Man {
        /// The command [default: the page of zeek-iforest itself]
        command: Option<String>,
    },
}

impl Cli {
    /// Starts the thread pool that builds trees, and returns the number of threads for each parallel pipeline stage.
    pub fn threads(&self) -> Result<usize> {
        // The context stage is sequential, so more threads around it would wait.
        const MAX_DEFAULT: usize = 8;
        let requested = self.command.logs().and_then(|logs| logs.threads);
        let cores = std::thread::available_parallelism().map_or(1, NonZeroUsize::get);
        rayon::ThreadPoolBuilder::new()
            .num_threads(requested.unwrap_or(cores))
            .build_global()
            .context("cannot start the thread pool")?;
        Ok(requested.unwrap_or(cores.min(MAX_DEFAULT)))
    }
}

impl Command {
    /// The log arguments of commands that read complete logs.
    fn logs(&self) -> Option<&LogArgs> {
        match self {
            Self::Train(args) => Some(&args.traffic.logs),
            Self::Sample(args) => Some(&args.traffic.logs),
            Self::Score(args) => Some(&args.logs),
            Self::Top(args) => Some(&args.logs),
            Self::Incidents(args) => Some(&args.logs),
            Self::Report(args) => Some(&args.logs),
            Self::Evaluate(args) => Some(&args.logs),
            Self::Features(args) => Some(&args.logs),
            Self::ImportOnnx(args) => Some(&args.logs),
            Self::ExportOnnx(_) => None,
            Self::Watch(_) | Self::Inspect(_) | Self::Completions { .. } | Self::Man { .. } => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;
    use detector::Params;

    use super::*;

    #[test]
    fn definition_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn defaults_match_the_detector() {
        let cli = Cli::try_parse_from(["zeek-iforest", "train", "conn.log", "-o", "m"]).unwrap();
        let Command::Train(args) = cli.command else { panic!("another command") };
        assert_eq!(args.learning.params(detector::LogKind::Conn), Params::default());
    }

    #[test]
    fn rejects_numbers_out_of_range() {
        for option in [
            "--trees=0",
            "--sample-size=1",
            "--alerts-per-day=0",
            "--alerts-per-day=inf",
            "--reservoir=x",
            "--contamination=1",
        ] {
            assert!(Cli::try_parse_from(["zeek-iforest", "train", "conn.log", "-o", "m", option]).is_err(), "{option}");
        }
    }
}

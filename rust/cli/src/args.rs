//! The command line: every command, option, default and range, and the help that teaches them. Completions and the man
//! pages are made from this definition too.
//!
//! Nothing is done here; [`source`](crate::source) turns the arguments that name logs into inputs.

mod evaluate;

use std::num::NonZeroUsize;
use std::ops::RangeInclusive;
use std::path::PathBuf;

use anyhow::{Context, Result};
use clap::{Parser, Subcommand};
use clap_complete::Shell;
use detector::{Model, Params, schema};

pub use self::evaluate::{EvaluateArgs, ProtocolName};
use crate::conn_log::Labels;

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

LOG is a conn.log that Zeek wrote, TSV or JSON, plain, gzip or zstd (told by its first bytes);
a directory, which stands for every conn log in it and below it, in the order of their names;
or - for standard input.

Exit status: 0 done; 1 something could not be read, written or used; 2 the command line is wrong.
A row that cannot be used is reported and skipped and leaves the status as it is; with --strict
it ends the command.";

const LEAST_TREES: usize = schema::GROUPS.len();

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

    /// Threads that parse, and as many that score; from 1 [default: one per core, at most 8]
    ///
    /// The output is the same, byte for byte, whatever the number.
    #[arg(long, value_name = "N", global = true)]
    threads: Option<NonZeroUsize>,

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

/// How logs are read.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Reading")]
pub struct ReadingArgs {
    /// Stop at the first row or log that cannot be used, with exit status 1
    #[arg(long)]
    pub strict: bool,

    /// Names of the columns of TSV logs without a #fields header, for example ts,uid,id.orig_h,...
    #[arg(long, value_name = "NAMES", value_delimiter = ',')]
    pub fields: Option<Vec<String>>,
}

/// How connections are drawn.
#[derive(Clone, Debug, clap::Args)]
#[command(next_help_heading = "Learning")]
pub struct SamplingArgs {
    /// Rows kept as a uniform sample of all traffic to grow and calibrate on, 2 to 10000000
    #[arg(long, value_name = "N", default_value_t = Params::default().reservoir, value_parser = within(2..=10_000_000))]
    reservoir: usize,

    /// Decides every random draw: the same logs and seed give the same scores; 0 to 2^64 - 1
    #[arg(long, value_name = "N", default_value_t = Params::default().seed)]
    seed: u64,
}

/// How a model is learnt.
#[derive(Clone, Debug, clap::Args)]
#[command(next_help_heading = "Learning")]
pub struct LearningArgs {
    /// Trees in the forest, from one for each group of features to 10000
    #[arg(long, value_name = "N", default_value_t = Params::default().forest.n_trees, value_parser = within(LEAST_TREES..=10_000))]
    trees: usize,

    /// Rows each tree is grown from, 2 to 1048576; more rarely helps and often hides anomalies
    #[arg(long, value_name = "N", default_value_t = Params::default().forest.sample_size, value_parser = within(2..=1 << 20))]
    sample_size: usize,

    #[command(flatten)]
    sampling: SamplingArgs,

    /// Alerts a day the threshold is set for, above 0
    #[arg(long, value_name = "N", default_value_t = Params::default().alerts_per_day, value_parser = positive)]
    alerts_per_day: f64,

    /// Share of the connections the threshold is set for instead, above 0 and below 1: 0.001 for one in a thousand
    #[arg(long, value_name = "SHARE", value_parser = share, conflicts_with = "alerts_per_day")]
    contamination: Option<f64>,
}

/// Another threshold than the model's own.
#[derive(Clone, Debug, clap::Args)]
#[command(next_help_heading = "Threshold")]
pub struct ThresholdArgs {
    /// Set the threshold for so many alerts a day, above 0 [default: as the model was trained for]
    #[arg(long, value_name = "N", value_parser = positive)]
    alerts_per_day: Option<f64>,

    /// Set the threshold for this share of the connections, above 0 and below 1
    #[arg(long, value_name = "SHARE", value_parser = share, conflicts_with = "alerts_per_day")]
    contamination: Option<f64>,
}

/// Which rows of a labelled log are malicious.
#[derive(Clone, Debug, clap::Args)]
#[command(next_help_heading = "Labels")]
pub struct LabelArgs {
    /// The column that holds the label [default: label]
    #[arg(long, value_name = "FIELD")]
    pub label: Option<String>,

    /// A row is malicious when its label starts with this, case ignored
    #[arg(long, value_name = "PREFIX", default_value = "malicious")]
    pub malicious: String,
}

/// Learn from logs and write a model
///
/// Reads every log once, in constant memory, keeps a uniform sample of the connections, grows the forest from it, and
/// sets the threshold to a number of alerts a day. Samples that `sample` drew from other logs can stand among the logs.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  zeek-iforest train /usr/local/zeek/logs/2024-04-*/ -o iforest.model
  zeek-iforest train conn.log.gz -o iforest.model --alerts-per-day 5
  zeek-iforest train labelled.conn.log -o iforest.model --only-benign")]
pub struct TrainArgs {
    /// Logs to learn from: files, directories, or - for standard input; or samples
    #[arg(value_name = "LOG", required = true)]
    pub logs: Vec<PathBuf>,

    /// Where to write the model; replaced only when the new one is complete
    #[arg(long, short, value_name = "MODEL")]
    pub output: PathBuf,

    /// Print what was learnt as one JSON object, as inspect does
    #[arg(long)]
    pub json: bool,

    #[command(flatten)]
    pub learning: LearningArgs,

    /// Learn from the rows of a labelled log that are not malicious; the others pass by as context
    #[arg(long, help_heading = "Labels")]
    pub only_benign: bool,

    #[command(flatten)]
    pub labels: LabelArgs,

    #[command(flatten)]
    pub reading: ReadingArgs,
}

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
    /// Logs to draw from: files, directories, or - for standard input
    #[arg(value_name = "LOG", required = true)]
    pub logs: Vec<PathBuf>,

    /// Where to write the sample; replaced only when the new one is complete
    #[arg(long, short, value_name = "PART")]
    pub output: PathBuf,

    #[command(flatten)]
    pub sampling: SamplingArgs,

    /// Draw from the rows of a labelled log that are not malicious; the others pass by as context
    #[arg(long, help_heading = "Labels")]
    pub only_benign: bool,

    #[command(flatten)]
    pub labels: LabelArgs,

    #[command(flatten)]
    pub reading: ReadingArgs,
}

/// Add the columns anomaly_score and anomaly_reasons to logs
///
/// The reasons stand where the score passes the threshold. The output keeps the input's format, the order of its
/// columns and every other byte of its rows, and holds one row for each row read. A row with a value that cannot be used is kept without a score; one that is no row at all (cut
/// short, broken JSON) is left out. Both are reported.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  zeek-iforest score -m iforest.model conn.log -o scored.log
  zeek-iforest score -m iforest.model logs/2024-04-19/ -o scored.log.gz
  zcat conn.*.log.gz | zeek-iforest score -m iforest.model | zeek-cut -u ts uid anomaly_score
  zeek-iforest score conn.log > scored.log       learns from conn.log first")]
pub struct ScoreArgs {
    /// Logs to score: files, directories, or - for standard input [default: standard input]
    #[arg(value_name = "LOG")]
    pub logs: Vec<PathBuf>,

    /// The model, as written by train; without one, it is first learnt from the same logs
    #[arg(long, short, value_name = "MODEL")]
    pub model: Option<PathBuf>,

    /// Where to write; compressed if the name ends in .gz or .zst [default: standard output]
    #[arg(long, short, value_name = "OUT")]
    pub output: Option<PathBuf>,

    #[command(flatten)]
    pub threshold: ThresholdArgs,

    #[command(flatten)]
    pub reading: ReadingArgs,
}

/// Show the most anomalous connections
///
/// A table, the most anomalous first; a rule separates those at or above the model's threshold from those below it.
/// Bytes out and in are payload sent by the originator and by the responder.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  zeek-iforest top -m iforest.model conn.log
  zeek-iforest top -m iforest.model logs/2024-04-19/ -n 100 | less
  zeek-iforest top -m iforest.model conn.log --json | jq -r .uid")]
pub struct TopArgs {
    /// Logs to look through: files, directories, or - for standard input [default: standard input]
    #[arg(value_name = "LOG")]
    pub logs: Vec<PathBuf>,

    /// The model, as written by train; without one, it is first learnt from the same logs
    #[arg(long, short, value_name = "MODEL")]
    pub model: Option<PathBuf>,

    /// How many connections to show, 1 to 1000000
    #[arg(long, short = 'n', value_name = "N", default_value_t = 20, value_parser = within(1..=1_000_000))]
    pub number: usize,

    /// Print one JSON object a line, with Zeek's names of the fields
    #[arg(long)]
    pub json: bool,

    #[command(flatten)]
    pub threshold: ThresholdArgs,

    #[command(flatten)]
    pub reading: ReadingArgs,
}

/// Write a page about the anomalies in logs
///
/// One HTML file that needs nothing else, to read, print or attach to a ticket: what was read, traffic and scores over
/// time, the most anomalous connections and why, the hosts that opened them, ports and services, and how to make the
/// page again. It stays below 3 MB however long the logs are.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  zeek-iforest report conn.log -o report.html
  zeek-iforest report -m iforest.model logs/2024-04-19/ -o report.html")]
pub struct ReportArgs {
    /// Logs to report on: files, directories, or - for standard input
    #[arg(value_name = "LOG", required = true)]
    pub logs: Vec<PathBuf>,

    /// The model, as written by train; without one, it is first learnt from the same logs
    #[arg(long, short, value_name = "MODEL")]
    pub model: Option<PathBuf>,

    /// Where to write the page; - for standard output
    #[arg(long, short, value_name = "HTML")]
    pub output: PathBuf,

    #[command(flatten)]
    pub reading: ReadingArgs,
}

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
}

/// Write the feature matrix of logs as CSV
///
/// The numbers the forest sees, one row per connection, with the features' names as the header; NaN where a value is
/// missing. A last column `label` (1 malicious, 0 not) follows when the log has a label, so that any other tool can be
/// run on the same matrix.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  zeek-iforest features labelled.conn.log -o matrix.csv
  zeek-iforest features -m iforest.model conn.log -o matrix.csv")]
pub struct FeaturesArgs {
    /// Logs to read: files, directories, or - for standard input [default: standard input]
    #[arg(value_name = "LOG")]
    pub logs: Vec<PathBuf>,

    /// The model that says how rare each port and service is; without one, it is first learnt from the same logs
    #[arg(long, short, value_name = "MODEL")]
    pub model: Option<PathBuf>,

    /// Where to write; compressed if the name ends in .gz or .zst [default: standard output]
    #[arg(long, short, value_name = "CSV")]
    pub output: Option<PathBuf>,

    #[command(flatten)]
    pub labels: LabelArgs,

    #[command(flatten)]
    pub reading: ReadingArgs,
}

/// Make a model of a forest fitted with scikit-learn
///
/// Takes an IsolationForest that was fitted on the matrix of `features` and converted with skl2onnx. The model scores as
/// the forest does (the opposite of score_samples), in Zeek and here. What a forest does not hold comes from the logs: how
/// rare each port and service is, how scores are distributed, and from that the threshold. The forest's own offset_
/// (contamination) is not used.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Give the logs, and the -m if there was one, that the matrix was written with:
  zeek-iforest features conn.log -o matrix.csv
  python3 -c '
    import numpy, sklearn.ensemble, skl2onnx
    x = numpy.loadtxt(\"matrix.csv\", numpy.float32, delimiter=\",\", skiprows=1)
    forest = sklearn.ensemble.IsolationForest(random_state=1).fit(x)
    onnx = skl2onnx.to_onnx(forest, x[:1], target_opset={\"\": 17, \"ai.onnx.ml\": 3})
    open(\"forest.onnx\", \"wb\").write(onnx.SerializeToString())'
  zeek-iforest import-onnx forest.onnx conn.log -o iforest.model")]
pub struct ImportOnnxArgs {
    /// The forest, as skl2onnx writes it
    #[arg(value_name = "FOREST")]
    pub forest: PathBuf,

    /// The logs that the matrix was written from: files, directories, or - for standard input
    #[arg(value_name = "LOG", required = true)]
    pub logs: Vec<PathBuf>,

    /// The model that the matrix was written with, where one was given to features
    #[arg(long, short, value_name = "MODEL")]
    pub model: Option<PathBuf>,

    /// Where to write the model; replaced only when the new one is complete
    #[arg(long, short, value_name = "MODEL")]
    pub output: PathBuf,

    /// Alerts a day the threshold is set for, above 0
    #[arg(long, value_name = "N", default_value_t = Params::default().alerts_per_day, value_parser = positive)]
    pub alerts_per_day: f64,

    #[command(flatten)]
    pub reading: ReadingArgs,
}

/// Write a model's forest for other programs to score with
///
/// The output is an ONNX graph from the matrix of `features` to the score, for onnxruntime and whatever embeds it. Its
/// input `features` is a matrix of floats, one row per connection, as `features -m MODEL` writes it; its output
/// `anomaly_score` is a column of floats. Its metadata name the columns and the threshold.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Example:
  zeek-iforest export-onnx iforest.model -o iforest.onnx
  zeek-iforest features -m iforest.model conn.log -o matrix.csv")]
pub struct ExportOnnxArgs {
    /// The model, as written by train
    #[arg(value_name = "MODEL")]
    pub model: PathBuf,

    /// Where to write the graph [default: standard output]
    #[arg(long, short, value_name = "OUT")]
    pub output: Option<PathBuf>,
}

/// Show anomalous connections as Zeek writes them
///
/// Follows a conn.log through rotation and shows each anomalous connection, with the reasons, as soon as its line is
/// complete. What the log holds already comes first: it is what later connections are judged against. Ends when it is
/// interrupted.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  zeek-iforest watch -m iforest.model /usr/local/zeek/logs/current/conn.log
  zeek-iforest watch -m iforest.model conn.log --json | jq -r .uid")]
pub struct WatchArgs {
    /// The log that Zeek is writing, TSV or JSON, not compressed; waited for where it is not there yet
    #[arg(value_name = "LOG")]
    pub log: PathBuf,

    /// The model, as written by train
    #[arg(long, short, value_name = "MODEL")]
    pub model: PathBuf,

    /// Print one JSON object a line, with Zeek's names of the fields
    #[arg(long)]
    pub json: bool,
}

impl Args {
    /// The number of threads asked for or sensible here, also for growing trees.
    pub fn threads(&self) -> Result<usize> {
        // One thread keeps the context, so that more than a handful around it would wait.
        const ENOUGH: usize = 8;
        let cores = std::thread::available_parallelism().map_or(1, NonZeroUsize::get);
        let threads = self.threads.map_or(cores.min(ENOUGH), NonZeroUsize::get);
        rayon::ThreadPoolBuilder::new()
            .num_threads(self.threads.map_or(cores, NonZeroUsize::get))
            .build_global()
            .context("cannot start the threads that grow trees")?;
        Ok(threads)
    }
}

impl LabelArgs {
    /// The labels, in a column that every log must have.
    pub fn required(&self) -> Labels {
        Labels { required: true, ..self.optional() }
    }

    /// The labels, in a column that a log may have.
    pub fn optional(&self) -> Labels {
        let field = self.label.clone().unwrap_or_else(|| "label".to_owned());
        Labels { field, prefix: self.malicious.clone().into_bytes(), required: self.label.is_some() }
    }
}

impl SamplingArgs {
    /// The parameters that matter for drawing.
    pub fn params(&self) -> Params {
        let mut params = Params::default();
        params.reservoir = self.reservoir;
        params.seed = self.seed;
        params
    }
}

impl LearningArgs {
    /// The parameters of a training.
    pub fn params(&self) -> Params {
        let mut params = self.sampling.params();
        params.forest.n_trees = self.trees;
        params.forest.sample_size = self.sample_size;
        params.alerts_per_day = self.alerts_per_day;
        params.contamination = self.contamination;
        params
    }
}

impl ThresholdArgs {
    /// The score from which on a connection is anomalous.
    pub fn threshold(&self, model: &Model) -> f64 {
        let by_alerts = self.alerts_per_day.map(|alerts| model.threshold_for_alerts(alerts));
        let by_share = || self.contamination.map(|share| model.threshold_for_share(share));
        by_alerts.or_else(by_share).unwrap_or(model.threshold())
    }
}

fn within(range: RangeInclusive<usize>) -> impl Fn(&str) -> Result<usize, String> + Clone {
    move |text| {
        let number = text.parse::<usize>().map_err(|_| "not a whole number".to_owned())?;
        let (low, high) = (range.start(), range.end());
        if range.contains(&number) { Ok(number) } else { Err(format!("not between {low} and {high}")) }
    }
}

fn positive(text: &str) -> Result<f64, String> {
    let number = text.parse::<f64>().map_err(|_| "not a number".to_owned())?;
    if number > 0.0 && number.is_finite() { Ok(number) } else { Err("not above 0".to_owned()) }
}

fn share(text: &str) -> Result<f64, String> {
    let number = text.parse::<f64>().map_err(|_| "not a number".to_owned())?;
    if number > 0.0 && number < 1.0 { Ok(number) } else { Err("not above 0 and below 1".to_owned()) }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

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

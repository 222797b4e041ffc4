//! The arguments of `evaluate`.

use std::fmt;
use std::path::PathBuf;

use clap::{ArgGroup, ValueEnum};

use super::labels::LabelArgs;
use super::learning::LearningArgs;
use super::logs::LogArgs;
use super::trust::TrustArgs;
use super::values::{positive, within};

/// Compare scores with the labels of a log
///
/// Of models (-m), or of a way of learning (--protocol), which is tried with several seeds.
///
/// Prints the area under the ROC curve (ties count half), the average precision (the sum of precision times the gain in
/// recall over all thresholds, as scikit-learn defines it), and precision and recall when the most anomalous 10, 20,
/// 50, ... connections are alerts. Where connections with equal scores straddle such a number, it holds the share of
/// them that is expected if they are drawn at random.
///
/// Of each attack, by its label: how many connections it has; the rank of the most anomalous one, behind all of other
/// kinds that score no lower; and how many alerts there are to read when the threshold lets that one pass, repetitions
/// of the same originator and main reason within an hour counting once.
#[derive(Debug, clap::Args)]
#[command(group = ArgGroup::new("judged").args(["model", "protocol"]).required(true), after_help = "\
Examples:
  zeek-iforest evaluate -m iforest.model labelled.conn.log
  zeek-iforest evaluate -m old.model -m new.model labelled.conn.log --roc roc.svg --pr pr.svg
  zeek-iforest evaluate -m iforest.model labelled.conn.log --label detailed-label --malicious C&C
  zeek-iforest evaluate --protocol novelty --train day1.conn.log day2.conn.log
  zeek-iforest evaluate --protocol unlabelled --share 0.02 labelled.conn.log --json | jq .roc_auc
  zeek-iforest evaluate --protocol days labelled-logs/ --tune")]
pub struct EvaluateArgs {
    /// A model, as written by train; several are shown side by side
    #[arg(
        long, short, value_name = "MODEL", conflicts_with_all = ["trees", "sample_size", "alerts_per_day", "SamplingArgs"]
    )]
    pub model: Vec<PathBuf>,

    #[command(flatten)]
    pub trust: TrustArgs,

    /// Learn and score as this protocol says; the connections are taken in the order of their times
    #[arg(long, value_name = "PROTOCOL", conflicts_with = "model")]
    pub protocol: Option<ProtocolName>,

    /// For novelty: a log to learn from, labelled or with nothing but ordinary traffic; can be given several times
    #[arg(long, value_name = "LOG", required_if_eq("protocol", "novelty"), conflicts_with = "model")]
    pub train: Vec<PathBuf>,

    /// For unlabelled: malicious connections to keep, as a share of the others (but no fewer than 5)
    #[arg(long, value_name = "SHARE", default_value_t = 0.02, value_parser = positive, conflicts_with = "model")]
    pub share: f64,

    /// For folds: into how many pieces to cut the log
    #[arg(long, value_name = "K", default_value_t = 5, value_parser = within(2..=1000), conflicts_with = "model")]
    pub folds: usize,

    /// How many seeds to try a protocol with, from --seed on; the figures are means
    #[arg(long, value_name = "N", default_value_t = 3, value_parser = within(1..=1000), conflicts_with = "model")]
    pub seeds: usize,

    /// Try a protocol with many values of trees, sample size and variant, and list them, the best first
    ///
    /// The best on one log is partly luck: choose what is good on several, and judge it on another.
    #[arg(long, conflicts_with_all = ["model", "roc", "pr"])]
    pub tune: bool,

    /// Write the ROC curve as SVG
    #[arg(long, value_name = "FILE")]
    pub roc: Option<PathBuf>,

    /// Write the precision-recall curve as SVG
    #[arg(long, value_name = "FILE")]
    pub pr: Option<PathBuf>,

    #[command(flatten)]
    pub learning: LearningArgs,

    #[command(flatten)]
    pub labels: LabelArgs,

    /// Print one JSON object
    #[arg(long)]
    pub json: bool,

    #[command(flatten)]
    pub logs: LogArgs,
}

/// A protocol by its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum ProtocolName {
    /// Learn from the benign connections of the logs --train, score LOG
    Novelty,
    /// Thin the attacks of LOG to --share, learn from all that is left, and score it
    Unlabelled,
    /// Cut LOG into --folds pieces of time; learn from the benign connections of all but one, score that one
    Folds,
    /// Learn from the benign connections of one day (UTC) of LOG, score the next
    Days,
}

impl fmt::Display for ProtocolName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Novelty => "novelty",
            Self::Unlabelled => "unlabelled",
            Self::Folds => "folds",
            Self::Days => "days",
        })
    }
}

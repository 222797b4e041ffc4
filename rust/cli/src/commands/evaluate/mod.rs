//! `evaluate`: compares scores with labels, for given models or for a training protocol.

mod attack_labels;
mod curves;
mod given_models;
mod labelled_log;
mod labelled_score;
mod metrics;
mod notices;
mod protocol;
mod ranking;
mod split;
mod table;
mod tune;

use std::path::PathBuf;

use anyhow::{Result, ensure};
use detector::{LogKind, Model};
use rayon::prelude::*;
use serde::Serialize;

use self::attack_labels::AttackLabels;
use self::curves::Curve;
use self::given_models::score_by;
use self::labelled_log::LabelledLog;
use self::metrics::{Metrics, Setting};
use self::protocol::Protocol;
use crate::cli::options::{LabelArgs, LearningArgs, LogArgs, TrustArgs};
use crate::cli::values::{positive, within};
use crate::console::{self, Console};
use crate::input::{LogInputs, detect_kinds, require_one_kind};
use crate::model_file;
use crate::pipeline::{Pipeline, Summary};
use clap::{ArgGroup, ValueEnum};

/// Compare scores with the labels of a log
///
/// Evaluates given models (-m), or a training protocol (--protocol) with several seeds.
///
/// Prints the area under the ROC curve (ties count half), the average precision (as defined by scikit-learn), and
/// precision and recall for the 10, 20, 50, ... most anomalous connections. If tied connections straddle such a number,
/// their expected share counts.
///
/// For each attack label: the number of connections; the rank of the most anomalous one, after connections of other
/// classes with the same score; and the number of alerts at the threshold it passes, where repetitions of the same
/// originator and main reason within an hour count once. For a given model also: how many incidents hold connections of
/// the attack, and how many other incidents are more severe than the first of them.
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
    /// A model, as written by train; several are compared
    #[arg(long, short, value_name = "MODEL", conflicts_with_all = ["trees", "sample_size", "BudgetArgs", "SamplingArgs"])]
    pub model: Vec<PathBuf>,

    #[command(flatten)]
    pub trust: TrustArgs,

    /// Evaluation protocol; connections are used in order of time
    #[arg(long, value_name = "PROTOCOL", conflicts_with_all = ["model", "TrustArgs"])]
    pub protocol: Option<ProtocolName>,

    /// For novelty: a log to train on, labelled or without attacks; can be repeated
    #[arg(long, value_name = "LOG", required_if_eq("protocol", "novelty"), conflicts_with = "model")]
    pub train: Vec<PathBuf>,

    /// For unlabelled: malicious connections to keep, as a share of the benign ones (at least 5 connections)
    /// [default: 0.02]
    #[arg(long, value_name = "SHARE", value_parser = positive, conflicts_with = "model")]
    pub share: Option<f64>,

    /// For folds: number of folds [default: 5]
    #[arg(long, value_name = "K", value_parser = within(2..=1000), conflicts_with = "model")]
    pub folds: Option<usize>,

    /// Number of seeds for a protocol, starting at --seed; results are means
    #[arg(long, value_name = "N", default_value_t = 3, value_parser = within(1..=1000), conflicts_with = "model")]
    pub seeds: usize,

    /// Run a protocol with many combinations of trees, sample size and variant, and list the best first
    ///
    /// The best on one log is partly chance: choose parameters that are good on several logs, and test on another.
    #[arg(long, conflicts_with_all = ["model", "roc", "pr", "trees", "sample_size", "BudgetArgs"])]
    pub tune: bool,

    /// Write the ROC curve to an SVG file
    #[arg(long, value_name = "FILE")]
    pub roc: Option<PathBuf>,

    /// Write the precision-recall curve to an SVG file
    #[arg(long, value_name = "FILE")]
    pub pr: Option<PathBuf>,

    #[command(flatten)]
    pub learning: LearningArgs,

    #[command(flatten)]
    pub labels: LabelArgs,

    /// Print JSON
    #[arg(long)]
    pub json: bool,

    #[command(flatten)]
    pub logs: LogArgs,
}

/// Name of a protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum ProtocolName {
    /// Train on the benign connections of the --train logs, score LOG
    Novelty,
    /// Drop attacks of LOG at random until --share is left, then train on and score what remains
    Unlabelled,
    /// Divide LOG into --folds intervals; train on the benign connections of all but one, score that one
    Folds,
    /// Train on the benign connections of one day (UTC) of LOG, score the next
    Days,
}

impl ProtocolName {
    fn name(self) -> String {
        self.to_possible_value().map_or_else(String::new, |value| value.get_name().to_owned())
    }
}

/// Defaults of the options of protocols.
const SHARE: f64 = 0.02;
const FOLDS: usize = 5;

pub fn run(args: EvaluateArgs, threads: usize, console: &Console) -> Result<()> {
    require_used(&args)?;
    let inputs = LogInputs::new(&args.logs)?;
    match args.protocol {
        None => compare_models(&args, &inputs, threads, console),
        Some(name) => try_protocol(&args, name, &inputs, threads, console),
    }
}

/// Refuses options that another protocol uses.
fn require_used(args: &EvaluateArgs) -> Result<()> {
    for (option, is_given, protocol) in [
        ("--train", !args.train.is_empty(), ProtocolName::Novelty),
        ("--share", args.share.is_some(), ProtocolName::Unlabelled),
        ("--folds", args.folds.is_some(), ProtocolName::Folds),
    ] {
        let is_used = !is_given || args.protocol == Some(protocol);
        ensure!(is_used, "{option}: only for --protocol {}; omit it", protocol.name());
    }
    Ok(())
}

/// Scores the logs by each of the models.
fn compare_models(args: &EvaluateArgs, inputs: &LogInputs, threads: usize, console: &Console) -> Result<()> {
    let labels = args.labels.required();
    let trust = args.trust.trust();
    let load = |path: &PathBuf| model_file::require_log(model_file::load(path, &trust)?, path, inputs.log);
    let models: Vec<Model> = args.model.iter().map(load).collect::<Result<_>>()?;
    let mut attacks = AttackLabels::new(labels.clone(), inputs.log);
    let pipeline = Pipeline { labels: Some(&labels), ..Pipeline::new(inputs, threads, console) };
    let (scored, summary) = score_by(&models, &pipeline, &mut attacks)?;
    summary.require_some()?;
    attacks.require_both(&inputs.names)?;
    let settings = args.model.iter().zip(&models).zip(scored).map(|((path, model), (mut scored, incidents))| {
        scored.sort_by_key(|scored| scored.ended);
        Setting {
            name: path.display().to_string(),
            threshold: Some(model.threshold()),
            runs: vec![scored],
            incidents: Some(incidents),
        }
    });
    finish(args, inputs.log, &settings.collect::<Vec<_>>(), &attacks, console)?;
    require_all(&[summary])
}

/// Runs a protocol once for each seed.
fn try_protocol(
    args: &EvaluateArgs,
    name: ProtocolName,
    inputs: &LogInputs,
    threads: usize,
    console: &Console,
) -> Result<()> {
    // Logs without attacks need no label, if another log has one.
    let labels = args.labels.optional();
    let mut attacks = AttackLabels::new(labels.clone(), inputs.log);
    let (log, summary) = LabelledLog::read(inputs, &labels, &mut attacks, threads, console)?;
    attacks.require_both(&inputs.names)?;
    let mut summaries = vec![summary];
    let protocol = match name {
        ProtocolName::Novelty => {
            let train = training_inputs(args, inputs)?;
            let mut attacks = AttackLabels::new(labels.clone(), train.log);
            let (train, summary) = LabelledLog::read(&train, &labels, &mut attacks, threads, console)?;
            summaries.push(summary);
            Protocol::Novelty { train }
        }
        ProtocolName::Unlabelled => Protocol::Unlabelled { share: args.share.unwrap_or(SHARE) },
        ProtocolName::Folds => Protocol::Folds { folds: args.folds.unwrap_or(FOLDS) },
        ProtocolName::Days => Protocol::Days,
    };
    let params = args.learning.params(inputs.log);
    let seeds: Vec<u64> = (0..args.seeds as u64).map(|i| params.seed.wrapping_add(i)).collect();
    if args.tune {
        let bar = console.steps((tune::combinations() * seeds.len()) as u64);
        let tried = tune::tune(&protocol, &log, &params, &seeds, &bar)?;
        if args.json {
            super::print_json(&Settings { settings: &tried })?;
        } else {
            super::print(&tune::table(&tried, console::width()))?;
        }
        return require_all(&summaries);
    }
    let bar = console.steps(seeds.len() as u64);
    let runs = seeds.par_iter().map(|&seed| {
        let scored = protocol.run(&log, &params, seed);
        bar.inc(1);
        scored
    });
    let runs = runs.collect::<Result<Vec<_>>>()?;
    bar.finish_and_clear();
    let setting = Setting { name: name.name(), threshold: None, runs, incidents: None };
    finish(args, inputs.log, &[setting], &attacks, console)?;
    require_all(&summaries)
}

/// The `--train` logs, of the same kind as the logs to score.
fn training_inputs(args: &EvaluateArgs, inputs: &LogInputs) -> Result<LogInputs> {
    if args.logs.log.is_none() {
        let scored = args.logs.paths.iter().map(|path| (path, inputs.log));
        let detected = detect_kinds(&args.train);
        require_one_kind(scored.chain(detected.iter().copied()))?;
    }
    LogInputs::of(&args.train, &LogArgs { log: Some(inputs.log), ..args.logs.clone() })
}

/// Returns an error if a log could not be read to the end.
fn require_all(summaries: &[Summary]) -> Result<()> {
    summaries.iter().try_for_each(|summary| summary.require_all("computed the metrics"))
}

/// Several settings as printed by `--json`.
#[derive(Serialize)]
struct Settings<'a, T> {
    settings: &'a [T],
}

fn finish(
    args: &EvaluateArgs,
    log: LogKind,
    settings: &[Setting],
    attacks: &AttackLabels,
    console: &Console,
) -> Result<()> {
    attacks.warning().iter().for_each(|warning| console.warning(warning));
    for (curve, path) in [(Curve::Roc, &args.roc), (Curve::PrecisionRecall, &args.pr)] {
        if let Some(path) = path {
            curve.draw(settings, path)?;
        }
    }
    let labels = attacks.attacks();
    let metrics: Vec<Metrics> = settings.iter().map(|setting| Metrics::of(setting, &labels)).collect();
    match metrics.as_slice() {
        [one] if args.json => super::print_json(one),
        several if args.json => super::print_json(&Settings { settings: several }),
        all => super::print(&table::table(log, all, console::width())),
    }
}

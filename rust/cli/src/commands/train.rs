//! `train`: trains a model on logs or samples.

use std::path::PathBuf;

use anyhow::{Context, Result, bail, ensure};
use detector::{KnownList, LogKind, Model};
use minisign::SecretKey;

use crate::cli::options::{LearningArgs, TrafficArgs, require_traffic};
use crate::console::Console;
use crate::input::{LogInputs, require_one_kind};
use crate::pipeline::Pipeline;
use crate::training::{self, MIN_RECORDS, set_origin};
use crate::{format, known_list, samples, signature};

/// Train a model on logs
///
/// Reads each log once, in constant memory, draws a uniform sample of the rows, builds the forest from it, and
/// sets the threshold for the alert budget. The arguments can include samples written by `sample`.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  zeek-iforest train /usr/local/zeek/logs/2024-04-*/ -o iforest.model
  zeek-iforest train conn.log.gz -o iforest.model --alerts-per-day 5
  zeek-iforest train labelled.conn.log -o iforest.model --only-benign
  zeek-iforest train logs/ -o iforest.model --sign-with ~/.minisign/minisign.key")]
pub struct TrainArgs {
    /// Output file; an existing model is replaced when the new one is complete
    ///
    /// Replaces an existing named pipe or symbolic link.
    #[arg(long, short, value_name = "MODEL")]
    pub output: PathBuf,

    /// Sign the model with this minisign secret key; writes MODEL.minisig
    #[arg(long, value_name = "KEY")]
    pub sign_with: Option<PathBuf>,

    /// Describe the model as JSON, like inspect
    #[arg(long)]
    pub json: bool,

    /// List of known activity, for --only-benign: train on its rows although they are labelled malicious
    #[arg(long, value_name = "FILE")]
    pub known: Option<PathBuf>,

    #[command(flatten)]
    pub learning: LearningArgs,

    #[command(flatten)]
    pub traffic: TrafficArgs,
}

pub fn run(args: TrainArgs, threads: usize, console: &Console) -> Result<()> {
    // The password prompt comes before the long work.
    let key = args.sign_with.as_deref().map(signature::read_key).transpose()?;
    let (parts, logs) = samples::split_from_logs(&args.traffic.logs.paths);
    if !parts.is_empty() {
        return run_on_samples(&args, &parts, &logs, key.as_ref(), threads, console);
    }
    let known = known_list::read(args.known.as_deref(), console)?;
    let inputs = LogInputs::new(&args.traffic.logs)?;
    let labels = args.traffic.excluded();
    let pipeline = Pipeline { labels: labels.as_ref(), ..Pipeline::new(&inputs, threads, console) };
    let (model, summary) = training::train(&pipeline, &args.learning.params(inputs.log), labels.as_ref(), &known)?;
    known_list::warn_if_expired(args.known.as_deref(), &known, Some(model.provenance().first_ts), console);
    deliver(&model, &args, key.as_ref(), summary.records, console)?;
    summary.require_all(&format!("{} was written", args.output.display()))
}

/// Trains on samples, and on logs with them.
fn run_on_samples(
    args: &TrainArgs,
    parts: &[PathBuf],
    logs: &[PathBuf],
    key: Option<&SecretKey>,
    threads: usize,
    console: &Console,
) -> Result<()> {
    ensure!(
        args.traffic.excluded().is_none(),
        "--only-benign: samples have no labels; draw them with: zeek-iforest sample --only-benign"
    );
    ensure!(args.known.is_none(), "--known: samples have no labels, so all of their rows are learnt; omit it");
    let settings = args.learning.params(LogKind::Conn);
    let mut sample = samples::merge(parts, settings.reservoir, settings.seed)?;
    if let Some(log) = args.traffic.logs.log {
        let found = sample.log().name();
        ensure!(log == sample.log(), "--log {}: the samples are of {found}.log; omit it", log.name());
    }
    let params = args.learning.params(sample.log());
    if !logs.is_empty() {
        let inputs = LogInputs::of(logs, &args.traffic.logs)?;
        let kinds = parts.iter().map(|part| (part, sample.log())).chain(logs.iter().map(|log| (log, inputs.log)));
        require_one_kind(kinds)?;
        let pipeline = Pipeline::new(&inputs, threads, console);
        let (trainer, summary) = training::sample(&pipeline, &params, &KnownList::default())?;
        sample.merge(&trainer.into_reservoir()).context("logs cannot be combined with samples drawn by a sensor")?;
        if let Some(missing) = summary.missing() {
            bail!("{missing}; no model was written");
        }
    }
    let names: Vec<String> = args.traffic.logs.paths.iter().map(|path| path.display().to_string()).collect();
    let mut model =
        detector::fit(sample.snapshot(), &params).with_context(|| format!("cannot train on {}", names.join(", ")))?;
    set_origin(&mut model, names);
    deliver(&model, args, key, sample.seen(), console)
}

/// Writes a model and reports on the training.
fn deliver(model: &Model, args: &TrainArgs, key: Option<&SecretKey>, records: u64, console: &Console) -> Result<()> {
    let has_alert_budget = args.learning.has_alert_budget();
    if has_alert_budget {
        require_traffic(model, model.provenance().alerts_per_day)?;
    }
    let trained_on = model.provenance().connections;
    if has_alert_budget && trained_on >= MIN_RECORDS && model.is_extrapolated(model.provenance().alerts_per_day) {
        console.warning(
            "the training data is too small for so few alerts a day; the threshold is extrapolated; train on \
             more days",
        );
    }
    let bytes = model.to_bytes()?;
    let signature = key.map(|key| signature::sign(key, &bytes)).transpose()?;
    // The signature comes first: a sensor reads it as soon as the model changes.
    let at = detector::signature_of(&args.output);
    let signature = signature.iter().map(|text| (at.as_path(), text.as_bytes()));
    detector::save_together(&signature.chain([(args.output.as_path(), bytes.as_slice())]).collect::<Vec<_>>())?;
    if args.json {
        super::print_json(&super::inspect::description(model))?;
    }

    let (provenance, threshold) = (model.provenance(), model.threshold());
    let bytes = args.output.metadata().map_or(0, |metadata| metadata.len());
    console.note(&format!(
        "trained on {} of {} in {}; threshold {threshold:.6} for {}; wrote {} ({})",
        format::count(provenance.connections),
        format::counted(records, model.schema().log.noun()),
        format::time_span(provenance.time_seen),
        format::alerts_a_day(provenance.alerts_per_day),
        args.output.display(),
        format::bytes(bytes),
    ));
    Ok(())
}

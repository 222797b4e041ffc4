//! `train`: logs in, a model out.

use std::path::PathBuf;

use anyhow::{Context, Result, bail};
use detector::Model;
use minisign::SecretKey;

use crate::args::TrainArgs;
use crate::console::Console;
use crate::human;
use crate::pipeline::Run;
use crate::source::Source;
use crate::training::{learn, observe, set_origin};
use crate::{samples, signing};

pub fn run(args: TrainArgs, threads: usize, console: &Console) -> Result<()> {
    // Asked for before the work, not after it.
    let key = args.sign_with.as_deref().map(signing::read_key).transpose()?;
    let (parts, logs) = samples::part_from_logs(&args.traffic.logs.paths);
    if !parts.is_empty() {
        return run_on_samples(&args, &parts, &logs, key.as_ref(), threads, console);
    }
    let source = Source::new(&args.traffic.logs)?;
    let labels = args.traffic.left_out();
    let run = Run { labels: labels.as_ref(), ..Run::new(&source, threads, console) };
    let (model, summary) = learn(&run, &args.learning.params(), labels.as_ref())?;
    deliver(&model, &args, key.as_ref(), summary.connections, console)?;
    summary.require_all(&format!("{} was written", args.output.display()))
}

/// Learns from samples, and from logs with them.
fn run_on_samples(
    args: &TrainArgs,
    parts: &[PathBuf],
    logs: &[PathBuf],
    key: Option<&SecretKey>,
    threads: usize,
    console: &Console,
) -> Result<()> {
    let params = args.learning.params();
    let mut sample = samples::merge(parts, params.reservoir, params.seed)?;
    if !logs.is_empty() {
        let source = Source::of(logs, &args.traffic.logs)?;
        let labels = args.traffic.left_out();
        let run = Run { labels: labels.as_ref(), ..Run::new(&source, threads, console) };
        let (trainer, summary) = observe(&run, &params)?;
        sample.merge(&trainer.into_reservoir()).context("logs and samples drawn by a sensor cannot be mixed")?;
        if let Some(missing) = summary.missing() {
            bail!("{missing}; no model was written");
        }
    }
    let names: Vec<String> = args.traffic.logs.paths.iter().map(|path| path.display().to_string()).collect();
    let mut model =
        detector::fit(sample.snapshot(), &params).with_context(|| format!("no model from {}", names.join(", ")))?;
    set_origin(&mut model, names);
    deliver(&model, args, key, sample.seen(), console)
}

/// Writes a model and says what it was learnt from.
fn deliver(
    model: &Model,
    args: &TrainArgs,
    key: Option<&SecretKey>,
    connections: u64,
    console: &Console,
) -> Result<()> {
    let bytes = model.to_bytes()?;
    let signature = key.map(|key| signing::sign(key, &bytes)).transpose()?;
    // First the signature: a sensor looks at it when it sees that the model has changed.
    let at = detector::signature_of(&args.output);
    let signature = signature.iter().map(|text| (at.as_path(), text.as_bytes()));
    detector::save_together(&signature.chain([(args.output.as_path(), bytes.as_slice())]).collect::<Vec<_>>())?;
    if args.json {
        super::print_json(&super::inspect::description(model))?;
    }

    let (provenance, threshold) = (model.provenance(), model.threshold());
    let bytes = args.output.metadata().map_or(0, |metadata| metadata.len());
    console.note(&format!(
        "learnt from {} of {} in {}; threshold {threshold:.6}, about {} alerts a day; wrote {} ({})",
        human::count(provenance.connections),
        human::counted(connections, "connection"),
        human::span(provenance.time_seen),
        provenance.alerts_per_day,
        args.output.display(),
        human::bytes(bytes),
    ));
    Ok(())
}

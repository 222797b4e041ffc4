//! `evaluate`: how well scores agree with labels, of models that were given or of a way of learning.

mod alerts;
mod curves;
mod figures;
mod kinds;
mod log;
mod protocol;
mod table;
mod trial;
mod tune;

use anyhow::{Result, bail};
use detector::{Model, Params};
use rayon::prelude::*;
use serde::Serialize;

use self::curves::Curve;
use self::figures::{Figures, Trials};
use self::kinds::Kinds;
use self::log::Log;
use self::protocol::Protocol;
use self::trial::{Scored, score_by};
use crate::args::{EvaluateArgs, ProtocolName};
use crate::console::{self, Console};
use crate::pipeline::{Run, Summary};
use crate::source::Source;

pub fn run(args: EvaluateArgs, threads: usize, console: &Console) -> Result<()> {
    let source = Source::new(&args.logs)?;
    match args.protocol {
        None => compare_models(&args, &source, threads, console),
        Some(name) => try_protocol(&args, name, &source, threads, console),
    }
}

/// Scores the logs by each of the models.
fn compare_models(args: &EvaluateArgs, source: &Source, threads: usize, console: &Console) -> Result<()> {
    let labels = args.labels.required();
    let trust = args.trust.trust();
    let models: Vec<Model> = args.model.iter().map(|path| super::load_model(path, &trust)).collect::<Result<_>>()?;
    let mut kinds = Kinds::new(labels.clone());
    let run = Run { labels: Some(&labels), ..Run::new(source, threads, console) };
    let (scored, summary) = score_by(&models, &run, &mut kinds)?;
    summary.require_some()?;
    kinds.require_both(&source.names)?;
    let settings = args.model.iter().zip(&models).zip(scored).map(|((path, model), mut scored)| {
        scored.sort_by_key(|scored| scored.ended);
        Trials { name: path.display().to_string(), threshold: Some(model.threshold()), runs: vec![scored] }
    });
    finish(args, &settings.collect::<Vec<_>>(), &kinds, console)?;
    require_all(&[summary])
}

/// Learns and scores as the protocol says, once for each seed.
fn try_protocol(
    args: &EvaluateArgs,
    name: ProtocolName,
    source: &Source,
    threads: usize,
    console: &Console,
) -> Result<()> {
    // A log of nothing but ordinary traffic needs no label, as long as another has one.
    let labels = args.labels.optional();
    let mut kinds = Kinds::new(labels.clone());
    let (log, summary) = Log::read(source, &labels, &mut kinds, threads, console)?;
    kinds.require_both(&source.names)?;
    let mut summaries = vec![summary];
    let protocol = match name {
        ProtocolName::Novelty => {
            let train = Source::of(&args.train, &args.logs)?;
            let (train, summary) = Log::read(&train, &labels, &mut Kinds::new(labels.clone()), threads, console)?;
            summaries.push(summary);
            Protocol::Novelty { train }
        }
        ProtocolName::Unlabelled => Protocol::Unlabelled { share: args.share },
        ProtocolName::Folds => Protocol::Folds { folds: args.folds },
        ProtocolName::Days => Protocol::Days,
    };
    let params = args.learning.params();
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
        let scored = scored(&protocol, &log, &params, seed);
        bar.inc(1);
        scored
    });
    let runs = runs.collect::<Result<Vec<_>>>()?;
    bar.finish_and_clear();
    finish(args, &[Trials { name: name.to_string(), threshold: None, runs }], &kinds, console)?;
    require_all(&summaries)
}

/// An error when a log could not be read to its end.
fn require_all(summaries: &[Summary]) -> Result<()> {
    summaries.iter().try_for_each(|summary| summary.require_all("the figures were made"))
}

/// The scored connections of one seed, all splits together, in the order in which they ended.
fn scored(protocol: &Protocol, log: &Log, params: &Params, seed: u64) -> Result<Vec<Scored>> {
    let mut params = params.clone();
    params.seed = seed;
    let mut scored = Vec::new();
    for split in protocol.splits(log, seed)? {
        scored.extend(split.run(&params)?);
    }
    let malicious = scored.iter().filter(|scored| scored.kind.is_malicious()).count();
    if malicious == 0 || malicious == scored.len() {
        bail!("the protocol leaves no malicious connection to score, or no other; give a longer log");
    }
    scored.sort_by_key(|scored| scored.ended);
    Ok(scored)
}

/// Several settings, as `--json` prints them.
#[derive(Serialize)]
struct Settings<'a, T> {
    settings: &'a [T],
}

fn finish(args: &EvaluateArgs, settings: &[Trials], kinds: &Kinds, console: &Console) -> Result<()> {
    kinds.untold().iter().for_each(|untold| console.warning(untold));
    for (curve, path) in [(Curve::Roc, &args.roc), (Curve::PrecisionRecall, &args.pr)] {
        if let Some(path) = path {
            curve.draw(settings, path)?;
        }
    }
    let attacks = kinds.attacks();
    let figures: Vec<Figures> = settings.iter().map(|trials| Figures::of(trials, &attacks)).collect();
    match figures.as_slice() {
        [one] if args.json => super::print_json(one),
        several if args.json => super::print_json(&Settings { settings: several }),
        all => super::print(&table::table(all, console::width())),
    }
}

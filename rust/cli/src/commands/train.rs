//! `train`: logs in, a model out.

use anyhow::{Context, Result};
use detector::{Model, Trainer};
use jiff::Timestamp;

use crate::args::TrainArgs;
use crate::conn_log::Labels;
use crate::console::Console;
use crate::human;
use crate::pipeline::{Run, Summary, idle};
use crate::source::Source;

pub fn run(args: TrainArgs, threads: usize, console: &Console) -> Result<()> {
    let source = Source::new(&args.logs, &args.reading)?;
    let labels = args.only_benign.then(|| args.labels.required());
    let run = Run { labels: labels.as_ref(), ..Run::new(&source, threads, console) };
    let (model, summary) = learn(&run, &args.learning.params(), labels.as_ref())?;
    model.save(&args.output)?;
    if args.json {
        super::print_json(&super::inspect::description(&model))?;
    }

    let (provenance, threshold) = (model.provenance(), model.threshold());
    let bytes = args.output.metadata().map_or(0, |metadata| metadata.len());
    console.note(&format!(
        "learnt from {} of {} in {}; threshold {threshold:.6}, about {} alerts a day; wrote {} ({})",
        human::count(provenance.connections),
        human::counted(summary.connections, "connection"),
        human::span(provenance.last_ts - provenance.first_ts),
        provenance.alerts_per_day,
        args.output.display(),
        human::bytes(bytes),
    ));
    summary.require_all(&format!("{} was written", args.output.display()))
}

/// Below this many connections, rare and usual can hardly be told apart.
const FEW: u64 = 1_000;

/// Learns from every connection of a run, or with labels, from those that are not malicious.
pub fn learn(run: &Run<'_>, params: &detector::Params, labels: Option<&Labels>) -> Result<(Model, Summary)> {
    let mut trainer = Trainer::new(params.clone());
    let summary = run.stages(
        |batch| {
            let mut malicious = batch.malicious.iter();
            for connection in batch.connections.iter() {
                match malicious.next() {
                    Some(Some(true)) => trainer.pass_by(&connection),
                    _ => trainer.observe(&connection),
                }
            }
        },
        idle,
        |_| Ok(()),
    )?;
    summary.require_some()?;
    let observed = trainer.observed();
    let mut model = trainer.fit().with_context(|| match labels {
        Some(labels) => format!(
            "of {}, {observed} {} a {} that does not start with {:?}",
            human::counted(summary.connections, "connection"),
            if observed == 1 { "has" } else { "have" },
            labels.field,
            String::from_utf8_lossy(&labels.prefix)
        ),
        None => format!("no model from {}", run.source.names.join(", ")),
    })?;
    if observed < FEW {
        run.console.warning(&format!(
            "{} to learn from: too few to tell what is rare from what is usual; give a day of logs at least",
            human::counted(observed, "connection")
        ));
    }
    set_origin(&mut model, run.source.names.clone());
    Ok((model, summary))
}

/// Records that a model was made now, by this version, from these sources.
pub fn set_origin(model: &mut Model, sources: Vec<String>) {
    model.set_origin(env!("CARGO_PKG_VERSION"), Timestamp::now().as_microsecond(), sources);
}

//! `features`: the matrix the forest sees, as CSV.
//!
//! How rare a category is, a model has to say: the one given, or one learnt from the same logs.

use std::io::Write;
use std::sync::OnceLock;

use anyhow::{Result, ensure};
use detector::{Extractor, Model, schema};
use zeek_log::{Format, Output};

use super::model_for;
use crate::args::FeaturesArgs;
use crate::conn_log::Labels;
use crate::console::Console;
use crate::human;
use crate::pipeline::{Batch, Run};
use crate::source::Source;

pub fn run(args: FeaturesArgs, threads: usize, console: &Console) -> Result<()> {
    let source = Source::new(&args.logs)?;
    let model = model_for(&args.model, &source, threads, console)?;
    let labels = args.labels.optional();
    let mut extractor = Extractor::new();
    let mut sink = Output::create(args.output.path())?;
    // Whether there is a column for the label: known from the first connections, and the same for all that follow.
    let labelled = OnceLock::new();
    let run = Run { labels: Some(&labels), mute_progress: sink.is_terminal(), ..Run::new(&source, threads, console) };
    let mut header_is_due = true;
    let summary = run.stages(
        |batch| {
            batch.extract(&mut extractor);
            if batch.connections.len() > 0 {
                labelled.get_or_init(|| has_label(batch, &labels));
            }
        },
        || |batch: &mut Batch| write_rows(batch, &model, labelled.get() == Some(&true)),
        |batch| {
            let Some(&labelled) = labelled.get().filter(|_| batch.connections.len() > 0) else { return Ok(()) };
            if std::mem::take(&mut header_is_due) {
                sink.write(header(labelled).as_bytes())?;
            }
            ensure!(
                !labelled || batch.block.layout().format() == Format::Json || has_label(batch, &labels),
                "{}: has no column {:?} as the logs before it have; write their features apart",
                batch.block.name(),
                labels.field
            );
            Ok(sink.write(&batch.out)?)
        },
    )?;
    summary.require_some()?;
    ensure!(summary.connections > 0, "there is no connection in {}", source.names.join(", "));
    sink.finish()?;
    console.note(&format!(
        "{} of {} features{}",
        human::counted(summary.connections, "row"),
        schema::N_FEATURES,
        if labelled.get() == Some(&true) { " and a label" } else { "" }
    ));
    summary.require_all("the rows were written")
}

fn has_label(batch: &Batch, labels: &Labels) -> bool {
    batch.block.layout().position(&labels.field).is_some() || batch.malicious.iter().any(Option::is_some)
}

fn header(labelled: bool) -> String {
    let mut names: Vec<_> = schema::FEATURES.iter().map(|feature| feature.name).collect();
    names.extend(labelled.then_some("label"));
    names.join(",") + "\n"
}

/// The shortest decimals that read back as the same `f32`, and `NaN`.
fn write_rows(batch: &mut Batch, model: &Model, labelled: bool) {
    let Batch { features, malicious, out, .. } = batch;
    out.clear();
    for (row, malicious) in features.iter().zip(malicious) {
        for (i, value) in model.encode(row).iter().enumerate() {
            // Writing to a vector cannot fail.
            let _ = write!(out, "{}{value}", if i > 0 { "," } else { "" });
        }
        if labelled {
            out.extend_from_slice(if *malicious == Some(true) { b",1" } else { b",0" });
        }
        out.push(b'\n');
    }
}

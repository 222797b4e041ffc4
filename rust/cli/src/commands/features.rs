//! `features`: writes the forest's input matrix as CSV.
//!
//! Categories are encoded by their rarity, which comes from a model: the given one, or one trained on the same logs.

use std::io::Write;
use std::sync::OnceLock;

use anyhow::{Result, ensure};
use detector::{Extractor, Model, Schema};
use zeek_log::{Format, Output};

use crate::cli::options::{LabelArgs, LogArgs, ModelArgs, OutputArgs};
use crate::console::Console;
use crate::input::LogInputs;
use crate::labels::Labels;
use crate::pipeline::{Batch, Pipeline};
use crate::{format, model_file};

/// Write the feature matrix of logs as CSV
///
/// Writes one row per connection or query, with a header of feature names; a missing amount is 0. The rarity of ports and
/// services comes from the model. If the log has labels, the last column is `label` (1 malicious, 0 not).
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  zeek-iforest features labelled.conn.log -o matrix.csv
  zeek-iforest features -m iforest.model conn.log -o matrix.csv")]
pub struct FeaturesArgs {
    #[command(flatten)]
    pub model: ModelArgs,

    #[command(flatten)]
    pub output: OutputArgs,

    #[command(flatten)]
    pub labels: LabelArgs,

    #[command(flatten)]
    pub logs: LogArgs,
}

pub fn run(args: FeaturesArgs, threads: usize, console: &Console) -> Result<()> {
    let inputs = LogInputs::new(&args.logs)?;
    let model =
        model_file::load_or_train(args.model.model.as_deref(), &args.model.trust.trust(), &inputs, threads, console)?;
    let labels = args.labels.optional();
    let mut extractor = Extractor::of(inputs.log);
    let mut sink = Output::create(args.output.path())?;
    // The first records decide whether there is a label column.
    let labelled = OnceLock::new();
    let pipeline = Pipeline {
        labels: Some(&labels),
        mute_progress: sink.is_terminal(),
        ..Pipeline::new(&inputs, threads, console)
    };
    let mut header_is_due = true;
    let summary = pipeline.run(
        |batch| {
            batch.extract(&mut extractor);
            if batch.records.len() > 0 {
                labelled.get_or_init(|| has_label(batch, &labels));
            }
        },
        || |batch: &mut Batch| write_rows(batch, &model, labelled.get() == Some(&true)),
        |batch| {
            let Some(&labelled) = labelled.get().filter(|_| batch.records.len() > 0) else { return Ok(()) };
            if std::mem::take(&mut header_is_due) {
                sink.write(header(model.schema(), labelled).as_bytes())?;
            }
            ensure!(
                !labelled || batch.block.layout().format() == Format::Json || has_label(batch, &labels),
                "{}: column {:?} is missing, but earlier logs have it; write the features of these logs separately",
                batch.block.name(),
                labels.field
            );
            Ok(sink.write(&batch.out)?)
        },
    )?;
    summary.require_some()?;
    ensure!(summary.records > 0, "no {} in {}", inputs.log.nouns(), inputs.names.join(", "));
    sink.finish()?;
    console.note(&format!(
        "{} with {} features{}",
        format::counted(summary.records, "row"),
        model.schema().features.len(),
        if labelled.get() == Some(&true) { " and a label" } else { "" }
    ));
    summary.require_all("wrote the rows")
}

fn has_label(batch: &Batch, labels: &Labels) -> bool {
    batch.block.layout().position(&labels.field).is_some() || batch.malicious.iter().any(Option::is_some)
}

fn header(schema: &Schema, labelled: bool) -> String {
    let mut names: Vec<_> = schema.features.iter().map(|feature| feature.name).collect();
    names.extend(labelled.then_some("label"));
    names.join(",") + "\n"
}

/// Writes each value as the shortest decimal that parses to the same `f32`.
fn write_rows(batch: &mut Batch, model: &Model, labelled: bool) {
    let Batch { rows, malicious, out, .. } = batch;
    out.clear();
    for (row, malicious) in rows.iter().zip(malicious) {
        for (i, value) in model.encode(row).iter().take(model.schema().features.len()).enumerate() {
            // Writing to a `Vec` cannot fail.
            let _ = write!(out, "{}{value}", if i > 0 { "," } else { "" });
        }
        if labelled {
            out.extend_from_slice(if *malicious == Some(true) { b",1" } else { b",0" });
        }
        out.push(b'\n');
    }
}

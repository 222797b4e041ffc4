//! `import-onnx` and `export-onnx`: forests from scikit-learn, and forests for onnxruntime.
//!
//! A graph holds trees only. What else makes a model comes from the logs that the matrix was written from, as `features`
//! takes it: how rare each category is, from the given model or from the logs themselves.

use std::fs::File;
use std::io::{ErrorKind, Read};
use std::path::Path;

use anyhow::{Context, Error, Result, anyhow};
use detector::{Params, RecordRange, Trainer, schema};
use iforest_onnx::{Description, MAX, Raise};
use zeek_log::Output;

use super::load_model;
use crate::args::{ExportOnnxArgs, ImportOnnxArgs};
use crate::console::Console;
use crate::human;
use crate::pipeline::{Run, idle};
use crate::source::Source;
use crate::training::set_origin;

/// The names of the graph's input and output.
const INPUT: &str = "features";
const OUTPUT: &str = "anomaly_score";

/// Makes a model of a forest.
pub fn import(args: ImportOnnxArgs, threads: usize, console: &Console) -> Result<()> {
    let name = args.forest.display();
    let mut bytes = Vec::new();
    // One more than can be read tells that there are too many.
    let read = File::open(&args.forest).and_then(|file| file.take(MAX as u64 + 1).read_to_end(&mut bytes));
    read.map_err(|error| match error.kind() {
        ErrorKind::NotFound => anyhow!("{name}: there is no such file; make it with skl2onnx, as the help shows"),
        ErrorKind::IsADirectory => anyhow!("{name}: is a directory; give the file in it that skl2onnx wrote"),
        _ => Error::from(error).context(format!("{name}: cannot be read")),
    })?;
    let imported = iforest_onnx::read(&bytes).with_context(|| name.to_string())?;
    let categories = args.model.as_deref().map(|path| load_model(path, &args.trust.trust())).transpose()?;

    let source = Source::new(&args.logs)?;
    // Everything but the budget as `features` has it, which counts the same categories then.
    let mut params = Params::default();
    args.budget.set(&mut params);
    let mut trainer = Trainer::new(params);
    let summary = Run::new(&source, threads, console).stages(
        |batch| batch.connections.iter().for_each(|connection| trainer.learn(&connection)),
        idle,
        |_| Ok(()),
    )?;
    summary.require_some()?;
    let mut model = trainer.adopt(imported.forest, categories.as_ref()).with_context(|| name.to_string())?;
    let mut sources = vec![name.to_string()];
    sources.extend(source.names);
    set_origin(&mut model, sources);
    model.save(&args.output)?;

    console.note(&format!(
        "{} trees, calibrated on {}; threshold {:.6}, about {} alerts a day (the forest's own: {:.6}); wrote {}",
        human::count(model.forest().n_trees() as u64),
        human::counted(summary.connections, "connection"),
        model.threshold(),
        model.provenance().alerts_per_day,
        -imported.offset,
        args.output.display(),
    ));
    summary.require_all(&format!("{} was written", args.output.display()))
}

/// Writes a model's forest as a graph.
pub fn export(args: &ExportOnnxArgs, console: &Console) -> Result<()> {
    let model = load_model(&args.model, &args.trust.trust())?;
    let names: Vec<_> = schema::FEATURES.iter().map(|feature| feature.name).collect();
    let version = env!("CARGO_PKG_VERSION");
    let metadata = [
        ("features", names.join(",")),
        ("features_version", schema::VERSION.to_string()),
        ("threshold", format!("{:.6}", model.threshold())),
    ];
    let raises: Vec<_> = model
        .records()
        .iter()
        .map(|&RecordRange { column, weight, highest, width }| Raise { column, weight, highest, width })
        .collect();
    let graph = iforest_onnx::write(
        model.forest(),
        &raises,
        &Description {
            producer: ("zeek-iforest", version),
            doc: "The anomaly score of connections, from the matrix that `zeek-iforest features -m MODEL` writes",
            input: INPUT,
            output: OUTPUT,
            metadata: &metadata,
        },
    );
    let mut sink = Output::create(args.output.as_deref().unwrap_or(Path::new("-")))?;
    sink.write(&graph)?;
    sink.finish()?;
    console.note(&format!(
        "{} trees on {} features, {}",
        human::count(model.forest().n_trees() as u64),
        schema::N_FEATURES,
        human::bytes(graph.len() as u64)
    ));
    Ok(())
}

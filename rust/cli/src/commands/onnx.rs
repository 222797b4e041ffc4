//! `import-onnx` and `export-onnx`: exchange of forests with scikit-learn and onnxruntime.
//!
//! An ONNX graph contains only trees. The calibration comes from the logs that the matrix was written from, and the
//! rarity of categories from the same logs or the model given to `features`.

use std::fs::File;
use std::io::{ErrorKind, Read};
use std::path::{Path, PathBuf};

use anyhow::{Context, Error, Result, anyhow};
use detector::{Params, Trainer};
use iforest_onnx::{Description, MAX_FILE_BYTES, MaximumRange};
use zeek_log::Output;

use crate::cli::options::{BudgetArgs, LogArgs, TrustArgs};
use crate::console::Console;
use crate::input::LogInputs;
use crate::pipeline::{Pipeline, idle};
use crate::training::set_origin;
use crate::{format, model_file};

/// Convert a scikit-learn forest to a model
///
/// Imports an IsolationForest that was fitted on the matrix of `features` and converted with skl2onnx. Scores equal
/// those of the forest (the negated score_samples). The rarity of ports and services and the calibration of the
/// threshold come from the logs. The forest's offset_ (contamination) is not used.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Example (give features the same logs, and the same -m if any):
  zeek-iforest features conn.log -o matrix.csv
  python3 -c '
    import numpy, sklearn.ensemble, skl2onnx
    x = numpy.loadtxt(\"matrix.csv\", numpy.float32, delimiter=\",\", skiprows=1)
    forest = sklearn.ensemble.IsolationForest(random_state=1).fit(x)
    onnx = skl2onnx.to_onnx(forest, x[:1], target_opset={\"\": 17, \"ai.onnx.ml\": 3})
    open(\"forest.onnx\", \"wb\").write(onnx.SerializeToString())'
  zeek-iforest import-onnx forest.onnx conn.log -o iforest.model")]
pub struct ImportOnnxArgs {
    /// The forest, as written by skl2onnx
    #[arg(value_name = "FOREST")]
    pub forest: PathBuf,

    /// The model that was given to features, if any
    #[arg(long, short, value_name = "MODEL")]
    pub model: Option<PathBuf>,

    #[command(flatten)]
    pub trust: TrustArgs,

    /// Output file; an existing model is replaced when the new one is complete
    ///
    /// Replaces an existing named pipe or symbolic link.
    #[arg(long, short, value_name = "MODEL")]
    pub output: PathBuf,

    #[command(flatten)]
    pub budget: BudgetArgs,

    #[command(flatten)]
    pub logs: LogArgs,
}

/// Convert a model's forest to ONNX
///
/// Writes an ONNX graph for onnxruntime. The input `features` is the matrix of floats that `features -m MODEL` writes;
/// the output `anomaly_score` is a column of floats. The metadata contain the column names and the threshold.
/// The output omits some steps of the score, such as the mean of the pair of hosts; see docs/onnx.md.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  zeek-iforest export-onnx iforest.model -o iforest.onnx
  zeek-iforest features -m iforest.model conn.log -o matrix.csv")]
pub struct ExportOnnxArgs {
    /// The model, as written by train
    #[arg(value_name = "MODEL")]
    pub model: PathBuf,

    #[command(flatten)]
    pub trust: TrustArgs,

    /// Output file [default: standard output]
    #[arg(long, short, value_name = "OUT")]
    pub output: Option<PathBuf>,
}

/// Names of the graph's input and output.
const INPUT: &str = "features";
const OUTPUT: &str = "anomaly_score";

pub fn import(args: ImportOnnxArgs, threads: usize, console: &Console) -> Result<()> {
    let name = args.forest.display();
    let mut bytes = Vec::new();
    // One byte over the limit, so the reader can tell that the file is too large.
    let read = File::open(&args.forest).and_then(|file| file.take(MAX_FILE_BYTES as u64 + 1).read_to_end(&mut bytes));
    read.map_err(|error| match error.kind() {
        ErrorKind::NotFound => anyhow!("{name}: not found; create it with skl2onnx as shown by --help"),
        ErrorKind::IsADirectory => anyhow!("{name}: this is a directory; give the file written by skl2onnx"),
        _ => Error::from(error).context(format!("{name}: cannot be read")),
    })?;
    let imported = iforest_onnx::read(&bytes).with_context(|| name.to_string())?;

    let inputs = LogInputs::new(&args.logs)?;
    let trust = args.trust.trust();
    let load = |path: &Path| model_file::require_log(model_file::load(path, &trust)?, path, inputs.log);
    let categories = args.model.as_deref().map(load).transpose()?;
    let noun = inputs.log.noun();
    // Default parameters apart from the budget, so that categories are counted as by `features`.
    let mut params = Params::of(inputs.log);
    args.budget.set(&mut params);
    let mut trainer = Trainer::new(params);
    let summary = Pipeline::new(&inputs, threads, console).run(
        |batch| batch.records.iter().for_each(|record| trainer.learn(record)),
        idle,
        |_| Ok(()),
    )?;
    summary.require_some()?;
    let mut model = trainer.import_forest(imported.forest, categories.as_ref()).with_context(|| name.to_string())?;
    let mut sources = vec![name.to_string()];
    sources.extend(inputs.names);
    set_origin(&mut model, sources);
    model.save(&args.output)?;

    console.note(&format!(
        "{} trees, calibrated on {}; threshold {:.6} for {} (offset_ of the forest: {:.6}); wrote {}",
        format::count(model.forest().n_trees() as u64),
        format::counted(summary.records, noun),
        model.threshold(),
        format::alerts_a_day(model.provenance().alerts_per_day),
        -imported.offset,
        args.output.display(),
    ));
    summary.require_all(&format!("{} was written", args.output.display()))
}

pub fn export(args: &ExportOnnxArgs, console: &Console) -> Result<()> {
    let model = model_file::load(&args.model, &args.trust.trust())?;
    let names: Vec<_> = model.schema().features.iter().map(|feature| feature.name).collect();
    let version = env!("CARGO_PKG_VERSION");
    let metadata = [
        ("features", names.join(",")),
        ("features_version", model.schema().version.to_string()),
        ("threshold", format!("{:.6}", model.threshold())),
    ];
    let maxima: Vec<_> = model
        .maxima()
        .iter()
        .map(|&detector::MaximumRange { column, weight, end, width }| MaximumRange { column, weight, end, width })
        .collect();
    let graph = iforest_onnx::write(
        model.forest(),
        &maxima,
        &Description {
            producer: ("zeek-iforest", version),
            doc: &format!(
                "Anomaly score of {}, from the matrix written by `zeek-iforest features -m MODEL`",
                model.schema().log.nouns()
            ),
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
        format::count(model.forest().n_trees() as u64),
        model.schema().features.len(),
        format::bytes(graph.len() as u64)
    ));
    Ok(())
}

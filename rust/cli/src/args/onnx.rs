//! The arguments of `import-onnx` and `export-onnx`.

use std::path::PathBuf;

use super::logs::LogArgs;
use super::threshold::BudgetArgs;
use super::trust::TrustArgs;

/// Make a model of a forest fitted with scikit-learn
///
/// Takes an IsolationForest that was fitted on the matrix of `features` and converted with skl2onnx. The model scores as
/// the forest does (the opposite of score_samples), in Zeek and here. What a forest does not hold comes from the logs: how
/// rare each port and service is, how scores are distributed, and from that the threshold. The forest's own offset_
/// (contamination) is not used.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Give the logs, and the -m if there was one, that the matrix was written with:
  zeek-iforest features conn.log -o matrix.csv
  python3 -c '
    import numpy, sklearn.ensemble, skl2onnx
    x = numpy.loadtxt(\"matrix.csv\", numpy.float32, delimiter=\",\", skiprows=1)
    forest = sklearn.ensemble.IsolationForest(random_state=1).fit(x)
    onnx = skl2onnx.to_onnx(forest, x[:1], target_opset={\"\": 17, \"ai.onnx.ml\": 3})
    open(\"forest.onnx\", \"wb\").write(onnx.SerializeToString())'
  zeek-iforest import-onnx forest.onnx conn.log -o iforest.model")]
pub struct ImportOnnxArgs {
    /// The forest, as skl2onnx writes it
    #[arg(value_name = "FOREST")]
    pub forest: PathBuf,

    /// The model that the matrix was written with, where one was given to features
    #[arg(long, short, value_name = "MODEL")]
    pub model: Option<PathBuf>,

    #[command(flatten)]
    pub trust: TrustArgs,

    /// Where to write the model; replaced only when the new one is complete
    ///
    /// A named pipe or a link of that name is replaced by a file too.
    #[arg(long, short, value_name = "MODEL")]
    pub output: PathBuf,

    #[command(flatten)]
    pub budget: BudgetArgs,

    #[command(flatten)]
    pub logs: LogArgs,
}

/// Write a model's forest for other programs to score with
///
/// The output is an ONNX graph from the matrix of `features` to the score, for onnxruntime and whatever embeds it. Its
/// input `features` is a matrix of floats, one row per connection, as `features -m MODEL` writes it; its output
/// `anomaly_score` is a column of floats. Its metadata name the columns and the threshold.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Example:
  zeek-iforest export-onnx iforest.model -o iforest.onnx
  zeek-iforest features -m iforest.model conn.log -o matrix.csv")]
pub struct ExportOnnxArgs {
    /// The model, as written by train
    #[arg(value_name = "MODEL")]
    pub model: PathBuf,

    #[command(flatten)]
    pub trust: TrustArgs,

    /// Where to write the graph [default: standard output]
    #[arg(long, short, value_name = "OUT")]
    pub output: Option<PathBuf>,
}

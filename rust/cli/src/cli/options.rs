//! Groups of options that several commands share.

use std::net::IpAddr;
use std::path::{Path, PathBuf};

use anyhow::{Result, ensure};
use detector::{AlertPolicy, LogKind, Model, Network, Params, Trust};

use super::values::{alerts, key, log_kind, share, trees, within};
use crate::format;
use crate::host_filter::HostFilter;
use crate::labels::Labels;

/// Logs, and how to read them; [`LogInputs`](crate::input::LogInputs) resolves them.
#[derive(Clone, Debug, clap::Args)]
pub struct LogArgs {
    /// Logs to read: files, directories, or - for standard input [default: standard input]
    #[arg(value_name = "LOG")]
    pub paths: Vec<PathBuf>,

    /// Kind of the logs: conn or dns [default: detected from headers or fields; conn for directories and pipes]
    #[arg(long, value_name = "KIND", value_parser = log_kind, help_heading = "Reading")]
    pub log: Option<LogKind>,

    /// Stop at the first unusable row or log, with exit status 1
    #[arg(long, help_heading = "Reading")]
    pub strict: bool,

    /// Column names of TSV logs without a #fields header, for example ts,uid,id.orig_h,...
    #[arg(long, value_name = "NAMES", value_delimiter = ',', help_heading = "Reading")]
    pub fields: Option<Vec<String>>,

    /// Threads for parsing, and as many for scoring; 1 to 1024 [default: one per core, at most 8]
    ///
    /// The number does not change the output.
    #[arg(long, value_name = "N", value_parser = within(1..=1024), help_heading = "Reading")]
    pub threads: Option<usize>,
}

/// Model to score with.
#[derive(Clone, Debug, clap::Args)]
pub struct ModelArgs {
    /// The model, as written by train [default: a model trained on the same logs]
    #[arg(long, short, value_name = "MODEL")]
    pub model: Option<PathBuf>,

    #[command(flatten)]
    pub trust: TrustArgs,
}

/// Models to score with, one for each kind of log.
#[derive(Clone, Debug, clap::Args)]
pub struct ModelsArgs {
    /// The model, as written by train; repeat it for logs of both kinds [default: a model trained on the same logs]
    #[arg(long, short, value_name = "MODEL")]
    pub model: Vec<PathBuf>,

    #[command(flatten)]
    pub trust: TrustArgs,
}

/// Conditions for using a model file.
#[derive(Clone, Debug, Default, clap::Args)]
pub struct TrustArgs {
    /// Refuse models without a signature by this minisign key (the second line of the public key file)
    #[arg(long, value_name = "KEY", value_parser = key, help_heading = "Trust")]
    trusted_key: Option<String>,

    /// Accept a model although other users can write to its file or to a directory above it
    #[arg(long, help_heading = "Trust")]
    allow_writable: bool,
}

/// Selection of records to show.
#[derive(Clone, Debug, clap::Args)]
pub struct FilterArgs {
    /// Show only connections and queries with this originator or responder; can be repeated
    #[arg(long, value_name = "ADDRESS", help_heading = "Selection")]
    host: Vec<IpAddr>,

    /// Hide connections and queries with an originator or responder in this network; can be repeated
    ///
    /// Hidden ones still count as context.
    #[arg(long, value_name = "CIDR", help_heading = "Selection")]
    exclude: Vec<Network>,
}

/// Context of earlier runs.
#[derive(Clone, Debug, clap::Args)]
pub struct ContextArgs {
    /// Remember hosts and open incidents between runs: read this file if it exists, replace it at the end of a successful run
    ///
    /// For logs that are processed in pieces, such as every hour: with the same file in order of time, the scores equal
    /// those of one run over all logs. A failed run leaves the file unchanged.
    #[arg(long, value_name = "FILE", help_heading = "Reading")]
    pub context: Option<PathBuf>,
}

/// Output file for rows.
#[derive(Clone, Debug, clap::Args)]
pub struct OutputArgs {
    /// Output file, compressed if the name ends in .gz or .zst; not one of the logs [default: standard output]
    ///
    /// An existing file is replaced when the output is complete; the target of a link is not changed. Devices, your own
    /// named pipes and /dev/stdout or /dev/fd/3 are written to directly.
    #[arg(long, short, value_name = "OUT")]
    output: Option<PathBuf>,
}

/// Labels of malicious rows.
#[derive(Clone, Debug, clap::Args)]
pub struct LabelArgs {
    /// Column with the label [default: label]
    #[arg(long, value_name = "FIELD", help_heading = "Labels")]
    pub label: Option<String>,

    /// Rows are malicious if their label starts with this, ignoring case
    #[arg(long, value_name = "PREFIX", default_value = "malicious", help_heading = "Labels")]
    pub malicious: String,
}

/// Traffic to train on.
#[derive(Debug, clap::Args)]
pub struct TrafficArgs {
    /// Leave out rows that are labelled as malicious; they still count as context
    #[arg(long, help_heading = "Labels")]
    only_benign: bool,

    #[command(flatten)]
    labels: LabelArgs,

    #[command(flatten)]
    pub logs: LogArgs,
}

/// Sampling of training rows.
#[derive(Clone, Debug, clap::Args)]
pub struct SamplingArgs {
    /// Rows in the uniform sample that a model is built from and calibrated on, 2 to 10000000
    #[arg(
        long, value_name = "N", default_value_t = Params::default().reservoir,
        value_parser = within(2..=10_000_000),
        help_heading = "Learning"
    )]
    reservoir: usize,

    /// Seed of the random generator: the same logs and seed give the same scores; 0 to 2^64 - 1
    #[arg(long, value_name = "N", default_value_t = Params::default().seed, help_heading = "Learning")]
    seed: u64,
}

/// Training parameters.
#[derive(Clone, Debug, clap::Args)]
pub struct LearningArgs {
    /// Trees in the forest, at least one for each group of features, at most 10000
    #[arg(
        long, value_name = "N", default_value_t = Params::default().forest.n_trees,
        value_parser = trees,
        help_heading = "Learning"
    )]
    trees: usize,

    /// Rows for each tree, 2 to 1048576; larger samples rarely help and can hide anomalies
    #[arg(
        long, value_name = "N", default_value_t = Params::default().forest.sample_size,
        value_parser = within(2..=1 << 20),
        help_heading = "Learning"
    )]
    sample_size: usize,

    #[command(flatten)]
    sampling: SamplingArgs,

    #[command(flatten)]
    budget: BudgetArgs,
}

/// Alert budget of a new model.
#[derive(Clone, Debug, clap::Args)]
pub struct BudgetArgs {
    /// Set the threshold for this many alerts a day, above 0, at most 1000000000
    #[arg(
        long, value_name = "N", default_value_t = Params::default().alerts_per_day,
        value_parser = alerts,
        help_heading = "Learning"
    )]
    alerts_per_day: f64,

    /// Set the threshold for this share of the connections or queries, above 0 and below 1: 0.001 for one in a thousand
    #[arg(
        long, value_name = "SHARE",
        value_parser = share, conflicts_with = "alerts_per_day",
        help_heading = "Learning"
    )]
    contamination: Option<f64>,
}

/// Alert budget that replaces the model's.
#[derive(Clone, Debug, Default, clap::Args)]
pub struct ThresholdArgs {
    /// Set the threshold for this many alerts a day, above 0, at most 1000000000 [default: the model's budget]
    #[arg(long, value_name = "N", value_parser = alerts, help_heading = "Threshold")]
    alerts_per_day: Option<f64>,

    /// Set the threshold for this share of the connections or queries, above 0 and below 1
    #[arg(
        long, value_name = "SHARE",
        value_parser = share, conflicts_with = "alerts_per_day",
        help_heading = "Threshold"
    )]
    contamination: Option<f64>,
}

/// The list of known activity.
#[derive(Clone, Debug, Default, clap::Args)]
pub struct KnownArgs {
    /// List of known activity, which opens no incident, in the format of Zeek's Input framework
    #[arg(long, value_name = "FILE", help_heading = "Selection")]
    pub known: Option<PathBuf>,
}

impl TrustArgs {
    /// The conditions as the detector takes them.
    pub fn trust(&self) -> Trust {
        Trust { key: self.trusted_key.clone().unwrap_or_default(), writable_by_others: self.allow_writable }
    }
}

impl OutputArgs {
    /// The output file; `-` is standard output.
    pub fn path(&self) -> &Path {
        self.output.as_deref().unwrap_or(Path::new("-"))
    }
}

impl LabelArgs {
    /// Labels in a column that every log must have.
    pub fn required(&self) -> Labels {
        Labels { required: true, ..self.optional() }
    }

    /// Labels in a column that logs can have.
    pub fn optional(&self) -> Labels {
        let field = self.label.clone().unwrap_or_else(|| "label".to_owned());
        Labels { field, prefix: self.malicious.clone().into_bytes(), required: self.label.is_some() }
    }
}

impl TrafficArgs {
    /// The labels of the rows to leave out, with `--only-benign`.
    pub fn excluded(&self) -> Option<Labels> {
        self.only_benign.then(|| self.labels.required())
    }
}

impl SamplingArgs {
    /// The parameters that determine the sample.
    pub fn params(&self, log: LogKind) -> Params {
        let mut params = Params::of(log);
        params.reservoir = self.reservoir;
        params.seed = self.seed;
        params
    }
}

impl LearningArgs {
    /// The parameters of a training.
    pub fn params(&self, log: LogKind) -> Params {
        let mut params = self.sampling.params(log);
        params.forest.n_trees = self.trees;
        params.forest.sample_size = self.sample_size;
        self.budget.set(&mut params);
        params
    }

    /// Returns true if the threshold is set by a number of alerts, given or by default.
    pub fn has_alert_budget(&self) -> bool {
        self.budget.contamination.is_none()
    }
}

impl BudgetArgs {
    /// Sets the budget in the parameters of a training.
    pub fn set(&self, params: &mut Params) {
        params.alerts_per_day = self.alerts_per_day;
        params.contamination = self.contamination;
    }
}

impl FilterArgs {
    /// The selection as a filter.
    pub fn filter(&self) -> HostFilter {
        HostFilter { hosts: self.host.iter().map(|&ip| ip.into()).collect(), excluded: self.exclude.clone() }
    }
}

impl ThresholdArgs {
    /// The policy for this budget, or the model's own.
    ///
    /// # Errors
    /// If the budget exceeds the traffic.
    pub fn policy(&self, model: &Model) -> Result<AlertPolicy> {
        if let Some(alerts) = self.alerts_per_day {
            require_traffic(model, alerts)?;
            return Ok(AlertPolicy::for_alerts(model, alerts));
        }
        let of_share = self.contamination.map(|share| AlertPolicy::for_share(model, share));
        Ok(of_share.unwrap_or_else(|| AlertPolicy::of(model)))
    }
}

/// Refuses a budget of more alerts a day than there are connections.
pub fn require_traffic(model: &Model, alerts_per_day: f64) -> Result<()> {
    let connections = model.provenance().connections_per_day;
    ensure!(
        alerts_per_day < connections,
        "--alerts-per-day {alerts_per_day}: the training data has only {} {} a day; give a smaller number",
        format::count(connections.round() as u64),
        model.schema().log.nouns()
    );
    Ok(())
}

//! `inspect`: describes a model, a sensor's state directory or a sample.

mod state;

use std::fmt::Write;
use std::path::PathBuf;

use anyhow::Result;
use detector::Model;
use serde::Serialize;

use crate::cli::options::TrustArgs;
use crate::{console, escape, format};

/// Describe a model, or the state directory of a sensor
///
/// For a model: its training, parameters, features, score distribution and threshold. For a state directory: the model,
/// sample and remembered hosts of each node.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  zeek-iforest inspect iforest.model
  zeek-iforest inspect /usr/local/zeek/spool/stores/iforest")]
pub struct InspectArgs {
    /// A model, a state directory, or a sample
    #[arg(value_name = "MODEL")]
    pub model: PathBuf,

    /// Print one JSON object
    #[arg(long)]
    pub json: bool,

    #[command(flatten)]
    pub trust: TrustArgs,
}

/// Width of a histogram bin.
const BIN: f64 = 0.05;
/// Longest bar, and the width of the texts beside it, in characters.
const MAX_BAR: usize = 48;
const BESIDE_BAR: usize = 24;
/// Column width of a quantile.
const QUANTILE_WIDTH: usize = 9;
/// Minimum width for the meaning of a feature beside its name; otherwise it goes below.
const MEANING_WIDTH: usize = 30;
const QUANTILES: [f64; 7] = [0.0, 0.25, 0.5, 0.75, 0.9, 0.99, 0.999];

/// Description of a model, as printed by `--json`. Times are seconds since 1970.
#[derive(Serialize)]
pub struct Description {
    /// Name of the log that the model scores.
    log: &'static str,
    software: String,
    checksum: String,
    trained_at: f64,
    sources: Vec<String>,
    first_ts: f64,
    last_ts: f64,
    /// Observed time, without gaps of more than a day.
    time_seen: f64,
    connections: u64,
    n_trees: usize,
    sample_size: usize,
    rows: u64,
    seed: u64,
    alerts_per_day: f64,
    threshold: f64,
    schema_version: u32,
    features: Vec<Feature>,
    score_quantiles: Vec<Quantile>,
}

#[derive(Serialize)]
struct Feature {
    name: &'static str,
    meaning: &'static str,
}

#[derive(Serialize)]
struct Quantile {
    share: f64,
    score: f64,
}

pub fn run(args: &InspectArgs) -> Result<()> {
    if state::is_state(&args.model) {
        return state::run(&args.model, &args.trust.trust(), args.json);
    }
    let model = crate::model_file::load(&args.model, &args.trust.trust())?;
    if args.json {
        super::print_json(&description(&model))
    } else {
        super::print(&text(&model, args, console::width()))
    }
}

pub fn description(model: &Model) -> Description {
    let provenance = model.provenance();
    let seconds = |micros: i64| micros as f64 / 1e6;
    Description {
        log: model.schema().log.name(),
        software: provenance.software.clone(),
        checksum: format!("{:016x}", model.checksum()),
        trained_at: seconds(provenance.trained_at),
        sources: provenance.sources.clone(),
        first_ts: seconds(provenance.first_ts),
        last_ts: seconds(provenance.last_ts),
        time_seen: seconds(provenance.time_seen),
        connections: provenance.connections,
        n_trees: model.forest().n_trees(),
        sample_size: model.forest().sample_size(),
        rows: provenance.rows,
        seed: provenance.seed,
        alerts_per_day: provenance.alerts_per_day,
        threshold: model.threshold(),
        schema_version: model.schema().version,
        features: model
            .schema()
            .features
            .iter()
            .map(|feature| Feature { name: feature.name, meaning: feature.meaning })
            .collect(),
        score_quantiles: quantiles(&model.calibration().scores().collect::<Vec<_>>()),
    }
}

/// The [`QUANTILES`] and the maximum of ascending scores.
fn quantiles(scores: &[f64]) -> Vec<Quantile> {
    let Some(last) = scores.len().checked_sub(1) else { return Vec::new() };
    let at = |share: f64| Quantile { share, score: scores[(share * last as f64).round() as usize] };
    QUANTILES.into_iter().chain([1.0]).map(at).collect()
}

fn text(model: &Model, args: &InspectArgs, terminal_width: usize) -> String {
    let it = description(model);
    let provenance = model.provenance();
    let mut text = String::new();
    let mut line = |name: &str, value: &str| {
        // Writing to a `String` cannot fail.
        let value = format::wrapped(&escape::printable(value), 13, terminal_width);
        let _ = writeln!(text, "{name:<12} {value}");
    };
    line("model", &args.model.display().to_string());
    line("trained", &format!("{} UTC by zeek-iforest {}", format::date_time(provenance.trained_at), it.software));
    line("checksum", &it.checksum);
    line("from", &format::names(&it.sources));
    line(
        "traffic",
        &format!(
            "{}, {} to {} UTC ({} with traffic)",
            format::counted(it.connections, model.schema().log.noun()),
            format::date_time(provenance.first_ts),
            format::date_time(provenance.last_ts),
            format::time_span(provenance.time_seen)
        ),
    );
    line(
        "forest",
        &format!(
            "{} trees of {} rows each, {}",
            format::count(it.n_trees as u64),
            format::count(it.sample_size as u64),
            if model.forest().is_imported() {
                "built by another program".to_owned()
            } else {
                format!("built from {} with seed {}", format::counted(it.rows, "row"), it.seed)
            }
        ),
    );
    line("threshold", &format!("{:.6} for {}", it.threshold, format::alerts_a_day(it.alerts_per_day)));

    let scores: Vec<f64> = model.calibration().scores().collect();
    let scored = if model.forest().is_imported() { "scores" } else { "out-of-bag scores" };
    let of = format!("{scored} of {}", format::counted(scores.len() as u64, "row"));
    let _ = writeln!(text, "\n{}", format::wrapped(&of, 0, terminal_width));
    text.push_str(&histogram(&scores, terminal_width.saturating_sub(BESIDE_BAR).min(MAX_BAR)));
    let quantiles: Vec<_> =
        it.score_quantiles.iter().map(|q| (quantile_name(q.share), format!("{:.4}", q.score))).collect();
    // Quantiles are distributed evenly over the lines.
    let lines = (quantiles.len() * QUANTILE_WIDTH).div_ceil(terminal_width.max(QUANTILE_WIDTH));
    for some in quantiles.chunks(quantiles.len().div_ceil(lines.max(1)).max(1)) {
        let names: String = some.iter().map(|(name, _)| format!("{name:>QUANTILE_WIDTH$}")).collect();
        let scores: String = some.iter().map(|(_, score)| format!("{score:>QUANTILE_WIDTH$}")).collect();
        let _ = writeln!(text, "\n{names}\n{scores}");
    }

    let _ = writeln!(text, "\n{} features, version {}", it.features.len(), it.schema_version);
    let width = it.features.iter().map(|feature| feature.name.len()).max().unwrap_or(0);
    for feature in &it.features {
        let _ = if width + 4 + MEANING_WIDTH <= terminal_width {
            let meaning = format::wrapped(feature.meaning, width + 4, terminal_width);
            writeln!(text, "  {:<width$}  {meaning}", feature.name)
        } else {
            writeln!(text, "  {}\n    {}", feature.name, format::wrapped(feature.meaning, 4, terminal_width))
        };
    }
    text
}

fn quantile_name(share: f64) -> String {
    match share {
        0.0 => "lowest".to_owned(),
        0.5 => "median".to_owned(),
        1.0 => "highest".to_owned(),
        share => format!("{}%", 100.0 * share),
    }
}

/// Histogram with one line for each bin; the longest bar has `longest` characters.
fn histogram(scores: &[f64], longest: usize) -> String {
    let mut bars = vec![0u64; (1.0 / BIN).round() as usize + 1];
    for score in scores {
        bars[(score / BIN + 1e-9) as usize] += 1;
    }
    let most = bars.iter().copied().max().unwrap_or(0).max(1);
    let from = bars.iter().position(|&n| n > 0).unwrap_or(0);
    let to = bars.iter().rposition(|&n| n > 0).map_or(0, |last| last + 1);
    let mut text = String::new();
    for (i, &n) in bars.iter().enumerate().take(to).skip(from) {
        // Bins with any rows have a visible bar.
        let length = (n as f64 / most as f64 * longest as f64).ceil() as usize;
        let low = i as f64 * BIN;
        let _ =
            writeln!(text, "  {low:.2}-{:.2}  {:<longest$}  {:>9}", low + BIN, "#".repeat(length), format::count(n));
    }
    text
}

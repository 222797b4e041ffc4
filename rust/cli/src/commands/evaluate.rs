//! `evaluate`: how well a model's scores agree with labels.

use std::fmt::Write;

use anyhow::{Result, ensure};
use detector::Extractor;
use serde::Serialize;

use crate::args::EvaluateArgs;
use crate::console::Console;
use crate::human;
use crate::pipeline::{Batch, Run};
use crate::ranking::{AtAlerts, Ranking};
use crate::source::Source;

/// The figures, as `--json` prints them.
#[derive(Serialize)]
struct Figures {
    roc_auc: f64,
    average_precision: f64,
    connections: u64,
    malicious: u64,
    threshold: f64,
    at_threshold: Option<AtAlerts>,
    at_alerts: Vec<AtAlerts>,
}

pub fn run(args: EvaluateArgs, threads: usize, console: &Console) -> Result<()> {
    let source = Source::new(&args.logs, &args.reading)?;
    let model = super::load_model(&args.model)?;
    let labels = args.labels.required();
    let mut extractor = Extractor::new();
    let mut ranking = Ranking::new();
    let mut labelled = 0u64;
    let run = Run { labels: Some(&labels), ..Run::new(&source, threads, console) };
    let summary = run.stages(
        |batch| batch.extract(&mut extractor),
        || |batch: &mut Batch| batch.score(&model),
        |batch| {
            for (malicious, &score) in batch.malicious.iter().zip(&batch.scores) {
                labelled += u64::from(malicious.is_some());
                ranking.add(score, malicious.unwrap_or(false));
            }
            Ok(())
        },
    )?;
    summary.require_some()?;
    let (field, prefix) = (&labels.field, &args.labels.malicious);
    ensure!(summary.connections > 0, "there is no connection in {}", source.names.join(", "));
    ensure!(labelled > 0, "no row has a {field:?}; name the column with the label by --label");
    let (malicious, benign) = (ranking.malicious(), ranking.benign());
    ensure!(
        malicious > 0 && benign > 0,
        "{} of {} have a {field:?} that starts with {prefix:?}; there must be some of both kinds to compare (choose by \
         --label and --malicious)",
        if malicious == 0 { "none" } else { "all" },
        human::counted(summary.connections, "connection"),
    );
    let figures = Figures {
        roc_auc: ranking.roc_auc(),
        average_precision: ranking.average_precision(),
        connections: summary.connections,
        malicious,
        threshold: model.threshold(),
        at_threshold: ranking.at_threshold(model.threshold()),
        at_alerts: ranking.at_rising_alerts(),
    };
    if args.json {
        super::print_json(&figures)?;
    } else {
        super::print(&table(&figures))?;
    }
    summary.require_all("the figures were made")
}

fn table(figures: &Figures) -> String {
    let share = 100.0 * figures.malicious as f64 / figures.connections as f64;
    let mut text = format!(
        "{}, {} malicious ({share:.1} %)\n\nROC AUC            {:.4}\naverage precision  {:.4}\n\n",
        human::counted(figures.connections, "connection"),
        human::count(figures.malicious),
        figures.roc_auc,
        figures.average_precision,
    );
    text.push_str("    alerts  precision  recall  lowest score\n");
    let mut row = |at: &AtAlerts, remark: &str| {
        let AtAlerts { alerts, precision, recall, score } = *at;
        let alerts = human::count(alerts);
        // Writing to a string cannot fail.
        let _ = writeln!(text, "{alerts:>10}  {precision:>9.3}  {recall:>6.3}  {score:>12.6}{remark}");
    };
    figures.at_alerts.iter().for_each(|at| row(at, ""));
    match &figures.at_threshold {
        Some(at) => row(at, "  at the model's threshold"),
        None => {
            let _ = writeln!(text, "no score reaches the model's threshold {:.6}", figures.threshold);
        }
    }
    text
}

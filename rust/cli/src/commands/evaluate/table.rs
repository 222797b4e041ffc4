//! The figures as a person reads them on a terminal.

use std::fmt::Write;

use super::figures::{Figures, Separation};
use crate::human;
use crate::ranking::AtAlerts;

/// The settings side by side, then each with its details.
pub fn table(all: &[Figures]) -> String {
    let mut text = String::new();
    if let Some(first) = all.first() {
        let share = 100.0 * first.malicious as f64 / first.connections as f64;
        let connections = human::counted(first.connections, "connection");
        let _ = writeln!(text, "{connections}, {} malicious ({share:.1} %)\n", human::count(first.malicious));
    }
    if let [one] = all {
        let _ = writeln!(text, "ROC AUC            {}", figure(one, |figures| figures.roc_auc));
        let _ = writeln!(text, "average precision  {}\n", figure(one, |figures| figures.average_precision));
        text.push_str(&details(one));
        return text;
    }
    let width = all.iter().map(|figures| figures.setting.chars().count()).max().unwrap_or(0).max("setting".len());
    let _ = writeln!(text, "{:width$}  {:<15}  average precision", "setting", "ROC AUC");
    for figures in all {
        let auc = figure(figures, |figures| figures.roc_auc);
        let precision = figure(figures, |figures| figures.average_precision);
        let _ = writeln!(text, "{:width$}  {auc:<15}  {precision}", human::printable(&figures.setting));
    }
    for figures in all {
        let _ = write!(text, "\n{}\n\n{}", human::printable(&figures.setting), details(figures));
    }
    text
}

/// A mean and, over several runs, their standard deviation.
pub fn figure(figures: &Figures, of: fn(&Separation) -> f64) -> String {
    let mean = Separation { roc_auc: figures.roc_auc, average_precision: figures.average_precision };
    with_deviation(of(&mean), figures.standard_deviation.as_ref().map(of))
}

/// `0.9971 ± 0.0004`.
pub fn with_deviation(mean: f64, deviation: Option<f64>) -> String {
    deviation.map_or_else(|| format!("{mean:.4}"), |deviation| format!("{mean:.4} ± {deviation:.4}"))
}

fn details(figures: &Figures) -> String {
    let mut text = "    alerts  precision  recall  lowest score\n".to_owned();
    // Writing to a string cannot fail.
    for AtAlerts { alerts, precision, recall, score } in &figures.at_alerts {
        let alerts = human::count(*alerts);
        let _ = writeln!(text, "{alerts:>10}  {precision:>9.3}  {recall:>6.3}  {score:>12.6}");
    }
    let at = &figures.at_threshold;
    let threshold = figures.threshold.map_or_else(String::new, |threshold| format!("{threshold:.6}"));
    let _ = match at.precision {
        Some(precision) => writeln!(
            text,
            "{:>10}  {precision:>9.3}  {:>6.3}  {threshold:>12}  at the model's threshold, {} without repetitions",
            rounded(at.alerts),
            at.recall,
            rounded(at.notices),
        ),
        None => writeln!(text, "no score reaches the model's threshold {threshold}"),
    };
    let width = figures.attacks.iter().map(|attack| human::printable(&attack.label).chars().count()).max().unwrap_or(0);
    let width = width.max("attack".len());
    let _ = writeln!(text, "\n{:width$}  connections  best rank  alerts to reach it", "attack");
    for attack in &figures.attacks {
        let [connections, rank, alerts] =
            [attack.reach.connections, attack.reach.rank, attack.reach.alerts].map(human::count);
        let label = human::printable(&attack.label);
        let _ = writeln!(text, "{label:width$}  {connections:>11}  {rank:>9}  {alerts:>18}");
    }
    text
}

/// A mean of counts: whole where it is, with one decimal where not.
fn rounded(count: f64) -> String {
    if count.fract() == 0.0 { human::count(count as u64) } else { format!("{count:.1}") }
}

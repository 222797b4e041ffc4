//! Metrics as text tables.

use std::fmt::Write;

use detector::LogKind;

use super::metrics::{Metrics, Separation};
use super::ranking::AtAlerts;
use crate::text_table::Align::{self, Left, Right};
use crate::text_table::TextTable;
use crate::{escape, format};

/// Indentation of continued lines on narrow terminals.
const INDENT: usize = 2;

/// Formats the settings side by side, then the details of each.
pub fn table(log: LogKind, all: &[Metrics], terminal_width: usize) -> String {
    let mut text = String::new();
    if let Some(first) = all.first() {
        let share = 100.0 * first.malicious as f64 / first.connections as f64;
        let connections = format::counted(first.connections, log.noun());
        let all = format!("{connections}, {} malicious ({share:.1} %)", format::count(first.malicious));
        let _ = writeln!(text, "{}\n", format::wrapped(&all, 0, terminal_width));
    }
    if let [one] = all {
        let _ = writeln!(text, "ROC AUC            {}", metric(one, |metrics| metrics.roc_auc));
        let _ = writeln!(text, "average precision  {}\n", metric(one, |metrics| metrics.average_precision));
        return text + &details(log, one, terminal_width);
    }
    let mut rows = vec![["setting", "ROC AUC", "average precision"].map(str::to_owned).to_vec()];
    rows.extend(all.iter().map(|metrics| {
        vec![
            escape::printable(&metrics.setting).into_owned(),
            metric(metrics, |metrics| metrics.roc_auc),
            metric(metrics, |metrics| metrics.average_precision),
        ]
    }));
    text.push_str(&by_name(&[Left, Left, Left], &rows, terminal_width));
    for metrics in all {
        let _ = write!(text, "\n{}\n\n{}", escape::printable(&metrics.setting), details(log, metrics, terminal_width));
    }
    text
}

/// Formats a table with a header.
pub fn lines(aligns: &[Align], rows: &[Vec<String>], terminal_width: usize) -> String {
    let columns = TextTable::new(aligns, rows, INDENT, terminal_width);
    rows.iter().map(|row| columns.row(row) + "\n").collect()
}

/// Formats a table whose first column is a name, which gets a separate line if the row is too long.
fn by_name(aligns: &[Align], rows: &[Vec<String>], terminal_width: usize) -> String {
    if TextTable::new(aligns, rows, INDENT, terminal_width).is_one_line() {
        return lines(aligns, rows, terminal_width);
    }
    let rest: Vec<_> = rows.iter().map(|row| row[1..].to_vec()).collect();
    let columns = TextTable::new(&aligns[1..], &rest, 0, terminal_width - INDENT);
    let pairs = rows.iter().zip(&rest);
    pairs.map(|(row, rest)| format!("{}\n{:INDENT$}{}\n", row[0], "", columns.row(rest))).collect()
}

/// Formats a mean with the standard deviation over several runs.
pub fn metric(metrics: &Metrics, of: fn(&Separation) -> f64) -> String {
    let mean = Separation { roc_auc: metrics.roc_auc, average_precision: metrics.average_precision };
    with_deviation(of(&mean), metrics.standard_deviation.as_ref().map(of))
}

/// Formats `0.9971 ± 0.0004`.
pub fn with_deviation(mean: f64, deviation: Option<f64>) -> String {
    deviation.map_or_else(|| format!("{mean:.4}"), |deviation| format!("{mean:.4} ± {deviation:.4}"))
}

fn details(log: LogKind, metrics: &Metrics, terminal_width: usize) -> String {
    let mut rows = vec![["alerts", "precision", "recall", "lowest score"].map(str::to_owned).to_vec()];
    rows.extend(metrics.at_alerts.iter().map(|AtAlerts { alerts, precision, recall, score }| {
        vec![format::count(*alerts), format!("{precision:.3}"), format!("{recall:.3}"), format!("{score:.6}")]
    }));
    let at = &metrics.at_threshold;
    let threshold = metrics.threshold.map_or_else(String::new, |threshold| format!("{threshold:.6}"));
    rows.extend(at.precision.map(|precision| {
        vec![
            rounded(at.alerts),
            format!("{precision:.3}"),
            format!("{:.3}", at.recall),
            threshold.clone(),
            "at the threshold".to_owned(),
        ]
    }));
    let mut text = lines(&[Right, Right, Right, Right, Left], &rows, terminal_width);
    let below = match at.precision {
        None => format!("no score reaches the model's threshold {threshold}"),
        Some(_) => format!(
            "At the threshold, {} alert{} if repetitions (same originator and main reason within an hour) count once.",
            rounded(at.notices),
            if at.notices == 1.0 { "" } else { "s" }
        ),
    };
    // Writing to a `String` cannot fail.
    let _ = writeln!(text, "{}", format::wrapped(&below, 0, terminal_width));
    let mut rows = vec![["attack", log.nouns(), "best rank", "alerts needed"].map(str::to_owned).to_vec()];
    if metrics.incidents.is_some() {
        rows[0].extend(["incidents", "incidents above"].map(str::to_owned));
    }
    rows.extend(metrics.attacks.iter().map(|attack| {
        let mut row = vec![format::name(attack.label.as_bytes())];
        row.extend([attack.detection.connections, attack.detection.rank, attack.detection.alerts].map(format::count));
        if let Some(incidents) = attack.incidents {
            row.extend([
                format::count(incidents),
                attack.incidents_above.map_or_else(|| "-".to_owned(), format::count),
            ]);
        }
        row
    }));
    if let Some(incidents) = metrics.incidents {
        let _ = writeln!(text, "{}", format::wrapped(&format::counted(incidents, "incident"), 0, terminal_width));
    }
    text + "\n" + &by_name(&[Left, Right, Right, Right, Right, Right][..rows[0].len()], &rows, terminal_width)
}

/// Formats a mean of counts, with one decimal if not whole.
fn rounded(count: f64) -> String {
    if count.fract() == 0.0 { format::count(count as u64) } else { format!("{count:.1}") }
}

//! The figures as a person reads them on a terminal.

use std::fmt::Write;

use super::figures::{Figures, Separation};
use crate::columns::Columns;
use crate::columns::Side::{self, Left, Right};
use crate::human;
use crate::ranking::AtAlerts;

/// Before what goes on below in a narrow terminal.
const INDENT: usize = 2;

/// The settings side by side, then each with its details.
pub fn table(all: &[Figures], terminal_width: usize) -> String {
    let mut text = String::new();
    if let Some(first) = all.first() {
        let share = 100.0 * first.malicious as f64 / first.connections as f64;
        let connections = human::counted(first.connections, "connection");
        let all = format!("{connections}, {} malicious ({share:.1} %)", human::count(first.malicious));
        let _ = writeln!(text, "{}\n", human::wrapped(&all, 0, terminal_width));
    }
    if let [one] = all {
        let _ = writeln!(text, "ROC AUC            {}", figure(one, |figures| figures.roc_auc));
        let _ = writeln!(text, "average precision  {}\n", figure(one, |figures| figures.average_precision));
        return text + &details(one, terminal_width);
    }
    let mut rows = vec![["setting", "ROC AUC", "average precision"].map(str::to_owned).to_vec()];
    rows.extend(all.iter().map(|figures| {
        vec![
            human::printable(&figures.setting).into_owned(),
            figure(figures, |figures| figures.roc_auc),
            figure(figures, |figures| figures.average_precision),
        ]
    }));
    text.push_str(&by_name(&[Left, Left, Left], &rows, terminal_width));
    for figures in all {
        let _ = write!(text, "\n{}\n\n{}", human::printable(&figures.setting), details(figures, terminal_width));
    }
    text
}

/// The rows of a table, the first of which are the heads.
pub fn lines(sides: &[Side], rows: &[Vec<String>], terminal_width: usize) -> String {
    let columns = Columns::new(sides, rows, INDENT, terminal_width);
    rows.iter().map(|row| columns.row(row) + "\n").collect()
}

/// The same for rows that begin with a name, which stands above the rest where this does not fit behind it.
fn by_name(sides: &[Side], rows: &[Vec<String>], terminal_width: usize) -> String {
    if Columns::new(sides, rows, INDENT, terminal_width).is_one_line() {
        return lines(sides, rows, terminal_width);
    }
    let rest: Vec<_> = rows.iter().map(|row| row[1..].to_vec()).collect();
    let columns = Columns::new(&sides[1..], &rest, 0, terminal_width - INDENT);
    let pairs = rows.iter().zip(&rest);
    pairs.map(|(row, rest)| format!("{}\n{:INDENT$}{}\n", row[0], "", columns.row(rest))).collect()
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

fn details(figures: &Figures, terminal_width: usize) -> String {
    let mut rows = vec![["alerts", "precision", "recall", "lowest score"].map(str::to_owned).to_vec()];
    rows.extend(figures.at_alerts.iter().map(|AtAlerts { alerts, precision, recall, score }| {
        vec![human::count(*alerts), format!("{precision:.3}"), format!("{recall:.3}"), format!("{score:.6}")]
    }));
    let at = &figures.at_threshold;
    let threshold = figures.threshold.map_or_else(String::new, |threshold| format!("{threshold:.6}"));
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
            "Numbers of alerts are in the order of the scores alone. At the model's threshold there are also those for \
             evidence that adds up; without repetitions, {} of them. Ranks of attacks are as top ranks.",
            rounded(at.notices)
        ),
    };
    // Writing to a string cannot fail.
    let _ = writeln!(text, "{}", human::wrapped(&below, 0, terminal_width));
    let mut rows = vec![["attack", "connections", "best rank", "alerts needed"].map(str::to_owned).to_vec()];
    rows.extend(figures.attacks.iter().map(|attack| {
        let mut row = vec![human::name(attack.label.as_bytes())];
        row.extend([attack.reach.connections, attack.reach.rank, attack.reach.alerts].map(human::count));
        row
    }));
    text + "\n" + &by_name(&[Left, Right, Right, Right], &rows, terminal_width)
}

/// A mean of counts: whole where it is, with one decimal where not.
fn rounded(count: f64) -> String {
    if count.fract() == 0.0 { human::count(count as u64) } else { format!("{count:.1}") }
}

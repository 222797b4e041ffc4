//! Sentences of the page.

use detector::{LogKind, Model};

use super::super::Section;
use super::super::timeline::{self, Axis, Outliers};
use crate::format;
use crate::training::MIN_RECORDS;

/// Note on connections that the charts over time omit; the tables include them.
pub fn outliers_note(outliers: Outliers, axis: &Axis, noun: &str) -> String {
    let ((earliest, latest), (first, last)) = (outliers.range, axis.range);
    let far = [(earliest < first).then_some(earliest), (latest > last).then_some(latest)].into_iter().flatten();
    let far: Vec<_> = far.map(format::date_time).collect();
    format!(
        "The charts omit {} with distant start times, up to {} UTC, probably of a wrong clock.",
        format::counted(outliers.connections, noun),
        far.join(" and ")
    )
}

pub fn share(part: u64, all: u64) -> String {
    match part as f64 / all.max(1) as f64 {
        0.0 => "none".to_owned(),
        share if share >= 0.1 => format!("{:.0} %", 100.0 * share),
        share if share >= 0.000_1 => format!("{:.2} %", 100.0 * share),
        share => format!("1 in {}", format::count((1.0 / share).round() as u64)),
    }
}

pub fn threshold_remark(model: &Model, threshold: f64) -> String {
    if threshold == model.threshold() {
        format!("for {} in the training data", format::alerts_a_day(model.provenance().alerts_per_day))
    } else {
        "set on the command line".to_owned()
    }
}

pub fn warning(section: &Section<'_>) -> String {
    let connections = section.model.provenance().connections;
    if connections >= MIN_RECORDS {
        return String::new();
    }
    format!(
        "The model was trained on only {}, too few to tell rare from typical. Train on at least a day of logs.",
        format::counted(connections, section.log.noun())
    )
}

pub fn meaning(sections: &[Section<'_>]) -> String {
    let trained = sections.iter().map(|it| format::counted(it.model.provenance().connections, it.log.noun()));
    let one = sections.iter().map(|it| it.log.noun()).collect::<Vec<_>>().join(" or ");
    let thresholds = sections.iter().map(|it| {
        let (many, threshold) = (it.log.nouns(), it.aggregates.threshold);
        format!("{} that score {threshold:.4} or more are anomalous.", capitalized(many))
    });
    format!(
        "The score measures how easily random splits isolate a {one} from the {} in the training data: about 0.5 is \
         typical, values towards 1 are unusual. {} Unusual does not mean malicious: check the reasons and the host before \
         you act.",
        trained.collect::<Vec<_>>().join(" or "),
        thresholds.collect::<Vec<_>>().join(" "),
    )
}

/// Note on the step widths of wide and narrow pages, in microseconds.
pub fn steps_note(wide: i64, narrow: i64) -> String {
    let mut text = format!("Each bar is {}", timeline::width_in_words(wide));
    if narrow != wide {
        text.push_str(&format!(", on a narrow screen {}", timeline::width_in_words(narrow)));
    }
    text + "."
}

pub fn rows_lead(below: usize, above: usize, anomalous: u64, connections: u64, kind: LogKind) -> String {
    let (one, many) = (kind.noun(), kind.nouns());
    let mut text = match (above, anomalous) {
        (0, 0) => format!("No {one} is anomalous."),
        (1, 1) => format!("One {one} is anomalous."),
        (above, all) if above as u64 == all => format!("All {} anomalous {many}.", format::count(all)),
        (above, all) => {
            format!("The first {} of {} anomalous {many}.", format::count(above as u64), format::count(all))
        }
    };
    if below > 0 {
        let connections = format::count(connections);
        text.push_str(&format!(" The {below} next highest scores of {connections} {many} are grey."));
    }
    text + match kind {
        LogKind::Conn => " Out and In are payload bytes sent by the originator and the responder.",
        LogKind::Dns => {
            " Duration is the time until the response; Out and In are bytes of the name and of the answers."
        }
    }
}

pub fn capitalized(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn formats_shares() {
        assert_eq!(share(0, 10), "none");
        assert_eq!(share(3, 10), "30 %");
        assert_eq!(share(12, 3068), "0.39 %");
        assert_eq!(share(2, 1_000_000), "1 in 500,000");
    }
}

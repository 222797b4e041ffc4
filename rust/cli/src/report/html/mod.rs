//! HTML page of a report: fills the template with charts, tables and texts.
//!
//! Attackers can control the contents of logs. Every text from a log passes through [`escape::printable_bytes`] and the
//! template's escaping. None is part of the script or the style sheet, and the content security policy of the page
//! allows only [`Page::SCRIPT`].

mod rows;
mod texts;

use std::collections::HashSet;

use anyhow::Result;
use askama::Template;
use detector::{Address, LogKind};

use self::rows::{ConnectionRow, History, HostRow, PortRow, Sparks, host_row, port_row, row};
use self::texts::{capitalized, meaning, outliers_note, rows_lead, share, steps_note, threshold_remark, warning};
use super::Section;
use super::aggregates::{Aggregates, HISTORY_STEPS, STEPS};
use super::charts::{self, Chart};
use super::incidents::{FoundIncidents, IncidentView, RiskView};
use crate::{escape, format};

/// Minimum number of listed connections, filled with those below the threshold.
const MIN_ROWS: usize = 50;
/// Minimum and maximum number of listed hosts.
const MIN_HOSTS: usize = 10;
const MAX_HOSTS: usize = 25;
const MAX_PORTS: usize = 20;
const MAX_LOGS: usize = 1_000;

/// Fields of the template.
#[derive(Template)]
#[template(path = "report.html")]
struct Page {
    /// Records of the logs: `connections and queries`.
    subject: String,
    /// The noun for one of them: `Query`, or `Record` if there are both.
    record: String,
    period: String,
    figures: Vec<Tile>,
    /// Warning about the models, if any.
    warning: String,
    meaning: String,
    incidents_lead: String,
    incidents: Vec<IncidentView>,
    risks: Vec<RiskView>,
    histories: Vec<History>,
    logs: Vec<LogView>,
    facts: Vec<Fact>,
    n_logs: String,
    names: Vec<Fact>,
    command: String,
}

/// Charts and tables of one kind of log.
struct LogView {
    /// Suffix of element identifiers; empty for the first log.
    id: &'static str,
    /// Name of the log, if there are several.
    heading: String,
    /// The noun for its records in all forms: `query`, `Query`, `queries`, `Queries`.
    one: &'static str,
    one_title: String,
    many: &'static str,
    title: String,
    /// Step width of the charts.
    steps: String,
    /// Note on connections that the charts omit.
    outliers: String,
    traffic: Chart,
    scores: Chart,
    distribution: Chart,
    hosts_lead: String,
    hosts: Vec<HostRow>,
    rows_lead: String,
    rows: Vec<ConnectionRow>,
    ports_lead: String,
    ports: Vec<PortRow>,
}

impl Page {
    const STYLE: &str = include_str!("../../../templates/report.css");
    const SCRIPT: &str = include_str!("../../../templates/report.js");
    /// Hash of [`Self::SCRIPT`], the only script that the page may run.
    const SCRIPT_HASH: &str = "sha256-WL3aMzezY4MubIh6b1vvpqkI8iRi+XcRrIeHztp1n/4=";
}

struct Tile {
    name: String,
    value: String,
    remark: String,
}

struct Fact {
    name: String,
    value: String,
}

/// Renders the page of logs of one or more kinds.
///
/// # Errors
/// If drawing a chart or filling the template fails.
pub fn render(mut sections: Vec<Section<'_>>, found: &FoundIncidents, made_at: i64, command: &str) -> Result<String> {
    let models: Vec<_> = sections.iter().map(|section| section.model).collect();
    let ranges = sections.iter().map(|section| section.aggregates.times.axis().0.range);
    let (first, last) = ranges.reduce(|a, b| (a.0.min(b.0), a.1.max(b.1))).unwrap_or_default();
    let is_single = sections.len() == 1;
    let nouns: Vec<_> = sections.iter().map(|section| section.log.nouns()).collect();
    let mut figures: Vec<Tile> = sections.iter().flat_map(|section| tiles(section, is_single)).collect();
    let all_hosts = || sections.iter().flat_map(|section| section.aggregates.hosts.iter());
    let hosts: HashSet<&Address> = all_hosts().map(|(address, _)| address).collect();
    let anomalous = all_hosts().filter(|(_, host)| host.counts.anomalous > 0);
    let originators: HashSet<&Address> = anomalous.map(|(address, _)| address).collect();
    let is_partial = sections.iter().any(|section| section.aggregates.hosts.is_partial);
    figures.insert(
        0,
        Tile {
            name: "Incidents".to_owned(),
            value: format::count(found.incidents.len() as u64),
            remark: format!("{} at risk", format::counted(found.risks.len() as u64, "host")),
        },
    );
    figures.push(Tile {
        name: "Anomalous hosts".to_owned(),
        value: format::count(originators.len() as u64),
        remark: format!("of {}{}", if is_partial { "more than " } else { "" }, format::count(hosts.len() as u64)),
    });
    figures.extend(sections.iter().map(|section| threshold_tile(section, is_single)));
    let (mut histories, mut views) = (Vec::new(), Vec::new());
    for (i, section) in sections.iter_mut().enumerate() {
        views.push(view(section, if i == 0 { "" } else { "-2" }, is_single, &mut histories)?);
    }
    let all_logs: Vec<_> = sections.iter().flat_map(|section| &section.aggregates.logs).collect();
    let page = Page {
        subject: nouns.join(" and "),
        record: capitalized(if let [section] = &sections[..] { section.log.noun() } else { "record" }),
        period: format::period(first, last),
        figures,
        warning: sections.iter().map(warning).filter(|text| !text.is_empty()).collect::<Vec<_>>().join(" "),
        meaning: meaning(&sections),
        incidents_lead: found.lead(),
        incidents: found.views(&models, (first, last)),
        risks: found.risk_views(),
        histories,
        logs: views,
        facts: facts(&sections, made_at),
        n_logs: format::count(all_logs.len() as u64),
        names: all_logs
            .iter()
            .take(MAX_LOGS)
            .map(|(name, n)| Fact { name: escape::printable(name).into_owned(), value: format::count(*n) })
            .collect(),
        command: escape::printable(command).into_owned(),
    };
    Ok(page.render()?)
}

fn anomalous_hosts(aggregates: &Aggregates) -> usize {
    aggregates.hosts.iter().filter(|(_, host)| host.counts.anomalous > 0).count()
}

/// Numbers of records and of anomalous ones.
fn tiles(section: &Section<'_>, is_single: bool) -> [Tile; 2] {
    let (aggregates, many) = (&section.aggregates, section.log.nouns());
    let (axis, _) = aggregates.times.axis();
    let (first, last) = axis.range;
    let connections = aggregates.connections();
    [
        Tile {
            name: capitalized(many),
            value: format::count(connections),
            remark: format::time_span(last.saturating_sub(first)),
        },
        Tile {
            name: if is_single { "Anomalous".to_owned() } else { format!("Anomalous {many}") },
            value: format::count(aggregates.anomalous),
            remark: share(aggregates.anomalous, connections),
        },
    ]
}

fn threshold_tile(section: &Section<'_>, is_single: bool) -> Tile {
    let threshold = section.aggregates.threshold;
    Tile {
        name: if is_single { "Threshold".to_owned() } else { format!("Threshold for {}.log", section.log.name()) },
        value: format!("{threshold:.4}"),
        remark: threshold_remark(section.model, threshold),
    }
}

/// Charts and tables of a section; adds the histories that they refer to.
fn view(section: &mut Section<'_>, id: &'static str, is_single: bool, histories: &mut Vec<History>) -> Result<LogView> {
    let Section { log: kind, aggregates, model, .. } = section;
    let (one, many, name) = (kind.noun(), kind.nouns(), kind.name());
    let threshold = aggregates.threshold;
    let mut entries = aggregates.take_highest();
    let above = entries.iter().take_while(|entry| entry.verdict.alert).count();
    entries.truncate(above.max(MIN_ROWS));
    let connections = aggregates.connections();
    let (axis, outliers) = aggregates.times.axis();
    let axis = axis.in_at_most(STEPS, 0);
    let history_axis = axis.in_at_most(HISTORY_STEPS, aggregates.history_width);
    let ranked_hosts = aggregates.hosts.ranked();
    let anomalous_hosts = anomalous_hosts(aggregates);

    let mut sparks = Sparks::new(aggregates, &history_axis, one, histories);
    let listed_hosts = ranked_hosts.iter().take(anomalous_hosts.clamp(MIN_HOSTS, MAX_HOSTS));
    let hosts: Vec<_> = listed_hosts.map(|(address, host)| host_row(*address, host, model, &mut sparks)).collect();
    let rows: Vec<_> = entries.iter().map(|entry| row(entry, model, &mut sparks)).collect();
    let ports: Vec<_> =
        aggregates.ports.ranked().into_iter().take(MAX_PORTS).map(|(key, port)| port_row(key, port)).collect();

    let verb = match kind {
        LogKind::Conn => "opened",
        LogKind::Dns => "sent",
    };
    let mut hosts_lead = match anomalous_hosts {
        0 => format!("No host {verb} an anomalous {one}. Those with the highest scores are listed."),
        1 => format!("One host {verb} anomalous {many}."),
        n => format!("{} hosts {verb} anomalous {many}.", format::count(n as u64)),
    };
    if anomalous_hosts > MAX_HOSTS {
        hosts_lead.push_str(&format!(" The {MAX_HOSTS} with the most are listed."));
    }
    hosts_lead.push_str(" The score is the highest of the host.");
    if aggregates.hosts.is_partial {
        hosts_lead.push_str(
            " The logs have too many hosts: those with the lowest scores are missing, and histories can be incomplete.",
        );
    }
    Ok(LogView {
        id,
        heading: if is_single { String::new() } else { format!(", {name}.log") },
        one,
        one_title: capitalized(one),
        title: capitalized(many),
        steps: steps_note(axis.width, charts::narrow_width(&axis)),
        outliers: outliers.map(|outliers| outliers_note(outliers, &axis, one)).unwrap_or_default(),
        traffic: charts::traffic(aggregates, &axis, one)?,
        scores: charts::scores(aggregates, &axis, threshold, one)?,
        distribution: charts::distribution(aggregates, threshold, one)?,
        hosts_lead,
        hosts,
        rows_lead: rows_lead(entries.len() - above, above, aggregates.anomalous, connections, *kind),
        rows,
        ports_lead: format!(
            "The {} with the most anomalous {many}, then with the highest scores.",
            format::counted(ports.len() as u64, "port")
        ),
        ports,
        many,
    })
}

/// Logs and models, and the time of the report.
fn facts(sections: &[Section<'_>], made_at: i64) -> Vec<Fact> {
    let mut facts: Vec<Fact> =
        sections.iter().flat_map(|section| section_facts(section, sections.len() == 1)).collect();
    let made = format!("{} UTC by zeek-iforest {}", format::date_time(made_at), env!("CARGO_PKG_VERSION"));
    facts.insert(2, Fact { name: "Made".to_owned(), value: made });
    facts
}

fn section_facts(section: &Section<'_>, is_single: bool) -> [Fact; 5] {
    let Section { log: kind, aggregates, model, .. } = section;
    let (noun, provenance) = (kind.noun(), model.provenance());
    let of = if is_single { String::new() } else { format!(" ({}.log)", kind.name()) };
    let fact =
        |name: &str, value: String| Fact { name: format!("{name}{of}"), value: escape::printable(&value).into_owned() };
    let mut read = format!(
        "{} in {}",
        format::counted(aggregates.connections(), noun),
        format::counted(aggregates.logs.len() as u64, "log")
    );
    if let Some(bytes) = section.bytes {
        read.push_str(&format!(" ({})", format::bytes(bytes)));
    }
    if section.skipped > 0 {
        read.push_str(&format!("; {} could not be used", format::counted(section.skipped, "row")));
    }
    if section.failures > 0 {
        read.push_str(&format!("; {} could not be read to the end", format::counted(section.failures, "log")));
    }
    [
        fact("Logs", format::names(section.names)),
        fact("Read", read),
        fact(
            "Model",
            format!(
                "{}, checksum {:016x}",
                section.path.as_deref().unwrap_or("trained on the same logs"),
                model.checksum()
            ),
        ),
        fact(
            "Trained",
            format!(
                "{} UTC by zeek-iforest {} on {}: {}, {}",
                format::date_time(provenance.trained_at),
                provenance.software,
                format::names(&provenance.sources),
                format::counted(provenance.connections, noun),
                format::period(provenance.first_ts, provenance.last_ts),
            ),
        ),
        fact(
            "Forest",
            format!(
                "{} trees of {} rows each, seed {}",
                format::count(model.forest().n_trees() as u64),
                format::count(model.forest().sample_size() as u64),
                provenance.seed
            ),
        ),
    ]
}

#[cfg(test)]
mod tests {
    use base64::Engine;
    use sha2::Digest;

    use super::*;

    #[test]
    fn policy_allows_the_script() {
        let hash = base64::engine::general_purpose::STANDARD.encode(sha2::Sha256::digest(Page::SCRIPT));
        assert_eq!(Page::SCRIPT_HASH, format!("sha256-{hash}"));
    }
}

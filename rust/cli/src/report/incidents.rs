//! Incidents and hosts at risk in the HTML report.

use std::collections::HashMap;

use detector::units::SECOND;
use detector::{Address, HostRisk, Incident, Model, Role, format_port, format_reasons};

use crate::grouping::{Grouping, move_merged};
use crate::pipeline::ScoredRecord;
use crate::top_k::StoredRecord;
use crate::{escape, format};

/// Incidents that the page lists, and the records, targets and ports of each.
const MAX_INCIDENTS: usize = 50;
const MAX_RECORDS: usize = 10;
const MAX_NAMES: usize = 12;
/// Incidents with records during the run.
const MAX_TRACKED: usize = 4096;
/// Hosts at risk, and incidents of each, that the page lists.
const MAX_HOSTS: usize = 20;
const MAX_CONTRIBUTIONS: usize = 4;
/// Width of the timeline's coordinates, and the shortest bar.
const SPAN: f64 = 1000.0;
const SHORTEST: f64 = 4.0;

/// Groups connections and stores the alerts of each incident with the highest scores.
#[derive(Debug)]
pub struct IncidentCollector {
    pub grouping: Grouping,
    records: HashMap<String, Vec<StoredRecord>>,
}

/// The incidents of a run, the most severe first.
#[derive(Debug)]
pub struct FoundIncidents {
    pub incidents: Vec<Incident>,
    pub risks: Vec<HostRisk>,
    /// Single failed connections, which are no incident.
    pub minor: u64,
    /// Incidents of known activity.
    pub known: u64,
    /// End of the first record, in microseconds since 1970.
    pub first: Option<i64>,
    records: HashMap<String, Vec<StoredRecord>>,
}

impl IncidentCollector {
    pub fn new(grouping: Grouping) -> Self {
        Self { grouping, records: HashMap::new() }
    }

    /// Adds a connection.
    pub fn add(&mut self, scored: &ScoredRecord<'_>, model: &Model) {
        let id = self.grouping.add(scored, model);
        let changes = self.grouping.take_changes();
        move_merged(changes, &mut self.records, join);
        let Some(id) = id else { return };
        if self.records.len() < MAX_TRACKED || self.records.contains_key(&id) {
            let records = self.records.entry(id).or_default();
            // Copying a record costs more than comparing its score.
            let is_high = records.last().is_none_or(|last| last.verdict.score < scored.verdict.score);
            if records.len() < MAX_RECORDS || is_high {
                insert(records, StoredRecord::new(scored));
            }
        }
    }

    /// Closes all incidents. Without `hosts` all hosts at risk are returned, otherwise these only.
    pub fn finish(mut self, hosts: &[Address]) -> FoundIncidents {
        let changes = self.grouping.finish();
        move_merged(changes, &mut self.records, join);
        let (minor, known) = (self.grouping.minor, self.grouping.known);
        let (first, now) = (self.grouping.first(), self.grouping.now());
        let mut incidents = self.grouping.into_incidents();
        incidents.retain(|incident| !incident.known);
        let mut risks = crate::grouping::risks(&incidents, now);
        risks.retain(|risk| hosts.is_empty() || hosts.contains(&risk.host));
        FoundIncidents { incidents, risks, minor, known, first, records: self.records }
    }
}

fn join(records: &mut Vec<StoredRecord>, merged: Vec<StoredRecord>) {
    merged.into_iter().for_each(|record| insert(records, record));
}

/// Adds a record among the highest scores.
fn insert(records: &mut Vec<StoredRecord>, record: StoredRecord) {
    let place = records.partition_point(|other| other.verdict.score >= record.verdict.score);
    if place < MAX_RECORDS {
        records.insert(place, record);
        records.truncate(MAX_RECORDS);
    }
}

/// An incident as the template shows it.
pub struct IncidentView {
    pub id: String,
    pub score: String,
    pub kind: &'static str,
    pub period: String,
    pub summary: String,
    pub reasons: String,
    pub actor: String,
    /// Start and width of its bar on the timeline.
    pub bar: (String, String),
    pub facts: Vec<(&'static str, String)>,
    pub records_lead: String,
    pub records: Vec<RecordView>,
    pub filter: String,
    pub known_lines: String,
}

/// A record of an incident as the template shows it.
pub struct RecordView {
    pub score: String,
    pub time: String,
    pub connection: String,
    pub reasons: String,
    pub uid: String,
}

/// A host at risk as the template shows it.
pub struct RiskView {
    pub host: String,
    pub risk: String,
    pub contributions: Vec<(String, String)>,
}

impl FoundIncidents {
    /// The sentence above the incidents.
    pub fn lead(&self) -> String {
        let n = self.incidents.len();
        let mut text = match n {
            0 => "No incident.".to_owned(),
            _ => format!("{}, the most severe first.", format::counted(n as u64, "incident")),
        };
        if n > MAX_INCIDENTS {
            text.push_str(&format!(" The first {MAX_INCIDENTS} are listed."));
        }
        if self.minor > 0 {
            let minor = format::counted(self.minor, "single failed record");
            text.push_str(&format!(" {minor} not listed."));
        }
        if self.known > 0 {
            text.push_str(&format!(" {} of known activity not listed.", format::counted(self.known, "incident")));
        }
        text
    }

    /// The incidents that the page lists.
    pub fn views(&self, models: &[&Model], period: (i64, i64)) -> Vec<IncidentView> {
        self.incidents.iter().take(MAX_INCIDENTS).map(|incident| self.view(incident, models, period)).collect()
    }

    fn view(&self, incident: &Incident, models: &[&Model], period: (i64, i64)) -> IncidentView {
        let id = incident.id();
        let records = self.records.get(&id).map(Vec::as_slice).unwrap_or_default();
        let targets: Vec<_> = incident.targets.sample().iter().map(Address::to_string).collect();
        let ports: Vec<_> = incident.ports.sample().iter().map(|&port| format_port(port)).collect();
        let mut facts = vec![
            (
                if incident.role == Role::Target { "Originators" } else { "Targets" },
                format::first_names(&targets, MAX_NAMES, incident.targets_total()),
            ),
            ("Ports", format::first_names(&ports, MAX_NAMES, incident.ports_total())),
        ];
        let uids: Vec<_> = incident.uids().map(format::name).collect();
        if !uids.is_empty() {
            facts.push(("uid", format::first_names(&uids, MAX_NAMES, incident.uids_total())));
        }
        if !incident.attack().is_empty() {
            facts.push(("ATT&CK", incident.attack().join(", ")));
        }
        IncidentView {
            score: format!("{:.3}", incident.score()),
            kind: incident.kind.name(),
            period: format::period(incident.start, incident.last),
            summary: escape::printable(&incident.summary()).into_owned(),
            reasons: escape::printable(&incident.reasons().join("; ")).into_owned(),
            actor: incident.actor.to_string(),
            bar: bar(incident, period),
            facts,
            records_lead: format!(
                "{}, {} above the threshold",
                incident.records_text(),
                format::count(incident.alerts)
            ),
            records: records.iter().filter_map(|record| record_view(record, models)).collect(),
            filter: filter(incident),
            known_lines: incident.known_lines(),
            id,
        }
    }

    /// The hosts at risk that the page lists.
    pub fn risk_views(&self) -> Vec<RiskView> {
        let view = |risk: &HostRisk| RiskView {
            host: risk.host.to_string(),
            risk: format!("{:.2}", risk.risk),
            contributions: risk
                .contributions
                .iter()
                .take(MAX_CONTRIBUTIONS)
                .map(|it| (it.id.clone(), format!("{} {:.2}", it.kind.name(), it.risk)))
                .collect(),
        };
        self.risks.iter().take(MAX_HOSTS).map(view).collect()
    }
}

/// `None` without a model of its log.
fn record_view(record: &StoredRecord, models: &[&Model]) -> Option<RecordView> {
    let connection = record.connection();
    let model = models.iter().find(|model| model.schema().log == record.record().log())?;
    Some(RecordView {
        score: format!("{:.4}", record.verdict.score),
        time: format::date_time(connection.ts),
        connection: format!("{} → {}", connection.orig.addr, format::target(&record.record())),
        reasons: format_reasons(&record.reasons(model)),
        uid: record.uid().map(|uid| escape::printable_bytes(uid).into_owned()).unwrap_or_default(),
    })
}

/// Start and width of an incident in the period of the page.
fn bar(incident: &Incident, (first, last): (i64, i64)) -> (String, String) {
    let length = (last.saturating_sub(first)).max(1) as f64;
    let at = |time: i64| (time.saturating_sub(first) as f64 / length * SPAN).clamp(0.0, SPAN);
    let width = (at(incident.last) - at(incident.start)).max(SHORTEST);
    (format!("{:.0}", at(incident.start).min(SPAN - width)), format!("{width:.0}"))
}

/// A query in Kibana's language that selects the records.
fn filter(incident: &Incident) -> String {
    let side = if incident.role == Role::Target { "destination.ip" } else { "source.ip" };
    let time = |micros: i64| format::time(micros, "%Y-%m-%dT%H:%M:%SZ");
    format!(
        "{side} : \"{}\" and @timestamp >= \"{}\" and @timestamp <= \"{}\"",
        incident.actor,
        time(incident.start),
        time(incident.last.saturating_add(SECOND))
    )
}

//! Grouping of scored connections into incidents, shared by the commands that show them.

use std::cmp::Reverse;
use std::collections::HashMap;
use std::time::Duration;

use anyhow::{Context, Result};
use detector::{
    Change, ContextKeys, Event, Grouper, HostRisk, INCIDENT_TIMEOUT, Incident, KnownList, Model, Observation, Verdict,
    host_risks,
};

use crate::context_file::RunContext;
use crate::host_filter::HostFilter;
use crate::pipeline::ScoredRecord;

/// Groups the connections of a run and collects the incidents that close.
#[derive(Debug)]
pub struct Grouping {
    grouper: Grouper,
    keeps_minor: bool,
    filter: HostFilter,
    /// End of the first record.
    first: Option<i64>,
    incidents: Vec<Incident>,
    /// Number of records of each incident at the end of the earlier run. Incidents without new records are not listed.
    resumed: HashMap<String, u64>,
    /// Incidents of a single failed connection.
    pub minor: u64,
    /// Incidents of known activity.
    pub known: u64,
    /// Selected records that alerted.
    pub alerts: u64,
}

impl Grouping {
    /// A grouping that discards single failed connections unless `keeps_minor` is set, and incidents that the filter
    /// does not select.
    pub fn new(known: KnownList, keeps_minor: bool, filter: HostFilter) -> Self {
        let grouper = Grouper::new(known, INCIDENT_TIMEOUT);
        let resumed = HashMap::new();
        Self {
            grouper,
            keeps_minor,
            filter,
            first: None,
            incidents: Vec::new(),
            resumed,
            minor: 0,
            known: 0,
            alerts: 0,
        }
    }

    /// Continues the incidents of an earlier run, if the context has any.
    ///
    /// # Errors
    /// If the context contains impossible values.
    pub fn resume(&mut self, context: &mut RunContext<'_>) -> Result<()> {
        let (Some(path), Some(snapshot)) = (context.path, context.incidents.take()) else { return Ok(()) };
        self.grouper.restore(snapshot).with_context(|| path.display().to_string())?;
        self.resumed = self.grouper.open_incidents().map(|incident| (incident.id(), incident.records)).collect();
        Ok(())
    }

    /// Adds the open incidents to a context that will be saved.
    pub fn save(&self, context: &mut RunContext<'_>) {
        context.incidents = context.path.map(|_| self.grouper.snapshot());
    }

    /// Starts fetching the table entries of a later record, if there is one; see [`Grouper::prefetch`].
    pub fn prefetch(&self, later: Option<&ContextKeys>) {
        if let Some(keys) = later {
            self.grouper.prefetch(keys);
        }
    }

    /// Adds a connection and returns the identifier of its incident. One that is excluded counts as context.
    pub fn add(&mut self, scored: &ScoredRecord<'_>, model: &Model) -> Option<String> {
        let (record, uid) = (scored.record, scored.uid);
        let verdict = match self.filter.excludes(&scored.connection) {
            true => Verdict { alert: false, evidence: None, adds_to_fan_out: false, ..*scored.verdict },
            false => *scored.verdict,
        };
        self.first.get_or_insert(record.end());
        let reasons = match verdict.alert || verdict.evidence.is_some() {
            true => model.reasons(record, scored.row, verdict.evidence),
            false => Vec::new(),
        };
        self.alerts += u64::from(verdict.alert && self.filter.matches(&scored.connection));
        self.grouper.observe(&Observation { record, uid, verdict, reasons: &reasons, keys: scored.keys })
    }

    /// Removes and returns the events so far; incidents that closed are collected.
    pub fn take_changes(&mut self) -> Vec<Change> {
        let changes = self.grouper.take_changes();
        let closed = changes.iter().filter(|change| change.event == Event::Closed).map(|change| &change.incident);
        for incident in closed.filter(|incident| self.filter.matches_incident(incident)) {
            if self.resumed.get(&incident.id()) == Some(&incident.records) {
                continue;
            }
            let is_minor = !incident.known && incident.is_minor();
            self.known += u64::from(incident.known);
            self.minor += u64::from(is_minor);
            if !is_minor || self.keeps_minor {
                self.incidents.push(incident.clone());
            }
        }
        changes
    }

    /// Closes all incidents and returns the last events.
    pub fn finish(&mut self) -> Vec<Change> {
        self.close_all();
        self.take_changes()
    }

    /// Closes all incidents.
    pub fn close_all(&mut self) {
        self.grouper.close_all();
    }

    /// Closes and reports incidents as if `pause` had passed since the last record.
    pub fn apply_pause(&mut self, pause: Duration) {
        self.grouper.close_quiet(self.now().saturating_add(pause.as_micros() as i64));
    }

    /// Discards the incidents that have closed.
    pub fn discard_closed(&mut self) {
        self.incidents.clear();
    }

    /// The end of the first record, in microseconds since 1970; `None` before it.
    pub fn first(&self) -> Option<i64> {
        self.first
    }

    /// All incidents that have closed and were not discarded, the most severe first.
    pub fn into_incidents(self) -> Vec<Incident> {
        let mut incidents = self.incidents;
        incidents.sort_by_cached_key(severity);
        incidents
    }

    /// The end of the last connection, in microseconds since 1970.
    pub fn now(&self) -> i64 {
        self.grouper.now()
    }
}

/// Moves what is stored for incidents that became part of others to these.
pub fn move_merged<T: Default>(changes: Vec<Change>, stored: &mut HashMap<String, T>, mut join: impl FnMut(&mut T, T)) {
    for change in changes {
        if let Some(into) = change.merged_into {
            let merged = stored.remove(&change.incident.id()).unwrap_or_default();
            join(stored.entry(into).or_default(), merged);
        }
    }
}

/// Sort key: by descending score, then by start.
pub fn severity(incident: &Incident) -> (Reverse<u64>, i64, String) {
    (Reverse((incident.score() * 1e6) as u64), incident.start, incident.id())
}

/// Hosts by the risk of incidents that are neither known nor single failed connections.
pub fn risks(incidents: &[Incident], now: i64) -> Vec<HostRisk> {
    host_risks(incidents.iter().filter(|incident| !incident.known && !incident.is_minor()), now)
}

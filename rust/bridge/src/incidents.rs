//! Incidents of the sensor: grouping on a standalone node or a manager, forwarding on a worker.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::rc::Rc;

use detector::{
    Address, Change, Connection, Event, Grouper, GrouperSnapshot, Incident, KnownList, Observation, RiskTable,
    format_port,
};

use crate::types::{HostRisk, IncidentChange, IncidentEvent};

/// Incidents of the process, shared by the sensors of all logs: records of one host join one incident.
#[derive(Clone, Default)]
pub(crate) struct SharedIncidents(Rc<RefCell<Option<Incidents>>>);

impl SharedIncidents {
    /// Starts grouping; `timeout` is in seconds.
    pub(crate) fn start(&self, timeout: f64, forwards: bool) {
        *self.0.borrow_mut() = Some(Incidents::new(timeout, forwards));
    }

    pub(crate) fn are_on(&self) -> bool {
        self.0.borrow().is_some()
    }

    #[cfg(test)]
    pub(crate) fn get(&self) -> std::cell::RefMut<'_, Incidents> {
        std::cell::RefMut::map(self.0.borrow_mut(), |incidents| incidents.as_mut().unwrap())
    }

    /// Result of a call; `None` before grouping starts.
    pub(crate) fn with<T>(&self, call: impl FnOnce(&mut Incidents) -> T) -> Option<T> {
        self.0.borrow_mut().as_mut().map(call)
    }
}

/// Groups scored records.
pub(crate) struct Incidents {
    grouper: Grouper,
    risks: RiskTable,
    changes: VecDeque<Change>,
    /// True on a worker, whose changes the manager reports.
    forwards: bool,
    /// On the manager: serialized new identifiers of the incidents that were merged last, for the node that sent them.
    renamings: Vec<u8>,
}

impl Incidents {
    fn new(timeout: f64, forwards: bool) -> Self {
        let mut grouper = Grouper::new(KnownList::default(), Connection::micros(timeout));
        if forwards {
            grouper.forward();
        }
        Self { grouper, risks: RiskTable::default(), changes: VecDeque::new(), forwards, renamings: Vec::new() }
    }

    /// Copies what takes days to learn, for a file.
    pub(crate) fn long_term(&self) -> GrouperSnapshot {
        self.grouper.long_term()
    }

    /// Continues from a file.
    pub(crate) fn restore(&mut self, snapshot: GrouperSnapshot) -> Result<(), detector::Error> {
        self.grouper.restore(snapshot)
    }

    pub(crate) fn set_incident_timeout(&mut self, timeout: f64) {
        self.grouper.set_timeout(Connection::micros(timeout));
    }

    pub(crate) fn set_known(&mut self, list: &[u8]) -> Result<(), String> {
        self.grouper.set_known(KnownList::parse(&String::from_utf8_lossy(list)).map_err(|error| error.to_string())?);
        Ok(())
    }

    pub(crate) fn known_problem(&self) -> String {
        self.grouper.known_problem().unwrap_or_default()
    }

    /// Returns the identifier of the record's incident, and whether incidents have changed.
    pub(crate) fn observe(&mut self, observation: &Observation<'_>) -> (String, bool) {
        let id = self.grouper.observe(observation).unwrap_or_default();
        (id, self.collect())
    }

    /// Closes all incidents, or those quiet at a time in seconds. Returns true if there are changes.
    pub(crate) fn close_incidents(&mut self, now: f64, all: bool) -> bool {
        match all {
            true => self.grouper.close_all(),
            false => self.grouper.close_quiet(Connection::micros(now)),
        }
        self.collect()
    }

    fn collect(&mut self) -> bool {
        let mut is_new = false;
        for change in self.grouper.take_changes() {
            if change.event == Event::Closed && !change.incident.known {
                self.risks.add(&change.incident);
            }
            is_new |= change.event != Event::Closed;
            // Known activity and single failed connections have no row, but each opened incident has a closed one.
            let has_row = match change.event {
                Event::Closed => change.incident.is_reported(),
                _ => !change.incident.known,
            };
            if !self.forwards && has_row {
                self.changes.push_back(change);
            }
        }
        if self.forwards { is_new } else { !self.changes.is_empty() }
    }

    pub(crate) fn next_incident(&mut self) -> IncidentChange {
        self.changes.pop_front().map_or_else(IncidentChange::default, |change| of_change(&change))
    }

    pub(crate) fn has_additions(&self) -> bool {
        self.grouper.has_additions()
    }

    pub(crate) fn take_additions(&mut self, most: usize, now: f64) -> Vec<u8> {
        self.grouper.take_additions(most, Connection::micros(now).max(self.grouper.now()))
    }

    pub(crate) fn merge_additions(&mut self, bytes: &[u8]) -> Result<bool, String> {
        self.renamings.clear();
        self.renamings = self.grouper.merge_additions(bytes).map_err(|error| error.to_string())?;
        Ok(self.collect())
    }

    pub(crate) fn renamings(&self) -> Vec<u8> {
        self.renamings.clone()
    }

    pub(crate) fn take_opened(&mut self) -> Vec<u8> {
        self.grouper.take_opened()
    }

    pub(crate) fn rename_incidents(&mut self, bytes: &[u8]) -> Result<(), String> {
        self.grouper.rename(bytes).map_err(|error| error.to_string())
    }

    pub(crate) fn host_risks(&mut self) -> Vec<HostRisk> {
        let risks = self.risks.risks(self.grouper.open_incidents(), self.grouper.now());
        let of_risk = |risk: detector::HostRisk| HostRisk {
            host: risk.host.0,
            risk: rounded(risk.risk),
            incidents: risk.contributions.iter().map(|it| it.id.clone()).collect(),
            kinds: risk.contributions.iter().map(|it| it.kind.name().to_owned()).collect(),
            parts: risk.contributions.iter().map(|it| rounded(it.risk)).collect(),
        };
        risks.into_iter().map(of_risk).collect()
    }
}

fn rounded(risk: f64) -> f64 {
    (risk * 1e3).round() / 1e3
}

fn of_change(change: &Change) -> IncidentChange {
    let incident: &Incident = &change.incident;
    IncidentChange {
        event: match change.event {
            Event::Opened => IncidentEvent::Opened,
            Event::Changed => IncidentEvent::Changed,
            Event::Closed => IncidentEvent::Closed,
            Event::Merged => IncidentEvent::Merged,
        },
        escalates: change.escalates,
        is_target: incident.role == detector::Role::Target,
        id: incident.id(),
        merged_into: change.merged_into.clone().unwrap_or_default(),
        start: incident.start as f64 / 1e6,
        last: incident.last as f64 / 1e6,
        actor: incident.actor.0,
        kind: incident.kind.name().to_owned(),
        score: (incident.score() * 1e6).round() / 1e6,
        records: incident.records,
        alerts: incident.alerts,
        targets: incident.targets.sample().iter().map(Address::to_string).collect(),
        targets_total: incident.targets_total(),
        ports: incident.ports.sample().iter().map(|&port| format_port(port)).collect(),
        ports_total: incident.ports_total(),
        uids: incident.uids().map(|uid| String::from_utf8_lossy(uid).into_owned()).collect(),
        reasons: incident.reasons().into_iter().map(str::to_owned).collect(),
        summary: incident.summary(),
        attack: incident.attack().iter().map(|&id| id.to_owned()).collect(),
        known_lines: incident.known_lines(),
    }
}

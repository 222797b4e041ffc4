//! Changes of incidents, which are logged and raise notices.

use super::incident::{Incident, MIN_ORIGINATORS, Role};
use super::kind::IncidentKind;
use super::known::KnownList;
use crate::units::{HOUR, MINUTE};

/// Shortest time between two notices about the growth of an incident, in microseconds: 1 h.
const NOTICE_PAUSE: i64 = HOUR;
/// Longest time for which the report of a new incident waits for its kind, in microseconds: 1 min.
pub(super) const KIND_WAIT: i64 = MINUTE;

/// Kind of a change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event {
    /// The incident opened: it has more than one failed connection, or one that was answered. An incident of kind
    /// `other` is reported up to a minute later, because most kinds need several records.
    Opened,
    /// Its kind changed, or it has ten times the records.
    Changed,
    /// Its actor was quiet for the timeout, or the table is full.
    Closed,
    /// It became part of another incident, of its target, or of the same actor on another node.
    Merged,
}

/// A change of an incident, with its state at that time.
#[derive(Clone, Debug)]
pub struct Change {
    /// The event.
    pub event: Event,
    /// The incident.
    pub incident: Incident,
    /// True if a notice is due: the incident opened, its kind became more severe, or it has ten times the records an
    /// hour or more after the last notice.
    pub escalates: bool,
    /// Identifier of the incident that it became part of.
    pub merged_into: Option<String>,
}

impl Change {
    pub(super) fn new(event: Event, incident: Incident) -> Self {
        Self { event, incident, escalates: false, merged_into: None }
    }
}

/// Returns true if an incident is known activity, or can become it: the first alerts of a known scan are not yet a
/// scan.
pub(super) fn is_held(known: &KnownList, incident: &Incident) -> bool {
    incident.known
        || match incident.reported {
            None => known.can_cover(incident),
            Some(_) => known.covers_incident(incident),
        }
}

/// Change of an incident to report: it opened, its kind changed, or it grew. `None` if nothing is new, if the incident
/// is held back, or while it waits for its kind, at most `wait` microseconds.
pub(super) fn announcement(
    incident: &mut Incident,
    is_held: impl Fn(&Incident) -> bool,
    now: i64,
    wait: i64,
) -> Option<Change> {
    // A surge opens an incident at one connection, which says nothing about the flood.
    let is_begun = incident.role == Role::Originator || incident.records >= MIN_ORIGINATORS as u64;
    let event = match incident.reported {
        None if is_begun && !incident.is_minor() => Event::Opened,
        Some((kind, records)) if kind != incident.kind || incident.records >= records.saturating_mul(10) => {
            Event::Changed
        }
        _ => return None,
    };
    incident.classify();
    let until = incident.waits_until.take().unwrap_or(i64::MAX).min(now.saturating_add(wait));
    if is_held(incident) {
        return None;
    }
    if incident.reported.is_none() && incident.kind == IncidentKind::Other && now < until {
        incident.waits_until = Some(until);
        return None;
    }
    let has_grown = incident.reported.is_some_and(|(_, records)| incident.records >= records.saturating_mul(10));
    let weight = incident.kind.weight();
    let escalates = incident
        .noticed
        .is_none_or(|(before, since)| weight > before || has_grown && now.saturating_sub(since) >= NOTICE_PAUSE);
    if escalates {
        incident.noticed = Some((weight, now));
    }
    incident.reported = Some((incident.kind, incident.records));
    Some(Change { escalates, ..Change::new(event, incident.clone()) })
}

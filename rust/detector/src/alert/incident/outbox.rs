//! Outbox: additions of a worker to incidents, until they are sent to the manager.

use std::collections::hash_map::Entry;

use foldhash::HashMap;

use super::incident::{ActorKey, Incident, MAX_OPEN, Observation};
use super::record::Record;

/// Largest number of incidents with unsent additions; those of further incidents are dropped.
pub(super) const MAX_UNSENT: usize = MAX_OPEN;

/// Additions to incidents since the last message.
#[derive(Debug, Default)]
pub(super) struct Outbox {
    pub(super) unsent: HashMap<(ActorKey, u64), Incident>,
}

impl Outbox {
    /// Adds a record, and the earlier ones that belong to it, to the additions of an incident.
    pub(super) fn add(&mut self, incident: &Incident, earlier: &[Record], record: &Record, o: &Observation<'_>) {
        let key = incident.key();
        let is_full = self.unsent.len() >= MAX_UNSENT;
        let addition = match self.unsent.entry((key, incident.number)) {
            Entry::Occupied(entry) => entry.into_mut(),
            Entry::Vacant(_) if is_full => return,
            Entry::Vacant(entry) => {
                entry.insert(Incident { number: incident.number, ..Incident::new(key, incident.active) })
            }
        };
        earlier.iter().for_each(|earlier| addition.include(earlier, None));
        addition.include(record, Some(o));
        addition.active = incident.active;
    }
}

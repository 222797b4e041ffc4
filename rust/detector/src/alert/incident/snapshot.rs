//! State of a grouper in a file, with which the next run continues the open incidents.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use super::grouper::Grouper;
use super::incident::{ActorKey, Incident, MAX_OPEN};
use super::record::Record;
use super::regular_exchange::{Exchanges, ExchangesSnapshot};
use super::soundness::IMPOSSIBLE;
use super::surge::{Surges, SurgesSnapshot};
use crate::address::Address;
use crate::error::{Contents, Error};

/// Open incidents of a grouper, and its history of other records.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct GrouperSnapshot {
    now: i64,
    incidents: Vec<Incident>,
    flooded: Vec<(Address, ActorKey)>,
    /// Records, and whether they belong to an incident, oldest first.
    history: Vec<(Record, bool)>,
    surges: SurgesSnapshot,
    exchanges: ExchangesSnapshot,
}

impl Grouper {
    /// Copies the state to write it to a file.
    pub fn snapshot(&self) -> GrouperSnapshot {
        let mut incidents: Vec<_> = self.open.iter().collect();
        incidents.sort_unstable_by_key(|(key, _)| **key);
        GrouperSnapshot {
            now: self.now,
            incidents: incidents.into_iter().map(|(_, incident)| incident.clone()).collect(),
            flooded: self.flooded.iter().map(|(&place, &key)| (place, key)).collect(),
            history: self.history.records().collect(),
            surges: self.surges.snapshot(),
            exchanges: self.exchanges.snapshot(),
        }
    }

    /// Copies what takes days to learn, without incidents and without the history that they are built from: a sensor closes
    /// its incidents when it ends.
    pub fn long_term(&self) -> GrouperSnapshot {
        let (surges, exchanges) = (self.surges.snapshot(), self.exchanges.snapshot());
        let (incidents, flooded, history) = (Vec::new(), Vec::new(), Vec::new());
        GrouperSnapshot { now: self.now, incidents, flooded, history, surges, exchanges }
    }

    /// Continues from a snapshot.
    ///
    /// # Errors
    /// If it contains impossible values; the error does not name the file.
    pub fn restore(&mut self, snapshot: GrouperSnapshot) -> Result<(), Error> {
        let GrouperSnapshot { now, incidents, flooded, history, surges, exchanges } = snapshot;
        let keys: BTreeSet<_> = incidents.iter().map(Incident::key).collect();
        let is_sound =
            keys.len() == incidents.len() && keys.len() <= MAX_OPEN && incidents.iter().all(Incident::is_sound);
        let tables = Surges::from_snapshot(surges).zip(Exchanges::from_snapshot(exchanges));
        let Some((surges, exchanges)) = tables.filter(|_| is_sound) else {
            return Err(Contents::State.invalid(IMPOSSIBLE).into());
        };
        (self.now, self.surges, self.exchanges) = (now, surges, exchanges);
        self.flooded = flooded.into_iter().filter(|(_, key)| keys.contains(key)).collect();
        history.into_iter().for_each(|(record, taken)| self.history.push(record, taken));
        incidents.into_iter().for_each(|incident| self.put(incident.key(), incident));
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::*;
    use super::super::{Event, Role};

    #[test]
    fn a_flood_without_an_incident_is_not_restored() {
        let mut snapshot = grouper().snapshot();
        snapshot.flooded.push((host(80).network(), (host(80), Role::Target, false)));
        let mut restored = grouper();
        restored.restore(snapshot).unwrap();
        observe(&mut restored, &tcp(remote(1), host(81), 80, 0, ConnState::S0), true, None);
        restored.close_all();
        assert!(restored.take_changes().iter().any(|change| change.event == Event::Closed));
    }
}

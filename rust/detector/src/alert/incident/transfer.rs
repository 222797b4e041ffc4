//! Incidents in a cluster: workers forward what they add to incidents, and the manager merges it.
//!
//! A worker's grouper stores additions as separate incidents until [`Grouper::take_additions`] serializes them.
//! [`Grouper::merge_additions`] on the manager adds them to its incidents, which open, change and close as if one
//! grouper had processed all connections, except those that no worker considers part of an incident. The worker that
//! opened an incident assigns its identifier; the others receive it from the manager ([`Renaming`]).

use serde::{Deserialize, Serialize};

use super::change::{Change, Event, KIND_WAIT, announcement, is_held};
use super::grouper::Grouper;
use super::incident::{ActorKey, Incident, MAX_OPEN, Role};
use super::soundness::{IMPOSSIBLE, is_time};
use crate::error::{Contents, Error};
use crate::storage::envelope::Envelope;

/// Name of the message in errors.
const SUBJECT: &str = "message about incidents of another node";
const MAX_MESSAGE: usize = 16 << 20;
const ADDITIONS: Envelope =
    Envelope { contents: Contents::Incidents, magic: b"ZIFINCID", version: 5, max_payload: MAX_MESSAGE };
const RENAMINGS: Envelope =
    Envelope { contents: Contents::Incidents, magic: b"ZIFRENAM", version: 1, max_payload: MAX_MESSAGE };

/// Identifiers of incidents, from the manager to a worker: the actor, its side, whether it is known, and the number
/// that replaces any other.
type Renaming = (ActorKey, u64);

#[derive(Serialize, Deserialize)]
struct Additions {
    now: i64,
    incidents: Vec<Incident>,
}

impl Grouper {
    /// Turns forwarding on: additions are stored for [`Grouper::take_additions`].
    pub fn forward(&mut self) {
        self.outbox.get_or_insert_default();
    }

    /// Returns true if there are additions to forward.
    pub fn has_additions(&self) -> bool {
        self.outbox.as_ref().is_some_and(|outbox| !outbox.unsent.is_empty())
    }

    /// Removes the additions to at most `most` incidents and serializes them, together with the time.
    pub fn take_additions(&mut self, most: usize, now: i64) -> Vec<u8> {
        let unsent = self.outbox.as_mut().map(|outbox| &mut outbox.unsent);
        let mut incidents = Vec::new();
        if let Some(unsent) = unsent {
            let mut keys: Vec<_> = unsent.iter().map(|(key, addition)| (addition.start, *key)).collect();
            keys.sort_unstable();
            incidents.extend(keys.into_iter().take(most).filter_map(|(_, key)| unsent.remove(&key)));
        }
        ADDITIONS.seal(&encode(&Additions { now, incidents }))
    }

    /// Adds another node's additions, closes incidents that are quiet by that node's clock, and returns the identifiers
    /// that the node must use from now on.
    ///
    /// # Errors
    /// If the message is damaged or corrupt; nothing is added in that case.
    pub fn merge_additions(&mut self, bytes: &[u8]) -> Result<Vec<u8>, Error> {
        let Additions { now, incidents } = decode(ADDITIONS, bytes)?;
        if !is_time(now) || !incidents.iter().all(Incident::is_sound) {
            return Err(corrupt());
        }
        self.advance(now);
        let mut renamings: Vec<Renaming> = Vec::new();
        for addition in incidents {
            let (key, number) = self.merge(&addition);
            let own = addition.key();
            if number != addition.number {
                // Records that the node has already written carry the identifier of the addition.
                let merged_into = self.open.get(&key).map(Incident::id);
                self.changes.push(Change { merged_into, ..Change::new(Event::Merged, addition) });
                renamings.push((own, number));
            }
        }
        self.close_quiet(now);
        Ok(RENAMINGS.seal(&encode(&renamings)))
    }

    /// Adds one addition and returns the incident it became part of.
    fn merge(&mut self, addition: &Incident) -> (ActorKey, u64) {
        let own = addition.key();
        let target = addition.single_target().map(|target| (target, Role::Target, addition.known));
        let is_open = self.open.get(&own).is_some_and(|incident| !incident.is_minor());
        let is_external = match addition.role {
            Role::Originator => !addition.actor_is_internal,
            Role::Target => !addition.peers_are_internal(),
        };
        let flood = self.flood_near(addition.actor, addition.known).filter(|_| is_external);
        let key = match (flood, target) {
            (Some(flood), _) if addition.role == Role::Target && !self.open.contains_key(&own) => flood,
            (_, Some(target))
                if !is_open && (self.open.contains_key(&target) || self.has_many_originators(&own, &target)) =>
            {
                target
            }
            _ => own,
        };
        let is_new = !self.open.contains_key(&key);
        match key.1 {
            Role::Target => {
                self.open_target(key, addition.active);
                if is_external {
                    self.flooded.entry(key.0.network()).or_insert(key);
                }
            }
            Role::Originator => self.open(key, addition.active),
        }
        let Some(mut incident) = self.take(key) else { return (key, addition.number) };
        if is_new {
            if key == own {
                incident.number = addition.number;
            }
            self.opened.push((key, incident.number));
        }
        incident.merge(addition);
        incident.classify();
        self.changes.extend(announcement(&mut incident, |it| is_held(&self.known, it), addition.active, KIND_WAIT));
        let number = incident.number;
        self.put(key, incident);
        (key, number)
    }

    /// Removes and serializes the identifiers of incidents opened since the last call, for all other nodes; empty if
    /// there are none.
    pub fn take_opened(&mut self) -> Vec<u8> {
        let opened = std::mem::take(&mut self.opened);
        if opened.is_empty() { Vec::new() } else { RENAMINGS.seal(&encode(&opened)) }
    }

    /// Adopts the manager's identifiers for open incidents, and for those that open within the timeout.
    ///
    /// # Errors
    /// If the message is damaged or corrupt.
    pub fn rename(&mut self, bytes: &[u8]) -> Result<(), Error> {
        let renamings: Vec<Renaming> = decode(RENAMINGS, bytes)?;
        let (now, timeout) = (self.now, self.timeout);
        if self.assigned_numbers.len() + renamings.len() > MAX_OPEN {
            self.assigned_numbers.retain(|_, (_, since)| now.saturating_sub(*since) < timeout);
        }
        for (key, number) in renamings {
            if let Some(incident) = self.open.get_mut(&key) {
                incident.number = number;
            }
            if self.assigned_numbers.len() < MAX_OPEN || self.assigned_numbers.contains_key(&key) {
                self.assigned_numbers.insert(key, (number, now));
            }
        }
        Ok(())
    }
}

fn encode(message: &impl Serialize) -> Vec<u8> {
    // Encoding to memory cannot fail for these types; an empty message would be refused.
    bincode::serde::encode_to_vec(message, bincode::config::standard()).unwrap_or_default()
}

fn corrupt() -> Error {
    Error::from(Contents::Incidents.invalid(IMPOSSIBLE)).of(SUBJECT)
}

fn decode<T: for<'de> Deserialize<'de>>(envelope: Envelope, message: &[u8]) -> Result<T, Error> {
    let payload = envelope.open(message).map_err(|error| error.of(SUBJECT))?;
    let config = bincode::config::standard().with_limit::<MAX_MESSAGE>();
    match bincode::serde::decode_from_slice(payload, config) {
        Ok((message, read)) if read == payload.len() => Ok(message),
        _ => Err(corrupt()),
    }
}

#[cfg(test)]
mod tests {
    use super::super::outbox::MAX_UNSENT;
    use super::super::tests::*;
    use super::*;
    use crate::error::ErrorKind;

    fn worker() -> Grouper {
        let mut worker = grouper();
        worker.forward();
        worker
    }

    /// Forwards all additions of the workers to the manager and the identifiers back.
    fn exchange(manager: &mut Grouper, workers: &mut [Grouper]) {
        for i in 0..workers.len() {
            while workers[i].has_additions() {
                let now = workers[i].now();
                let message = workers[i].take_additions(4, now);
                let renamed = manager.merge_additions(&message).unwrap();
                workers[i].rename(&renamed).unwrap();
                let opened = manager.take_opened();
                if !opened.is_empty() {
                    workers.iter_mut().for_each(|worker| worker.rename(&opened).unwrap());
                }
            }
        }
    }

    fn probe(i: i64) -> Connection<'static> {
        tcp(host(16), host(100 + (i % 15) as u8), 20 + (i % 9) as u16, i * SECOND, ConnState::REJ)
    }

    #[test]
    fn a_scan_over_two_workers_is_one_incident_with_one_identifier() {
        let (mut manager, mut workers, mut alone) = (grouper(), [worker(), worker()], grouper());
        let mut ids = Vec::new();
        for i in 0..60 {
            let is_alert = (20..30).contains(&i);
            observe(&mut alone, &probe(i), is_alert, None);
            ids.extend(observe(&mut workers[i as usize % 2], &probe(i), is_alert, None));
            exchange(&mut manager, &mut workers);
        }
        let opened = manager.changes.iter().filter(|change| change.event == Event::Opened).count();
        assert_eq!(opened, 1);
        let (merged, single) = (closed(manager).remove(0), closed(alone).remove(0));
        assert_eq!((merged.kind, merged.alerts, merged.id()), (single.kind, single.alerts, single.id()));
        assert_eq!((merged.records, merged.targets.count()), (single.records, single.targets.count()));
        assert_eq!(merged.summary(), single.summary());
        ids.dedup();
        assert_eq!(ids, [merged.id()]);
    }

    #[test]
    fn identifiers_of_a_race_are_reported_as_merged() {
        let (mut manager, mut workers) = (grouper(), [worker(), worker()]);
        for i in 0..20 {
            observe(&mut workers[i as usize % 2], &probe(i), true, None);
        }
        let ids = workers.each_ref().map(|worker| worker.open_incidents().next().unwrap().id());
        assert_ne!(ids[0], ids[1]);
        exchange(&mut manager, &mut workers);
        let merged = manager.changes.iter().find(|change| change.event == Event::Merged).unwrap();
        assert_eq!((merged.incident.id(), merged.merged_into.clone()), (ids[1].clone(), Some(ids[0].clone())));
        assert_eq!(workers.each_ref().map(|worker| worker.open_incidents().next().unwrap().id()), [&*ids[0]; 2]);
        assert_eq!(closed(manager).len(), 1);
    }

    #[test]
    fn a_target_of_originators_on_two_workers_is_one_incident() {
        let (mut manager, mut workers) = (grouper(), [worker(), worker()]);
        for i in 0..12 {
            let c = tcp(remote(i), host(80), 80, i64::from(i) * SECOND, ConnState::S0);
            observe(&mut workers[usize::from(i) % 2], &c, true, None);
        }
        exchange(&mut manager, &mut workers);
        let incidents = closed(manager);
        assert_eq!(incidents.len(), 1);
        assert_eq!((incidents[0].role, incidents[0].records), (Role::Target, 12));
    }

    #[test]
    fn a_worker_with_a_fast_clock_closes_no_incident_of_others_for_good() {
        let mut manager = grouper();
        let message = |seconds: i64, last: u8| {
            let mut worker = worker();
            let c = tcp(host(last), remote(1), 80, seconds * SECOND, ConnState::SF);
            observe(&mut worker, &c, true, None);
            worker.take_additions(4, worker.now())
        };
        manager.merge_additions(&message(7_200, 1)).unwrap();
        manager.merge_additions(&message(5, 2)).unwrap();
        assert_eq!((manager.open.len(), manager.now()), (2, 7_200 * SECOND + SECOND / 10));
        manager.merge_additions(&message(100_000, 1)).unwrap();
        manager.merge_additions(&message(10, 2)).unwrap();
        manager.merge_additions(&message(20, 3)).unwrap();
        assert_eq!(manager.open.len(), 3);
        assert_eq!(manager.now(), 20 * SECOND + SECOND / 10);
    }

    #[test]
    fn a_manager_names_a_tunnel_among_many_domains() {
        let (mut manager, mut workers) = (grouper(), [worker()]);
        let mut query = |name: &str, seconds: i64| {
            let mut query = DnsQuery { ts: seconds * SECOND, query: Some(name.as_bytes()), ..DnsQuery::default() };
            (query.client, query.server, query.server_port, query.rcode) = (host(20), host(1), 53, Some(0));
            observe_with(&mut workers[0], &query, verdict(true), &[]);
            exchange(&mut manager, &mut workers);
        };
        (0..40).for_each(|i| query(&format!("www.domain{i}.com"), i));
        (0..40).for_each(|i| query(&format!("{i:040}.example.com"), 40 + i));
        let incident = closed(manager).remove(0);
        assert_eq!(incident.kind, crate::IncidentKind::Tunnel, "{}", incident.summary());
    }

    #[test]
    fn a_target_of_two_workers_has_the_victims_of_both() {
        // The first has too few originators for an incident of the target.
        let (mut manager, mut workers) = (grouper(), [worker(), worker(), worker()]);
        for i in 0..40u8 {
            let (n, victim) = if i < 20 { (usize::from(i) % 2, 80) } else { (2, 81) };
            let c = tcp(remote(i), host(victim), 80, i64::from(i) * SECOND, ConnState::S0);
            if !(14..20).contains(&i) {
                observe(&mut workers[n], &c, true, None);
            }
        }
        exchange(&mut manager, &mut workers);
        let summaries: Vec<_> = closed(manager).iter().map(Incident::summary).collect();
        let flood = " hosts flooded 2 hosts such as 10.0.0.80 on 1 port";
        assert!(summaries.iter().any(|summary| summary.contains(flood)), "{summaries:#?}");
    }

    #[test]
    fn damaged_and_corrupt_messages_change_nothing() {
        let (mut manager, mut worker) = (grouper(), worker());
        observe(&mut worker, &probe(0), true, None);
        let addition = worker.open_incidents().next().unwrap().clone();
        let message = worker.take_additions(9, 0);
        let mut damaged = message.clone();
        damaged[40] ^= 1;
        assert!(matches!(manager.merge_additions(&damaged).unwrap_err().kind(), ErrorKind::Checksum));
        assert!(matches!(manager.merge_additions(&message[..20]).unwrap_err().kind(), ErrorKind::OtherContents(_)));
        let corrupt = |now, change: fn(&mut Incident)| {
            let mut addition = addition.clone();
            change(&mut addition);
            ADDITIONS.seal(&encode(&Additions { now, incidents: vec![addition] }))
        };
        for corrupt in [corrupt(i64::MIN, |_| {}), corrupt(0, |it| it.highest = f64::NAN)] {
            assert!(matches!(manager.merge_additions(&corrupt).unwrap_err().kind(), ErrorKind::Invalid { .. }));
        }
        assert_eq!((manager.open.len(), manager.rename(&message).is_err()), (0, true));
        manager.merge_additions(&message).unwrap();
        assert_eq!(manager.open.len(), 1);
    }

    #[test]
    fn unsent_additions_are_bounded() {
        let mut worker = worker();
        for i in 0..10_000u32 {
            let c = tcp(address(0x0b00_0000 + i), address(0x6400_0000 + i), 80, i64::from(i) * 1000, ConnState::SF);
            observe(&mut worker, &c, true, None);
        }
        assert_eq!(worker.outbox.unwrap().unsent.len(), MAX_UNSENT);
    }
}

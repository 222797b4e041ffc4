//! Grouper: assigns records to the incidents of their actors, and opens, merges and closes incidents.

use std::collections::{BTreeMap, BTreeSet};

use foldhash::HashMap;

use super::change::{Change, Event, KIND_WAIT, announcement, is_held};
use super::history::History;
use super::incident::{
    ActorKey, Incident, MAX_OPEN, MIN_FAILED_ALERTS, MIN_ORIGINATORS, MIN_SERVICE_ALERTS, Observation, Rank, Role,
};
use super::kind::IncidentKind;
use super::known::KnownList;
use super::outbox::Outbox;
use super::record::Record;
use super::regular_exchange::Exchanges;
use super::surge::Surges;
use crate::address::Address;
use crate::context::keys::ContextKeys;
use crate::units::{DAY, HOUR, MINUTE, SECOND};
use crate::verdict::{Evidence, Verdict};

/// Time without a record after which an incident closes, in microseconds: 1 h.
pub const INCIDENT_TIMEOUT: i64 = HOUR;
/// Longest pause, in microseconds, between the earlier failed connections that an incident takes from the history.
const MAX_EARLIER_PAUSE: i64 = 10 * MINUTE;

/// Groups scored records into incidents.
#[derive(Debug)]
pub struct Grouper {
    pub(super) timeout: i64,
    pub(super) known: KnownList,
    pub(super) open: HashMap<ActorKey, Incident>,
    /// Open incidents, ordered for eviction by [`Incident::rank`], or by an earlier rank of theirs.
    pub(super) expiry: BTreeSet<(Rank, ActorKey)>,
    /// No incident has to close before this time.
    next_close: i64,
    /// No incident that waits for its kind is due for a report before this time.
    next_report: i64,
    /// Originators whose open incident has one target only, by target; [`MIN_ORIGINATORS`] of them become its incident.
    pub(super) single: BTreeMap<Address, BTreeSet<Address>>,
    /// Open incident of the first target flooded from outside, by network: further targets in the network join it.
    pub(super) flooded: HashMap<Address, ActorKey>,
    pub(super) history: History,
    pub(super) surges: Surges,
    pub(super) exchanges: Exchanges,
    pub(super) changes: Vec<Change>,
    /// Latest end of a record, in microseconds since 1970.
    pub(super) now: i64,
    /// Additions to forward, on a worker.
    pub(super) outbox: Option<Outbox>,
    /// Incident numbers assigned by other nodes and their time of arrival; an incident that opens within the timeout
    /// adopts its number.
    pub(super) assigned_numbers: HashMap<ActorKey, (u64, i64)>,
    /// Incidents opened since the last announcement, on a manager.
    pub(super) opened: Vec<(ActorKey, u64)>,
}

impl Grouper {
    /// Creates a grouper without incidents.
    pub fn new(known: KnownList, timeout: i64) -> Self {
        Self {
            timeout: timeout.max(1),
            known,
            open: HashMap::default(),
            expiry: BTreeSet::new(),
            next_close: i64::MIN,
            next_report: i64::MAX,
            single: BTreeMap::new(),
            flooded: HashMap::default(),
            history: History::default(),
            surges: Surges::default(),
            exchanges: Exchanges::default(),
            changes: Vec::new(),
            now: i64::MIN,
            outbox: None,
            assigned_numbers: HashMap::default(),
            opened: Vec::new(),
        }
    }

    /// Replaces the list of known activity; open incidents stay as they are.
    pub fn set_known(&mut self, known: KnownList) {
        self.known = known;
    }

    /// Problem of the list of known activity at the time of the latest record, see [`KnownList::problem`].
    pub fn known_problem(&self) -> Option<String> {
        self.known.problem(Some(self.now).filter(|now| *now > i64::MIN))
    }

    /// Replaces the timeout, in microseconds.
    pub fn set_timeout(&mut self, timeout: i64) {
        self.timeout = timeout.max(1);
        self.next_close = i64::MIN;
    }

    /// The latest end of a record, in microseconds since 1970.
    pub fn now(&self) -> i64 {
        self.now
    }

    /// Moves the time forward; back only if it is more than a day ahead, by a clock that was wrong.
    pub(super) fn advance(&mut self, time: i64) {
        self.now = if time < self.now.saturating_sub(DAY) { time } else { self.now.max(time) };
    }

    /// Starts fetching the table entries of a later record from memory, while other work goes on.
    pub fn prefetch(&self, keys: &ContextKeys) {
        self.surges.prefetch(keys);
        self.exchanges.prefetch(keys);
    }

    /// Adds the next record in order of end times. Returns the identifier of its incident; `None` for known
    /// activity.
    pub fn observe(&mut self, o: &Observation<'_>) -> Option<String> {
        let connection = o.record.connection();
        let record = Record::of(o, &connection);
        self.advance(record.end);
        self.close_quiet(record.end);
        let is_known = self.known.covers(&connection);
        if let Some(receiver) = connection.receiver_of_stray_reply() {
            let incident = self.open.get(&(receiver, Role::Originator, is_known));
            if let Some(incident) = incident.filter(|incident| !incident.is_minor()) {
                // Anyone can send it: it must not change the kind or the summary.
                return (!incident.known).then(|| incident.id());
            }
        }
        let may_report = !is_known && !o.verdict.alert && o.verdict.evidence.is_none();
        let regular = self.exchanges.add(&record, &connection, o.keys, may_report);
        let reasons: Vec<_> = regular.iter().map(|regular| regular.reason.clone()).collect();
        let o = &match regular {
            Some(regular) => {
                let evidence = Some(Evidence::Service(regular.connections));
                Observation { verdict: Verdict { evidence, ..o.verdict }, reasons: &reasons, ..*o }
            }
            None => *o,
        };
        let key = self.incident_of(&record, o, is_known);
        let taken = key.is_some();
        if let Some(key) = key {
            self.add(key, &record, o);
        }
        self.history.push(record, taken);
        key.and_then(|key| self.open.get(&key)).filter(|incident| !incident.known).map(Incident::id)
    }

    /// Incident of a record; opens one if there is an alert or evidence.
    fn incident_of(&mut self, record: &Record, o: &Observation<'_>, known: bool) -> Option<ActorKey> {
        let own = (record.originator, Role::Originator, known);
        let target = (record.responder, Role::Target, known);
        let Verdict { alert, evidence, .. } = o.verdict;
        let is_notable = alert || evidence.is_some();
        let surge = self.surges.add(record, o.keys);
        if let Some(incident) = self.open.get(&own).filter(|incident| !incident.is_minor()) {
            if is_notable || incident.continues(record) {
                return Some(own);
            }
        }
        // Evidence belongs to its originator, and clients of a resolver do not attack it.
        let is_attack = alert && evidence.is_none() && record.query.is_none();
        let is_failure = record.failed && evidence.is_none();
        // An internal host that connects to a target flooded from outside is not part of the flood.
        let is_apart =
            || record.orig_is_internal && self.open.get(&target).is_some_and(|incident| !incident.peers_are_internal());
        if (is_attack || is_failure) && self.open.contains_key(&target) && !is_apart() {
            return Some(target);
        }
        let flood = || self.flood_near(record.responder, known);
        if is_failure && !record.orig_is_internal {
            if let Some(flood) = flood() {
                return Some(flood);
            }
        }
        if surge && evidence.is_none() && !is_apart()
            || is_attack && flood().is_none() && self.has_many_originators(&own, &target)
        {
            self.open_target(target, record.end);
            if !record.orig_is_internal {
                self.flooded.entry(record.responder.network()).or_insert(target);
            }
            return Some(target);
        }
        is_notable.then(|| {
            self.open(own, record.end);
            own
        })
    }

    /// Open incident of a flooded target in the same network.
    pub(super) fn flood_near(&self, responder: Address, known: bool) -> Option<ActorKey> {
        self.flooded.get(&responder.network()).copied().filter(|key| key.2 == known)
    }

    /// Returns true if this originator is one of many with incidents of this target only.
    pub(super) fn has_many_originators(&self, own: &ActorKey, target: &ActorKey) -> bool {
        let others = self.single.get(&target.0).map_or(0, |them| them.len() - usize::from(them.contains(&own.0)));
        !own.2 && others + 1 >= MIN_ORIGINATORS
    }

    /// Opens an incident, and closes another one beyond the limit.
    pub(super) fn open(&mut self, key: ActorKey, now: i64) {
        if self.open.contains_key(&key) {
            return;
        }
        while self.open.len() >= MAX_OPEN {
            let Some(&first) = self.expiry.first() else { break };
            if !self.update_rank(first) {
                self.close(first.1, Event::Closed);
            }
        }
        let mut incident = Incident::new(key, now);
        if let Some(&(number, since)) = self.assigned_numbers.get(&key) {
            if now.saturating_sub(since) < self.timeout {
                incident.number = number;
            }
        }
        self.put(key, incident);
    }

    /// Opens an incident of a target and merges those of its originators.
    pub(super) fn open_target(&mut self, key: ActorKey, now: i64) {
        self.open(key, now);
        let originators = if key.2 { None } else { self.single.remove(&key.0) };
        let Some(mut incident) = self.take(key) else { return };
        for originator in originators.into_iter().flatten() {
            let Some(merged) = self.take((originator, Role::Originator, false)) else { continue };
            incident.merge(&merged);
            let merged_into = Some(incident.id());
            self.changes.push(Change { merged_into, ..Change::new(Event::Merged, merged) });
        }
        self.put(key, incident);
    }

    /// Adds a record, and earlier ones that belong to it, to an open incident.
    pub(super) fn add(&mut self, key: ActorKey, record: &Record, o: &Observation<'_>) {
        let Some(incident) = self.open.get_mut(&key) else { return };
        let target = incident.single_target();
        let is_notable = o.verdict.alert || o.verdict.evidence.is_some();
        let mut earlier = Vec::new();
        if key.1 == Role::Originator && is_notable {
            let is_repeated = record.query.is_some()
                && incident
                    .totals(record)
                    .is_some_and(|totals| totals.alerts + u64::from(o.verdict.alert) == MIN_SERVICE_ALERTS);
            if o.verdict.evidence.is_some() || is_repeated {
                let is_fan_out = matches!(o.verdict.evidence, Some(Evidence::FanOut(_)));
                let belongs = |it: &Record| record.key() == it.key() || is_fan_out && record.is_of_same_fan_out(it);
                earlier = self.history.take_earlier(record, self.timeout, belongs);
            }
            if record.failed && incident.alerts + 1 == MIN_FAILED_ALERTS {
                earlier.extend(self.history.take_earlier(record, MAX_EARLIER_PAUSE, |earlier| earlier.failed));
            }
        }
        if matches!(o.verdict.evidence, Some(Evidence::FanOut(_))) {
            incident.add_fan_out(record);
        }
        earlier.iter().for_each(|earlier| incident.include(earlier, None));
        if is_notable || incident.extends(record) {
            incident.active = incident.active.max(record.end);
        }
        incident.include(record, Some(o));
        if is_notable || incident.records.is_power_of_two() {
            let before = incident.kind;
            incident.classify();
            if incident.kind == IncidentKind::GeneratedDomains && before != incident.kind {
                let generated = self.history.take_earlier(record, self.timeout, Record::may_be_generated);
                generated.iter().for_each(|earlier| incident.include(earlier, None));
                earlier.extend(generated);
            }
        }
        if let Some(outbox) = &mut self.outbox {
            outbox.add(incident, &earlier, record, o);
        }
        // Only the grouper that reports incidents waits; a worker forwards at once.
        let wait = if self.outbox.is_some() { 0 } else { KIND_WAIT };
        self.changes.extend(announcement(incident, |it| is_held(&self.known, it), record.end, wait));
        self.next_report = self.next_report.min(incident.waits_until.unwrap_or(i64::MAX));
        let (before, target) = (target, incident.single_target());
        if before != target {
            self.remove_single(before, key.0);
            self.add_single(target, key.0);
        }
    }

    pub(super) fn put(&mut self, key: ActorKey, mut incident: Incident) {
        incident.expiry_rank = incident.rank();
        self.expiry.insert((incident.expiry_rank, key));
        self.next_close = self.next_close.min(incident.active.saturating_add(self.timeout));
        self.next_report = self.next_report.min(incident.waits_until.unwrap_or(i64::MAX));
        self.add_single(incident.single_target(), key.0);
        self.open.insert(key, incident);
    }

    pub(super) fn take(&mut self, key: ActorKey) -> Option<Incident> {
        let incident = self.open.remove(&key)?;
        self.expiry.remove(&(incident.expiry_rank, key));
        self.remove_single(incident.single_target(), key.0);
        Some(incident)
    }

    /// Moves an entry of `expiry` to the incident's present rank. Returns false if it is there already.
    fn update_rank(&mut self, (rank, key): (Rank, ActorKey)) -> bool {
        let Some(incident) = self.open.get_mut(&key).filter(|incident| incident.rank() != rank) else { return false };
        incident.expiry_rank = incident.rank();
        self.expiry.remove(&(rank, key));
        self.expiry.insert((incident.expiry_rank, key));
        true
    }

    /// First entry of `expiry` with, or without, more than one alert, and the time at which its incident closes.
    fn next_to_close(&self, many: bool) -> Option<((Rank, ActorKey), i64)> {
        let least = ((many, i64::MIN), (Address([0; 16]), Role::Originator, false));
        let first = self.expiry.range(least..).next().filter(|((class, _), _)| *class == many)?;
        Some((*first, first.0.1.saturating_add(self.timeout)))
    }

    fn add_single(&mut self, target: Option<Address>, originator: Address) {
        if let Some(target) = target {
            self.single.entry(target).or_default().insert(originator);
        }
    }

    fn remove_single(&mut self, target: Option<Address>, originator: Address) {
        let Some(target) = target else { return };
        if let Some(originators) = self.single.get_mut(&target) {
            originators.remove(&originator);
            if originators.is_empty() {
                self.single.remove(&target);
            }
        }
    }

    pub(super) fn close(&mut self, key: ActorKey, event: Event) {
        if let Some(mut incident) = self.take(key) {
            let place = key.0.network();
            if self.flooded.get(&place) == Some(&key) {
                self.flooded.remove(&place);
            }
            incident.classify();
            incident.known |= self.known.covers_incident(&incident);
            if incident.reported.is_none() {
                // It was held back, or waited, for a kind that it did not get.
                let last = incident.last;
                self.changes.extend(announcement(&mut incident, |it| it.known, last, 0));
            }
            self.changes.push(Change::new(event, incident));
        }
    }

    /// Closes incidents whose actors have been quiet for the timeout at time `now`, and reports those that have waited
    /// long enough for their kind.
    pub fn close_quiet(&mut self, now: i64) {
        if now >= self.next_report {
            self.report_waiting(now);
        }
        if now <= self.next_close {
            return;
        }
        self.next_close = i64::MAX;
        for many in [false, true] {
            while let Some((first, due)) = self.next_to_close(many) {
                if due >= now {
                    self.next_close = self.next_close.min(due);
                    break;
                }
                if !self.update_rank(first) {
                    self.close(first.1, Event::Closed);
                }
            }
        }
    }

    fn report_waiting(&mut self, now: i64) {
        let waiting = self.open.iter().filter_map(|(&key, incident)| Some((incident.waits_until?, key)));
        let mut waiting: Vec<_> = waiting.collect();
        waiting.sort_unstable();
        self.next_report = i64::MAX;
        for (until, key) in waiting {
            match self.open.get_mut(&key) {
                Some(incident) if until <= now => {
                    self.changes.extend(announcement(incident, |it| is_held(&self.known, it), now, KIND_WAIT));
                }
                _ => self.next_report = self.next_report.min(until),
            }
        }
        // Under a flood of new incidents, each record would search all of them.
        self.next_report = self.next_report.max(now.saturating_add(SECOND));
    }

    /// Closes all incidents, in order of their last activity.
    pub fn close_all(&mut self) {
        let mut keys: Vec<_> = self.open.iter().map(|(&key, incident)| (incident.active, key)).collect();
        keys.sort_unstable();
        keys.into_iter().for_each(|(_, key)| self.close(key, Event::Closed));
    }

    /// Removes and returns the pending changes.
    pub fn take_changes(&mut self) -> Vec<Change> {
        std::mem::take(&mut self.changes)
    }

    /// Open incidents that are not known activity, in arbitrary order.
    pub fn open_incidents(&self) -> impl Iterator<Item = &Incident> {
        self.open.values().filter(|incident| !is_held(&self.known, incident))
    }
}

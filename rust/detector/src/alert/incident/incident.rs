//! Incident: records of one actor, their counts, targets, services and reasons.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};
use twox_hash::XxHash3_64;

use super::distinct_set::DistinctSet;
use super::kind::IncidentKind;
use super::queries::Queries;
use super::record::Record;
use super::service_totals::ServiceTotals;
use crate::address::Address;
use crate::alert::reasons::Reason;
use crate::context::keys::ContextKeys;
use crate::proto::Proto;
use crate::record::LogRecord;
use crate::verdict::Verdict;

/// Largest number of open incidents.
pub(super) const MAX_OPEN: usize = 4096;
/// Largest number of services, uids and reasons of an incident.
pub(super) const MAX_SERVICES: usize = 32;
/// Largest number of domains among them.
pub(super) const MAX_DOMAINS: usize = 8;
pub(super) const MAX_UIDS: usize = 10;
pub(super) const MAX_REASONS: usize = 12;
/// Number of failed alerts from which an originator's failed connections join its incident.
pub(super) const MIN_FAILED_ALERTS: u64 = 3;
/// Smallest number of originators, each with an incident of one target only, from which the target becomes the actor;
/// also of records from which such an incident is reported.
pub(super) const MIN_ORIGINATORS: usize = 8;
/// Number of alerts on one service from which its further connections join the incident.
pub(super) const MIN_SERVICE_ALERTS: u64 = 3;

/// Side of its connections that the actor is on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Role {
    /// The actor makes the connections.
    Originator,
    /// The actor is the target of many originators.
    Target,
}

/// Actor of an incident, its side, and whether its activity is known.
pub(super) type ActorKey = (Address, Role, bool);

/// Scored record, the input of a grouper.
#[derive(Clone, Copy, Debug)]
pub struct Observation<'a> {
    /// The record.
    pub record: LogRecord<'a>,
    /// Identifier of its connection.
    pub uid: Option<&'a [u8]>,
    /// The verdict on it.
    pub verdict: Verdict,
    /// Reasons of an alert or of evidence.
    pub reasons: &'a [Reason],
    /// Keys of its hosts and service.
    pub keys: &'a ContextKeys,
}

/// An incident.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Incident {
    pub(super) number: u64,
    /// Host that the incident is about.
    pub actor: Address,
    /// The actor's side.
    pub role: Role,
    /// Kind of activity.
    pub kind: IncidentKind,
    /// True if the list of known activity covers it.
    pub known: bool,
    /// Start of the first record, in microseconds since 1970.
    pub start: i64,
    /// End of the last record, in microseconds since 1970.
    pub last: i64,
    pub(super) actor_is_internal: bool,
    /// Hosts on the other side.
    pub targets: DistinctSet<Address>,
    /// A bit for each stored target, set if it is internal.
    pub(super) are_internal: u64,
    /// Responders of an incident of a target; several if external originators flood one network.
    pub victims: DistinctSet<Address>,
    /// Ports of the responders.
    pub ports: DistinctSet<(Proto, u16)>,
    /// Number of records: connections and queries.
    pub records: u64,
    /// Number of alerts.
    pub alerts: u64,
    /// Number of reports of accumulated evidence.
    pub evidence: u64,
    /// Number of refused or unanswered records.
    pub failed: u64,
    /// The highest score of its records.
    pub highest: f64,
    pub(super) queries: Option<Box<Queries>>,
    /// Ports with evidence of unusual connections to new hosts.
    pub(super) fan_out_ports: Vec<(Proto, u16)>,
    /// Number of failed connections on these ports.
    pub(super) fan_out_failures: u64,
    /// True if there is evidence of unusual queries for new domains.
    pub(super) fan_out_domains: bool,
    pub(super) uids: Vec<Box<[u8]>>,
    pub(super) services: Vec<ServiceTotals>,
    /// Index of the service that fulfils the rule of the kind.
    pub(super) focus: usize,
    pub(super) reasons: Vec<ReasonCount>,
    /// Latest time that extended the incident.
    pub(super) active: i64,
    pub(super) reported: Option<(IncidentKind, u64)>,
    /// Weight of the kind at the last notice, and its time.
    pub(super) noticed: Option<(f64, i64)>,
    /// Latest time of its first report, while that waits for its kind.
    #[serde(skip)]
    pub(super) waits_until: Option<i64>,
    /// Rank of its entry in the grouper's `expiry`.
    #[serde(skip)]
    pub(super) expiry_rank: Rank,
}

/// Order in which incidents are evicted: those with one alert first, then by the latest time that extended them.
pub(super) type Rank = (bool, i64);

/// A reason and its number of occurrences.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct ReasonCount {
    pub(super) feature: Cow<'static, str>,
    pub(super) times: u64,
    pub(super) score: f64,
    pub(super) text: String,
}

impl Incident {
    pub(super) fn new((actor, role, known): ActorKey, now: i64) -> Self {
        // Identifier: a hash of the actor and the time of the first alert. Without `known`, so that the list of known
        // activity does not change it.
        let mut bytes = [0; 25];
        bytes[..16].copy_from_slice(&actor.0);
        bytes[16..24].copy_from_slice(&now.to_be_bytes());
        bytes[24] = role as u8;
        Self {
            number: XxHash3_64::oneshot(&bytes) >> 16,
            actor,
            role,
            kind: IncidentKind::Other,
            known,
            start: i64::MAX,
            last: i64::MIN,
            actor_is_internal: false,
            targets: DistinctSet::default(),
            are_internal: 0,
            victims: DistinctSet::default(),
            ports: DistinctSet::default(),
            records: 0,
            alerts: 0,
            evidence: 0,
            fan_out_ports: Vec::new(),
            fan_out_failures: 0,
            fan_out_domains: false,
            failed: 0,
            highest: 0.0,
            queries: None,
            uids: Vec::new(),
            services: Vec::new(),
            focus: 0,
            reasons: Vec::new(),
            active: now,
            reported: None,
            noticed: None,
            waits_until: None,
            expiry_rank: (false, now),
        }
    }

    pub(super) fn key(&self) -> ActorKey {
        (self.actor, self.role, self.known)
    }

    /// Identifier: `I` and 12 hexadecimal digits.
    pub fn id(&self) -> String {
        // Computed for every record of an incident: a formatter, or a string that grows, would cost several times as
        // much.
        let digits = (0..12).rev().filter_map(|place| char::from_digit((self.number >> (4 * place)) as u32 & 15, 16));
        let mut id = String::with_capacity(13);
        id.push('I');
        id.extend(digits);
        id
    }

    /// Returns true if it has been reported.
    pub fn is_reported(&self) -> bool {
        self.reported.is_some()
    }

    /// Returns true if it is a single failed connection, which is listed only on demand.
    pub fn is_minor(&self) -> bool {
        self.evidence == 0 && self.alerts <= 1 && self.failed == self.records && self.role == Role::Originator
    }

    /// Uids of up to ten of its connections, alerts first.
    pub fn uids(&self) -> impl Iterator<Item = &[u8]> {
        self.uids.iter().map(AsRef::as_ref)
    }

    /// The three most frequent reasons.
    pub fn reasons(&self) -> Vec<&str> {
        let mut counts: Vec<&ReasonCount> = self.reasons.iter().collect();
        counts.sort_by(|a, b| b.times.cmp(&a.times).then(b.score.total_cmp(&a.score)));
        counts.into_iter().take(3).map(|reason| reason.text.as_str()).collect()
    }

    /// Stored hosts on the other side that are internal.
    pub(super) fn internal_targets(&self) -> impl Iterator<Item = Address> {
        let targets = self.targets.sample().iter().enumerate();
        targets.filter(|(i, _)| self.are_internal >> i & 1 == 1).map(|(_, target)| *target)
    }

    fn add_target(&mut self, target: Address, is_internal: bool) {
        let stored = self.targets.sample().len();
        self.targets.add(target);
        if self.targets.sample().len() > stored {
            self.are_internal |= u64::from(is_internal) << stored;
        }
    }

    /// Number of hosts on the other side; an estimate beyond 64.
    pub fn targets_total(&self) -> u64 {
        self.targets.count().min(self.records)
    }

    /// Number of uids of its records; of queries only the stored ones, because those of one connection share a uid.
    pub fn uids_total(&self) -> u64 {
        if self.queries() > 0 { self.uids().count() as u64 } else { self.records }
    }

    /// Number of ports of the responders; an estimate beyond 64.
    pub fn ports_total(&self) -> u64 {
        self.ports.count().min(self.records)
    }

    /// Number of queries among its records.
    pub fn queries(&self) -> u64 {
        self.queries.as_ref().map_or(0, |queries| queries.count)
    }

    /// Rank for eviction. It never falls.
    pub(super) fn rank(&self) -> Rank {
        (self.alerts > 1 || self.evidence > 0 || self.role == Role::Target, self.active)
    }

    pub(super) fn single_target(&self) -> Option<Address> {
        // Many clients use one resolver, which is not their target.
        let is_single = self.role == Role::Originator && !self.known && self.evidence == 0 && self.queries.is_none();
        self.targets.sample().first().copied().filter(|_| is_single && !self.targets.has_at_least(2))
    }

    pub(super) fn is_scanner(&self) -> bool {
        self.role == Role::Originator
            && self.alerts.min(self.failed) >= MIN_FAILED_ALERTS
            && (self.ports.has_at_least(3) || self.targets.has_at_least(3))
    }

    /// Returns true for a failed or unusual connection on a port that the originator tries on many hosts, and for an
    /// unusual query for a new domain if it makes many.
    fn is_of_fan_out(&self, record: &Record) -> bool {
        match record.query {
            Some(_) => record.adds_to_fan_out && self.fan_out_domains,
            None => {
                let port = (record.proto, record.port);
                (record.failed || record.adds_to_fan_out) && self.fan_out_ports.contains(&port)
            }
        }
    }

    /// Follows the connections to new hosts on the port of a record, or the queries for new domains.
    pub(super) fn add_fan_out(&mut self, record: &Record) {
        match record.query {
            Some(_) => self.fan_out_domains = true,
            None => self.add_fan_out_port((record.proto, record.port)),
        }
    }

    fn add_fan_out_port(&mut self, port: (Proto, u16)) {
        if self.fan_out_ports.len() < MAX_SERVICES && !self.fan_out_ports.contains(&port) {
            self.fan_out_ports.push(port);
        }
    }

    pub(super) fn totals(&self, record: &Record) -> Option<&ServiceTotals> {
        self.services.iter().find(|totals| totals.key() == record.key())
    }

    /// Returns true if a record without an alert belongs to it.
    pub(super) fn continues(&self, record: &Record) -> bool {
        self.extends(record) || self.totals(record).is_some_and(|totals| totals.alerts >= MIN_SERVICE_ALERTS)
    }

    /// Returns true if a record without an alert extends it.
    pub(super) fn extends(&self, record: &Record) -> bool {
        self.role == Role::Target
            || record.failed && self.is_scanner()
            || self.is_of_fan_out(record)
            || record.may_be_generated() && self.kind == IncidentKind::GeneratedDomains
            || self.totals(record).is_some_and(|totals| totals.evidence > 0)
    }

    /// Adds a record; records from the history have no observation.
    pub(super) fn include(&mut self, record: &Record, o: Option<&Observation<'_>>) {
        self.start = self.start.min(record.ts);
        self.last = self.last.max(record.end);
        self.records += 1;
        self.failed += u64::from(record.failed);
        self.fan_out_failures += u64::from(record.failed && self.is_of_fan_out(record));
        match self.role {
            Role::Originator => {
                self.actor_is_internal |= record.orig_is_internal;
                self.add_target(record.responder, record.resp_is_internal);
            }
            Role::Target => {
                self.actor_is_internal |= record.resp_is_internal;
                self.add_target(record.originator, record.orig_is_internal);
                self.victims.add(record.responder);
            }
        }
        self.ports.add((record.proto, record.port));
        let is_alert = o.is_some_and(|o| o.verdict.alert);
        let full = o.and_then(|o| match &o.record {
            LogRecord::Conn(_) => None,
            LogRecord::Dns(query) => Some(query),
        });
        if let Some(query) = &record.query {
            self.queries.get_or_insert_default().add(query, record.responder, full);
        }
        let index = self
            .services
            .iter()
            .position(|totals| totals.key() == record.key())
            .or_else(|| self.add_totals(ServiceTotals::new(record, full)));
        if let Some(totals) = index.and_then(|index| self.services.get_mut(index)) {
            totals.add(record);
            if let (Some(domain), Some(query)) = (&mut totals.domain, full) {
                domain.name_from(query);
            }
        }
        let Some(o) = o else { return };
        self.highest = self.highest.max(o.verdict.score);
        self.alerts += u64::from(is_alert);
        self.evidence += u64::from(o.verdict.evidence.is_some());
        if let Some(totals) = index.and_then(|index| self.services.get_mut(index)) {
            totals.alerts += u64::from(is_alert);
            totals.evidence += u64::from(o.verdict.evidence.is_some());
            let features = || o.reasons.iter().map(Reason::feature);
            totals.large |= features().any(|name| name.ends_with("bytes") && !name.starts_with("resp"));
            totals.rare |= features().any(|name| matches!(name, "port" | "service"));
            if let Some(domain) = &mut totals.domain {
                domain.many_servers |= features().any(|name| name == "client_servers");
            }
        }
        if let Some(uid) = o.uid {
            self.add_uid(&uid[..uid.len().min(64)]);
        }
        for reason in o.reasons {
            self.add_reason(&ReasonCount {
                feature: reason.feature().into(),
                times: 1,
                score: o.verdict.score,
                text: reason.to_string(),
            });
        }
    }

    /// Adds a service or domain and returns its index; `None` if there are too many. A domain replaces the one with the
    /// fewest alerts.
    fn add_totals(&mut self, totals: ServiceTotals) -> Option<usize> {
        let domains = self.services.iter().filter(|totals| totals.domain.is_some()).count();
        if self.services.len() >= MAX_SERVICES || totals.domain.is_some() && domains >= MAX_DOMAINS {
            totals.domain.as_ref()?;
            let services = self.services.iter().enumerate().filter(|(_, totals)| totals.domain.is_some());
            let least = services.min_by_key(|(i, totals)| (totals.evidence, totals.alerts, totals.records, *i))?.0;
            let place = self.services.get_mut(least).filter(|totals| totals.evidence == 0)?;
            *place = totals;
            return Some(least);
        }
        self.services.push(totals);
        Some(self.services.len() - 1)
    }

    /// Adds an identifier once: a connection and its queries have the same.
    pub(super) fn add_uid(&mut self, uid: &[u8]) {
        if self.uids.len() < MAX_UIDS && self.uids.iter().all(|known| **known != *uid) {
            self.uids.push(uid.into());
        }
    }

    pub(super) fn add_reason(&mut self, reason: &ReasonCount) {
        let is_room = self.reasons.len() < MAX_REASONS;
        match self.reasons.iter_mut().find(|known| known.feature == reason.feature) {
            Some(known) => {
                known.times = known.times.saturating_add(reason.times);
                if reason.score > known.score {
                    (known.score, known.text) = (reason.score, reason.text.clone());
                }
            }
            None if is_room => self.reasons.push(reason.clone()),
            None => {}
        }
    }

    /// Merges the incident of an originator, or another part of this incident.
    pub(super) fn merge(&mut self, other: &Incident) {
        self.start = self.start.min(other.start);
        self.last = self.last.max(other.last);
        if self.role == other.role {
            self.actor_is_internal |= other.actor_is_internal;
            for (i, target) in other.targets.sample().iter().enumerate() {
                self.add_target(*target, other.are_internal >> i & 1 == 1);
            }
            self.targets.merge(&other.targets);
            self.victims.merge(&other.victims);
        } else {
            self.actor_is_internal |= other.internal_targets().any(|target| target == self.actor);
            self.add_target(other.actor, other.actor_is_internal);
            self.victims.merge(&other.targets);
        }
        self.ports.merge(&other.ports);
        self.records = self.records.saturating_add(other.records);
        self.alerts = self.alerts.saturating_add(other.alerts);
        self.evidence = self.evidence.saturating_add(other.evidence);
        self.failed = self.failed.saturating_add(other.failed);
        self.active = self.active.max(other.active);
        self.highest = self.highest.max(other.highest);
        if let Some(theirs) = &other.queries {
            self.queries.get_or_insert_default().merge(theirs);
        }
        other.fan_out_ports.iter().for_each(|port| self.add_fan_out_port(*port));
        self.fan_out_failures = self.fan_out_failures.saturating_add(other.fan_out_failures);
        self.fan_out_domains |= other.fan_out_domains;
        other.uids.iter().for_each(|uid| self.add_uid(uid));
        other.reasons.iter().for_each(|reason| self.add_reason(reason));
        for theirs in &other.services {
            match self.services.iter_mut().find(|own| own.key() == theirs.key()) {
                Some(own) => own.merge(theirs),
                None => _ = self.add_totals(theirs.clone()),
            }
        }
    }
}

//! Incidents: alerts and accumulated evidence of one actor, grouped until the actor is quiet.
//!
//! A [`Grouper`] processes every connection in order of end times. An alert or evidence opens an incident of its
//! originator or extends the open one. Further connections join it: those to a service with evidence, and failed ones
//! of a scanner. If many originators attack one target, the target becomes the actor. [`kind`] classifies an incident,
//! [`story`] summarizes it, and [`known`] lists expected activity.
//!
//! Memory is bounded: 4,096 open incidents of at most 8 kB each, the last 65,536 connections (about 10 MB), and
//! failures by responder (1 MB). Beyond 4,096 incidents the one quiet for longest is closed, single alerts first.
//!
//! In a cluster, each worker's grouper forwards its additions and the manager's grouper merges them: see [`transfer`].

mod history;
pub(crate) mod host_risk;
pub(crate) mod kind;
pub(crate) mod known;
pub(crate) mod members;
mod story;
mod surge;
pub(crate) mod transfer;

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet, HashMap};

use serde::{Deserialize, Serialize};
use twox_hash::XxHash3_64;

use self::history::History;
pub use self::kind::IncidentKind;
use self::known::KnownList;
pub use self::members::Members;
pub use self::story::format_port;
use self::surge::Surges;
use self::transfer::Outbox;
use crate::alert::reasons::Reason;
use crate::conn::connection::{Address, Connection, Proto};
use crate::units::HOUR;

/// Time without a record after which an incident closes, in microseconds: 1 h.
pub const INCIDENT_TIMEOUT: i64 = HOUR;
/// Largest number of open incidents.
const MAX_OPEN: usize = 4096;
/// Largest number of services, uids and reasons of an incident.
const MAX_TRAILS: usize = 32;
const MAX_UIDS: usize = 10;
const MAX_REASONS: usize = 12;
/// Number of originators with incidents of one target only that make the target the actor.
const MANY: usize = 8;
/// Number of failed alerts from which an originator's failed connections join its incident.
const SCANNER: u64 = 3;
/// Number of alerts on one service from which its further connections join the incident.
const REPEATED: u64 = 3;
/// Pause after a notice before growth is worth another one, in microseconds: 1 h.
const NOTICE_PAUSE: i64 = HOUR;
/// Longest pause between failed connections before an incident that still belong to it, in microseconds.
const PRELUDE: i64 = 600_000_000;

/// Side of its connections that the actor is on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Role {
    /// The actor makes the connections.
    Originator,
    /// The actor is the target of many originators.
    Target,
}

/// Scored connection, the input of a grouper.
#[derive(Clone, Copy, Debug)]
pub struct Observation<'a> {
    /// The connection.
    pub connection: &'a Connection<'a>,
    /// Its identifier in conn.log.
    pub uid: Option<&'a [u8]>,
    /// Its score.
    pub score: f64,
    /// True if its score is at or above the threshold.
    pub alert: bool,
    /// Number of connections of the accumulated evidence, if it has just reached its limit.
    pub evidence: Option<u32>,
    /// Reasons of an alert or of evidence.
    pub reasons: &'a [Reason],
}

/// An incident.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Incident {
    number: u64,
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
    /// Hosts on the other side.
    pub targets: Members<Address>,
    /// Responders of an incident of a target; several if external originators flood one network.
    pub victims: Members<Address>,
    /// Ports of the responders.
    pub ports: Members<(Proto, u16)>,
    /// Number of connections.
    pub records: u64,
    /// Number of alerts.
    pub alerts: u64,
    /// Number of services with accumulated evidence.
    pub evidence: u64,
    /// Number of refused or unanswered connections.
    pub failed: u64,
    /// The highest score of its records.
    pub highest: f64,
    uids: Vec<Box<[u8]>>,
    trails: Vec<Trail>,
    /// Index of the trail that shows the kind.
    focus: usize,
    reasons: Vec<Mention>,
    /// Latest time that extended the incident.
    active: i64,
    announced: Option<(IncidentKind, u64)>,
    /// Weight of the kind at the last notice, and its time.
    noticed: Option<(f64, i64)>,
}

/// An alias, because serde's derive macro mistakes a reference for borrowed input.
type ServiceName = &'static str;

/// Connections of an incident to one service of one responder.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Trail {
    responder: Address,
    proto: Proto,
    port: u16,
    #[serde(with = "transfer::service")]
    service: ServiceName,
    records: u64,
    alerts: u64,
    evidence: u64,
    failed: u64,
    bytes_out: u64,
    bytes_in: u64,
    largest_out: u64,
    duration: i64,
    longest: i64,
    first: i64,
    last: i64,
    pauses: Pauses,
    last_start: i64,
    /// True from an external originator to a local responder.
    inward: bool,
    /// True if an alert was for an amount sent, and if one was for a rare port or service.
    large: bool,
    rare: bool,
}

/// Mean and deviation of pauses, in seconds (Welford's algorithm).
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
struct Pauses {
    n: u32,
    mean: f64,
    squares: f64,
}

impl Pauses {
    fn add(&mut self, seconds: f64) {
        self.n = self.n.saturating_add(1);
        let before = seconds - self.mean;
        self.mean += before / f64::from(self.n);
        self.squares += before * (seconds - self.mean);
    }

    /// Adds the pauses of another trail (Chan, Golub and LeVeque, 1979).
    fn merge(&mut self, other: &Self) {
        let (own, theirs) = (f64::from(self.n), f64::from(other.n));
        if theirs > 0.0 {
            let apart = other.mean - self.mean;
            self.squares += other.squares + apart * apart * own * theirs / (own + theirs);
            self.mean += apart * theirs / (own + theirs);
            self.n = self.n.saturating_add(other.n);
        }
    }

    fn deviation(&self) -> f64 {
        if self.n < 2 { 0.0 } else { (self.squares / f64::from(self.n - 1)).sqrt() }
    }
}

/// A reason and its number of occurrences.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Mention {
    feature: Cow<'static, str>,
    times: u64,
    score: f64,
    text: String,
}

/// Fields of a connection that incidents use.
#[derive(Clone, Copy, Debug)]
struct Record {
    originator: Address,
    responder: Address,
    proto: Proto,
    port: u16,
    service: &'static str,
    failed: bool,
    inward: bool,
    ts: i64,
    end: i64,
    bytes_out: u64,
    bytes_in: u64,
}

impl Record {
    fn of(c: &Connection<'_>) -> Self {
        Self {
            originator: c.orig.addr,
            responder: c.resp.addr,
            proto: c.proto,
            port: c.resp.port,
            service: c.service.map_or("", service_name),
            // Multicast groups and broadcasts do not answer.
            failed: c.proto != Proto::Icmp
                && !is_group(c.resp.addr)
                && c.conn_state.is_some_and(|state| state.failed()),
            inward: !c.orig.is_local() && c.resp.is_local(),
            ts: c.ts,
            end: c.end(),
            bytes_out: c.orig.bytes.unwrap_or(0),
            bytes_in: c.resp.bytes.unwrap_or(0),
        }
    }

    fn is_to(&self, trail: &Trail) -> bool {
        (trail.port, trail.proto, trail.responder) == (self.port, self.proto, self.responder)
    }
}

/// Returns whether an address is multicast, or broadcast by its last byte.
fn is_group(address: Address) -> bool {
    match std::net::Ipv6Addr::from(address.0).to_canonical() {
        std::net::IpAddr::V4(address) => address.is_multicast() || address.octets()[3] == 255,
        std::net::IpAddr::V6(address) => address.is_multicast(),
    }
}

/// The /24 or /64 of an address.
fn network(address: Address) -> Address {
    let is_v4 = std::net::Ipv6Addr::from(address.0).to_ipv4_mapped().is_some();
    let mut bytes = address.0;
    bytes[if is_v4 { 15 } else { 8 }..].fill(0);
    Address(bytes)
}

/// First service of a connection with a known name.
fn service_name(services: &[u8]) -> &'static str {
    const NAMES: [&str; 20] = [
        "dns", "ssh", "http", "ssl", "quic", "ftp", "smtp", "imap", "pop3", "rdp", "rfb", "smb", "dce_rpc", "ntlm",
        "krb", "ldap", "mysql", "ntp", "dhcp", "snmp",
    ];
    let is_service = |name: &&&str| services.split(|&byte| byte == b',').any(|service| service == name.as_bytes());
    NAMES.iter().find(is_service).copied().unwrap_or("")
}

/// Kind of a change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event {
    /// The incident opened: it has more than one failed connection, or one that was answered.
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
    fn new(event: Event, incident: Incident) -> Self {
        Self { event, incident, escalates: false, merged_into: None }
    }
}

type ActorKey = (Address, Role, bool);

/// Groups scored connections into incidents.
#[derive(Debug)]
pub struct Grouper {
    timeout: i64,
    known: KnownList,
    open: HashMap<ActorKey, Incident>,
    /// Open incidents, ordered for eviction: those with one alert first, then by the latest time that extended them.
    expiry: BTreeSet<(bool, i64, ActorKey)>,
    /// Originators whose incident has one target only, by target.
    single: BTreeMap<Address, BTreeSet<Address>>,
    /// Incidents of externally attacked targets, by network: a flood of many targets there is one incident.
    flooded: HashMap<Address, ActorKey>,
    history: History,
    surges: Surges,
    changes: Vec<Change>,
    /// Latest end of a connection.
    now: i64,
    /// Additions to forward, on a worker.
    outbox: Option<Outbox>,
    /// Identifiers that the manager announced, by time.
    elsewhere: HashMap<ActorKey, (u64, i64)>,
    /// Incidents opened since the last announcement, on a manager.
    opened: Vec<(ActorKey, u64)>,
}

impl Grouper {
    /// Creates a grouper without incidents.
    pub fn new(known: KnownList, timeout: i64) -> Self {
        Self {
            timeout: timeout.max(1),
            known,
            open: HashMap::new(),
            expiry: BTreeSet::new(),
            single: BTreeMap::new(),
            flooded: HashMap::new(),
            history: History::default(),
            surges: Surges::default(),
            changes: Vec::new(),
            now: i64::MIN,
            outbox: None,
            elsewhere: HashMap::new(),
            opened: Vec::new(),
        }
    }

    /// Replaces the list of known activity; open incidents stay as they are.
    pub fn set_known(&mut self, known: KnownList) {
        self.known = known;
    }

    /// Replaces the timeout, in microseconds.
    pub fn set_timeout(&mut self, timeout: i64) {
        self.timeout = timeout.max(1);
    }

    /// The latest end of a connection, in microseconds since 1970.
    pub fn now(&self) -> i64 {
        self.now
    }

    /// Adds the next connection in order of end times. Returns the identifier of its incident; `None` for known
    /// activity.
    pub fn observe(&mut self, o: &Observation<'_>) -> Option<String> {
        let record = Record::of(o.connection);
        self.now = self.now.max(record.end);
        self.close_quiet(record.end);
        let is_known = self.known.covers(o.connection);
        let key = self.incident_of(&record, o, is_known);
        let taken = key.is_some();
        if let Some(key) = key {
            self.add(key, &record, o);
        }
        self.history.push(record, taken);
        key.and_then(|key| self.open.get(&key)).filter(|incident| !incident.known).map(Incident::id)
    }

    /// Incident of a connection; opens one if there is an alert or evidence.
    fn incident_of(&mut self, record: &Record, o: &Observation<'_>, known: bool) -> Option<ActorKey> {
        let own = (record.originator, Role::Originator, known);
        let target = (record.responder, Role::Target, known);
        let is_notable = o.alert || o.evidence.is_some();
        let surge = self.surges.add(record);
        if let Some(incident) = self.open.get(&own).filter(|incident| !incident.is_minor()) {
            if is_notable || incident.continues(record) {
                return Some(own);
            }
        }
        if self.open.contains_key(&target) && o.evidence.is_none() && (o.alert || record.failed) {
            return Some(target);
        }
        if record.failed && o.evidence.is_none() && !record.originator.is_internal() {
            if let Some(key) = self.flood_near(record.responder, known) {
                return Some(key);
            }
        }
        let is_flooded = self.flood_near(record.responder, known).is_some();
        if surge || is_notable && o.evidence.is_none() && !is_flooded && self.is_crowded(&own, &target) {
            self.open_target(target, record.end);
            if !record.originator.is_internal() {
                self.flooded.entry(network(record.responder)).or_insert(target);
            }
            return Some(target);
        }
        is_notable.then(|| {
            self.open(own, record.end);
            own
        })
    }

    /// Open incident of a flooded target in the same network.
    fn flood_near(&self, responder: Address, known: bool) -> Option<ActorKey> {
        self.flooded.get(&network(responder)).copied().filter(|key| key.2 == known)
    }

    /// Returns whether this originator is one of many with incidents of this target only.
    fn is_crowded(&self, own: &ActorKey, target: &ActorKey) -> bool {
        let others = self.single.get(&target.0).map_or(0, |them| them.len() - usize::from(them.contains(&own.0)));
        !own.2 && others + 1 >= MANY
    }

    /// Opens an incident, and closes another one beyond the limit.
    fn open(&mut self, key: ActorKey, now: i64) {
        if self.open.contains_key(&key) {
            return;
        }
        while self.open.len() >= MAX_OPEN {
            let Some(&(_, _, victim)) = self.expiry.first() else { break };
            self.close(victim, Event::Closed);
        }
        let mut incident = Incident::new(key, now);
        if let Some(&(number, since)) = self.elsewhere.get(&key) {
            if now.saturating_sub(since) < self.timeout {
                incident.number = number;
            }
        }
        self.put(key, incident);
    }

    /// Opens an incident of a target and merges those of its originators.
    fn open_target(&mut self, key: ActorKey, now: i64) {
        self.open(key, now);
        let originators = if key.2 { None } else { self.single.remove(&key.0) };
        let Some(mut incident) = self.take(key) else { return };
        for originator in originators.into_iter().flatten() {
            let Some(merged) = self.take((originator, Role::Originator, false)) else { continue };
            incident.absorb(&merged);
            let merged_into = Some(incident.id());
            self.changes.push(Change { merged_into, ..Change::new(Event::Merged, merged) });
        }
        self.put(key, incident);
    }

    /// Adds a connection, and earlier ones that belong to it, to an open incident.
    fn add(&mut self, key: ActorKey, record: &Record, o: &Observation<'_>) {
        let Some(mut incident) = self.take(key) else { return };
        let is_notable = o.alert || o.evidence.is_some();
        let mut earlier = Vec::new();
        if key.1 == Role::Originator && is_notable {
            if o.evidence.is_some() {
                let is_same = |earlier: &Record| {
                    (earlier.responder, earlier.proto, earlier.port) == (record.responder, record.proto, record.port)
                };
                earlier = self.history.take_back(record, self.timeout, is_same);
            }
            if record.failed && incident.alerts + 1 == SCANNER {
                earlier.extend(self.history.take_back(record, PRELUDE, |earlier| earlier.failed));
            }
        }
        earlier.iter().for_each(|earlier| incident.include(earlier, None));
        if is_notable || incident.extends(record) {
            incident.active = incident.active.max(record.end);
        }
        incident.include(record, Some(o));
        if is_notable || incident.records.is_power_of_two() {
            incident.classify();
        }
        if let Some(outbox) = &mut self.outbox {
            outbox.add(&incident, &earlier, record, o);
        }
        self.announce(&mut incident, record.end);
        self.put(key, incident);
    }

    /// Reports that an incident opened or changed, unless it is known activity.
    fn announce(&mut self, incident: &mut Incident, now: i64) {
        let event = match incident.announced {
            None if !incident.is_minor() => Event::Opened,
            Some((kind, records)) if kind != incident.kind || incident.records >= records.saturating_mul(10) => {
                Event::Changed
            }
            _ => return,
        };
        incident.classify();
        if incident.known || self.known.covers_incident(incident) {
            return;
        }
        let has_grown = incident.announced.is_some_and(|(_, records)| incident.records >= records.saturating_mul(10));
        let weight = incident.kind.weight();
        let escalates = incident
            .noticed
            .is_none_or(|(before, since)| weight > before || has_grown && now.saturating_sub(since) >= NOTICE_PAUSE);
        if escalates {
            incident.noticed = Some((weight, now));
        }
        incident.announced = Some((incident.kind, incident.records));
        self.changes.push(Change { escalates, ..Change::new(event, incident.clone()) });
    }

    fn put(&mut self, key: ActorKey, incident: Incident) {
        self.expiry.insert((incident.has_many(), incident.active, key));
        if let Some(target) = incident.single_target() {
            self.single.entry(target).or_default().insert(key.0);
        }
        self.open.insert(key, incident);
    }

    fn take(&mut self, key: ActorKey) -> Option<Incident> {
        let incident = self.open.remove(&key)?;
        self.expiry.remove(&(incident.has_many(), incident.active, key));
        if let Some(target) = incident.single_target() {
            if let Some(originators) = self.single.get_mut(&target) {
                originators.remove(&key.0);
                if originators.is_empty() {
                    self.single.remove(&target);
                }
            }
        }
        Some(incident)
    }

    fn close(&mut self, key: ActorKey, event: Event) {
        if let Some(mut incident) = self.take(key) {
            let place = network(key.0);
            if self.flooded.get(&place) == Some(&key) {
                self.flooded.remove(&place);
            }
            incident.classify();
            incident.known |= self.known.covers_incident(&incident);
            self.changes.push(Change::new(event, incident));
        }
    }

    /// Closes incidents whose actors have been quiet for the timeout at time `now`.
    pub fn close_quiet(&mut self, now: i64) {
        for many in [false, true] {
            loop {
                let first = self.expiry.range((many, i64::MIN, (Address([0; 16]), Role::Originator, false))..).next();
                let Some(&(class, active, key)) = first else { break };
                if class != many || active.saturating_add(self.timeout) >= now {
                    break;
                }
                self.close(key, Event::Closed);
            }
        }
    }

    /// Closes all incidents, in order of their last activity.
    pub fn close_all(&mut self) {
        let mut keys: Vec<_> = self.expiry.iter().map(|&(_, active, key)| (active, key)).collect();
        keys.sort_unstable();
        keys.into_iter().for_each(|(_, key)| self.close(key, Event::Closed));
    }

    /// Removes and returns the pending events.
    pub fn take_changes(&mut self) -> Vec<Change> {
        std::mem::take(&mut self.changes)
    }

    /// Open incidents, in arbitrary order.
    pub fn open_incidents(&self) -> impl Iterator<Item = &Incident> {
        self.open.values()
    }
}

impl Incident {
    fn new((actor, role, known): ActorKey, now: i64) -> Self {
        // Identifier: a hash of the actor and of the time of the first alert.
        let mut bytes = [0; 25];
        bytes[..16].copy_from_slice(&actor.0);
        bytes[16..24].copy_from_slice(&now.to_be_bytes());
        bytes[24] = role as u8 | u8::from(known) << 1;
        Self {
            number: XxHash3_64::oneshot(&bytes) >> 16,
            actor,
            role,
            kind: IncidentKind::Other,
            known,
            start: i64::MAX,
            last: i64::MIN,
            targets: Members::default(),
            victims: Members::default(),
            ports: Members::default(),
            records: 0,
            alerts: 0,
            evidence: 0,
            failed: 0,
            highest: 0.0,
            uids: Vec::new(),
            trails: Vec::new(),
            focus: 0,
            reasons: Vec::new(),
            active: now,
            announced: None,
            noticed: None,
        }
    }

    /// Identifier: `I` and 12 hexadecimal digits.
    pub fn id(&self) -> String {
        format!("I{:012x}", self.number)
    }

    /// Returns whether it has been reported.
    pub fn is_announced(&self) -> bool {
        self.announced.is_some()
    }

    /// Severity, which orders incidents: 1 - (1 - h) * 2^-s, where h is the highest score of a record and the strength
    /// s is 1 if evidence accumulated, plus log2(alerts) / 4, plus the weight of the kind.
    pub fn score(&self) -> f64 {
        let alerts = (self.alerts.max(1) as f64).log2() / 4.0;
        let strength = f64::from(u8::from(self.evidence > 0)) + alerts + self.kind.weight();
        1.0 - (1.0 - self.highest) * (-strength).exp2()
    }

    /// Returns whether it is a single failed connection, which is listed only on demand.
    pub fn is_minor(&self) -> bool {
        self.evidence == 0 && self.alerts <= 1 && self.failed == self.records && self.role == Role::Originator
    }

    /// Uids of up to ten of its connections, alerts first.
    pub fn uids(&self) -> impl Iterator<Item = &[u8]> {
        self.uids.iter().map(AsRef::as_ref)
    }

    /// The three most frequent reasons.
    pub fn reasons(&self) -> Vec<&str> {
        let mut mentions: Vec<&Mention> = self.reasons.iter().collect();
        mentions.sort_by(|a, b| b.times.cmp(&a.times).then(b.score.total_cmp(&a.score)));
        mentions.into_iter().take(3).map(|mention| mention.text.as_str()).collect()
    }

    /// Returns whether an address is the actor or one of the stored targets.
    pub fn involves(&self, host: Address) -> bool {
        self.actor == host || story::is_named(&self.targets, host)
    }

    fn has_many(&self) -> bool {
        self.alerts > 1 || self.evidence > 0 || self.role == Role::Target
    }

    fn single_target(&self) -> Option<Address> {
        let is_single = self.role == Role::Originator && !self.known && self.evidence == 0;
        self.targets.sample().first().copied().filter(|_| is_single && self.targets.count() == 1)
    }

    fn is_scanner(&self) -> bool {
        self.role == Role::Originator
            && self.alerts.min(self.failed) >= SCANNER
            && self.ports.count().max(self.targets.count()) >= 3
    }

    fn trail(&self, record: &Record) -> Option<&Trail> {
        self.trails.iter().find(|trail| record.is_to(trail))
    }

    /// Returns whether a connection without an alert belongs to it.
    fn continues(&self, record: &Record) -> bool {
        record.failed && self.is_scanner()
            || self.trail(record).is_some_and(|trail| trail.evidence > 0 || trail.alerts >= REPEATED)
    }

    /// Returns whether a connection without an alert extends it.
    fn extends(&self, record: &Record) -> bool {
        self.role == Role::Target
            || record.failed && self.is_scanner()
            || self.trail(record).is_some_and(|trail| trail.evidence > 0)
    }

    fn classify(&mut self) {
        (self.kind, self.focus) = kind::classify(self);
    }

    /// Adds a connection; connections from the history have no observation.
    fn include(&mut self, record: &Record, o: Option<&Observation<'_>>) {
        self.start = self.start.min(record.ts);
        self.last = self.last.max(record.end);
        self.records += 1;
        self.failed += u64::from(record.failed);
        let peer = if self.role == Role::Originator { record.responder } else { record.originator };
        self.targets.add(peer);
        if self.role == Role::Target {
            self.victims.add(record.responder);
        }
        self.ports.add((record.proto, record.port));
        let is_alert = o.is_some_and(|o| o.alert);
        let trail = self.trails.iter().position(|trail| record.is_to(trail)).or_else(|| {
            let is_room = self.trails.len() < MAX_TRAILS;
            is_room.then(|| self.trails.push(Trail::new(record)))?;
            Some(self.trails.len() - 1)
        });
        if let Some(trail) = trail.and_then(|trail| self.trails.get_mut(trail)) {
            trail.add(record);
        }
        let Some(o) = o else { return };
        self.highest = self.highest.max(o.score);
        self.alerts += u64::from(is_alert);
        self.evidence += u64::from(o.evidence.is_some());
        if let Some(trail) = trail.and_then(|trail| self.trails.get_mut(trail)) {
            trail.alerts += u64::from(is_alert);
            trail.evidence += u64::from(o.evidence.is_some());
            let features = || o.reasons.iter().map(Reason::feature);
            trail.large |= features().any(|name| name.ends_with("bytes") && !name.starts_with("resp"));
            trail.rare |= features().any(|name| matches!(name, "port" | "service"));
        }
        if let Some(uid) = o.uid.filter(|_| self.uids.len() < MAX_UIDS) {
            self.uids.push(uid[..uid.len().min(64)].into());
        }
        for reason in o.reasons {
            self.mention(&Mention {
                feature: reason.feature().into(),
                times: 1,
                score: o.score,
                text: reason.to_string(),
            });
        }
    }

    fn mention(&mut self, mention: &Mention) {
        let is_room = self.reasons.len() < MAX_REASONS;
        match self.reasons.iter_mut().find(|known| known.feature == mention.feature) {
            Some(known) => {
                known.times = known.times.saturating_add(mention.times);
                if mention.score > known.score {
                    (known.score, known.text) = (mention.score, mention.text.clone());
                }
            }
            None if is_room => self.reasons.push(mention.clone()),
            None => {}
        }
    }

    /// Merges the incident of an originator, or another part of this incident.
    fn absorb(&mut self, other: &Incident) {
        self.start = self.start.min(other.start);
        self.last = self.last.max(other.last);
        match self.role == other.role {
            true => {
                self.targets.merge(&other.targets);
                self.victims.merge(&other.victims);
            }
            false => self.targets.add(other.actor),
        }
        self.ports.merge(&other.ports);
        self.records = self.records.saturating_add(other.records);
        self.alerts = self.alerts.saturating_add(other.alerts);
        self.evidence = self.evidence.saturating_add(other.evidence);
        self.failed = self.failed.saturating_add(other.failed);
        self.active = self.active.max(other.active);
        self.highest = self.highest.max(other.highest);
        for uid in other.uids.iter().take(MAX_UIDS - self.uids.len().min(MAX_UIDS)) {
            self.uids.push(uid.clone());
        }
        other.reasons.iter().for_each(|mention| self.mention(mention));
        for theirs in &other.trails {
            let is_room = self.trails.len() < MAX_TRAILS;
            let is_same = |own: &&mut Trail| {
                (own.responder, own.proto, own.port) == (theirs.responder, theirs.proto, theirs.port)
            };
            match self.trails.iter_mut().find(is_same) {
                Some(own) => own.absorb(theirs),
                None if is_room => self.trails.push(theirs.clone()),
                None => {}
            }
        }
    }
}

impl Trail {
    fn new(record: &Record) -> Self {
        Self {
            responder: record.responder,
            proto: record.proto,
            port: record.port,
            service: record.service,
            records: 0,
            alerts: 0,
            evidence: 0,
            failed: 0,
            bytes_out: 0,
            bytes_in: 0,
            largest_out: 0,
            duration: 0,
            longest: 0,
            first: record.ts,
            last: record.end,
            pauses: Pauses::default(),
            last_start: record.ts,
            inward: record.inward,
            large: false,
            rare: false,
        }
    }

    fn add(&mut self, record: &Record) {
        if self.records > 0 {
            self.pauses.add(record.ts.abs_diff(self.last_start) as f64 / 1e6);
        }
        let duration = record.end.saturating_sub(record.ts);
        self.last_start = self.last_start.max(record.ts);
        self.records += 1;
        self.failed += u64::from(record.failed);
        self.bytes_out = self.bytes_out.saturating_add(record.bytes_out);
        self.bytes_in = self.bytes_in.saturating_add(record.bytes_in);
        self.largest_out = self.largest_out.max(record.bytes_out);
        self.duration = self.duration.saturating_add(duration);
        self.longest = self.longest.max(duration);
        self.first = self.first.min(record.ts);
        self.last = self.last.max(record.end);
        if self.service.is_empty() {
            self.service = record.service;
        }
    }

    fn absorb(&mut self, other: &Trail) {
        self.records = self.records.saturating_add(other.records);
        self.alerts = self.alerts.saturating_add(other.alerts);
        self.evidence = self.evidence.saturating_add(other.evidence);
        self.failed = self.failed.saturating_add(other.failed);
        self.pauses.merge(&other.pauses);
        self.bytes_out = self.bytes_out.saturating_add(other.bytes_out);
        self.bytes_in = self.bytes_in.saturating_add(other.bytes_in);
        self.largest_out = self.largest_out.max(other.largest_out);
        self.duration = self.duration.saturating_add(other.duration);
        self.longest = self.longest.max(other.longest);
        self.first = self.first.min(other.first);
        self.last = self.last.max(other.last);
        self.last_start = self.last_start.max(other.last_start);
        if self.service.is_empty() {
            self.service = other.service;
        }
        (self.large, self.rare) = (self.large || other.large, self.rare || other.rare);
    }
}

#[cfg(test)]
mod tests;

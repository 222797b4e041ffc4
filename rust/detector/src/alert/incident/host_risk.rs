//! Risk of hosts: a decayed sum of their incidents.

use std::collections::{BTreeMap, VecDeque};

use super::incident::Incident;
use super::kind::IncidentKind;
use crate::address::Address;
use crate::units::DAY;

/// Half-life of contributions: a day, in microseconds.
const HALF_LIFE: f64 = DAY as f64;
/// Share of an incident's strength that counts for an internal target of a remote actor.
const TARGET_SHARE: f64 = 0.25;

/// Number of contributions of closed incidents stored.
const MAX_CONTRIBUTIONS: usize = 4096;
/// Risk that counts as zero.
const NEGLIGIBLE: f64 = 0.01;

/// Risk of one host, with the contributing incidents.
#[derive(Clone, Debug)]
pub struct HostRisk {
    /// The host.
    pub host: Address,
    /// The sum of the contributions.
    pub risk: f64,
    /// Contributions, the largest first.
    pub parts: Vec<RiskPart>,
}

/// One incident's contribution to the risk of a host.
#[derive(Clone, Debug)]
pub struct RiskPart {
    /// Identifier of the incident.
    pub id: String,
    /// Its kind.
    pub kind: IncidentKind,
    /// The time of its last record, in microseconds since 1970.
    pub last: i64,
    /// Contribution to the risk.
    pub risk: f64,
}

/// Contribution of one incident to the risk of hosts, before it decays.
#[derive(Clone, Debug)]
struct Contribution {
    id: String,
    kind: IncidentKind,
    last: i64,
    strength: f64,
    actor: Address,
    targets: Vec<Address>,
}

impl Contribution {
    fn of(incident: &Incident) -> Self {
        let targets = if incident.actor_is_internal { Vec::new() } else { incident.internal_targets().collect() };
        Self {
            id: incident.id(),
            kind: incident.kind,
            last: incident.last,
            strength: -(1.0 - incident.score()).max(1e-6).log2(),
            actor: incident.actor,
            targets,
        }
    }

    fn at(&self, now: i64) -> f64 {
        self.strength * (-(now.saturating_sub(self.last).max(0) as f64) / HALF_LIFE).exp2()
    }
}

/// Ranks hosts by risk at time `now`, the highest first.
///
/// An incident of score `s` adds -log2(1 - s) to its actor, halved for every day since its last record, and a quarter
/// of that to each internal host that an external actor targeted.
pub fn host_risks<'a>(incidents: impl IntoIterator<Item = &'a Incident>, now: i64) -> Vec<HostRisk> {
    rank(incidents.into_iter().map(Contribution::of), now)
}

fn rank(contributions: impl Iterator<Item = Contribution>, now: i64) -> Vec<HostRisk> {
    let mut hosts: BTreeMap<Address, Vec<RiskPart>> = BTreeMap::new();
    for contribution in contributions {
        let strength = contribution.at(now);
        let mut add = |host: Address, risk: f64| {
            let part = RiskPart { id: contribution.id.clone(), kind: contribution.kind, last: contribution.last, risk };
            hosts.entry(host).or_default().push(part);
        };
        add(contribution.actor, strength);
        contribution.targets.iter().for_each(|&target| add(target, strength * TARGET_SHARE));
    }
    let mut risks: Vec<HostRisk> = hosts
        .into_iter()
        .map(|(host, mut parts)| {
            parts.sort_by(|a, b| b.risk.total_cmp(&a.risk));
            HostRisk { host, risk: parts.iter().map(|part| part.risk).sum(), parts }
        })
        .collect();
    risks.sort_by(|a, b| b.risk.total_cmp(&a.risk).then(a.host.cmp(&b.host)));
    risks
}

/// Contributions of closed incidents, in bounded memory: 4,096 of at most 1 kB each.
#[derive(Clone, Debug, Default)]
pub struct RiskTable {
    contributions: VecDeque<Contribution>,
}

impl RiskTable {
    /// Adds a closed incident; known activity and single failed connections add nothing.
    pub fn add(&mut self, incident: &Incident) {
        if counts(incident) {
            if self.contributions.len() >= MAX_CONTRIBUTIONS {
                self.contributions.pop_front();
            }
            self.contributions.push_back(Contribution::of(incident));
        }
    }

    /// Drops decayed contributions, and ranks hosts with a risk above zero as [`host_risks`] does.
    pub fn risks<'a>(&mut self, open: impl Iterator<Item = &'a Incident>, now: i64) -> Vec<HostRisk> {
        self.contributions.retain(|contribution| contribution.at(now) >= NEGLIGIBLE);
        let open = open.filter(|incident| counts(incident)).map(Contribution::of);
        let mut risks = rank(self.contributions.iter().cloned().chain(open), now);
        risks.retain(|risk| risk.risk >= NEGLIGIBLE);
        risks
    }
}

fn counts(incident: &Incident) -> bool {
    !incident.known && !incident.is_minor()
}

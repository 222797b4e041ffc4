//! Risk of hosts: a decayed sum of their incidents.

use std::collections::{BTreeMap, VecDeque};

use super::incident::Incident;
use super::kind::IncidentKind;
use crate::address::Address;
use crate::units::DAY;

/// Half-life of risks: a day, in microseconds.
const HALF_LIFE: f64 = DAY as f64;
/// Share of an incident's risk that counts for an internal target of a remote actor.
const TARGET_SHARE: f64 = 0.25;

/// Largest number of closed incidents stored.
const MAX_INCIDENTS: usize = 4096;
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
    pub contributions: Vec<Contribution>,
}

/// One incident's contribution to the risk of a host.
#[derive(Clone, Debug)]
pub struct Contribution {
    /// Identifier of the incident.
    pub id: String,
    /// Its kind.
    pub kind: IncidentKind,
    /// The time of its last record, in microseconds since 1970.
    pub last: i64,
    /// Contribution to the risk.
    pub risk: f64,
}

/// Risk of one incident before it decays, with the hosts that it contributes to.
#[derive(Clone, Debug)]
struct IncidentRisk {
    id: String,
    kind: IncidentKind,
    last: i64,
    initial_risk: f64,
    actor: Address,
    targets: Vec<Address>,
}

impl IncidentRisk {
    fn of(incident: &Incident) -> Self {
        let targets = if incident.actor_is_internal { Vec::new() } else { incident.internal_targets().collect() };
        Self {
            id: incident.id(),
            kind: incident.kind,
            last: incident.last,
            initial_risk: -(1.0 - incident.score()).max(1e-6).log2(),
            actor: incident.actor,
            targets,
        }
    }

    fn at(&self, now: i64) -> f64 {
        self.initial_risk * (-(now.saturating_sub(self.last).max(0) as f64) / HALF_LIFE).exp2()
    }
}

/// Ranks hosts by risk at time `now`, the highest first.
///
/// An incident of score `s` adds -log2(1 - s) to its actor, halved for every day since its last record, and a quarter
/// of that to each internal host that an external actor targeted.
pub fn host_risks<'a>(incidents: impl IntoIterator<Item = &'a Incident>, now: i64) -> Vec<HostRisk> {
    rank(incidents.into_iter().map(IncidentRisk::of), now)
}

fn rank(incidents: impl Iterator<Item = IncidentRisk>, now: i64) -> Vec<HostRisk> {
    let mut hosts: BTreeMap<Address, Vec<Contribution>> = BTreeMap::new();
    for incident in incidents {
        let risk = incident.at(now);
        let mut add = |host: Address, risk: f64| {
            let contribution = Contribution { id: incident.id.clone(), kind: incident.kind, last: incident.last, risk };
            hosts.entry(host).or_default().push(contribution);
        };
        add(incident.actor, risk);
        incident.targets.iter().for_each(|&target| add(target, risk * TARGET_SHARE));
    }
    let mut risks: Vec<HostRisk> = hosts
        .into_iter()
        .map(|(host, mut contributions)| {
            contributions.sort_by(|a, b| b.risk.total_cmp(&a.risk));
            HostRisk { host, risk: contributions.iter().map(|it| it.risk).sum(), contributions }
        })
        .collect();
    risks.sort_by(|a, b| b.risk.total_cmp(&a.risk).then(a.host.cmp(&b.host)));
    risks
}

/// Risks of closed incidents, in bounded memory: 4,096 of at most 1 kB each.
#[derive(Clone, Debug, Default)]
pub struct RiskTable {
    incidents: VecDeque<IncidentRisk>,
}

impl RiskTable {
    /// Adds a closed incident; known activity and single failed connections add nothing.
    pub fn add(&mut self, incident: &Incident) {
        if counts(incident) {
            if self.incidents.len() >= MAX_INCIDENTS {
                self.incidents.pop_front();
            }
            self.incidents.push_back(IncidentRisk::of(incident));
        }
    }

    /// Drops incidents whose risk has decayed, and ranks hosts with a risk above zero as [`host_risks`] does.
    pub fn risks<'a>(&mut self, open: impl Iterator<Item = &'a Incident>, now: i64) -> Vec<HostRisk> {
        self.incidents.retain(|incident| incident.at(now) >= NEGLIGIBLE);
        let open = open.filter(|incident| counts(incident)).map(IncidentRisk::of);
        let mut risks = rank(self.incidents.iter().cloned().chain(open), now);
        risks.retain(|risk| risk.risk >= NEGLIGIBLE);
        risks
    }
}

fn counts(incident: &Incident) -> bool {
    !incident.known && !incident.is_minor()
}

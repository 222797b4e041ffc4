//! Risk of hosts: a decayed sum of their incidents.

use std::collections::BTreeMap;

use super::{Incident, IncidentKind};
use crate::Address;

/// A contribution halves in a day, in microseconds.
const HALF_LIFE: f64 = 86_400e6;
/// Share of an incident's strength that counts for an internal target of a remote actor.
const TARGET_SHARE: f64 = 0.25;

/// Risk of one host, and the incidents that make it.
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

/// Ranks hosts by risk at time `now`, the highest first.
///
/// An incident of score `s` adds -log2(1 - s) to its actor, halved for every day since its last record, and a quarter
/// of that to each internal host that an external actor targeted.
pub fn host_risks<'a>(incidents: impl IntoIterator<Item = &'a Incident>, now: i64) -> Vec<HostRisk> {
    let mut hosts: BTreeMap<Address, Vec<RiskPart>> = BTreeMap::new();
    for incident in incidents {
        let age = now.saturating_sub(incident.last).max(0) as f64;
        let strength = -(1.0 - incident.score()).max(1e-6).log2() * (-age / HALF_LIFE).exp2();
        let mut add = |host: Address, risk: f64| {
            let part = RiskPart { id: incident.id(), kind: incident.kind, last: incident.last, risk };
            hosts.entry(host).or_default().push(part);
        };
        add(incident.actor, strength);
        if !incident.actor.is_internal() {
            let inside = incident.targets.sample().iter().filter(|target| target.is_internal());
            inside.for_each(|&target| add(target, strength * TARGET_SHARE));
        }
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

//! Rules that assign the kind of an incident, its weight and its ATT&CK techniques.

use super::incident::{Incident, Role};
use super::kind::IncidentKind;
use super::queries::Domain;
use super::regular_exchange::REGULAR_PORTS;
use super::service_totals::ServiceTotals;
use crate::proto::Proto;
use crate::units::HOUR;

/// One line of the table of rules.
#[derive(Clone, Copy, Debug)]
pub struct Rule {
    /// Kind that it assigns.
    pub kind: IncidentKind,
    /// Description of the condition, for the documentation.
    pub condition: &'static str,
    /// Strength that the kind adds to an incident; each unit halves the distance to a score of 1.
    pub weight: f64,
    /// MITRE ATT&CK techniques the kind implies.
    pub attack: &'static [&'static str],
    /// Condition; returns the service that fulfils it.
    pub(super) holds: fn(&Incident) -> Option<usize>,
}

/// Rules in order of precedence: the first that matches assigns the kind.
pub const RULES: &[Rule] = &[
    Rule {
        kind: IncidentKind::Outage,
        condition: "at least 8 originators fail on one target (80 % of the connections), most of them internal",
        weight: 0.0,
        attack: &[],
        holds: |it| it.holds_first(it.role == Role::Target && it.fails(0.8) && it.peers_are_internal()),
    },
    Rule {
        kind: IncidentKind::Flood,
        condition: "at least 8 originators fail on one target (80 % of the connections), most of them external",
        weight: 0.5,
        attack: &["T1498"],
        holds: |it| it.holds_first(it.role == Role::Target && it.fails(0.8)),
    },
    Rule {
        kind: IncidentKind::Scan,
        condition: "one originator, at least 5 targets or 5 ports, no service with most of the connections, at least half \
                    of them failed; or 5 failed connections on a port with evidence of new hosts",
        weight: 0.5,
        attack: &["T1046"],
        holds: |it| {
            let is_broad = it.targets.has_at_least(5) || it.ports.has_at_least(5);
            let are_connections = 2 * it.queries() <= it.records;
            let busiest = it.services.iter().map(|totals| totals.records).max().unwrap_or(0);
            let is_spread = is_broad && 2 * busiest <= it.records;
            let is_scan = is_spread && are_connections && it.fails(0.5) || it.fan_out_failures >= 5;
            it.holds_first(it.role == Role::Originator && is_scan)
        },
    },
    Rule {
        kind: IncidentKind::Guessing,
        condition: "at least 8 answered connections to a login service (SSH, FTP, Telnet, RDP, VNC, SMB, mail, \
                    databases), each sending under 10 kB, on average under 60 s long and less than 10 minutes apart",
        weight: 0.75,
        attack: &["T1110"],
        holds: |it| {
            it.service(|totals| {
                let (records, answered) = (totals.records.max(1), totals.records - totals.failed);
                let is_short = totals.duration / records as i64 <= 60_000_000 && totals.largest_out < 10_000;
                is_login(totals) && answered >= 8 && is_short && (it.role == Role::Target || totals.pauses.mean < 600.0)
            })
        },
    },
    Rule {
        kind: IncidentKind::Tunnel,
        condition: "at least 10 different names of one domain in dns.log, most of which exist, with 20 bytes or more before \
                    the domain on average; or 50 bytes or more, existing or not",
        weight: 1.0,
        attack: &["T1071.004", "T1572", "T1048"],
        holds: |it| {
            it.domain(|totals, domain| {
                let (mean, exist) = (domain.mean_data(totals.records), 2 * domain.nonexistent < totals.records);
                domain.carries_data && domain.names.has_at_least(10) && (mean >= 50 || mean >= 20 && exist)
            })
        },
    },
    Rule {
        kind: IncidentKind::Scan,
        condition: "at least 20 different names of one domain in dns.log, half of which do not exist; or 20 names of \
                    addresses; or 8 types queried for names of one domain",
        weight: 0.5,
        attack: &["T1590.002"],
        holds: |it| {
            it.domain(|totals, domain| {
                let names = domain.names.count();
                let are_guessed = domain.carries_data && names >= 20 && 2 * domain.nonexistent >= totals.records;
                are_guessed || domain.reverse && names >= 20 || domain.types() >= 8
            })
        },
    },
    Rule {
        kind: IncidentKind::Scan,
        condition: "at least 5 servers asked in dns.log, more than is usual for a client here",
        weight: 0.5,
        attack: &["T1018"],
        holds: |it| {
            let servers = it.queries.as_ref().map_or(0, |queries| queries.servers.count());
            it.domain(|_, domain| domain.many_servers).filter(|_| servers >= 5)
        },
    },
    Rule {
        kind: IncidentKind::GeneratedDomains,
        condition: "at least 5 registered domains that do not exist or look random, and at least half of all registered \
                    domains of the incident",
        weight: 1.0,
        attack: &["T1568.002"],
        holds: |it| {
            let are_generated = it.queries.as_ref().is_some_and(|queries| queries.are_generated());
            it.domain(|_, domain| domain.carries_data).filter(|_| are_generated)
        },
    },
    Rule {
        kind: IncidentKind::Tunnel,
        condition: "at least 10 DNS connections that send 100 bytes or more on average, or 10 echo requests of 500 bytes or more",
        weight: 1.0,
        attack: &["T1572"],
        holds: |it| {
            it.own_service(|totals| {
                let mean = totals.bytes_out / totals.records.max(1);
                let is_echo = totals.proto == Proto::Icmp && mean >= 500;
                totals.records >= 10 && (is_dns(totals) && mean >= 100 || is_echo)
            })
        },
    },
    Rule {
        kind: IncidentKind::Exfiltration,
        condition: "an unusual amount of at least 50 kB, or any of at least 10 MB, sent to an external address; at least three times \
                    the amount received",
        weight: 1.0,
        attack: &["T1048"],
        holds: |it| {
            it.own_service(|totals| {
                let is_large = totals.large && totals.bytes_out >= 50_000 || totals.bytes_out >= 10_000_000;
                !totals.is_internal && is_large && totals.bytes_out / 3 >= totals.bytes_in
            })
        },
    },
    Rule {
        kind: IncidentKind::LongSession,
        condition: "a connection of at least an hour",
        weight: 0.75,
        attack: &[],
        holds: |it| it.own_service(|totals| totals.longest >= HOUR && totals.failed < totals.records),
    },
    Rule {
        kind: IncidentKind::LateralMovement,
        condition: "answered connections between internal hosts on ports of remote administration (22, 135, 139, 445, \
                    3389, 5985, 5986)",
        weight: 0.75,
        attack: &["T1021"],
        holds: |it| {
            it.own_service(|totals| {
                it.actor_is_internal
                    && totals.is_internal
                    && !totals.responder.is_group()
                    && totals.proto == Proto::Tcp
                    && ADMIN.contains(&totals.port)
                    && totals.failed < totals.records
            })
        },
    },
    Rule {
        kind: IncidentKind::Beacon,
        condition: "at least 6 answered TCP or UDP connections to one service, at least half of all, on average at least 10 s \
                    apart, pauses that deviate by at most 60 % of their mean; not the service ntp",
        weight: 0.75,
        attack: &["T1071"],
        holds: |it| {
            it.own_service(|totals| {
                let is_regular = totals.pauses.mean >= 10.0 && totals.pauses.are_regular(0.6);
                let answered = totals.records - totals.failed;
                let is_unicast = totals.proto != Proto::Icmp && !totals.responder.is_group();
                // Clients of NTP poll at regular intervals by design. Other traffic on its port counts.
                is_unicast && totals.service != "ntp" && answered >= 6 && 2 * answered >= totals.records && is_regular
            })
        },
    },
    Rule {
        kind: IncidentKind::Beacon,
        condition: "at least 10 TCP or UDP connections of an internal originator to one service of an external host, most of \
                    them refused or unanswered; on average at least 10 s apart with pauses that deviate by at most 30 % of their mean, \
                    or to a port that is rare here; not DNS or NTP",
        weight: 0.75,
        attack: &["T1071"],
        holds: |it| {
            it.own_service(|totals| {
                let is_regular = totals.pauses.mean >= 10.0 && totals.pauses.are_regular(0.3);
                let is_outward = it.actor_is_internal && !totals.is_internal;
                let is_unicast = totals.proto != Proto::Icmp && !totals.responder.is_group();
                let is_tried = totals.records >= 10 && 2 * totals.failed >= totals.records;
                is_outward
                    && is_unicast
                    && is_tried
                    && (is_regular || totals.rare)
                    && !REGULAR_PORTS.contains(&totals.port)
            })
        },
    },
    Rule {
        kind: IncidentKind::Outage,
        condition: "at least 5 connections of one originator to one service, at least half of the incident's records, \
                    80 % of them failed",
        weight: 0.0,
        attack: &[],
        holds: |it| {
            it.own_service(|totals| {
                totals.records >= 5 && totals.failed * 5 >= totals.records * 4 && 2 * totals.records >= it.records
            })
        },
    },
    Rule {
        kind: IncidentKind::Outage,
        condition: "at least 5 queries for names of one domain, 80 % of them refused or unanswered",
        weight: 0.0,
        attack: &[],
        holds: |it| it.domain(|totals, _| totals.records >= 5 && totals.failed * 5 >= totals.records * 4),
    },
    Rule {
        kind: IncidentKind::NewService,
        condition: "a port or protocol that is rare here, answered",
        weight: 0.25,
        attack: &[],
        holds: |it| it.own_service(|totals| totals.rare && totals.failed < totals.records),
    },
    Rule { kind: IncidentKind::Other, condition: "anything else", weight: 0.0, attack: &[], holds: |_| Some(0) },
];

/// Ports of remote administration.
const ADMIN: [u16; 7] = [22, 135, 139, 445, 3389, 5985, 5986];
/// Ports of services that ask for a password. Not LDAP: members of a Windows domain log in to it all day.
const LOGIN: [u16; 16] = [21, 22, 23, 110, 139, 143, 445, 587, 993, 995, 1433, 2222, 3306, 3389, 5432, 5900];
/// Zeek's names of such services.
const LOGIN_SERVICES: [&str; 5] = ["ssh", "ftp", "rdp", "rfb", "mysql"];

fn is_login(totals: &ServiceTotals) -> bool {
    totals.proto == Proto::Tcp && (LOGIN.contains(&totals.port) || LOGIN_SERVICES.contains(&totals.service))
}

fn is_dns(totals: &ServiceTotals) -> bool {
    totals.service == "dns" || totals.port == 53 && totals.proto != Proto::Icmp
}

impl IncidentKind {
    fn rule(self) -> Option<&'static Rule> {
        RULES.iter().find(|rule| rule.kind == self)
    }

    /// Strength that it adds to an incident.
    pub fn weight(self) -> f64 {
        self.rule().map_or(0.0, |rule| rule.weight)
    }
}

impl Incident {
    /// Severity, which orders incidents: 1 - (1 - h) * 2^-s, where h is the highest score of a record and the strength
    /// s is 1 if evidence accumulated, plus log2(alerts) / 4, plus the weight of the kind.
    pub fn score(&self) -> f64 {
        let alerts = (self.alerts.max(1) as f64).log2() / 4.0;
        let strength = f64::from(u8::from(self.evidence > 0)) + alerts + self.kind.weight();
        1.0 - (1.0 - self.highest) * (-strength).exp2()
    }

    /// Identifiers of the ATT&CK techniques that the first matching rule of its kind implies.
    pub fn attack(&self) -> &'static [&'static str] {
        let mut rules = RULES.iter().filter(|rule| rule.kind == self.kind);
        let matching = rules.clone().find(|rule| (rule.holds)(self).is_some());
        matching.or_else(|| rules.next()).map_or(&[], |rule| rule.attack)
    }

    /// Updates the kind, and the service or domain that fulfils its rule.
    pub(super) fn classify(&mut self) {
        let found = RULES.iter().find_map(|rule| Some((rule.kind, (rule.holds)(self)?)));
        (self.kind, self.focus) = found.unwrap_or((IncidentKind::Other, 0));
    }

    /// The first service, if a condition holds.
    fn holds_first(&self, holds: bool) -> Option<usize> {
        let first = self.services.iter().position(|totals| totals.domain.is_none());
        holds.then_some(first.unwrap_or(0))
    }

    /// Returns true if at least this share of the connections failed.
    fn fails(&self, share: f64) -> bool {
        self.failed as f64 >= share * self.records as f64
    }

    pub(super) fn peers_are_internal(&self) -> bool {
        2 * self.internal_targets().count() > self.targets.sample().len()
    }

    /// Like `service`, but only for incidents of an originator.
    fn own_service(&self, condition: impl Fn(&ServiceTotals) -> bool) -> Option<usize> {
        if self.role == Role::Originator { self.service(condition) } else { None }
    }

    /// Domain with most queries among those with an alert or evidence that match a condition; of an originator only.
    fn domain(&self, condition: impl Fn(&ServiceTotals, &Domain) -> bool) -> Option<usize> {
        let fulfils = |totals: &ServiceTotals| totals.domain.as_ref().is_some_and(|domain| condition(totals, domain));
        if self.role == Role::Originator { self.totals_where(fulfils) } else { None }
    }

    /// Service with most connections among those with an alert or evidence that match a condition.
    fn service(&self, condition: impl Fn(&ServiceTotals) -> bool) -> Option<usize> {
        self.totals_where(|totals| totals.domain.is_none() && condition(totals))
    }

    fn totals_where(&self, condition: impl Fn(&ServiceTotals) -> bool) -> Option<usize> {
        let services = self.services.iter().enumerate();
        let fulfil = services.filter(|(_, totals)| (totals.alerts > 0 || totals.evidence > 0) && condition(totals));
        fulfil.max_by_key(|(i, totals)| (totals.records, std::cmp::Reverse(*i))).map(|(i, _)| i)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_has_a_rule_and_a_unique_name() {
        for kind in IncidentKind::ALL {
            assert_eq!(IncidentKind::parse(kind.name()), Some(kind));
            assert!(kind.rule().is_some(), "{kind:?}");
        }
        assert_eq!(IncidentKind::parse("nonsense"), None);
    }
}

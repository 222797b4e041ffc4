//! Summary of an incident in one sentence.

use std::borrow::Cow;

use super::distinct_set::DistinctSet;
use super::incident::{Incident, Role};
use super::kind::IncidentKind;
use super::queries::Domain;
use super::service_totals::ServiceTotals;
use crate::address::Address;
use crate::proto::Proto;
use crate::units::{bytes, count, counted, duration};

impl Incident {
    /// Returns true if an address is the actor or one of the stored targets.
    pub fn involves(&self, host: Address) -> bool {
        self.actor == host || is_named(&self.targets, host)
    }

    /// Number of its records in words: `3 connections and 598 queries`.
    pub fn records_text(&self) -> String {
        let queries = self.queries();
        let connections = self.records.saturating_sub(queries);
        let connections_text = counted(connections, "connection");
        match (connections, queries) {
            (_, 0) => connections_text,
            (0, _) => counted(queries, "query"),
            _ => format!("{connections_text} and {}", counted(queries, "query")),
        }
    }

    /// Number of alerts of its queries, or of its connections.
    fn alerts_of(&self, queries: bool) -> u64 {
        let others = self.services.iter().filter(|totals| totals.domain.is_some() != queries);
        self.alerts.saturating_sub(others.map(|totals| totals.alerts).sum())
    }

    fn unusual_connections(&self) -> String {
        let connections = self.records.saturating_sub(self.queries());
        unusual(connections, self.alerts_of(false), ["connection", "connections"])
    }

    /// Summary in one sentence: actor, activity, target and duration.
    pub fn summary(&self) -> String {
        let Some(totals) = self.services.get(self.focus) else { return format!("{}: no connections", self.actor) };
        let connections = self.records.saturating_sub(self.queries());
        match &totals.domain {
            Some(domain) if self.role == Role::Originator => {
                let other = counted(connections, "connection");
                let also = if connections > 0 { format!("; it also made {other}") } else { String::new() };
                self.summary_of_queries(totals, domain) + &also
            }
            _ => self.summary_of_connections(totals) + &self.other_records(totals),
        }
    }

    /// Records that the summary of connections leaves out.
    fn other_records(&self, totals: &ServiceTotals) -> String {
        use IncidentKind::{GeneratedDomains, LateralMovement, Other, Scan};
        if self.role != Role::Originator || self.kind == Scan {
            return String::new();
        }
        let queries = self.queries();
        let connections = match self.kind {
            LateralMovement | Other | GeneratedDomains => 0,
            _ => self.records.saturating_sub(queries).saturating_sub(totals.records),
        };
        match (connections, queries) {
            (0, 0) => String::new(),
            (0, _) => format!("; it also sent {}", counted(queries, "query")),
            (_, 0) => format!("; it also made {}", counted(connections, "other connection")),
            _ => {
                let (made, sent) = (counted(connections, "other connection"), counted(queries, "query"));
                format!("; it also made {made} and sent {sent}")
            }
        }
    }

    fn summary_of_queries(&self, totals: &ServiceTotals, domain: &Domain) -> String {
        let (actor, names) = (self.actor, &domain.text);
        let names = if names.is_empty() { "other names" } else { names };
        let of_all = self.queries.as_ref().map_or(&domain.servers, |queries| &queries.servers);
        let (server, all_servers) = (servers(&domain.servers), servers(of_all));
        let (within, lasted) =
            (duration(totals.last.saturating_sub(totals.first)), duration(self.last.saturating_sub(self.start)));
        let different = plural_names(&number(&domain.names), domain.names.count(), names);
        let types = counted(domain.types().into(), "type");
        match self.kind {
            IncidentKind::Tunnel => format!(
                "{actor} sent {} in {different} to {server} in {within}, and received {}",
                bytes(domain.bytes_out(totals.records)),
                bytes(totals.bytes_in)
            ),
            IncidentKind::GeneratedDomains => {
                let Some(queries) = &self.queries else { return String::new() };
                let mut parts = Vec::new();
                if queries.nonexistent.count() > 0 {
                    parts.push(format!("{} nonexistent", number(&queries.nonexistent)));
                }
                if queries.random.count() > 0 {
                    parts.push(format!("{} random-looking", number(&queries.random)));
                }
                let example = match queries.example.as_str() {
                    "" => String::new(),
                    example => format!(" such as {example}"),
                };
                format!("{actor} queried {} domains{example} in {lasted}", parts.join(" and "))
            }
            IncidentKind::Scan if domain.many_servers && of_all.count() >= 5 => {
                let failed =
                    format!("{} of {} refused or unanswered", count(self.failed), counted(self.queries(), "query"));
                format!("{actor} asked {all_servers} for {names} and others in {lasted}; {failed}")
            }
            IncidentKind::Scan => format!(
                "{actor} asked {server} for {different} and {types} in {within}; {} of {} for names that do not exist",
                count(domain.nonexistent),
                counted(totals.records, "query")
            ),
            IncidentKind::Outage => {
                let (failed, records) = (count(totals.failed), counted(totals.records, "query"));
                format!("{server} refused or did not answer {failed} of {records} of {actor} for {names} in {within}")
            }
            _ if totals.records == self.queries() => {
                let queries = unusual(totals.records, totals.alerts, ["query", "queries"]);
                let within = if totals.records > 1 { format!(" in {within}") } else { String::new() };
                format!("{actor} sent {queries} for {names} to {server}{within}")
            }
            _ => {
                let queries = unusual(self.queries(), self.alerts_of(true), ["query", "queries"]);
                format!("{actor} sent {queries} for {names} and others to {all_servers} in {lasted}")
            }
        }
    }

    fn summary_of_connections(&self, totals: &ServiceTotals) -> String {
        let actor = self.actor;
        let (target, lasted) = (service(totals), duration(self.last.saturating_sub(self.start)));
        let records = match self.queries() {
            0 => self.records_text(),
            _ => format!("{} connections and queries", count(self.records)),
        };
        let failed = format!("{} of {records} refused or unanswered", count(self.failed));
        let hosts = plural(&about(self.targets_total(), &self.targets), self.targets_total(), "host");
        let ports = plural(&about(self.ports_total(), &self.ports), self.ports_total(), "port");
        let times = counted(totals.records, "connection");
        let within = duration(totals.last.saturating_sub(totals.first));
        match (self.kind, self.role) {
            (IncidentKind::Scan, _) => format!("{actor} probed {hosts} on {ports} in {lasted}; {failed}"),
            (IncidentKind::Outage, Role::Target) => {
                format!("{hosts} could not reach {actor} on {ports} in {lasted}; {failed}")
            }
            (IncidentKind::Flood, _) if self.victims.has_at_least(2) => {
                let victims = number(&self.victims);
                format!("{hosts} flooded {victims} hosts such as {actor} on {ports} in {lasted}; {failed}")
            }
            (IncidentKind::Flood, _) => format!("{hosts} flooded {actor} on {ports} in {lasted}; {failed}"),
            (IncidentKind::Guessing, Role::Target) => {
                format!("{hosts} tried {target} {} times in {lasted}", count(totals.records))
            }
            (IncidentKind::Guessing, _) => format!(
                "{actor} tried {target} {} times in {within}, sending about {} each",
                count(totals.records),
                bytes(totals.bytes_out / totals.records.max(1))
            ),
            (IncidentKind::Tunnel, _) => format!(
                "{actor} made {times} to {target} in {within}, sending {} of payload each on average",
                bytes(totals.bytes_out / totals.records.max(1))
            ),
            (IncidentKind::Exfiltration, _) => {
                let largest = match totals.records {
                    1 => String::new(),
                    _ => format!(", the largest {}", bytes(totals.largest_out)),
                };
                let (sent, received) = (bytes(totals.bytes_out), bytes(totals.bytes_in));
                format!("{actor} sent {sent} to {target} in {times}{largest}, and received {received}")
            }
            (IncidentKind::LongSession, _) => {
                let connections = if totals.records > 1 { format!(" in {times}") } else { String::new() };
                format!(
                    "{actor} held a connection to {target} open for {} (sent {}, received {}{connections})",
                    duration(totals.longest),
                    bytes(totals.bytes_out),
                    bytes(totals.bytes_in)
                )
            }
            (IncidentKind::LateralMovement, _) if self.targets.count() == 1 && self.ports.count() == 1 => {
                let often = match totals.records {
                    1 => "once".to_owned(),
                    n => format!("{} times in {lasted}", count(n)),
                };
                format!("{actor} connected to internal {target} {often}")
            }
            (IncidentKind::LateralMovement, _) => {
                format!("{actor} connected to {hosts} inside the network on {ports} in {lasted}, among them {target}")
            }
            (IncidentKind::Beacon, _) => {
                let pause = duration((totals.pauses.mean * 1e6) as i64);
                let is_regular = totals.pauses.are_regular(0.6);
                let interval = if is_regular { format!(", about once every {pause}") } else { String::new() };
                let times = format!("{} times in {within}{interval}", count(totals.records));
                match 2 * totals.failed >= totals.records {
                    true => format!("{actor} tried {target} {times}; {} refused or unanswered", count(totals.failed)),
                    false => format!("{actor} contacted {target} {times}"),
                }
            }
            (IncidentKind::Outage, _) => {
                let (failed, records) = (count(totals.failed), count(totals.records));
                format!("{actor} could not reach {target} in {failed} of {records} connections in {within}")
            }
            (IncidentKind::NewService, _) => {
                format!("{actor} used {target}, a service that is rare in this network; {times}")
            }
            (IncidentKind::Other | IncidentKind::GeneratedDomains, Role::Target) => {
                format!("{hosts} made unusual connections to {actor} on {ports}; {failed}")
            }
            (IncidentKind::Other | IncidentKind::GeneratedDomains, _)
                if self.targets.count() == 1 && self.ports.count() == 1 =>
            {
                let how = if totals.failed == totals.records { ", refused or unanswered" } else { "" };
                let connections = self.unusual_connections();
                format!("{actor} made {connections} to {target}{how}")
            }
            (IncidentKind::Other | IncidentKind::GeneratedDomains, _) => {
                let connections = self.unusual_connections();
                format!("{actor} made {connections} to {hosts} on {ports} in {lasted}")
            }
        }
    }
}

/// Number of records, and of those with an alert: `12 connections, 3 of them unusual`.
fn unusual(n: u64, alerts: u64, [one, many]: [&str; 2]) -> String {
    match (n, alerts) {
        (1, _) => format!("an unusual {one}"),
        (_, 0) => format!("{} slightly unusual {many}", count(n)),
        _ if alerts >= n => format!("{} unusual {many}", count(n)),
        _ => format!("{} {many}, {} of them unusual,", count(n), count(alerts)),
    }
}

/// The server, or the number of several.
fn servers(asked: &DistinctSet<Address>) -> String {
    match asked.sample() {
        [server] => server.to_string(),
        _ => plural(&number(asked), asked.count(), "server"),
    }
}

/// Number of different names: `598 different names of example.com`.
fn plural_names(number: &str, n: u64, names: &str) -> String {
    if n == 1 { format!("one {}", names.replacen("names", "name", 1)) } else { format!("{number} different {names}") }
}

/// Service of a responder: `192.0.2.1:443/tcp (ssl)`, `192.0.2.1 (icmp)`.
fn service(totals: &ServiceTotals) -> String {
    let address: Cow<'_, str> = match totals.responder.to_string() {
        text if text.contains(':') && totals.proto != Proto::Icmp => format!("[{text}]").into(),
        text => text.into(),
    };
    let name = if totals.service.is_empty() { String::new() } else { format!(" ({})", totals.service) };
    match totals.proto {
        Proto::Icmp => format!("{address} (icmp)"),
        proto => format!("{address}:{}{name}", format_port((proto, totals.port))),
    }
}

/// Port with its protocol: `443/tcp`.
pub fn format_port((proto, port): (Proto, u16)) -> String {
    let proto = if proto == Proto::Unknown { "unknown" } else { proto.name() };
    format!("{port}/{proto}")
}

fn plural(number: &str, n: u64, noun: &str) -> String {
    format!("{number} {noun}{}", if n == 1 { "" } else { "s" })
}

fn number<T: Copy + Eq + std::hash::Hash>(members: &DistinctSet<T>) -> String {
    about(members.count(), members)
}

/// A total, marked if it is an estimate.
fn about<T: Copy + Eq + std::hash::Hash>(total: u64, members: &DistinctSet<T>) -> String {
    let about = if members.is_estimate() { "about " } else { "" };
    format!("{about}{}", count(total))
}

/// Returns true if a host is among the stored members.
pub(super) fn is_named(addresses: &DistinctSet<Address>, host: Address) -> bool {
    addresses.sample().contains(&host)
}

//! Summary of an incident in one sentence.

use std::borrow::Cow;

use super::trail::Trail;
use super::{Incident, IncidentKind, Members, Role};
use crate::conn::connection::{Address, Proto};
use crate::units::{bytes, count, duration};

impl Incident {
    /// Summary in one sentence: actor, activity, target and duration.
    pub fn summary(&self) -> String {
        let actor = self.actor;
        let Some(trail) = self.trails.get(self.focus) else { return format!("{actor}: no connections") };
        let (target, lasted) = (service(trail), span(self.last.saturating_sub(self.start)));
        let failed = format!("{} of {} connections refused or unanswered", count(self.failed), count(self.records));
        let hosts = plural(&number(&self.targets), self.targets.count(), "host");
        let ports = plural(&number(&self.ports), self.ports.count(), "port");
        let times = plural(&count(trail.records), trail.records, "connection");
        let within = span(trail.last.saturating_sub(trail.first));
        match (self.kind, self.role) {
            (IncidentKind::Scan, _) => format!("{actor} probed {hosts} on {ports} in {lasted}; {failed}"),
            (IncidentKind::Outage, Role::Target) => {
                format!("{hosts} reached no service of {actor} on {ports} in {lasted}; {failed}")
            }
            (IncidentKind::Flood, _) if self.victims.count() > 1 => {
                let victims = number(&self.victims);
                format!("{hosts} flooded {victims} hosts such as {actor} on {ports} in {lasted}; {failed}")
            }
            (IncidentKind::Flood, _) => format!("{hosts} flooded {actor} on {ports} in {lasted}; {failed}"),
            (IncidentKind::Guessing, Role::Target) => {
                format!("{hosts} logged in to {target} {} times in {lasted}", count(trail.records))
            }
            (IncidentKind::Guessing, _) => format!(
                "{actor} tried {target} {} times in {within}, sending about {} each",
                count(trail.records),
                bytes(trail.bytes_out / trail.records.max(1))
            ),
            (IncidentKind::Tunnel, _) => format!(
                "{actor} made {times} to {target} in {within}, sending {} of payload each on average",
                bytes(trail.bytes_out / trail.records.max(1))
            ),
            (IncidentKind::Exfiltration, _) => format!(
                "{actor} sent {} to {target} in {times}, the largest {}, and received {}",
                bytes(trail.bytes_out),
                bytes(trail.largest_out),
                bytes(trail.bytes_in)
            ),
            (IncidentKind::LongSession, _) => format!(
                "{actor} held a connection to {target} open for {} (sent {}, received {})",
                duration(trail.longest),
                bytes(trail.bytes_out),
                bytes(trail.bytes_in)
            ),
            (IncidentKind::LateralMovement, _) => {
                format!("{actor} reached {target} and {ports} on {hosts} inside the network in {lasted}")
            }
            (IncidentKind::Beacon, _) => format!(
                "{actor} contacted {target} {} times in {within}, about once every {}",
                count(trail.records),
                duration((trail.pauses.mean * 1e6) as i64)
            ),
            (IncidentKind::Outage, _) => {
                let (failed, records) = (count(trail.failed), count(trail.records));
                format!("{actor} got no answer from {target} in {failed} of {records} connections in {within}")
            }
            (IncidentKind::NewService, _) => format!("{actor} used {target}, which is rare in this network; {times}"),
            (IncidentKind::Other, Role::Target) => {
                format!("{hosts} made unusual connections to {actor} on {ports}; {failed}")
            }
            (IncidentKind::Other, _) if self.targets.count() == 1 && self.ports.count() == 1 => {
                let how = if trail.failed == trail.records { ", refused or unanswered" } else { "" };
                format!("{actor} made {} to {target}{how}", unusual(self.records))
            }
            (IncidentKind::Other, _) => {
                format!("{actor} made {} to {hosts} on {ports} in {lasted}", unusual(self.records))
            }
        }
    }
}

fn unusual(n: u64) -> String {
    if n == 1 { "an unusual connection".to_owned() } else { format!("{} unusual connections", count(n)) }
}

/// Service of a responder: `192.0.2.1:443/tcp (ssl)`, `192.0.2.1 (icmp)`.
fn service(trail: &Trail) -> String {
    let address: Cow<'_, str> = match trail.responder.to_string() {
        text if text.contains(':') && trail.proto != Proto::Icmp => format!("[{text}]").into(),
        text => text.into(),
    };
    let name = if trail.service.is_empty() { String::new() } else { format!(" ({})", trail.service) };
    match trail.proto {
        Proto::Icmp => format!("{address} (icmp)"),
        proto => format!("{address}:{}{name}", format_port((proto, trail.port))),
    }
}

/// Port with its protocol: `443/tcp`.
pub fn format_port((proto, port): (Proto, u16)) -> String {
    let proto = if proto == Proto::Unknown { "unknown" } else { proto.name() };
    format!("{port}/{proto}")
}

fn span(micros: i64) -> String {
    duration(micros.max(0))
}

fn plural(number: &str, n: u64, noun: &str) -> String {
    format!("{number} {noun}{}", if n == 1 { "" } else { "s" })
}

fn number<T: Copy + Eq + std::hash::Hash>(members: &Members<T>) -> String {
    let about = if members.is_estimate() { "about " } else { "" };
    format!("{about}{}", count(members.count()))
}

/// Returns whether a host is among the stored members.
pub(super) fn is_named(addresses: &Members<Address>, host: Address) -> bool {
    addresses.sample().contains(&host)
}

//! Known activity: a list of expected traffic, in the format of Zeek's Input framework.

use super::civil_date::{format_date, parse_date};
use super::incident::{Incident, MAX_SERVICES, Role};
use super::kind::IncidentKind;
use super::summary;
use crate::address::Address;
use crate::conn::connection::Connection;
use crate::error::{Error, ErrorKind};
use crate::network::Network;
use crate::proto::Proto;
use crate::units::DAY;

/// Columns of the list.
const FIELDS: [&str; 7] = ["originator", "responder", "port", "kind", "until", "owner", "note"];
/// Largest number of services that are proposed one by one.
const MAX_PROPOSED_SERVICES: usize = 4;
/// Validity of a proposed entry, in microseconds: 90 days.
const PROPOSED_VALIDITY: i64 = 90 * DAY;

/// One entry of the list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KnownEntry {
    /// `None` for any.
    originator: Option<Network>,
    responder: Option<Network>,
    port: Option<(Proto, u16)>,
    kind: Option<IncidentKind>,
    /// Expiry, in microseconds since 1970; ignored from then on.
    until: i64,
    /// Person or team responsible for it.
    pub owner: String,
    /// Reason why it is expected.
    pub note: String,
}

/// The list of known activity.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct KnownList {
    entries: Vec<KnownEntry>,
}

impl KnownList {
    /// Parses a list: a `#fields` line, then one entry a line, columns separated by tabs.
    ///
    /// # Errors
    /// If a line is malformed, or an entry narrows neither originator nor responder; names the first such line.
    pub fn parse(text: &str) -> Result<Self, Error> {
        let mut order: Option<Vec<usize>> = None;
        let mut entries = Vec::new();
        for (i, line) in text.lines().enumerate() {
            let fail = |problem: String| Error::from(ErrorKind::KnownList { line: i + 1, problem });
            if let Some(names) = line.strip_prefix("#fields\t") {
                let names: Vec<&str> = names.split('\t').collect();
                let at = |field: &&str| {
                    let found = names.iter().position(|name| name == field);
                    found.ok_or_else(|| fail(format!("#fields has no column {field}")))
                };
                order = Some(FIELDS.iter().map(at).collect::<Result<_, _>>()?);
            }
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            let order = order.as_ref().ok_or_else(|| {
                fail(format!(
                    "the line #fields is missing above; begin with #fields and {}, separated by tabs",
                    FIELDS.join(", ")
                ))
            })?;
            let values: Vec<&str> = line.split('\t').collect();
            let value = |column: usize| values.get(order[column]).copied().unwrap_or("");
            entries.push(KnownEntry::parse(value).map_err(fail)?);
        }
        Ok(Self { entries })
    }

    /// Returns the line with the column names.
    pub fn header() -> String {
        format!("#fields\t{}", FIELDS.join("\t"))
    }

    /// Returns true if an entry for any kind covers a connection.
    pub fn covers(&self, c: &Connection<'_>) -> bool {
        let end = c.end();
        let covers = |entry: &KnownEntry| {
            entry.kind.is_none() && entry.covers(c.orig.addr, c.resp.addr, (c.proto, c.resp.port), end)
        };
        self.entries.iter().any(covers)
    }

    /// Returns true if entries for an incident's kind, or for any, cover all of its services.
    pub fn covers_incident(&self, incident: &Incident) -> bool {
        self.covers_services(incident, |kind| kind == incident.kind)
    }

    /// Returns true if it covers an incident, or can cover it as soon as the incident has a kind.
    pub(super) fn can_cover(&self, incident: &Incident) -> bool {
        self.covers_services(incident, |kind| incident.kind == IncidentKind::Other || kind == incident.kind)
    }

    fn covers_services(&self, incident: &Incident, kind_fits: impl Fn(IncidentKind) -> bool) -> bool {
        let entries = self.entries.iter().filter(|entry| entry.kind.is_none_or(&kind_fits));
        let entries: Vec<_> = entries.filter(|entry| entry.covers_further_records(incident)).collect();
        let matches = |originator: Address, responder: Address, port| {
            entries.iter().any(|entry| entry.covers(originator, responder, port, incident.last))
        };
        let services = incident.services.iter().filter(|totals| totals.alerts > 0 || totals.evidence > 0);
        let mut services = services.map(|totals| (totals.responder, (totals.proto, totals.port))).peekable();
        services.peek().is_some()
            && services.all(|(responder, port)| match incident.role {
                Role::Originator => matches(incident.actor, responder, port),
                Role::Target => incident.targets.sample().iter().all(|peer| matches(*peer, responder, port)),
            })
    }

    /// Problem of a list that covers nothing: it has no entries, or all have expired at the time `now`, if that is given.
    pub fn problem(&self, now: Option<i64>) -> Option<String> {
        let Some(last) = self.entries.iter().map(|entry| entry.until).max() else {
            return Some("the list has no entries; no activity is known".to_owned());
        };
        now.filter(|now| last <= *now)
            .map(|_| format!("all entries have expired, the last one on {}; no activity is known", format_date(last)))
    }
}

impl KnownEntry {
    fn parse<'a>(value: impl Fn(usize) -> &'a str) -> Result<Self, String> {
        let network = |column: usize| -> Result<Option<Network>, String> {
            let text = value(column);
            let problem =
                |_| format!("{} {text:?} is not an address or a network; write 192.0.2.0/24 or *", FIELDS[column]);
            if text == "*" { Ok(None) } else { text.parse().map(Some).map_err(problem) }
        };
        let (originator, responder) = (network(0)?, network(1)?);
        if [originator, responder].iter().all(|side| side.is_none_or(Network::is_broad)) {
            let problem =
                "it covers too much: originator and responder are both * or wider than /8 (IPv6: /7); narrow one";
            return Err(problem.to_owned());
        }
        let port = match value(2) {
            "*" => None,
            text => Some(parse_port(text).ok_or_else(|| format!("port {text:?} is not a port; write 443/tcp or *"))?),
        };
        let kind = match value(3) {
            "*" => None,
            text => Some(IncidentKind::parse(text).ok_or_else(|| {
                let kinds = IncidentKind::ALL.map(IncidentKind::name).join(", ");
                format!("kind {text:?} is not a kind of incident; write * or one of {kinds}")
            })?),
        };
        let until = parse_date(value(4))
            .ok_or_else(|| format!("until {:?} is not a date; write 2027-01-31 (every entry expires)", value(4)))?;
        Ok(Self { originator, responder, port, kind, until, owner: value(5).to_owned(), note: value(6).to_owned() })
    }

    fn covers(&self, originator: Address, responder: Address, port: (Proto, u16), now: i64) -> bool {
        now < self.until
            && self.port.is_none_or(|own| own == port)
            && self.originator.is_none_or(|network| network.contains(originator))
            && self.responder.is_none_or(|network| network.contains(responder))
    }

    /// Returns true if it also covers the services and targets of an incident beyond those that the incident stores.
    fn covers_further_records(&self, incident: &Incident) -> bool {
        let all_services = incident.services.len() < MAX_SERVICES;
        let any_port = self.port.is_none() || !incident.ports.has_at_least(2);
        match incident.role {
            Role::Originator => all_services || any_port && self.responder.is_none(),
            // The victims of a flood are in one network.
            Role::Target => {
                let victims = Network::of(incident.actor);
                let any_victim = self.responder.is_none_or(|network| network.contains_network(victims));
                let all_targets = !incident.targets.is_estimate();
                (all_services || any_port && any_victim) && (all_targets || self.originator.is_none())
            }
        }
    }
}

impl Incident {
    /// Lines of a known list that cover this incident for 90 days: one for each service with an alert or evidence if there
    /// are few of them, else one.
    pub fn known_lines(&self) -> String {
        let until = format_date(self.last.saturating_add(PROPOSED_VALIDITY));
        let line = |(originator, responder, port): (String, String, String)| {
            format!("{originator}\t{responder}\t{port}\t{}\t{until}\t-\t-", self.kind.name())
        };
        let lines: Vec<String> = match self.few_services() {
            Some(services) => services.into_iter().map(line).collect(),
            None => vec![line(self.all_services())],
        };
        lines.join("\n")
    }

    /// Originator, responder and port of the services with an alert or evidence, if there are few of them.
    fn few_services(&self) -> Option<Vec<(String, String, String)>> {
        // The targets of a scanner change.
        if self.role == Role::Target || self.kind == IncidentKind::Scan || self.targets.count() == 1 {
            return None;
        }
        let mut services: Vec<(Address, (Proto, u16))> = Vec::new();
        for totals in self.services.iter().filter(|totals| totals.alerts > 0 || totals.evidence > 0) {
            let service = (totals.responder, (totals.proto, totals.port));
            if !services.contains(&service) {
                services.push(service);
            }
        }
        let text = |(responder, port): (Address, _)| {
            (self.actor.to_string(), responder.to_string(), summary::format_port(port))
        };
        (1..=MAX_PROPOSED_SERVICES).contains(&services.len()).then(|| services.into_iter().map(text).collect())
    }

    /// Originator, responder and port, each `*` if there are several.
    fn all_services(&self) -> (String, String, String) {
        let only = |n: u64, text: Option<String>| text.filter(|_| n == 1).unwrap_or_else(|| "*".to_owned());
        let target = only(self.targets.count(), self.targets.sample().first().map(Address::to_string));
        let port = only(self.ports.count(), self.ports.sample().first().map(|&it| summary::format_port(it)));
        let (originator, responder) = match self.role {
            Role::Originator => (self.actor.to_string(), target),
            Role::Target if self.victims.has_at_least(2) => (target, Network::of(self.actor).to_string()),
            Role::Target => (target, self.actor.to_string()),
        };
        (originator, responder, port)
    }
}

fn parse_port(text: &str) -> Option<(Proto, u16)> {
    let (port, proto) = text.split_once('/')?;
    let proto = match proto {
        "unknown" => Proto::Unknown,
        name => Some(Proto::parse(name.as_bytes())).filter(|proto| *proto != Proto::Unknown)?,
    };
    Some((proto, port.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixtures::address;

    fn list(lines: &str) -> Result<KnownList, Error> {
        KnownList::parse(&format!("{}\n{lines}", KnownList::header()))
    }

    #[test]
    fn covers_what_an_entry_names_until_it_expires() {
        let list = list("10.0.0.0/8\t192.0.2.7\t443/tcp\t*\t2027-01-31\tnet\tbackup").unwrap();
        let mut c = Connection { proto: Proto::Tcp, ts: parse_date("2027-01-30").unwrap(), ..Connection::default() };
        (c.orig.addr, c.resp.addr, c.resp.port) = (address("10.3.2.1"), address("192.0.2.7"), 443);
        assert!(list.covers(&c));
        assert!(!list.covers(&Connection { ts: parse_date("2027-01-31").unwrap(), ..c }));
        assert!(!list.covers(&Connection { proto: Proto::Udp, ..c }));
        c.orig.addr = address("11.3.2.1");
        assert!(!list.covers(&c));
    }

    #[test]
    fn an_entry_covers_both_families_or_one() {
        let covers = |originator: &str, host: &str| {
            let list = list(&format!("{originator}\t192.0.2.7\t*\t*\t2027-01-31\t-\t-")).unwrap();
            let mut c = Connection::default();
            (c.orig.addr, c.resp.addr) = (address(host), address("192.0.2.7"));
            list.covers(&c)
        };
        assert!(covers("*", "10.1.2.3") && covers("*", "2001:db8::1"));
        assert!(covers("::/0", "2001:db8::1") && !covers("::/0", "10.1.2.3"));
    }

    #[test]
    fn refuses_broad_and_malformed_entries() {
        for (line, problem) in [
            ("*\t*\t22/tcp\t*\t2027-01-31\t-\t-", "covers too much"),
            ("0.0.0.0/0\t::/0\t*\t*\t2027-01-31\t-\t-", "covers too much"),
            ("0.0.0.0/1\t*\t22/tcp\t*\t2027-01-31\t-\t-", "covers too much"),
            ("*\t128.0.0.0/1\t*\tscan\t2027-01-31\t-\t-", "covers too much"),
            ("10.0.0.1\t*\t22\t*\t2027-01-31\t-\t-", "is not a port"),
            ("10.0.0.1/33\t*\t*\t*\t2027-01-31\t-\t-", "originator"),
            ("10.0.0.1\t*\t*\tnoise\t2027-01-31\t-\t-", "not a kind"),
            ("10.0.0.1\t*\t*\tscan\t-\t-\t-", "every entry expires"),
        ] {
            let error = list(line).unwrap_err().to_string();
            assert!(error.starts_with("line 2: ") && error.contains(problem), "{error}");
        }
        assert!(list("10.0.0.0/8\t*\t53/udp\t*\t2027-01-31\t-\t-\n*\tfc00::/7\t*\t*\t2027-01-31\t-\t-").is_ok());
        assert!(KnownList::parse("10.0.0.1\t*").unwrap_err().to_string().contains("#fields"));
    }
}

//! Tests of the grouper, by subject, and what they share.

mod floods;
mod kinds;
mod known;
mod queries;
mod reports;
mod risks;

use super::host_risk::RiskTable;
use super::incident::{MAX_DOMAINS, MAX_OPEN};
use super::known::KnownList;
use super::*;
use crate::alert::reasons::Reason;
use crate::context::keys::ContextKeys;
use crate::verdict::{Evidence, Verdict};
pub(super) use crate::{Address, ConnState, Connection, DnsQuery, LogRecord, Proto};

pub(super) const SECOND: i64 = 1_000_000;

pub(super) fn address(n: u32) -> Address {
    Address::from(std::net::IpAddr::from(n.to_be_bytes()))
}

pub(super) fn host(last: u8) -> Address {
    Address::from(std::net::IpAddr::from([10, 0, 0, last]))
}

pub(super) fn remote(last: u8) -> Address {
    Address::from(std::net::IpAddr::from([198, 51, 100, last]))
}

pub(super) fn tcp(orig: Address, resp: Address, port: u16, ts: i64, state: ConnState) -> Connection<'static> {
    let mut c = Connection { ts, proto: Proto::Tcp, conn_state: Some(state), ..Connection::default() };
    (c.orig.addr, c.resp.addr, c.resp.port, c.duration) = (orig, resp, port, Some(SECOND / 10));
    (c.orig.bytes, c.resp.bytes) = (Some(300), Some(500));
    c
}

pub(super) fn grouper() -> Grouper {
    Grouper::new(KnownList::default(), INCIDENT_TIMEOUT)
}

/// Known activity of these lines.
pub(super) fn known_list(lines: &str) -> KnownList {
    KnownList::parse(&format!("{}\n{lines}", KnownList::header())).unwrap()
}

/// Grouper with known activity of these lines.
pub(super) fn grouper_knowing(lines: &str) -> Grouper {
    Grouper::new(known_list(lines), INCIDENT_TIMEOUT)
}

/// Verdict on an unusual record, which alerts or not.
pub(super) fn verdict(alert: bool) -> Verdict {
    Verdict { score: if alert { 0.7 } else { 0.55 }, alert, evidence: None, adds_to_fan_out: false }
}

/// Adds a record with a verdict and reasons; returns its incident.
pub(super) fn observe_with<'a>(
    grouper: &mut Grouper,
    record: impl Into<LogRecord<'a>>,
    verdict: Verdict,
    reasons: &[Reason],
) -> Option<String> {
    let record = record.into();
    let keys = &ContextKeys::of(&record.connection());
    grouper.observe(&Observation { record, uid: Some(b"C1"), verdict, reasons, keys })
}

/// Adds a connection that alerts or not, as the last of evidence of its service or not; returns its incident.
pub(super) fn observe(grouper: &mut Grouper, c: &Connection<'_>, alert: bool, evidence: Option<u32>) -> Option<String> {
    let verdict = Verdict { evidence: evidence.map(Evidence::Service), ..verdict(alert) };
    observe_with(grouper, c, verdict, &[])
}

pub(super) fn closed(mut grouper: Grouper) -> Vec<Incident> {
    grouper.close_all();
    let changes = grouper.take_changes().into_iter();
    changes.filter(|change| change.event == Event::Closed).map(|change| change.incident).collect()
}

#[test]
fn groups_a_scan_with_its_failures_before_and_after() {
    let mut grouper = grouper();
    for i in 0..60 {
        let state = if i % 10 == 9 { ConnState::SF } else { ConnState::REJ };
        let c = tcp(host(16), host(100 + (i % 15) as u8), 20 + (i % 9) as u16, i * 4 * SECOND, state);
        observe(&mut grouper, &c, (20..30).contains(&i), None);
    }
    let incidents = closed(grouper);
    assert_eq!(incidents.len(), 1);
    assert_eq!((incidents[0].kind, incidents[0].records), (IncidentKind::Scan, 55));
    let summary = incidents[0].summary();
    assert_eq!(summary, "10.0.0.16 probed 15 hosts on 9 ports in 3m52s; 54 of 55 connections refused or unanswered");
    assert_eq!(incidents[0].attack(), ["T1046"]);
}

#[test]
fn icmp_errors_and_late_resets_belong_to_the_open_incident_of_their_receiver() {
    let mut grouper = grouper();
    let icmp = |orig, kind, ts| {
        let mut c = Connection { proto: Proto::Icmp, ..tcp(orig, host(16), 3, ts, ConnState::OTH) };
        c.orig.port = kind;
        c
    };
    // Without an incident of the receiver, and for an echo request, the sender is the actor.
    observe(&mut grouper, &icmp(remote(9), 3, 0), true, None);
    for i in 0..20 {
        observe(&mut grouper, &tcp(host(16), remote(100 + i), 80, i64::from(i) * SECOND, ConnState::S0), true, None);
    }
    for i in 0..20 {
        observe(&mut grouper, &icmp(remote(100 + i), [3, 11][usize::from(i % 2)], 60 * SECOND), true, None);
    }
    observe(&mut grouper, &icmp(remote(8), 8, 60 * SECOND), true, None);
    for (orig, resp, history) in
        [(remote(100), host(16), &b"R"[..]), (remote(7), host(16), b"Sr"), (host(16), remote(101), b"^r")]
    {
        let reset = tcp(orig, resp, 50_000, 61 * SECOND, ConnState::RSTRH);
        observe(&mut grouper, &Connection { history: Some(history), ..reset }, true, None);
    }
    let mut found: Vec<_> = closed(grouper).iter().map(|it| (it.actor, it.records, it.targets.count())).collect();
    found.sort();
    assert_eq!(found, [(host(16), 20, 20), (remote(7), 1, 1), (remote(8), 1, 1), (remote(9), 1, 1)]);
}

#[test]
fn identifiers_and_order_are_the_same_in_every_run() {
    let run = || {
        let mut grouper = grouper();
        for i in 0..5000u32 {
            let c = tcp(address(i * 7919), host((i % 200) as u8), 80, i64::from(i) * SECOND, ConnState::S0);
            observe(&mut grouper, &c, i % 3 == 0, None);
        }
        closed(grouper).iter().map(Incident::id).collect::<Vec<_>>()
    };
    assert_eq!(run(), run());
}

#[test]
fn a_snapshot_continues_where_the_grouper_was() {
    let connection = |i: i64| match i % 4 {
        0 => tcp(host(17), remote(77), 443, i * 150 * SECOND, ConnState::SF),
        1 => tcp(address(0x0b00_0000 + i as u32), host(80), 80, i * 150 * SECOND, ConnState::S0),
        2 => tcp(host(16), host((i % 200) as u8), (i % 9) as u16, i * 150 * SECOND, ConnState::REJ),
        _ => tcp(host((i % 13) as u8), remote(9), 8443, i * 150 * SECOND, ConnState::SF),
    };
    let observe_all = |grouper: &mut Grouper, range: std::ops::Range<i64>| {
        range.for_each(|i| _ = observe(grouper, &connection(i), i % 5 < 2 && i % 4 > 0, None));
    };
    let described = |grouper: Grouper| {
        let all = closed(grouper);
        all.iter().map(|it| (it.id(), it.kind, it.records, it.summary(), it.score().to_bits())).collect::<Vec<_>>()
    };
    let mut whole = grouper();
    observe_all(&mut whole, 0..3000);
    let mut first = grouper();
    observe_all(&mut first, 0..1000);
    let mut second = grouper();
    second.restore(first.snapshot()).unwrap();
    second.changes = first.take_changes();
    observe_all(&mut second, 1000..3000);
    assert_eq!(described(second), described(whole));
}

#[test]
fn a_restored_grouper_takes_records_from_before_the_snapshot() {
    let connection = |i: i64| tcp(host(16), remote(1), 443, i * 60 * SECOND, ConnState::SF);
    let mut first = grouper();
    (0..20).for_each(|i| _ = observe(&mut first, &connection(i), false, None));
    let mut second = grouper();
    second.restore(first.snapshot()).unwrap();
    observe(&mut second, &connection(20), false, Some(21));
    assert_eq!(closed(second)[0].records, 21);
}

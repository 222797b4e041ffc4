//! Tests of the grouper: opening, merging and closing of incidents, their kinds, and limits.

use super::host_risk::RiskTable;
use super::incident::{MAX_DOMAINS, MAX_OPEN};
use super::known::KnownList;
use super::*;
use crate::alert::reasons::Reason;
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

/// A connection with a score, and evidence.
pub(super) fn observe(grouper: &mut Grouper, c: &Connection<'_>, alert: bool, evidence: Option<u32>) -> Option<String> {
    let score = if alert { 0.7 } else { 0.55 };
    grouper.observe(&Observation { record: c.into(), uid: Some(b"C1"), score, alert, evidence, reasons: &[] })
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
fn follows_a_service_with_evidence_from_its_first_connection_to_its_last() {
    let mut grouper = grouper();
    for i in 0..100 {
        let c = tcp(host(17), remote(77), 80, i * 300 * SECOND + i % 7 * 9 * SECOND, ConnState::SF);
        observe(&mut grouper, &c, false, (i == 34).then_some(35));
    }
    let incidents = closed(grouper);
    assert_eq!(incidents.len(), 1);
    assert_eq!((incidents[0].kind, incidents[0].records, incidents[0].alerts), (IncidentKind::Beacon, 100, 0));
    let summary = incidents[0].summary();
    assert!(summary.starts_with("10.0.0.17 contacted 198.51.100.77:80/tcp 100 times in 8h1"), "{summary}");
    assert!(summary.ends_with("about once every 5m00s"), "{summary}");
}

#[test]
fn a_summary_counts_connections_with_an_alert() {
    let summary = |alerts: i64, evidence: i64| {
        let mut grouper = grouper();
        for i in 0..10 {
            let c = tcp(host(17), remote(77), 4444, i * SECOND, ConnState::SF);
            observe(&mut grouper, &c, i < alerts, (i == evidence).then_some(9));
        }
        closed(grouper)[0].summary()
    };
    let made = |connections| format!("10.0.0.17 made {connections} to 198.51.100.77:4444/tcp");
    assert_eq!(summary(3, -1), made("10 connections, 3 of them unusual,"));
    assert_eq!(summary(10, -1), made("10 unusual connections"));
    assert_eq!(summary(0, 5), made("10 slightly unusual connections"));
}

#[test]
fn a_client_of_ntp_is_no_beacon_and_other_traffic_on_its_port_is() {
    let kind = |service: &'static [u8]| {
        let mut grouper = grouper();
        for i in 0..100 {
            let mut c = tcp(host(17), remote(77), 123, i * 300 * SECOND, ConnState::SF);
            (c.proto, c.service) = (Proto::Udp, Some(service));
            observe(&mut grouper, &c, false, (i == 34).then_some(35));
        }
        closed(grouper)[0].kind
    };
    assert_eq!([kind(b"ntp"), kind(b"ssl")], [IncidentKind::Other, IncidentKind::Beacon]);
}

#[test]
fn an_exchange_that_is_regular_for_a_day_is_a_beacon() {
    let exchange = |change: fn(&mut Connection<'_>, i64)| {
        let mut grouper = grouper();
        for i in 0..600 {
            let mut c = tcp(host(17), remote(77), 443, i * 300 * SECOND + i % 7 * 9 * SECOND, ConnState::SF);
            change(&mut c, i);
            observe(&mut grouper, &c, false, None);
        }
        closed(grouper)
    };
    let incidents = exchange(|_, _| {});
    assert_eq!(incidents.len(), 1);
    assert_eq!((incidents[0].kind, incidents[0].records, incidents[0].evidence), (IncidentKind::Beacon, 600, 1));
    let reason = incidents[0].reasons()[0].to_owned();
    assert!(reason.ends_with("connections of equal size to this service in 1d00h, about every 4m59s"), "{reason}");
    // One that varies in time or size, within the network, refused, or of a service that is regular by design.
    for change in [
        (|c, i| c.ts += i % 2 * 250 * SECOND) as fn(&mut Connection<'_>, i64),
        |c, i| c.orig.bytes = Some(i as u64 % 9),
        |c, _| c.resp.addr = host(80),
        |c, _| c.conn_state = Some(ConnState::REJ),
        |c, _| c.resp.port = 123,
        |c, i| c.resp.port = 1000 + i as u16 % 7,
    ] {
        assert!(exchange(change).is_empty());
    }
}

#[test]
fn one_regular_exchange_a_day_is_evidence() {
    let mut grouper = grouper();
    for i in 0..3 * 288 {
        for last in 0..20 {
            let c = tcp(host(last), remote(77), 443, i * 300 * SECOND + i64::from(last), ConnState::SF);
            observe(&mut grouper, &c, false, None);
        }
    }
    assert_eq!(closed(grouper).len(), 2);
}

#[test]
fn an_internal_scan_of_a_flooded_target_is_a_separate_incident() {
    let mut grouper = grouper();
    for i in 0..20_000u32 {
        let ts = i64::from(i) * 10_000;
        observe(&mut grouper, &tcp(address(0x0b00_0000 + i), host(80), 80, ts, ConnState::S0), true, None);
        if (10_000..10_060).contains(&i) {
            observe(&mut grouper, &tcp(host(16), host(80), 20 + i as u16 % 60, ts, ConnState::REJ), true, None);
        }
    }
    let mut found: Vec<_> = closed(grouper).iter().map(|it| (it.actor, it.kind)).collect();
    found.sort();
    assert_eq!(found, [(host(16), IncidentKind::Scan), (host(80), IncidentKind::Flood)]);
}

#[test]
fn an_icmp_error_belongs_to_the_open_incident_of_its_receiver() {
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
    let mut found: Vec<_> = closed(grouper).iter().map(|it| (it.actor, it.records, it.targets.count())).collect();
    found.sort();
    assert_eq!(found, [(host(16), 20, 20), (remote(8), 1, 1), (remote(9), 1, 1)]);
}

#[test]
fn names_the_kinds_of_single_alerts() {
    for (kind, change) in [
        (IncidentKind::LongSession, (|c| c.duration = Some(36_000 * SECOND)) as fn(&mut Connection<'_>)),
        (IncidentKind::Exfiltration, |c| c.orig.bytes = Some(40_000_000)),
        (IncidentKind::LateralMovement, |c| (c.resp.addr, c.resp.port) = (host(9), 445)),
        (IncidentKind::Other, |_| ()),
    ] {
        let mut grouper = grouper();
        let mut c = tcp(host(1), remote(1), 8443, 0, ConnState::SF);
        change(&mut c);
        observe(&mut grouper, &c, true, None);
        assert_eq!(closed(grouper)[0].kind, kind);
    }
}

#[test]
fn names_guessing_tunnels_and_outages() {
    for (kind, port, state, out, pause) in [
        (IncidentKind::Guessing, 22, ConnState::SF, 1100, 7),
        (IncidentKind::Tunnel, 53, ConnState::SF, 213, 7),
        (IncidentKind::Outage, 80, ConnState::S0, 0, 30),
    ] {
        let mut grouper = grouper();
        for i in 0..20 {
            let mut c = tcp(host(1), host(2), port, i * pause * SECOND, state);
            c.orig.bytes = Some(out);
            observe(&mut grouper, &c, false, (i == 12).then_some(13));
        }
        let incidents = closed(grouper);
        assert_eq!((incidents[0].kind, incidents[0].records), (kind, 20), "{}", incidents[0].summary());
    }
}

#[test]
fn regular_failures_at_an_external_host_are_a_beacon_and_others_an_outage() {
    for (kind, change) in [
        (IncidentKind::Beacon, (|_, _| ()) as fn(&mut Connection<'_>, i64)),
        (IncidentKind::Outage, |c, i| c.ts += i % 2 * 50 * SECOND),
        (IncidentKind::Outage, |c, _| c.resp.addr = host(9)),
        (IncidentKind::Outage, |c, _| (c.proto, c.resp.port) = (Proto::Udp, 123)),
        (IncidentKind::Outage, |c, _| c.orig.addr = remote(8)),
    ] {
        let mut grouper = grouper();
        for i in 0..20 {
            let mut c = tcp(host(1), remote(9), 443, i * 60 * SECOND + i % 3 * SECOND, ConnState::S0);
            change(&mut c, i);
            observe(&mut grouper, &c, false, (i == 12).then_some(13));
        }
        let incidents = closed(grouper);
        assert_eq!((incidents[0].kind, incidents[0].records), (kind, 20), "{}", incidents[0].summary());
        if kind == IncidentKind::Beacon {
            assert_eq!(incidents[0].attack(), ["T1071"]);
            let expected =
                "tried 198.51.100.9:443/tcp 20 times in 19m01s, about once every 1m00s; 20 refused or unanswered";
            assert!(incidents[0].summary().ends_with(expected), "{}", incidents[0].summary());
        }
    }
}

#[test]
fn refused_connections_to_a_rare_port_of_an_external_host_are_a_beacon() {
    for (kind, responder, feature) in [
        (IncidentKind::Beacon, remote(9), "port"),
        (IncidentKind::Outage, remote(9), "orig_failures"),
        (IncidentKind::Outage, host(9), "port"),
    ] {
        let (mut grouper, reasons) = (grouper(), [Reason::new(feature, "a reason".to_owned())]);
        for i in 0..20 {
            // Five attempts within a second, then a pause.
            let c = tcp(host(1), responder, 5888, i / 5 * 60 * SECOND + i % 5 * SECOND / 5, ConnState::REJ);
            let record = (&c).into();
            grouper.observe(&Observation {
                record,
                uid: None,
                score: 0.7,
                alert: true,
                evidence: None,
                reasons: &reasons,
            });
        }
        let incident = &closed(grouper)[0];
        assert_eq!(incident.kind, kind, "{feature} of {responder}");
        if kind == IncidentKind::Beacon {
            let summary = "10.0.0.1 tried 198.51.100.9:5888/tcp 20 times in 3m01s; 20 refused or unanswered";
            assert_eq!(incident.summary(), summary);
        }
    }
}

#[test]
fn a_refused_controller_beside_a_few_other_failures_is_no_scan() {
    let (mut grouper, reasons) = (grouper(), [Reason::new("port", "a reason".to_owned())]);
    for i in 0..40 {
        let (responder, port) = if i % 5 == 0 { (host(100 + i as u8), 80) } else { (remote(9), 1177) };
        let c = tcp(host(1), responder, port, i * 12 * SECOND, ConnState::S0);
        let record = (&c).into();
        grouper.observe(&Observation { record, uid: None, score: 0.7, alert: true, evidence: None, reasons: &reasons });
    }
    let incident = &closed(grouper)[0];
    assert_eq!((incident.kind, incident.targets_total()), (IncidentKind::Beacon, 9));
    assert!(incident.summary().ends_with("32 refused or unanswered; it also made 8 other connections"));
}

#[test]
fn known_activity_is_not_announced_before_its_kind_shows() {
    let announced = |kind| {
        let list = format!("{}\n10.0.0.1\t*\t*\t{kind}\t2027-01-31\t-\t-", KnownList::header());
        let mut grouper = Grouper::new(KnownList::parse(&list).unwrap(), INCIDENT_TIMEOUT);
        for i in 0..30 {
            let c = tcp(host(1), host(100 + i as u8), 22, i * SECOND, ConnState::REJ);
            observe(&mut grouper, &c, true, None);
        }
        let risky = grouper.open_incidents().count();
        (grouper.take_changes().len(), risky)
    };
    assert_eq!(announced("scan"), (0, 0));
    let (changes, risky) = announced("beacon");
    assert!(changes > 0 && risky == 1, "{changes} {risky}");
    // One that does not get the kind is reported when it closes.
    let list = format!("{}\n10.0.0.1\t*\t*\tscan\t2027-01-31\t-\t-", KnownList::header());
    let mut grouper = Grouper::new(KnownList::parse(&list).unwrap(), INCIDENT_TIMEOUT);
    observe(&mut grouper, &tcp(host(1), remote(9), 4444, 0, ConnState::SF), true, None);
    assert!(grouper.take_changes().is_empty());
    grouper.close_all();
    let events: Vec<_> = grouper.take_changes().iter().map(|change| (change.event, change.escalates)).collect();
    assert_eq!(events, [(Event::Opened, true), (Event::Closed, false)]);
}

#[test]
fn a_new_incident_is_reported_with_its_kind_or_after_a_minute() {
    let events = |grouper: &mut Grouper| -> Vec<_> {
        grouper.take_changes().iter().map(|it| (it.event, it.incident.kind, it.escalates)).collect()
    };
    let mut scan = grouper();
    for i in 0..30 {
        observe(&mut scan, &tcp(host(1), host(100 + i as u8), 22, i * SECOND / 100, ConnState::REJ), true, None);
    }
    let opened = events(&mut scan);
    assert_eq!(opened.iter().filter(|it| it.2).collect::<Vec<_>>(), [&(Event::Opened, IncidentKind::Scan, true)]);
    assert_eq!(opened[0].0, Event::Opened);

    let other = (Event::Opened, IncidentKind::Other, true);
    let with_one = || {
        let mut grouper = grouper();
        observe(&mut grouper, &tcp(host(1), remote(9), 4444, 0, ConnState::SF), true, None);
        assert_eq!((events(&mut grouper), grouper.open_incidents().count()), (Vec::new(), 1));
        grouper
    };
    // The minute ends without a record, with a record of the same incident, and with one of another host.
    let mut quiet = with_one();
    quiet.close_quiet(60 * SECOND);
    assert_eq!(events(&mut quiet), []);
    quiet.close_quiet(61 * SECOND);
    assert_eq!(events(&mut quiet), [other]);
    for originator in [host(1), host(2)] {
        let mut busy = with_one();
        observe(&mut busy, &tcp(originator, remote(8), 80, 61 * SECOND, ConnState::SF), originator == host(1), None);
        assert_eq!(events(&mut busy), [other]);
    }
    // The incident closes, or is evicted, within the minute.
    let mut ended = with_one();
    ended.close_all();
    assert_eq!(events(&mut ended), [other, (Event::Closed, IncidentKind::Other, false)]);
    let mut full = with_one();
    for i in 0..MAX_OPEN as u32 {
        let c = tcp(address(0x0b00_0000 + i), address(0x6400_0000 + i), 80, SECOND, ConnState::SF);
        observe(&mut full, &c, true, None);
    }
    assert_eq!(events(&mut full)[0], other);
}

#[test]
fn an_incident_has_no_more_targets_than_records() {
    let mut grouper = grouper();
    for i in 0..3000 {
        let target = address(0x0a00_0100 + i);
        observe(&mut grouper, &tcp(host(1), target, 22, i64::from(i) * SECOND, ConnState::REJ), true, None);
        let incident = grouper.open_incidents().next().unwrap();
        assert!(incident.targets_total() <= incident.records, "{} of {}", incident.targets_total(), incident.records);
    }
}

#[test]
fn logins_to_a_directory_server_are_no_guessing() {
    let kind = |port| {
        let mut grouper = grouper();
        for i in 0..20 {
            let c = tcp(host(1), host(2), port, i * 7 * SECOND, ConnState::SF);
            observe(&mut grouper, &c, false, (i == 12).then_some(13));
        }
        closed(grouper)[0].kind
    };
    assert_ne!(kind(389), IncidentKind::Guessing);
    assert_eq!(kind(5432), IncidentKind::Guessing);
}

#[test]
fn closes_after_an_hour_of_quiet() {
    let mut grouper = grouper();
    let ids: Vec<_> = [0, 3600, 7201 + 3600]
        .into_iter()
        .map(|s| observe(&mut grouper, &tcp(host(1), remote(1), 80, s * SECOND, ConnState::SF), true, None))
        .collect();
    assert_eq!(ids[0], ids[1]);
    assert_ne!(ids[1], ids[2]);
    assert_eq!(closed(grouper).len(), 2);
}

#[test]
fn an_identifier_does_not_depend_on_the_known_list() {
    let id = |list: &str| {
        let list = format!("{}\n{list}", KnownList::header());
        let mut grouper = Grouper::new(KnownList::parse(&list).unwrap(), INCIDENT_TIMEOUT);
        observe(&mut grouper, &tcp(host(1), remote(9), 4444, 0, ConnState::SF), true, None);
        closed(grouper)[0].id()
    };
    assert_eq!(id("10.0.0.1\t*\t*\t*\t2027-01-31\t-\t-"), id(""));
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
fn a_flood_from_a_million_addresses_is_one_incident_beside_a_real_attack() {
    for alerts in [true, false] {
        let mut grouper = grouper();
        let (mut events, mut most) = (Vec::new(), 0);
        for i in 0..1_000_000u32 {
            let c = tcp(address(0x0b00_0000 + i), host(80), 80, i64::from(i) * 1000, ConnState::S0);
            observe(&mut grouper, &c, alerts, None);
            if i == 500_000 {
                let mut upload = tcp(host(5), remote(9), 443, i64::from(i) * 1000, ConnState::SF);
                upload.orig.bytes = Some(40_000_000);
                observe(&mut grouper, &upload, true, None);
            }
            most = most.max(grouper.open.len());
            events.extend(grouper.take_changes());
        }
        let opened = |kind| events.iter().filter(|it| it.event == Event::Opened && it.incident.kind == kind).count();
        assert_eq!((opened(IncidentKind::Flood), opened(IncidentKind::Exfiltration)), (1, 1));
        // The first report describes a flood, not its first connection.
        let first = events.iter().find(|it| it.event == Event::Opened && it.incident.kind == IncidentKind::Flood);
        assert!(first.is_some_and(|it| it.incident.records >= 8));
        assert!(most <= 10, "{most}");
        assert_eq!(grouper.history.len().0, 65_536);
        let flood = closed(grouper).into_iter().find(|it| it.kind == IncidentKind::Flood).unwrap();
        assert!(flood.records > 999_000 && flood.targets.count() > 800_000, "{}", flood.summary());
    }
}

#[test]
fn a_flood_of_a_network_from_outside_is_one_incident_and_hides_no_answered_attack() {
    for alerts in [true, false] {
        let mut grouper = grouper();
        let (mut events, mut most) = (Vec::new(), 0);
        for i in 0..1_000_000u32 {
            let c = tcp(address(0x0b00_0000 + i), host((i % 250) as u8), 80, i64::from(i) * 100, ConnState::S0);
            observe(&mut grouper, &c, alerts, None);
            if i == 900_000 {
                observe(&mut grouper, &tcp(remote(9), host(7), 22, i64::from(i) * 100, ConnState::SF), true, None);
            }
            most = most.max(grouper.open.len());
            events.extend(grouper.take_changes().into_iter().filter(|change| change.escalates));
        }
        // The other incident is of no kind a minute after its only record, and is reported then.
        grouper.close_quiet(grouper.now() + 60 * SECOND);
        events.extend(grouper.take_changes().into_iter().filter(|change| change.escalates));
        let kinds: Vec<_> = events.iter().map(|change| change.incident.kind).collect();
        assert_eq!(kinds, [IncidentKind::Flood, IncidentKind::Other]);
        assert!(most < 2100, "{most}");
        let flood = closed(grouper).into_iter().find(|it| it.kind == IncidentKind::Flood).unwrap();
        assert!(
            flood.victims.count() > 200 && flood.summary().contains(" hosts such as 10.0.0."),
            "{}",
            flood.summary()
        );
    }
}

#[test]
fn a_million_actors_with_separate_targets_stay_within_limits() {
    let mut grouper = grouper();
    let attack = observe(&mut grouper, &tcp(host(1), remote(1), 4444, 0, ConnState::SF), true, Some(9));
    for i in 0..1_000_000u32 {
        let c = tcp(address(0x0b00_0000 + i), address(0x6400_0000 + i), 80, i64::from(i) * 1000, ConnState::S0);
        observe(&mut grouper, &c, true, None);
        assert!(grouper.open.len() <= MAX_OPEN);
        grouper.take_changes();
    }
    assert_eq!((grouper.expiry.len(), grouper.single.len()), (MAX_OPEN, MAX_OPEN - 1));
    assert!(grouper.open_incidents().any(|incident| Some(incident.id()) == attack));
}

#[test]
fn known_activity_is_grouped_separately() {
    let list = format!(
        "{}\n10.0.0.1\t198.51.100.1\t80/tcp\t*\t2027-01-31\t-\t-\n10.0.0.2\t*\t*\tscan\t2027-01-31\t-\t-",
        KnownList::header()
    );
    let mut grouper = Grouper::new(KnownList::parse(&list).unwrap(), INCIDENT_TIMEOUT);
    observe(&mut grouper, &tcp(host(1), remote(1), 80, 0, ConnState::SF), true, None);
    observe(&mut grouper, &tcp(host(1), remote(2), 80, SECOND, ConnState::SF), true, None);
    for i in 0..10 {
        observe(&mut grouper, &tcp(host(2), host(100 + i), 80, 2 * SECOND, ConnState::REJ), true, None);
    }
    let mut found: Vec<_> = closed(grouper).iter().map(|it| (it.actor, it.known, it.kind)).collect();
    found.sort();
    assert_eq!(
        found,
        [
            (host(1), false, IncidentKind::Other),
            (host(1), true, IncidentKind::Other),
            (host(2), true, IncidentKind::Scan)
        ]
    );
}

#[test]
fn the_proposed_line_covers_its_incident() {
    let mut grouper = grouper();
    for i in 0..10 {
        observe(&mut grouper, &tcp(host(2), host(100 + i), 80, 2 * SECOND, ConnState::REJ), true, None);
    }
    let incident = closed(grouper).remove(0);
    assert_eq!(incident.known_lines(), "10.0.0.2\t*\t80/tcp\tscan\t1970-04-01\t-\t-");
    let list = KnownList::parse(&format!("{}\n{}", KnownList::header(), incident.known_lines())).unwrap();
    assert!(list.covers_incident(&incident));
}

#[test]
fn the_proposed_lines_name_few_responders() {
    for (n, expected) in [(1usize, "198.51.100.1\t8443/tcp"), (4, "198.51.100.4\t8446/tcp"), (5, "*\t*")] {
        let mut grouper = grouper();
        for i in 0..n as i64 * 20 {
            let last = (i % n as i64) as u8;
            let c = tcp(host(2), remote(1 + last), 8443 + u16::from(last), i * 60 * SECOND, ConnState::SF);
            observe(&mut grouper, &c, false, (i >= n as i64 * 19).then_some(19));
        }
        // A connection to another host, without evidence.
        let mut incident = closed(grouper).remove(0);
        incident.targets.add(remote(99));
        let lines = incident.known_lines();
        assert_eq!(lines.lines().count(), if n > 4 { 1 } else { n }, "{lines}");
        assert!(lines.contains(&format!("10.0.0.2\t{expected}\tbeacon\t")), "{lines}");
        let list = KnownList::parse(&format!("{}\n{lines}", KnownList::header())).unwrap();
        assert!(list.covers_incident(&incident), "{lines}");
    }
}

#[test]
fn host_risk_decays_and_lists_its_contributions() {
    let mut grouper = grouper();
    observe(&mut grouper, &tcp(host(1), remote(1), 80, 0, ConnState::SF), true, None);
    observe(&mut grouper, &tcp(host(2), remote(1), 80, 86_400 * SECOND, ConnState::SF), true, Some(9));
    observe(&mut grouper, &tcp(host(2), remote(2), 80, 86_401 * SECOND, ConnState::SF), true, None);
    let incidents = closed(grouper);
    let now = incidents[1].last;
    let risks = host_risk::host_risks(&incidents, now);
    assert_eq!(risks.iter().map(|risk| risk.host).collect::<Vec<_>>(), [host(2), host(1)]);
    let alone = -(1.0f64 - 0.7).log2();
    assert!((risks[1].risk - alone / 2.0).abs() < 1e-4, "{}", risks[1].risk);
    assert_eq!(risks[0].parts.len(), 1);
}

#[test]
fn stored_risk_ends_when_it_has_decayed() {
    let mut grouper = grouper();
    observe(&mut grouper, &tcp(host(1), remote(1), 80, 0, ConnState::SF), true, None);
    let incident = closed(grouper).remove(0);
    let mut table = RiskTable::default();
    table.add(&incident);
    table.add(&Incident { known: true, actor: host(2), ..incident.clone() });
    let at = |table: &mut RiskTable, days: i64| table.risks(std::iter::empty(), days * 86_400 * SECOND);
    assert_eq!(at(&mut table, 0).iter().map(|risk| risk.host).collect::<Vec<_>>(), [host(1)]);
    assert_eq!((at(&mut table, 30).len(), at(&mut table, 0).len()), (0, 0));
    for _ in 0..5000 {
        table.add(&incident);
    }
    assert_eq!(at(&mut table, 0)[0].parts.len(), 4096);
}

#[test]
fn a_notice_repeats_when_the_kind_is_more_severe_and_by_growth_only_after_an_hour() {
    let mut grouper = grouper();
    let mut notices = Vec::new();
    for i in 0..40_000i64 {
        let c = tcp(remote((i % 200) as u8), host(80), 80, i * SECOND / 4, ConnState::S0);
        observe(&mut grouper, &c, true, None);
        let changes = grouper.take_changes().into_iter();
        notices.extend(changes.filter(|change| change.escalates).map(|change| (i * SECOND / 4, change.incident.kind)));
    }
    // At 10, 100, 1,000, and 10,000 connections it was less than an hour old.
    assert_eq!(notices.len(), 1, "{notices:?}");
    assert_eq!(notices[0].1, IncidentKind::Flood);
}

#[test]
fn known_kinds_report_nothing_while_they_are_open() {
    let list = format!("{}\n10.0.0.2\t*\t*\tscan\t2027-01-31\t-\t-", KnownList::header());
    let mut grouper = Grouper::new(KnownList::parse(&list).unwrap(), INCIDENT_TIMEOUT);
    for i in 0..10 {
        let c = tcp(host(2), host(100 + i), 80, i64::from(i) * SECOND, ConnState::REJ);
        observe(&mut grouper, &c, true, None);
    }
    assert!(grouper.take_changes().iter().all(|change| change.incident.kind != IncidentKind::Scan));
}

#[test]
fn unanswered_broadcasts_are_no_outage() {
    let mut grouper = grouper();
    for i in 0..20 {
        let c = Connection { proto: Proto::Udp, ..tcp(host(1), host(255), 138, i * 60 * SECOND, ConnState::S0) };
        observe(&mut grouper, &c, false, (i == 12).then_some(13));
    }
    let incidents = closed(grouper);
    assert_eq!((incidents[0].kind, incidents[0].failed), (IncidentKind::Other, 0));
}

#[test]
fn an_incident_of_a_target_closes_after_an_hour_of_quiet_too() {
    let mut grouper = grouper();
    for i in 0..20 {
        observe(&mut grouper, &tcp(remote(i), host(80), 80, i64::from(i) * SECOND, ConnState::S0), true, None);
    }
    assert_eq!((grouper.open.len(), grouper.expiry.len()), (1, 1));
    grouper.close_quiet(2 * INCIDENT_TIMEOUT);
    assert_eq!((grouper.open.len(), grouper.expiry.len(), grouper.single.len()), (0, 0, 0));
    assert_eq!(grouper.take_changes().last().map(|change| change.incident.role), Some(Role::Target));
}

fn query(name: &[u8], seconds: i64) -> DnsQuery<'_> {
    DnsQuery {
        ts: seconds * SECOND,
        client: host(5),
        server: host(1),
        server_port: 53,
        query: Some(name),
        qtype: Some(1),
        rcode: Some(0),
        answer_bytes: 20,
        ..DnsQuery::default()
    }
}

fn observe_query(grouper: &mut Grouper, query: &DnsQuery<'_>, alert: bool) -> Option<String> {
    let score = if alert { 0.7 } else { 0.55 };
    let record = LogRecord::Dns(*query);
    grouper.observe(&Observation { record, uid: Some(b"C1"), score, alert, evidence: None, reasons: &[] })
}

#[test]
fn a_tunnel_counts_the_bytes_of_different_names_from_its_first_query() {
    let mut grouper = grouper();
    for i in 0..600 {
        // Every name twice.
        let name = format!("{:040x}.example.com", i / 2 * 7919);
        observe_query(&mut grouper, &query(name.as_bytes(), i / 4), (100..400).contains(&i));
    }
    let incidents = closed(grouper);
    assert_eq!((incidents.len(), incidents[0].kind, incidents[0].records), (1, IncidentKind::Tunnel, 600));
    let summary = incidents[0].summary();
    assert!(summary.starts_with("10.0.0.5 sent 1"), "{summary}");
    assert!(summary.contains(" kB in about 2") || summary.contains(" kB in about 3"), "{summary}");
    let end = " different names of example.com to 10.0.0.1 in 2m29s, and received 12 kB";
    assert!(summary.ends_with(end), "{summary}");
    assert_eq!((incidents[0].records_text().as_str(), incidents[0].attack()[0]), ("600 queries", "T1071.004"));
    assert_eq!(incidents[0].uids().count(), 1);
}

#[test]
fn a_tunnel_found_by_evidence_names_its_domain() {
    let mut grouper = grouper();
    for i in 0..60 {
        let name = format!("{:040x}.example.com", i * 7919);
        let record = LogRecord::Dns(query(name.as_bytes(), i));
        let evidence = (i == 40).then_some(20);
        grouper.observe(&Observation { record, uid: None, score: 0.55, alert: false, evidence, reasons: &[] });
    }
    let incident = closed(grouper).remove(0);
    assert_eq!((incident.kind, incident.records), (IncidentKind::Tunnel, 60));
    assert!(incident.summary().contains(" different names of example.com to 10.0.0.1"), "{}", incident.summary());
}

#[test]
fn a_tunnel_names_the_server_of_its_domain() {
    let mut grouper = grouper();
    for i in 0..60 {
        let name = format!("{:040x}.example.com", i * 7919);
        observe_query(&mut grouper, &query(name.as_bytes(), i), true);
        let other = DnsQuery { server: host(10 + i as u8 % 3), ..query(b"www.example.org", i) };
        observe_query(&mut grouper, &other, true);
    }
    let incident = closed(grouper).remove(0);
    assert_eq!((incident.kind, incident.records), (IncidentKind::Tunnel, 120));
    let summary = incident.summary();
    assert!(summary.contains("60 different names of example.com to 10.0.0.1 in "), "{summary}");
}

#[test]
fn generated_domains_are_one_incident_with_the_queries_before_it() {
    let mut grouper = grouper();
    let letters = |i: usize| (0..8).map(|k| (b'a' + (i * 31 + k * k * 17 + i * k * 5) as u8 % 26) as char).collect();
    for i in 0..60 {
        let name: String = letters(i);
        let name = format!("{name}.com");
        let rcode = Some(if i % 4 == 0 { 0 } else { 3 });
        observe_query(&mut grouper, &DnsQuery { rcode, ..query(name.as_bytes(), i as i64) }, (10..20).contains(&i));
        observe_query(&mut grouper, &query(b"www.example.com", i as i64), false);
    }
    let incidents = closed(grouper);
    assert_eq!((incidents.len(), incidents[0].kind), (1, IncidentKind::GeneratedDomains));
    let summary = incidents[0].summary();
    assert!(summary.starts_with("10.0.0.5 queried 45 nonexistent and "), "{summary}");
    assert!(summary.contains(" random-looking domains such as ") && summary.ends_with(" in 59s"), "{summary}");
    assert_eq!(incidents[0].attack(), ["T1568.002"]);
}

#[test]
fn new_domains_that_look_like_words_are_not_generated() {
    let mut grouper = grouper();
    for i in 0..40 {
        // One in five looks random.
        let name = if i % 5 == 0 { format!("xq{i}zkvjw.com") } else { format!("www.newspaper{i}.com") };
        observe_query(&mut grouper, &query(name.as_bytes(), i), true);
    }
    let incident = closed(grouper).remove(0);
    assert_eq!(incident.kind, IncidentKind::Other, "{}", incident.summary());
}

#[test]
fn names_guessed_at_a_server_are_a_scan() {
    let mut grouper = grouper();
    for i in 0..60 {
        let name = format!("host{i}.example.com");
        let rcode = Some(if i % 4 == 0 { 0 } else { 3 });
        observe_query(&mut grouper, &DnsQuery { rcode, ..query(name.as_bytes(), i) }, (10..20).contains(&i));
    }
    let incident = closed(grouper).remove(0);
    assert_eq!((incident.kind, incident.attack()), (IncidentKind::Scan, &["T1590.002"][..]));
    assert_eq!(
        incident.summary(),
        "10.0.0.5 asked 10.0.0.1 for 60 different names of example.com and 1 type in 59s; 45 of 60 queries for names that \
         do not exist"
    );
}

#[test]
fn both_logs_of_one_client_give_one_incident() {
    let mut grouper = grouper();
    for i in 0..40 {
        let name = format!("{:040x}.example.com", i * 7919);
        observe_query(&mut grouper, &query(name.as_bytes(), i), true);
    }
    observe(&mut grouper, &tcp(host(5), remote(1), 4444, 41 * SECOND, ConnState::SF), true, None);
    let incidents = closed(grouper);
    assert_eq!((incidents.len(), incidents[0].kind), (1, IncidentKind::Tunnel));
    assert_eq!(incidents[0].records_text(), "1 connection and 40 queries");
    // A connection and its queries have one identifier.
    assert_eq!(incidents[0].uids().collect::<Vec<_>>(), [b"C1"]);
    assert!(incidents[0].summary().ends_with("; it also made 1 connection"), "{}", incidents[0].summary());
}

#[test]
fn clients_of_one_resolver_have_separate_incidents() {
    let mut grouper = grouper();
    for i in 0..40 {
        observe_query(&mut grouper, &DnsQuery { client: host(20 + i), ..query(b"odd.example.com", i.into()) }, true);
    }
    let incidents = closed(grouper);
    assert_eq!(incidents.len(), 40);
    assert_eq!(incidents[0].summary(), "10.0.0.20 sent an unusual query for names of example.com to 10.0.0.1");
}

#[test]
fn an_incident_keeps_the_eight_domains_with_most_alerts() {
    let mut grouper = grouper();
    for i in 0..200 {
        let name = format!("www.domain{i}.com");
        observe_query(&mut grouper, &query(name.as_bytes(), i), true);
        observe_query(&mut grouper, &query(format!("{i:040}.example.com").as_bytes(), i), true);
    }
    let incident = closed(grouper).remove(0);
    assert_eq!(incident.services.len(), MAX_DOMAINS);
    assert_eq!(incident.kind, IncidentKind::Tunnel, "{}", incident.summary());
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

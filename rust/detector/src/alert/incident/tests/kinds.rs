//! Tests of kinds of incidents and their summaries.

use super::*;

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

/// Adds a connection of host 17 to one of many hosts, which adds to evidence of new hosts or not, and reports it or not;
/// returns true if it has an incident.
fn try_host(grouper: &mut Grouper, i: u32, port: u16, state: ConnState, adds_to_fan_out: bool, is_due: bool) -> bool {
    let c = tcp(host(17), address(0xc633_6400 + i), port, i64::from(i) * SECOND, state);
    let evidence = is_due.then_some(Evidence::FanOut(8));
    observe_with(grouper, &c, Verdict { evidence, adds_to_fan_out, ..verdict(false) }, &[]).is_some()
}

#[test]
fn evidence_of_new_hosts_on_a_port_opens_an_incident_with_unusual_and_failed_connections_there() {
    let mut grouper = grouper();
    for i in 0..20 {
        assert_eq!(try_host(&mut grouper, i, 23, ConnState::S0, true, i == 7), i >= 7);
        assert!(!try_host(&mut grouper, i, 80, ConnState::S0, true, false), "another port");
        assert!(!try_host(&mut grouper, 40 + i, 23, ConnState::SF, false, false), "answered and usual");
        assert_eq!(try_host(&mut grouper, 80 + i, 23, ConnState::SF, true, false), i >= 7, "answered");
        assert_eq!(try_host(&mut grouper, 120 + i, 23, ConnState::REJ, false, false), i >= 7, "failed again");
    }
    let incidents = closed(grouper);
    assert_eq!(incidents.len(), 1);
    assert_eq!((incidents[0].kind, incidents[0].records), (IncidentKind::Scan, 60));
}

#[test]
fn a_scan_is_named_in_an_incident_with_much_else() {
    let mut grouper = grouper();
    for i in 0..500 {
        let c = tcp(host(17), host(20), 3128, i * SECOND / 10, ConnState::SF);
        observe(&mut grouper, &c, false, (i == 8).then_some(9));
    }
    for i in 100..130 {
        try_host(&mut grouper, i, 23, ConnState::S0, true, i == 107);
    }
    let incidents = closed(grouper);
    assert_eq!((incidents.len(), incidents[0].kind), (1, IncidentKind::Scan));
    assert!(incidents[0].summary().contains("30 of 530"), "{}", incidents[0].summary());
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
            observe_with(&mut grouper, &c, verdict(true), &reasons);
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
        observe_with(&mut grouper, &c, verdict(true), &reasons);
    }
    let incident = &closed(grouper)[0];
    assert_eq!((incident.kind, incident.targets_total()), (IncidentKind::Beacon, 9));
    assert!(incident.summary().ends_with("32 refused or unanswered; it also made 8 other connections"));
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
fn a_failing_service_is_an_outage_unless_most_of_the_incident_is_something_else() {
    let kind = |others: u8| {
        let mut grouper = grouper();
        for i in 0..6 {
            let c = tcp(host(17), remote(1), 449, i * SECOND, ConnState::S0);
            observe(&mut grouper, &c, true, None);
        }
        for i in 0..others {
            let c = tcp(host(17), remote(10 + i % 3), 443, i64::from(i * i) * SECOND, ConnState::SF);
            observe(&mut grouper, &c, true, None);
        }
        closed(grouper)[0].kind
    };
    assert_eq!([kind(6), kind(7)], [IncidentKind::Outage, IncidentKind::Other]);
}

/// Host with a public address.
fn public(last: u8) -> Address {
    Address::from(std::net::IpAddr::from([20, 1, 2, last]))
}

/// Sets `local_orig` and `local_resp`.
fn with_local(mut c: Connection<'static>, orig: bool, resp: bool) -> Connection<'static> {
    (c.orig.local, c.resp.local) = (Some(orig), Some(resp));
    c
}

#[test]
fn hosts_that_the_log_calls_local_are_internal() {
    let kind = |resp_is_local: bool, change: fn(&mut Connection<'_>)| {
        let mut grouper = grouper();
        let mut c = with_local(tcp(public(1), public(2), 8443, 0, ConnState::SF), true, resp_is_local);
        change(&mut c);
        observe(&mut grouper, &c, true, None);
        closed(grouper)[0].kind
    };
    let upload = |c: &mut Connection<'_>| c.orig.bytes = Some(40_000_000);
    assert_eq!([kind(false, upload), kind(true, upload)], [IncidentKind::Exfiltration, IncidentKind::Other]);
    let to_documentation = |c: &mut Connection<'_>| (c.resp.addr, c.orig.bytes) = (remote(1), Some(40_000_000));
    assert_eq!(kind(true, to_documentation), IncidentKind::Exfiltration);
    let admin = |c: &mut Connection<'_>| c.resp.port = 445;
    assert_eq!([kind(false, admin), kind(true, admin)], [IncidentKind::Other, IncidentKind::LateralMovement]);
    // An internal target of an external actor is at risk, too.
    let at_risk = |resp_is_local| {
        let mut grouper = grouper();
        let c = with_local(tcp(public(1), public(2), 8443, 0, ConnState::SF), false, resp_is_local);
        observe(&mut grouper, &c, true, None);
        host_risk::host_risks(&closed(grouper), 0).len()
    };
    assert_eq!([at_risk(true), at_risk(false)], [2, 1]);
    for (are_local, expected) in [(true, IncidentKind::Outage), (false, IncidentKind::Flood)] {
        let mut grouper = grouper();
        for i in 0..30 {
            let c = tcp(public(i), public(200), 80, i64::from(i) * SECOND, ConnState::S0);
            observe(&mut grouper, &with_local(c, are_local, true), true, None);
        }
        let incident = closed(grouper).remove(0);
        assert_eq!((incident.kind, incident.targets.count()), (expected, 30));
    }
}

#[test]
fn known_and_alerting_exchanges_do_not_use_the_report_of_the_day() {
    let mut grouper = grouper_knowing("10.0.0.1\t*\t*\t*\t2027-01-31\t-\t-");
    for i in 0..400 {
        // The known one is regular first.
        observe(&mut grouper, &tcp(host(1), remote(77), 443, i * 250 * SECOND, ConnState::SF), false, None);
        observe(&mut grouper, &tcp(host(2), remote(77), 443, i * 250 * SECOND + 1, ConnState::SF), false, None);
    }
    let incidents = closed(grouper);
    assert_eq!(incidents.iter().map(|it| (it.actor, it.evidence)).collect::<Vec<_>>(), [(host(2), 1)]);
}

#[test]
fn a_long_session_among_other_connections_has_the_bytes_of_all() {
    let mut grouper = grouper();
    let mut c = tcp(host(1), remote(1), 8443, 0, ConnState::SF);
    c.duration = Some(7200 * SECOND);
    observe(&mut grouper, &c, true, None);
    observe(&mut grouper, &tcp(host(1), remote(1), 8443, 7200 * SECOND, ConnState::SF), true, None);
    let summary = closed(grouper)[0].summary();
    assert!(summary.ends_with("open for 2h00m (sent 600 B, received 1.0 kB in 2 connections)"), "{summary}");
}

//! Tests of known activity, and the lines proposed for its list.

use super::*;

#[test]
fn known_activity_is_not_announced_before_its_kind_shows() {
    let announced = |kind| {
        let mut grouper = grouper_knowing(&format!("10.0.0.1\t*\t*\t{kind}\t2027-01-31\t-\t-"));
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
    let mut grouper = grouper_knowing("10.0.0.1\t*\t*\tscan\t2027-01-31\t-\t-");
    observe(&mut grouper, &tcp(host(1), remote(9), 4444, 0, ConnState::SF), true, None);
    assert!(grouper.take_changes().is_empty());
    grouper.close_all();
    let events: Vec<_> = grouper.take_changes().iter().map(|change| (change.event, change.escalates)).collect();
    assert_eq!(events, [(Event::Opened, true), (Event::Closed, false)]);
}

#[test]
fn an_identifier_does_not_depend_on_the_known_list() {
    let id = |list: &str| {
        let mut grouper = grouper_knowing(list);
        observe(&mut grouper, &tcp(host(1), remote(9), 4444, 0, ConnState::SF), true, None);
        closed(grouper)[0].id()
    };
    assert_eq!(id("10.0.0.1\t*\t*\t*\t2027-01-31\t-\t-"), id(""));
}

#[test]
fn known_activity_is_grouped_separately() {
    let mut grouper =
        grouper_knowing("10.0.0.1\t198.51.100.1\t80/tcp\t*\t2027-01-31\t-\t-\n10.0.0.2\t*\t*\tscan\t2027-01-31\t-\t-");
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
    assert!(known_list(&incident.known_lines()).covers_incident(&incident));
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
        assert!(known_list(&lines).covers_incident(&incident), "{lines}");
    }
}

#[test]
fn known_kinds_report_nothing_while_they_are_open() {
    let mut grouper = grouper_knowing("10.0.0.2\t*\t*\tscan\t2027-01-31\t-\t-");
    for i in 0..10 {
        let c = tcp(host(2), host(100 + i), 80, i64::from(i) * SECOND, ConnState::REJ);
        observe(&mut grouper, &c, true, None);
    }
    assert!(grouper.take_changes().iter().all(|change| change.incident.kind != IncidentKind::Scan));
}

#[test]
fn the_proposed_line_covers_a_flood_of_a_network() {
    let mut grouper = grouper();
    for i in 0..6000u32 {
        let c = tcp(address(0x0b00_0000 + i), host((i % 250) as u8), 80, i64::from(i) * 1000, ConnState::S0);
        observe(&mut grouper, &c, true, None);
    }
    let incident = closed(grouper).into_iter().find(|it| it.kind == IncidentKind::Flood).unwrap();
    let lines = incident.known_lines();
    assert!(lines.starts_with("*\t10.0.0.0/24\t80/tcp\tflood\t"), "{lines}");
    let covers = |lines: &str| known_list(lines).covers_incident(&incident);
    assert!(covers(&lines));
    assert!(!covers(&lines.replacen('*', "11.0.0.0/19", 1)), "the incident does not store all originators");
    assert!(!covers(&lines.replace("10.0.0.0/24", "10.0.0.0/25")));
}

#[test]
fn an_entry_for_some_responders_does_not_cover_more_services_than_an_incident_stores() {
    let covers = |entry: &str, hosts: u8| {
        let mut grouper = grouper();
        for i in 0..hosts {
            let responder = if i < 40 { host(100 + i) } else { remote(i) };
            observe(&mut grouper, &tcp(host(2), responder, 80, i64::from(i) * SECOND, ConnState::REJ), true, None);
        }
        let list = known_list(&format!("10.0.0.2\t{entry}\tscan\t2027-01-31\t-\t-"));
        list.covers_incident(&closed(grouper)[0])
    };
    assert!(covers("10.0.0.0/8\t*", 20));
    assert!(!covers("10.0.0.0/8\t*", 60));
    assert!(covers("*\t80/tcp", 60) && covers("*\t*", 60));
}

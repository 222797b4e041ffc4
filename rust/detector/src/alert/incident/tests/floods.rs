//! Tests of floods, and limits under many actors.

use super::*;

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
fn late_resets_to_a_flooded_host_are_not_part_of_the_flood() {
    let mut grouper = grouper();
    let to_target = |i: u32, state| tcp(address(0x0b00_0000 + i), host(80), 80, i64::from(i) * 10_000, state);
    (0..2000).for_each(|i| _ = observe(&mut grouper, &to_target(i, ConnState::S0), true, None));
    let reset = Connection { history: Some(b"R"), ..to_target(2000, ConnState::RSTOS0) };
    assert_eq!(observe(&mut grouper, &reset, false, None), None);
    assert!(observe(&mut grouper, &to_target(2001, ConnState::S0), false, None).is_some());
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
fn evidence_of_a_surge_belongs_to_its_originator() {
    let failed = |orig| tcp(orig, host(80), 80, 0, ConnState::S0);
    let mut first = grouper();
    // Number of records until the surge opens the target's incident.
    let n =
        (0..5000).position(|i| observe(&mut first, &failed(address(0x0b00_0000 + i)), false, None).is_some()).unwrap();
    let mut grouper = grouper();
    for i in 0..n as u32 {
        assert_eq!(observe(&mut grouper, &failed(address(0x0b00_0000 + i)), false, None), None);
    }
    let last = address(0x0b00_0000 + n as u32);
    observe(&mut grouper, &failed(last), false, Some(9));
    assert_eq!(grouper.open.values().map(|it| (it.actor, it.evidence)).collect::<Vec<_>>(), [(last, 1)]);
}

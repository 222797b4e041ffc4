//! Tests of reports of incidents: opening, kind, growth and closing.

use super::*;

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

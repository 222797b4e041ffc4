//! Tests of incidents and their forwarding.

use super::*;

/// Returns a view of the attempt number `i` of a scan.
fn probe(i: u32) -> ConnectionView<'static> {
    let mut view = ConnectionView { ts: 1_700_001_000.0 + f64::from(i), conn_state: b"REJ", ..view(0.0, 1000) };
    (view.orig.addr, view.resp.addr) = ([10; 16], [10; 16]);
    (view.resp.addr[15], view.resp.port) = (i as u8, 1000 + i as u16);
    view
}

#[test]
fn a_scan_opens_an_incident_and_its_records_have_the_identifier() {
    let mut sensor = with_model();
    sensor.set_threshold(1e-6);
    sensor.incidents.start(3600.0, false);
    let uids: Vec<String> = (0..20).map(|i| format!("C{i}")).collect();
    let probes = (0..).zip(&uids).map(|(i, uid)| ConnectionView { uid: uid.as_bytes(), ..probe(i) });
    let ids: Vec<String> = probes.map(|probe| score(&mut sensor, &probe).incident).collect();
    let opened = sensor.incidents.get().next_incident();
    assert_eq!((opened.event, opened.escalates), (types::IncidentEvent::Opened, true));
    assert!(ids.iter().all(|id| *id == opened.id) && !opened.id.is_empty(), "{ids:?}");
    assert!(sensor.incidents.get().close_incidents(0.0, true));
    let changes: Vec<_> = std::iter::from_fn(|| Some(sensor.incidents.get().next_incident()))
        .take_while(|change| change.event != types::IncidentEvent::None)
        .collect();
    let closed = changes.last().unwrap();
    assert_eq!((closed.event, &*closed.kind, closed.records), (types::IncidentEvent::Closed, "scan", 20));
    assert_eq!(closed.uids.len(), 10);
    let hosts = sensor.incidents.get().host_risks();
    assert_eq!((hosts[0].host, &hosts[0].incidents), ([10; 16], &vec![opened.id]));
}

#[test]
fn an_incident_that_becomes_known_while_it_is_open_is_closed_in_the_log() {
    let mut sensor = with_model();
    sensor.set_threshold(1e-6);
    sensor.incidents.start(3600.0, false);
    (0..20).for_each(|i| _ = score(&mut sensor, &probe(i)));
    let fields = "#fields\toriginator\tresponder\tport\tkind\tuntil\towner\tnote";
    let list = format!("{fields}\na0a:a0a:a0a:a0a:a0a:a0a:a0a:a0a\t*\t*\t*\t2099-01-01\t-\t-");
    sensor.incidents.get().set_known(list.as_bytes()).unwrap();
    sensor.incidents.get().close_incidents(0.0, true);
    let events: Vec<_> = std::iter::from_fn(|| Some(sensor.incidents.get().next_incident().event))
        .take_while(|event| *event != types::IncidentEvent::None)
        .collect();
    assert_eq!(events.last(), Some(&types::IncidentEvent::Closed));
    assert!(sensor.incidents.get().host_risks().is_empty(), "it adds no risk");
}

#[test]
fn a_worker_forwards_and_the_manager_reports() {
    let (mut worker, manager) = (with_model(), Sensor::default());
    worker.set_threshold(1e-6);
    worker.incidents.start(3600.0, true);
    manager.incidents.start(3600.0, false);
    assert!(score(&mut worker, &probe(0)).outcome == Outcome::Alert && worker.incidents.get().has_additions());
    (1..5).for_each(|i| _ = score(&mut worker, &probe(i)));
    assert!(worker.incidents.get().next_incident().event == types::IncidentEvent::None);
    let message = worker.incidents.get().take_additions(10, 0.0);
    assert_eq!(
        (worker.incidents.get().has_additions(), manager.incidents.get().merge_additions(&message)),
        (false, Ok(true))
    );
    let opened = manager.incidents.get().next_incident();
    assert_eq!((opened.event, &*opened.kind, opened.records), (types::IncidentEvent::Opened, "scan", 5));
    worker.incidents.get().rename_incidents(&manager.incidents.get().renamings()).unwrap();
    worker.incidents.get().rename_incidents(&manager.incidents.get().take_opened()).unwrap();
    assert!(manager.incidents.get().take_opened().is_empty());
    assert!(
        manager.incidents.get().merge_additions(b"nonsense").is_err()
            && worker.incidents.get().rename_incidents(&message).is_err()
    );
}

#[test]
fn an_invalid_known_list_leaves_the_previous_one() {
    let mut sensor = with_model();
    sensor.set_threshold(1e-6);
    sensor.incidents.start(3600.0, false);
    let fields = "#fields\toriginator\tresponder\tport\tkind\tuntil\towner\tnote";
    let list = format!("{fields}\na0a:a0a::/32\t*\t*\t*\t2099-01-01\t-\t-");
    sensor.incidents.get().set_known(list.as_bytes()).unwrap();
    let broad = sensor.incidents.get().set_known(format!("{fields}\n*\t*\t*\t*\t2099-01-01\t-\t-").as_bytes());
    assert!(broad.unwrap_err().contains("line 2: it covers too much"));
    assert_eq!(score(&mut sensor, &probe(0)).incident, "");
    sensor.incidents.get().set_known(b"").unwrap();
    assert_ne!(score(&mut sensor, &probe(1)).incident, "");
}

/// Returns a query of a tunnel by the host that scans in [`probe`].
fn tunnel(i: u32, name: &str) -> DnsView<'_> {
    DnsView { ts: 1_700_001_010.0 + f64::from(i), client: [10; 16], query: name.as_bytes(), ..dns_view(0) }
}

#[test]
fn connections_and_queries_of_one_host_join_one_incident() {
    let mut conn = with_model();
    conn.incidents.start(3600.0, false);
    let mut dns = dns_with_model(&conn);
    conn.set_threshold(1e-6);
    dns.set_threshold(1e-6);
    let mut ids: Vec<String> = (0..5).map(|i| score(&mut conn, &probe(i)).incident).collect();
    for i in 0..20 {
        let name = format!("{:040x}.example-tunnel.net", 0x1234_5678_9abc_def0_u64.wrapping_mul(u64::from(2 * i + 1)));
        ids.push(dns.score_dns(&tunnel(i, &name), false, 0).incident);
    }
    let opened = conn.incidents.get().next_incident();
    assert_eq!(opened.event, types::IncidentEvent::Opened);
    assert!(ids.iter().all(|id| *id == opened.id), "{ids:?}");
    // The sensors share the events of incidents: one closes them, the other returns the events.
    assert!(dns.incidents.get().close_incidents(0.0, true));
    let changes: Vec<_> = std::iter::from_fn(|| Some(conn.incidents.get().next_incident()))
        .take_while(|change| change.event != types::IncidentEvent::None)
        .collect();
    let closed = changes.last().unwrap();
    assert_eq!((&*closed.kind, closed.records, closed.alerts), ("tunnel", 25, 25));
    assert!(closed.uids.iter().any(|uid| uid == "CUM0KZ3MLUfNB0cl11"), "{:?}", closed.uids);
}

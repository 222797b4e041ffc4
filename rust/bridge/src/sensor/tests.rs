//! Tests of the sensor, which call it in the order in which Zeek does.

use std::fs;
use std::path::PathBuf;

use detector::{Connection, FeatureRow, Params, Trainer};
use tempfile::TempDir;

use super::*;
use crate::convert::{connection, query};
use crate::types::{self, ConnectionView, DnsView, Outcome, Verdict};

/// Seconds; longer than any job.
const LONG: f64 = 600.0;

fn view(duration: f64, resp_port: u16) -> ConnectionView<'static> {
    let count = |value| types::Count { set: true, value };
    let side = |port| types::Endpoint {
        addr: [0; 16],
        port,
        local: types::Tristate::Unset,
        bytes: count(100),
        pkts: count(3),
        ip_bytes: count(220),
    };
    ConnectionView {
        ts: 1_700_000_000.25,
        duration,
        orig: side(50_000),
        resp: side(resp_port),
        proto: types::Proto::Tcp,
        missed_bytes: 0,
        conn_state: b"SF",
        service: b"http",
        history: b"ShADadFf",
        uid: b"CHhAvVGS1DHFjwGM9",
    }
}

fn model() -> Model {
    let mut trainer = Trainer::new(Params::default());
    for i in 0..400 {
        let view = ConnectionView { ts: 1_700_000_000.0 + f64::from(i), ..view(f64::from(i % 50) / 10.0, 80) };
        trainer.learn(&connection(&view));
    }
    trainer.fit().unwrap()
}

/// Saves a model in a temporary directory.
fn saved_model() -> (TempDir, PathBuf) {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("model");
    model().save(&path).unwrap();
    (directory, path)
}

/// Returns a sensor with a model.
fn with_model() -> Sensor {
    let (_directory, path) = saved_model();
    let mut sensor = Sensor::default();
    sensor.load_model(path.as_os_str().as_bytes()).unwrap();
    sensor
}

/// Scores without learning.
fn score(sensor: &mut Sensor, view: &ConnectionView<'_>) -> Verdict {
    sensor.score(view, false, u64::MAX)
}

/// Returns the threshold in effect.
fn threshold(sensor: &mut Sensor) -> f64 {
    score(sensor, &view(0.5, 80)).threshold
}

/// Checks the model file and waits for the result.
fn check(sensor: &mut Sensor) -> FinishedJob {
    sensor.check_model_file().unwrap();
    sensor.finished_job(LONG)
}

#[test]
fn scores_equal_those_of_the_detector() {
    let mut sensor = with_model();
    let mut detector = Detector::new(model());
    for (duration, port) in [(0.5, 80), (-1.0, 80), (9e5, 31_337)] {
        let verdict = score(&mut sensor, &view(duration, port));
        assert!(verdict.outcome != Outcome::NoModel);
        assert_eq!(verdict.score, detector.score(&connection(&view(duration, port))).score);
    }
}

#[test]
fn converts_unset_and_empty_fields_to_none() {
    let mut view = view(-1.0, 80);
    view.service = b"";
    view.history = b"";
    view.conn_state = b"";
    view.orig.bytes = types::Count::default();
    view.orig.local = types::Tristate::No;
    let connection = connection(&view);
    assert_eq!((connection.duration, connection.conn_state), (None, None));
    assert_eq!((connection.service, connection.history), (None, None));
    assert_eq!((connection.orig.bytes, connection.resp.bytes), (None, Some(100)));
    assert_eq!((connection.orig.local, connection.resp.local), (Some(false), None));
    assert_eq!(connection.ts, Connection::micros(1_700_000_000.25));
}

/// Returns a million connections, each from another originator.
fn from_everywhere() -> impl Iterator<Item = ConnectionView<'static>> {
    (0..1_000_000u32).map(|i| {
        let mut view = view(f64::from(i % 50) / 10.0, 80);
        view.ts += f64::from(i) / 1e3;
        view.orig.addr[12..].copy_from_slice(&i.to_be_bytes());
        view
    })
}

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
fn a_worker_forwards_and_the_manager_reports() {
    let (mut worker, manager) = (with_model(), Sensor::default());
    worker.set_threshold(1e-6);
    worker.incidents.start(3600.0, true);
    manager.incidents.start(3600.0, false);
    assert!(score(&mut worker, &probe(0)).outcome == Outcome::Alert && worker.incidents.get().has_additions());
    score(&mut worker, &probe(1));
    assert!(worker.incidents.get().next_incident().event == types::IncidentEvent::None);
    let message = worker.incidents.get().take_additions(10, 0.0);
    assert_eq!(
        (worker.incidents.get().has_additions(), manager.incidents.get().merge_additions(&message)),
        (false, Ok(true))
    );
    let opened = manager.incidents.get().next_incident();
    assert_eq!((opened.event, opened.records), (types::IncidentEvent::Opened, 2));
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
    assert!(broad.unwrap_err().contains("line 2: it covers any originator"));
    assert_eq!(score(&mut sensor, &probe(0)).incident, "");
    sensor.incidents.get().set_known(b"").unwrap();
    assert_ne!(score(&mut sensor, &probe(1)).incident, "");
}

#[test]
fn scoring_without_alerts_allocates_nothing() {
    let mut sensor = with_model();
    sensor.set_threshold(2.0);
    let mut allocating = 0;
    for view in from_everywhere() {
        let allocated = allocation_counter::measure(|| {
            assert!(score(&mut sensor, &view).outcome != Outcome::NoModel);
        });
        allocating += usize::from(allocated.count_total > 0);
    }
    assert_eq!((allocating, sensor.statistics().alerted), (0, 0));
}

#[test]
fn learning_has_bounded_memory() {
    let mut sensor = Sensor::default();
    sensor.start_learning(1000, 86_400.0);
    let mut traffic = from_everywhere();
    let learn = |sensor: &mut Sensor, view: ConnectionView<'_>| {
        sensor.score(&view, true, u64::MAX);
    };
    traffic.by_ref().take(100_000).for_each(|view| learn(&mut sensor, view));
    let grown = allocation_counter::measure(|| traffic.by_ref().for_each(|view| learn(&mut sensor, view)));
    assert_eq!(sensor.statistics().rows, 1000);
    assert!(grown.bytes_current.abs() < 1 << 20, "{grown:?}");
}

#[test]
fn refuses_a_model_others_can_write_to_unless_allowed() {
    use std::os::unix::fs::PermissionsExt;
    let (_directory, path) = saved_model();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o666)).unwrap();
    let mut sensor = Sensor::default();
    let name = path.as_os_str().as_bytes();
    for refusal in [sensor.load_model(name).unwrap_err(), sensor.load_saved_model(name).unwrap_err()] {
        assert!(refusal.contains("others can write to"), "{refusal}");
    }
    assert!(check(&mut sensor).kind == JobKind::NoChange);
    sensor.set_trust(b"", true);
    assert!(check(&mut sensor).kind == JobKind::Loaded);
    assert!(check(&mut sensor).kind == JobKind::NoChange);
    let mut other = Sensor::default();
    other.set_trust(b"", true);
    assert_eq!(other.load_saved_model(name), Ok(true));

    // The refusal advises to change the permissions.
    sensor.set_trust(b"", false);
    sensor.load_model(name).unwrap_err();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
    assert!(check(&mut sensor).kind == JobKind::Loaded);
}

#[test]
fn discards_a_check_after_a_newer_request() {
    let (directory, path) = saved_model();
    let other = directory.path().join("other");
    model().save(&other).unwrap();
    type Meanwhile<'a> = Box<dyn Fn(&mut Sensor) + 'a>;
    let meanwhile: [Meanwhile<'_>; 3] = [
        Box::new(|sensor| sensor.load_model(other.as_os_str().as_bytes()).unwrap()),
        Box::new(|sensor| sensor.set_trust(b"nobody's", false)),
        Box::new(Sensor::unload_model),
    ];
    for asked in meanwhile {
        let mut sensor = Sensor::default();
        sensor.load_model(path.as_os_str().as_bytes()).unwrap();
        model().save(&path).unwrap();
        sensor.check_model_file().unwrap();
        asked(&mut sensor);
        let before = sensor.statistics().loaded;
        assert!(sensor.finished_job(LONG).kind == JobKind::NoChange);
        assert_eq!((sensor.statistics().loaded, sensor.statistics().refused), (before, 0));
    }
}

#[test]
fn refuses_a_state_directory_others_can_write_to() {
    use std::os::unix::fs::PermissionsExt;
    let directory = tempfile::tempdir().unwrap();
    let name = directory.path().as_os_str().as_bytes();
    let mut sensor = Sensor::default();
    fs::set_permissions(directory.path(), fs::Permissions::from_mode(0o777)).unwrap();
    assert!(sensor.open_state(name).unwrap_err().contains("others can write to"));
    sensor.set_trust(b"", true);
    sensor.open_state(name).unwrap();
}

#[test]
fn retries_a_model_when_its_signature_changes() {
    let (_directory, path) = saved_model();
    let mut sensor = Sensor::default();
    sensor.set_trust(b"RWTL6Haq3nUaWx6uvpwnxKnqpOUxP0sL6v+9r5fxHldG5/fnlYpcUQQ4", false);
    let refusal = sensor.load_model(path.as_os_str().as_bytes()).unwrap_err();
    assert!(refusal.contains("is not signed") && refusal.ends_with("connections are not scored"), "{refusal}");
    assert!(check(&mut sensor).kind == JobKind::NoChange);
    std::fs::write(detector::signature_of(&path), "another's").unwrap();
    let refused = check(&mut sensor);
    assert!(refused.kind == JobKind::Refused && refused.problem.contains("not its signature"), "{}", refused.problem);
    assert_eq!(refused.file, path.to_str().unwrap());
    // The sensor's own files are not signed.
    assert_eq!(sensor.load_saved_model(path.as_os_str().as_bytes()), Ok(true));
}

#[test]
fn a_refused_model_does_not_replace_the_loaded_one() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("model");
    let name = path.as_os_str().as_bytes();
    let mut sensor = Sensor::default();
    sensor.check_model_file().unwrap();
    assert!(!sensor.busy(), "no attempt was made");

    let refusal = sensor.load_model(name).unwrap_err();
    assert!(refusal.starts_with(path.to_str().unwrap()), "{refusal}");
    assert!(refusal.ends_with("; connections are not scored"), "{refusal}");
    assert!(check(&mut sensor).kind == JobKind::NoChange, "still missing");
    assert!(score(&mut sensor, &view(0.5, 80)).outcome == Outcome::NoModel);

    model().save(&path).unwrap();
    assert!(check(&mut sensor).kind == JobKind::Loaded);
    assert!(check(&mut sensor).kind == JobKind::NoChange);

    fs::write(&path, "damaged").unwrap();
    let FinishedJob { kind, problem, .. } = check(&mut sensor);
    assert!(kind == JobKind::Refused && problem.ends_with("; the previous model stays loaded"), "{problem}");
    assert!(check(&mut sensor).kind == JobKind::NoChange, "one attempt per version of the file");
    assert!(score(&mut sensor, &view(0.5, 80)).outcome != Outcome::NoModel);

    sensor.unload_model();
    assert!(score(&mut sensor, &view(0.5, 80)).outcome == Outcome::NoModel);
    sensor.check_model_file().unwrap();
    assert!(!sensor.busy());
}

#[test]
fn a_configured_threshold_overrides_the_models() {
    let (_directory, path) = saved_model();
    let mut sensor = Sensor::default();
    assert_eq!(threshold(&mut sensor), 0.0);
    sensor.load_model(path.as_os_str().as_bytes()).unwrap();
    assert_eq!(threshold(&mut sensor), model().threshold());

    // The score of the same connection changes with its context.
    for threshold in [0.001, 0.999] {
        sensor.set_threshold(threshold);
        let verdict = score(&mut sensor, &view(0.5, 80));
        assert_eq!(verdict.outcome == Outcome::Alert, verdict.score >= threshold);
    }
    sensor.set_threshold(0.0);
    assert_eq!(threshold(&mut sensor), model().threshold());
}

#[test]
fn learns_fits_scores_and_passes_the_model_on() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("model");
    let mut sensor = Sensor::default();
    sensor.start_learning(1000, 86_400.0);
    assert!(!sensor.busy() && !sensor.fit_is_due(300));
    for i in 0..400 {
        assert!(score(&mut sensor, &view(f64::from(i % 50) / 10.0, 80)).outcome == Outcome::NoModel);
        sensor.learn(400);
        // A connection is learnt only once.
        assert!(!sensor.learn(400));
    }
    assert_eq!((sensor.statistics().seen, sensor.statistics().without_model), (400, 400));
    // The quota of the single originator limits the rows to less than a tenth.
    assert!(!sensor.fit_is_due(400) && sensor.fit_is_due(150));
    assert!(!sensor.can_fit(400) && sensor.can_fit(150));
    assert!(sensor.fit(7, f64::INFINITY, b"").unwrap_err().contains("inf is not a number of alerts"));
    sensor.fit(7, 20.0, file.as_os_str().as_bytes()).unwrap();
    assert!(sensor.busy() && !sensor.fit_is_due(150) && !sensor.can_fit(150));
    assert!(sensor.fit(8, 20.0, b"").unwrap_err().contains("already running"));
    let done = sensor.finished_job(LONG);
    assert!(done.kind == JobKind::Fitted && done.problem.is_empty() && done.pause > 0.0);
    assert!(score(&mut sensor, &view(0.5, 80)).outcome != Outcome::NoModel);
    assert_eq!(sensor.describe().version, 7);
    assert_eq!((fs::read(&file).unwrap(), done.file.as_str()), (sensor.model_bytes(), file.to_str().unwrap()));

    // Another node adopts the model, but not an older or damaged one.
    let mut other = Sensor::default();
    let (bytes, checksum) = (sensor.model_bytes(), sensor.describe().checksum);
    assert_eq!(other.adopt_model(&bytes, 7, checksum.as_bytes(), b"", false), Ok(true));
    assert_eq!(other.adopt_model(&bytes, 7, checksum.as_bytes(), b"", false), Ok(false), "already loaded");
    assert!(score(&mut other, &view(0.5, 80)).outcome != Outcome::NoModel);
    sensor.recalibrate(9, 20.0, b"").unwrap();
    assert!(sensor.finished_job(LONG).kind == JobKind::Fitted);
    assert_eq!(other.adopt_model(&sensor.model_bytes(), 9, b"", b"", false), Ok(true));
    assert!(other.adopt_model(&bytes, 7, checksum.as_bytes(), b"", false).unwrap_err().contains("older"));
    let mut damaged = sensor.model_bytes();
    damaged[500] ^= 1;
    assert!(other.adopt_model(&damaged, 10, b"", b"", false).unwrap_err().contains("damaged"));
    sensor.recalibrate(11, 20.0, b"").unwrap();
    assert!(sensor.finished_job(LONG).kind == JobKind::Fitted);
    assert!(
        other
            .adopt_model(&sensor.model_bytes(), 11, b"0123456789abcdef", b"", false)
            .unwrap_err()
            .contains("announced")
    );
    assert_eq!((other.describe().version, other.statistics().refused), (9, 3));
}

/// A query for a name that a client asks for often.
fn dns_view(i: u32) -> DnsView<'static> {
    const NAMES: [&[u8]; 4] = [b"www.example.com", b"mail.example.org", b"cdn7.images.example.net", b"example.edu"];
    let count = |value| types::Count { set: true, value };
    let mut client = [10; 16];
    client[15] = (i % 40) as u8;
    DnsView {
        ts: 1_700_000_000.0 + f64::from(i),
        rtt: 0.01 + f64::from(i % 7) / 1e3,
        client,
        client_port: 40_000 + (i % 1000) as u16,
        server: [10; 16],
        server_port: 53,
        proto: types::Proto::Udp,
        has_query: true,
        query: NAMES[i as usize % 4],
        qtype: count(if i % 3 == 0 { 28 } else { 1 }),
        rcode: count(0),
        answers: 1 + i % 3,
        answer_bytes: u64::from(12 * (1 + i % 3)),
        min_ttl: 300.0,
        uid: b"CUM0KZ3MLUfNB0cl11",
    }
}

/// Returns a sensor for dns.log with its own model, which shares the incidents of another sensor.
fn dns_with_model(conn: &Sensor) -> Sensor {
    let mut trainer = Trainer::new(Params::of(LogKind::Dns));
    (0..1000).for_each(|i| trainer.learn(&query(&dns_view(i))));
    let mut sensor = conn.for_log(LogKind::Dns);
    let bytes = trainer.fit().unwrap().to_bytes().unwrap();
    let (_directory, path) = saved_model();
    fs::write(&path, bytes).unwrap();
    sensor.load_model(path.as_os_str().as_bytes()).unwrap();
    sensor
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

#[test]
fn queries_without_alerts_allocate_nothing() {
    let conn = with_model();
    conn.incidents.start(3600.0, false);
    let mut dns = dns_with_model(&conn);
    dns.set_threshold(2.0);
    // Fills the history of the last 65,536 records.
    (0..70_000).for_each(|i| _ = dns.score_dns(&dns_view(i), false, 0));
    let allocated = allocation_counter::measure(|| {
        for i in 70_000..80_000 {
            let verdict = dns.score_dns(&dns_view(i), false, 0);
            assert!(verdict.outcome == Outcome::Normal && verdict.incident.is_empty());
        }
    });
    assert_eq!(allocated.count_total, 0);
}

#[test]
fn learns_queries_and_restores_what_it_learnt() {
    let directory = tempfile::tempdir().unwrap();
    let name = |file: &str| directory.path().join(file).into_os_string().into_encoded_bytes();
    let conn = Sensor::default();
    let mut sensor = conn.for_log(LogKind::Dns);
    sensor.start_learning(1000, 86_400.0);
    let due = (0..2000).find(|&i| sensor.score_dns(&dns_view(i), true, 1500).outcome == Outcome::FitDue);
    assert_eq!(due, Some(1499));
    sensor.fit(7, 20.0, &name("dns-model")).unwrap();
    assert!(sensor.finished_job(LONG).kind == JobKind::Fitted);
    for i in 2000..2500 {
        assert!(sensor.score_dns(&dns_view(i), true, 1500).score > 0.0);
    }
    let tunnel = DnsView { query: b"ktzq8v0x1mwp2yh5c7r4nd3bfl6sgj9a.example-tunnel.net", ..dns_view(2500) };
    assert!(sensor.score_dns(&tunnel, false, 0).score > sensor.score_dns(&dns_view(2501), false, 0).score);
    // An exempted query is context; it is learnt only if asked for.
    let learnt = sensor.statistics().learnt;
    sensor.observe_dns(&dns_view(2502), false, 0);
    assert_eq!(sensor.statistics().learnt, learnt);
    sensor.observe_dns(&dns_view(2503), true, u64::MAX);
    assert_eq!((sensor.statistics().learnt, sensor.statistics().exempt), (learnt + 1, 2));

    sensor.save_sample(&name("dns-sample")).unwrap();
    sensor.save_context(&name("dns-memory")).unwrap();
    while sensor.busy() {
        assert_eq!(sensor.finished_job(LONG).problem, "");
    }
    let mut next = conn.for_log(LogKind::Dns);
    next.start_learning(1000, 86_400.0);
    assert_eq!(next.load_saved_model(&name("dns-model")), Ok(true));
    next.load_context(&name("dns-memory")).unwrap();
    next.load_sample(&name("dns-sample")).unwrap();
    let learnt = |sensor: &Sensor| (sensor.statistics().rows, sensor.statistics().seen);
    assert_eq!(learnt(&next), learnt(&sensor));
    assert_eq!(next.score_dns(&dns_view(2504), false, 0).score, sensor.score_dns(&dns_view(2504), false, 0).score);

    // The sensor for conn.log refuses files and messages of dns.log.
    let mut conn = conn;
    conn.start_learning(1000, 86_400.0);
    let (model, sample) = (sensor.model_bytes(), sensor.take_sample(10));
    let refusals = [
        conn.load_saved_model(&name("dns-model")).unwrap_err(),
        conn.load_context(&name("dns-memory")).unwrap_err(),
        conn.load_sample(&name("dns-sample")).unwrap_err(),
        conn.adopt_model(&model, 7, b"", b"", false).unwrap_err(),
        conn.merge_sample(&sample).unwrap_err(),
    ];
    for refusal in refusals {
        assert!(refusal.contains("dns.log") || refusal.contains("log kind"), "{refusal}");
    }
    // Another node with a sensor for dns.log accepts them.
    let mut manager = Sensor::default().for_log(LogKind::Dns);
    manager.start_learning(1000, 86_400.0);
    assert_eq!(manager.adopt_model(&model, 7, b"", b"", false), Ok(true));
    manager.merge_sample(&sample).unwrap();
    assert_eq!(manager.statistics().rows, 10);
}

#[test]
fn a_lock_is_released_after_the_writes_of_both_logs() {
    let directories = tempfile::tempdir().unwrap();
    let at = |name: &str| directories.path().join(name).into_os_string().into_encoded_bytes();
    let (mut conn, mut next) = (Sensor::default(), Sensor::default());
    let mut dns = conn.for_log(LogKind::Dns);
    conn.open_state(&at("zeek")).unwrap();
    let ends = hang(&mut dns);
    conn.open_state(b"").unwrap();
    assert!(next.open_state(&at("zeek")).unwrap_err().contains("is in use by another Zeek"));
    drop(ends);
    until_idle(&mut conn);
    next.open_state(&at("zeek")).unwrap();
}

#[test]
fn messages_about_queries_name_them() {
    let mut sensor = Sensor::default().for_log(LogKind::Dns);
    let (_directory, path) = saved_model();
    let refusal = sensor.load_model(path.as_os_str().as_bytes()).unwrap_err();
    assert!(refusal.contains("is a model of conn.log; give a model of dns.log; queries are not scored"), "{refusal}");
    assert_eq!(sensor.statistics().refused, 1);
}

#[test]
fn model_records_the_zeek_it_was_fitted_under() {
    let mut sensor = Sensor::default();
    sensor.set_zeek_version(b"8.0.10");
    sensor.start_learning(1000, 86_400.0);
    for i in 0..400 {
        score(&mut sensor, &view(f64::from(i % 50) / 10.0, 80));
        sensor.learn(400);
    }
    sensor.fit(7, 20.0, b"").unwrap();
    assert!(sensor.finished_job(LONG).kind == JobKind::Fitted);
    assert_eq!(sensor.describe().zeek_version, "8.0.10");
    // After an upgrade a recalibrated model has the trees of the former Zeek.
    sensor.set_zeek_version(b"8.2.2");
    sensor.recalibrate(8, 20.0, b"").unwrap();
    assert!(sensor.finished_job(LONG).kind == JobKind::Fitted);
    assert_eq!((sensor.describe().version, sensor.describe().zeek_version.as_str()), (8, "8.0.10"));
    sensor.fit(9, 20.0, b"").unwrap();
    assert!(sensor.finished_job(LONG).kind == JobKind::Fitted);
    assert_eq!(sensor.describe().zeek_version, "8.2.2");
}

#[test]
fn model_of_the_command_line_names_no_zeek() {
    let (directory, mut sensor) = (tempfile::tempdir().unwrap(), Sensor::default());
    let file = directory.path().join("model");
    model().save(&file).unwrap();
    sensor.load_model(file.as_os_str().as_bytes()).unwrap();
    assert_eq!(sensor.describe().zeek_version, "");
}

#[test]
fn restores_host_context_after_a_restart() {
    let directory = tempfile::tempdir().unwrap();
    let (model_file, context_file) = (directory.path().join("model"), directory.path().join("memory"));
    let name = context_file.as_os_str().as_bytes();
    model().save(&model_file).unwrap();
    let mut sensor = Sensor::default();
    sensor.load_context(name).unwrap();
    sensor.load_saved_model(model_file.as_os_str().as_bytes()).unwrap();
    let score_nth = |sensor: &mut Sensor, i: u32| score(sensor, &view(f64::from(i % 50) / 10.0, 80)).score;
    (0..1200).for_each(|i| _ = score_nth(&mut sensor, i));
    sensor.save_context(name).unwrap();
    assert!(sensor.finished_job(LONG).problem.is_empty());
    let mut next = Sensor::default();
    next.load_saved_model(model_file.as_os_str().as_bytes()).unwrap();
    let mut cold = Sensor::default();
    cold.load_saved_model(model_file.as_os_str().as_bytes()).unwrap();
    next.load_context(name).unwrap();
    assert_eq!(next.statistics().drift, sensor.statistics().drift);
    assert!(next.statistics().drift > 0.0);
    let scored = score_nth(&mut sensor, 7);
    assert_eq!(score_nth(&mut next, 7), scored);
    assert_ne!(score_nth(&mut cold, 7), scored);
    fs::write(&context_file, "damaged").unwrap();
    assert!(next.load_context(name).unwrap_err().contains("memory: is not a state file"));
    // Without a model only host context is saved.
    let mut early = Sensor::default();
    early.start_learning(1000, 86_400.0);
    score(&mut early, &view(0.5, 80));
    early.save_context(name).unwrap();
    assert!(early.finished_job(LONG).problem.is_empty());
    early.load_context(name).unwrap();
}

#[test]
fn changed_reservoir_settings_keep_learnt_rows() {
    let (directory, mut sensor) = (tempfile::tempdir().unwrap(), Sensor::default());
    let file = directory.path().join("sample");
    let name = file.as_os_str().as_bytes();
    sensor.start_learning(1000, 86_400.0);
    for i in 0..12 {
        score(&mut sensor, &view(f64::from(i), 80));
        sensor.learn(1000);
    }
    sensor.save_sample(name).unwrap();
    assert!(sensor.finished_job(LONG).problem.is_empty());
    sensor.start_learning(2000, 3600.0);
    assert_eq!((sensor.statistics().rows, sensor.statistics().seen), (12, 12));
    sensor.start_learning(5, 3600.0);
    assert_eq!((sensor.statistics().rows, sensor.statistics().seen), (5, 12));
    for senseless in [f64::NAN, 0.0, -1.0] {
        sensor.start_learning(5, senseless);
        assert_eq!(sensor.learning.reservoir.as_ref().unwrap().sampling().half_life, Some(60_000_000));
    }
    // Also after a restart.
    let mut next = Sensor::default();
    next.start_learning(7, 7200.0);
    next.load_sample(name).unwrap();
    assert_eq!((next.statistics().rows, next.statistics().seen), (7, 12));
}

#[test]
fn merges_samples_of_other_nodes_and_runs() {
    let mut worker = Sensor::default();
    let mut manager = Sensor::default();
    worker.start_learning(1000, 86_400.0);
    manager.start_learning(1000, 86_400.0);
    for i in 0..12 {
        score(&mut worker, &view(f64::from(i), 80));
        worker.learn(1000);
    }
    let (first, rest) = (worker.take_sample(10), worker.take_sample(10));
    assert_eq!((worker.statistics().rows, worker.statistics().seen), (0, 0));
    manager.merge_sample(&rest).unwrap();
    manager.merge_sample(&first).unwrap();
    assert_eq!((manager.statistics().rows, manager.statistics().seen), (12, 12));
    let mut damaged = first.clone();
    damaged[100] ^= 1;
    assert!(manager.merge_sample(&damaged).unwrap_err().contains("damaged"));
    let mut other = Sensor::default();
    other.start_learning(1000, 3600.0);
    // From a node with other settings, as during a change.
    other.merge_sample(&first).unwrap();
    assert_eq!((other.statistics().rows, other.statistics().seen), (10, 10));

    // The next run loads the saved sample.
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("sample");
    let name = file.as_os_str().as_bytes();
    let mut next = Sensor::default();
    next.start_learning(1000, 86_400.0);
    next.load_sample(name).unwrap();
    manager.save_sample(name).unwrap();
    assert!(manager.finished_job(LONG).problem.is_empty());
    next.load_sample(name).unwrap();
    assert_eq!((next.statistics().rows, next.statistics().seen), (12, 12));
}

#[test]
fn an_alert_budget_sets_the_threshold() {
    let (_directory, path) = saved_model();
    let mut sensor = Sensor::default();
    sensor.set_alerts_per_day(3.0);
    sensor.load_model(path.as_os_str().as_bytes()).unwrap();
    assert_eq!(threshold(&mut sensor), model().threshold_for_alerts(3.0));
    sensor.set_alerts_per_day(5000.0);
    assert_eq!(threshold(&mut sensor), model().threshold_for_alerts(5000.0));
    assert_ne!(threshold(&mut sensor), model().threshold());
    sensor.set_threshold(0.75);
    assert_eq!(threshold(&mut sensor), 0.75, "a threshold overrides a budget");
    sensor.set_threshold(0.0);
    for none in [0.0, f64::INFINITY, f64::NAN] {
        sensor.set_alerts_per_day(5000.0);
        sensor.set_alerts_per_day(none);
        assert_eq!(threshold(&mut sensor), model().threshold());
    }
}

#[test]
fn only_an_alert_has_reasons() {
    let mut sensor = with_model();
    sensor.set_threshold(0.001);
    let verdict = score(&mut sensor, &view(9e5, 31_337));
    assert!(verdict.outcome == Outcome::Alert && verdict.threshold == 0.001);
    assert!(verdict.reasons.contains("lasted 10d10h"), "{}", verdict.reasons);
    assert!(!verdict.main_reason.is_empty());
    sensor.set_threshold(0.999);
    let verdict = score(&mut sensor, &view(9e5, 31_337));
    assert!(verdict.outcome == Outcome::Normal && verdict.reasons.is_empty());
}

#[test]
fn after_a_panic_the_previous_connection_is_not_learnt_again() {
    use crate::panic::tests::INJECTED;
    for mut sensor in [Sensor::default(), with_model()] {
        sensor.start_learning(1000, 86_400.0);
        for _ in 0..9 {
            sensor.observe(&view(0.5, 80), false, 1);
        }
        INJECTED.set(true);
        let panic = catch(|| sensor.observe(&view(0.5, 80), true, 1));
        INJECTED.set(false);
        sensor.learn(1);
        assert!(panic.is_err());
        assert_eq!((sensor.statistics().learnt, sensor.statistics().failed), (0, 1));
    }
}

#[test]
fn loads_a_changed_model_file_once_and_only_when_checked() {
    let (_directory, path) = saved_model();
    let mut sensor = Sensor::default();
    sensor.load_model(path.as_os_str().as_bytes()).unwrap();
    model().save(&path).unwrap();
    for _ in 0..100 {
        score(&mut sensor, &view(0.5, 80));
    }
    assert_eq!(sensor.statistics().loaded, 1);
    for _ in 0..4 {
        sensor.check_model_file().unwrap();
    }
    while sensor.busy() {
        sensor.finished_job(LONG);
    }
    assert_eq!(sensor.statistics().loaded, 2);
}

#[test]
fn unloading_the_model_keeps_host_context() {
    let (_directory, path) = saved_model();
    let (mut sensor, mut other) = (with_model(), with_model());
    for i in 0..50 {
        score(&mut sensor, &view(f64::from(i), 80));
        score(&mut other, &view(f64::from(i), 80));
    }
    sensor.unload_model();
    sensor.start_learning(1000, 86_400.0);
    sensor.load_model(path.as_os_str().as_bytes()).unwrap();
    assert_eq!(score(&mut sensor, &view(0.5, 80)).score, score(&mut other, &view(0.5, 80)).score);
}

#[test]
fn locks_a_state_directory_again_after_its_removal() {
    let directory = tempfile::tempdir().unwrap();
    let state = directory.path().join("base/zeek");
    let mut sensor = Sensor::default();
    sensor.open_state(state.as_os_str().as_bytes()).unwrap();
    sensor.lock_state().unwrap();
    assert!(sensor.finished_job(LONG).kind == JobKind::NoChange);
    fs::remove_dir_all(directory.path().join("base")).unwrap();
    sensor.lock_state().unwrap();
    assert!(sensor.finished_job(LONG).kind == JobKind::Locked);
    assert!(state.is_dir());
}

#[test]
fn adopts_a_version_only_once_and_unparsed_if_it_is_loaded() {
    let mut sensor = with_model();
    let (bytes, version) = (sensor.model_bytes(), sensor.describe().version);
    assert_eq!(sensor.adopt_model(b"unparsed", version, b"", b"", false), Ok(false));
    assert!(sensor.adopt_model(&bytes, version + 1, b"", b"", false).unwrap_err().contains("announced"));
    assert!(sensor.adopt_model(&bytes, 1 << 53, b"", b"", false).unwrap_err().contains("in the future"));
}

/// Blocks the background thread until the returned sender is dropped.
fn hang(sensor: &mut Sensor) -> std::sync::mpsc::Sender<()> {
    let (ends, end) = std::sync::mpsc::channel();
    let waiting = move || {
        let _ = end.recv();
        JobResult::Released
    };
    sensor.background.start(waiting, |_| JobResult::Released).unwrap();
    ends
}

/// Waits for jobs that have no effect.
fn until_idle(sensor: &mut Sensor) {
    while sensor.busy() {
        assert!(sensor.finished_job(LONG).kind == JobKind::NoChange);
    }
}

#[test]
fn writes_an_adopted_model_in_the_background_or_first() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("model");
    let (name, source) = (file.as_os_str().as_bytes(), with_model());
    let (bytes, version) = (source.model_bytes(), source.describe().version);
    let mut worker = Sensor::default();
    let ends = hang(&mut worker);
    assert_eq!(worker.adopt_model(&bytes, version, b"", name, false), Ok(true));
    assert!(worker.model().is_some() && !file.exists());
    drop(ends);
    assert!(worker.finished_job(LONG).kind == JobKind::NoChange && worker.finished_job(LONG).kind == JobKind::Saved);
    assert_eq!(fs::read(&file).unwrap(), bytes);
    fs::remove_file(&file).unwrap();
    let mut manager = Sensor::default();
    assert_eq!(manager.adopt_model(&bytes, version, b"", name, true), Ok(true));
    assert_eq!(fs::read(&file).unwrap(), bytes);
}

#[test]
fn releases_a_directory_after_pending_writes() {
    let directories = tempfile::tempdir().unwrap();
    let at = |name: &str| directories.path().join(name).into_os_string().into_encoded_bytes();
    let (mut sensor, mut next) = (Sensor::default(), Sensor::default());
    sensor.open_state(&at("first/zeek")).unwrap();
    let ends = hang(&mut sensor);
    // The same directory by another name stays locked.
    sensor.open_state(&at("first/../first/zeek")).unwrap();
    sensor.open_state(&at("second/zeek")).unwrap();
    assert!(next.open_state(&at("first/zeek")).unwrap_err().contains("is in use by another Zeek"));
    next.lock_state().unwrap();
    assert!(next.finished_job(LONG).kind == JobKind::NoChange);
    drop(ends);
    until_idle(&mut sensor);
    next.lock_state().unwrap();
    assert!(next.finished_job(LONG).kind == JobKind::Locked);
    assert!(sensor.open_state(&at("first/zeek")).unwrap_err().contains("is in use by another Zeek"));
    // A lock that is no longer wanted is released.
    next.open_state(b"").unwrap();
    until_idle(&mut next);
    sensor.lock_state().unwrap();
    sensor.open_state(&at("third/zeek")).unwrap();
    until_idle(&mut sensor);
    next.open_state(&at("first/zeek")).unwrap();
}

/// Connection `i` from one of 300 clients to a server, one every 20 seconds.
fn peer(i: u32) -> ConnectionView<'static> {
    let mut view = view(f64::from(i % 50) / 10.0, 443);
    view.ts += 20.0 * f64::from(i);
    view.orig.addr[15] = (i % 300 % 250) as u8;
    view.orig.addr[14] = (i % 300 / 250) as u8;
    view.resp.addr[0] = 10;
    view.orig.bytes.value += u64::from(i * 31 % 500);
    view
}

/// Connection of another client to the server that lasts `seconds` and ends just before connection `i`.
fn ending_before(i: u32, seconds: f64) -> ConnectionView<'static> {
    let mut view = peer(i);
    view.orig.addr[13] = 1;
    ConnectionView { ts: view.ts - 1.0 - seconds, duration: seconds, ..view }
}

/// Scores of the connections of the 300 clients, and whether they alert.
fn verdicts(sensor: &mut Sensor, from: u32) -> Vec<(f64, bool)> {
    let verdicts = (from..from + 300).map(|i| score(sensor, &peer(i)));
    verdicts.map(|verdict| (verdict.score, verdict.outcome == Outcome::Alert)).collect()
}

#[test]
fn a_connection_of_25_hours_does_not_change_the_verdicts_of_a_servers_clients() {
    let after = |seconds| {
        let mut sensor = with_model();
        (0..1500).for_each(|i| _ = score(&mut sensor, &peer(i)));
        score(&mut sensor, &ending_before(1500, seconds));
        verdicts(&mut sensor, 1500)
    };
    assert_eq!(after(25.0 * 3600.0), after(1.0));
    let cold = verdicts(&mut with_model(), 1500);
    assert_ne!(after(1.0), cold, "context matters");
}

#[test]
fn connections_closed_at_shutdown_do_not_clear_the_saved_context() {
    let directory = tempfile::tempdir().unwrap();
    let (file, model_file) = (directory.path().join("memory"), directory.path().join("model"));
    model().save(&model_file).unwrap();
    let after = |durations: &dyn Fn(u32) -> f64| {
        let mut sensor = Sensor::default();
        sensor.load_model(model_file.as_os_str().as_bytes()).unwrap();
        (0..1500).for_each(|i| _ = score(&mut sensor, &peer(i)));
        // Zeek removes open connections in random order; all end now.
        (0..200).for_each(|i| _ = score(&mut sensor, &ending_before(1500, durations(i * 37 % 200))));
        sensor.save_context(file.as_os_str().as_bytes()).unwrap();
        assert!(sensor.finished_job(LONG).problem.is_empty());
        let mut next = Sensor::default();
        next.load_model(model_file.as_os_str().as_bytes()).unwrap();
        next.load_context(file.as_os_str().as_bytes()).unwrap();
        verdicts(&mut next, 1500)
    };
    assert_eq!(after(&|i| f64::from(i) * 1800.0), after(&|_| 1.0));
}

/// Connection `i` of a network with ten million a day.
fn busy(i: u32) -> ConnectionView<'static> {
    let mut view = peer(i % 100 * 7 + i % 13);
    view.ts = 1_700_000_000.0 + f64::from(i) * 86_400.0 / 1e7;
    view.duration = f64::from(i * 7919 % 9001) / 100.0;
    view
}

/// Model of 20,000 connections at a rate of ten million a day.
fn model_of_10_million_a_day() -> Model {
    let mut trainer = Trainer::new(Params::default());
    (0..20_000).for_each(|i| trainer.learn(&connection(&busy(i))));
    trainer.fit().unwrap()
}

#[test]
fn a_stronger_anomaly_than_any_learnt_alerts_at_10_million_connections_a_day() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("model");
    model_of_10_million_a_day().save(&file).unwrap();
    for alerts_per_day in [100.0, 20.0, 0.1] {
        let mut sensor = Sensor::default();
        sensor.set_alerts_per_day(alerts_per_day);
        sensor.load_model(file.as_os_str().as_bytes()).unwrap();
        let usual = (0..20_000).filter(|&i| score(&mut sensor, &busy(i)).outcome == Outcome::Alert).count();
        let mut strange = ConnectionView { duration: 500_000.0, conn_state: b"RSTR", service: b"", ..busy(20_000) };
        strange.ts -= strange.duration;
        strange.resp.port = 31_337;
        (strange.orig.bytes.value, strange.orig.pkts.value) = (40_000_000_000, 30_000_000);
        let Verdict { outcome, score, threshold, .. } = score(&mut sensor, &strange);
        assert!(outcome == Outcome::Alert, "{score} is below {threshold}");
        assert!(usual < 10, "{usual} usual connections alert");
    }
}

#[test]
fn warns_of_a_budget_beyond_the_sample() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("model");
    model_of_10_million_a_day().save(&file).unwrap();
    let mut sensor = Sensor::default();
    assert_eq!(sensor.budget_problem(), "");
    sensor.load_model(file.as_os_str().as_bytes()).unwrap();
    assert_eq!(
        sensor.budget_problem(),
        "the sample is too small for 20 alerts a day; the threshold is extrapolated; train the model on more \
         connections"
    );
    sensor.start_learning(256, 86_400.0);
    assert_eq!(sensor.budget_problem(), "", "a first model is provisional");
    sensor.set_alerts_per_day(20.0);
    assert!(sensor.budget_problem().ends_with("will be more exact"), "{}", sensor.budget_problem());
    for i in 0..5000 {
        score(&mut sensor, &ConnectionView { ts: f64::from(i) * 3600.0, ..peer(i) });
        sensor.learn(u64::MAX);
    }
    assert!(sensor.budget_problem().contains("raise IForest::reservoir_rows"), "{}", sensor.budget_problem());
    sensor.set_alerts_per_day(100_000.0);
    assert_eq!(sensor.budget_problem(), "");
    sensor.set_alerts_per_day(0.0);
    sensor.set_threshold(0.6);
    assert_eq!(sensor.budget_problem(), "", "no budget is in force");
}

#[test]
fn a_fit_and_a_save_do_not_copy_the_reservoir_on_the_packet_thread() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("sample");
    let mut sensor = Sensor::default();
    sensor.start_learning(50_000, 7.0 * 86_400.0);
    for view in from_everywhere().take(50_000) {
        sensor.score(&view, true, u64::MAX);
    }
    let rows = sensor.statistics().rows as usize * size_of::<FeatureRow>();
    for i in 0..2 {
        let ends = hang(&mut sensor);
        let allocated = allocation_counter::measure(|| match i {
            0 => sensor.save_sample(file.as_os_str().as_bytes()).unwrap(),
            _ => sensor.fit(7, 20.0, b"").unwrap(),
        });
        assert!(rows > 4_000_000 && allocated.bytes_total < 50_000, "{} of {rows}", allocated.bytes_total);
        drop(ends);
        while sensor.busy() {
            sensor.finished_job(LONG);
        }
    }
    assert!(file.exists() && sensor.model().is_some());
}

#[test]
fn a_saved_model_that_is_dated_in_the_future_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("model");
    let mut saved = model();
    saved.set_origin("1", 1 << 53, Vec::new());
    saved.save(&file).unwrap();
    let refusal = Sensor::default().load_saved_model(file.as_os_str().as_bytes()).unwrap_err();
    assert!(refusal.contains("in the future"), "{refusal}");
}

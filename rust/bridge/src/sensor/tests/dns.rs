//! Tests of the sensor for dns.log.

use super::*;

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
fn messages_about_queries_name_them() {
    let mut sensor = Sensor::default().for_log(LogKind::Dns);
    let (_directory, path) = saved_model();
    let refusal = sensor.load_model(path.as_os_str().as_bytes()).unwrap_err();
    assert!(refusal.contains("is a model of conn.log; give a model of dns.log; queries are not scored"), "{refusal}");
    assert_eq!(sensor.statistics().refused, 1);
}

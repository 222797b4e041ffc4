//! Tests of scores, thresholds and reasons.

use super::*;

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

#[test]
fn scoring_without_alerts_allocates_nothing() {
    let mut sensor = with_model();
    sensor.set_threshold(2.0);
    let mut allocating = 0;
    let mut views = from_everywhere();
    // The first rows fill the cache of scores.
    views.by_ref().take(10_000).for_each(|view| _ = score(&mut sensor, &view));
    for view in views {
        let allocated = allocation_counter::measure(|| {
            assert!(score(&mut sensor, &view).outcome != Outcome::NoModel);
        });
        allocating += usize::from(allocated.count_total > 0);
    }
    assert_eq!((allocating, sensor.statistics().alerted), (0, 0));
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
        let panic = crate::panic::catch(|| sensor.observe(&view(0.5, 80), true, 1));
        INJECTED.set(false);
        sensor.learn(1);
        assert!(panic.is_err());
        assert_eq!((sensor.statistics().learnt, sensor.statistics().failed), (0, 1));
    }
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
        "the sample of conn.log is too small for 20 alerts a day; the threshold is extrapolated; train the model on \
         more connections"
    );
    sensor.start_learning(256, 86_400.0);
    assert_eq!(sensor.budget_problem(), "", "a first model is provisional");
    sensor.set_alerts_per_day(20.0);
    assert!(sensor.budget_problem().ends_with("the next fits use more connections"), "{}", sensor.budget_problem());
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

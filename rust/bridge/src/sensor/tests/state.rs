//! Tests of the state directory and of saved context.

use super::*;

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
fn a_beacon_of_a_day_is_found_across_a_restart() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("memory");
    let name = file.as_os_str().as_bytes();
    let started = || {
        let mut sensor = with_model();
        sensor.set_threshold(1.0);
        sensor.incidents.start(3600.0, false);
        sensor
    };
    let exchange = |sensor: &mut Sensor, i: u32| {
        let mut view = ConnectionView { ts: 1_700_001_000.0 + 250.0 * f64::from(i), ..view(0.5, 443) };
        view.orig.addr = [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 255, 255, 10, 0, 0, 1];
        view.resp.addr = [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 255, 255, 9, 9, 9, 9];
        score(sensor, &view);
    };
    let finds_it = |sensor: &mut Sensor| {
        sensor.incidents.get().close_incidents(0.0, true);
        let changes = std::iter::from_fn(|| Some(sensor.incidents.get().next_incident()));
        let mut changes = changes.take_while(|change| change.event != types::IncidentEvent::None);
        changes.any(|change| change.reasons.iter().any(|reason| reason.contains("connections of equal size")))
    };
    let mut sensor = started();
    (0..200).for_each(|i| exchange(&mut sensor, i));
    sensor.save_context(name).unwrap();
    assert!(sensor.finished_job(LONG).problem.is_empty() && !finds_it(&mut sensor));
    let (mut next, mut cold) = (started(), started());
    next.load_context(name).unwrap();
    for sensor in [&mut next, &mut cold] {
        (200..400).for_each(|i| exchange(sensor, i));
    }
    assert!(finds_it(&mut next) && !finds_it(&mut cold));
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
    assert!(next.load_context(name).unwrap_err().contains("memory: is not a context file"));
    // Without a model only host context is saved.
    let mut early = Sensor::default();
    early.start_learning(1000, 86_400.0);
    score(&mut early, &view(0.5, 80));
    early.save_context(name).unwrap();
    assert!(early.finished_job(LONG).problem.is_empty());
    early.load_context(name).unwrap();
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

//! Tests of model files: trust, reloading, adoption from other nodes.

use super::*;

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
fn retries_a_model_when_its_signature_changes() {
    let (_directory, path) = saved_model();
    let mut sensor = Sensor::default();
    sensor.set_trust(b"RWTL6Haq3nUaWx6uvpwnxKnqpOUxP0sL6v+9r5fxHldG5/fnlYpcUQQ4", false);
    let refusal = sensor.load_model(path.as_os_str().as_bytes()).unwrap_err();
    assert!(refusal.contains("is not signed") && refusal.ends_with("connections are not scored"), "{refusal}");
    assert!(check(&mut sensor).kind == JobKind::NoChange);
    std::fs::write(detector::signature_of(&path), "another's").unwrap();
    let refused = check(&mut sensor);
    assert!(
        refused.kind == JobKind::Refused && refused.problem.contains("does not match the file and the trusted key"),
        "{}",
        refused.problem
    );
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
fn adopts_a_version_only_once_and_unparsed_if_it_is_loaded() {
    let mut sensor = with_model();
    let (bytes, version) = (sensor.model_bytes(), sensor.describe().version);
    assert_eq!(sensor.adopt_model(b"unparsed", version, b"", b"", false), Ok(false));
    assert!(sensor.adopt_model(&bytes, version + 1, b"", b"", false).unwrap_err().contains("announced"));
    assert!(sensor.adopt_model(&bytes, 1 << 53, b"", b"", false).unwrap_err().contains("in the future"));
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
fn any_model_replaces_one_dated_by_a_clock_that_ran_ahead() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("model");
    let name = file.as_os_str().as_bytes();
    let mut ahead = model();
    ahead.set_origin("1", 1 << 53, Vec::new());
    ahead.save(&file).unwrap();
    let mut sensor = Sensor::default();
    sensor.load_model(name).unwrap();
    assert!(sensor.model().is_some() && sensor.describe().version == 0);
    sensor.save_model(name).unwrap();
    assert!(!sensor.busy());
    let present = with_model();
    let (bytes, version) = (present.model_bytes(), present.describe().version);
    assert_eq!(sensor.adopt_model(&bytes, version, b"", b"", false), Ok(true));
    assert_eq!(sensor.describe().version, version);
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

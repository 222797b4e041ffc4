//! A sensor is driven as Zeek drives it: through what the border offers.

use std::fs;
use std::path::PathBuf;

use detector::{Connection, Params, Trainer};
use tempfile::TempDir;

use super::*;
use crate::ffi::{self, Done, Finished};

/// Seconds; longer than any job takes.
const LONG: f64 = 600.0;

fn view(duration: f64, resp_port: u16) -> ConnectionView<'static> {
    let count = |value| ffi::Count { set: true, value };
    let side = |port| ffi::Endpoint {
        addr: [0; 16],
        port,
        local: ffi::Known::Unset,
        bytes: count(100),
        pkts: count(3),
        ip_bytes: count(220),
    };
    ConnectionView {
        ts: 1_700_000_000.25,
        duration,
        orig: side(50_000),
        resp: side(resp_port),
        proto: ffi::Proto::Tcp,
        missed_bytes: 0,
        conn_state: b"SF",
        service: b"http",
        history: b"ShADadFf",
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

/// A model in a file, in a directory that lasts as long as it is held.
fn saved_model() -> (TempDir, PathBuf) {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("model");
    model().save(&path).unwrap();
    (directory, path)
}

/// A sensor that scores.
fn with_model() -> Box<Sensor> {
    let (_directory, path) = saved_model();
    let mut sensor = new_sensor();
    sensor.load_model(path.as_os_str().as_bytes()).unwrap();
    sensor
}

/// Looks at the model file, and waits for what comes of it.
fn look(sensor: &mut Sensor) -> Done {
    sensor.look_at_model().unwrap();
    sensor.finished(LONG)
}

#[test]
fn scores_are_the_detectors_own() {
    let mut sensor = with_model();
    let mut detector = Detector::new(model());
    for (duration, port) in [(0.5, 80), (-1.0, 80), (9e5, 31_337)] {
        let verdict = sensor.score(&view(duration, port));
        assert!(verdict.outcome == Outcome::Scored);
        assert_eq!(verdict.score, detector.score(&connection(&view(duration, port))).score);
    }
}

#[test]
fn unset_and_empty_fields_are_unset() {
    let mut view = view(-1.0, 80);
    view.service = b"";
    view.history = b"";
    view.conn_state = b"";
    view.orig.bytes = ffi::Count::default();
    view.orig.local = ffi::Known::No;
    let connection = connection(&view);
    assert_eq!((connection.duration, connection.conn_state), (None, None));
    assert_eq!((connection.service, connection.history), (None, None));
    assert_eq!((connection.orig.bytes, connection.resp.bytes), (None, Some(100)));
    assert_eq!((connection.orig.local, connection.resp.local), (Some(false), None));
    assert_eq!(connection.ts, Connection::micros(1_700_000_000.25));
}

/// A million connections, each from an originator of its own.
fn from_everywhere() -> impl Iterator<Item = ConnectionView<'static>> {
    (0..1_000_000u32).map(|i| {
        let mut view = view(f64::from(i % 50) / 10.0, 80);
        view.ts += f64::from(i) / 1e3;
        view.orig.addr[12..].copy_from_slice(&i.to_be_bytes());
        view
    })
}

#[test]
fn a_connection_allocates_nothing_unless_it_is_anomalous() {
    let mut sensor = with_model();
    sensor.set_threshold(2.0);
    let mut allocating = 0;
    for view in from_everywhere() {
        let allocated = allocation_counter::measure(|| {
            assert!(sensor.score(&view).outcome == Outcome::Scored);
        });
        allocating += usize::from(allocated.count_total > 0);
    }
    assert_eq!(allocating as u64, sensor.statistics().flagged, "only evidence that adds up passes a threshold of 2");
}

#[test]
fn learning_takes_no_more_memory_once_the_reservoir_is_full() {
    let mut sensor = new_sensor();
    sensor.start_learning(1000, 86_400.0);
    let mut traffic = from_everywhere();
    let learn = |sensor: &mut Sensor, view: ConnectionView<'_>| {
        sensor.score(&view);
        sensor.learn(u64::MAX);
    };
    traffic.by_ref().take(100_000).for_each(|view| learn(&mut sensor, view));
    let grown = allocation_counter::measure(|| traffic.by_ref().for_each(|view| learn(&mut sensor, view)));
    assert_eq!(sensor.statistics().rows, 1000);
    assert!(grown.bytes_current.abs() < 1 << 20, "{grown:?}");
}

#[test]
fn a_model_that_others_can_write_to_is_refused_unless_allowed() {
    use std::os::unix::fs::PermissionsExt;
    let (_directory, path) = saved_model();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o666)).unwrap();
    let mut sensor = new_sensor();
    let name = path.as_os_str().as_bytes();
    for refusal in [sensor.load_model(name).unwrap_err(), sensor.load_state(name).unwrap_err()] {
        assert!(refusal.contains("others can write to"), "{refusal}");
    }
    assert!(look(&mut sensor).what == Finished::Unchanged);
    sensor.set_trust("", true);
    assert!(look(&mut sensor).what == Finished::Loaded);
    assert!(look(&mut sensor).what == Finished::Unchanged);
    let mut other = new_sensor();
    other.set_trust("", true);
    assert_eq!(other.load_state(name), Ok(true));

    // As the refusal says.
    sensor.set_trust("", false);
    sensor.load_model(name).unwrap_err();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
    assert!(look(&mut sensor).what == Finished::Loaded);
}

#[test]
fn what_was_asked_meanwhile_overrules_a_look() {
    let (directory, path) = saved_model();
    let other = directory.path().join("other");
    model().save(&other).unwrap();
    type Meanwhile<'a> = Box<dyn Fn(&mut Sensor) + 'a>;
    let meanwhile: [Meanwhile<'_>; 3] = [
        Box::new(|sensor| sensor.load_model(other.as_os_str().as_bytes()).unwrap()),
        Box::new(|sensor| sensor.set_trust("nobody's", false)),
        Box::new(Sensor::unload_model),
    ];
    for asked in meanwhile {
        let mut sensor = new_sensor();
        sensor.load_model(path.as_os_str().as_bytes()).unwrap();
        model().save(&path).unwrap();
        sensor.look_at_model().unwrap();
        asked(&mut sensor);
        let before = sensor.statistics().loaded;
        assert!(sensor.finished(LONG).what == Finished::Unchanged);
        assert_eq!((sensor.statistics().loaded, sensor.statistics().refused), (before, 0));
    }
}

#[test]
fn a_state_directory_that_others_can_write_to_is_left_alone() {
    use std::os::unix::fs::PermissionsExt;
    let directory = tempfile::tempdir().unwrap();
    let name = directory.path().as_os_str().as_bytes();
    let mut sensor = new_sensor();
    fs::set_permissions(directory.path(), fs::Permissions::from_mode(0o777)).unwrap();
    assert!(sensor.open_state(name).unwrap_err().contains("others can write to"));
    sensor.set_trust("", true);
    sensor.open_state(name).unwrap();
}

#[test]
fn a_signature_that_comes_after_the_model_is_another_try_worth() {
    let (_directory, path) = saved_model();
    let mut sensor = new_sensor();
    sensor.set_trust("RWTL6Haq3nUaWx6uvpwnxKnqpOUxP0sL6v+9r5fxHldG5/fnlYpcUQQ4", false);
    let refusal = sensor.load_model(path.as_os_str().as_bytes()).unwrap_err();
    assert!(refusal.contains("is not signed") && refusal.ends_with("connections are not scored"), "{refusal}");
    assert!(look(&mut sensor).what == Finished::Unchanged);
    std::fs::write(detector::signature_of(&path), "another's").unwrap();
    let refused = look(&mut sensor);
    assert!(refused.what == Finished::Refused && refused.problem.contains("not its signature"), "{}", refused.problem);
    assert_eq!(refused.file, path.to_str().unwrap());
    // What a sensor wrote itself has none.
    assert_eq!(sensor.load_state(path.as_os_str().as_bytes()), Ok(true));
}

#[test]
fn a_refused_model_leaves_the_one_before_at_work() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("model");
    let name = path.as_os_str().as_bytes();
    let mut sensor = new_sensor();
    sensor.look_at_model().unwrap();
    assert!(!sensor.busy(), "nothing was tried");

    let refusal = sensor.load_model(name).unwrap_err();
    assert!(refusal.starts_with(path.to_str().unwrap()), "{refusal}");
    assert!(refusal.ends_with("; connections are not scored"), "{refusal}");
    assert!(look(&mut sensor).what == Finished::Unchanged, "still missing");
    assert!(sensor.score(&view(0.5, 80)).outcome == Outcome::NoModel);

    model().save(&path).unwrap();
    assert!(look(&mut sensor).what == Finished::Loaded);
    assert!(look(&mut sensor).what == Finished::Unchanged);

    fs::write(&path, "damaged").unwrap();
    let Done { what, problem, .. } = look(&mut sensor);
    assert!(what == Finished::Refused && problem.ends_with("; the model before it stays at work"), "{problem}");
    assert!(look(&mut sensor).what == Finished::Unchanged, "one try per version of the file");
    assert!(sensor.score(&view(0.5, 80)).outcome == Outcome::Scored);

    sensor.unload_model();
    assert!(sensor.score(&view(0.5, 80)).outcome == Outcome::NoModel);
    sensor.look_at_model().unwrap();
    assert!(!sensor.busy());
}

#[test]
fn a_threshold_overrules_the_models_own() {
    let (_directory, path) = saved_model();
    let mut sensor = new_sensor();
    assert_eq!(sensor.threshold(), 0.0);
    sensor.load_model(path.as_os_str().as_bytes()).unwrap();
    assert_eq!(sensor.threshold(), model().threshold());

    // The same connection again is another score: context has moved on.
    for threshold in [0.001, 0.999] {
        sensor.set_threshold(threshold);
        let verdict = sensor.score(&view(0.5, 80));
        assert_eq!(verdict.anomalous, verdict.score >= threshold);
    }
    sensor.set_threshold(0.0);
    assert_eq!(sensor.threshold(), model().threshold());
}

#[test]
fn it_learns_and_then_scores() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("model");
    let mut sensor = new_sensor();
    sensor.start_learning(1000, 86_400.0);
    assert!(!sensor.busy() && !sensor.fit_is_due(300));
    for i in 0..400 {
        assert!(sensor.score(&view(f64::from(i % 50) / 10.0, 80)).outcome == Outcome::NoModel);
        sensor.learn(400);
        // What was learnt from once is not learnt from again.
        assert!(!sensor.learn(400));
    }
    assert_eq!((sensor.statistics().seen, sensor.statistics().without_model), (400, 400));
    // Of one originator no more than a quota is kept: not a tenth of what there was.
    assert!(!sensor.fit_is_due(400) && sensor.fit_is_due(150));
    assert!(!sensor.can_fit(400) && sensor.can_fit(150));
    assert!(sensor.fit(7, f64::INFINITY, b"").unwrap_err().contains("inf is no number of alerts"));
    sensor.fit(7, 20.0, file.as_os_str().as_bytes()).unwrap();
    assert!(sensor.busy() && !sensor.fit_is_due(150) && !sensor.can_fit(150));
    assert!(sensor.fit(8, 20.0, b"").unwrap_err().contains("under way"));
    let done = sensor.finished(LONG);
    assert!(done.what == ffi::Finished::Fitted && done.problem.is_empty() && done.pause > 0.0);
    assert!(sensor.score(&view(0.5, 80)).outcome == Outcome::Scored);
    assert_eq!(sensor.describe().version, 7);
    assert_eq!((fs::read(&file).unwrap(), done.file.as_str()), (sensor.model_bytes(), file.to_str().unwrap()));

    // Another node takes it over; an older or a damaged one it does not.
    let mut other = new_sensor();
    let (bytes, checksum) = (sensor.model_bytes(), sensor.describe().checksum);
    assert_eq!(other.adopt_model(&bytes, &checksum, b"", false), Ok(true));
    assert_eq!(other.adopt_model(&bytes, &checksum, b"", false), Ok(false), "it has that one");
    assert!(other.score(&view(0.5, 80)).outcome == Outcome::Scored);
    sensor.recalibrate(9, 20.0, b"").unwrap();
    assert!(sensor.finished(LONG).what == ffi::Finished::Fitted);
    assert_eq!(other.adopt_model(&sensor.model_bytes(), "", b"", false), Ok(true));
    assert!(other.adopt_model(&bytes, &checksum, b"", false).unwrap_err().contains("older"));
    let mut damaged = sensor.model_bytes();
    damaged[500] ^= 1;
    assert!(other.adopt_model(&damaged, "", b"", false).unwrap_err().contains("damaged"));
    assert!(
        other.adopt_model(&sensor.model_bytes(), "0123456789abcdef", b"", false).unwrap_err().contains("announced")
    );
    assert_eq!((other.describe().version, other.statistics().refused), (9, 3));
}

#[test]
fn a_restart_goes_on_with_what_is_remembered() {
    let directory = tempfile::tempdir().unwrap();
    let (model_file, memory_file) = (directory.path().join("model"), directory.path().join("memory"));
    let name = memory_file.as_os_str().as_bytes();
    model().save(&model_file).unwrap();
    let mut sensor = new_sensor();
    sensor.load_memory(name).unwrap();
    sensor.load_state(model_file.as_os_str().as_bytes()).unwrap();
    let score = |sensor: &mut Sensor, i: u32| sensor.score(&view(f64::from(i % 50) / 10.0, 80)).score;
    (0..1200).for_each(|i| _ = score(&mut sensor, i));
    sensor.save_memory(name).unwrap();
    assert!(sensor.finished(LONG).problem.is_empty());
    let mut next = new_sensor();
    next.load_state(model_file.as_os_str().as_bytes()).unwrap();
    let mut cold = new_sensor();
    cold.load_state(model_file.as_os_str().as_bytes()).unwrap();
    next.load_memory(name).unwrap();
    assert_eq!(next.statistics().drift, sensor.statistics().drift);
    assert!(next.statistics().drift > 0.0);
    let scored = score(&mut sensor, 7);
    assert_eq!(score(&mut next, 7), scored);
    assert_ne!(score(&mut cold, 7), scored);
    fs::write(&memory_file, "damaged").unwrap();
    assert!(next.load_memory(name).unwrap_err().contains("memory: is something else"));
    // Without a model it is the hosts alone.
    let mut early = new_sensor();
    early.start_learning(1000, 86_400.0);
    early.score(&view(0.5, 80));
    early.save_memory(name).unwrap();
    assert!(early.finished(LONG).problem.is_empty());
    early.load_memory(name).unwrap();
}

#[test]
fn other_figures_keep_what_was_learnt() {
    let (directory, mut sensor) = (tempfile::tempdir().unwrap(), new_sensor());
    let file = directory.path().join("sample");
    let name = file.as_os_str().as_bytes();
    sensor.start_learning(1000, 86_400.0);
    for i in 0..12 {
        sensor.score(&view(f64::from(i), 80));
        sensor.learn(1000);
    }
    sensor.save_sample(name).unwrap();
    assert!(sensor.finished(LONG).problem.is_empty());
    sensor.start_learning(2000, 3600.0);
    assert_eq!((sensor.statistics().rows, sensor.statistics().seen), (12, 12));
    sensor.start_learning(5, 3600.0);
    assert_eq!((sensor.statistics().rows, sensor.statistics().seen), (5, 12));
    for senseless in [f64::NAN, 0.0, -1.0] {
        sensor.start_learning(5, senseless);
        assert_eq!(sensor.learning.reservoir.as_ref().unwrap().sampling().half_life, Some(60_000_000));
    }
    // And over a restart.
    let mut next = new_sensor();
    next.start_learning(7, 7200.0);
    next.load_sample(name).unwrap();
    assert_eq!((next.statistics().rows, next.statistics().seen), (7, 12));
}

#[test]
fn samples_go_from_node_to_node() {
    let mut worker = new_sensor();
    let mut manager = new_sensor();
    worker.start_learning(1000, 86_400.0);
    manager.start_learning(1000, 86_400.0);
    for i in 0..12 {
        worker.score(&view(f64::from(i), 80));
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
    let mut other = new_sensor();
    other.start_learning(1000, 3600.0);
    // From a node that has other figures, as while they are being changed.
    other.merge_sample(&first).unwrap();
    assert_eq!((other.statistics().rows, other.statistics().seen), (10, 10));

    // And to the next run.
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("sample");
    let name = file.as_os_str().as_bytes();
    let mut next = new_sensor();
    next.start_learning(1000, 86_400.0);
    next.load_sample(name).unwrap();
    manager.save_sample(name).unwrap();
    assert!(manager.finished(LONG).problem.is_empty());
    next.load_sample(name).unwrap();
    assert_eq!((next.statistics().rows, next.statistics().seen), (12, 12));
}

#[test]
fn a_budget_of_alerts_sets_the_threshold_of_every_model() {
    let (_directory, path) = saved_model();
    let mut sensor = new_sensor();
    sensor.set_alerts_per_day(3.0);
    sensor.load_model(path.as_os_str().as_bytes()).unwrap();
    assert_eq!(sensor.threshold(), model().threshold_for_alerts(3.0));
    sensor.set_alerts_per_day(5000.0);
    assert_eq!(sensor.threshold(), model().threshold_for_alerts(5000.0));
    assert_ne!(sensor.threshold(), model().threshold());
    sensor.set_threshold(0.75);
    assert_eq!(sensor.threshold(), 0.75, "a threshold overrules a budget");
    sensor.set_threshold(0.0);
    for none in [0.0, f64::INFINITY, f64::NAN] {
        sensor.set_alerts_per_day(5000.0);
        sensor.set_alerts_per_day(none);
        assert_eq!(sensor.threshold(), model().threshold());
    }
}

#[test]
fn an_anomaly_has_reasons() {
    let mut sensor = with_model();
    sensor.set_threshold(0.001);
    sensor.score(&view(9e5, 31_337));
    let reasons = sensor.reasons();
    assert!(reasons.text.contains("10d10h long, usually under 4.9s"), "{}", reasons.text);
    assert!(!reasons.main.is_empty());
    sensor.set_threshold(0.999);
    sensor.score(&view(9e5, 31_337));
    assert_eq!(sensor.reasons().text, "");
}

#[test]
fn after_a_fault_the_connection_before_is_not_learnt_from_again() {
    use crate::fault::tests::PLANTED;
    for mut sensor in [new_sensor(), with_model()] {
        sensor.start_learning(1000, 86_400.0);
        // One fault after scores, one after others.
        for _ in 0..9 {
            sensor.score(&view(0.5, 80));
        }
        PLANTED.set(true);
        let scored = sensor.score(&view(0.5, 80)).outcome;
        PLANTED.set(false);
        sensor.learn(1);
        sensor.pass_by(&view(0.5, 80));
        PLANTED.set(true);
        let passed = sensor.pass_by(&view(0.5, 80));
        PLANTED.set(false);
        sensor.learn(1);
        assert!(scored == Outcome::Fault && passed == Outcome::Fault);
        assert_eq!(sensor.statistics().learnt, 0);
    }
}

/// Keeps the background waiting until what is returned is dropped.
fn hang(sensor: &mut Sensor) -> std::sync::mpsc::Sender<()> {
    let (ends, end) = std::sync::mpsc::channel();
    let waiting = move || {
        let _ = end.recv();
        Report::Released
    };
    sensor.background.start(waiting, |_| Report::Released).unwrap();
    ends
}

/// Waits for what is under way, of which nobody is to be told.
fn until_idle(sensor: &mut Sensor) {
    while sensor.busy() {
        assert!(sensor.finished(LONG).what == Finished::Unchanged);
    }
}

#[test]
fn a_model_of_another_node_is_written_in_the_background_unless_it_is_to_be_written_first() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("model");
    let (name, bytes) = (file.as_os_str().as_bytes(), with_model().model_bytes());
    let mut worker = new_sensor();
    let ends = hang(&mut worker);
    assert_eq!(worker.adopt_model(&bytes, "", name, false), Ok(true));
    assert!(worker.model().is_some() && !file.exists());
    drop(ends);
    assert!(worker.finished(LONG).what == Finished::Unchanged && worker.finished(LONG).what == Finished::Saved);
    assert_eq!(fs::read(&file).unwrap(), bytes);
    fs::remove_file(&file).unwrap();
    let mut manager = new_sensor();
    assert_eq!(manager.adopt_model(&bytes, "", name, true), Ok(true));
    assert_eq!(fs::read(&file).unwrap(), bytes);
}

#[test]
fn a_directory_is_given_up_when_all_is_written_there() {
    let directories = tempfile::tempdir().unwrap();
    let at = |name: &str| directories.path().join(name).into_os_string().into_encoded_bytes();
    let (mut sensor, mut next) = (new_sensor(), new_sensor());
    sensor.open_state(&at("first/zeek")).unwrap();
    let ends = hang(&mut sensor);
    // The same by another name is not given up.
    sensor.open_state(&at("first/../first/zeek")).unwrap();
    sensor.open_state(&at("second/zeek")).unwrap();
    assert!(next.open_state(&at("first/zeek")).unwrap_err().contains("is in use by another Zeek"));
    next.claim_state().unwrap();
    assert!(next.finished(LONG).what == Finished::Unchanged);
    drop(ends);
    until_idle(&mut sensor);
    next.claim_state().unwrap();
    assert!(next.finished(LONG).what == Finished::Claimed);
    assert!(sensor.open_state(&at("first/zeek")).unwrap_err().contains("is in use by another Zeek"));
    // What was not asked for any more is given back.
    next.open_state(b"").unwrap();
    until_idle(&mut next);
    sensor.claim_state().unwrap();
    sensor.open_state(&at("third/zeek")).unwrap();
    until_idle(&mut sensor);
    next.open_state(&at("first/zeek")).unwrap();
}

#[test]
fn a_fault_is_told_once() {
    let mut sensor = new_sensor();
    assert_eq!(sensor.take_fault(), "");
    sensor.fault = caught(|| panic!("first")).err();
    assert!(sensor.take_fault().starts_with("first"));
    sensor.fault.get_or_insert("second".into());
    assert_eq!(sensor.take_fault(), "");
}

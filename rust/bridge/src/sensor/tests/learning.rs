//! Tests of learning and fits.

use super::*;

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

#[test]
fn a_fit_does_not_replace_a_model_file_that_was_set_meanwhile() {
    let (_directory, path) = saved_model();
    let mut sensor = Sensor::default();
    sensor.start_learning(1000, 86_400.0);
    for i in 0..400 {
        score(&mut sensor, &view(f64::from(i % 50) / 10.0, 80));
        sensor.learn(400);
    }
    sensor.fit(7, 20.0, b"").unwrap();
    sensor.load_model(path.as_os_str().as_bytes()).unwrap();
    sensor.stop_learning();
    assert!(sensor.finished_job(LONG).kind == JobKind::NoChange);
    assert_ne!(sensor.describe().version, 7);
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

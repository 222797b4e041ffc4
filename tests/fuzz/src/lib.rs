//! Shared code of the fuzz targets: conversion of bytes to connections and files, and checks of accepted results.

pub mod bytes;
mod input;
pub mod log;

use std::cell::RefCell;
use std::sync::OnceLock;

use detector::{
    Connection, Detector, Drift, Evidence, Extractor, FeatureRow, LogKind, MAX_COLUMNS, Model, Params, Reason,
    Reservoir, Sampling, ScoreCache, ScoreHistory, State, Trainer, format_reasons,
};
use twox_hash::XxHash3_64;

/// Traffic for models and corpora.
pub const LOG: &[u8] = include_bytes!("../../data/lab-day1.conn.log");

/// Adds the header of a kind of file to a payload, as a peer could.
pub fn sealed(magic: &[u8; 8], payload: &[u8]) -> Vec<u8> {
    static HEADS: OnceLock<[Vec<u8>; 3]> = OnceLock::new();
    let heads = HEADS.get_or_init(|| {
        let model = fixed_model().to_bytes().expect("a model can be written");
        let sample = Reservoir::new(Sampling::uniform(1), 1).to_bytes();
        let memory = saved(&State::new(&Extractor::default(), &ScoreHistory::default()));
        [model, sample, memory].map(|file| file[..HEAD].to_vec())
    });
    let mut bytes = heads.iter().find(|head| head.starts_with(magic)).expect("it is one of the three").clone();
    bytes.extend((payload.len() as u64).to_le_bytes());
    bytes.extend(XxHash3_64::oneshot(payload).to_le_bytes());
    bytes.extend(payload);
    bytes
}

/// Part of a header with the kind of file and the version.
const HEAD: usize = 16;

/// Bytes of a sensor's state file.
pub fn saved(memory: &State) -> Vec<u8> {
    let path = std::env::temp_dir().join(format!("iforest-fuzz-{}", std::process::id()));
    memory.save(&path).expect("the file can be written");
    let bytes = std::fs::read(&path).expect("it is there");
    std::fs::remove_file(&path).expect("it is there");
    bytes
}

/// Returns bytes unchanged if they start with the magic; otherwise as the payload of a file.
pub fn as_file(magic: &[u8; 8], data: &[u8]) -> Vec<u8> {
    if data.starts_with(magic) { data.to_vec() } else { sealed(magic, data) }
}

/// Model of the lab's first day, small enough to be mutated.
pub fn model(trees_per_group: usize, sample_size: usize) -> Model {
    let mut params = Params::default();
    params.forest.n_trees = params.forest.groups.len() * trees_per_group;
    params.forest.sample_size = sample_size;
    let mut trainer = Trainer::new(params);
    log::connections(LOG, |connection| trainer.learn(connection));
    let mut model = trainer.fit().expect("the lab's first day is enough for a model");
    model.set_origin("0.0.0", 1_700_000_000_000_000, vec!["lab".into()]);
    model
}

/// The same model for every input of a run.
pub fn fixed_model() -> &'static Model {
    static MODEL: OnceLock<Model> = OnceLock::new();
    MODEL.get_or_init(|| model(2, 32))
}

/// Checks invariants of a row.
pub fn check_row(row: &FeatureRow) {
    for (feature, value) in LogKind::Conn.schema().features.iter().zip(row) {
        assert!(value.is_finite(), "{} is {value}", feature.name);
    }
}

/// Checks invariants of a score.
pub fn check_score(score: f64) {
    assert!((0.0..=1.0).contains(&score), "{score}");
    assert!((score * 1e6).fract() == 0.0 || (score * 1e6 - (score * 1e6).round()).abs() < 1e-6, "{score}");
}

/// Scores a connection, and computes reasons for every score.
pub fn score(detector: &mut Detector, connection: &Connection<'_>) -> bool {
    let verdict = detector.score(connection);
    check_row(detector.row());
    check_score(verdict.score);
    let reasons = detector.model().reasons(connection, detector.row(), None);
    check_words(&reasons);
    verdict.alert
}

/// Checks invariants of reasons.
pub fn check_words(reasons: &[Reason]) {
    let words = format_reasons(reasons);
    assert!(!words.chars().any(char::is_control), "{words:?}");
}

/// Row of a connection. The context is that of earlier inputs: new tables for each would take most of the time, and the
/// target `detector` covers sequences.
pub fn extract(connection: &Connection<'_>) -> FeatureRow {
    thread_local!(static EXTRACTOR: RefCell<Extractor> = RefCell::default());
    EXTRACTOR.with_borrow_mut(|extractor| extractor.extract(connection))
}

/// Uses a model in every way; nothing may fail, whatever file it was loaded from.
pub fn use_model(model: Model) {
    let bytes = model.to_bytes().expect("a model can be written");
    let again = Model::from_bytes(&bytes).expect("what was loaded can be loaded again");
    assert_eq!(again.to_bytes().expect("a model can be written"), bytes);
    for alerts in [0.0, 1e-300, 20.0, 1e300, f64::INFINITY] {
        assert!((0.0..=1.000_001).contains(&model.threshold_for_alerts(alerts)));
    }
    let rows = [[0.0; MAX_COLUMNS], [f32::MAX; _], [f32::MIN; _], [1e7; _], [-3.5; _]];
    let scores = model.score_rows(&rows, &[0; 5], &mut ScoreCache::new());
    for (row, score) in rows.iter().zip(scores) {
        check_score(model.final_score(score));
        assert_eq!(model.score_row(row, 0, &mut ScoreCache::new()), score);
    }
    let mut drift = Drift::new(model.calibration());
    (0..1000).for_each(|i| drift.observe(f64::from(i) / 1000.0));
    assert!(drift.index().is_none_or(f64::is_finite));
    for (i, text) in [None, Some(&b"\xff\x00"[..])].into_iter().enumerate() {
        let (ts, duration) = (i64::MAX - i as i64, Some(i64::MAX));
        let connection = Connection { ts, duration, service: text, history: text, ..Connection::default() };
        let row = extract(&connection);
        check_score(model.final_score(model.score_row(&row, connection.ts, &mut ScoreCache::new())));
        check_words(&model.reasons(&connection, &row, Some(Evidence::FanOut(u32::MAX))));
    }
}

/// Uses a received reservoir in every way.
pub fn use_reservoir(mut reservoir: Reservoir) {
    let bytes = reservoir.to_bytes();
    let again = Reservoir::from_bytes(&bytes, 2).expect("what was loaded can be loaded again");
    assert_eq!(again.to_bytes(), bytes);
    let mut own = Reservoir::new(reservoir.sampling(), 3);
    let connection = Connection { ts: 1_700_000_000_000_000, ..Connection::default() };
    own.learn(&connection, &extract(&connection), false, i64::MAX);
    reservoir.not_after(connection.ts);
    own.merge(&reservoir).expect("they draw alike");
    own.learn(&connection, &extract(&connection), true, i64::MIN);
    assert!(own.len() <= own.sampling().capacity);
    let taken = reservoir.take(3);
    assert!(taken.len() <= 3);
    reservoir.merge(&taken).expect("they draw alike");
    if own.len() < 1000 {
        let mut params = Params::default();
        (params.forest.n_trees, params.forest.sample_size) = (params.forest.groups.len(), 16);
        if let Ok(model) = detector::fit(own.snapshot(), &params) {
            use_model(model);
        }
        let _ = detector::recalibrate(fixed_model(), own.snapshot(), 20.0).map(use_model);
    }
}

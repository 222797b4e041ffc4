#![no_main]
//! State file of a sensor, or its payload with a correct checksum.

use detector::{Connection, Detector, Drift, State};
use iforest_fuzz::bytes::Bytes;
use iforest_fuzz::{as_file, fixed_model, saved, score};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let Ok(memory) = State::from_bytes(&as_file(b"ZIFMEMOR", data)) else { return };
    let (mut drift, version) = (Drift::new(fixed_model().calibration()), memory.version);
    drift.resume(&memory.drift);
    let Some((mut extractor, evidence)) = memory.recall() else { return };
    extractor.extract(&Bytes(data).connection());
    let mut detector = Detector::new(fixed_model().clone());
    detector.set_state(extractor, evidence);
    score(&mut detector, &Connection { ts: i64::MAX, ..Connection::default() });
    score(&mut detector, &Bytes(data).connection());
    (0..10).for_each(|tenths| drift.observe(f64::from(tenths) / 10.0));
    assert!(drift.index().is_none_or(f64::is_finite));
    let (extractor, evidence) = detector.state();
    let mut again = State::new(extractor, evidence);
    (again.drift, again.version) = (drift.slices().copied().collect(), version);
    let again = State::from_bytes(&saved(&again)).expect("what was saved can be read");
    assert!(again.recall().is_some(), "what was recalled can be recalled again");
});

#![no_main]
//! State file of a sensor, or its payload with a correct checksum.

use detector::{Connection, Detector, Drift, State};
use iforest_fuzz::bytes::Bytes;
use iforest_fuzz::{as_file, fixed_model, saved, score};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let Ok(state) = State::from_bytes(&as_file(b"ZIFMEMOR", data)) else { return };
    let (mut drift, version) = (Drift::new(fixed_model().calibration()), state.version);
    drift.resume(&state.drift);
    let Ok((mut extractor, history)) = state.restore() else { return };
    extractor.extract(&Bytes(data).connection());
    let mut detector = Detector::new(fixed_model().clone());
    detector.set_state(extractor, history);
    score(&mut detector, &Connection { ts: i64::MAX, ..Connection::default() });
    score(&mut detector, &Bytes(data).connection());
    (0..10).for_each(|tenths| drift.observe(f64::from(tenths) / 10.0));
    assert!(drift.index().is_none_or(f64::is_finite));
    let (extractor, history) = detector.state();
    let mut again = State::new(extractor, history);
    (again.drift, again.version) = (drift.slices().copied().collect(), version);
    let again = State::from_bytes(&saved(&again)).expect("saved state loads");
    assert!(again.restore().is_ok(), "restored state can be saved and restored again");
});

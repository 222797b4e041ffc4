#![no_main]
//! Sequences of connections through a detector that learns, with new models at any time.

use detector::{Detector, Params, Reservoir, Sampling};
use iforest_fuzz::bytes::Bytes;
use iforest_fuzz::{check_row, fixed_model, score};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let mut bytes = Bytes(data);
    let mut detector = Detector::new(fixed_model().clone());
    let sampling = Sampling::for_sensor(64, i64::from(bytes.byte()) << 32);
    let mut reservoir = Reservoir::new(sampling, 1);
    let mut params = Params::default();
    (params.forest.n_trees, params.forest.sample_size) = (params.forest.groups.len(), 16);
    while !bytes.is_empty() {
        let what = bytes.byte();
        let latest = i64::from_le_bytes([0, 0, 0, 0, 0, 0, 0, what]);
        let connection = bytes.connection();
        let alerts = match what % 8 {
            0 => {
                detector.observe(&connection);
                check_row(detector.row());
                false
            }
            _ => score(&mut detector, &connection),
        };
        reservoir.learn(&connection, detector.row(), alerts, latest);
        match what / 8 {
            0 => {
                if let Ok(model) = detector::fit(reservoir.snapshot(), &params) {
                    detector.replace_model(model);
                }
            }
            1 => {
                let model = detector.model().clone();
                if let Ok(model) = detector::recalibrate(&model, reservoir.snapshot(), 20.0) {
                    detector.replace_model(model);
                }
            }
            2 => detector.replace_model(fixed_model().clone()),
            3 => {
                let taken = reservoir.take(usize::from(what));
                reservoir.set_bound(taken.bound());
                let taken = Reservoir::from_bytes(&taken.to_bytes(), 1).expect("what was written can be read");
                reservoir.merge(&taken).expect("they draw alike");
            }
            _ => {}
        }
    }
    assert!(reservoir.len() <= sampling.capacity);
});

#![no_main]
//! Messages of a cluster peer: models, samples and score counts in sequence.

use detector::{Drift, Model, Reservoir, Sampling};
use iforest_fuzz::bytes::Bytes;
use iforest_fuzz::{as_file, fixed_model, sealed, use_model};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let mut bytes = Bytes(data);
    let mut drift = Drift::new(fixed_model().calibration());
    let mut reservoir = Reservoir::new(Sampling::for_sensor(64, 1 << 40), 1);
    while !bytes.is_empty() {
        let what = bytes.byte();
        let length = usize::from(u16::from_le_bytes(bytes.number()));
        match what % 8 {
            0 => {
                drift.add(&std::array::from_fn(|_| u64::from_le_bytes(bytes.number())));
                (0..10).for_each(|tenths| drift.observe(f64::from(tenths) / 10.0));
            }
            1 => assert!(drift.rotate().len() == detector::BINS),
            2 => assert!(drift.index().is_none_or(f64::is_finite)),
            3 => reservoir.set_bound(Some(f64::from_le_bytes(bytes.number()))),
            4 => drop(reservoir.take(length)),
            5 => {
                if let Ok(model) = Model::from_bytes(&as_file(b"ZIFOREST", bytes.take(length))) {
                    use_model(model);
                }
            }
            6 => {
                // Header of a sample that can be merged with this one, with arbitrary rows.
                let mut payload = reservoir.to_bytes()[32..].to_vec();
                payload.truncate(48);
                payload[28..48].copy_from_slice(&bytes.number::<20>());
                payload.extend(bytes.take(length));
                if let Ok(sample) = Reservoir::from_bytes(&sealed(b"ZIFSAMPL", &payload), 1) {
                    reservoir.merge(&sample).expect("they draw alike");
                }
            }
            _ => {
                if let Ok(sample) = Reservoir::from_bytes(&as_file(b"ZIFSAMPL", bytes.take(length)), 1) {
                    let _ = reservoir.merge(&sample);
                }
            }
        }
    }
    let again = Reservoir::from_bytes(&reservoir.to_bytes(), 1).expect("what was written can be read");
    assert_eq!(again.to_bytes(), reservoir.to_bytes());
});

#![no_main]
//! One connection with any bit pattern in any field, and seconds of any bit pattern.

use detector::{Connection, Extractor};
use iforest_fuzz::bytes::Bytes;
use iforest_fuzz::{check_row, check_score, detector, fixed_model, score};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let mut bytes = Bytes(data);
    let mut connection = bytes.connection();
    if !bytes.is_empty() {
        connection.ts = Connection::micros(f64::from_le_bytes(bytes.number()));
        connection.duration = Some(Connection::micros(f64::from_le_bytes(bytes.number())));
    }
    let row = Extractor::new().extract(&connection);
    check_row(&row);
    check_score(fixed_model().score(&row));
    let mut detector = detector();
    score(&mut detector, &connection);
    assert!(detector.row() == &row, "the detector sees another row");
});

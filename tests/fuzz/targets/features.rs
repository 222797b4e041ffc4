#![no_main]
//! One connection, and seconds, with arbitrary bit patterns.

use detector::Connection;
use iforest_fuzz::bytes::Bytes;
use iforest_fuzz::{check_row, check_score, check_words, extract, fixed_model};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let mut bytes = Bytes(data);
    let mut connection = bytes.connection();
    if !bytes.is_empty() {
        connection.ts = Connection::micros(f64::from_le_bytes(bytes.number()));
        connection.duration = Some(Connection::micros(f64::from_le_bytes(bytes.number())));
    }
    let row = extract(&connection);
    check_row(&row);
    let model = fixed_model();
    check_score(model.final_score(model.score_row(&row, connection.ts, &mut detector::ScoreCache::new())));
    check_words(&fixed_model().reasons(&connection, &row, None));
});

#![no_main]
//! What a sensor remembers of the traffic, in a file, or the payload of one behind a checksum that holds.

use detector::{Connection, Detector, Memory};
use iforest_fuzz::bytes::Bytes;
use iforest_fuzz::{as_file, fixed_model, score};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let loaded = Memory::from_bytes(&as_file(b"ZIFMEMOR", data)).ok().and_then(Memory::recall);
    let Some((mut extractor, evidence)) = loaded else { return };
    extractor.extract(&Bytes(data).connection());
    let mut detector = Detector::new(fixed_model().clone());
    detector.remember(extractor, evidence);
    score(&mut detector, &Connection { ts: i64::MAX, ..Connection::default() });
    score(&mut detector, &Bytes(data).connection());
});

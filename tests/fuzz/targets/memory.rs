#![no_main]
//! What a sensor remembers of the traffic, in a file, or the payload of one behind a checksum that holds.

use detector::{Connection, Detector, Memory, Trust};
use iforest_fuzz::bytes::Bytes;
use iforest_fuzz::{as_file, fixed_model, score};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let path = std::env::temp_dir().join(format!("iforest-fuzz-{}", std::process::id()));
    let trust = Trust { writable_by_others: true, ..Trust::default() };
    std::fs::write(&path, as_file(b"ZIFMEMOR", data)).expect("the file can be written");
    let loaded = Memory::load(&path, &trust).ok().and_then(Memory::recall);
    let Some((mut extractor, evidence)) = loaded else { return };
    extractor.extract(&Bytes(data).connection());
    let mut detector = Detector::new(fixed_model().clone());
    detector.remember(extractor, evidence);
    score(&mut detector, &Connection { ts: i64::MAX, ..Connection::default() });
    score(&mut detector, &Bytes(data).connection());
});

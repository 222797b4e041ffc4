#![no_main]
//! Model file, or its payload with a correct checksum.

use detector::Model;
use iforest_fuzz::{as_file, use_model};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    if let Ok(model) = Model::from_bytes(&as_file(b"ZIFOREST", data)) {
        use_model(model);
    }
});

#![no_main]
//! Sample file, or its payload with a correct checksum.

use detector::Reservoir;
use iforest_fuzz::{as_file, use_reservoir};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    if let Ok(reservoir) = Reservoir::from_bytes(&as_file(b"ZIFSAMPL", data), 1) {
        use_reservoir(reservoir);
    }
});

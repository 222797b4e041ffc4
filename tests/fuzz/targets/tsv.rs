#![no_main]
//! A log in Zeek's TSV.

use iforest_fuzz::log;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    if !log::is_compressed(data) {
        log::check(data);
    }
});

#![no_main]
//! A log in JSON lines.

use iforest_fuzz::log;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    if !log::is_compressed(data) {
        log::check(&[b"{", data].concat());
    }
});

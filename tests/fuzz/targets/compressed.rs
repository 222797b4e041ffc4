#![no_main]
//! A compressed log.

use iforest_fuzz::log;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| log::skim(data));

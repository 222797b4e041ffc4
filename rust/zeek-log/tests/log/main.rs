//! Tests of the library as its users call it.
#![expect(clippy::unwrap_used, reason = "the helpers of a test fail with it")]

mod common;
mod damage;
mod inputs;
mod reading;
mod writing;

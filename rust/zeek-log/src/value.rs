//! From the text of a field to its value. Texts are bytes as [`Row::get`](crate::Row::get) gives them.

use crate::ValueError;

/// A `count`: digits only, at most 2^64 - 1.
///
/// # Errors
/// For any other text.
pub fn parse_count(text: &[u8]) -> Result<u64, ValueError> {
    let _ = text;
    Err(ValueError { wanted: "a count" })
}

/// A `double`, or an `interval` in seconds: a finite decimal number, with or without exponent, correctly rounded.
///
/// # Errors
/// For any other text.
pub fn parse_double(text: &[u8]) -> Result<f64, ValueError> {
    let _ = text;
    Err(ValueError { wanted: "a number" })
}

/// A decimal number of seconds as microseconds, exact; beyond six decimals rounded half to even.
///
/// # Errors
/// For any other text, and outside of the range of `i64`.
pub fn parse_micros(text: &[u8]) -> Result<i64, ValueError> {
    let _ = text;
    Err(ValueError { wanted: "a number of seconds" })
}

/// A `time` as microseconds since 1970: seconds as in [`parse_micros`], ISO 8601 (UTC unless it says otherwise), or a
/// whole number from 10^11 on, which is milliseconds (Zeek's `JSON::TS_MILLIS`).
///
/// # Errors
/// For any other text.
pub fn parse_time(text: &[u8]) -> Result<i64, ValueError> {
    let _ = text;
    Err(ValueError { wanted: "a time" })
}

/// A `port`: a whole number from 0 to 65535.
///
/// # Errors
/// For any other text.
pub fn parse_port(text: &[u8]) -> Result<u16, ValueError> {
    let _ = text;
    Err(ValueError { wanted: "a port" })
}

/// An `addr`: IPv6, or IPv4 mapped into it.
///
/// # Errors
/// For any other text.
pub fn parse_addr(text: &[u8]) -> Result<[u8; 16], ValueError> {
    let _ = text;
    Err(ValueError { wanted: "an address" })
}

/// A `bool`: `T`, `F`, `true` or `false`.
///
/// # Errors
/// For any other text.
pub fn parse_bool(text: &[u8]) -> Result<bool, ValueError> {
    let _ = text;
    Err(ValueError { wanted: "a bool" })
}

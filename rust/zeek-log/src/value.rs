//! Parsers of field values. A field is the bytes of [`Row::get`](crate::Row::get); other text gives `None`.
//!
//! ```
//! use zeek_log::value::{parse_addr, parse_count, parse_micros, parse_time};
//!
//! assert_eq!(parse_count(b"1460"), Some(1460));
//! assert_eq!(parse_micros(b"0.012345"), Some(12_345));
//! assert_eq!(parse_time(b"1700000000.123456"), Some(1_700_000_000_123_456));
//! assert_eq!(parse_time(b"2023-11-14T22:13:20.123456Z"), Some(1_700_000_000_123_456));
//! assert_eq!(parse_addr(b"192.0.2.1"), parse_addr(b"::ffff:192.0.2.1"));
//! assert_eq!(parse_count(b"12x"), None);
//! ```

use std::net::Ipv6Addr;
use std::str;

use jiff::civil::DateTime;
use jiff::fmt::temporal::DateTimeParser;
use jiff::tz::TimeZone;

/// A `count`: digits only, at most 2^64 - 1.
#[inline]
pub fn parse_count(text: &[u8]) -> Option<u64> {
    if text.is_empty() || text.len() > 20 {
        return None;
    }
    // Nineteen digits cannot overflow; a twentieth can.
    let (first, last) = text.split_at(text.len().min(19));
    let mut value = 0u64;
    for &byte in first {
        let digit = byte.wrapping_sub(b'0');
        if digit > 9 {
            return None;
        }
        value = value.wrapping_mul(10).wrapping_add(u64::from(digit));
    }
    if let [byte] = *last {
        let digit = byte.wrapping_sub(b'0');
        let value = value.checked_mul(10).and_then(|value| value.checked_add(u64::from(digit)));
        return value.filter(|_| digit <= 9);
    }
    Some(value)
}

/// A decimal number of seconds as microseconds, exact; rounds further decimals half to even. Less than 10^12 seconds.
#[inline]
pub fn parse_micros(text: &[u8]) -> Option<i64> {
    plain_micros(text).or_else(|| Decimal::parse(text)?.micros())
}

/// A `time` as microseconds since 1970: seconds as in [`parse_micros`], ISO 8601 (UTC without an offset), or a
/// whole number from 10^11 on, which is milliseconds (Zeek's `JSON::TS_MILLIS`).
#[inline]
pub fn parse_time(text: &[u8]) -> Option<i64> {
    if let Some(micros) = plain_micros(text) {
        return Some(micros);
    }
    match Decimal::parse(text) {
        Some(Decimal { digits: millis @ 100_000_000_000.., exponent: 0, negative: false, .. }) => {
            i64::try_from(millis).ok()?.checked_mul(1000)
        }
        Some(decimal) => decimal.micros(),
        None => iso_8601(text),
    }
}

/// A `port`: a whole number from 0 to 65535.
#[inline]
pub fn parse_port(text: &[u8]) -> Option<u16> {
    parse_count(text).and_then(|port| u16::try_from(port).ok())
}

/// An `addr`: IPv6, or IPv4 mapped into it (`::ffff:192.0.2.1`).
#[inline]
pub fn parse_addr(text: &[u8]) -> Option<[u8; 16]> {
    if let Some([a, b, c, d]) = ipv4(text) {
        return Some([0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, a, b, c, d]);
    }
    let address: Ipv6Addr = str::from_utf8(text).ok()?.parse().ok()?;
    Some(address.octets())
}

/// A `bool`: `T`, `F`, `true` or `false`.
#[inline]
pub fn parse_bool(text: &[u8]) -> Option<bool> {
    match text {
        b"T" | b"true" => Some(true),
        b"F" | b"false" => Some(false),
        _ => None,
    }
}

/// Microseconds from seconds with six decimals, as Zeek prints them; at most twelve digits before the point.
#[inline]
fn plain_micros(text: &[u8]) -> Option<i64> {
    let (tens, last) = text.split_last_chunk::<8>()?;
    if last[1] != b'.' || tens.len() > 11 {
        return None;
    }
    // The digit before the point takes the place of the point.
    let word = u64::from_le_bytes(*last);
    let micros = eight_digits(word & !0xffff | (word & 0xff) << 8 | u64::from(b'0'))?;
    let (mut whole, rest) = match tens.split_first_chunk() {
        Some((first, rest)) => (eight_digits(u64::from_le_bytes(*first))?, rest),
        None => (0, tens),
    };
    for byte in rest {
        let digit = byte.wrapping_sub(b'0');
        if digit > 9 {
            return None;
        }
        whole = 10 * whole + u64::from(digit);
    }
    Some((10_000_000 * whole + micros) as i64)
}

/// The number of eight digits, the first in the lowest byte.
#[inline]
fn eight_digits(word: u64) -> Option<u64> {
    let digits = word ^ (ONES * 0x30);
    if (digits | digits.wrapping_add(ONES * 6)) & (ONES * 0xf0) != 0 {
        return None;
    }
    // Sums neighbours: two digits in each second byte, then four in each half, then all.
    let twos = (digits * 10 + (digits >> 8)) & 0x00ff_00ff_00ff_00ff;
    let fours = (twos * 100 + (twos >> 16)) & 0x0000_ffff_0000_ffff;
    Some((fours * 10_000 + (fours >> 32)) & 0xffff_ffff)
}

/// 0x01 in every byte of a word.
pub(crate) const ONES: u64 = u64::MAX / 255;

/// A decimal number `digits * 10^exponent`; `inexact` if nonzero digits were cut off.
struct Decimal {
    negative: bool,
    digits: u64,
    exponent: i32,
    inexact: bool,
}

impl Decimal {
    /// Parses a number as JSON and Zeek write it, or with leading zeros.
    #[inline]
    fn parse(text: &[u8]) -> Option<Self> {
        let (negative, rest) = match text {
            [b'-', rest @ ..] => (true, rest),
            _ => (false, text),
        };
        let mut number = Self { negative, digits: 0, exponent: 0, inexact: false };
        let rest = number.take_digits(rest, 0)?;
        let rest = match rest {
            [b'.', rest @ ..] => number.take_digits(rest, -1)?,
            _ => rest,
        };
        match rest {
            [] => Some(number),
            [b'e' | b'E', exponent @ ..] => {
                let exponent = exponent.strip_prefix(b"+").unwrap_or(exponent);
                let (sign, digits) = exponent.strip_prefix(b"-").map_or((1, exponent), |digits| (-1, digits));
                // Any larger exponent also gives 0, infinity or microseconds out of range.
                let exponent = parse_count(digits)?.min(9_999) as i32 * sign;
                number.exponent += exponent;
                Some(number)
            }
            _ => None,
        }
    }

    /// Parses one or more digits, each of which adds `step` to the exponent; digits that do not fit make it inexact.
    #[inline]
    fn take_digits<'t>(&mut self, text: &'t [u8], step: i32) -> Option<&'t [u8]> {
        let mut taken = 0;
        for &byte in text {
            let digit = byte.wrapping_sub(b'0');
            if digit > 9 {
                break;
            }
            taken += 1;
            if self.digits < 1_000_000_000_000_000_000 {
                self.digits = self.digits * 10 + u64::from(digit);
                self.exponent += step;
            } else {
                self.inexact |= digit != 0;
                self.exponent += step + 1;
            }
        }
        if taken == 0 { None } else { Some(&text[taken..]) }
    }

    /// Converts seconds to microseconds; rounds half to even.
    #[inline]
    fn micros(self) -> Option<i64> {
        let shift = self.exponent + 6;
        let magnitude = if self.digits == 0 {
            0
        } else if shift >= 0 {
            let factor = 10u64.checked_pow(shift as u32)?;
            self.digits.checked_mul(factor)?
        } else {
            // Nineteen digits are less than half of 10^20.
            match 10u64.checked_pow(shift.unsigned_abs()) {
                Some(divisor) => {
                    let (quotient, remainder) = (self.digits / divisor, self.digits % divisor);
                    let half = divisor / 2;
                    let up = remainder > half || remainder == half && (self.inexact || quotient % 2 == 1);
                    quotient + u64::from(up)
                }
                None => 0,
            }
        };
        let magnitude = i64::try_from(magnitude).ok().filter(|m| *m < 1_000_000_000_000_000_000)?;
        Some(if self.negative { -magnitude } else { magnitude })
    }
}

#[inline]
fn ipv4(text: &[u8]) -> Option<[u8; 4]> {
    let mut octets = [0; 4];
    let mut rest = text;
    for (index, slot) in octets.iter_mut().enumerate() {
        if index > 0 {
            rest = rest.strip_prefix(b".")?;
        }
        let (octet, after) = octet(rest)?;
        (*slot, rest) = (octet, after);
    }
    rest.is_empty().then_some(octets)
}

/// A number from 0 to 255, and the rest. Leading zeros, which may mean octal, are not part of it.
#[inline]
fn octet(text: &[u8]) -> Option<(u8, &[u8])> {
    let digit = |at: usize| text.get(at).map(|byte| byte.wrapping_sub(b'0')).filter(|digit| *digit <= 9);
    let first = digit(0)?;
    let Some(second) = digit(1).filter(|_| first > 0) else { return Some((first, &text[1..])) };
    let two = 10 * first + second;
    let Some(third) = digit(2) else { return Some((two, &text[2..])) };
    Some((two.checked_mul(10)?.checked_add(third)?, &text[3..]))
}

fn iso_8601(text: &[u8]) -> Option<i64> {
    static PARSER: DateTimeParser = DateTimeParser::new();
    let timestamp = PARSER.parse_timestamp(text).ok().or_else(|| {
        let civil: DateTime = PARSER.parse_datetime(text).ok()?;
        civil.to_zoned(TimeZone::UTC).ok().map(|zoned| zoned.timestamp())
    })?;
    let nanos = timestamp.as_nanosecond();
    let (micros, rest) = (nanos.div_euclid(1000), nanos.rem_euclid(1000));
    let up = rest > 500 || rest == 500 && micros % 2 != 0;
    i64::try_from(micros + i128::from(up)).ok()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn parses_counts_and_ports() {
        assert_eq!(parse_count(b"18446744073709551615"), Some(u64::MAX));
        for text in ["", "-1", "+1", "1.0", "12x", " 1", "18446744073709551616", "99999999999999999999", "0x1"] {
            assert!(parse_count(text.as_bytes()).is_none(), "{text}");
        }
        assert_eq!(parse_port(b"65535"), Some(65535));
        assert_eq!(parse_port(b"65536"), None);
    }

    #[test]
    fn microseconds_are_exact_and_round_half_to_even() {
        for (text, micros) in [
            ("0", 0),
            ("1700000000.123456", 1_700_000_000_123_456),
            ("11.537757", 11_537_757),
            ("-1.5", -1_500_000),
            ("0.0000005", 0),
            ("0.0000015", 2),
            ("0.0000025", 2),
            ("0.00000250000000000000000000000001", 3),
            ("0.0000024999999999999999999999999", 2),
            ("0.0015990734100341797", 1599),
            ("9.5367431640625e-7", 1),
            ("1.5e3", 1_500_000_000),
            ("1e-9999", 0),
            ("0e9999", 0),
            ("999999999999.999999", 999_999_999_999_999_999),
            ("00000000000000000000000000000000000001.5", 1_500_000),
        ] {
            assert_eq!(parse_micros(text.as_bytes()), Some(micros), "{text}");
        }
        for text in ["", "1e13", "1000000000000", "1e99999999999999999999", "123456789012345678901234567890", "x"] {
            assert!(parse_micros(text.as_bytes()).is_none(), "{text}");
        }
        for text in ["-", ".5", "5.", "1e", "1e+", "nan", "inf", "infinity", "1e999", "0x10", "1_000", "1 ", "1,5"] {
            assert!(parse_micros(text.as_bytes()).is_none(), "{text}");
        }
    }

    #[test]
    fn parses_times_in_every_form() {
        for (text, micros) in [
            ("1588205199.82437", 1_588_205_199_824_370),
            ("1588205199824", 1_588_205_199_824_000),
            ("2020-04-30T00:06:39.824370Z", 1_588_205_199_824_370),
            ("2020-04-30T02:06:39.82437+02:00", 1_588_205_199_824_370),
            ("2020-04-30T02:06:39.82437+0200", 1_588_205_199_824_370),
            ("2020-04-30T00:06:39.824370", 1_588_205_199_824_370),
            ("2020-04-30 00:06:39.824370Z", 1_588_205_199_824_370),
            ("1969-12-31T23:59:59.5Z", -500_000),
            ("1970-01-01T00:00:00.0000005Z", 0),
            ("1970-01-01T00:00:00.0000015Z", 2),
            ("1969-12-31T23:59:59.9999985Z", -2),
            ("6.834947", 6_834_947),
        ] {
            assert_eq!(parse_time(text.as_bytes()), Some(micros), "{text}");
        }
        for text in ["", "yesterday", "2020-13-30T00:00:00Z", "2020-04-30T00:06:39.82437Z trailing"] {
            assert!(parse_time(text.as_bytes()).is_none(), "{text}");
        }
    }

    #[test]
    fn parses_addresses() {
        assert_eq!(parse_addr(b"::"), Some([0; 16]));
        assert_eq!(parse_addr(b"255.0.10.1").map(|a| [a[12], a[13], a[14], a[15]]), Some([255, 0, 10, 1]));
        for text in ["", "1.2.3", "1.2.3.4.5", "1.2.3.256", "1..2.3", "01.2.3.4", "1.2.3.4 ", "fe80::1%eth0", "host"] {
            assert!(parse_addr(text.as_bytes()).is_none(), "{text}");
        }
    }

    #[test]
    fn parses_bools_of_both_formats() {
        assert_eq!((parse_bool(b"T"), parse_bool(b"false")), (Some(true), Some(false)));
        assert!(parse_bool(b"1").is_none());
    }

    proptest! {
        #[test]
        fn micros_survive_a_round_trip(micros in -999_999_999_999_999_999i64..1_000_000_000_000_000_000) {
            let (sign, magnitude) = (if micros < 0 { "-" } else { "" }, micros.unsigned_abs());
            let text = format!("{sign}{}.{:06}", magnitude / 1_000_000, magnitude % 1_000_000);
            prop_assert_eq!(parse_micros(text.as_bytes()), Some(micros));
        }

        #[test]
        fn micros_are_rounded_to_the_nearest(text in r"[0-9]{1,6}\.[0-9]{1,24}") {
            // An integer of 24 decimals fits 128 bits.
            let (whole, fraction) = text.split_once('.').unwrap();
            let scaled: u128 = format!("{whole}{fraction:0<24}").parse().unwrap();
            let unit = 10u128.pow(18);
            let (down, rest) = (scaled / unit, scaled % unit);
            let up = rest > unit / 2 || rest == unit / 2 && down % 2 == 1;
            prop_assert_eq!(parse_micros(text.as_bytes()), Some((down + u128::from(up)) as i64));
        }

        #[test]
        fn ipv4_agrees_with_the_standard_library(text in r"[0-9.]{0,16}|([0-9]{1,3}\.){3}[0-9]{1,3}") {
            let expected = text.parse::<std::net::Ipv4Addr>().ok().map(|a| a.octets());
            prop_assert_eq!(ipv4(text.as_bytes()), expected);
        }
    }
}

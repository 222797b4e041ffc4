//! Zeek's escapes in TSV: `\xHH` for a byte, `\\` for a backslash.

use std::borrow::Cow;

use memchr::memchr;

/// Undoes Zeek's escapes. A backslash that begins no escape is literal.
pub(crate) fn unescape(raw: &[u8]) -> Cow<'_, [u8]> {
    if memchr(b'\\', raw).is_none() {
        return Cow::Borrowed(raw);
    }
    let mut text = Vec::with_capacity(raw.len());
    unescape_into(raw, &mut text);
    Cow::Owned(text)
}

/// Undoes `\xHH` only, because JSON has its own escape for backslashes.
pub(crate) fn unescape_bytes(text: &[u8]) -> Cow<'_, [u8]> {
    if memchr(b'\\', text).is_none() {
        return Cow::Borrowed(text);
    }
    let (mut bytes, mut rest) = (Vec::with_capacity(text.len()), text);
    while let Some(at) = memchr(b'\\', rest) {
        bytes.extend_from_slice(&rest[..at]);
        let escaped = match rest[at..] {
            [_, b'x', high, low, ..] => hex(high).zip(hex(low)),
            _ => None,
        };
        bytes.push(escaped.map_or(b'\\', |(high, low)| high << 4 | low));
        rest = &rest[at + if escaped.is_some() { 4 } else { 1 }..];
    }
    bytes.extend_from_slice(rest);
    Cow::Owned(bytes)
}

/// Undoes Zeek's escapes, appending to `out`.
pub(crate) fn unescape_into(mut raw: &[u8], out: &mut Vec<u8>) {
    while let Some(at) = memchr(b'\\', raw) {
        out.extend_from_slice(&raw[..at]);
        let (byte, length) = match raw[at..] {
            [_, b'\\', ..] => (b'\\', 2),
            [_, b'x', high, low, ..] => match (hex(high), hex(low)) {
                (Some(high), Some(low)) => (high << 4 | low, 4),
                _ => (b'\\', 1),
            },
            _ => (b'\\', 1),
        };
        out.push(byte);
        raw = &raw[at + length..];
    }
    out.extend_from_slice(raw);
}

/// Appends `text` as Zeek writes it: doubles backslashes; writes control characters, bytes that are not UTF-8 and every
/// occurrence of a `reserved` string as `\xHH`.
pub(crate) fn escape_into(text: &[u8], reserved: &[&[u8]], out: &mut Vec<u8>) {
    let mut at = 0;
    for chunk in text.utf8_chunks() {
        let valid_end = at + chunk.valid().len();
        while at < valid_end {
            let found = reserved.iter().find(|r| !r.is_empty() && text[at..].starts_with(r));
            let length = found.map_or(1, |r| r.len());
            for &byte in &text[at..at + length] {
                match byte {
                    b'\\' => out.extend_from_slice(b"\\\\"),
                    _ if found.is_some() || byte < 0x20 || byte == 0x7f => push_hex(byte, out),
                    _ => out.push(byte),
                }
            }
            at += length;
        }
        let end = valid_end + chunk.invalid().len();
        while at < end {
            push_hex(text[at], out);
            at += 1;
        }
    }
}

/// Appends `\xHH`.
pub(crate) fn push_hex(byte: u8, out: &mut Vec<u8>) {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    out.extend_from_slice(&[b'\\', b'x', DIGITS[usize::from(byte >> 4)], DIGITS[usize::from(byte & 15)]]);
}

/// The value of a hexadecimal digit.
pub(crate) fn hex(digit: u8) -> Option<u8> {
    char::from(digit).to_digit(16).map(|value| value as u8)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn escaped(text: &[u8], reserved: &[&[u8]]) -> Vec<u8> {
        let mut out = Vec::new();
        escape_into(text, reserved, &mut out);
        out
    }

    #[test]
    fn undoes_escapes() {
        assert_eq!(&*unescape(br"a\x09b\\c\x2Cd"), b"a\tb\\c,d");
        assert_eq!(&*unescape(br"\xzz \x4 \q \"), br"\xzz \x4 \q \");
        assert_eq!(&*unescape(br"\\x41"), br"\x41");
    }

    #[test]
    fn writes_escapes_as_zeek_does() {
        assert_eq!(escaped(b"a\tb\\c\n\x7f\xff\xc3\xa9", &[b"\t"]), b"a\\x09b\\\\c\\x0a\\x7f\\xff\xc3\xa9");
        assert_eq!(escaped(b"a,b", &[b"\t", b","]), br"a\x2cb");
        assert_eq!(escaped(b"a||b|", &[b"||"]), br"a\x7c\x7cb|");
    }

    proptest! {
        #[test]
        fn unescape_undoes_escape(text in prop::collection::vec(any::<u8>(), 0..64)) {
            let raw = escaped(&text, &[b"\t", b","]);
            prop_assert!(!raw.iter().any(|b| b"\t,\n\r".contains(b)));
            prop_assert_eq!(&*unescape(&raw), &text[..]);
        }

        #[test]
        fn unescape_undoes_escape_in_dense_escapes(text in r"[\\x0-3,\t]{0,24}") {
            let raw = escaped(text.as_bytes(), &[b"\t", b","]);
            prop_assert_eq!(&*unescape(&raw), text.as_bytes());
        }
    }
}

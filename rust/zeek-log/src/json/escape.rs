//! Escape sequences of JSON strings. A lone surrogate is read as U+FFFD.

use crate::tsv::escape::{hex, push_hex};

/// Unescapes a valid string, given without quotes, to `out`.
pub(crate) fn unescape_into(mut raw: &[u8], out: &mut Vec<u8>) {
    while let Some(at) = memchr::memchr(b'\\', raw) {
        out.extend_from_slice(&raw[..at]);
        raw = &raw[at + 1..];
        let (length, character) = match raw {
            [b'u', ..] => unicode(raw),
            [b'b', ..] => (1, '\u{8}'),
            [b'f', ..] => (1, '\u{c}'),
            [b'n', ..] => (1, '\n'),
            [b'r', ..] => (1, '\r'),
            [b't', ..] => (1, '\t'),
            [other, ..] => (1, char::from(*other)),
            [] => return,
        };
        out.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes());
        raw = raw.get(length..).unwrap_or_default();
    }
    out.extend_from_slice(raw);
}

/// The length and character of `uXXXX` or a surrogate pair `uXXXX\uXXXX`.
fn unicode(raw: &[u8]) -> (usize, char) {
    let unit = |from: usize| {
        let digits = raw.get(from..from + 4)?;
        digits.iter().try_fold(0u16, |value, &digit| Some(value << 4 | u16::from(hex(digit)?)))
    };
    let Some(first) = unit(1) else {
        return (raw.len(), char::REPLACEMENT_CHARACTER);
    };
    let second = if raw.get(5..7) == Some(br"\u") { unit(7) } else { None };
    let mut decoded = char::decode_utf16([Some(first), second].into_iter().flatten());
    match decoded.next() {
        Some(Ok(character)) => (if character.len_utf16() == 2 { 11 } else { 5 }, character),
        _ => (5, char::REPLACEMENT_CHARACTER),
    }
}

/// Appends a quoted string. A byte that is not UTF-8 becomes the text `\xHH`, as in Zeek's JSON logs.
pub(crate) fn push_string(text: &[u8], out: &mut Vec<u8>) {
    out.push(b'"');
    for chunk in text.utf8_chunks() {
        for &byte in chunk.valid().as_bytes() {
            match byte {
                b'"' | b'\\' => out.extend_from_slice(&[b'\\', byte]),
                b'\n' => out.extend_from_slice(br"\n"),
                b'\r' => out.extend_from_slice(br"\r"),
                b'\t' => out.extend_from_slice(br"\t"),
                0..0x20 => {
                    out.extend_from_slice(br"\u00");
                    let digits = out.len();
                    push_hex(byte, out);
                    out.drain(digits..digits + 2);
                }
                _ => out.push(byte),
            }
        }
        for &byte in chunk.invalid() {
            out.push(b'\\');
            push_hex(byte, out);
        }
    }
    out.push(b'"');
}

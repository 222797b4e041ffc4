//! Escaping of text from logs and arguments for terminals and JSON.

use std::borrow::Cow;
use std::fmt::Write;

use serde::Serialize;

/// Escapes everything but visible characters and spaces as `\xHH`.
pub fn printable_bytes(text: &[u8]) -> Cow<'_, str> {
    escaped_bytes(text, is_visible)
}

/// [`printable_bytes`] for lines: tabs and newlines stay.
pub fn printable_lines(text: &[u8]) -> Cow<'_, str> {
    escaped_bytes(text, |c| is_visible(c) || matches!(c, '\t' | '\n'))
}

/// [`printable_bytes`] for UTF-8.
pub fn printable(text: &str) -> Cow<'_, str> {
    escaped_utf8(text, is_visible)
}

/// Escapes characters that do not stay, and invalid UTF-8, as `\xHH`.
fn escaped_bytes(text: &[u8], stays: impl Fn(char) -> bool + Copy) -> Cow<'_, str> {
    if let Ok(text) = std::str::from_utf8(text) {
        return escaped_utf8(text, stays);
    }
    let mut out = String::with_capacity(text.len() + 8);
    for chunk in text.utf8_chunks() {
        out.push_str(&escaped_utf8(chunk.valid(), stays));
        chunk.invalid().iter().for_each(|byte| push_hex(&mut out, *byte));
    }
    Cow::Owned(out)
}

fn escaped_utf8(text: &str, stays: impl Fn(char) -> bool) -> Cow<'_, str> {
    escaped(text, stays, |c, out| c.encode_utf8(&mut [0; 4]).bytes().for_each(|byte| push_hex(out, byte)))
}

/// Replaces characters that do not stay by their `escape`.
fn escaped(text: &str, stays: impl Fn(char) -> bool, escape: impl Fn(char, &mut String)) -> Cow<'_, str> {
    if text.chars().all(&stays) {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len() + 8);
    for c in text.chars() {
        if stays(c) { out.push(c) } else { escape(c, &mut out) }
    }
    Cow::Owned(out)
}

/// One line of JSON, escaped for terminals.
pub fn json(object: &impl Serialize) -> serde_json::Result<String> {
    serde_json::to_string(object).map(|text| escaped_json(&text).into_owned())
}

/// Escapes JSON for terminals. Newlines stay: outside of strings they are the only such characters.
pub fn escaped_json(text: &str) -> Cow<'_, str> {
    // Writing to a string cannot fail.
    let unit = |unit: &u16, out: &mut String| _ = write!(out, "\\u{unit:04x}");
    let escape = |c: char, out: &mut String| c.encode_utf16(&mut [0; 2]).iter().for_each(|it| unit(it, out));
    escaped(text, |c| is_visible(c) || c == '\n', escape)
}

/// Returns true if a character is not a control character and does not hide or reorder text.
fn is_visible(c: char) -> bool {
    let hides = matches!(c,
        '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}'
        | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}'
    );
    !c.is_control() && !hides
}

fn push_hex(out: &mut String, byte: u8) {
    // Writing to a string cannot fail.
    let _ = write!(out, "\\x{byte:02x}");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escapes_control_characters() {
        assert_eq!(printable("ssl,http"), "ssl,http");
        assert_eq!(printable("a\x1b[31mb\n"), "a\\x1b[31mb\\x0a");
        assert_eq!(printable("\u{9b}é\u{202e}"), "\\xc2\\x9bé\\xe2\\x80\\xae");
        assert_eq!(printable_bytes(b"a\xffb\x07"), "a\\xffb\\x07");
        assert_eq!(printable_lines(b"a\tb\xff\r\n\x1bc\n"), "a\tb\\xff\\x0d\n\\x1bc\n");
    }

    #[test]
    fn escapes_invisible_characters() {
        // First and last character of each range; below, their neighbours.
        let hidden = "\u{ad}\u{61c}\u{180e}\u{200b}\u{200f}\u{2028}\u{202e}\u{2060}\u{206f}\u{feff}\u{fff9}\u{fffb}\u{e0000}\u{e0001}\u{e007f}";
        for c in hidden.chars() {
            assert!(!is_visible(c), "{c:?}");
            assert!(printable(&c.to_string()).is_ascii() && escaped_json(&c.to_string()).is_ascii(), "{c:?}");
        }
        let seen =
            "\u{ae}\u{61b}\u{61d}\u{180d}\u{180f}\u{2010}\u{2027}\u{202f}\u{205f}\u{2070}\u{fff8}\u{fffc}\u{e0080}";
        assert!(seen.chars().all(is_visible));
    }
}

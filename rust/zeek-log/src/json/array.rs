//! Elements of JSON arrays.

use std::borrow::Cow;

use super::escape::unescape_into;
use super::scanner::{Scanner, ValueKind};

/// Splits off the first element of a valid array: an unescaped string, or the JSON of any other value.
pub(crate) fn next_element(array: &[u8]) -> Option<(Cow<'_, [u8]>, &[u8])> {
    let mut scanner = Scanner::new(array);
    if matches!(scanner.peek(), b'[' | b',') {
        scanner.skip(1);
    }
    scanner.skip_space();
    let value = scanner.value(0).ok()?;
    let raw = value.of(array);
    scanner.skip_space();
    let rest = scanner.rest();
    let element = match value.kind {
        ValueKind::EscapedString => {
            let mut text = Vec::with_capacity(raw.len());
            unescape_into(raw, &mut text);
            Cow::Owned(text)
        }
        _ => Cow::Borrowed(raw),
    };
    Some((element, rest))
}

/// Appends the elements of a valid array to `out`, separated.
pub(crate) fn join(mut array: &[u8], separator: &[u8], out: &mut Vec<u8>) {
    let mut first = true;
    while let Some((element, rest)) = next_element(array) {
        if !first {
            out.extend_from_slice(separator);
        }
        out.extend_from_slice(&element);
        (array, first) = (rest, false);
    }
}

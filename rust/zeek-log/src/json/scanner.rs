//! Strict JSON scanner on bytes: finds the bounds of keys and values without building a tree.
//!
//! It accepts strings that are not UTF-8, which logs contain.

use super::syntax_error::{Expected, SyntaxError};
use crate::tsv::escape::hex;
use crate::value::ONES;

/// Nesting limit of arrays and objects, the same as in serde_json.
const MAX_DEPTH: usize = 127;

/// A position in a JSON text.
#[derive(Clone, Debug)]
pub(crate) struct Scanner<'j> {
    text: &'j [u8],
    at: usize,
}

/// Kind and bounds of a value: strings without quotes, arrays and objects with brackets. It fits in registers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Value {
    start: u32,
    end: u32,
    pub(crate) kind: ValueKind,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ValueKind {
    Null,
    /// `true`, `false` or a number.
    Bare,
    /// A string without escape sequences.
    String,
    /// A string with escape sequences.
    EscapedString,
    Array,
    Object,
}

impl Value {
    /// Its bounds in the text. Lines are shorter than 2^32 bytes.
    #[inline]
    pub(crate) fn bounds(self) -> (u32, u32) {
        (self.start, self.end)
    }

    /// Its bytes in the scanned text.
    #[inline]
    pub(crate) fn of(self, text: &[u8]) -> &[u8] {
        &text[self.start as usize..self.end as usize]
    }
}

impl<'j> Scanner<'j> {
    pub(crate) fn new(text: &'j [u8]) -> Self {
        Self { text, at: 0 }
    }

    /// A scanner at a position of the text.
    #[inline]
    pub(crate) fn from(text: &'j [u8], at: usize) -> Self {
        Self { text, at }
    }

    #[inline]
    pub(crate) fn at(&self) -> usize {
        self.at
    }

    /// Moves into the object at the beginning of the text.
    #[inline]
    pub(crate) fn enter(&mut self) -> Result<(), SyntaxError> {
        self.skip_space();
        self.take(b'{', Expected::Object)
    }

    /// Moves past the opening quote of the first or next key; `None` past the end of the object.
    #[inline]
    pub(crate) fn next_key(&mut self, first: bool) -> Result<Option<()>, SyntaxError> {
        self.skip_space();
        if self.peek() == b'}' {
            self.at += 1;
            return Ok(None);
        }
        if !first {
            self.take(b',', Expected::CommaOrEnd)?;
            self.skip_space();
        }
        self.take(b'"', Expected::Key).map(Some)
    }

    /// Moves past the end of the object if that comes next, without space.
    #[inline]
    pub(crate) fn leave(&mut self) -> bool {
        let end = self.peek() == b'}';
        self.at += usize::from(end);
        end
    }

    /// The unscanned text.
    #[inline]
    pub(crate) fn rest(&self) -> &'j [u8] {
        &self.text[self.at..]
    }

    /// Moves past text of known length and the space after it.
    #[inline]
    pub(crate) fn skip(&mut self, length: usize) {
        self.at += length;
        self.skip_space();
    }

    /// Moves past the closing quote of a key; returns the raw key and whether it has escapes.
    #[inline]
    pub(crate) fn key(&mut self) -> Result<(&'j [u8], bool), SyntaxError> {
        let start = self.at;
        let escaped = self.string()?;
        Ok((&self.text[start..self.at - 1], escaped))
    }

    /// Moves past the colon to the value.
    #[inline]
    pub(crate) fn colon(&mut self) -> Result<(), SyntaxError> {
        self.skip_space();
        self.take(b':', Expected::Colon)?;
        self.skip_space();
        Ok(())
    }

    /// Moves into an object if that comes next; returns true if it does.
    #[inline]
    pub(crate) fn enter_nested(&mut self) -> bool {
        let nested = self.peek() == b'{';
        self.at += usize::from(nested);
        nested
    }

    /// Moves past a value.
    #[inline(always)]
    pub(crate) fn value(&mut self, depth: usize) -> Result<Value, SyntaxError> {
        let start = self.at;
        let kind = if self.plain_string() {
            ValueKind::String
        } else if self.short_number() {
            ValueKind::Bare
        } else {
            // Only a copy of the scanner is passed on, so that its position stays in a register.
            let mut scanner = self.clone();
            let kind = scanner.any_value(depth)?;
            self.at = scanner.at;
            kind
        };
        let quote = usize::from(matches!(kind, ValueKind::String | ValueKind::EscapedString));
        Ok(Value { start: (start + quote) as u32, end: (self.at - quote) as u32, kind })
    }

    /// Moves past a string without escapes. Returns false, without moving, for other values, and if fewer than 8 bytes
    /// are left.
    #[inline(always)]
    fn plain_string(&mut self) -> bool {
        if self.peek() != b'"' {
            return false;
        }
        let mut end = self.at + 1;
        while let Some(word) = self.text.get(end..).and_then(<[u8]>::first_chunk) {
            let word = u64::from_le_bytes(*word);
            let special = specials(word);
            let bits = special.trailing_zeros() & !7;
            end += bits as usize / 8;
            if special != 0 {
                let is_plain = (word >> bits) as u8 == b'"';
                self.at = if is_plain { end + 1 } else { self.at };
                return is_plain;
            }
        }
        false
    }

    /// Moves past an unsigned integer of up to seven digits. Returns false, without moving, for other values, and if
    /// fewer than 8 bytes are left.
    #[inline(always)]
    fn short_number(&mut self) -> bool {
        let Some(word) = self.rest().first_chunk() else { return false };
        let word = u64::from_le_bytes(*word);
        let bits = non_digits(word).trailing_zeros() & !7;
        let has_leading_zero = word as u8 == b'0' && bits > 8;
        if !(8..64).contains(&bits) || has_leading_zero || matches!((word >> bits) as u8, b'.' | b'e' | b'E') {
            return false;
        }
        self.at += bits as usize / 8;
        true
    }

    #[inline(never)]
    fn any_value(&mut self, depth: usize) -> Result<ValueKind, SyntaxError> {
        match self.peek() {
            b'"' => {
                self.at += 1;
                Ok(if self.string()? { ValueKind::EscapedString } else { ValueKind::String })
            }
            b'0'..=b'9' | b'-' => self.number().map(|()| ValueKind::Bare),
            b't' => self.word(b"true").map(|()| ValueKind::Bare),
            b'f' => self.word(b"false").map(|()| ValueKind::Bare),
            b'n' => self.word(b"null").map(|()| ValueKind::Null),
            b'[' => self.array(depth).map(|()| ValueKind::Array),
            b'{' => self.object(depth).map(|()| ValueKind::Object),
            _ => self.fault(Expected::Value),
        }
    }

    /// Checks that only space is left.
    #[inline]
    pub(crate) fn finish(&mut self) -> Result<(), SyntaxError> {
        self.skip_space();
        if self.at == self.text.len() { Ok(()) } else { self.fault(Expected::LineEnd) }
    }

    /// The byte at this position; NUL, which is never valid here, at the end.
    #[inline]
    pub(super) fn peek(&self) -> u8 {
        self.text.get(self.at).copied().unwrap_or(0)
    }

    #[inline]
    pub(super) fn skip_space(&mut self) {
        while matches!(self.peek(), b' ' | b'\t' | b'\n' | b'\r') {
            self.at += 1;
        }
    }

    #[inline]
    fn take(&mut self, byte: u8, expected: Expected) -> Result<(), SyntaxError> {
        if self.peek() == byte {
            self.at += 1;
            Ok(())
        } else {
            self.fault(expected)
        }
    }

    #[cold]
    fn fault<T>(&self, expected: Expected) -> Result<T, SyntaxError> {
        Err(SyntaxError { at: self.at as u32, expected })
    }

    /// Moves past the closing quote; returns true if the string has escapes.
    fn string(&mut self) -> Result<bool, SyntaxError> {
        let mut escaped = false;
        loop {
            self.at += ordinary(&self.text[self.at..]);
            match self.peek() {
                b'"' => {
                    self.at += 1;
                    return Ok(escaped);
                }
                b'\\' => {
                    escaped = true;
                    self.escape()?;
                }
                _ => return self.fault(Expected::ClosingQuote),
            }
        }
    }

    fn escape(&mut self) -> Result<(), SyntaxError> {
        self.at += 1;
        match self.peek() {
            b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't' => self.at += 1,
            b'u' => {
                self.at += 1;
                for _ in 0..4 {
                    if hex(self.peek()).is_none() {
                        return self.fault(Expected::HexDigits);
                    }
                    self.at += 1;
                }
            }
            _ => return self.fault(Expected::Escape),
        }
        Ok(())
    }

    fn number(&mut self) -> Result<(), SyntaxError> {
        self.at += usize::from(self.peek() == b'-');
        let zero = self.peek() == b'0';
        let whole = self.at;
        self.digits()?;
        if zero && self.at > whole + 1 {
            self.at = whole + 1;
            return self.fault(Expected::CommaOrEnd);
        }
        let mut next = self.peek();
        if next == b'.' {
            self.at += 1;
            self.digits()?;
            next = self.peek();
        }
        if next | 0x20 == b'e' {
            self.at += 1;
            self.at += usize::from(matches!(self.peek(), b'+' | b'-'));
            self.digits()?;
        }
        Ok(())
    }

    /// Moves past one or more digits.
    #[inline]
    fn digits(&mut self) -> Result<(), SyntaxError> {
        let start = self.at;
        while let Some(word) = self.rest().first_chunk() {
            let others = non_digits(u64::from_le_bytes(*word));
            self.at += others.trailing_zeros() as usize / 8;
            if others != 0 {
                return if self.at == start { self.fault(Expected::Digit) } else { Ok(()) };
            }
        }
        while self.peek().is_ascii_digit() {
            self.at += 1;
        }
        if self.at == start { self.fault(Expected::Digit) } else { Ok(()) }
    }

    #[inline]
    fn word(&mut self, word: &[u8]) -> Result<(), SyntaxError> {
        if !self.rest().starts_with(word) {
            return self.fault(Expected::Value);
        }
        self.at += word.len();
        Ok(())
    }

    fn array(&mut self, depth: usize) -> Result<(), SyntaxError> {
        self.check(depth)?;
        self.at += 1;
        self.skip_space();
        if self.peek() == b']' {
            self.at += 1;
            return Ok(());
        }
        loop {
            self.skip_space();
            self.any_value(depth + 1)?;
            self.skip_space();
            match self.peek() {
                b',' => self.at += 1,
                b']' => {
                    self.at += 1;
                    return Ok(());
                }
                _ => return self.fault(Expected::CommaOrEndOfArray),
            }
        }
    }

    fn object(&mut self, depth: usize) -> Result<(), SyntaxError> {
        self.check(depth)?;
        self.at += 1;
        let mut first = true;
        while self.next_key(first)?.is_some() {
            self.string()?;
            self.colon()?;
            self.any_value(depth + 1)?;
            first = false;
        }
        Ok(())
    }

    /// Limits the recursion, so that a line of brackets cannot exhaust the stack.
    fn check(&self, depth: usize) -> Result<(), SyntaxError> {
        if depth < MAX_DEPTH { Ok(()) } else { self.fault(Expected::LessDepth) }
    }
}

/// 0x80 in every byte of a word.
const HIGHS: u64 = ONES << 7;

/// Sets the high bit of quotes, backslashes and control characters. A borrow may set it in bytes after the first of
/// these, too.
#[inline]
fn specials(word: u64) -> u64 {
    let zero_byte = |x: u64| x.wrapping_sub(ONES) & !x;
    let quote = zero_byte(word ^ (ONES * u64::from(b'"')));
    let backslash = zero_byte(word ^ (ONES * u64::from(b'\\')));
    let control = word.wrapping_sub(ONES * 0x20) & !word;
    (quote | backslash | control) & HIGHS
}

/// Sets the high bit of bytes that are not digits. A carry may set it in bytes after the first of these, too.
#[inline]
fn non_digits(word: u64) -> u64 {
    let differ = word ^ (ONES * u64::from(b'0'));
    (differ.wrapping_add(ONES * 0x76) | differ) & HIGHS
}

/// The number of bytes before the first quote, backslash or control character.
#[inline]
fn ordinary(text: &[u8]) -> usize {
    let mut rest = text;
    while let Some((word, after)) = rest.split_first_chunk() {
        let special = specials(u64::from_le_bytes(*word));
        if special != 0 {
            return text.len() - rest.len() + special.trailing_zeros() as usize / 8;
        }
        rest = after;
    }
    let tail = rest.iter().position(|&b| b == b'"' || b == b'\\' || b < 0x20).unwrap_or(rest.len());
    text.len() - rest.len() + tail
}

/// Returns true if the text is a JSON number.
pub(crate) fn is_number(text: &[u8]) -> bool {
    let mut scanner = Scanner::new(text);
    scanner.number().is_ok() && scanner.at == text.len()
}

//! Syntax errors of JSON, by position.

use crate::error::ErrorKind;

/// Position and kind of a syntax error; small, because every step may return one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct SyntaxError {
    pub(super) at: u32,
    pub(super) expected: Expected,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Expected {
    Object,
    Key,
    Colon,
    Value,
    CommaOrEnd,
    CommaOrEndOfArray,
    ClosingQuote,
    Escape,
    HexDigits,
    Digit,
    LessDepth,
    LineEnd,
}

impl SyntaxError {
    /// The error of an object without its end.
    pub(crate) fn missing_end(row: &[u8]) -> Self {
        Self { at: row.len() as u32, expected: Expected::CommaOrEnd }
    }

    pub(crate) fn kind(self) -> ErrorKind {
        let expected = match self.expected {
            Expected::Object => "an object",
            Expected::Key => "a key in quotes",
            Expected::Colon => "a colon",
            Expected::Value => "a value",
            Expected::CommaOrEnd => "a comma or the end of the object",
            Expected::CommaOrEndOfArray => "a comma or the end of the array",
            Expected::ClosingQuote => "a closing quote (control characters must be escaped)",
            Expected::Escape => "an escape sequence",
            Expected::HexDigits => "four hexadecimal digits",
            Expected::Digit => "a digit",
            Expected::LessDepth => "at most 127 nested arrays and objects",
            Expected::LineEnd => "the end of the line",
        };
        ErrorKind::Json { at: self.at as usize, expected }
    }
}

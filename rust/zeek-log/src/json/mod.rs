//! JSON on bytes, without a tree: a scanner for lines, escapes and arrays.

mod array;
mod escape;
pub(crate) mod fields;
pub(crate) mod key_cache;
mod scanner;
mod syntax_error;

pub(crate) use self::array::{join, next_element};
pub(crate) use self::escape::{push_string, unescape_into};
pub(crate) use self::scanner::{Scanner, Value, ValueKind, is_number};
pub(crate) use self::syntax_error::SyntaxError;

#[cfg(test)]
mod tests;

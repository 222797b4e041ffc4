//! A strict scanner of JSON objects on bytes.

use std::borrow::Cow;

/// Which keys came in which order in the rows before.
#[derive(Debug, Default)]
pub(crate) struct Hints;

pub(crate) fn next_element(array: &[u8]) -> Option<(Cow<'_, [u8]>, &[u8])> {
    let _ = array;
    None
}

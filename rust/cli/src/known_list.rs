//! List of known activity, from a file.

use std::path::Path;

use anyhow::{Context, Result};
use detector::KnownList;

use crate::console::Console;
use crate::format;

/// Reads a list of known activity, and warns if it is empty. Without a file, the list is empty.
///
/// # Errors
/// If the file cannot be read or used.
pub fn read(path: Option<&Path>, console: &Console) -> Result<KnownList> {
    let Some(path) = path else { return Ok(KnownList::default()) };
    let text = std::fs::read_to_string(path).with_context(|| format!("{}: cannot be read", path.display()))?;
    let list = KnownList::parse(&text).with_context(|| format!("{}: cannot be used", path.display()))?;
    if list.is_empty() {
        console.warning(&format!("{}: the list has no entries; no activity is known", path.display()));
    }
    Ok(list)
}

/// Warns if every entry of a list had expired at `first`, the end of the first record, if there is one.
pub fn warn_if_expired(path: Option<&Path>, list: &KnownList, first: Option<i64>, console: &Console) {
    if let (Some(path), Some(until)) = (path, list.expiry().filter(|until| first.is_some_and(|first| *until <= first)))
    {
        console.warning(&format!(
            "{}: all entries expired before the first record, the last one on {}; no activity is known",
            path.display(),
            format::time(until, "%Y-%m-%d")
        ));
    }
}

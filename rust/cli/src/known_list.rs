//! List of known activity, from a file.

use std::path::Path;

use anyhow::{Context, Result};
use detector::KnownList;

use crate::console::Console;

/// Reads a list of known activity, and warns if it is empty. Without a file, the list is empty.
///
/// # Errors
/// If the file cannot be read or used.
pub fn read(path: Option<&Path>, console: &Console) -> Result<KnownList> {
    let Some(path) = path else { return Ok(KnownList::default()) };
    let text = std::fs::read_to_string(path).with_context(|| format!("{}: cannot be read", path.display()))?;
    let list = KnownList::parse(&text).with_context(|| format!("{}: cannot be used", path.display()))?;
    warn_of_problem(Some(path), &list, None, console);
    Ok(list)
}

/// Warns if every entry of a list had expired at `first`, the end of the first record, if there is one.
pub fn warn_if_expired(path: Option<&Path>, list: &KnownList, first: Option<i64>, console: &Console) {
    if first.is_some() && list.problem(None).is_none() {
        warn_of_problem(path, list, first, console);
    }
}

fn warn_of_problem(path: Option<&Path>, list: &KnownList, now: Option<i64>, console: &Console) {
    if let (Some(path), Some(problem)) = (path, list.problem(now)) {
        console.warning(&format!("{}: {problem}", path.display()));
    }
}

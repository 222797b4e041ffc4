//! Sample files: detection and merging.

use std::collections::HashSet;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use detector::{LogKind, Reservoir, Sampling, Trust};

use crate::input::{file_type, require_one_kind};

/// Splits arguments into samples and logs.
pub fn split_from_logs(paths: &[PathBuf]) -> (Vec<PathBuf>, Vec<PathBuf>) {
    paths.iter().cloned().partition(|path| is_sample(path))
}

/// Returns true if a file starts like a sample.
pub fn is_sample(path: &Path) -> bool {
    file_type::first_bytes(path).is_some_and(|start| Reservoir::is_sample(&start))
}

/// Merges samples into one of at most `capacity` rows, equivalent to one sample of all their traffic.
pub fn merge(parts: &[PathBuf], capacity: usize, seed: u64) -> Result<Reservoir> {
    let mut seen = HashSet::new();
    for part in parts {
        let own = part.canonicalize().unwrap_or_else(|_| part.clone());
        ensure!(seen.insert(own), "{}: given twice; give each sample once", part.display());
    }
    // Training data is trusted like the logs, which can be written by others.
    let any = Trust { writable_by_others: true, ..Trust::default() };
    let samples: Vec<Reservoir> =
        parts.iter().map(|part| Reservoir::load(part, seed, &any)).collect::<Result<_, _>>()?;
    // A full sample lacks rows that a larger one would contain.
    let full = samples.iter().filter(|sample| sample.len() >= sample.sampling().capacity);
    let capacity = full.map(|sample| sample.sampling().capacity).fold(capacity, usize::min);
    let sampling = samples.first().map_or(Sampling::uniform(capacity), Reservoir::sampling);
    require_one_kind(parts.iter().zip(samples.iter().map(Reservoir::log)))?;
    let log = samples.first().map_or(LogKind::Conn, Reservoir::log);
    let mut merged = Reservoir::new(Sampling { capacity, ..sampling }, seed).for_log(log);
    for (sample, part) in samples.iter().zip(parts) {
        merged.merge(sample).with_context(|| part.display().to_string())?;
    }
    Ok(merged)
}

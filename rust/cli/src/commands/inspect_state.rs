//! `inspect` of what a sensor keeps in its state directory, or of a single sample: which model is at work on which node,
//! and what it goes on learning from.

use std::fmt::Write;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use detector::{Model, Reservoir, Trust};
use serde::Serialize;

use super::sample::is_sample;
use crate::{console, human};

/// The state of one node, as `--json` prints it. Times are seconds since 1970.
#[derive(Serialize)]
struct Node {
    path: PathBuf,
    model: Option<ModelState>,
    sample: Option<SampleState>,
    /// What cannot be read, and why.
    problems: Vec<String>,
}

#[derive(Serialize)]
struct ModelState {
    version: f64,
    checksum: String,
    connections: u64,
    rows: u64,
    threshold: f64,
}

#[derive(Serialize)]
struct SampleState {
    rows: usize,
    capacity: usize,
    connections: u64,
    first_ts: f64,
    last_ts: f64,
    half_life: Option<f64>,
}

/// Whether this is for a path, rather than for what describes a model.
pub fn is_for(path: &Path) -> bool {
    path.is_dir() || is_sample(path)
}

pub fn run(path: &Path, trust: &Trust, json: bool) -> Result<()> {
    let nodes = if path.is_dir() { nodes(path, trust)? } else { vec![node(path, None, Some(path), trust)] };
    ensure!(!nodes.is_empty(), "{}: holds no state of a sensor: neither a model nor a sample", path.display());
    if json { super::print_json(&nodes) } else { super::print(&text(&nodes, console::width())) }
}

/// The nodes of a state directory, or the one whose directory it is.
fn nodes(directory: &Path, trust: &Trust) -> Result<Vec<Node>> {
    let entries = directory.read_dir().with_context(|| format!("{}: cannot be read", directory.display()))?;
    let mut directories = vec![directory.to_owned()];
    for entry in entries {
        directories.push(entry.with_context(|| format!("{}: cannot be read", directory.display()))?.path());
    }
    directories.sort();
    let nodes = directories.iter().filter_map(|directory| {
        let (model, sample) = (directory.join("model"), directory.join("sample"));
        let (model, sample) = (model.is_file().then_some(model), sample.is_file().then_some(sample));
        (model.is_some() || sample.is_some()).then(|| node(directory, model.as_deref(), sample.as_deref(), trust))
    });
    Ok(nodes.collect())
}

fn node(path: &Path, model: Option<&Path>, sample: Option<&Path>, trust: &Trust) -> Node {
    let mut problems = Vec::new();
    let model =
        model.and_then(|file| Model::load(file, trust).map_err(|refusal| problems.push(refusal.to_string())).ok());
    // A sensor signs nothing.
    let unsigned = Trust { key: String::new(), ..*trust };
    let sample = sample.and_then(|file| {
        Reservoir::load(file, 0, &unsigned).map_err(|refusal| problems.push(refusal.to_string())).ok()
    });
    let seconds = |micros: i64| micros as f64 / 1e6;
    Node {
        path: path.to_owned(),
        model: model.map(|model| ModelState {
            version: seconds(model.provenance().trained_at),
            checksum: format!("{:016x}", model.checksum()),
            connections: model.provenance().connections,
            rows: model.provenance().rows,
            threshold: model.threshold(),
        }),
        sample: sample.map(|sample| {
            let (first, last) = sample.span().unwrap_or((0, 0));
            SampleState {
                rows: sample.len(),
                capacity: sample.sampling().capacity,
                connections: sample.seen(),
                first_ts: seconds(first),
                last_ts: seconds(last),
                half_life: sample.sampling().half_life.map(seconds),
            }
        }),
        problems,
    }
}

fn text(nodes: &[Node], terminal_width: usize) -> String {
    const INDENT: usize = 10;
    let micros = |seconds: f64| (seconds * 1e6) as i64;
    let mut text = String::new();
    for node in nodes {
        // Writing to a string cannot fail.
        let _ = writeln!(text, "{}", human::printable(&node.path.display().to_string()));
        let mut line = |name: &str, value: &str| {
            let _ = writeln!(text, "  {name:<7} {}", human::wrapped(value, INDENT, terminal_width));
        };
        if let Some(model) = &node.model {
            let value = format!(
                "of {} UTC, checksum {}, learnt from {}, threshold {:.6}",
                human::date_time(micros(model.version)),
                model.checksum,
                human::counted(model.connections, "connection"),
                model.threshold
            );
            line("model", &value);
        }
        if let Some(sample) = &node.sample {
            let value = format!(
                "{} of at most {}, of {}, {} to {} UTC{}",
                human::counted(sample.rows as u64, "row"),
                human::count(sample.capacity as u64),
                human::counted(sample.connections, "connection"),
                human::date_time(micros(sample.first_ts)),
                human::date_time(micros(sample.last_ts)),
                sample.half_life.map_or(String::new(), |it| format!(", half-life {}", human::span(micros(it)))),
            );
            line("sample", &value);
        }
        for problem in &node.problems {
            let _ = writeln!(text, "  {}", human::wrapped(&human::printable(problem), 2, terminal_width));
        }
    }
    text
}

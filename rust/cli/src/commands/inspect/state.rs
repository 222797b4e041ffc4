//! `inspect` of a sensor's state directory, or of a single sample: the model, sample and remembered hosts of each node.

use std::fmt::Write;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::UNIX_EPOCH;

use anyhow::{Context, Result, ensure};
use detector::{LogKind, Model, Reservoir, State, Trust};
use serde::Serialize;

use crate::samples::is_sample;
use crate::{console, escape, format};

/// State of one node about one log, as printed by `--json`. Times are seconds since 1970.
#[derive(Serialize)]
struct Node {
    path: String,
    /// Name of the log.
    log: &'static str,
    #[serde(skip)]
    noun: &'static str,
    model: Option<ModelState>,
    sample: Option<SampleState>,
    #[serde(rename = "memory")]
    context: Option<SavedContext>,
    /// Files that cannot be used, and why.
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

#[derive(Serialize)]
struct SavedContext {
    bytes: u64,
    written: Option<f64>,
    /// Version of the model whose scores are monitored for drift, if any.
    model_version: Option<f64>,
}

/// Existing files of a node about one log.
#[derive(Default)]
struct Files {
    model: Option<PathBuf>,
    sample: Option<PathBuf>,
    context: Option<PathBuf>,
}

impl Files {
    fn of(directory: &Path, log: LogKind) -> Option<Self> {
        let prefix = match log {
            LogKind::Conn => String::new(),
            other => format!("{}-", other.name()),
        };
        let file =
            |name: &str| Some(directory.join(format!("{prefix}{name}"))).filter(|path| path.symlink_metadata().is_ok());
        let files = Self { model: file("model"), sample: file("sample"), context: file("memory") };
        let any = files.model.is_some() || files.sample.is_some() || files.context.is_some();
        any.then_some(files)
    }
}

/// Returns true if a path is a state directory or a sample, rather than a model.
pub fn is_state(path: &Path) -> bool {
    path.is_dir() || is_sample(path)
}

pub fn run(path: &Path, trust: &Trust, json: bool) -> Result<()> {
    let sample = || Files { sample: Some(path.to_owned()), ..Files::default() };
    let nodes = if path.is_dir() { nodes(path, trust)? } else { vec![node(path, LogKind::Conn, &sample(), trust)] };
    ensure!(
        !nodes.is_empty(),
        "{}: not a state directory: it contains no model, sample or context file",
        path.display()
    );
    if json { crate::commands::print_json(&nodes) } else { crate::commands::print(&text(&nodes, console::width())) }?;
    let problems: usize = nodes.iter().map(|node| node.problems.len()).sum();
    ensure!(
        problems == 0,
        "{}: {} cannot be used, see above",
        path.display(),
        format::counted(problems as u64, "file")
    );
    Ok(())
}

/// The nodes below a state directory, or the node whose directory it is.
fn nodes(directory: &Path, trust: &Trust) -> Result<Vec<Node>> {
    let entries = directory.read_dir().with_context(|| format!("{}: cannot be read", directory.display()))?;
    let mut directories = vec![directory.to_owned()];
    for entry in entries {
        directories.push(entry.with_context(|| format!("{}: cannot be read", directory.display()))?.path());
    }
    directories.sort();
    let nodes = directories.iter().flat_map(|directory| {
        LogKind::ALL.into_iter().filter_map(move |log| {
            let files = Files::of(directory, log)?;
            Some(node(directory, log, &files, trust))
        })
    });
    Ok(nodes.collect())
}

fn node(path: &Path, log: LogKind, files: &Files, trust: &Trust) -> Node {
    let mut problems = Vec::new();
    let mut add_problem = |text: String| problems.push(console::without_error_numbers(&text));
    // Sensors do not sign their files.
    let unsigned = Trust { key: String::new(), ..*trust };
    let model = files
        .model
        .as_deref()
        .and_then(|file| Model::load(file, &unsigned).map_err(|refusal| add_problem(refusal.to_string())).ok());
    let sample = files
        .sample
        .as_deref()
        .and_then(|file| Reservoir::load(file, 0, &unsigned).map_err(|refusal| add_problem(refusal.to_string())).ok());
    let context = files.context.as_deref().and_then(|file| {
        let state = State::load(file, &unsigned).map_err(|refusal| add_problem(refusal.to_string())).ok()?;
        let version = Some(state.version).filter(|&version| version > 0);
        let restored = state.restore().map_err(|refusal| add_problem(format!("{}: {refusal}", file.display())));
        restored.ok().map(|_| (file, version))
    });
    let seconds = |micros: i64| micros as f64 / 1e6;
    let log = sample.as_ref().map_or(log, Reservoir::log);
    Node {
        path: path.display().to_string(),
        log: log.name(),
        noun: log.noun(),
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
        context: context.map(|(file, version)| {
            let metadata = fs::metadata(file).ok();
            let written = metadata.as_ref().and_then(|metadata| metadata.modified().ok());
            let written = written.and_then(|time| time.duration_since(UNIX_EPOCH).ok());
            SavedContext {
                bytes: metadata.map_or(0, |metadata| metadata.len()),
                written: written.map(|since| since.as_secs_f64()),
                model_version: version.map(seconds),
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
        // Writing to a `String` cannot fail.
        let about = if node.log == LogKind::Conn.name() { String::new() } else { format!(", {}.log", node.log) };
        let _ = writeln!(text, "{}{about}", escape::printable(&node.path));
        let mut line = |name: &str, value: &str| {
            let _ = writeln!(text, "  {name:<7} {}", format::wrapped(value, INDENT, terminal_width));
        };
        if let Some(model) = &node.model {
            let value = format!(
                "of {} UTC, checksum {}, trained on {}, threshold {:.6}",
                format::date_time(micros(model.version)),
                model.checksum,
                format::counted(model.connections, node.noun),
                model.threshold
            );
            line("model", &value);
        }
        if let Some(sample) = &node.sample {
            let value = format!(
                "{} of at most {}, of {}, {} to {} UTC{}",
                format::counted(sample.rows as u64, "row"),
                format::count(sample.capacity as u64),
                format::counted(sample.connections, node.noun),
                format::date_time(micros(sample.first_ts)),
                format::date_time(micros(sample.last_ts)),
                sample.half_life.map_or(String::new(), |it| format!(", half-life {}", format::time_span(micros(it)))),
            );
            line("sample", &value);
        }
        if let Some(context) = &node.context {
            let value = format!(
                "{} on hosts and services{}{}",
                format::bytes(context.bytes),
                context.written.map_or(String::new(), |it| format!(", written {} UTC", format::date_time(micros(it)))),
                context.model_version.map_or(String::new(), |it| {
                    format!(", scores of the model of {} UTC", format::date_time(micros(it)))
                }),
            );
            line("context", &value);
        }
        for problem in &node.problems {
            let _ = writeln!(text, "  {}", format::wrapped(&escape::printable(problem), 2, terminal_width));
        }
    }
    text
}

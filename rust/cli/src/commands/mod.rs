//! Commands, one module each, with their arguments.

pub mod completions_man;
pub mod evaluate;
pub mod features;
pub mod incidents;
pub mod inspect;
#[cfg(feature = "onnx")]
pub mod onnx;
pub mod report;
pub mod sample;
pub mod score;
pub mod top;
pub mod train;
pub mod watch;

use std::io::{ErrorKind, Write};
use std::path::Path;

use anyhow::{Context, Result, anyhow, ensure};
use detector::{LogKind, Model, Params, Trust};
use serde::Serialize;

use crate::cli::options::ModelArgs;
use crate::console::Console;
use crate::format;
use crate::input::LogInputs;
use crate::pipeline::Pipeline;
use crate::samples;
use crate::training;

/// Loads the given model, or trains one on the logs that are scored.
fn model_for(model: &ModelArgs, inputs: &LogInputs, threads: usize, console: &Console) -> Result<Model> {
    model_of(model.path(), &model.trust.trust(), inputs, threads, console)
}

/// Loads a model file, or trains a model on the logs that are scored.
pub fn model_of(
    path: Option<&Path>,
    trust: &Trust,
    inputs: &LogInputs,
    threads: usize,
    console: &Console,
) -> Result<Model> {
    if let Some(path) = path {
        let loaded = load_model(path, trust)?;
        return require_log(loaded, path, inputs.log);
    }
    ensure!(
        inputs.is_repeatable(),
        "without --model the logs are read twice, which a pipe does not allow; give files, or train a model first: \
         zeek-iforest train LOG... -o MODEL"
    );
    let logs = match inputs.inputs.len() {
        1 => "log".to_owned(),
        n => format::counted(n as u64, "log"),
    };
    console.note(&format!("no model given: training on the same {logs} first"));
    let pipeline = Pipeline { reports: false, ..Pipeline::new(inputs, threads, console) };
    Ok(training::train(&pipeline, &Params::of(inputs.log), None, &detector::KnownList::default())?.0)
}

/// Refuses a model of another log.
fn require_log(model: Model, path: &Path, log: LogKind) -> Result<Model> {
    let found = model.schema().log;
    ensure!(
        found == log,
        "{}: is a model of {}.log, but the logs are {}.log; give a model of {}.log, or the kind of the logs with --log",
        path.display(),
        found.name(),
        log.name(),
        log.name()
    );
    Ok(model)
}

/// Loads a model file.
pub fn load_model(path: &Path, trust: &Trust) -> Result<Model> {
    Model::load(path, trust).map_err(|error| match error.kind() {
        detector::ErrorKind::Read(cause) if cause.kind() == ErrorKind::NotFound => {
            let path = format::shell_word(&path.display().to_string());
            anyhow!("{path}: model not found; train one with: zeek-iforest train LOG... -o {path}")
        }
        detector::ErrorKind::Read(cause) if cause.kind() == ErrorKind::IsADirectory => {
            anyhow!("{}: this is a directory; give the model file", path.display())
        }
        detector::ErrorKind::OtherContents(_) if samples::is_sample(path) => {
            let path = format::shell_word(&path.display().to_string());
            anyhow!("{path}: is a sample, not a model; train a model on it with: zeek-iforest train {path} -o MODEL")
        }
        _ => error.into(),
    })
}

/// Prints the result of a command.
fn print(text: &str) -> Result<()> {
    let mut stdout = anstream::stdout().lock();
    let written = stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush());
    written.context("(standard output): cannot be written")
}

/// Prints the result of a command as JSON.
fn print_json(object: &impl Serialize) -> Result<()> {
    print(&format!("{}\n", format::escaped_json(&serde_json::to_string_pretty(object)?)))
}

//! Model to score with: loaded from a file, or trained on the logs that are scored.

use std::io::ErrorKind;
use std::path::Path;

use anyhow::{Result, anyhow, ensure};
use detector::{LogKind, Model, Params, Trust};

use crate::console::Console;
use crate::input::{LogInputs, file_type};
use crate::pipeline::Pipeline;
use crate::{format, training};

/// Loads a model file, or trains a model on the logs that are scored.
pub fn load_or_train(
    path: Option<&Path>,
    trust: &Trust,
    inputs: &LogInputs,
    threads: usize,
    console: &Console,
) -> Result<Model> {
    if let Some(path) = path {
        return require_log(load(path, trust)?, path, inputs.log);
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
    let pipeline = Pipeline { report_unusable: false, ..Pipeline::new(inputs, threads, console) };
    Ok(training::train(&pipeline, &Params::of(inputs.log), None, &detector::KnownList::default())?.0)
}

/// Refuses a model of another log.
pub fn require_log(model: Model, path: &Path, log: LogKind) -> Result<Model> {
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

pub fn load(path: &Path, trust: &Trust) -> Result<Model> {
    Model::load(path, trust).map_err(|error| match error.kind() {
        detector::ErrorKind::Read(cause) if cause.kind() == ErrorKind::NotFound => {
            let path = format::shell_word(&path.display().to_string());
            anyhow!("{path}: model not found; train one with: zeek-iforest train LOG... -o {path}")
        }
        detector::ErrorKind::Read(cause) if cause.kind() == ErrorKind::IsADirectory => {
            anyhow!("{}: this is a directory; give the model file", path.display())
        }
        detector::ErrorKind::OtherContents(_) => {
            let start = file_type::first_bytes(path).unwrap_or_default();
            file_type::own_file(&start).map_or_else(
                || error.into(),
                |(noun, advice)| anyhow!("{}: is {noun}, not a model; {advice}", path.display()),
            )
        }
        _ => error.into(),
    })
}

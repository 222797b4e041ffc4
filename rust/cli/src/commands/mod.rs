//! The commands, one file each.

pub mod describe;
pub mod evaluate;
pub mod features;
pub mod inspect;
pub mod inspect_state;
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
use detector::{Fault, Model, Params, Trust};
use serde::Serialize;

use crate::args::ModelArgs;
use crate::console::Console;
use crate::human;
use crate::pipeline::Run;
use crate::source::Source;
use crate::training;

/// The model of a file, or without one, that learnt from the logs which are to be scored.
fn model_for(model: &ModelArgs, source: &Source, threads: usize, console: &Console) -> Result<Model> {
    if let Some(path) = model.path() {
        return load_model(path, &model.trust.trust());
    }
    ensure!(
        source.is_repeatable(),
        "without a model the logs are read twice, first to learn from them, and a pipe can only be read once; train a \
         model first (zeek-iforest train LOG... -o MODEL) and give it with --model, or give files"
    );
    let logs = match source.inputs.len() {
        1 => "log".to_owned(),
        n => human::counted(n as u64, "log"),
    };
    console.note(&format!("no model given: learning from the same {logs} first"));
    let run = Run { reports: false, ..Run::new(source, threads, console) };
    Ok(training::learn(&run, &Params::default(), None)?.0)
}

/// The model of a file.
fn load_model(path: &Path, trust: &Trust) -> Result<Model> {
    Model::load(path, trust).map_err(|error| match &error.fault {
        Fault::Read(cause) if cause.kind() == ErrorKind::NotFound => {
            let path = human::shell_word(&path.display().to_string());
            anyhow!("{path}: there is no such model; make it with: zeek-iforest train LOG... -o {path}")
        }
        Fault::Read(cause) if cause.kind() == ErrorKind::IsADirectory => {
            anyhow!("{}: is a directory; give the file in it that train wrote", path.display())
        }
        _ => error.into(),
    })
}

/// Prints a command's result.
fn print(text: &str) -> Result<()> {
    let mut stdout = anstream::stdout().lock();
    let written = stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush());
    written.context("(standard output): cannot be written")
}

/// Prints a command's result as one JSON object.
fn print_json(object: &impl Serialize) -> Result<()> {
    print(&format!("{}\n", human::escaped_json(&serde_json::to_string_pretty(object)?)))
}

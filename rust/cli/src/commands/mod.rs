//! Commands, one module each, with their arguments.

pub mod completions_man;
pub mod evaluate;
pub mod features;
pub mod incidents;
pub mod inspect;
pub mod onnx;
pub mod report;
pub mod sample;
pub mod score;
pub mod top;
pub mod train;
pub mod watch;

use std::io::Write;

use anyhow::{Context, Result};
use serde::Serialize;

use crate::escape;

/// Prints the result of a command.
fn print(text: &str) -> Result<()> {
    let mut stdout = anstream::stdout().lock();
    let written = stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush());
    written.context("(standard output): cannot be written")
}

/// Prints the result of a command as JSON.
fn print_json(object: &impl Serialize) -> Result<()> {
    print(&format!("{}\n", escape::escaped_json(&serde_json::to_string_pretty(object)?)))
}

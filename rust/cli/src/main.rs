//! `zeek-iforest`: learn what is usual in a conn.log, and score connections by how unusual they are.
//!
//! This binary is thin: what an anomaly is lives in `detector`, how a log is read and written in `zeek-log`.

mod args;
mod columns;
mod commands;
mod conn_log;
mod console;
mod follow;
mod highest;
mod human;
mod merge;
mod overwrite;
mod pipeline;
mod ranking;
mod report;
mod samples;
mod score_text;
mod signing;
mod source;
mod training;

use std::process::ExitCode;

use anyhow::Result;
use clap::Parser;

use crate::args::{Args, Command};
use crate::console::Console;

fn main() -> ExitCode {
    let args = Args::try_parse().unwrap_or_else(|error| console::exit_with(&error));
    let console = Console::new(args.quiet);
    match run(args, &console) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => console.exit_code(&error),
    }
}

fn run(args: Args, console: &Console) -> Result<()> {
    overwrite::refuse(&args.command)?;
    let threads = args.threads()?;
    match args.command {
        Command::Train(args) => commands::train::run(args, threads, console),
        Command::Sample(args) => commands::sample::run(args, threads, console),
        Command::Score(args) => commands::score::run(args, threads, console),
        Command::Top(args) => commands::top::run(args, threads, console),
        Command::Watch(args) => commands::watch::run(&args, console),
        Command::Report(args) => commands::report::run(args, threads, console),
        Command::Evaluate(args) => commands::evaluate::run(args, threads, console),
        Command::Inspect(args) => commands::inspect::run(&args),
        Command::Features(args) => commands::features::run(args, threads, console),
        Command::ImportOnnx(args) => commands::onnx::import(args, threads, console),
        Command::ExportOnnx(args) => commands::onnx::export(&args, console),
        Command::Completions { shell } => commands::describe::completions(shell),
        Command::Man { command } => commands::describe::man(command.as_deref()),
    }
}

//! `zeek-iforest`: trains models on conn.log or dns.log and scores records by how unusual they are.
//!
//! Detection is in the crate `detector`, log reading and writing in `zeek-log`.

mod cli;
mod commands;
mod console;
mod context_file;
mod escape;
mod format;
mod grouping;
mod host_filter;
mod input;
mod known_list;
mod labels;
mod model_file;
mod output_check;
mod pipeline;
mod report;
mod samples;
mod score_text;
mod scored_logs;
mod signature;
mod text_table;
mod top_k;
mod training;

use std::process::ExitCode;

use anyhow::Result;
use clap::Parser;

use crate::cli::{Cli, Command};
use crate::console::Console;

fn main() -> ExitCode {
    let cli = Cli::try_parse().unwrap_or_else(|error| console::exit_with(&error));
    let console = Console::new(cli.quiet);
    match run(cli, &console) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => console.exit_code(&error),
    }
}

fn run(cli: Cli, console: &Console) -> Result<()> {
    output_check::check(&cli.command)?;
    let threads = cli.threads()?;
    match cli.command {
        Command::Train(args) => commands::train::run(args, threads, console),
        Command::Sample(args) => commands::sample::run(args, threads, console),
        Command::Score(args) => commands::score::run(args, threads, console),
        Command::Top(args) => commands::top::run(args, threads, console),
        Command::Incidents(args) => commands::incidents::run(args, threads, console),
        Command::Watch(args) => commands::watch::run(&args, console),
        Command::Report(args) => commands::report::run(args, threads, console),
        Command::Evaluate(args) => commands::evaluate::run(args, threads, console),
        Command::Inspect(args) => commands::inspect::run(&args),
        Command::Features(args) => commands::features::run(args, threads, console),
        Command::ImportOnnx(args) => commands::onnx::import(args, threads, console),
        Command::ExportOnnx(args) => commands::onnx::export(&args, console),
        Command::Completions { shell } => commands::completions_man::completions(shell),
        Command::Man { command } => commands::completions_man::man(command.as_deref()),
    }
}

//! That no command replaces a file it reads: which files each one reads and writes, and the refusal.
//!
//! Output is renamed into its place when it is complete, so that reading and writing one file would work; but what a log
//! held that could not be used, or was behind a damaged place, would be gone with it, and so would a model or a key.

use std::ffi::OsStr;
use std::fs::Metadata;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use anyhow::{Result, bail};
use zeek_log::{Input, find_inputs};

use crate::args::{Command, LogArgs};
use crate::conn_log;

const STDIN: &str = "/dev/stdin";
const STDOUT: &str = "/dev/stdout";

/// The files of a command.
#[derive(Default)]
struct Files<'a> {
    /// Logs and directories of them, and samples.
    logs: Vec<&'a Path>,
    /// Whatever else is read.
    others: Vec<&'a Path>,
    outputs: Vec<PathBuf>,
}

/// Refuses a command line on which an output is a file that is read.
///
/// # Errors
/// When there is one, under whatever names and through whatever links.
pub fn refuse(command: &Command) -> Result<()> {
    let Files { logs, others, outputs } = files(command);
    for output in outputs {
        let Some(written) = file(&output) else { continue };
        // That there is no such log, or none in a directory, is for those to say who read it.
        let inputs =
            logs.iter().filter_map(|log| find_inputs([log], conn_log::STREAM).ok()).flat_map(|logs| logs.found);
        let inputs = inputs.map(|input| match input {
            Input::Stdin => PathBuf::from(STDIN),
            Input::File(path) => path,
        });
        let is_written = |input: &PathBuf| file(input).is_some_and(|read| same(&read, &written));
        if let Some(read) = inputs.chain(others.iter().map(|path| path.to_path_buf())).find(is_written) {
            let [output, read] = [&output, &read].map(|path| in_words(path));
            bail!("{output}: would replace {read}, which is read here; write to another file");
        }
    }
    Ok(())
}

fn files(command: &Command) -> Files<'_> {
    match command {
        Command::Train(args) => {
            let signature = args.sign_with.as_ref().map(|_| detector::signature_of(&args.output));
            Files {
                logs: logs(&args.traffic.logs),
                others: args.sign_with.as_deref().into_iter().collect(),
                outputs: [args.output.clone()].into_iter().chain(signature).collect(),
            }
        }
        Command::Sample(args) => {
            Files { logs: logs(&args.traffic.logs), outputs: vec![args.output.clone()], ..Files::default() }
        }
        Command::Score(args) => Files {
            logs: logs(&args.logs),
            others: args.model.path().into_iter().collect(),
            outputs: vec![or_stdout(args.output.path())],
        },
        Command::Features(args) => Files {
            logs: logs(&args.logs),
            others: args.model.path().into_iter().collect(),
            outputs: vec![or_stdout(args.output.path())],
        },
        Command::Report(args) => Files {
            logs: logs(&args.logs),
            others: args.model.path().into_iter().collect(),
            outputs: vec![or_stdout(&args.output)],
        },
        Command::Evaluate(args) => Files {
            logs: logs(&args.logs).into_iter().chain(args.train.iter().map(PathBuf::as_path)).collect(),
            others: args.model.iter().map(PathBuf::as_path).collect(),
            outputs: args.roc.iter().chain(&args.pr).cloned().collect(),
        },
        Command::ImportOnnx(args) => Files {
            logs: logs(&args.logs),
            others: [Some(args.forest.as_path()), args.model.as_deref()].into_iter().flatten().collect(),
            outputs: vec![args.output.clone()],
        },
        Command::ExportOnnx(args) => Files {
            others: vec![&args.model],
            outputs: vec![or_stdout(args.output.as_deref().unwrap_or(Path::new("-")))],
            ..Files::default()
        },
        Command::Top(_)
        | Command::Watch(_)
        | Command::Inspect(_)
        | Command::Completions { .. }
        | Command::Man { .. } => Files::default(),
    }
}

fn logs(args: &LogArgs) -> Vec<&Path> {
    if args.paths.is_empty() { vec![Path::new("-")] } else { args.paths.iter().map(PathBuf::as_path).collect() }
}

fn or_stdout(output: &Path) -> PathBuf {
    if output == Path::new("-") { PathBuf::from(STDOUT) } else { output.to_owned() }
}

/// What is known of a file; nothing of pipes and devices, which hold nothing to lose.
fn file(path: &Path) -> Option<Metadata> {
    path.metadata().ok().filter(Metadata::is_file)
}

fn same(a: &Metadata, b: &Metadata) -> bool {
    (a.dev(), a.ino()) == (b.dev(), b.ino())
}

fn in_words(path: &Path) -> String {
    match path.as_os_str() {
        stdin if stdin == OsStr::new(STDIN) => "standard input".to_owned(),
        stdout if stdout == OsStr::new(STDOUT) => "standard output".to_owned(),
        _ => path.display().to_string(),
    }
}

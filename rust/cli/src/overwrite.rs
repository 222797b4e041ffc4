//! That no command replaces a file it reads, nor works for an output that cannot be written: which files each one reads
//! and writes, and the refusal.
//!
//! Output is renamed into its place when it is complete, so that reading and writing one file would work; but what a log
//! held that could not be used, or was behind a damaged place, would be gone with it, and so would a model or a key.

use std::ffi::OsStr;
use std::fs::Metadata;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};

use anyhow::{Result, bail};
use zeek_log::{Input, find_inputs, is_descriptor};

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
    outputs: Vec<Output>,
}

/// A file that a command writes.
enum Output {
    /// One that takes the place of whatever has its name: a model, its signature, a sample.
    Replacing(PathBuf),
    /// Rows, or a page, which go into a pipe or a device that has the name.
    Streaming(PathBuf),
}

impl Output {
    fn path(&self) -> &Path {
        match self {
            Self::Replacing(path) | Self::Streaming(path) => path,
        }
    }
}

/// Refuses a command line on which an output is a directory, a device that would be replaced, or a file that is read.
///
/// # Errors
/// When there is one, the file under whatever names and through whatever links.
pub fn refuse(command: &Command) -> Result<()> {
    let Files { logs, others, outputs } = files(command);
    // Before the first is written, because a model and its signature go together.
    if let Some(directory) = outputs.iter().map(Output::path).find(|path| is_directory(path)) {
        bail!("{}: is a directory; give the name of a file in it", directory.display());
    }
    for output in &outputs {
        match output {
            Output::Replacing(path) if is_device(path) => {
                bail!("{}: is no file, and would be replaced by one; write to a file", path.display())
            }
            _ => {}
        }
        let Some(written) = file(output.path()) else { continue };
        // That there is no such log, or none in a directory, is for those to say who read it.
        let inputs =
            logs.iter().filter_map(|log| find_inputs([log], conn_log::STREAM).ok()).flat_map(|logs| logs.found);
        let inputs = inputs.map(|input| match input {
            Input::Stdin => PathBuf::from(STDIN),
            Input::File(path) => path,
        });
        let is_written = |input: &PathBuf| file(input).is_some_and(|read| same(&read, &written));
        if let Some(read) = inputs.chain(others.iter().map(|path| path.to_path_buf())).find(is_written) {
            let [output, read] = [output.path(), &read].map(in_words);
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
                outputs: [args.output.clone()].into_iter().chain(signature).map(Output::Replacing).collect(),
            }
        }
        Command::Sample(args) => Files {
            logs: logs(&args.traffic.logs),
            outputs: vec![Output::Replacing(args.output.clone())],
            ..Files::default()
        },
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
            outputs: args.roc.iter().chain(&args.pr).cloned().map(Output::Streaming).collect(),
        },
        Command::ImportOnnx(args) => Files {
            logs: logs(&args.logs),
            others: [Some(args.forest.as_path()), args.model.as_deref()].into_iter().flatten().collect(),
            outputs: vec![Output::Replacing(args.output.clone())],
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

fn or_stdout(output: &Path) -> Output {
    Output::Streaming(if output == Path::new("-") { PathBuf::from(STDOUT) } else { output.to_owned() })
}

fn is_directory(path: &Path) -> bool {
    path.symlink_metadata().is_ok_and(|there| there.is_dir())
}

/// What is known of a file; nothing of pipes and devices, which hold nothing to lose.
fn file(path: &Path) -> Option<Metadata> {
    path.metadata().ok().filter(Metadata::is_file)
}

/// Whether others need what has this name to be what it is.
fn is_device(path: &Path) -> bool {
    let kind = path.symlink_metadata().map(|there| there.file_type());
    is_descriptor(path) || kind.is_ok_and(|kind| kind.is_char_device() || kind.is_block_device())
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

//! Check before a command starts: the directory of an output must exist, and an output must not replace an input or
//! another output.
//!
//! Replacing an input would lose its unusable rows, or a model or key.

use std::ffi::OsStr;
use std::fs::Metadata;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};

use anyhow::{Result, bail};
use detector::LogKind;
use zeek_log::{Input, find_inputs, is_descriptor};

use crate::cli::{Command, options::LogArgs};

const STDIN: &str = "/dev/stdin";
const STDOUT: &str = "/dev/stdout";

/// Files of a command.
#[derive(Default)]
struct Files<'a> {
    /// Logs, directories and samples.
    logs: Vec<&'a Path>,
    /// Other inputs.
    others: Vec<&'a Path>,
    outputs: Vec<Output>,
}

/// Output of a command.
enum Output {
    /// File that replaces another of its name: a model, a signature, a sample.
    Replacing(PathBuf),
    /// Rows or a report; pipes and devices of its name are written to.
    Streaming(PathBuf),
}

impl Output {
    fn path(&self) -> &Path {
        match self {
            Self::Replacing(path) | Self::Streaming(path) => path,
        }
    }
}

/// Checks the outputs of a command.
///
/// # Errors
/// If an output is a directory, in a directory that does not exist, a device that would be replaced, another output, or an
/// input, also through links.
pub fn check(command: &Command) -> Result<()> {
    let Files { logs, others, outputs } = files(command);
    // All outputs are checked before the first is written, so that a model never lacks its signature.
    if let Some(directory) = outputs.iter().map(Output::path).find(|path| is_directory(path)) {
        bail!("{}: this is a directory; give the name of a file in it", directory.display());
    }
    for output in &outputs {
        if let Some(missing) = missing_directory(output.path()) {
            let directory = missing.display();
            bail!("{}: cannot be written: there is no directory {directory}", output.path().display());
        }
        match output {
            Output::Replacing(path) if is_device(path) => {
                bail!("{}: not a regular file, and would be replaced; give another name", path.display())
            }
            _ => {}
        }
        let is_same = |other: &&Output| place(other.path()).is_some_and(|other| place(output.path()) == Some(other));
        if outputs.iter().filter(is_same).count() > 1 {
            bail!("{}: two outputs have this name; give different names", output.path().display());
        }
        let Some(written) = file(output.path()) else { continue };
        // Missing logs are reported when they are read.
        let logs = logs.iter().flat_map(|log| LogKind::ALL.map(|kind| find_inputs([log], kind.name())));
        let inputs = logs.flatten().flat_map(|logs| logs.found);
        let inputs = inputs.map(|input| match input {
            Input::Stdin => PathBuf::from(STDIN),
            Input::File(path) => path,
        });
        let is_written = |input: &PathBuf| file(input).is_some_and(|read| same(&read, &written));
        if let Some(read) = inputs.chain(others.iter().map(|path| path.to_path_buf())).find(is_written) {
            let [output, read] = [output.path(), &read].map(display_name);
            bail!("{output}: would replace the input {read}; give another name");
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
                others: args.sign_with.iter().chain(&args.known).map(PathBuf::as_path).collect(),
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
            others: args.model.model.as_deref().into_iter().collect(),
            outputs: vec![or_stdout(args.output.path())].into_iter().chain(context(&args.context.context)).collect(),
        },
        Command::Features(args) => Files {
            logs: logs(&args.logs),
            others: args.model.model.as_deref().into_iter().collect(),
            outputs: vec![or_stdout(args.output.path())],
        },
        Command::Report(args) => Files {
            logs: logs(&args.logs),
            others: args.models.model.iter().chain(&args.known.known).map(PathBuf::as_path).collect(),
            outputs: vec![or_stdout(&args.output)].into_iter().chain(context(&args.context.context)).collect(),
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
        Command::Top(args) => Files {
            logs: logs(&args.logs),
            others: args.model.model.as_deref().into_iter().collect(),
            outputs: context(&args.context.context).collect(),
        },
        Command::Incidents(args) => Files {
            logs: logs(&args.logs),
            others: (args.models.model.iter().chain(&args.known.known).chain(&args.try_known))
                .map(PathBuf::as_path)
                .collect(),
            outputs: context(&args.context.context).collect(),
        },
        Command::Watch(args) => Files {
            others: args.model.iter().chain(&args.logs).chain(&args.known.known).map(PathBuf::as_path).collect(),
            outputs: context(&args.context).collect(),
            ..Files::default()
        },
        Command::Inspect(_) | Command::Completions { .. } | Command::Man { .. } => Files::default(),
    }
}

fn context(file: &Option<PathBuf>) -> impl Iterator<Item = Output> {
    file.clone().into_iter().map(Output::Replacing)
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

/// The directory of an output, if it does not exist.
fn missing_directory(output: &Path) -> Option<&Path> {
    output.parent().filter(|directory| *directory != Path::new("") && !directory.is_dir())
}

/// Path of an output without links; `None` for pipes and devices, to which several outputs can be written.
fn place(output: &Path) -> Option<PathBuf> {
    if output.exists() {
        return output.canonicalize().ok().filter(|output| output.is_file());
    }
    let directory = output.parent().filter(|directory| *directory != Path::new("")).unwrap_or(Path::new("."));
    Some(directory.canonicalize().ok()?.join(output.file_name()?))
}

/// Metadata of a regular file; pipes and devices have no contents to lose.
fn file(path: &Path) -> Option<Metadata> {
    path.metadata().ok().filter(Metadata::is_file)
}

/// Returns true if a path is a device or descriptor, which must not be replaced by a file.
fn is_device(path: &Path) -> bool {
    let kind = path.symlink_metadata().map(|there| there.file_type());
    is_descriptor(path) || kind.is_ok_and(|kind| kind.is_char_device() || kind.is_block_device())
}

fn same(a: &Metadata, b: &Metadata) -> bool {
    (a.dev(), a.ino()) == (b.dev(), b.ino())
}

fn display_name(path: &Path) -> String {
    match path.as_os_str() {
        stdin if stdin == OsStr::new(STDIN) => "standard input".to_owned(),
        stdout if stdout == OsStr::new(STDOUT) => "standard output".to_owned(),
        _ => path.display().to_string(),
    }
}

//! Runs the commands in documentation pages and compares their output.

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use libtest_mimic::Failed;
use tempfile::TempDir;

/// Requirements of a block that can be missing.
const NEEDS: [&str; 3] = ["sensor", "build", "lab"];

/// A command with its expected lines of output and its position.
struct Shown {
    command: String,
    output: Vec<String>,
    line: usize,
}

/// Runs the commands of a page, each in the same directory.
pub fn run(root: &Path, page: &Path) -> Result<(), Failed> {
    let shown = commands(&fs::read_to_string(page)?)?;
    if shown.is_empty() {
        return Ok(());
    }
    let scratch = Scratch::new(root)?;
    for Shown { command, output, line } in shown {
        let printed = scratch.run(&command).map_err(|problem| format!("line {line}: {problem}"))?;
        let mut lines = printed.lines();
        for wanted in output.iter().filter(|wanted| wanted.trim() != "...") {
            if !lines.any(|line| matches(line.trim_end(), wanted.trim_end())) {
                return Err(format!("line {line}: {command}: does not print {wanted:?}, but\n{printed}").into());
            }
        }
    }
    Ok(())
}

/// Scratch directory with the files that the pages use.
pub struct Scratch {
    directory: TempDir,
    path: OsString,
}

impl Scratch {
    pub fn new(root: &Path) -> std::io::Result<Self> {
        let directory = tempfile::tempdir()?;
        let path = fill(root, directory.path())?;
        Ok(Self { directory, path })
    }

    /// Runs a command that must succeed, and returns its output.
    pub fn run(&self, command: &str) -> Result<String, String> {
        let run = Command::new("sh")
            .args(["-c", &format!("{{ {command}\n}} 2>&1")])
            .current_dir(self.directory.path())
            .env("PATH", &self.path)
            .env("COLUMNS", "100")
            .stdin(Stdio::null())
            .output()
            .map_err(|error| error.to_string())?;
        let printed = String::from_utf8_lossy(&run.stdout).into_owned();
        if run.status.success() { Ok(printed) } else { Err(format!("{command}: {}\n{printed}", run.status)) }
    }
}

/// Returns true if a line matches; `...` matches anything.
fn matches(line: &str, shown: &str) -> bool {
    let parts: Vec<_> = shown.split("...").collect();
    let [first, middle @ .., last] = parts.as_slice() else { return line == shown };
    let Some(mut rest) = line.strip_prefix(first) else { return false };
    for part in middle {
        let Some(at) = rest.find(part) else { return false };
        rest = &rest[at + part.len()..];
    }
    rest.ends_with(last)
}

/// Commands of the blocks to run. A backslash continues a command on the next line.
fn commands(text: &str) -> Result<Vec<Shown>, Failed> {
    let mut found: Vec<Shown> = Vec::new();
    let mut fence = None;
    let mut indent = 0;
    for (i, line) in text.lines().enumerate() {
        if fence.is_none() {
            indent = line.len() - line.trim_start().len();
        }
        let line = line.get(indent..).unwrap_or_default();
        match (fence, line.strip_prefix("```")) {
            (None, Some(info)) => {
                let is_run_or_says_why_not = match info.trim().split_once(' ') {
                    Some(("console", needs)) => NEEDS.contains(&needs),
                    _ => !["sh", "bash", "shell"].contains(&info.trim()),
                };
                if !is_run_or_says_why_not {
                    let wanted = format!("`console`, to be run, or `console` and one of {}", NEEDS.join(", "));
                    return Err(format!("line {}: commands are fenced as {wanted}", i + 1).into());
                }
                fence = Some(info.trim());
            }
            (Some(_), Some(_)) => fence = None,
            (Some("console"), None) => match (line.strip_prefix("$ "), found.last_mut()) {
                (Some(command), _) => {
                    found.push(Shown { command: command.to_owned(), output: Vec::new(), line: i + 1 });
                }
                (None, Some(last)) if last.command.ends_with('\\') => {
                    last.command.push('\n');
                    last.command.push_str(line);
                }
                (None, Some(last)) => last.output.push(line.to_owned()),
                (None, None) => return Err(format!("line {}: output without a command", i + 1).into()),
            },
            _ => {}
        }
    }
    Ok(found)
}

/// Fills the directory with the files that the pages use, and returns a PATH with the program.
fn fill(root: &Path, scratch: &Path) -> std::io::Result<OsString> {
    let data = root.join("tests/data");
    let copy = |from: &str, to: &str| -> std::io::Result<()> {
        let to = scratch.join(to);
        fs::create_dir_all(to.parent().unwrap_or(scratch))?;
        fs::copy(data.join(from), to).map(drop)
    };
    for name in ["lab-day1.conn.log", "lab-day2.conn.log", "lab-day2.labelled.conn.log"] {
        copy(name, &format!("tests/data/{name}"))?;
    }
    copy("lab-day2.conn.log", "conn.log")?;
    copy("lab-day2.labelled.conn.log", "labelled.conn.log")?;
    copy("lab-dns-day1.dns.log", "dns.log")?;
    copy("lab-day1.conn.log", "logs/2025-03-04/conn.08:00:00-13:00:00.log")?;
    copy("lab-day2.conn.log", "logs/2025-03-05/conn.08:00:00-18:00:00.log")?;
    let program = Path::new(env!("CARGO_BIN_EXE_zeek-iforest"));
    for directory in ["bin", "target/release"] {
        fs::create_dir_all(scratch.join(directory))?;
        std::os::unix::fs::symlink(program, scratch.join(directory).join("zeek-iforest"))?;
    }
    let before = std::env::var_os("PATH").unwrap_or_default();
    let path = std::iter::once(scratch.join("bin")).chain(std::env::split_paths(&before));
    std::env::join_paths(path.collect::<Vec<PathBuf>>()).map_err(std::io::Error::other)
}

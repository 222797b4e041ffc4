//! Helpers that run the binary in a scratch directory.

use std::fs::{self, Permissions};
use std::io::{self, Write};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::LazyLock;

/// User id of `nobody`, on Debian and most other systems.
pub const NOBODY: u32 = 65_534;

/// Scratch directory of a test.
pub struct Dir(tempfile::TempDir);

impl Dir {
    pub fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    /// Writes a file, with the directories above it.
    pub fn write(&self, name: &str, contents: impl AsRef<[u8]>) -> PathBuf {
        let path = self.path(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, contents).unwrap();
        path
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    pub fn read(&self, name: &str) -> String {
        std::fs::read_to_string(self.path(name)).unwrap()
    }

    pub fn read_bytes(&self, name: &str) -> Vec<u8> {
        std::fs::read(self.path(name)).unwrap()
    }

    /// Runs, and returns standard output, which need not be text.
    pub fn run_bytes(&self, arguments: &str) -> Vec<u8> {
        command(self.0.path(), arguments).output().unwrap().stdout
    }

    /// Runs in the directory with these arguments, separated by spaces.
    pub fn run(&self, arguments: &str) -> Outcome {
        self.pipe(arguments, b"")
    }

    /// Output on a terminal of this width, without colours.
    pub fn on_terminal(&self, columns: usize, arguments: &str) -> String {
        let program = env!("CARGO_BIN_EXE_zeek-iforest");
        let text = self.terminal(&format!("stty rows 24 cols {columns}; {program} -q {arguments}"));
        anstream::adapter::strip_str(&text).to_string()
    }

    /// Output of a shell command on a terminal, with `\n` for the terminal's `\r\n`.
    pub fn terminal(&self, line: &str) -> String {
        let mut script = Command::new("script");
        let output = script.args(["-qec", line, "/dev/null"]).current_dir(self.0.path()).output().unwrap();
        let text = String::from_utf8_lossy(&output.stdout).replace("\r\n", "\n");
        assert!(output.status.success(), "{text}");
        text
    }

    /// The same with a standard input.
    pub fn pipe(&self, arguments: &str, input: &[u8]) -> Outcome {
        feed(&mut command(self.0.path(), arguments), |stdin| stdin.write_all(input))
    }

    /// Runs, and expects success; returns standard output.
    pub fn ok(&self, arguments: &str) -> String {
        self.run(arguments).success()
    }
}

/// Runs a command; `write` fills its standard input.
pub fn feed(command: &mut Command, write: impl FnOnce(&mut dyn Write) -> io::Result<()> + Send) -> Outcome {
    let piped = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = piped.spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let output = std::thread::scope(|scope| {
        // A write error is ignored: a command may close its input early.
        scope.spawn(move || write(&mut stdin));
        child.wait_with_output().unwrap()
    });
    output.into()
}

pub fn command(directory: &Path, arguments: &str) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_zeek-iforest"));
    command.current_dir(directory).args(arguments.split_whitespace()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

/// Command that an ordinary user runs: `nobody` if the tests run as root, else the user of the tests.
///
/// `nobody` may not be able to enter the clone or the test's directory, so it gets a copy of the binary, and read
/// access to every file in `directory` that its owner can access.
pub fn unprivileged(directory: &Path, arguments: &str) -> Command {
    static BINARY: LazyLock<tempfile::TempDir> = LazyLock::new(|| {
        let copy = tempfile::tempdir().unwrap();
        let binary = copy.path().join("zeek-iforest");
        fs::copy(env!("CARGO_BIN_EXE_zeek-iforest"), &binary).unwrap();
        for path in [copy.path(), &binary] {
            fs::set_permissions(path, Permissions::from_mode(0o755)).unwrap();
        }
        copy
    });
    if !is_roots(directory) {
        return command(directory, arguments);
    }
    make_readable(directory);
    let mut command = Command::new(BINARY.path().join("zeek-iforest"));
    command.current_dir(directory).args(arguments.split_whitespace()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command.uid(NOBODY);
    command
}

/// Returns true if root owns a file.
pub fn is_roots(path: &Path) -> bool {
    path.metadata().unwrap().uid() == 0
}

/// Lets everyone read what its owner can read.
fn make_readable(path: &Path) {
    let metadata = path.symlink_metadata().unwrap();
    let mode = metadata.permissions().mode();
    if metadata.is_symlink() || mode & 0o700 == 0 {
        return;
    }
    fs::set_permissions(path, Permissions::from_mode(mode | (mode & 0o500) >> 3 | (mode & 0o500) >> 6)).unwrap();
    if metadata.is_dir() {
        fs::read_dir(path).unwrap().for_each(|entry| make_readable(&entry.unwrap().path()));
    }
}

/// Result of a run.
#[derive(Debug)]
pub struct Outcome {
    pub status: Option<i32>,
    pub stdout: String,
    pub stderr: String,
}

impl From<Output> for Outcome {
    fn from(output: Output) -> Self {
        Self {
            status: output.status.code(),
            stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }
}

impl Outcome {
    #[track_caller]
    pub fn success(self) -> String {
        assert_eq!(self.status, Some(0), "{}", self.stderr);
        self.stdout
    }

    /// Expects this exit status and all these texts on standard error.
    #[track_caller]
    pub fn fails(self, status: i32, texts: &[&str]) {
        assert_eq!(self.status, Some(status), "{self:?}");
        for text in texts {
            assert!(self.stderr.contains(text), "{text:?} is not in {:?}", self.stderr);
        }
    }
}

//! Hostile inputs: no crash, no hang, bounded memory, and intact rows are used.
//!
//! The environment variables `MUTATED_LOGS` and `LINE_GIGABYTES` extend these tests.

mod files;
mod memory;
mod mutated;
mod values;

use std::collections::HashSet;
use std::io::{self, BufRead, BufReader, Write};
use std::os::unix::fs::{PermissionsExt, chown, symlink};
use std::path::Path;
use std::process::{Command, Stdio};

use flate2::Compression;
use flate2::write::GzEncoder;

use crate::logs::{FIELDS, column, header, json, labelled, rows, tsv};
use crate::run::{Dir, NOBODY, Outcome, command, feed, is_roots, unprivileged};

/// Memory limit of a run in kilobytes, including libraries and thread stacks.
const MEMORY: u64 = 800_000;

/// Longest time of a run: a bound on hangs, not on speed.
const SECONDS: u64 = 600;

fn trained() -> Dir {
    let dir = Dir::new();
    dir.write("conn.log", tsv(&rows(300)));
    dir.ok("train conn.log -o m --trees 22");
    dir
}

/// Number from the environment variable `name`, or `otherwise`.
fn asked(name: &str, otherwise: u64) -> u64 {
    std::env::var(name).ok().and_then(|n| n.parse().ok()).unwrap_or(otherwise)
}

/// Runs with limits on memory and time; `write` fills standard input.
fn bounded(dir: &Dir, arguments: &str, write: impl FnOnce(&mut dyn Write) -> io::Result<()> + Send) -> Outcome {
    let mut limited = Command::new("sh");
    let binary = env!("CARGO_BIN_EXE_zeek-iforest");
    let seconds = SECONDS * asked("LINE_GIGABYTES", 1).max(1);
    limited.args(["-c", &format!("ulimit -v {MEMORY}; exec timeout {seconds} {binary} {arguments}")]);
    feed(limited.current_dir(dir.path("")), write)
}

fn quiet(dir: &Dir, arguments: &str) -> Outcome {
    bounded(dir, arguments, |_| Ok(()))
}

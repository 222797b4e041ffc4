//! Runs each btest of tests/btest on a real Zeek as a separate test. Without Zeek they are ignored, with the reason in
//! brackets.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

use libtest_mimic::{Arguments, Failed, Trial};

/// Listening ports per test, because tests run in parallel.
const PORTS_EACH: u16 = 10;
/// Number of the first test's block: port 20000, below the ephemeral ones.
const FIRST_BLOCK: u16 = 2000;

const MISSING: Option<&str> = option_env!("ZEEK_TESTS_MISSING");

fn main() -> ExitCode {
    let arguments = Arguments::from_args();
    let suite = Path::new(env!("CARGO_MANIFEST_DIR")).join("../btest");
    let trials = match names(&suite.join("iforest")) {
        Ok(names) => names.into_iter().zip(FIRST_BLOCK..).map(|(name, n)| trial(suite.clone(), name, n)).collect(),
        Err(error) => {
            eprintln!("{}: {error}", suite.display());
            return ExitCode::FAILURE;
        }
    };
    libtest_mimic::run(&arguments, trials).exit_code()
}

/// Returns the names of a directory's tests: its files without extensions.
fn names(directory: &Path) -> std::io::Result<Vec<String>> {
    let mut names = Vec::new();
    for entry in fs::read_dir(directory)? {
        names.extend(entry?.path().file_stem().map(|stem| stem.to_string_lossy().into_owned()));
    }
    names.sort();
    Ok(names)
}

fn trial(suite: PathBuf, name: String, ports: u16) -> Trial {
    let title = name.clone();
    let trial = Trial::test(title, move || btest(&suite, &name, ports));
    match MISSING {
        Some(reason) => trial.with_kind(reason).with_ignored_flag(true),
        None => trial,
    }
}

/// Runs one test in a separate directory.
fn btest(suite: &Path, name: &str, ports: u16) -> Result<(), Failed> {
    let first = ports * PORTS_EACH;
    let Some(build) = option_env!("ZEEK_TESTS_BUILD") else { return Err(MISSING.unwrap_or("not built").into()) };
    let scratch = Path::new(env!("CARGO_TARGET_TMPDIR")).join("btest").join(name);
    fs::create_dir_all(&scratch)?;
    let run = Command::new("btest")
        .args(["-d", &format!("iforest.{name}")])
        .current_dir(suite)
        .env("IFOREST_BUILD", build)
        .env("IFOREST_TMP", scratch)
        .env("IFOREST_PORTS", format!("{first}-{}", first + PORTS_EACH - 1))
        .output()?;
    if run.status.success() {
        return Ok(());
    }
    Err(format!("{}{}", String::from_utf8_lossy(&run.stdout), String::from_utf8_lossy(&run.stderr)).into())
}

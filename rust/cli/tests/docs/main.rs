//! Tests of the documentation: runs its commands and compares its generated tables with the source.
//!
//! Blocks of commands are fenced as `console`. A shell runs the lines that begin with `$ ` in order, in a scratch
//! directory with some logs; the lines after a command are its output, where `...` matches anything. Blocks fenced as
//! `console sensor` (needs a running Zeek or another service), `console build` (downloads or builds something) and
//! `console lab` (needs root or a package that the page names) do not run. The parts between `<!-- made from NAME -->`
//! and `<!-- end -->` are generated; `UPDATE_DOCS=1 cargo test -p zeek-iforest --test docs` updates them.

mod blocks;
mod json;
mod pictures;
mod tables;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use libtest_mimic::{Arguments, Failed, Trial};

fn main() -> ExitCode {
    let arguments = Arguments::from_args();
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let mut trials = Vec::new();
    for page in pages(&root) {
        let name = page.strip_prefix(&root).unwrap_or(&page).display().to_string();
        let (root, path) = (root.clone(), page.clone());
        trials.push(Trial::test(format!("commands of {name}"), move || blocks::run(&root, &path)));
        let path = page.clone();
        trials.push(Trial::test(format!("links of {name}"), move || links(&path)));
        trials.push(Trial::test(format!("tables of {name}"), move || tables::check(&page)));
    }
    let path = root.clone();
    trials.push(Trial::test("text of docs/pictures", move || pictures::check(&path)));
    trials.push(Trial::test("keys of docs/json.md", move || json::check(&root)));
    libtest_mimic::run(&arguments, trials).exit_code()
}

/// Pages of the documentation: those at the top, and all below some directories.
fn pages(root: &Path) -> Vec<PathBuf> {
    let mut files: Vec<_> = listed(root).into_iter().filter(|path| path.is_file()).collect();
    let mut directories: Vec<_> = ["docs", "examples", "rust", "scripts", "tests"].map(|name| root.join(name)).into();
    while let Some(directory) = directories.pop() {
        let (below, here): (Vec<_>, Vec<_>) = listed(&directory).into_iter().partition(|path| path.is_dir());
        directories.extend(below);
        files.extend(here);
    }
    let mut pages = files;
    pages.retain(|path| path.extension().is_some_and(|extension| extension == "md"));
    pages.sort();
    pages
}

fn listed(directory: &Path) -> Vec<PathBuf> {
    std::fs::read_dir(directory).into_iter().flatten().filter_map(|entry| Some(entry.ok()?.path())).collect()
}

/// Checks that links to files of this repository lead to one.
fn links(page: &Path) -> Result<(), Failed> {
    let directory = page.parent().unwrap_or(page);
    let text = std::fs::read_to_string(page)?;
    let targets = text.split("](").skip(1).filter_map(|rest| rest.split(')').next());
    let is_broken = |target: &&str| {
        let file = target.split('#').next().unwrap_or(target);
        !target.contains("://") && !file.is_empty() && !directory.join(file).exists()
    };
    let broken: Vec<_> = targets.filter(is_broken).collect();
    if broken.is_empty() { Ok(()) } else { Err(format!("broken links: {}", broken.join(", ")).into()) }
}

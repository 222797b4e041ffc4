//! Checks docs/dependencies.md against the crates linked into the plugin.

#![allow(clippy::unwrap_used, reason = "a panic fails the test")]

use std::collections::BTreeSet;
use std::process::Command;

/// The platform that the page documents.
const TARGET: &str = "x86_64-unknown-linux-gnu";
const TOP: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../..");

#[test]
fn every_crate_in_the_library_is_listed_with_a_reason() {
    let tree = Command::new(env!("CARGO"))
        .args(["tree", "--locked", "--offline", "--package", "iforest-bridge", "--edges", "normal,no-proc-macro"])
        .args(["--prefix", "none", "--format", "{p}", "--target", TARGET])
        .current_dir(TOP)
        .output()
        .unwrap();
    assert!(tree.status.success(), "{}", String::from_utf8_lossy(&tree.stderr));
    let tree = String::from_utf8(tree.stdout).unwrap();
    let found: BTreeSet<&str> = tree.lines().filter_map(|line| line.split(' ').next()).collect();
    let page = std::fs::read_to_string(format!("{TOP}/docs/dependencies.md")).unwrap();
    let listed: BTreeSet<&str> =
        page.lines().filter_map(|line| line.strip_prefix("| `")?.split_once('`')).map(|(name, _)| name).collect();
    assert_eq!(found, listed, "left: what cargo finds, right: what docs/dependencies.md lists");
}

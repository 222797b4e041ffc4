//! Commands that describe: help, `completions`, `man` and `inspect`.

use serde_json::Value;

use crate::logs::{rows, tsv};
use crate::run::Dir;

/// All commands that have examples.
const COMMANDS: [&str; 12] = [
    "train",
    "sample",
    "score",
    "top",
    "incidents",
    "watch",
    "report",
    "evaluate",
    "inspect",
    "features",
    "import-onnx",
    "export-onnx",
];

#[test]
fn help_has_examples() {
    let dir = Dir::new();
    let help = dir.ok("--help");
    for text in ["zeek-iforest train", "zeek-iforest top", "zeek-iforest score", "Exit status"] {
        assert!(help.contains(text), "{help}");
    }
    for command in COMMANDS {
        let help = dir.ok(&format!("{command} --help"));
        assert!(help.contains("Example"), "{help}");
    }
    let trees = detector::Params::default().forest.n_trees;
    assert!(dir.ok("train --help").contains(&format!("[default: {trees}]")));
}

#[test]
fn completions_and_man_pages_cover_all_commands() {
    let dir = Dir::new();
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let script = dir.ok(&format!("completions {shell}"));
        assert!(script.contains("alerts-per-day"), "{shell}");
    }
    let page = dir.ok("man");
    assert!(page.contains(".TH zeek-iforest 1"), "{page}");
    for command in COMMANDS {
        let page = dir.ok(&format!("man {command}"));
        let name = format!("zeek-iforest-{command}").replace('-', "\\-");
        assert!(page.contains(&name) && page.contains("Example"), "{page}");
    }
    let all = format!("the commands are {}, completions, man, help\n", COMMANDS.join(", "));
    dir.run("man nothing").fails(1, &["no such command: nothing", &all]);
}

#[test]
fn inspect_describes_a_model() {
    let dir = Dir::new();
    dir.write("conn.log", tsv(&rows(500)));
    dir.ok("train conn.log -o m --seed 9 --trees 30");
    let text = dir.ok("inspect m");
    for expected in [
        "500 connections, 2024-04-19 04:13:20 to 2024-04-19 07:25:51",
        "30 trees of 256 rows each, built from 500 rows with seed 9",
        "threshold    0.",
        "duration",
        "median",
    ] {
        assert!(text.contains(expected), "{expected:?} is not in {text}");
    }
    let json: Value = serde_json::from_str(&dir.ok("inspect m --json")).unwrap();
    assert_eq!(json["log"], "conn");
    assert_eq!(json["n_trees"], 30);
    assert_eq!(json["sources"][0], "conn.log");
    assert_eq!(json["features"].as_array().unwrap().len(), detector::LogKind::Conn.schema().features.len());
    let quantiles = json["score_quantiles"].as_array().unwrap();
    assert!(quantiles.windows(2).all(|pair| pair[0]["score"].as_f64() <= pair[1]["score"].as_f64()));
}

#[test]
fn inspect_fits_any_terminal() {
    let dir = Dir::new();
    dir.write("conn.log", tsv(&rows(500)));
    dir.write("state/w/none", "");
    dir.ok("train conn.log -o state/w/model");
    dir.ok("sample conn.log -o state/w/sample");
    for columns in [100, 80, 60, 40] {
        for (what, expected) in [("state/w/model", "highest"), ("state/w", "threshold"), ("state", "row")] {
            let text = dir.on_terminal(columns, &format!("inspect {what}"));
            assert!(text.lines().all(|line| line.chars().count() <= columns), "{columns}: {text}");
            assert!(text.contains(expected), "{text}");
        }
    }
}

//! Outputs that are inputs: refused, and the input is as it was.

use std::fs::{self, OpenOptions};
use std::os::unix::fs::symlink;

use crate::lab::data;
use crate::logs::{rows, tsv};
use crate::run::{Dir, command};

fn trained() -> Dir {
    let dir = Dir::new();
    dir.write("logs/conn.log", tsv(&rows(600)));
    dir.ok("train logs -o m");
    dir
}

#[test]
fn no_command_replaces_what_it_reads() {
    let dir = trained();
    fs::copy(data("lab-day2.labelled.conn.log"), dir.path("l.log")).unwrap();
    dir.ok("sample l.log -o s");
    dir.ok("export-onnx m -o f.onnx");
    symlink("l.log", dir.path("link")).unwrap();
    fs::hard_link(dir.path("l.log"), dir.path("hard")).unwrap();
    let before: Vec<_> = ["l.log", "m", "s", "f.onnx", "logs/conn.log"].map(|name| (name, dir.read_bytes(name))).into();
    for (arguments, refusal) in [
        ("report l.log -o l.log", "l.log: would replace l.log, which is read here; write to another file"),
        ("features l.log -o ./l.log", "./l.log: would replace l.log"),
        ("features -m m l.log -o m", "m: would replace m"),
        ("train l.log -o l.log", "l.log: would replace"),
        ("train s -o s", "s: would replace s"),
        ("train logs -o logs/conn.log", "logs/conn.log: would replace logs/conn.log"),
        ("train l.log --sign-with m -o m", "m: would replace m"),
        ("sample l.log -o hard", "hard: would replace l.log"),
        ("report -m m l.log -o m", "m: would replace m"),
        ("import-onnx f.onnx l.log -o f.onnx", "f.onnx: would replace f.onnx"),
        ("import-onnx -m m f.onnx l.log -o m", "m: would replace m"),
        ("export-onnx m -o m", "m: would replace m"),
        ("score -m m l.log -o m", "m: would replace m"),
        ("score -m m l.log -o l.log", "l.log: would replace l.log"),
        ("score -m m link -o l.log", "l.log: would replace link"),
        ("evaluate -m m l.log --roc l.log", "l.log: would replace l.log"),
        ("evaluate -m m l.log --pr m", "m: would replace m"),
        ("evaluate --protocol novelty --train logs l.log --pr logs/conn.log", "would replace logs/conn.log"),
    ] {
        dir.run(arguments).fails(1, &[refusal]);
        for (name, bytes) in &before {
            assert!(dir.read_bytes(name) == *bytes, "{arguments}: {name}");
        }
    }
    dir.ok("score -m m l.log -o other.log");
    dir.ok("score -m m l.log -o other.log");
    dir.ok("score -m m l.log -o /dev/null");
}

#[test]
fn redirections_are_files_too() {
    let dir = trained();
    let log = || OpenOptions::new().read(true).append(true).open(dir.path("logs/conn.log")).unwrap();
    let before = dir.read("logs/conn.log");
    for (arguments, text) in [
        ("score -m m logs", "standard output: would replace logs/conn.log"),
        ("score -m m - -o logs/conn.log", "logs/conn.log: would replace standard input"),
    ] {
        let output = command(&dir.path(""), arguments).stdin(log()).stdout(log()).output().unwrap();
        let stderr = String::from_utf8(output.stderr).unwrap();
        assert!(output.status.code() == Some(1) && stderr.contains(text), "{stderr}");
        assert_eq!(dir.read("logs/conn.log"), before);
    }
}

//! `sample`, `train` on samples, and `inspect` of a sample and of a state directory.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::symlink;

use detector::{Extractor, ScoreHistory, State};

use crate::logs::{labelled, rows, tsv};
use crate::run::Dir;

const DAY1: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/data/lab-day1.conn.log");
const DAY2: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/data/lab-day2.labelled.conn.log");

/// The lab's quiet day in parts: every host's connections in one.
fn parts(dir: &Dir, n: u64) -> String {
    let log = fs::read_to_string(DAY1).unwrap();
    let (meta, rows): (Vec<_>, Vec<_>) = log.lines().partition(|line| line.starts_with('#'));
    let mut parts = vec![meta.join("\n") + "\n"; n as usize];
    for row in rows {
        let host = row.split('\t').nth(2).unwrap();
        let hash = host.bytes().fold(7u64, |hash, byte| hash * 31 + u64::from(byte));
        parts[(hash % n) as usize].push_str(&format!("{row}\n"));
    }
    for (i, part) in parts.iter().enumerate() {
        dir.write(&format!("{i}.log"), part);
        dir.ok(&format!("sample {i}.log -o {i}.part"));
    }
    (0..n).map(|i| format!("{i}.part ")).collect()
}

#[test]
fn samples_train_like_one_pass() {
    let dir = Dir::new();
    let parts = parts(&dir, 5);
    let json = |command: &str| -> serde_json::Value { serde_json::from_str(&dir.ok(command)).unwrap() };
    let one = json(&format!("train {DAY1} -o one.model --json"));
    let merged = json(&format!("train {parts} -o merged.model --json"));
    for same in ["connections", "rows", "first_ts", "last_ts", "time_seen"] {
        assert_eq!(one[same], merged[same], "{same}");
    }
    // From seed to seed the figure has a standard deviation of 0.01.
    let auc = |logs: &str| {
        let of = |seed: u64| {
            dir.ok(&format!("train {logs} -o m --seed {seed}"));
            json(&format!("evaluate -m m {DAY2} --json"))["roc_auc"].as_f64().unwrap()
        };
        (1..=5).map(of).sum::<f64>() / 5.0
    };
    let (one, merged) = (auc(DAY1), auc(&parts));
    assert!((one - merged).abs() < 0.015, "{one} in one pass, {merged} in parts");
}

#[test]
fn samples_and_logs_combine_in_any_order() {
    let dir = Dir::new();
    let all = rows(1600);
    dir.write("a.log", tsv(&all[..700]));
    dir.write("b.log", tsv(&all[700..]));
    dir.ok("sample a.log -o a.part");
    dir.ok("sample b.log -o b.part --reservoir 500");
    dir.ok("train a.part b.part -o ab.model");
    dir.ok("train b.part a.part -o ba.model");
    assert!(dir.ok("score -m ab.model b.log") == dir.ok("score -m ba.model b.log"));
    let outcome = dir.run("train a.log b.part -o mixed.model");
    assert!(outcome.stderr.contains("trained on 1,600 of 1,600 connections"), "{}", outcome.stderr);
    // A full sample lacks rows that a larger one would contain, so the merged sample is no larger.
    assert!(dir.ok("inspect ab.model").contains("built from 500 rows"), "{}", dir.ok("inspect ab.model"));
}

#[test]
fn rejects_options_without_effect_on_samples() {
    let dir = Dir::new();
    dir.write("labelled.log", labelled(&rows(500)));
    dir.write("known.tsv", "#fields\toriginator\tresponder\tport\tkind\tuntil\towner\tnote\n");
    dir.ok("sample labelled.log -o part");
    for (options, message) in [
        ("--only-benign", "--only-benign: samples have no labels; draw them with: zeek-iforest sample --only-benign"),
        ("--known known.tsv", "--known: samples have no labels"),
        ("--log dns", "--log dns: the samples are of conn.log; omit it"),
    ] {
        dir.run(&format!("train part -o m {options}")).fails(1, &[message]);
        assert!(!dir.path("m").exists());
    }
    dir.ok("train part -o m --log conn");
}

#[test]
fn rejects_damaged_samples() {
    let dir = Dir::new();
    dir.write("a.log", tsv(&rows(100)));
    dir.ok("sample a.log -o a.part");
    let mut part = fs::read(dir.path("a.part")).unwrap();
    part[200] ^= 1;
    dir.write("b.part", &part);
    dir.run("train a.part b.part -o m").fails(1, &["b.part: is damaged"]);
    assert!(!dir.path("m").exists());
    fs::create_dir(dir.path("d")).unwrap();
    dir.run("train a.part d/../a.part -o m").fails(1, &["d/../a.part: given twice"]);
}

#[test]
fn inspect_reads_a_state_directory() {
    let dir = Dir::new();
    dir.write("a.log", tsv(&rows(300)));
    for node in ["manager", "worker-1"] {
        fs::create_dir_all(dir.path(&format!("state/{node}"))).unwrap();
    }
    dir.ok("train a.log -o state/manager/model");
    dir.ok("train a.log -o state/worker-1/model");
    dir.ok("sample a.log -o state/manager/sample");
    let text = dir.ok("inspect state");
    assert!(
        text.contains("state/manager\n  model   of ") && text.contains("\n  sample  300 rows of at most"),
        "{text}"
    );
    assert!(text.contains("state/worker-1\n  model   of "), "{text}");
    let json: serde_json::Value = serde_json::from_str(&dir.ok("inspect state --json")).unwrap();
    assert_eq!(json[0]["sample"]["connections"], 300);
    assert!(dir.ok("inspect state/manager/sample").contains("300 rows"));
    // In a name that is not UTF-8, invalid bytes are replaced.
    let odd = dir.path("state").join(OsStr::from_bytes(b"worker-\xff"));
    fs::create_dir(&odd).unwrap();
    fs::copy(dir.path("a.log"), odd.join("sample")).unwrap();
    let outcome = dir.run("inspect state --json");
    let json: serde_json::Value = serde_json::from_str(&outcome.stdout).unwrap();
    assert_eq!(json[2]["path"], "state/worker-\u{fffd}");
    fs::remove_dir_all(&odd).unwrap();
    let mut memory = State::new(&Extractor::default(), &ScoreHistory::default());
    memory.version = 1_700_000_000_000_000;
    fs::create_dir_all(dir.path("state/worker-2")).unwrap();
    memory.save(&dir.path("state/worker-2/memory")).unwrap();
    let text = dir.ok("inspect state");
    let line = text.split_once("state/worker-2\n  context ").unwrap().1;
    assert!(line.contains("scores of the model of") && line.contains("2023-11-14 22:13:20 UTC"), "{line}");
    let key = minisign::KeyPair::generate_unencrypted_keypair().unwrap().pk.to_base64();
    assert_eq!(dir.ok(&format!("inspect state --trusted-key {key}")), text);
    symlink("missing", dir.path("state/worker-2/model")).unwrap();
    let outcome = dir.run("inspect state");
    assert!(outcome.stdout.contains("No such file") && !outcome.stdout.contains("os error"), "{outcome:?}");
    fs::remove_file(dir.path("state/worker-2/model")).unwrap();
    dir.write("state/worker-2/memory", "nonsense");
    dir.write("state/worker-1/model", "nonsense");
    let outcome = dir.run("inspect state");
    assert!(outcome.stdout.contains("state/worker-1/model: is not a zeek-iforest model"), "{outcome:?}");
    assert!(outcome.stdout.contains("state/worker-2/memory: is not a context file"), "{outcome:?}");
    assert!(outcome.stdout.contains("sample  300 rows"), "{outcome:?}");
    outcome.fails(1, &["state: 2 files cannot be used"]);
    fs::create_dir_all(dir.path("empty")).unwrap();
    dir.run("inspect empty").fails(1, &["not a state directory"]);
}

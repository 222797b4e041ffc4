//! Outputs that are inputs or not regular files are refused and stay unchanged.

use std::fs::{self, OpenOptions};
use std::os::unix::fs::{MetadataExt, symlink};
use std::process::Command;

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
fn refuses_outputs_that_are_inputs() {
    let dir = trained();
    fs::copy(data("lab-day2.labelled.conn.log"), dir.path("l.log")).unwrap();
    dir.ok("sample l.log -o s");
    dir.ok("export-onnx m -o f.onnx");
    fs::copy(data("lab-dns-day1.dns.log"), dir.path("logs/dns.log")).unwrap();
    dir.write("known", "#fields\tactor\n");
    symlink("l.log", dir.path("link")).unwrap();
    fs::hard_link(dir.path("l.log"), dir.path("hard")).unwrap();
    let inputs = ["l.log", "m", "s", "f.onnx", "known", "logs/conn.log", "logs/dns.log"];
    let before = inputs.map(|name| (name, dir.read_bytes(name)));
    for (arguments, refusal) in [
        ("report l.log -o l.log", "l.log: would replace the input l.log; give another name"),
        ("features l.log -o ./l.log", "./l.log: would replace the input l.log"),
        ("score l.log -o x --context ./x", "x: two outputs have this name; give different names"),
        ("evaluate -m m l.log --roc c.svg --pr c.svg", "c.svg: two outputs have this name"),
        ("features -m m l.log -o m", "m: would replace the input m"),
        ("train l.log -o l.log", "l.log: would replace"),
        ("train s -o s", "s: would replace the input s"),
        ("train logs -o logs/conn.log", "logs/conn.log: would replace the input logs/conn.log"),
        ("features --log dns logs -o logs/dns.log", "logs/dns.log: would replace the input logs/dns.log"),
        ("train l.log --known known -o known", "known: would replace the input known"),
        ("report l.log --known known -o known", "known: would replace the input known"),
        ("watch -m m l.log --known known --context known", "known: would replace the input known"),
        ("train l.log --sign-with m -o m", "m: would replace the input m"),
        ("sample l.log -o hard", "hard: would replace the input l.log"),
        ("report -m m l.log -o m", "m: would replace the input m"),
        ("import-onnx f.onnx l.log -o f.onnx", "f.onnx: would replace the input f.onnx"),
        ("import-onnx -m m f.onnx l.log -o m", "m: would replace the input m"),
        ("export-onnx m -o m", "m: would replace the input m"),
        ("score -m m l.log -o m", "m: would replace the input m"),
        ("score -m m l.log -o l.log", "l.log: would replace the input l.log"),
        ("score -m m link -o l.log", "l.log: would replace the input link"),
        ("evaluate -m m l.log --roc l.log", "l.log: would replace the input l.log"),
        ("evaluate -m m l.log --pr m", "m: would replace the input m"),
        ("evaluate --protocol novelty --train logs l.log --pr logs/conn.log", "would replace the input logs/conn.log"),
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
fn refuses_redirections_to_inputs() {
    let dir = trained();
    let log = || OpenOptions::new().read(true).append(true).open(dir.path("logs/conn.log")).unwrap();
    let before = dir.read("logs/conn.log");
    for (arguments, text) in [
        ("score -m m logs", "standard output: would replace the input logs/conn.log"),
        ("score -m m - -o logs/conn.log", "logs/conn.log: would replace the input standard input"),
    ] {
        let output = command(&dir.path(""), arguments).stdin(log()).stdout(log()).output().unwrap();
        let stderr = String::from_utf8(output.stderr).unwrap();
        assert!(output.status.code() == Some(1) && stderr.contains(text), "{stderr}");
        assert_eq!(dir.read("logs/conn.log"), before);
    }
}

#[test]
fn refuses_directories_as_outputs() {
    let dir = trained();
    let keys = minisign::KeyPair::generate_unencrypted_keypair().unwrap();
    dir.write("key", keys.sk.to_box(None).unwrap().into_string());
    fs::create_dir(dir.path("d")).unwrap();
    fs::create_dir(dir.path("x.minisig")).unwrap();
    for (arguments, refused) in [
        ("train logs -o d --sign-with key", "d"),
        ("train logs -o d/ --sign-with key", "d/"),
        ("train logs -o x --sign-with key", "x.minisig"),
        ("train logs -o d", "d"),
        ("sample logs -o d", "d"),
        ("score -m m logs -o d", "d"),
        ("report -m m logs -o d", "d"),
    ] {
        dir.run(arguments).fails(1, &[&format!("{refused}: this is a directory; give the name of a file in it\n")]);
        for name in ["d.minisig", "d/.minisig", "x"] {
            assert!(!dir.path(name).exists(), "{arguments}: {name}");
        }
    }
}

#[test]
fn refuses_outputs_in_missing_directories() {
    let dir = trained();
    // Without the check these fail only after the logs were read, here because of the rows.
    dir.write("prose.log", "Lorem ipsum dolor sit amet.\n");
    for arguments in [
        "train prose.log -o",
        "sample prose.log -o",
        "score -m m prose.log -o",
        "score -m m prose.log --context",
        "top -m m prose.log --context",
        "report -m m prose.log -o",
        "evaluate -m m prose.log --roc",
        "evaluate -m m prose.log --pr",
        "features -m m prose.log -o",
        "import-onnx nope.onnx prose.log -o",
        "export-onnx nope.model -o",
        "watch -m m prose.log --context",
    ] {
        for (output, directory) in [("no/x", "no"), ("m/x", "m")] {
            let message = format!("error: {output}: cannot be written: there is no directory {directory}\n");
            let outcome = dir.run(&format!("{arguments} {output}"));
            assert_eq!((outcome.status, &outcome.stderr), (Some(1), &message), "{arguments}");
        }
    }
}

#[test]
fn does_not_replace_devices() {
    let dir = trained();
    for output in ["/dev/null", "/dev/stdout", "/dev/fd/1"] {
        for command in ["train logs", "sample logs"] {
            dir.run(&format!("{command} -o {output}"))
                .fails(1, &[&format!("{output}: not a regular file, and would be")]);
        }
    }
    assert!(!fs::symlink_metadata("/dev/null").unwrap().is_file());
}

#[test]
fn writes_to_descriptors() {
    let dir = trained();
    let expected = dir.ok("score -m m logs");
    let program = env!("CARGO_BIN_EXE_zeek-iforest");
    for (name, number) in
        [("/dev/stdout", 1), ("/dev/fd/1", 1), ("/proc/self/fd/1", 1), ("/dev/stderr", 2), ("/dev/fd/5", 5)]
    {
        for to in [">", ">>"] {
            dir.write("out", "before\n");
            let file = fs::metadata(dir.path("out")).unwrap().ino();
            let line = format!("{{ echo first >&{number}; {program} -q score -m m logs -o {name}; }} {number}{to} out");
            assert!(Command::new("sh").args(["-c", &line]).current_dir(dir.path("")).status().unwrap().success());
            let before = if to == ">" { "first\n" } else { "before\nfirst\n" };
            assert!(dir.read("out") == format!("{before}{expected}"), "{line}: {}", dir.read("out"));
            assert_eq!(fs::metadata(dir.path("out")).unwrap().ino(), file, "{line}");
        }
    }
    // Later output of the same shell is appended.
    let line = format!("{{ {program} -q score -m m logs -o /dev/stdout; echo last; }} > out");
    assert!(Command::new("sh").args(["-c", &line]).current_dir(dir.path("")).status().unwrap().success());
    assert!(dir.read("out") == format!("{expected}last\n"));
}

//! `score`: adds columns and changes nothing else.

use std::io::{Read, Write};
use std::process::Stdio;

use crate::logs::{self, ODD, column, json, rows, tsv};
use crate::run::{Dir, command};

fn gzip(text: &str) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(text.as_bytes()).unwrap();
    encoder.finish().unwrap()
}

/// A directory with a model learnt from 600 rows, and a log of them.
fn trained() -> Dir {
    let dir = Dir::new();
    dir.write("conn.log", tsv(&rows(600)));
    dir.ok("train conn.log -o m --trees 50");
    dir
}

#[test]
fn adds_two_columns_and_changes_nothing_else() {
    let dir = trained();
    dir.ok("score -m m conn.log -o scored.log");
    let (before, after) = (dir.read("conn.log"), dir.read("scored.log"));
    assert_eq!(before.lines().count(), after.lines().count());
    let inspected: serde_json::Value = serde_json::from_str(&dir.ok("inspect m --json")).unwrap();
    let threshold = inspected["threshold"].as_f64().unwrap();
    let mut passed = 0;
    for (before, after) in before.lines().zip(after.lines()) {
        let (rest, reasons) = after.rsplit_once('\t').unwrap_or_default();
        let (rest, score) = rest.rsplit_once('\t').unwrap_or_default();
        match before.split('\t').next().unwrap() {
            "#fields" => assert_eq!((rest, score, reasons), (before, "anomaly_score", "anomaly_reasons")),
            "#types" => assert_eq!((rest, score, reasons), (before, "double", "string")),
            name if name.starts_with('#') => assert_eq!(after, before),
            _ => {
                assert_eq!(rest, before);
                let number: f64 = score.parse().unwrap();
                assert!((0.0..=1.0).contains(&number));
                assert_eq!(score, format!("{number}"), "no more digits than are needed");
                assert_eq!(reasons != "-", number >= threshold, "{after}");
                passed += usize::from(number >= threshold);
            }
        }
    }
    assert!((1..10).contains(&passed), "{passed}");
    assert!(column(&after, "anomaly_reasons").iter().any(|(uid, why)| uid == ODD && why.contains("sent 4.1 GB")));
    let mut scores = column(&after, "anomaly_score");
    scores.sort_by(|a, b| b.1.cmp(&a.1));
    assert_eq!(scores[0].0, ODD);
}

#[test]
fn json_and_tsv_score_equally() {
    let dir = trained();
    let rows = rows(600);
    let (tsv, json) = (tsv(&rows), json(&rows));
    let from_tsv = dir.pipe("score -m m", tsv.as_bytes()).success();
    let from_json = dir.pipe("score -m m", json.as_bytes()).success();
    let (scores, reasons) = (column(&from_tsv, "anomaly_score"), column(&from_tsv, "anomaly_reasons"));
    assert_eq!(from_json.lines().count(), 600);
    for ((before, after), ((_, score), (_, why))) in
        json.lines().zip(from_json.lines()).zip(scores.iter().zip(&reasons))
    {
        let start = before.strip_suffix('}').unwrap();
        let why = if why == "-" { String::new() } else { format!(",\"anomaly_reasons\":\"{why}\"") };
        assert_eq!(after, format!("{start},\"anomaly_score\":{score}{why}}}"));
    }
}

#[test]
fn compression_directories_and_pipes_score_equally() {
    let dir = trained();
    let rows = rows(600);
    let (first, second) = (tsv(&rows[..300]), tsv(&rows[300..]));
    let plain = dir.pipe("score -m m", format!("{first}{second}").as_bytes()).success();
    assert_eq!(plain, dir.pipe("score -m m -", &gzip(&format!("{first}{second}"))).success());

    dir.write("logs/2024-04-19/conn.00:00:00-01:00:00.log.gz", gzip(&first));
    dir.write("logs/2024-04-19/conn-summary.00:00:00-01:00:00.log.gz", "no conn log");
    dir.write("logs/2024-04-20/conn.00:00:00-01:00:00.log.zst", zstd::encode_all(second.as_bytes(), 1).unwrap());
    assert_eq!(plain, dir.ok("score -m m logs"));

    dir.ok("score -m m logs -o out.log.gz");
    let mut text = String::new();
    flate2::read::MultiGzDecoder::new(&std::fs::read(dir.path("out.log.gz")).unwrap()[..])
        .read_to_string(&mut text)
        .unwrap();
    assert_eq!(plain, text);
}

#[test]
fn threads_do_not_change_the_output() {
    let dir = trained();
    // Enough for many blocks.
    dir.write("long.log", tsv(&rows(8_000)));
    let one = dir.ok("score -m m long.log --threads 1");
    for threads in [2, 3, 8] {
        assert!(one == dir.ok(&format!("score -m m long.log --threads {threads}")), "{threads} threads");
    }
    dir.ok("train conn.log -o m1 --trees 50 --threads 1");
    assert!(one == dir.ok("score -m m1 long.log"));
}

#[test]
fn trains_on_the_same_log_without_a_model() {
    let dir = trained();
    dir.ok("train conn.log -o default");
    let outcome = dir.run("score conn.log");
    assert!(outcome.stderr.contains("training on the same log first"), "{}", outcome.stderr);
    assert_eq!(outcome.success(), dir.ok("score -m default conn.log"));
    dir.pipe("score", tsv(&rows(10)).as_bytes()).fails(1, &["without --model", "zeek-iforest train"]);
}

#[test]
fn reports_unusable_rows() {
    let dir = trained();
    let mut rows = rows(10);
    rows[3][9] = "12x".into();
    rows[4][2] = "-".into();
    let log = tsv(&rows).replace("#close\t2024-04-20-00-00-00\n", &rows[5][..7].join("\t"));
    dir.write("bad.log", &log);

    let outcome = dir.run("score -m m bad.log");
    for text in [
        "bad.log:12: field orig_bytes: \"12x\" is not a count; the row is written without a score",
        "bad.log:13: field id.orig_h: is unset; the row is written without a score",
        "bad.log:19: the last line is cut short; the row is skipped",
        "3 of 11 rows could not be used",
    ] {
        assert!(outcome.stderr.contains(text), "{text:?} is not in {:?}", outcome.stderr);
    }
    let scores = column(&outcome.success(), "anomaly_score");
    assert_eq!(scores.len(), 10);
    let unset: Vec<_> = scores.iter().enumerate().filter(|(_, (_, score))| score == "-").map(|(i, _)| i).collect();
    assert_eq!(unset, [3, 4]);

    assert!(dir.run("score -m m bad.log --quiet").stderr.is_empty());
    dir.run("score -m m bad.log --strict -o strict.log").fails(1, &["bad.log:12: field orig_bytes"]);
    assert!(!dir.path("strict.log").exists());
}

#[test]
fn counts_many_unusable_rows() {
    let dir = trained();
    let mut rows = rows(60);
    rows.iter_mut().take(25).for_each(|row| row[16] = "?".into());
    dir.write("bad.log", tsv(&rows));
    let stderr = dir.run("score -m m bad.log").stderr;
    assert_eq!(stderr.matches("field orig_pkts").count(), 10, "{stderr}");
    assert!(stderr.contains("bad.log: 15 more unusable rows"), "{stderr}");
    assert!(stderr.contains("25 of 60 rows could not be used"), "{stderr}");
}

#[test]
fn rows_of_other_streams_pass_through() {
    let dir = trained();
    let conn = json(&rows(2)).replace('{', "{\"_path\":\"conn\",");
    let dns = "{\"_path\":\"dns\",\"ts\":1.0,\"query\":\"example.org\"}\n";
    let out = dir.pipe("score -m m", format!("{dns}{conn}").as_bytes()).success();
    let lines: Vec<_> = out.lines().collect();
    assert_eq!((lines.len(), lines[0]), (3, dns.trim_end()));
    assert!(lines[1..].iter().all(|line| line.contains("\"anomaly_score\":0.")));
    // Without a line end, the last line of a log must not run into the first of the next.
    dir.write("cut.json", format!("{conn}{}", dns.trim_end()));
    dir.write("next.json", &conn);
    let out = dir.ok("score -m m cut.json next.json");
    let lines: Vec<_> = out.lines().collect();
    assert_eq!((lines.len(), lines[2]), (5, dns.trim_end()));
}

#[test]
fn warns_of_rows_that_are_not_in_order_of_time() {
    let dir = trained();
    let mut rows = rows(5_000);
    dir.write("ordered.log", tsv(&rows));
    rows.reverse();
    dir.write("newest-first.log", tsv(&rows));
    let warns = |command: &str| dir.run(command).stderr.contains("not in order of time");
    assert!(warns("score -m m newest-first.log") && warns("train newest-first.log -o n"));
    assert!(!warns("score -m m ordered.log"));
}

#[test]
fn replaces_existing_score_columns() {
    let dir = trained();
    let once = dir.ok("score -m m conn.log");
    assert_eq!(once, dir.pipe("score -m m", once.as_bytes()).success());
}

#[test]
fn closed_output_is_not_an_error() {
    let dir = trained();
    dir.write("long.log", tsv(&rows(8_000)));
    let mut child = command(&dir.path(""), "score -m m long.log --quiet").stdin(Stdio::null()).spawn().unwrap();
    drop(child.stdout.take());
    let output = child.wait_with_output().unwrap();
    assert_eq!((output.status.code(), output.stderr.as_slice()), (Some(0), &b""[..]));
}

#[test]
fn a_failure_does_not_wait_for_more_input() {
    let dir = trained();
    let mut child = command(&dir.path(""), "score -m m --strict -").stdin(Stdio::piped()).spawn().unwrap();
    // The pipe stays open, and the error must be reported without waiting for its end.
    let mut stdin = child.stdin.take().unwrap();
    let _ = stdin.write_all(tsv(&rows(5000)).replace("192.168.1.1\t", "192.168.1.x\t").as_bytes());
    let mut message = String::new();
    child.stderr.take().unwrap().read_to_string(&mut message).unwrap();
    assert!(message.contains("192.168.1.x"), "{message}");
    drop(stdin);
    assert_eq!(child.wait().unwrap().code(), Some(1));
}

#[test]
fn writes_the_header_of_a_log_without_rows() {
    let dir = trained();
    let out = dir.pipe("score -m m", tsv(&[]).as_bytes()).success();
    assert!(out.contains("\ttunnel_parents\tanomaly_score\tanomaly_reasons\n"), "{out}");
    assert_eq!(out.lines().count(), logs::tsv(&[]).lines().count());
}

#[test]
fn warns_of_mixed_formats() {
    let dir = Dir::new();
    dir.write("conn.log", tsv(&rows(600)));
    dir.write("conn.json", json(&rows(600)));
    dir.ok("train conn.log -o m");
    let outcome = dir.run("score -m m conn.log conn.json");
    assert_eq!(outcome.stderr.matches("conn.json: the output mixes TSV and JSON").count(), 1, "{}", outcome.stderr);
    outcome.success();
    assert!(!dir.run("score -m m conn.log conn.log").stderr.contains("mixes"));
}

#[test]
fn escapes_terminal_output_only() {
    const EVIL: &[u8] = b"\x1b]0;owned\x07\x1b[2J\xc2\x9b2J\xff\xe2\x80\xaeexe";
    const SHOWN: &str = r"\x1b]0;owned\x07\x1b[2J\xc2\x9b2J\xff\xe2\x80\xaeexe";
    let dir = trained();
    let log = tsv(&rows(20)).into_bytes();
    let at = log.windows(5).position(|bytes| bytes == b"\tssl\t").unwrap() + 1;
    dir.write("evil.log", [&log[..at], EVIL, &log[at + 3..]].concat());
    let bytes = dir.run_bytes("score -m m evil.log");
    assert_eq!(bytes.windows(EVIL.len()).filter(|bytes| *bytes == EVIL).count(), 1);
    dir.ok("score -m m evil.log -o out.log");
    assert!(dir.read_bytes("out.log") == bytes);

    let program = env!("CARGO_BIN_EXE_zeek-iforest");
    for output in ["", "-o -", "-o /dev/stdout", "-o /dev/tty"] {
        let shown = dir.terminal(&format!("{program} -q score -m m evil.log {output}"));
        assert!(!shown.contains(|c: char| (c.is_control() && !"\n\t".contains(c)) || c == '\u{202e}'), "{shown:?}");
        assert_eq!(shown.lines().filter(|line| line.contains(&format!("\t{SHOWN}\t"))).count(), 1, "{shown}");
        assert_eq!(column(&shown, "anomaly_score").len(), 20);
    }
    // Standard output is a file here, not a terminal.
    dir.terminal(&format!("{program} -q score -m m evil.log > redirected.log"));
    assert!(dir.read_bytes("redirected.log") == bytes);
}

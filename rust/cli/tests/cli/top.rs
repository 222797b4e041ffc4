//! `top`: the table and the JSON.

use serde_json::Value;

use crate::logs::{ODD, column, json, rows, tsv};
use crate::run::Dir;

fn trained() -> Dir {
    let dir = Dir::new();
    dir.write("conn.log", tsv(&rows(600)));
    dir.ok("train conn.log -o m");
    dir
}

#[test]
fn prints_a_table() {
    let dir = trained();
    let table = dir.ok("top -m m conn.log -n 5");
    let lines: Vec<_> = table.lines().filter(|line| !line.starts_with("--") && !line.starts_with("  ")).collect();
    assert_eq!(lines.len(), 6, "{table}");
    assert!(table.lines().nth(2).unwrap().starts_with("          sent 4.1 GB (usually below "), "{table}");
    assert!(lines.iter().all(|line| line.len() <= 100), "{table}");
    let odd: Vec<_> = lines[1].split_whitespace().collect();
    assert_eq!(odd[3..8], ["S1", "3h00m", "4.1", "GB", "9.0"], "{table}");
    assert!(lines[1].ends_with("-> 203.0.113.66:4444/tcp"), "{table}");
}

#[test]
fn lists_the_highest_scores_in_order() {
    let dir = trained();
    let mut scores = column(&dir.ok("score -m m conn.log"), "anomaly_score");
    // The sort is stable: of equal scores the earlier in the log comes first.
    scores.sort_by(|a, b| b.1.parse::<f64>().unwrap().total_cmp(&a.1.parse().unwrap()));
    for n in [1, 7, 600] {
        let lines = dir.ok(&format!("top -m m conn.log --json -n {n}"));
        let top: Vec<Value> = lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        assert_eq!(top.len(), n);
        for (entry, (uid, score)) in top.iter().zip(&scores) {
            assert_eq!(
                (entry["uid"].as_str().unwrap(), entry["anomaly_score"].to_string()),
                (uid.as_str(), score.clone())
            );
        }
    }
}

#[test]
fn json_has_zeek_field_names() {
    let dir = trained();
    dir.write("conn.json", json(&rows(600)));
    let line = dir.ok("top -m m conn.json --json -n 1");
    assert_eq!(line, dir.ok("top -m m conn.log --json -n 1"));
    let entry: Value = serde_json::from_str(&line).unwrap();
    assert_eq!(entry["uid"], ODD);
    assert_eq!(entry["anomalous"], true);
    assert_eq!(entry["id.resp_h"], "203.0.113.66");
    assert_eq!(entry["orig_bytes"], 4_100_000_000u64);
    assert_eq!(entry["duration"], 10800.5);
    assert_eq!(entry.get("service"), None);
    assert_eq!(entry["reason_features"][0], "orig_bytes");
    assert!(entry["anomaly_reasons"].as_str().unwrap().starts_with("sent 4.1 GB (usually below "), "{entry}");
}

#[test]
fn json_marks_anomalous_connections() {
    let dir = trained();
    for (threshold, stands) in [("--contamination 0.004", 1..=599), ("--contamination 0.999", 590..=600)] {
        let lines = dir.ok(&format!("top -m m conn.log --json -n 600 {threshold}"));
        let anomalous = lines.lines().filter(|line| line.contains("\"anomalous\":true")).count();
        assert_eq!(lines.lines().filter(|line| line.contains("\"anomalous\":false")).count(), 600 - anomalous);
        assert!(stands.contains(&anomalous), "{threshold}: {anomalous}");
        let table = dir.ok(&format!("top -m m conn.log -n 600 {threshold}"));
        let above = table.lines().take_while(|line| !line.starts_with("--")).filter(|line| line.contains(" -> "));
        assert_eq!(above.count(), anomalous);
    }
}

#[test]
fn long_addresses_stay_within_the_width() {
    let dir = trained();
    let mut rows = rows(3);
    for row in &mut rows {
        row[2] = "2001:db8:1111:2222:3333:4444:5555:6666".into();
        row[4] = "2001:db8:aaaa:bbbb:cccc:dddd:eeee:ffff".into();
    }
    dir.write("six.log", tsv(&rows));
    let table = dir.ok("top -m m six.log");
    assert!(table.lines().all(|line| line.len() <= 100), "{table}");
    assert!(table.contains("[2001:db8:aaaa:bbbb:cccc:dddd:eeee:ffff]:53/udp dns"), "{table}");
}

#[test]
fn narrow_terminals_get_rows_that_fit() {
    let dir = trained();
    for (columns, lines) in [(100, 1), (80, 2), (60, 2), (40, 4)] {
        let table = dir.on_terminal(columns, "top -m m conn.log -n 5");
        assert!(table.lines().all(|line| line.chars().count() <= columns), "{columns}: {table}");
        assert_eq!(table.lines().any(|line| line.ends_with(" ->")), columns == 40, "{columns}: {table}");
        let odd = table.lines().position(|line| line.ends_with(" 203.0.113.66:4444/tcp")).unwrap();
        assert!(table.lines().nth(odd + 1 - lines).unwrap().starts_with("0."), "{columns}: {table}");
    }
}

#[test]
fn trains_without_a_model() {
    let dir = trained();
    let outcome = dir.run("top conn.log -n 1 --json");
    assert!(outcome.stderr.contains("training on the same log first"), "{}", outcome.stderr);
    assert_eq!(outcome.success(), dir.ok("top -m m conn.log -n 1 --json"));
}

#[test]
fn prints_nothing_for_an_empty_log() {
    let dir = trained();
    dir.write("none.log", tsv(&[]));
    let outcome = dir.run("top -m m none.log");
    assert!(outcome.stderr.contains("0 connections"), "{}", outcome.stderr);
    assert_eq!(outcome.success(), "");
}

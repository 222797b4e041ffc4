//! `incidents`: grouping, the list of known activity, and the output.

use std::path::Path;

use serde_json::Value;

use crate::lab::data;
use crate::run::Dir;

const KEYS: [&str; 15] = [
    "id",
    "start",
    "last",
    "actor",
    "kind",
    "score",
    "records",
    "targets",
    "targets_total",
    "ports",
    "ports_total",
    "uids",
    "reasons",
    "summary",
    "attack",
];
/// The lab's attacks: a part of the label, the kind, and the hosts that act in it.
const ATTACKS: [(&str, &[&str]); 6] = [
    ("scan", &["10.10.1.16"]),
    ("guessing", &["203.0.113.66"]),
    ("beacon", &["10.10.1.17"]),
    ("tunnel", &["10.10.1.19", "10.10.2.53"]),
    ("exfiltration", &["10.10.1.14"]),
    ("long session", &["10.10.1.13"]),
];

fn trained() -> Dir {
    let dir = Dir::new();
    dir.ok(&format!("train -q {} -o m", data("lab-day1.conn.log").display()));
    dir
}

fn incidents(dir: &Dir, options: &str) -> Vec<Value> {
    incidents_of(dir, &data("lab-day2.conn.log"), options)
}

fn incidents_of(dir: &Dir, log: &Path, options: &str) -> Vec<Value> {
    let lines = dir.ok(&format!("incidents -q -m m {} --json {options}", log.display()));
    lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn text<'a>(incident: &'a Value, key: &str) -> &'a str {
    incident[key].as_str().unwrap()
}

#[test]
fn each_attack_of_the_lab_is_one_incident_or_two_of_its_kind_among_the_first_ten() {
    assert_attacks_are_found(&incidents(&trained(), ""), 0);
}

/// Asserts that each attack is one incident or two of its kind among the first ten. Returns the other incidents.
fn assert_attacks_are_found(found: &[Value], others: usize) -> Vec<&Value> {
    let holds = |attack: &(&str, &[&str]), it: &Value| attack.0 == it["kind"] && attack.1.contains(&text(it, "actor"));
    for attack in &ATTACKS {
        let places: Vec<_> = found.iter().enumerate().filter(|(_, it)| holds(attack, it)).map(|(i, _)| i).collect();
        assert!((1..=2).contains(&places.len()) && places[0] < 10, "{attack:?} {places:?}");
    }
    let rest: Vec<_> = found.iter().filter(|it| !ATTACKS.iter().any(|attack| holds(attack, it))).collect();
    assert!(rest.len() <= others, "{rest:?}");
    rest
}

/// The lab's second day with a flood of a server from 10:20 to 11:50, during two attacks: lone SYNs, or whole connections, of one address each or of 500
/// that return.
fn flooded(whole: bool, addresses: u32) -> String {
    const CONNECTIONS: u32 = 12_000;
    let log = std::fs::read_to_string(data("lab-day2.conn.log")).unwrap();
    let (header, rows): (Vec<&str>, Vec<&str>) = log.lines().partition(|line| line.starts_with('#'));
    let number = |row: &str, column| row.split('\t').nth(column).and_then(|text| text.parse::<f64>().ok());
    let end = |row: &str| number(row, 0).unwrap() + number(row, 8).unwrap_or(0.0);
    let (first, last) = rows.iter().map(|row| end(row)).fold((f64::MAX, 0.0), |(a, b), ts| (ts.min(a), ts.max(b)));
    let mut timed: Vec<(f64, String)> = rows.iter().map(|row| (end(row), (*row).to_owned())).collect();
    for i in 0..CONNECTIONS {
        let ts = first + (last - first) * (0.25 + 0.15 * f64::from(i) / f64::from(CONNECTIONS));
        let from = std::net::Ipv4Addr::from(0x0b00_0000 + 37 * (i % addresses));
        let outcome = match whole {
            true => "ssl\t0.1\t500\t2000\tSF\tF\tT\t0\tShADadFf\t8\t900\t8\t2400",
            false => "-\t-\t-\t-\tS0\tF\tT\t0\tS\t1\t40\t0\t0",
        };
        let port = 1024 + i % 60_000;
        timed.push((ts, format!("{ts:.6}\tCf{i}\t{from}\t{port}\t10.10.2.80\t443\ttcp\t{outcome}\t-\t6")));
    }
    timed.sort_by(|a, b| a.0.total_cmp(&b.0));
    let lines = header.iter().filter(|line| !line.starts_with("#close")).map(|line| (*line).to_owned());
    lines.chain(timed.into_iter().map(|(_, row)| row)).fold(String::new(), |text, line| text + &line + "\n")
}

#[test]
fn flood_is_one_incident_and_hides_no_attack() {
    let dir = trained();
    for addresses in [u32::MAX, 500] {
        dir.write("flooded.log", flooded(false, addresses));
        let found = incidents_of(&dir, &dir.path("flooded.log"), "");
        let others = assert_attacks_are_found(&found, 1);
        let flood: Vec<_> = others.iter().map(|it| (text(it, "kind"), text(it, "actor"))).collect();
        assert_eq!(flood, [("flood", "10.10.2.80")]);
    }
}

#[test]
fn flood_of_whole_connections_hides_no_attack() {
    let dir = trained();
    dir.write("flooded.log", flooded(true, u32::MAX));
    _ = assert_attacks_are_found(&incidents_of(&dir, &dir.path("flooded.log"), ""), 8);
}

#[test]
fn totals_are_those_of_the_host() {
    let dir = trained();
    let log = data("lab-day2.conn.log");
    let incidents = |options: &str| dir.run(&format!("incidents -m m {} {options}", log.display()));
    let outcome = incidents("--host 192.0.2.1");
    let expected = format!("no connections of 192.0.2.1 in {}\n", log.display());
    assert_eq!((outcome.stdout.as_str(), outcome.stderr), ("", expected));
    let found = std::fs::read_to_string(&log).unwrap();
    let of_host = found.lines().filter(|line| line.split('\t').any(|cell| cell == "10.10.1.17")).count();
    let text = incidents("--host 10.10.1.17").stderr;
    assert!(text.starts_with(&format!("{of_host} connections, ")) && text.contains(", 1 incident\n"), "{text}");
}

#[test]
fn warns_of_a_known_list_without_effect() {
    let dir = trained();
    let log = std::fs::read(data("lab-day2.conn.log")).unwrap();
    let fields = "#fields\toriginator\tresponder\tport\tkind\tuntil\towner\tnote\n";
    let entry = |until: &str| format!("10.10.1.16\t*\t*\t*\t{until}\t-\t-\n");
    let warning = |list: String, command: &str| {
        dir.write("known.tsv", list);
        // `watch` follows a file for ever, and reads a pipe to its end.
        let outcome = dir.pipe(&format!("{command} - --known known.tsv"), &log);
        let warnings = outcome.stderr.lines().filter(|line| line.starts_with("warning: known.tsv: "));
        let warnings: Vec<_> = warnings.map(|line| line["warning: known.tsv: ".len()..].to_owned()).collect();
        outcome.success();
        warnings
    };
    let expired = "all entries have expired, the last one on 2025-03-01; no activity is known";
    for command in ["incidents -m m", "report -m m -o r.html", "train -o n", "watch -m m"] {
        for empty in [String::new(), fields.to_owned()] {
            assert_eq!(warning(empty, command), ["the list has no entries; no activity is known"], "{command}");
        }
        let list = format!("{fields}{}{}", entry("2025-03-01"), entry("2025-02-01"));
        assert_eq!(warning(list.clone(), command), [expired], "{command}");
        assert!(warning(list + &entry("2025-04-01"), command).is_empty(), "{command}");
    }
}

#[test]
fn json_has_exactly_the_documented_keys() {
    let dir = trained();
    for incident in incidents(&dir, "--all") {
        let mut keys: Vec<_> = incident.as_object().unwrap().keys().map(String::as_str).collect();
        let mut expected = KEYS;
        keys.sort_unstable();
        expected.sort_unstable();
        assert_eq!(keys, expected);
        assert!(incident["uids"].as_array().unwrap().len() <= 10);
        let range = 1_741_160_000.0..1_741_200_000.0;
        assert!(range.contains(&incident["start"].as_f64().unwrap()), "{incident}");
        assert!(incident["score"].as_f64().unwrap() <= 1.0);
    }
}

#[test]
fn text_fits_a_hundred_columns_and_shows_a_line_for_the_known_list() {
    let dir = trained();
    let text = dir.ok(&format!("incidents -q -m m {}", data("lab-day2.conn.log").display()));
    assert!(text.lines().all(|line| line.chars().count() <= 100), "{text}");
    assert!(text.contains("10.10.1.17 contacted 198.51.100.77:80/tcp (http) 115 times"), "{text}");
    assert!(text.contains("known.tsv: 10.10.1.17\t198.51.100.77\t80/tcp\tbeacon\t"), "{text}");
}

#[test]
fn output_does_not_depend_on_threads() {
    let dir = trained();
    assert_eq!(incidents(&dir, "--threads 1 --all"), incidents(&dir, "--threads 5 --all"));
}

#[test]
fn known_activity_opens_no_incident() {
    let dir = trained();
    let list = "#fields\toriginator\tresponder\tport\tkind\tuntil\towner\tnote\n\
                10.10.1.17\t198.51.100.77\t80/tcp\tbeacon\t2026-01-01\tme\tupdates\n\
                203.0.113.0/24\t*\t22/tcp\t*\t2026-01-01\tme\ttest\n\
                10.10.1.13\t*\t*\t*\t2020-01-01\tme\texpired\n";
    dir.write("known.tsv", list);
    let actors = |options: &str| -> Vec<String> {
        incidents(&dir, options).iter().map(|it| text(it, "actor").to_owned()).collect()
    };
    let (before, after) = (actors(""), actors("--known known.tsv"));
    let gone = |actor: &str| before.iter().any(|it| it == actor) && !after.iter().any(|it| it == actor);
    assert!(gone("10.10.1.17") && gone("203.0.113.66") && !gone("10.10.1.13"), "{after:?}");
    assert_eq!(before.len(), after.len() + 2);
    let mut hidden = actors("--try-known known.tsv");
    hidden.sort();
    assert_eq!(hidden, ["10.10.1.17", "203.0.113.66"]);
    let all = dir.ok(&format!("incidents -q -m m {} --all --known known.tsv", data("lab-day2.conn.log").display()));
    assert_eq!(all.lines().filter(|line| line.ends_with("  known")).count(), 2, "{all}");
    let marked: Vec<_> = incidents(&dir, "--all --known known.tsv");
    assert_eq!(marked.iter().filter(|it| it["known"] == true).count(), 2);
}

#[test]
fn refuses_lists_that_cannot_be_used() {
    let dir = trained();
    let header = "#fields\toriginator\tresponder\tport\tkind\tuntil\towner\tnote\n";
    for (line, problem) in [
        ("*\t*\t*\t*\t2026-01-01\t-\t-\n", "line 2: it covers too much"),
        ("10.0.0.1\t*\t*\t*\t-\t-\t-\n", "every entry expires"),
    ] {
        dir.write("known.tsv", format!("{header}{line}"));
        let run = dir.run(&format!("incidents -m m {} --known known.tsv", data("lab-day2.conn.log").display()));
        assert_eq!(run.status, Some(1));
        assert!(run.stderr.contains("known.tsv: ") && run.stderr.contains(problem), "{}", run.stderr);
    }
}

#[test]
fn selects_hosts_and_excludes_networks() {
    let dir = trained();
    let of_host = incidents(&dir, "--host 203.0.113.90");
    assert!(!of_host.is_empty() && of_host.iter().all(|it| text(it, "actor") == "10.10.1.14"), "{of_host:?}");
    let without = incidents(&dir, "--exclude 10.10.1.16/31 --exclude 198.51.100.0/24");
    let is_excluded = |it: &Value| ["10.10.1.16", "10.10.1.17", "10.10.1.13"].contains(&text(it, "actor"));
    assert!(!without.is_empty() && !without.iter().any(is_excluded), "{without:?}");
    // An IPv6 network contains no IPv4 hosts.
    assert_eq!(incidents(&dir, "--exclude ::/0"), incidents(&dir, ""));
    assert_eq!(dir.run("incidents conn.log --exclude *").status, Some(2));
}

#[test]
fn ranks_hosts_by_risk_with_contributions() {
    let dir = trained();
    let lines = dir.ok(&format!("incidents -q -m m {} --hosts --json", data("lab-day2.conn.log").display()));
    let hosts: Vec<Value> = lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(hosts[0]["host"], "10.10.1.16");
    for host in &hosts {
        let parts = host["incidents"].as_array().unwrap().iter().map(|part| part["risk"].as_f64().unwrap());
        assert!((parts.sum::<f64>() - host["risk"].as_f64().unwrap()).abs() < 0.01, "{host}");
    }
}

#[test]
fn lower_budgets_leave_fewer_incidents() {
    let dir = trained();
    assert!(
        incidents(&dir, "--alerts-per-day 2 -n 1000").len() < incidents(&dir, "--alerts-per-day 200 -n 1000").len()
    );
}

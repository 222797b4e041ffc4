//! `--context`: context carried from run to run.

use std::collections::BTreeMap;
use std::fs;

use serde_json::Value;

use crate::lab::data;
use crate::logs::{rows, tsv};
use crate::run::Dir;

/// The second day of the lab in `n` logs, and a model of the first day.
fn pieces(n: usize) -> Dir {
    let dir = Dir::new();
    dir.ok(&format!("train {} -o m", data("lab-day1.conn.log").display()));
    let log = fs::read_to_string(data("lab-day2.conn.log")).unwrap();
    let (header, rows): (Vec<&str>, Vec<&str>) = log.lines().partition(|line| line.starts_with('#'));
    let header: Vec<_> = header.into_iter().filter(|line| !line.starts_with("#close")).collect();
    for (i, piece) in rows.chunks(rows.len().div_ceil(n)).enumerate() {
        dir.write(&format!("piece-{i}.log"), [header.as_slice(), piece].concat().join("\n") + "\n");
    }
    dir
}

#[test]
fn pieces_score_like_the_whole() {
    let dir = pieces(7);
    let all: Vec<_> = (0..7).map(|i| format!("piece-{i}.log")).collect();
    let whole = dir.ok(&format!("score -m m {}", all.join(" ")));
    let one_by_one: String = all.iter().map(|log| dir.ok(&format!("score -m m {log} --context hosts"))).collect();
    assert_eq!(one_by_one, whole);
    let without: String = all.iter().map(|log| dir.ok(&format!("score -m m {log}"))).collect();
    assert_ne!(without, whole);
    // Other commands continue with the same context.
    fs::remove_file(dir.path("hosts")).unwrap();
    dir.ok("top -m m piece-0.log --context hosts");
    dir.ok("report -m m piece-1.log -o report.html --context hosts");
    dir.pipe("watch --connections -m m - --context hosts", dir.read("piece-2.log").as_bytes()).success();
    let continued = dir.ok("score -m m piece-3.log --context hosts");
    assert!(whole.contains(continued.lines().last().unwrap()));
    assert_eq!(continued.lines().filter(|line| whole.contains(line)).count(), continued.lines().count());
}

#[test]
fn pieces_give_the_incidents_of_the_whole() {
    let dir = pieces(7);
    let all: Vec<_> = (0..7).map(|i| format!("piece-{i}.log")).collect();
    let by_id = |text: String| -> BTreeMap<String, String> {
        let id = |line: &str| serde_json::from_str::<Value>(line).unwrap()["id"].as_str().unwrap().to_owned();
        // A later line of an incident replaces an earlier one.
        text.lines().map(|line| (id(line), line.to_owned())).collect()
    };
    let incidents = |logs: &str| dir.ok(&format!("incidents -q -m m {logs} --json -n 1000 --all"));
    let whole = incidents(&all.join(" "));
    let pieces: Vec<_> = all.iter().map(|log| incidents(&format!("{log} --context hosts"))).collect();
    assert_eq!(by_id(pieces.concat()), by_id(whole));
    // A run shows no incident without records of its own.
    let mut records = BTreeMap::new();
    for incident in pieces.iter().flat_map(|text| text.lines()).map(|line| serde_json::from_str::<Value>(line).unwrap())
    {
        let count = incident["records"].as_u64().unwrap();
        assert!(records.insert(incident["id"].to_string(), count).is_none_or(|before| before < count), "{incident}");
    }
}

#[test]
fn failed_runs_leave_the_context_unchanged() {
    let dir = pieces(3);
    dir.write("prose.log", "It was a dark night.\n");
    dir.ok("score -m m piece-0.log --context hosts");
    let before = dir.read_bytes("hosts");
    for arguments in [
        "score -m m piece-1.log prose.log --context hosts",
        "score -m m piece-1.log -o nowhere/out.log --context hosts",
        "top -m m piece-1.log prose.log --context hosts",
        "report -m m piece-1.log prose.log -o - --context hosts",
        "score -m none piece-1.log --context hosts",
    ] {
        assert_eq!(dir.run(arguments).status, Some(1), "{arguments}");
        assert_eq!(dir.read_bytes("hosts"), before, "{arguments}");
    }
    dir.ok("score -m m piece-1.log --context hosts");
    assert_ne!(dir.read_bytes("hosts"), before);
}

#[test]
fn unusable_contexts_are_refused() {
    let dir = pieces(3);
    dir.ok("score -m m piece-0.log --context hosts");
    let whole = dir.read_bytes("hosts");
    dir.write("hosts", &whole[..whole.len() / 2]);
    dir.run("score -m m piece-1.log --context hosts").fails(1, &["hosts: is damaged"]);
    dir.run("score -m m piece-1.log --context m").fails(1, &["m: would replace the input m"]);
    dir.run("score -m m piece-1.log --context piece-1.log").fails(1, &["would replace the input piece-1.log"]);
    dir.run("score -m m piece-1.log --context .").fails(1, &[".: this is a directory"]);
    // The error does not advise deleting a file of another kind.
    dir.ok("sample piece-0.log -o sample");
    dir.ok("train piece-0.log -o other");
    dir.write("prose", "It was a dark night.");
    dir.write("ssl.log", "#separator \\x09\n#path\tssl\n");
    for (file, what) in [
        ("sample", "a sample"),
        ("other", "a model"),
        ("piece-0.log", "a log"),
        ("ssl.log", "a log"),
        ("prose", "another kind of file"),
    ] {
        let before = dir.read_bytes(file);
        let expected = format!("{file}: is {what}, not a context file; give --context a new name");
        let outcome = dir.run(&format!("score -m m piece-1.log --context {file}"));
        assert!(!outcome.stderr.contains("delete"), "{}", outcome.stderr);
        outcome.fails(1, &[&expected]);
        assert_eq!(dir.read_bytes(file), before);
    }
}

#[test]
fn filters_select_hosts_and_exclude_networks() {
    let dir = Dir::new();
    dir.write("conn.log", tsv(&rows(600)));
    dir.ok("train conn.log -o m");
    let host = "203.0.113.66";
    let shown = |arguments: &str| dir.ok(&format!("top -m m conn.log -n 600 --json {arguments}"));
    let all = shown("");
    let of_host: String = all.lines().filter(|line| line.contains(host)).map(|line| format!("{line}\n")).collect();
    assert!(!of_host.is_empty() && of_host.len() < all.len());
    assert_eq!(shown(&format!("--host {host}")), of_host);
    let others: String = all.lines().filter(|line| !line.contains(host)).map(|line| format!("{line}\n")).collect();
    assert_eq!(shown("--exclude 203.0.113.64/30"), others);
    let page = dir.ok(&format!("report -m m conn.log -o - --exclude {host}"));
    assert!(!page.split("<pre>").next().unwrap().contains(host));
    let watch = |arguments: &str| {
        dir.pipe(&format!("watch --connections -m m - --json {arguments}"), tsv(&rows(600)).as_bytes())
    };
    assert!(watch("").success().contains(host));
    assert!(!watch(&format!("--exclude {host}")).success().contains(host));
    dir.run("top -m m conn.log --exclude 203.0.113.0/33").fails(2, &["not an address or a network"]);
    dir.run("top -m m conn.log --host example").fails(2, &["--host"]);
    dir.run("report -m m conn.log -o - --host 192.0.2.99").fails(1, &["no connections of 192.0.2.99 in conn.log"]);
}

#[test]
fn refuses_budgets_above_the_traffic() {
    let dir = Dir::new();
    dir.write("conn.log", tsv(&rows(600)));
    let refusal = "--alerts-per-day 1000000: the training data has only 4,431 connections a day; give a smaller number";
    dir.run("train conn.log -o m --alerts-per-day 1000000").fails(1, &[refusal]);
    assert!(!dir.path("m").exists());
    dir.ok("train conn.log -o m");
    for command in ["top", "score", "report -o -", "watch"] {
        dir.run(&format!("{command} -m m conn.log --alerts-per-day 1000000")).fails(1, &[refusal]);
    }
}

#[test]
fn reports_without_anomalies_list_connections_and_hosts() {
    let dir = Dir::new();
    dir.write("conn.log", tsv(&rows(600)));
    dir.ok("train conn.log -o m");
    dir.write("quiet.log", tsv(&rows(600)[..40]));
    let page = dir.ok("report -m m quiet.log -o - --alerts-per-day 0.001");
    assert!(
        page.contains("No connection is anomalous. The 40 next highest scores of 40 connections are grey."),
        "{page}"
    );
    assert!(page.contains("No host opened an anomalous connection. Those with the highest scores are listed."));
    assert!(page.contains("The model was trained on only 600 connections, too few to tell rare from typical."));
    assert!(page.contains("<th scope=\"row\" class=\"host\""));
}

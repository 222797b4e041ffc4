//! Tests of the commands on dns.log.

use serde_json::Value;

use crate::logs::{ODD, column, rows, tsv};
use crate::run::Dir;

const HEADER: &str = "#separator \\x09\n#set_separator\t,\n#empty_field\t(empty)\n#unset_field\t-\n#path\tdns\n";
const FIELDS: [&str; 18] = [
    "ts",
    "uid",
    "id.orig_h",
    "id.orig_p",
    "id.resp_h",
    "id.resp_p",
    "proto",
    "trans_id",
    "rtt",
    "query",
    "qtype",
    "qtype_name",
    "rcode",
    "RD",
    "RA",
    "answers",
    "TTLs",
    "rejected",
];
const TYPES: [&str; 18] = [
    "time",
    "string",
    "addr",
    "port",
    "addr",
    "port",
    "enum",
    "count",
    "interval",
    "string",
    "count",
    "string",
    "count",
    "bool",
    "bool",
    "vector[string]",
    "vector[interval]",
    "bool",
];

/// Queries of ten clients for twenty names, one every ten seconds; the last 40 are a tunnel's.
fn queries(n: usize) -> Vec<[String; 18]> {
    (0..n)
        .map(|i| {
            let (name, qtype, answer) = match i + 40 >= n {
                true => {
                    (format!("{:056x}\\xe4.t.example.sea", i * 7919), ("10", "NULL"), "<unknown type=10>".to_owned())
                }
                false => (format!("www.site{}.com", i * 7 % 20), ("1", "A"), format!("192.0.2.{}", i % 20)),
            };
            let client = if i + 40 >= n { 3 } else { i % 10 };
            [
                format!("{}.000000", 1_700_000_000 + 10 * i),
                format!("D{i}"),
                format!("10.0.0.{client}"),
                "40000".into(),
                "10.0.0.53".into(),
                "53".into(),
                "udp".into(),
                format!("{}", i % 65_536),
                format!("0.0{:02}", 1 + i % 50),
                name,
                qtype.0.into(),
                qtype.1.into(),
                "0".into(),
                "T".into(),
                "T".into(),
                answer,
                "60.000000".into(),
                "F".into(),
            ]
        })
        .collect()
}

fn dns_log(queries: &[[String; 18]]) -> String {
    let lines = queries.iter().map(|query| query.join("\t") + "\n").collect::<String>();
    format!("{HEADER}#fields\t{}\n#types\t{}\n{lines}", FIELDS.join("\t"), TYPES.join("\t"))
}

/// The same rows as JSON, as Zeek writes it: bytes that are not UTF-8 are `\\xHH` in the text.
fn dns_json(queries: &[[String; 18]]) -> String {
    let line = |query: &[String; 18]| {
        let text = |i: usize| Value::from(query[i].as_str());
        let number = |i: usize| query[i].parse::<f64>().map(Value::from).unwrap();
        let count = |i: usize| query[i].parse::<u64>().map(Value::from).unwrap();
        let flag = |i: usize| Value::from(query[i] == "T");
        let entries = FIELDS.iter().enumerate().map(|(i, field)| {
            let value = match TYPES[i] {
                "time" | "interval" => number(i),
                "port" | "count" => count(i),
                "bool" => flag(i),
                "vector[string]" => Value::from(vec![text(i)]),
                "vector[interval]" => Value::from(vec![number(i)]),
                _ => text(i),
            };
            ((*field).to_owned(), value)
        });
        Value::Object(entries.collect()).to_string() + "\n"
    };
    queries.iter().map(line).collect()
}

fn trained() -> Dir {
    let dir = Dir::new();
    let queries = queries(2_000);
    dir.write("dns.log", dns_log(&queries));
    dir.write("usual.log", dns_log(&queries[..1_960]));
    dir.write("dns.json", dns_json(&queries));
    dir.ok("train usual.log -o m");
    dir
}

#[test]
fn trains_scores_and_lists_a_tunnel_first() {
    let dir = trained();
    let scored = dir.ok("score -m m dns.log");
    assert_eq!(column(&scored, "anomaly_score").len(), 2_000);
    let top = dir.ok("top -m m dns.log --json -n 30");
    for line in top.lines() {
        let entry: Value = serde_json::from_str(line).unwrap();
        assert_eq!(
            (&entry["qtype_name"], &entry["id.orig_h"]),
            (&Value::from("NULL"), &Value::from("10.0.0.3")),
            "{line}"
        );
        assert_eq!((entry.get("conn_state"), entry.get("orig_bytes")), (None, None));
    }
    let table = dir.ok("top -m m dns.log -n 3");
    assert!(table.lines().next().unwrap().contains("  type ") && table.contains("query type NULL"), "{table}");
}

#[test]
fn json_and_tsv_have_the_same_scores() {
    let dir = trained();
    let tsv = column(&dir.ok("score -m m dns.log"), "anomaly_score");
    let json: Vec<_> = dir
        .ok("score -m m dns.json")
        .lines()
        .map(|line| {
            let entry: Value = serde_json::from_str(line).unwrap();
            (entry["uid"].as_str().unwrap().to_owned(), entry["anomaly_score"].as_f64().unwrap())
        })
        .collect();
    let tsv: Vec<_> = tsv.into_iter().map(|(uid, score)| (uid, score.parse::<f64>().unwrap())).collect();
    assert_eq!(tsv, json);
}

#[test]
fn refuses_a_model_of_another_log() {
    let dir = trained();
    dir.write("conn.log", tsv(&rows(600)));
    dir.ok("train conn.log -o c");
    for (model, log, found, wanted) in [("c", "dns.log", "conn", "dns"), ("m", "conn.log", "dns", "conn")] {
        let refusal = dir.run(&format!("top -m {model} {log}"));
        assert_eq!(refusal.status, Some(1));
        let expected = format!("{model}: is a model of {found}.log, but the logs are {wanted}.log");
        assert!(refusal.stderr.contains(&expected), "{}", refusal.stderr);
    }
}

#[test]
fn a_directory_is_read_for_the_kind_of_log() {
    let dir = trained();
    dir.write("logs/dns.10:00:00-11:00:00.log", dns_log(&queries(1_000)));
    dir.write("logs/conn.10:00:00-11:00:00.log", tsv(&rows(300)));
    let dns = dir.run("top --log dns -m m logs -n 1");
    assert!(dns.stderr.contains("1,000 queries"), "{}", dns.stderr);
    dir.ok("train logs -o c");
    assert_eq!(dir.run("top --log dns -m c logs").status, Some(1));
}

#[test]
fn other_commands_take_dns_logs() {
    let dir = trained();
    let header = dir.ok("features -m m dns.log");
    assert!(header.starts_with("name_length,labels,"), "{header}");
    dir.ok("sample usual.log -o part");
    dir.ok("train part -o again");
    assert!(dir.run("top -m again dns.log -n 1").stderr.contains("2,000 queries"));
    let incidents = dir.ok("incidents -m m dns.log --json");
    assert!(incidents.lines().any(|line| line.contains("10.0.0.3")), "{incidents}");
    assert!(dir.ok("report -m m dns.log -o -").contains("10.0.0.3"));
    let json: Value = serde_json::from_str(&dir.ok("inspect m --json")).unwrap();
    assert_eq!(json["log"], "dns");
}

/// Logs of one network in both formats: `conn.log` with its model `c`, and `dns.log` with its model `d`.
fn both() -> Dir {
    let dir = Dir::new();
    dir.write("conn.log", tsv(&rows(600)));
    let queries = queries(3_000);
    dir.write("dns.log", dns_log(&queries));
    dir.write("usual.log", dns_log(&queries[..2_960]));
    let quiet: Vec<_> = rows(600).into_iter().filter(|row| row[1] != ODD).collect();
    dir.write("quiet.log", tsv(&quiet));
    dir.ok("train -q quiet.log -o c");
    dir.ok("train -q usual.log -o d");
    dir
}

#[test]
fn two_models_group_records_of_both_logs_by_client() {
    let dir = both();
    let lines =
        |text: String| text.lines().map(|line| serde_json::from_str::<Value>(line).unwrap()).collect::<Vec<_>>();
    let of = |arguments: &str| lines(dir.ok(&format!("incidents -q {arguments} --json -n 1000")));
    let (conn, dns) = (of("-m c conn.log"), of("-m d dns.log"));
    assert!(!conn.is_empty());
    let tunnel = dns.iter().find(|it| it["kind"] == "tunnel").unwrap();
    let summary = tunnel["summary"].as_str().unwrap();
    assert!(
        summary.starts_with("10.0.0.3 sent ") && summary.contains(" names of example.sea to 10.0.0.53"),
        "{summary}"
    );
    // The order of models and logs does not matter.
    let both = of("-m d -m c dns.log conn.log");
    assert_eq!(both, of("-m c -m d conn.log dns.log"));
    assert_eq!(both.len(), conn.len() + dns.len());
    assert!(both.iter().any(|it| it["id"] == tunnel["id"]));
    // Directories hold both logs.
    std::fs::create_dir(dir.path("logs")).unwrap();
    std::fs::copy(dir.path("conn.log"), dir.path("logs/conn.log")).unwrap();
    std::fs::copy(dir.path("dns.log"), dir.path("logs/dns.log")).unwrap();
    assert_eq!(both, of("-m c -m d logs"));
    // The same client in both logs has one incident: its connection of three hours ends during the tunnel.
    let mut moved = rows(600);
    for row in &mut moved {
        let ts: f64 = row[0].parse().unwrap();
        row[0] = format!("{:.6}", ts - 1_713_500_900.0 + 1_700_029_800.0 - 10_800.0);
        if row[1] == ODD {
            row[2] = "10.0.0.3".into();
        }
    }
    dir.write("moved.log", tsv(&moved));
    let joined = of("-m c -m d moved.log dns.log");
    let tunnel = joined.iter().find(|it| it["kind"] == "tunnel").unwrap();
    assert!(tunnel["summary"].as_str().unwrap().contains("; it also made "), "{joined:#?}");
    // Records are processed in order of time: hours later, the connection opens a separate incident.
    for row in &mut moved {
        row[0] = format!("{:.6}", row[0].parse::<f64>().unwrap() + 20_000.0);
    }
    dir.write("later.log", tsv(&moved));
    let apart = of("-m c -m d later.log dns.log");
    let of_client = |incidents: &[Value]| incidents.iter().filter(|it| it["actor"] == "10.0.0.3").count();
    assert_eq!(of_client(&apart), of_client(&dns) + 1, "{apart:#?}");
}

#[test]
fn queries_without_an_answer_follow_their_connection() {
    let dir = both();
    let mut moved: Vec<_> = rows(600).into_iter().filter(|row| row[1] == ODD).collect();
    for row in &mut moved {
        (row[0], row[2]) = (format!("{:.6}", 1_700_029_800.0 - 10_800.0), "10.0.0.3".into());
    }
    dir.write("moved.log", tsv(&moved));
    let mut silent = queries(3_000);
    for row in &mut silent[2_960..] {
        // Zeek logs them when the connection ends.
        (row[1], row[8]) = (ODD.into(), "-".into());
    }
    dir.write("silent.log", dns_log(&silent));
    // The first alert identifies the incident: here the alert of the connection.
    let incidents = |arguments: &str| {
        let found = dir.ok(&format!("incidents -q {arguments} --json -n 1000"));
        let found = found.lines().map(|line| serde_json::from_str::<Value>(line).unwrap()).collect::<Vec<_>>();
        found.into_iter().find(|it| it["actor"] == "10.0.0.3").unwrap()
    };
    let (alone, joined) = (incidents("-m c moved.log"), incidents("-m c -m d moved.log silent.log"));
    assert_eq!((&joined["id"], &joined["kind"]), (&alone["id"], &Value::from("tunnel")), "{joined:#?}");
}

#[test]
fn messages_on_dns_log_speak_of_queries() {
    let dir = trained();
    dir.write("empty.log", dns_log(&[]));
    dir.write("evening.log", dns_log(&queries(500)));
    let labelled = dir.read("dns.log").lines().fold(String::new(), |text, line| match line.split_once('\t') {
        Some(("#fields", _)) => format!("{text}{line}\tlabel\n"),
        Some(("#types", _)) => format!("{text}{line}\tstring\n"),
        _ if line.starts_with('#') => format!("{text}{line}\n"),
        _ => format!("{text}{line}\tbenign\n"),
    });
    dir.write("labelled.log", labelled);
    for (arguments, message) in [
        ("features -m m empty.log", "no queries in empty.log"),
        ("evaluate -m m labelled.log", "none of 2,000 queries have a \"label\""),
        ("evaluate -m m empty.log --label qtype_name", "no queries in empty.log"),
        ("evaluate --protocol days empty.log", "no queries in empty.log"),
        (
            "evaluate --protocol folds --folds 3 usual.log --label qtype_name --malicious NULL",
            "none of 1,960 queries have a \"qtype_name\"",
        ),
        (
            "evaluate --protocol days evening.log --label qtype_name --malicious NULL",
            "no day with benign queries is followed by another in 1 day",
        ),
    ] {
        dir.run(arguments).fails(1, &[message]);
    }
    let graph = String::from_utf8_lossy(&dir.run_bytes("export-onnx m")).into_owned();
    assert!(graph.contains("Anomaly score of queries,"));
    dir.run("report -m m dns.log --host 192.0.2.1 -o r.html").fails(1, &["no queries of 192.0.2.1 in dns.log"]);
    let page = dir.ok("report -m m dns.log -o -");
    assert!(page.contains(">Query and reasons</th>") && !page.contains("Connection and reasons"));
    for (n, text) in [(0, "only 0 queries to learn from"), (1, "only 1 query to learn from")] {
        dir.write("short.log", dns_log(&queries(n)));
        dir.run("train short.log -o n").fails(1, &["short.log: ", text]);
    }
}

#[test]
fn directories_and_files_go_to_the_model_of_their_kind() {
    let dir = both();
    dir.write("conns/conn.log", dir.read("conn.log"));
    let of = |arguments: &str| dir.ok(&format!("incidents -q -m c -m d {arguments} --json -n 1000"));
    let expected = of("conn.log dns.log");
    assert_eq!(of("conns dns.log"), expected);
    dir.write("queries/dns.log", dir.read("dns.log"));
    assert_eq!(of("queries conn.log"), expected);
    assert_eq!(of("queries conns"), expected);
    dir.write("others/http.log", "");
    dir.run("incidents -m c -m d conns dns.log others").fails(1, &["others: this directory has no log of"]);
    dir.run("incidents -m c -m d conns").fails(1, &["no dns.log among the logs"]);
}

#[test]
fn refuses_inputs_of_both_kinds() {
    let dir = both();
    dir.ok("sample conn.log -o c.part");
    dir.ok("sample dns.log -o d.part");
    for inputs in ["conn.log dns.log", "dns.log conn.log"] {
        let expected = "the inputs are of two kinds: conn.log of conn.log; dns.log of dns.log; give inputs of one kind";
        dir.run(&format!("train {inputs} -o n")).fails(1, &[expected]);
        dir.run(&format!("top -m c {inputs}")).fails(1, &[expected]);
    }
    dir.run("train d.part c.part -o n").fails(1, &["two kinds: c.part of conn.log; d.part of dns.log"]);
    dir.run("train c.part dns.log -o n").fails(1, &["two kinds: c.part of conn.log; dns.log of dns.log"]);
    assert!(!dir.path("n").exists());
}

#[test]
fn one_report_covers_both_logs() {
    let dir = both();
    let page = dir.ok("report -m c -m d conn.log dns.log -o -");
    assert!(page.contains("<h1>Unusual connections and queries</h1>"));
    for heading in ["The most anomalous connections", "The most anomalous queries", "Score distribution, dns.log"] {
        assert_eq!(page.matches(heading).count(), 1, "{heading}");
    }
    assert!(page.contains(">Record and reasons</th>"));
    assert!(page.contains("40 queries, ") && page.contains("different names of example.sea"), "{page}");
    let ids: Vec<_> = page.split(" id=\"").skip(1).map(|rest| rest.split('"').next().unwrap()).collect();
    let distinct: std::collections::BTreeSet<_> = ids.iter().collect();
    assert_eq!(ids.len(), distinct.len());
    let single = dir.ok("report -m d dns.log -o -");
    assert!(single.contains("<h1>Unusual queries</h1>") && !single.contains("anomalous connection"));
}

#[test]
fn a_log_without_a_header_is_of_the_kind_of_its_fields() {
    let dir = both();
    let log = dir.read("dns.log");
    let rows: Vec<&str> = log.lines().filter(|line| !line.starts_with('#')).collect();
    dir.write("headless.log", rows.join("\n") + "\n");
    let scores = |command: &str| column(&dir.ok(command), "anomaly_score");
    let scored = dir.ok(&format!("score -m d headless.log --fields {}", FIELDS.join(",")));
    let last: Vec<&str> = scored.lines().filter_map(|line| line.split('\t').nth(FIELDS.len())).collect();
    let expected: Vec<String> = scores("score -m d dns.log").into_iter().map(|(_, score)| score).collect();
    assert_eq!(last, expected);
}

#[test]
fn refuses_models_that_do_not_fit_the_logs() {
    let dir = both();
    dir.run("incidents -m c -m c conn.log").fails(1, &["both models of conn.log"]);
    dir.run("incidents -m c -m d conn.log").fails(1, &["no dns.log among the logs"]);
    dir.run("incidents -m c -m d -").fails(1, &["files or directories"]);
    dir.run("incidents -m c -m d conn.log dns.log --context hosts").fails(1, &["--context"]);
    dir.run("report -m c -m d conn.log dns.log -o - --log dns").fails(1, &["--log"]);
    dir.run("watch -m c -m c conn.log").fails(1, &["second model of conn.log"]);
    dir.run("watch -m c --context hosts -m d conn.log").fails(1, &["--context"]);
}

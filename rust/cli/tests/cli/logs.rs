//! Helpers that generate logs: typical traffic of a small network, and one unusual connection.

use std::fmt::Write;

pub const FIELDS: [&str; 21] = [
    "ts",
    "uid",
    "id.orig_h",
    "id.orig_p",
    "id.resp_h",
    "id.resp_p",
    "proto",
    "service",
    "duration",
    "orig_bytes",
    "resp_bytes",
    "conn_state",
    "local_orig",
    "local_resp",
    "missed_bytes",
    "history",
    "orig_pkts",
    "orig_ip_bytes",
    "resp_pkts",
    "resp_ip_bytes",
    "tunnel_parents",
];

const TYPES: &str = "time\tstring\taddr\tport\taddr\tport\tenum\tstring\tinterval\tcount\tcount\tstring\tbool\tbool\t\
                     count\tstring\tcount\tcount\tcount\tcount\tset[string]";

/// The uid of the anomalous connection.
pub const ODD: &str = "Codd1";

/// The header of a TSV log with further columns of type string.
pub fn header(more: &[&str]) -> String {
    let names = [&FIELDS[..], more].concat().join("\t");
    let types = format!("{TYPES}{}", "\tstring".repeat(more.len()));
    format!(
        "#separator \\x09\n#set_separator\t,\n#empty_field\t(empty)\n#unset_field\t-\n#path\tconn\n\
         #open\t2024-04-19-00-00-00\n#fields\t{names}\n#types\t{types}\n"
    )
}

/// `n` rows in 21 columns; the one in the middle is odd: gigabytes to an unused port, over three hours.
pub fn rows(n: usize) -> Vec<Vec<String>> {
    let mut state = 42u64;
    let mut random = move |below: u64| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) % below
    };
    let row = |i: usize| {
        let ts = format!("{}.{:06}", 1_713_500_000 + i as u64 * 3, random(1_000_000));
        let orig = format!("192.168.1.{}", 10 + random(20));
        let text = if i == n / 2 {
            format!(
                "{ts} {ODD} {orig} 50000 203.0.113.66 4444 tcp - 10800.5 4100000000 9000 S1 T F 0 ShADad 3000000 \
                 4250000000 1500000 60000000 (empty)"
            )
        } else if random(2) == 0 {
            let (out, into, time) = (30 + random(20), 60 + random(200), 1_000 + random(40_000));
            format!(
                "{ts} Cdns{i} {orig} {} 192.168.1.1 53 udp dns 0.{time:06} {out} {into} SF T T 0 Dd 1 {} 1 {} (empty)",
                40_000 + random(20_000),
                out + 28,
                into + 28
            )
        } else {
            let (out, into, time) = (500 + random(2_000), 2_000 + random(60_000), 100_000 + random(900_000));
            let (there, back) = (5 + random(20), 5 + random(60));
            format!(
                "{ts} Cssl{i} {orig} {} 198.51.100.{} 443 tcp ssl {}.{time:06} {out} {into} SF T F 0 ShADadFf {there} {} \
                 {back} {} (empty)",
                40_000 + random(20_000),
                random(9),
                random(30),
                out + there * 40,
                into + back * 40
            )
        };
        text.split_whitespace().map(str::to_owned).collect()
    };
    (0..n).map(row).collect()
}

/// A TSV log of these rows.
pub fn tsv(rows: &[Vec<String>]) -> String {
    let lines: String = rows.iter().map(|row| row.join("\t") + "\n").collect();
    header(&[]) + &lines + "#close\t2024-04-20-00-00-00\n"
}

/// A TSV log whose last column labels the odd row `Malicious` and the others `Benign`.
pub fn labelled(rows: &[Vec<String>]) -> String {
    let label = |row: &[String]| if row[1] == ODD { "Malicious" } else { "Benign" };
    let lines: String = rows.iter().map(|row| format!("{}\t{}\n", row.join("\t"), label(row))).collect();
    header(&["label"]) + &lines
}

/// A JSON log of these rows, as Zeek writes it.
pub fn json(rows: &[Vec<String>]) -> String {
    rows.iter().fold(String::new(), |text, row| text + &json_row(row) + "\n")
}

fn json_row(row: &[String]) -> String {
    let mut text = String::new();
    for (name, value) in FIELDS.iter().zip(row) {
        let value = match (value.as_str(), *name) {
            ("-" | "(empty)", _) => continue,
            ("T", _) => "true".to_owned(),
            ("F", _) => "false".to_owned(),
            (value, "uid" | "id.orig_h" | "id.resp_h" | "proto" | "service" | "conn_state" | "history") => {
                format!("{value:?}")
            }
            (value, _) => value.to_owned(),
        };
        write!(text, "{}\"{name}\":{value}", if text.is_empty() { "{" } else { "," }).unwrap();
    }
    text + "}"
}

/// A value of the column `anomaly_score` or another, by uid, from a TSV log.
pub fn column(log: &str, name: &str) -> Vec<(String, String)> {
    let mut at = (0, 0);
    let mut values = Vec::new();
    for line in log.lines() {
        if let Some(names) = line.strip_prefix("#fields\t") {
            let position = |name| names.split('\t').position(|other| other == name).unwrap();
            at = (position("uid"), position(name));
        } else if !line.starts_with('#') {
            let cells: Vec<_> = line.split('\t').collect();
            values.push((cells[at.0].to_owned(), cells[at.1].to_owned()));
        }
    }
    values
}

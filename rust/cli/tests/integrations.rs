//! Tests of docs/integrations and of the example for Apache Spark with the programs they are for, if installed: promtool,
//! rsyslogd, Vector's remap language (a Python module), and pyspark. Tests of missing programs are listed as ignored,
//! with the reason. The files for Elasticsearch and Kibana are compared with Vector's output.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitCode, Output, Stdio};
use std::thread::sleep;
use std::time::Duration;

use libtest_mimic::{Arguments, Trial};
use serde_json::Value;

type Test = (&'static str, fn(), Option<&'static str>);

fn main() -> ExitCode {
    let arguments = Arguments::from_args();
    let tests: [Test; 6] = [
        ("promtool_accepts_the_rules_and_their_tests", rules, lacking("promtool", "--version")),
        ("promtool_accepts_the_scrape_job", scrape_job, lacking("promtool", "--version")),
        ("rsyslog_keeps_the_alerts_through_rotation", alerts_through_rsyslog, lacking("rsyslogd", "-v")),
        ("vector_maps_the_fields", fields_by_vector, pyvrl()),
        ("elastic_files_agree_on_the_names", names_for_elastic, None),
        ("spark_scores_days_like_one_pass", spark, pyspark()),
    ];
    let trial = |(name, test, missing): Test| {
        let trial = Trial::test(name, move || {
            test();
            Ok(())
        });
        match missing {
            Some(reason) => trial.with_kind(reason).with_ignored_flag(true),
            None => trial,
        }
    };
    libtest_mimic::run(&arguments, tests.into_iter().map(trial).collect()).exit_code()
}

fn lacking(program: &'static str, version: &str) -> Option<&'static str> {
    let found = Command::new(program).arg(version).output().is_ok();
    (!found).then_some(match program {
        "promtool" => "promtool is not on PATH",
        _ => "rsyslogd is not on PATH",
    })
}

fn pyvrl() -> Option<&'static str> {
    let imported = Command::new("python3").args(["-c", "import pyvrl"]).output();
    (!imported.is_ok_and(|output| output.status.success())).then_some("python3 cannot import pyvrl")
}

fn pyspark() -> Option<&'static str> {
    let runs = |program: &str, arguments: &[&str]| {
        Command::new(program).args(arguments).output().is_ok_and(|output| output.status.success())
    };
    if !runs("python3", &["-c", "import pyspark"]) {
        return Some("python3 cannot import pyspark");
    }
    (!runs("java", &["-version"])).then_some("java is not on PATH")
}

fn integrations() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/integrations").canonicalize().unwrap()
}

fn scratch(name: &str) -> PathBuf {
    let directory = Path::new(env!("CARGO_TARGET_TMPDIR")).join("integrations").join(name);
    let _ = fs::remove_dir_all(&directory);
    fs::create_dir_all(&directory).unwrap();
    directory
}

/// Runs a command that must succeed, and returns its output.
fn ok(command: &mut Command) -> Output {
    let output = command.output().unwrap();
    let said = || String::from_utf8_lossy(&[&output.stdout[..], &output.stderr[..]].concat()).into_owned();
    assert!(output.status.success(), "{command:?}: {}", said());
    output
}

/// The lab's second day as JSON with scores, and its number of alerts.
fn scored(directory: &Path) -> (Vec<String>, usize) {
    let data = integrations().join("../../tests/data");
    let cli = || {
        let mut command = Command::new(env!("CARGO_BIN_EXE_zeek-iforest"));
        command.arg("--quiet").current_dir(directory);
        command
    };
    let log = fs::read_to_string(data.join("lab-day2.conn.log")).unwrap();
    fs::write(directory.join("plain.json"), as_json(&log)).unwrap();
    ok(cli().arg("train").arg(data.join("lab-day1.conn.log")).args(["-o", "lab.model"]));
    ok(cli().args(["score", "-m", "lab.model", "plain.json", "-o", "scored.json"]));
    let rows: Vec<String> =
        fs::read_to_string(directory.join("scored.json")).unwrap().lines().map(|line| format!("{line}\n")).collect();
    let alerts = rows.iter().filter(|row| row.contains("\"anomaly_reasons\"")).count();
    assert!(alerts > 0 && alerts < rows.len() / 2);
    (rows, alerts)
}

/// Converts a TSV log to Zeek's JSON, which leaves out unset fields.
fn as_json(log: &str) -> String {
    let header = |key: &str| -> Vec<&str> {
        log.lines().find_map(|line| line.strip_prefix(key)).unwrap().trim_start().split('\t').collect()
    };
    let (names, types) = (header("#fields"), header("#types"));
    let object = |line: &str| -> Value {
        let cells = names.iter().zip(&types).zip(line.split('\t')).filter(|(_, text)| *text != "-");
        cells
            .map(|((name, kind), text)| {
                let value = match *kind {
                    "bool" => Value::from(text == "T"),
                    "string" | "addr" | "enum" => Value::from(text),
                    _ => serde_json::from_str(text).unwrap_or_else(|_| Value::from(text)),
                };
                ((*name).to_owned(), value)
            })
            .collect()
    };
    log.lines().filter(|line| !line.starts_with('#')).map(|line| object(line).to_string() + "\n").collect()
}

fn rules() {
    let directory = integrations().join("prometheus");
    let said = ok(Command::new("promtool").args(["check", "rules", "alerts.yml"]).current_dir(&directory));
    assert!(String::from_utf8_lossy(&said.stdout).contains("SUCCESS"));
    ok(Command::new("promtool").args(["test", "rules", "alerts.test.yml"]).current_dir(&directory));
}

fn scrape_job() {
    ok(Command::new("promtool").args(["check", "config", "scrape.yml"]).current_dir(integrations().join("prometheus")));
}

/// Process that is killed at the end of the test.
struct Daemon(Child);

impl Drop for Daemon {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn alerts_through_rsyslog() {
    let directory = scratch("rsyslog");
    let (rows, alerts) = scored(&directory);
    let within = |name: &str| directory.join(name).display().to_string();
    let settings = fs::read_to_string(integrations().join("rsyslog/iforest.conf"))
        .unwrap()
        .replace("/usr/local/zeek/logs/current/conn.log", &within("conn.log"))
        .replace("/var/log/zeek-anomalies.json", &within("alerts.json"));
    let work = within("work");
    fs::create_dir(&work).unwrap();
    fs::write(directory.join("rsyslog.conf"), format!("global(workDirectory=\"{work}\")\n{settings}")).unwrap();
    let (config, pid) = (within("rsyslog.conf"), within("pid"));
    ok(Command::new("rsyslogd").args(["-N1", "-f", &config]));

    let (before, after) = rows.split_at(rows.len() / 2);
    fs::write(directory.join("conn.log"), before.concat()).unwrap();
    let mut rsyslogd = Command::new("rsyslogd");
    let rsyslogd = rsyslogd.args(["-n", "-f", &config, "-i", &pid]).stdout(Stdio::null()).stderr(Stdio::null());
    let _daemon = Daemon(rsyslogd.spawn().unwrap());
    let kept = || fs::read_to_string(directory.join("alerts.json")).unwrap_or_default().lines().count();
    // Waits for minutes at most; the comparison then fails.
    let until = |wanted: usize| {
        for _ in 0..1200 {
            if kept() >= wanted {
                break;
            }
            sleep(Duration::from_millis(100));
        }
        assert_eq!(kept(), wanted);
    };
    until(before.iter().filter(|row| row.contains("\"anomaly_reasons\"")).count());
    fs::rename(directory.join("conn.log"), directory.join("conn.2025-03-05-08-00-00.log")).unwrap();
    fs::write(directory.join("conn.log"), after.concat()).unwrap();
    until(alerts);
}

/// Source of the remap transform.
fn program() -> String {
    let settings = fs::read_to_string(integrations().join("vector/vector.yaml")).unwrap();
    let (_, rest) = settings.split_once("    source: |\n").unwrap();
    let lines = rest.lines().take_while(|line| line.is_empty() || line.starts_with("      "));
    lines.map(|line| format!("{}\n", line.trim_start_matches("      "))).collect()
}

fn fields_by_vector() {
    let directory = scratch("vector");
    let (rows, alerts) = scored(&directory);
    fs::write(directory.join("program.vrl"), program()).unwrap();
    let python = "\
import json, pyvrl
remap = pyvrl.Transform(open('program.vrl').read()).remap
for line in open('scored.json'):
    print(json.dumps(remap({'message': line}), default=str))";
    let output = ok(Command::new("python3").args(["-c", python]).current_dir(&directory));
    let events: Vec<Value> =
        String::from_utf8(output.stdout).unwrap().lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(events.len(), rows.len());
    assert_eq!(events.iter().filter(|event| event["event"]["kind"] == "alert").count(), alerts);
    for (event, row) in events.iter().zip(&rows) {
        let row: Value = serde_json::from_str(row).unwrap();
        assert_eq!(event["zeek"]["connection"]["anomaly_score"], row["anomaly_score"]);
        assert_eq!(event["message"], row["anomaly_reasons"]);
        assert_eq!(event["source"]["ip"], row["id.orig_h"]);
        assert_eq!(event["destination"]["port"], row["id.resp_p"]);
        let (risk, score) = (&event["event"]["risk_score_norm"], row["anomaly_score"].as_f64().unwrap());
        assert!((risk.as_f64().unwrap() - 100.0 * score).abs() < 1e-9);
    }
    // Vector sends the fields of the index template.
    let mapped = mapped();
    let sent: BTreeSet<String> = events.iter().flat_map(|event| leaves("", event)).collect();
    assert!(sent.is_subset(&mapped), "not mapped: {:?}", sent.difference(&mapped).collect::<Vec<_>>());
}

/// Dotted names of all values of an object.
fn leaves(prefix: &str, value: &Value) -> Vec<String> {
    match value {
        Value::Object(members) => members.iter().flat_map(|(key, it)| leaves(&format!("{prefix}.{key}"), it)).collect(),
        _ => vec![prefix.trim_start_matches('.').to_owned()],
    }
}

fn json(name: &str) -> Value {
    serde_json::from_str(&fs::read_to_string(integrations().join("elastic").join(name)).unwrap()).unwrap()
}

/// Names that have a type in the index template.
fn mapped() -> BTreeSet<String> {
    fn names(prefix: &str, mapping: &Value) -> Vec<String> {
        match &mapping["properties"] {
            Value::Object(members) => {
                members.iter().flat_map(|(key, it)| names(&format!("{prefix}.{key}"), it)).collect()
            }
            _ => vec![prefix.trim_start_matches('.').to_owned()],
        }
    }
    names("", &json("index-template.json")["template"]["mappings"]).into_iter().collect()
}

fn names_for_elastic() {
    let mapped = mapped();
    // Every field the pipeline makes has a type.
    let pipeline = json("ingest-pipeline.json");
    for processor in pipeline["processors"].as_array().unwrap() {
        let (kind, settings) = processor.as_object().unwrap().iter().next().unwrap();
        let made = match kind.as_str() {
            "rename" | "date" => &settings["target_field"],
            "set" => &settings["field"],
            _ => continue,
        };
        let made = made.as_str().unwrap();
        assert!(mapped.contains(made), "{made} has no type in the index template");
    }
    // Every field that the rule and the dashboard ask for is one of them.
    for file in ["detection-rule.ndjson", "dashboard.ndjson"] {
        let text = fs::read_to_string(integrations().join("elastic").join(file)).unwrap();
        let mut asked = 0;
        for line in text.lines() {
            let _: Value = serde_json::from_str(line).unwrap();
            let names = line.split(|c: char| !(c.is_ascii_alphanumeric() || "._@".contains(c)));
            for name in names.filter(|name| name.starts_with("zeek.connection.") || name.starts_with("source.")) {
                let name = name.trim_end_matches(".keyword").trim_end_matches('.');
                assert!(mapped.contains(name) || name == "zeek.connection", "{file}: {name} is not mapped");
                asked += 1;
            }
        }
        assert!(asked > 0, "{file} asks for nothing");
    }
}

fn spark() {
    let directory = scratch("spark");
    let archive = directory.join("archive");
    let data = integrations().join("../../tests/data");
    for (log, day) in [("lab-day1.conn.log", "2025-03-04"), ("lab-day2.conn.log", "2025-03-05")] {
        fs::create_dir_all(archive.join(day)).unwrap();
        fs::copy(data.join(log), archive.join(day).join("conn.log")).unwrap();
    }
    let zeek_iforest = env!("CARGO_BIN_EXE_zeek-iforest");
    let example = integrations().join("../../examples/spark/score_archive.py");
    let mut by_spark = Command::new("python3");
    by_spark.arg(example).args(["archive", "spark", "--zeek-iforest", zeek_iforest]).current_dir(&directory);
    ok(by_spark.env("MASTER", "local[2]").env("SPARK_LOCAL_IP", "127.0.0.1"));

    let cli = |arguments: &[&str]| ok(Command::new(zeek_iforest).args(arguments).current_dir(&directory)).stdout;
    let threshold = |arguments: &[&str]| {
        let model: Value = serde_json::from_slice(&cli(arguments)).unwrap();
        model["threshold"].as_f64().unwrap()
    };
    let one_pass = threshold(&["train", "archive", "-o", "one.model", "--json"]);
    let in_parts = threshold(&["inspect", "spark/iforest.model", "--json"]);
    assert!((one_pass - in_parts).abs() < 0.02, "{one_pass} and {in_parts}");

    let scores = |log: &[u8]| -> Vec<f64> {
        let log = String::from_utf8_lossy(log);
        let fields = log.lines().find_map(|line| line.strip_prefix("#fields\t")).unwrap();
        let column = fields.split('\t').position(|name| name == "anomaly_score").unwrap();
        let rows = log.lines().filter(|line| !line.starts_with('#'));
        rows.map(|row| row.split('\t').nth(column).unwrap().parse().unwrap()).collect()
    };
    let model = ["score", "-m", "spark/iforest.model"];
    let together = scores(&cli(&[&model[..], &["archive"]].concat()));
    let days = ["spark/scored/2025-03-04.conn.log.gz", "spark/scored/2025-03-05.conn.log.gz"];
    let apart: Vec<f64> = days
        .iter()
        .flat_map(|day| scores(&ok(Command::new("gzip").args(["-dc", day]).current_dir(&directory)).stdout))
        .collect();
    assert_eq!(apart.len(), together.len());
    let differences = || apart.iter().zip(&together).map(|(a, b)| (a - b).abs());
    let close = differences().filter(|difference| *difference < 0.005).count();
    assert!(close * 100 >= apart.len() * 95, "{close} of {}", apart.len());
    assert!(differences().all(|difference| difference < 0.05), "{:?}", differences().fold(0.0, f64::max));
}

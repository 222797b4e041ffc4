//! Accepted and rejected inputs, and their messages.

use std::process::Stdio;

use crate::logs::{column, header, json, rows, tsv};
use crate::run::{Dir, command};

fn trained() -> Dir {
    let dir = Dir::new();
    dir.write("conn.log", tsv(&rows(300)));
    dir.ok("train conn.log -o m --trees 22");
    dir
}

#[test]
fn rejects_other_logs() {
    let dir = trained();
    dir.write("prose.log", "Lorem ipsum dolor sit amet.\n\nAdipiscing commodo elit.\n");
    dir.run("top -m m prose.log").fails(1, &["prose.log:1: is not a Zeek log"]);
    dir.run("top -m m missing.log").fails(1, &["missing.log: there is no such file"]);
    dir.write("empty.log", "");
    dir.run("top -m m empty.log").fails(1, &["empty.log: is empty"]);
    dir.write("http.log", header(&[]).replace("#path\tconn", "#path\thttp"));
    dir.run("top -m m http.log").fails(1, &["http.log:5: the stream is http, not conn"]);
    dir.write("part.log", "#fields\tts\tuid\tid.orig_h\tproto\n1.0\tC1\t10.0.0.1\ttcp\n");
    dir.run("top -m m part.log").fails(1, &["part.log: not a conn log", "id.orig_p, id.resp_h, id.resp_p"]);
    std::fs::create_dir(dir.path("none")).unwrap();
    dir.run("top -m m none").fails(1, &["none: none of the ", "is named like a conn log"]);
    dir.run("score -m m prose.log -o out.log").fails(1, &["is not a Zeek log"]);
    assert!(!dir.path("out.log").exists());
}

#[test]
fn continues_after_an_unreadable_log() {
    let dir = trained();
    dir.write("prose.log", "Lorem ipsum dolor sit amet.\n");
    let outcome = dir.run("score -m m prose.log conn.log");
    assert_eq!(column(&outcome.stdout, "anomaly_score").len(), 300);
    outcome.fails(1, &["prose.log:1: is not a Zeek log", "1 of 2 logs could not be read"]);
    dir.run("score -m m prose.log conn.log --strict -o out.log").fails(1, &["is not a Zeek log"]);
    assert!(!dir.path("out.log").exists());
}

#[test]
fn reads_a_damaged_archive_up_to_the_damage() {
    let dir = trained();
    let whole = zstd::encode_all(tsv(&rows(8_000)).as_bytes(), 1).unwrap();
    dir.write("cut.log.zst", &whole[..whole.len() / 2]);
    let outcome = dir.run("score -m m cut.log.zst");
    assert!(!column(&outcome.stdout, "anomaly_score").is_empty());
    outcome.fails(1, &["cut.log.zst: the zstd data is cut short"]);
}

#[test]
fn log_without_header_needs_field_names() {
    let dir = trained();
    let log = tsv(&rows(50));
    let bare: String = log.lines().filter(|line| !line.starts_with('#')).map(|line| format!("{line}\n")).collect();
    dir.write("bare.log", &bare);
    dir.run("score -m m bare.log").fails(1, &["without a #fields header", "--fields"]);
    let fields = crate::logs::FIELDS.join(",");
    let scored = dir.ok(&format!("score -m m bare.log --fields {fields}"));
    let with_header = dir.pipe("score -m m", log.as_bytes()).success();
    let expected: String =
        with_header.lines().filter(|line| !line.starts_with('#')).map(|line| format!("{line}\n")).collect();
    assert_eq!(scored, expected);
}

#[test]
fn field_aliases_give_equal_scores() {
    let dir = trained();
    let zeek = json(&rows(20));
    let scores = |log: &str| -> Vec<String> {
        let out = dir.pipe("score -m m", log.as_bytes()).success();
        out.lines().map(|line| line.rsplit_once(':').unwrap().1.to_owned()).collect()
    };
    let expected = scores(&zeek);
    let underscored = zeek.replace("\"id.", "\"id_").replace('{', "{\"@stream\":\"conn\",");
    assert_eq!(scores(&underscored), expected);

    // Filebeat's names; fields that its module omits have the module's prefix.
    let renames = [
        ("id.orig_h", "source.ip"),
        ("id.orig_p", "source.port"),
        ("id.resp_h", "destination.ip"),
        ("id.resp_p", "destination.port"),
        ("proto", "network.transport"),
        ("service", "network.application"),
        ("conn_state", "zeek.connection.state"),
        ("history", "zeek.connection.history"),
        ("local_orig", "zeek.connection.local_orig"),
        ("local_resp", "zeek.connection.local_resp"),
        ("missed_bytes", "zeek.connection.missed_bytes"),
        ("orig_bytes", "zeek.connection.orig_bytes"),
        ("resp_bytes", "zeek.connection.resp_bytes"),
        ("orig_pkts", "source.packets"),
        ("resp_pkts", "destination.packets"),
        ("orig_ip_bytes", "source.bytes"),
        ("resp_ip_bytes", "destination.bytes"),
        ("uid", "zeek.session_id"),
        ("ts", "@timestamp"),
    ];
    let ecs = renames
        .iter()
        .fold(zeek.clone(), |log, (from, to)| log.replace(&format!("\"{from}\":"), &format!("\"{to}\":")));
    // Nanoseconds: the decimals of a duration are always six here.
    let nanos: String = ecs
        .lines()
        .map(|line| {
            let (start, rest) = line.split_once("\"duration\":").unwrap();
            let (seconds, rest) = rest.split_once(',').unwrap();
            let (whole, fraction) = seconds.split_once('.').unwrap();
            let nanos: u64 = format!("{whole}{fraction:0<9}").parse().unwrap();
            format!("{start}\"event.duration\":{nanos},{rest}\n")
        })
        .collect();
    assert_eq!(scores(&nanos), expected);
}

#[test]
fn usage_errors_have_status_2() {
    let dir = trained();
    for arguments in
        ["", "frobnicate", "import-onnx -o m", "train conn.log", "top -m m conn.log -n 0", "score --threads 0"]
    {
        dir.run(arguments).fails(2, &["--help"]);
    }
}

#[test]
fn rejects_files_other_than_models() {
    let dir = trained();
    dir.run("score -m conn.log conn.log").fails(1, &["conn.log: is not a zeek-iforest model", "zeek-iforest train"]);
    dir.run("inspect missing").fails(1, &["missing: model not found"]);
}

#[test]
fn reports_an_empty_pipe() {
    let dir = trained();
    let output = command(&dir.path(""), "top -m m").stdin(Stdio::null()).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8(output.stderr).unwrap().contains("(standard input): is empty"));
}

#[test]
fn reports_output_without_the_missing_logs() {
    let dir = Dir::new();
    dir.write("conn.log", tsv(&rows(600)));
    dir.write("prose.log", "It was a dark night.\n");
    let rest = "1 of 2 logs could not be read to the end; m was written without the missing part";
    dir.run("train conn.log prose.log -o m").fails(1, &["prose.log:1: is not a Zeek log", rest]);
    dir.ok("top -m m conn.log");
    dir.run("top -m m prose.log prose.log").fails(1, &["none of 2 logs could be read"]);
    // Together with samples, an incomplete log is an error: a sample does not record missing rows.
    dir.ok("sample conn.log -o part");
    dir.run("train part conn.log prose.log -o beside")
        .fails(1, &["1 of 2 logs could not be read to the end; no model was written\n"]);
    assert!(!dir.path("beside").exists());
}

#[test]
fn recognises_other_kinds_of_files() {
    let dir = Dir::new();
    dir.write("conn.log", tsv(&rows(600)));
    dir.ok("train conn.log -o m");
    dir.ok("sample conn.log -o part");
    dir.ok("top -q -m m conn.log --context hosts");
    let sample = "this is a sample, not a log; train a model on it with: zeek-iforest train FILE -o MODEL";
    dir.write("part.zst", zstd::encode_all(&dir.read_bytes("part")[..], 1).unwrap());
    for command in ["top -m m part", "report part -o r.html", "score -m m part.zst", "watch -m m part"] {
        dir.run(command).fails(1, &[": ", sample]);
    }
    dir.pipe("top -m m", &dir.read_bytes("part")).fails(1, &["(standard input): ", sample]);
    dir.run("top -m m hosts").fails(1, &["hosts: this is a context file, not a log; give it with --context"]);
    dir.run("top -m part conn.log").fails(1, &["part: is a sample, not a model; train a model on it with"]);
    dir.run("top -m hosts conn.log").fails(1, &["hosts: is a context file, not a model; give it with --context"]);
    dir.run("top m").fails(1, &["m: this is a model, not a log; score logs with it by --model"]);
    dir.write("trace.pcap", b"\xd4\xc3\xb2\xa1\x02\x00\x04\x00");
    dir.run("top -m m trace.pcap").fails(1, &["trace.pcap: this is a packet capture", "zeek -r FILE"]);
    for (name, start, message) in [
        ("conn.log.bz2", &b"BZh91AY&SY"[..], "compressed with bzip2; read it with: bzcat FILE | zeek-iforest ... -"),
        ("conn.log.xz", b"\xfd7zXZ\0\0\x04", "compressed with xz; read it with: xzcat FILE | zeek-iforest ... -"),
        ("conn.log.lz4", b"\x04\x22\x4d\x18d@\xa7", "compressed with lz4; read it with: lz4cat FILE"),
        ("conn.zip", b"PK\x03\x04\x14\0\0\0", "this is a zip archive; read it with: unzip -p FILE"),
    ] {
        dir.write(name, start);
        dir.run(&format!("top -m m {name}")).fails(1, &[&format!("{name}: {message}")]);
    }
    dir.run("top -m none conn.log").fails(1, &["none: model not found", "zeek-iforest train LOG... -o none"]);
}

#[test]
fn counts_ignored_files() {
    let dir = Dir::new();
    dir.write("logs/conn.log", tsv(&rows(600)));
    dir.write("logs/dns.log", "x");
    dir.write("logs/2024/lab.conn.log", "x");
    let outcome = dir.run("train logs -o m");
    assert_eq!(outcome.stderr.matches("ignored 2 files not named like a conn log").count(), 1, "{}", outcome.stderr);
    let outcome = dir.run("top logs");
    assert_eq!(outcome.stderr.matches("ignored 2 files").count(), 1, "{}", outcome.stderr);
}

#[test]
fn errors_say_what_to_do() {
    let dir = trained();
    for (arguments, message) in [
        ("top -m m nope.log", "nope.log: there is no such file or directory; check the name\n"),
        ("top -m . conn.log", ".: this is a directory; give the model file\n"),
        ("import-onnx nope.onnx conn.log -o o", "nope.onnx: not found; create it with skl2onnx as shown by --help"),
        ("import-onnx . conn.log -o o", ".: this is a directory; give the file written by skl2onnx\n"),
        ("train conn.log -o o --sign-with nope", "nope: not found; create a key with: minisign -G -s nope\n"),
    ] {
        let outcome = dir.run(arguments);
        assert!(!outcome.stderr.contains("os error"), "{outcome:?}");
        outcome.fails(1, &[message]);
    }
    for (arguments, message) in [
        ("top --threads 0", "'--threads <N>': not between 1 and 1024\n"),
        (
            "train conn.log -o o --trees 5",
            "'--trees <N>': 5 is too few: each of the 22 groups of features needs a tree\n",
        ),
        ("train conn.log -o o --trees 10001", "'--trees <N>': not between 22 and 10000\n"),
        ("evaluate conn.log", "<--model <MODEL>|--protocol <PROTOCOL>>"),
        ("train conn.log -o o --alerts-per-day 1e300", "not above 0 and at most 1000000000\n"),
    ] {
        dir.run(arguments).fails(2, &[message]);
    }
}

#[test]
fn reports_a_full_disk() {
    let dir = trained();
    let commands = ["top -m m conn.log", "score -m m conn.log", "inspect m", "top -m m conn.log --json"];
    for arguments in commands.into_iter().chain(["--help", "--version", "man", "completions bash"]) {
        let full = std::fs::File::create("/dev/full").unwrap();
        let output = command(&dir.path(""), arguments).stdout(full).output().unwrap();
        let stderr = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(1), "{arguments}");
        assert!(stderr.ends_with("(standard output): cannot be written: No space left on device\n"), "{stderr}");
    }
}

#[test]
fn ignores_a_closed_standard_error() {
    let dir = trained();
    dir.write("prose.log", "Lorem ipsum dolor sit amet.\n");
    for (arguments, status) in [
        ("score -m m conn.log", 0),
        ("score -m m prose.log conn.log", 1),
        ("score -m none conn.log", 1),
        ("frobnicate", 2),
        ("frob\x1bnicate", 2),
    ] {
        let full = std::fs::File::create("/dev/full").unwrap();
        let output = command(&dir.path(""), arguments).stderr(full).output().unwrap();
        assert_eq!(output.status.code(), Some(status), "{arguments}");
        assert_eq!(output.stdout, dir.run_bytes(arguments), "{arguments}");
    }
}

#[test]
fn reports_impossible_times_and_durations() {
    let dir = trained();
    let mut table = rows(30);
    table[3][0] = "9999999999.0".into();
    table[4][0] = "-1.0".into();
    table[5][8] = "-1.5".into();
    for (name, log) in [("far.log", tsv(&table)), ("far.json", json(&table))] {
        dir.write(name, log);
        let outcome = dir.run(&format!("top -m m {name} --json -n 100"));
        for message in [
            "field ts: \"9999999999.0\" is not a time from 1970 to 2099, in seconds; the row is skipped",
            "field ts: \"-1.0\" is not a time",
            "field duration: \"-1.5\" is not a duration of 0 or more; the row is skipped",
        ] {
            assert!(outcome.stderr.contains(message), "{}", outcome.stderr);
        }
        assert_eq!(outcome.success().lines().count(), 27);
    }
}

#[test]
fn merges_the_rotated_logs_of_several_loggers() {
    let dir = trained();
    let end_time = |row: &[String]| {
        let columns: Vec<_> = header(&[])
            .lines()
            .find(|l| l.starts_with("#fields"))
            .unwrap()
            .split('\t')
            .skip(1)
            .map(str::to_owned)
            .collect();
        let value =
            |name: &str| columns.iter().position(|c| c == name).map_or(0.0, |at| row[at].parse().unwrap_or(0.0));
        let micros = |seconds: f64| (seconds * 1e6).round() as i64;
        micros(value("ts")) + micros(value("duration"))
    };
    let mut all = rows(3_000);
    all.sort_by_key(|row| end_time(row));
    all.dedup_by_key(|row| end_time(row));
    dir.write("one/conn.log", tsv(&all));
    for logger in 0..3 {
        let part: Vec<_> = all.iter().skip(logger).step_by(3).cloned().collect();
        dir.write(&format!("three/conn.09:00:00-10:00:00-logger-{logger}.log"), tsv(&part));
    }
    let scores = |logs: &str| column(&dir.ok(&format!("score -m m {logs}")), "anomaly_score");
    let one = scores("one");
    assert!(one.len() > 1_000);
    assert!(one == scores("three"), "scores differ");
}

/// Logs of one interval by three loggers, with the rows in turn.
fn three_loggers(rows: &[Vec<String>]) -> [String; 3] {
    [0, 1, 2].map(|logger| tsv(&rows.iter().skip(logger).step_by(3).cloned().collect::<Vec<_>>()))
}

fn logger(n: usize) -> String {
    format!("logs/conn.09:00:00-10:00:00-logger-{n}.log")
}

#[test]
fn reports_every_unreadable_log_of_an_interval() {
    let dir = trained();
    let logs = three_loggers(&rows(30_000));
    dir.write(&logger(0), &logs[0]);
    for n in [1, 2] {
        let whole = zstd::encode_all(logs[n].as_bytes(), 1).unwrap();
        dir.write(&logger(n), &whole[..whole.len() / 2]);
    }
    let outcome = dir.run("score -m m logs");
    let n = column(&outcome.stdout, "anomaly_score").len();
    assert!((10_001..30_000).contains(&n), "{n}");
    outcome.fails(
        1,
        &[
            &format!("{}: the zstd data is cut short after line", logger(1)),
            &format!("{}: the zstd data is cut short after line", logger(2)),
            "2 of 3 logs could not be read to the end",
        ],
    );
    for n in 0..3 {
        dir.write(&logger(n), "");
    }
    let outcome = dir.run("score -m m logs");
    assert_eq!(outcome.stderr.matches(": is empty").count(), 3, "{outcome:?}");
    outcome.fails(1, &["none of 3 logs could be read"]);
}

#[test]
fn locates_unusable_rows_of_merged_logs() {
    let dir = trained();
    let mut table = rows(300);
    table[40][17] = "12x".into();
    table[80][9] = "9".repeat(2 << 20);
    table[121][11] = "SX".into();
    let mut logs = three_loggers(&table);
    // The last line lacks columns and its end.
    let end = logs[2].find("#close").unwrap() - 200;
    logs[2].truncate(end);
    for (n, log) in logs.iter().enumerate() {
        dir.write(&logger(n), log);
    }
    let outcome = dir.run("score -m m logs -o out.log");
    let lines = logs[2].lines().count();
    for message in [
        format!("{}:22: field orig_ip_bytes: \"12x\" is not a count; ", logger(1)),
        format!("{}:35: the line is longer than 1048576 bytes; the row is skipped", logger(2)),
        format!("{}:49: field conn_state: \"SX\" is not a connection state such as SF; ", logger(1)),
        format!("{}:{lines}: the last line is cut short; the row is skipped", logger(2)),
    ] {
        assert!(outcome.stderr.contains(&message), "{message}: {}", outcome.stderr);
    }
    outcome.success();

    // Each log has its own number of warnings.
    for row in &mut table[..60] {
        row[17] = "x".into();
    }
    for (n, log) in three_loggers(&table[..60]).iter().enumerate() {
        dir.write(&logger(n), log);
    }
    let stderr = dir.run("score -m m logs -o out.log").stderr;
    assert_eq!(stderr.matches("field orig_ip_bytes").count(), 30, "{stderr}");
    for n in 0..3 {
        assert!(stderr.contains(&format!("{}: 10 more unusable rows\n", logger(n))), "{stderr}");
    }
}

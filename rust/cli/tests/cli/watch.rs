//! `watch`: a log followed while another process writes and rotates it.

use std::fs::{self, OpenOptions, Permissions};
use std::io::{BufRead, BufReader, Write};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixListener;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use crate::lab::data;
use crate::logs::{header, json, rows, tsv};
use crate::run::{Dir, command, unprivileged};

/// A running `watch`, whose output is read line by line. It ends with the test.
struct Watch {
    child: Child,
    lines: Receiver<String>,
}

impl Watch {
    fn start(dir: &Dir, arguments: &str) -> Self {
        Self::fed(dir, arguments, Stdio::null())
    }

    fn fed(dir: &Dir, arguments: &str, input: Stdio) -> Self {
        Self::of(command(&dir.path(""), arguments).stdin(input))
    }

    fn of(command: &mut Command) -> Self {
        let mut child = command.spawn().unwrap();
        let stdout = BufReader::new(child.stdout.take().unwrap());
        let (sender, lines) = channel();
        std::thread::spawn(move || stdout.lines().map_while(Result::ok).try_for_each(|line| sender.send(line)));
        Self { child, lines }
    }

    /// The next line; a test that waits for minutes has failed.
    #[track_caller]
    fn next(&self) -> String {
        self.lines.recv_timeout(Duration::from_secs(120)).unwrap()
    }

    /// The line of the next connection; skips reasons and incidents.
    #[track_caller]
    fn connection(&self) -> String {
        loop {
            let line = self.next();
            if line.starts_with(|c: char| c.is_ascii_digit()) {
                return line;
            }
        }
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The anomalous row, under another uid.
fn odd(uid: &str) -> String {
    let mut row = rows(300)[150].clone();
    row[1] = uid.to_owned();
    row.join("\t") + "\n"
}

fn append(dir: &Dir, text: &str) {
    OpenOptions::new()
        .append(true)
        .create(true)
        .open(dir.path("conn.log"))
        .unwrap()
        .write_all(text.as_bytes())
        .unwrap();
}

fn trained() -> Dir {
    let dir = Dir::new();
    dir.write("quiet.log", tsv(&rows(301)[151..]));
    dir.ok("train quiet.log -o m");
    dir
}

#[test]
fn follows_rotation() {
    let dir = trained();
    let watch = Watch::start(&dir, "watch --connections -m m conn.log");
    // The file appears after the start; later rows come in one write, then in two.
    append(&dir, &header(&[]));
    append(&dir, &odd("Cfirst"));
    assert!(watch.connection().contains("Cfirst"));
    let line = odd("Chalves");
    let (half, rest) = line.split_at(30);
    append(&dir, half);
    append(&dir, rest);
    let line = watch.connection();
    assert!(line.contains("Chalves") && line.contains("4.1 GB") && line.contains("203.0.113.66"), "{line}");
    let reasons = watch.next();
    assert!(reasons.starts_with("  ") && reasons.contains("sent 4.1 GB"), "{reasons}");

    // The file is renamed, written to once more, and replaced.
    fs::rename(dir.path("conn.log"), dir.path("conn.old.log")).unwrap();
    let mut old = OpenOptions::new().append(true).open(dir.path("conn.old.log")).unwrap();
    old.write_all((odd("Clate") + "#close\t2024-04-20-00-00-00").as_bytes()).unwrap();
    assert!(watch.connection().contains("Clate"));
    append(&dir, &(header(&[]) + &odd("Cafter") + &odd("Cfull")));
    assert!(watch.connection().contains("Cafter"));
    assert!(watch.connection().contains("Cfull"));

    // Three rotations between two polls, with Zeek's names; the last has no new file yet.
    for (n, uid) in ["Cone", "Ctwo", "Cthree"].into_iter().enumerate() {
        append(&dir, &(header(&[]) + &odd(uid)));
        fs::rename(dir.path("conn.log"), dir.path(&format!("conn.2024-04-20-00-00-0{n}.log"))).unwrap();
    }
    for uid in ["Cone", "Ctwo", "Cthree"] {
        assert!(watch.connection().contains(uid));
    }
    append(&dir, &(header(&[]) + &odd("Clast") + &odd("Clonger")));
    assert!(watch.connection().contains("Clast"));
    assert!(watch.connection().contains("Clonger"));

    // The file is truncated, and stays shorter than it was.
    fs::write(dir.path("conn.log"), "").unwrap();
    append(&dir, &(header(&[]) + &odd("Ctruncated")));
    assert!(watch.connection().contains("Ctruncated"));
}

#[test]
fn follows_several_logs_with_one_context() {
    let dir = trained();
    dir.write("one.log", header(&[]) + &odd("Cone") + &odd("Ctwo"));
    let single = Watch::start(&dir, "watch --connections -m m one.log");
    let (first, second) = (single.connection(), single.connection());
    assert_ne!(first.replace("Cone", "Ctwo"), second, "the context makes a difference");

    dir.write("logger-1.log", header(&[]) + &odd("Cone"));
    let watch = Watch::start(&dir, "watch --connections -m m logger-1.log logger-2.log");
    assert_eq!(watch.connection(), first);
    dir.write("logger-2.log", header(&[]) + &odd("Ctwo"));
    assert_eq!(watch.connection(), second);
    fs::rename(dir.path("logger-1.log"), dir.path("logger-1.2024-04-20-00-00-00.log")).unwrap();
    dir.write("logger-1.log", header(&[]) + &odd("Crotated"));
    assert!(watch.connection().contains("Crotated"));
}

#[test]
fn reads_several_pipes_to_their_ends() {
    let dir = trained();
    for (pipe, uid) in [("one", "C1"), ("two", "C2")] {
        assert!(Command::new("mkfifo").arg(dir.path(pipe)).status().unwrap().success());
        let (pipe, log) = (dir.path(pipe), header(&[]) + &odd(uid));
        std::thread::spawn(move || fs::write(pipe, log));
    }
    let shown = dir.ok("watch --connections one two -m m");
    assert!(shown.contains("C1") && shown.contains("C2"), "{shown}");
}

#[test]
fn prints_json() {
    let dir = trained();
    dir.write("conn.log", json(&rows(300)));
    let watch = Watch::start(&dir, "watch --connections -m m conn.log --json");
    let object: serde_json::Value = serde_json::from_str(&watch.next()).unwrap();
    assert!(object["anomaly_score"].as_f64().unwrap() > 0.5, "{object}");
}

#[test]
fn ignores_pipes_and_sockets_in_place_of_the_log() {
    let dir = trained();
    append(&dir, &header(&[]));
    let watch = Watch::start(&dir, "watch --connections conn.log -m m");
    append(&dir, &odd("C1"));
    assert!(watch.connection().contains("C1"));
    let log = dir.path("conn.log");
    let pipe = || assert!(Command::new("mkfifo").arg(&log).status().unwrap().success());
    let socket = || drop(UnixListener::bind(&log).unwrap());
    for (make, uid) in [(&pipe as &dyn Fn(), "C2"), (&socket, "C3")] {
        fs::remove_file(&log).unwrap();
        make();
        // Longer than the poll interval.
        std::thread::sleep(Duration::from_millis(1000));
        fs::remove_file(&log).unwrap();
        dir.write("conn.log", header(&[]) + &odd(uid));
        assert!(watch.connection().contains(uid));
    }
}

#[test]
fn follows_in_unlistable_directories() {
    let dir = trained();
    let mode = |directory: &str, mode| fs::set_permissions(dir.path(directory), Permissions::from_mode(mode)).unwrap();
    fs::create_dir(dir.path("logs")).unwrap();
    dir.write("logs/conn.log", header(&[]) + &odd("C1"));
    // Root can list every directory.
    let mut command = unprivileged(&dir.path(""), "watch --connections logs/conn.log -m m");
    mode("", 0o711);
    mode("logs", 0o311);
    let watch = Watch::of(command.stdin(Stdio::null()));
    assert!(watch.connection().contains("C1"));
    // Longer than the poll interval.
    std::thread::sleep(Duration::from_millis(1000));
    dir.write("logs/next", header(&[]) + &odd("C2"));
    mode("logs/next", 0o644);
    fs::rename(dir.path("logs/next"), dir.path("logs/conn.log")).unwrap();
    assert!(watch.connection().contains("C2"));
    mode("logs", 0o755);
}

#[test]
fn rejects_other_inputs() {
    let dir = trained();
    dir.write("dns.log", tsv(&rows(3)).replace("#path\tconn", "#path\tdns"));
    dir.run("watch --connections -m m dns.log").fails(1, &["dns.log"]);
    dir.run("watch --connections -m nowhere conn.log").fails(1, &["model not found"]);
    dir.write("trace.pcap", b"\xd4\xc3\xb2\xa1\x02\x00\x04\x00\n\n");
    dir.run("watch --connections -m m trace.pcap").fails(1, &["trace.pcap: this is a packet capture", "zeek -r FILE"]);
    dir.write("logs/conn.log", tsv(&rows(3)));
    dir.run("watch --connections -m m logs")
        .fails(1, &["logs: this is a directory; give the log in it that Zeek writes"]);
    dir.run("watch --connections -m m no/conn.log").fails(1, &["no/conn.log: directory no not found\n"]);
}

#[test]
fn reads_standard_input_to_the_end() {
    let dir = trained();
    let mut watch = Watch::fed(&dir, "watch --connections -m m -", Stdio::piped());
    let mut input = watch.child.stdin.take().unwrap();
    input.write_all((header(&[]) + &odd("Cpiped")).as_bytes()).unwrap();
    drop(input);
    assert!(watch.connection().contains("Cpiped"));
    while watch.lines.recv_timeout(Duration::from_secs(120)).is_ok() {}
    assert!(watch.child.wait().unwrap().success());
}

#[test]
fn rows_fit_any_terminal() {
    let dir = trained();
    dir.write("one.log", header(&[]) + &odd("Cone"));
    for (columns, lines) in [(140, 1), (80, 2), (64, 2)] {
        let shown = dir.on_terminal(columns, "watch --connections -m m - <one.log");
        assert!(shown.lines().all(|line| line.chars().count() <= columns), "{columns}: {shown}");
        let who = shown.lines().position(|line| line.ends_with("-> 203.0.113.66:4444/tcp  Cone")).unwrap();
        assert_eq!(who + 1, lines, "{columns}: {shown}");
    }
}

#[test]
fn counts_lines_in_each_log() {
    let dir = trained();
    let mut bad = rows(2)[1].clone();
    bad[9] = "-1".into();
    append(&dir, &(tsv(&rows(30)) + &odd("Cbefore")));
    let mut watch = Watch::start(&dir, "watch --connections -m m conn.log");
    while !watch.connection().contains("Cbefore") {}
    fs::rename(dir.path("conn.log"), dir.path("conn.2024-04-20-00-00-00.log")).unwrap();
    append(&dir, &(header(&[]) + &bad.join("\t") + "\n" + &odd("Cafter")));
    assert!(watch.connection().contains("Cafter"));
    watch.child.kill().unwrap();
    let mut stderr = String::new();
    std::io::Read::read_to_string(&mut watch.child.stderr.take().unwrap(), &mut stderr).unwrap();
    let line = header(&[]).lines().count() + 1;
    assert!(stderr.contains(&format!("conn.log:{line}: field orig_bytes")), "{stderr}");
}

#[test]
fn limits_warnings_about_unusable_rows() {
    let dir = trained();
    let mut table = rows(23);
    for row in &mut table[..20] {
        row[9] = "-1".into();
    }
    let outcome = dir.pipe("watch -m m -", tsv(&table).as_bytes());
    assert_eq!(outcome.stderr.matches("field orig_bytes").count(), 10, "{}", outcome.stderr);
    assert!(outcome.stderr.ends_with("warning: (standard input): 10 more unusable rows\n"), "{}", outcome.stderr);
    outcome.success();
}

#[test]
fn warns_again_after_rotation() {
    let dir = trained();
    let mut bad = rows(2)[1].clone();
    bad[9] = "-1".into();
    let bad = bad.join("\t") + "\n";
    append(&dir, &(header(&[]) + &bad.repeat(13) + &odd("Cbefore")));
    let mut watch = Watch::start(&dir, "watch --connections -m m conn.log");
    assert!(watch.connection().contains("Cbefore"));
    fs::rename(dir.path("conn.log"), dir.path("conn.2024-04-20-00-00-00.log")).unwrap();
    append(&dir, &(header(&[]) + &bad + &odd("Cafter")));
    assert!(watch.connection().contains("Cafter"));
    watch.child.kill().unwrap();
    let mut stderr = String::new();
    std::io::Read::read_to_string(&mut watch.child.stderr.take().unwrap(), &mut stderr).unwrap();
    let line = header(&[]).lines().count() + 1;
    let rest = format!("warning: conn.log: 3 more unusable rows\nwarning: conn.log:{line}: field orig_bytes");
    assert!(stderr.contains(&rest), "{stderr}");
}

#[test]
fn shows_incidents_as_they_open_and_grow() {
    let dir = Dir::new();
    dir.ok(&format!("train -q {} -o m", data("lab-day1.conn.log").display()));
    let log = fs::read(data("lab-day2.conn.log")).unwrap();
    let shown = dir.pipe("watch -m m -", &log).success();
    let scan: Vec<_> = shown.lines().filter(|line| line.contains("  scan  ")).collect();
    assert!(scan.iter().any(|line| line.starts_with("opened ") || line.starts_with("changed ")), "{shown}");
    assert!(shown.contains("      10.10.1.16 probed "), "{shown}");
    // Each attack gets its kind within a minute.
    assert!(!shown.contains("  other  "), "{shown}");
    assert!(
        !shown.lines().any(|line| line.starts_with(|c: char| c.is_ascii_digit())),
        "no single connections: {shown}"
    );

    // The same incidents as those of the finished log, with the same identifiers and keys.
    let ids = |text: &str| -> std::collections::BTreeSet<String> {
        let objects = text.lines().map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap());
        objects.map(|it| it["id"].as_str().unwrap().to_owned()).collect()
    };
    let opened = ids(&dir.pipe("watch -m m - --json", &log).success());
    assert_eq!(opened, ids(&dir.pipe("incidents -q -m m - --json -n 1000", &log).success()));

    // The end of the input ends the wait for a kind: the scan has only begun here.
    let text = String::from_utf8(log).unwrap();
    let first = text.find("\n1741173954.766").unwrap() + 1;
    let begun = text[..first].to_owned() + &text[first..].split_inclusive('\n').take(7).collect::<String>();
    let shown = dir.pipe("watch -m m -", begun.as_bytes()).success();
    let other = shown.lines().filter(|line| line.starts_with("opened ") && line.contains("  other  ")).count();
    assert_eq!(other, 1, "{shown}");
}

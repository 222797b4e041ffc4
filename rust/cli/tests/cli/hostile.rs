//! Hostile inputs: no crash, no hang, bounded memory, and intact rows are used.
//!
//! The environment variables `MUTATED_LOGS` and `LINE_GIGABYTES` extend these tests.

use std::collections::HashSet;
use std::io::{self, BufRead, BufReader, Write};
use std::os::unix::fs::{PermissionsExt, chown, symlink};
use std::path::Path;
use std::process::{Command, Stdio};

use flate2::Compression;
use flate2::write::GzEncoder;

use crate::logs::{FIELDS, column, header, json, labelled, rows, tsv};
use crate::run::{Dir, NOBODY, Outcome, command, is_roots, unprivileged};

/// Memory limit of a run in kilobytes, including libraries and thread stacks.
const MEMORY: u64 = 800_000;
/// Longest time of a run: a bound on hangs, not on speed.
const SECONDS: u64 = 600;

fn trained() -> Dir {
    let dir = Dir::new();
    dir.write("conn.log", tsv(&rows(300)));
    dir.ok("train conn.log -o m --trees 22");
    dir
}

/// Number from the environment variable `name`, or `otherwise`.
fn asked(name: &str, otherwise: u64) -> u64 {
    std::env::var(name).ok().and_then(|n| n.parse().ok()).unwrap_or(otherwise)
}

/// Runs with limits on memory and time; `write` fills standard input.
fn bounded(dir: &Dir, arguments: &str, write: impl FnOnce(&mut dyn Write) -> io::Result<()> + Send) -> Outcome {
    let mut limited = Command::new("sh");
    let binary = env!("CARGO_BIN_EXE_zeek-iforest");
    let seconds = SECONDS * asked("LINE_GIGABYTES", 1).max(1);
    limited.args(["-c", &format!("ulimit -v {MEMORY}; exec timeout {seconds} {binary} {arguments}")]);
    limited.current_dir(dir.path("")).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = limited.spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let output = std::thread::scope(|scope| {
        // A write error is ignored: a command may close its input early.
        scope.spawn(move || write(&mut stdin));
        child.wait_with_output().unwrap()
    });
    Outcome {
        status: output.status.code(),
        stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
        stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
    }
}

fn quiet(dir: &Dir, arguments: &str) -> Outcome {
    bounded(dir, arguments, |_| Ok(()))
}

/// Pseudorandom numbers, the same in every run.
struct Random(u64);

impl Random {
    fn below(&mut self, n: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        ((self.0 >> 33) % n as u64) as usize
    }
}

/// Lines that look like a new header or format.
const LINES: [&[u8]; 6] =
    [b"{}\n", b"{\0\0}\n", b"#path\tconn\n", b"#unset_field\t-1\n", b"#separator \\x2c\n", b"#fields\ta\n"];

const PIECES: [&[u8]; 14] = [
    b"\0",
    b"\xff\xfe",
    b"\t",
    b"\n",
    b"\r\n",
    b"-",
    b"18446744073709551616",
    b"1e999",
    b"\\x",
    b"\"",
    b"{",
    b"\\u d83d",
    b"(empty)",
    b"nan",
];

/// Damages a few places after `from`. Returns the result, and for each byte of the original whether it is unchanged.
fn mutated(log: &[u8], from: usize, random: &mut Random) -> (Vec<u8>, Vec<bool>) {
    let mut sound = vec![true; log.len()];
    let mut edits: Vec<(usize, usize, Vec<u8>)> = Vec::new();
    for _ in 0..1 + random.below(6) {
        let at = from + random.below(log.len() - from);
        let edit = match random.below(6) {
            0 => (at, 1, vec![log[at] ^ 1 << random.below(8)]),
            1 => (at, 1 + random.below(40), Vec::new()),
            2 => (at, 0, PIECES[random.below(PIECES.len())].to_vec()),
            3 => {
                let line = log[from..at].iter().rposition(|byte| *byte == b'\n').map_or(from, |end| from + end + 1);
                (line, 0, LINES[random.below(LINES.len())].to_vec())
            }
            4 => (at, 1 + random.below(4), PIECES[random.below(PIECES.len())].repeat(1 + random.below(20))),
            _ => (at, random.below(300), (0..random.below(200)).map(|_| random.below(256) as u8).collect()),
        };
        edits.push(edit);
    }
    edits.sort();
    let (mut out, mut next) = (Vec::new(), 0);
    for (at, gone, put) in edits {
        if at < next {
            continue;
        }
        out.extend(&log[next..at]);
        next = (at + gone).min(log.len());
        // An insertion belongs to the line of the following byte.
        sound[at..next.max(at + 1).min(log.len())].fill(false);
        out.extend(put);
    }
    out.extend(&log[next..]);
    (out, sound)
}

/// The `uid`s of intact lines: neither the line nor the line end before it has changed.
fn whole_lines(log: &str, from: usize, sound: &[bool], uid: impl Fn(&str) -> String) -> HashSet<String> {
    let mut at = 0;
    let mut whole = HashSet::new();
    for line in log.split_inclusive('\n') {
        let end = at + line.len();
        if at >= from && !line.starts_with('#') && sound[at - 1] && sound[at..end].iter().all(|&sound| sound) {
            whole.insert(uid(line));
        }
        at = end;
    }
    whole
}

#[test]
fn scores_intact_rows_of_mutated_logs() {
    const A_RUN: u64 = 50;
    let dir = trained();
    let mut random = Random(7);
    let logs = asked("MUTATED_LOGS", 100);
    let mut expected_of_all = 0;
    for run in 0..logs.div_ceil(A_RUN) {
        std::fs::create_dir_all(dir.path("logs")).unwrap();
        let mut expected = HashSet::new();
        for i in 0..A_RUN {
            let mut table = rows(30);
            table.iter_mut().enumerate().for_each(|(row, cells)| cells[1] = format!("C{i}r{row}x"));
            // Every fifth log is damaged anywhere, even in the header: then the run only has to end.
            let anywhere = i % 5 == 4;
            let (text, is_json) = if i % 2 == 0 { (tsv(&table), false) } else { (json(&table), true) };
            let from = if is_json { 1 } else { text.find("\n1").unwrap() + 1 };
            let (bytes, sound) = mutated(text.as_bytes(), if anywhere { 0 } else { from }, &mut random);
            if !anywhere {
                let uid = |line: &str| match is_json {
                    true => line.split_once("\"uid\":\"").unwrap().1.split_once('"').unwrap().0.to_owned(),
                    false => line.split('\t').nth(1).unwrap().to_owned(),
                };
                expected.extend(whole_lines(&text, from, &sound, uid));
            }
            let kind = if is_json { "json" } else { "log" };
            dir.write(&format!("logs/conn.{i:02}.{kind}"), bytes);
        }
        let outcome = quiet(&dir, "top -m m logs --json -n 100000");
        assert!(matches!(outcome.status, Some(0 | 1)), "run {run}: {:?} {}", outcome.status, outcome.stderr);
        assert!(!outcome.stderr.contains("panicked"), "run {run}: {}", outcome.stderr);
        let uid = |line: &str| Some(line.split_once("\"uid\":\"")?.1.split_once('"')?.0.to_owned());
        let scored: HashSet<String> = outcome.stdout.lines().filter_map(uid).collect();
        let missing: Vec<_> = expected.difference(&scored).collect();
        assert!(missing.is_empty(), "run {run}: {missing:?}\n{}", outcome.stderr);
        expected_of_all += expected.len() as u64;
        std::fs::remove_dir_all(dir.path("logs")).unwrap();
    }
    assert!(expected_of_all > logs * 10, "{expected_of_all} whole rows in {logs} logs");
}

/// Writes a log whose second row has `bytes` bytes.
fn with_a_long_line(out: &mut dyn Write, bytes: u64) -> io::Result<()> {
    let log = tsv(&rows(3));
    let at = log.match_indices('\n').nth(8).map_or(0, |(at, _)| at + 1);
    out.write_all(&log.as_bytes()[..at])?;
    let piece = vec![b'x'; 1 << 20];
    let mut left = bytes;
    while left > 0 {
        let n = left.min(piece.len() as u64);
        out.write_all(&piece[..n as usize])?;
        left -= n;
    }
    out.write_all(b"\n")?;
    out.write_all(&log.as_bytes()[at..])
}

#[test]
fn endless_line_takes_bounded_memory() {
    let dir = trained();
    let bytes = asked("LINE_GIGABYTES", 0) * 1_000_000_000;
    let outcome = bounded(&dir, "score -m m", |out| with_a_long_line(out, bytes.max(50_000_000)));
    assert!(outcome.stderr.contains("the line is longer than"), "{}", outcome.stderr);
    assert_eq!(column(&outcome.success(), "anomaly_score").len(), 3);
}

#[test]
fn compression_bomb_takes_bounded_memory() {
    // More than the memory limit.
    const BYTES: u64 = 1_000_000_000;
    let dir = trained();
    let mut gzip = GzEncoder::new(Vec::new(), Compression::fast());
    with_a_long_line(&mut gzip, BYTES).unwrap();
    let mut zstd = zstd::Encoder::new(Vec::new(), 1).unwrap();
    with_a_long_line(&mut zstd, BYTES).unwrap();
    for (name, bytes) in [("bomb.log.gz", gzip.finish().unwrap()), ("bomb.log.zst", zstd.finish().unwrap())] {
        assert!((bytes.len() as u64) < BYTES / 100, "{}", bytes.len());
        dir.write(name, bytes);
        let outcome = quiet(&dir, &format!("score -m m {name}"));
        assert!(outcome.stderr.contains("the line is longer than"), "{name}: {}", outcome.stderr);
        assert_eq!(column(&outcome.success(), "anomaly_score").len(), 3, "{name}");
    }
}

#[test]
fn endless_file_takes_bounded_memory() {
    let dir = trained();
    dir.ok("sample conn.log -o part");
    // A sparse file of forty gigabytes.
    std::fs::File::options().write(true).open(dir.path("part")).unwrap().set_len(40 << 30).unwrap();
    for (arguments, sentence) in [
        ("inspect part", "part: is damaged: its payload has "),
        ("import-onnx /dev/zero conn.log -o x", "/dev/zero: has more than 268435456 bytes"),
        ("train conn.log -o x --sign-with /dev/zero", "/dev/zero: not a minisign secret key"),
    ] {
        let outcome = quiet(&dir, arguments);
        assert_eq!(outcome.status, Some(1), "{arguments}: {}", outcome.stderr);
        let messages = outcome.stdout + &outcome.stderr;
        assert!(messages.contains(sentence), "{arguments}: {messages}");
    }
}

#[test]
fn limits_the_number_of_columns() {
    let dir = trained();
    let wide = |n: usize| {
        let more: Vec<String> = (0..n).map(|i| format!("c{i}")).collect();
        let more: Vec<&str> = more.iter().map(String::as_str).collect();
        let text: String = rows(3).iter().map(|row| format!("{}{}\n", row.join("\t"), "\t-".repeat(n))).collect();
        dir.write("wide.log", header(&more) + &text);
        quiet(&dir, "score -m m wide.log")
    };
    wide(1_000_000).fails(1, &["wide.log:7: invalid header: the line is longer than 1048576 bytes"]);
    wide(100_000).fails(1, &["wide.log:7: invalid header: #fields names more than 65536 columns"]);
    assert_eq!(column(&wide(10_000).success(), "anomaly_score").len(), 3);
}

#[test]
fn preserves_nul_bytes_and_invalid_utf8() {
    let dir = trained();
    let mut log = tsv(&rows(3)).into_bytes();
    let at = log.windows(3).position(|bytes| bytes == b"tcp").unwrap();
    log.splice(at + 3..at + 3, *b"\0\xff\x9b2J");
    dir.write("odd.log", &log);
    let out = dir.run_bytes("score -m m odd.log");
    let kept = out.windows(9).filter(|bytes| bytes == b"tcp\0\xff\x9b2J\t").count();
    assert_eq!(kept, 1);
    let shown = dir.run("top -m m odd.log");
    assert!(!shown.stdout.contains(|c: char| c.is_control() && c != '\n'), "{}", shown.stdout);
}

#[test]
fn escapes_file_names_in_usage_errors() {
    let dir = Dir::new();
    dir.write("--\u{1b}]0;pwned\u{7}", "");
    let text = dir.terminal(&format!("{} top *; true", env!("CARGO_BIN_EXE_zeek-iforest")));
    assert!(text.contains("unexpected argument"), "{text:?}");
    assert!(!text.contains("pwned\u{7}"), "{text:?}");
}

#[test]
fn handles_pipes_and_directory_loops() {
    let dir = trained();
    dir.write("loop/conn.log", tsv(&rows(20)));
    symlink(".", dir.path("loop/again")).unwrap();
    symlink("../loop", dir.path("loop/and-again")).unwrap();
    symlink("itself", dir.path("loop/itself")).unwrap();
    assert_eq!(column(&quiet(&dir, "score -m m loop").success(), "anomaly_score").len(), 20);

    make_pipe(&dir, "pipe");
    let (pipe, log) = (dir.path("pipe"), tsv(&rows(20)));
    let writer = std::thread::spawn(move || std::fs::write(pipe, log));
    assert_eq!(column(&quiet(&dir, "score -m m pipe").success(), "anomaly_score").len(), 20);
    writer.join().unwrap().unwrap();
    // A pipe without a writer in a directory of logs must not block the command.
    std::fs::rename(dir.path("pipe"), dir.path("loop/conn.pipe.log")).unwrap();
    assert_eq!(column(&quiet(&dir, "score -m m loop").success(), "anomaly_score").len(), 20);
}

fn make_pipe(dir: &Dir, name: &str) {
    assert!(Command::new("mkfifo").arg(dir.path(name)).status().unwrap().success());
}

#[test]
fn reads_a_pipe_once() {
    let dir = trained();
    make_pipe(&dir, "pipe");
    let with = |contents: Vec<u8>, arguments: &str| {
        let pipe = dir.path("pipe");
        let writer = std::thread::spawn(move || std::fs::write(pipe, contents));
        let outcome = quiet(&dir, arguments);
        // A command can refuse the content before reading all of it.
        let _ = writer.join().unwrap();
        outcome
    };
    let log = || tsv(&rows(300)).into_bytes();
    with(log(), "train pipe -o piped --trees 22").success();
    assert!(dir.ok("score -m piped conn.log") == dir.ok("score -m m conn.log"));
    with(log(), "sample pipe -o part").success();
    assert!(dir.ok("inspect part").contains("300 rows"));
    // A packet capture: recognising one would read the start again, which a pipe does not allow.
    let capture = || b"\xd4\xc3\xb2\xa1\x02\0\x04\0\n".to_vec();
    for arguments in ["train pipe -o none", "score -m m pipe"] {
        with(capture(), arguments).fails(1, &["pipe:1: is not a Zeek log"]);
    }
}

#[test]
fn refuses_pipes_of_other_users() {
    let dir = trained();
    make_pipe(&dir, "pipe");
    let pipe = dir.path("pipe");
    let reader = std::thread::spawn(move || std::fs::read_to_string(pipe));
    quiet(&dir, "score -m m conn.log -o pipe").success();
    assert!(reader.join().unwrap().unwrap() == dir.ok("score -m m conn.log"));
    assert!(!dir.path("pipe").metadata().unwrap().is_file());
    if is_roots(&dir.path("")) {
        // Pipes of root are accepted.
        let pipe = dir.path("pipe");
        std::fs::set_permissions(&pipe, std::fs::Permissions::from_mode(0o666)).unwrap();
        let reader = std::thread::spawn(move || std::fs::read_to_string(pipe));
        as_nobody(&dir.path(""), "score -m m conn.log -o pipe").success();
        assert!(reader.join().unwrap().unwrap() == dir.ok("score -m m conn.log"));

        chown(dir.path("pipe"), Some(NOBODY), None).unwrap();
        for arguments in
            ["score -m m conn.log -o pipe", "features -m m conn.log -o pipe", "report -m m conn.log -o pipe"]
        {
            quiet(&dir, arguments).fails(1, &["pipe: cannot be written: it is a named pipe of user 65534, who could"]);
        }
    } else {
        eprintln!("only root can make a pipe another's: that one is refused was not tried");
    }
    // A command that replaces its output replaces a pipe of any user.
    dir.ok("train conn.log -o pipe");
    assert!(dir.path("pipe").symlink_metadata().unwrap().is_file());
}

fn as_nobody(dir: &Path, arguments: &str) -> Outcome {
    let output = unprivileged(dir, arguments).output().unwrap();
    Outcome {
        status: output.status.code(),
        stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
        stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
    }
}

#[test]
fn names_files_without_permission() {
    let dir = trained();
    dir.write("secret.log", tsv(&rows(20)));
    dir.write("secret.model", dir.read_bytes("m"));
    for name in ["secret.log", "secret.model"] {
        std::fs::set_permissions(dir.path(name), std::fs::Permissions::from_mode(0o000)).unwrap();
    }
    let denied = |arguments: &str, texts: &[&str]| as_nobody(&dir.path(""), arguments).fails(1, texts);
    denied("score -m m secret.log", &["secret.log: cannot be opened", "Permission denied"]);
    denied("score -m secret.model conn.log", &["secret.model: cannot be read", "Permission denied"]);
    denied("score -m m conn.log -o /nowhere/out.log", &["there is no directory /nowhere"]);
    if is_roots(&dir.path("")) {
        denied("score -m m conn.log -o out.log", &["out.log: cannot be written", "ermission denied"]);
        denied("train conn.log -o out.model", &["out.model: cannot be written", "ermission denied"]);
    }
    assert!(!dir.path("out.log").exists() && !dir.path("out.model").exists());
    // An unreadable directory loses no other log.
    std::fs::create_dir_all(dir.path("logs/closed")).unwrap();
    dir.write("logs/conn.log", tsv(&rows(20)));
    std::fs::set_permissions(dir.path("logs/closed"), std::fs::Permissions::from_mode(0o000)).unwrap();
    let run = as_nobody(&dir.path(""), "score -m m logs");
    std::fs::set_permissions(dir.path("logs/closed"), std::fs::Permissions::from_mode(0o755)).unwrap();
    assert_eq!(run.stdout.lines().filter(|line| !line.starts_with('#')).count(), 20, "{}", run.stderr);
    run.fails(1, &["logs/closed: cannot be opened: Permission denied"]);
}

#[test]
fn damaged_line_loses_no_labelled_row() {
    let dir = trained();
    let whole = labelled(&rows(300));
    let lines: Vec<_> = whole.split_inclusive('\n').collect();
    let (before, after) = lines.split_at(150);
    // After the damage, a second log without labels, as in concatenated logs.
    let log = [&before.concat(), "#fields\ta\n", &after.concat(), &tsv(&rows(5))].concat();
    dir.write("labelled.log", &log);
    let first = log.lines().count() - 5;
    let run = |arguments: &str| {
        let outcome = quiet(&dir, arguments);
        let messages = (first..first + 5).map(|line| format!("labelled.log:{line}: field label: is unset; the row is"));
        messages.for_each(|message| {
            assert!(outcome.stderr.contains(&message), "{arguments}: {message} {}", outcome.stderr)
        });
        assert!(outcome.stderr.contains("5 of 305 rows could not be used"), "{arguments}: {}", outcome.stderr);
        (outcome.stderr.clone(), outcome.success())
    };
    let (messages, _) = run("train labelled.log --only-benign -o benign");
    assert!(messages.contains("trained on 299 of 300 connections"), "{messages}");
    let (messages, _) = run("sample labelled.log --only-benign -o part");
    assert!(messages.contains("sampled 299 rows of 300 connections"), "{messages}");
    let (_, table) = run("evaluate -m m labelled.log");
    assert!(table.starts_with("300 connections, 1 malicious"), "{table}");
    let (_, table) = run("evaluate --protocol folds --folds 2 --seeds 1 labelled.log");
    assert!(table.starts_with("300 connections, 1 malicious"), "{table}");
    for arguments in ["features -m m labelled.log", "features -m m labelled.log --label label"] {
        let (_, matrix) = run(arguments);
        let labels: Vec<_> = matrix.lines().skip(1).map(|line| line.rsplit_once(',').unwrap().1).collect();
        assert_eq!((labels.len(), labels.iter().position(|label| *label == "1")), (300, Some(150)), "{arguments}");
    }
}

#[test]
fn truncates_long_services() {
    let dir = trained();
    let service = "x".repeat(200_000);
    dir.write("long.log", tsv(&rows(20)).replace("\tssl\t", &format!("\t{service}\t")));
    let table = quiet(&dir, "top -m m long.log").success();
    assert!(table.contains("xxx…") && table.lines().all(|line| line.len() < 400), "{table}");
}

#[test]
fn long_texts_take_bounded_memory() {
    let dir = trained();
    let mut table = rows(60);
    for (i, row) in table.iter_mut().enumerate() {
        row[[1, 7, 15][i % 3]] = "x".repeat(200_000);
    }
    dir.write("long.log", tsv(&table));
    let top = quiet(&dir, "top -m m long.log --json -n 60").success();
    assert_eq!(top.lines().count(), 60);
    assert!(top.lines().all(|line| line.contains("xxx") && line.len() < 2_000), "{} bytes", top.len());
}

#[test]
fn truncates_long_numbers_and_uids() {
    let dir = trained();
    let mut table = rows(20);
    table[3][0] = "9".repeat(15) + &"0".repeat(200_000);
    table[4][0] = format!("9999999999.{}", "0".repeat(200_000));
    table[5][8] = format!("-1.{}", "0".repeat(200_000));
    for row in &mut table {
        row[1] = "x".repeat(200_000);
    }
    dir.write("long.log", tsv(&table));
    let outcome = quiet(&dir, "score -m m long.log -o scored.log");
    assert_eq!(outcome.stderr.matches("the row is written without a score").count(), 3, "{}", outcome.stderr);
    assert!(outcome.stderr.contains("000…\" is not a time from 1970 to 2099"), "{}", outcome.stderr);
    assert!(outcome.stderr.lines().all(|line| line.len() < 400), "{} bytes", outcome.stderr.len());
    let shown =
        bounded(&dir, "watch --connections -m m -", |out| out.write_all(dir.read("long.log").as_bytes())).success();
    assert!(shown.contains("xxx…") && shown.lines().all(|line| line.len() < 400), "{} bytes", shown.len());
}

#[test]
fn full_device_gives_status_1() {
    let dir = trained();
    for arguments in ["score -m m conn.log -o /dev/full", "features conn.log -m m -o /dev/full"] {
        quiet(&dir, arguments).fails(1, &["/dev/full: cannot be written: No space left"]);
    }
    let full = std::fs::File::options().write(true).open("/dev/full").unwrap();
    let run = command(&dir.path(""), "score -m m conn.log").stdout(full).output().unwrap();
    assert_eq!(run.status.code(), Some(1));
}

/// Attackers can put control sequences and HTML into logs; no output may contain them unescaped.
#[test]
fn escapes_hostile_values() {
    const HOSTILE: [&str; 5] =
        ["\x1b]0;owned\x07", "\x1b[2J\x1b[31m", "\u{9b}2J", "\u{202e}txt.exe", "<img/src=x/onerror=alert(1)>"];
    let dir = trained();
    let texts = ["uid", "service", "history"].map(|name| FIELDS.iter().position(|field| *field == name).unwrap());
    let mut table = rows(60);
    for (i, row) in table.iter_mut().enumerate() {
        row[texts[i % 3]] = HOSTILE[i % HOSTILE.len()].to_owned();
        row.push(HOSTILE[i % HOSTILE.len()].to_owned());
    }
    // Rows that are reported, because they are unusable.
    table[7][9] = HOSTILE[0].to_owned();
    table[8][2] = HOSTILE[1].to_owned();
    let body: String = table.iter().map(|row| row.join("\t") + "\n").collect();
    let log = header(&["label"]) + &body;
    dir.write("evil.log", &log);
    let harmless = |what: &str, text: &str| {
        let bad = |c: char| (c.is_control() && !"\n\t".contains(c)) || c == '\u{202e}';
        assert!(!text.contains(bad), "{what}: {text:?}");
    };
    for arguments in [
        "top -m m evil.log -n 60",
        "top -m m evil.log -n 60 --json",
        "report -m m evil.log -o page.html",
        "score -m m evil.log -o scored.log",
        "evaluate -m m evil.log --malicious <img",
        "train evil.log -o evil.model",
        "inspect evil.model",
        "score -m m evil.log --strict -o strict.log",
    ] {
        let outcome = quiet(&dir, &arguments.replace("<img", "'<img'"));
        let refused = i32::from(arguments.contains("--strict"));
        assert_eq!(outcome.status, Some(refused), "{arguments}: {}", outcome.stderr);
        let shown = outcome.stdout.clone() + &outcome.stderr;
        let shows = arguments.starts_with("top") || arguments.starts_with("evaluate");
        assert!(!shows || shown.contains("]0;owned"), "{arguments} shows nothing of it: {shown}");
        harmless(arguments, &outcome.stdout);
        harmless(arguments, &outcome.stderr);
    }
    let page = dir.read("page.html");
    harmless("the page", &page);
    assert!(!page.contains("<img/src"), "the page");
    assert!(page.contains("&lt;img") || page.contains("&#60;img"), "the page shows what it escapes");

    // `watch` never ends, so the test stops reading when it has seen enough.
    dir.ok("train conn.log -o eager --contamination 0.999");
    let mut watching = command(&dir.path(""), "watch --connections -m eager evil.log");
    let mut watch = watching.stdin(Stdio::null()).spawn().unwrap();
    let mut shown = String::new();
    let mut lines = BufReader::new(watch.stdout.take().unwrap());
    while !(shown.contains("]0;owned") && shown.contains("txt.exe")) {
        assert!(lines.read_line(&mut shown).unwrap() > 0, "watch ended: {shown}");
    }
    watch.kill().unwrap();
    watch.wait().unwrap();
    harmless("watch", &shown);
}

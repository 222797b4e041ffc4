//! Mutated logs: intact rows are used.

use super::*;

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

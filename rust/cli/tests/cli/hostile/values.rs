//! Values that could break output or terminals.

use super::*;

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
fn truncates_long_services() {
    let dir = trained();
    let service = "x".repeat(200_000);
    dir.write("long.log", tsv(&rows(20)).replace("\tssl\t", &format!("\t{service}\t")));
    let table = quiet(&dir, "top -m m long.log").success();
    assert!(table.contains("xxx…") && table.lines().all(|line| line.len() < 400), "{table}");
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

/// Attackers can put control sequences and HTML into logs; no output may contain them unescaped.
#[test]
fn escapes_hostile_values() {
    const HOSTILE: [&str; 6] = [
        "\x1b]0;owned\x07",
        "\x1b[2J\x1b[31m",
        "\\x1b[31mred",
        "\u{9b}2J",
        "\u{202e}txt.exe",
        "<img/src=x/onerror=alert(1)>",
    ];
    let dir = trained();
    let texts = ["uid", "service", "history"].map(|name| FIELDS.iter().position(|field| *field == name).unwrap());
    let mut table = rows(60);
    for (i, row) in table.iter_mut().enumerate() {
        row[texts[i / HOSTILE.len() % 3]] = HOSTILE[i % HOSTILE.len()].to_owned();
        row.push(HOSTILE[i % HOSTILE.len()].to_owned());
    }
    // Rows that are reported, because they are unusable.
    table[7][9] = HOSTILE[0].to_owned();
    table[8][2] = HOSTILE[1].to_owned();
    let body: String = table.iter().map(|row| row.join("\t") + "\n").collect();
    let log = header(&["label"]) + &body;
    dir.write("evil\x1b[2J.log", &log);
    let harmless = |what: &str, text: &str| {
        let bad = |c: char| (c.is_control() && !"\n\t".contains(c)) || c == '\u{202e}';
        assert!(!text.contains(bad), "{what}: {text:?}");
    };
    for arguments in [
        "top -m m evil\x1b[2J.log -n 60",
        "top -m m evil\x1b[2J.log -n 60 --json",
        "report -m m evil\x1b[2J.log -o page.html",
        "score -m m evil\x1b[2J.log -o scored.log",
        "evaluate -m m evil\x1b[2J.log --malicious <img",
        "train evil\x1b[2J.log -o evil.model",
        "inspect evil.model",
        "score -m m evil\x1b[2J.log --strict -o strict.log",
    ] {
        let outcome = quiet(&dir, &arguments.replace("<img", "'<img'"));
        let refused = i32::from(arguments.contains("--strict"));
        assert_eq!(outcome.status, Some(refused), "{arguments}: {}", outcome.stderr);
        let shown = outcome.stdout.clone() + &outcome.stderr;
        let shows = arguments.starts_with("top") || arguments.starts_with("evaluate");
        let named = ["]0;owned", "evil\\x1b[2J.log:"].iter().all(|text| shown.contains(text));
        assert!(!shows || named, "{arguments} shows nothing of it: {shown}");
        harmless(arguments, &outcome.stdout);
        harmless(arguments, &outcome.stderr);
    }
    let page = dir.read("page.html");
    harmless("the page", &page);
    assert!(!page.contains("<img/src"), "the page");
    assert!(page.contains("&lt;img") || page.contains("&#60;img"), "the page shows what it escapes");

    // `watch` never ends, so the test stops reading when it has seen enough.
    dir.ok("train conn.log -o eager --contamination 0.999");
    let mut watching = command(&dir.path(""), "watch --connections -m eager evil\x1b[2J.log");
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

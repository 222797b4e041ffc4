//! Endless and huge inputs take bounded memory.

use super::*;

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

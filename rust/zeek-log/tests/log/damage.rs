//! Tests of damaged and endless logs, and of other files.

use std::io::Read;

use crate::common::{HEADER, Outcome, conn, gzip, read, read_with, tsv};
use zeek_log::{Block, ColumnSpec, Reader, Row};

#[test]
fn truncated_last_line_is_a_bad_row() {
    let outcome = read(tsv("1.5\t10.0.0.1\t-\t1\n2.5\t10.0.0"), &["ts"]);
    assert_eq!(outcome.rows.len(), 1);
    assert_eq!(outcome.bad, ["conn.log:10: the last line is cut short"]);
    let outcome = read("{\"ts\":1.5}\n{\"ts\":2.5,\"uid\":\"C", &["ts"]);
    assert_eq!(outcome.rows.len(), 1);
    assert_eq!(outcome.bad, ["conn.log:2: the last line is cut short"]);
}

#[test]
fn reports_bad_rows_with_their_line() {
    let outcome = read(tsv("1.5\t10.0.0.1\t-\n2.5\t10.0.0.1\t-\t1\n3.5\t10.0.0.1\t-\t1\t1\n"), &["ts"]);
    assert_eq!(outcome.rows, [["2.5"]]);
    assert_eq!(
        outcome.bad,
        ["conn.log:9: 3 columns, but the header names 4", "conn.log:11: 5 columns, but the header names 4"]
    );
    let outcome = read("{\"ts\":1.5}\n{\"ts\":01}\nnull\n{\"ts\":2.5} {}\n", &["ts"]);
    assert_eq!(outcome.rows, [["1.5"]]);
    assert_eq!(
        outcome.bad,
        [
            "conn.log:2: invalid JSON at byte 7: expected a comma or the end of the object",
            "conn.log:3: invalid JSON at byte 0: expected an object",
            "conn.log:4: invalid JSON at byte 11: expected the end of the line",
        ]
    );
}

#[test]
fn reports_bad_values_with_their_field() {
    let log = tsv("yesterday\t10.0.0\tssl\t12x\n1.5\t10.0.0.1\t-\t-\n");
    let mut reader = Reader::from_read("conn.log", std::io::Cursor::new(log), &conn()).unwrap();
    let (mut block, mut row) = (Block::new(), Row::new());
    assert!(reader.next_block(&mut block).unwrap());
    let binding = block.layout().bind(&["ts", "id.orig_h", "orig_bytes"].map(ColumnSpec::new));
    let mut rows = block.lines().skip(8);
    binding.parse(&rows.next().unwrap(), &mut row).unwrap();
    assert_eq!(row.time(0).unwrap_err().to_string(), "conn.log:9: field ts: \"yesterday\" is not a time");
    assert_eq!(row.addr(1).unwrap_err().to_string(), "conn.log:9: field id.orig_h: \"10.0.0\" is not an address");
    assert_eq!(row.count(2).unwrap_err().to_string(), "conn.log:9: field orig_bytes: \"12x\" is not a count");
    binding.parse(&rows.next().unwrap(), &mut row).unwrap();
    assert_eq!((row.time(0).unwrap(), row.count(2).unwrap()), (Some(1_500_000), None));
}

#[test]
fn damaged_line_like_a_header_loses_no_other_row() {
    let strays = [
        "{}",
        "{\0\0}",
        "#path\tdns",
        "#open\t\u{fffd}",
        "#unset_field\t1",
        "#separator ,",
        "#separator \n#fields\tx",
        "#fields",
        "#fields\t\t",
        "#fields\n#fields\n#close",
        "#fields\ta",
        "#fields\ta\nx\ty",
        "#fields\ta\n{}",
    ];
    let rows = |row: fn(u32) -> String| [1, 2, 3].map(row);
    let tsv_rows = rows(|i| format!("{i}.5\ta\t-\t{i}\n"));
    let json_rows = rows(|i| format!("{{\"ts\":{i}.5,\"orig_bytes\":{i}}}\n"));
    for (header, [first, second, third]) in [(HEADER, tsv_rows), ("", json_rows)] {
        for stray in strays.into_iter().chain(["x"]) {
            for several in [1, 2] {
                let stray = format!("{stray}\n").repeat(several);
                let log = format!("{header}{first}{stray}{second}{third}{stray}");
                let outcome = read(log, &["ts", "orig_bytes"]);
                let rows: Vec<_> = outcome.rows.into_iter().filter(|row| row != &["∅", "∅"]).collect();
                assert_eq!(rows, [["1.5", "1"], ["2.5", "2"], ["3.5", "3"]], "{header}{stray:?}");
                assert_eq!(outcome.error, None, "{header}{stray:?}");
            }
        }
    }
}

#[test]
fn damaged_row_with_earlier_column_count_loses_no_other_row() {
    let log = tsv("1.5\ta\t-\t1\n")
        + "#path\tconn\n#fields\tts\tuid\torig_bytes\n2.5\tC2\t2\n3.5\t\tC3\t3\n4.5\tC4\t4\n5.5\tC5\t5\n";
    let outcome = read(log, &["ts", "orig_bytes"]);
    let whole: Vec<_> = outcome.rows.into_iter().filter(|row| row[0] != "3.5").collect();
    assert_eq!(whole, [["1.5", "1"], ["2.5", "2"], ["4.5", "4"], ["5.5", "5"]]);
    assert_eq!(outcome.error, None);
}

/// A log without an end.
fn endless(begin: &str, again: &'static [u8]) -> Reader {
    let source = std::io::Cursor::new(begin.to_owned()).chain(Again(again.to_vec(), 0));
    Reader::from_read("conn.log", source, &conn()).unwrap()
}

/// Bytes that are read again and again.
struct Again(Vec<u8>, usize);

impl Read for Again {
    fn read(&mut self, into: &mut [u8]) -> std::io::Result<usize> {
        into.iter_mut().for_each(|byte| {
            *byte = self.0[self.1];
            self.1 = (self.1 + 1) % self.0.len();
        });
        Ok(into.len())
    }
}

#[test]
fn endless_input_without_rows_is_not_buffered() {
    let mut block = Block::new();
    for (begin, again, sentence) in [
        ("", &b"\n"[..], "conn.log:65537: is not a Zeek log: expected rows after blank lines, found \"\\n\""),
        ("", b"#\n", "conn.log:1: is not a Zeek log: expected rows after comments, found \"#\""),
        ("#path\tconn\n", b"\n", "conn.log:65537: invalid header: there is no #fields line"),
    ] {
        let error = endless(begin, again).next_block(&mut block).unwrap_err();
        assert_eq!(error.to_string(), sentence);
    }
    for begin in [HEADER.to_owned(), tsv("1.5\ta\t-\t1\n#path\tconn\n"), tsv("1.5\ta\t-\t1\n#fields\n")] {
        let mut reader = endless(&begin, b"#\n");
        for _ in 0..10 {
            assert!(reader.next_block(&mut block).unwrap() && block.bytes().len() < 1 << 20, "{begin}");
        }
    }
}

#[test]
fn json_log_that_starts_within_a_row_is_read_from_the_next() {
    let outcome = read("_bytes\":7}\n{\"ts\":1.5}\n{\"ts\":2.5}\n", &["ts"]);
    assert_eq!((outcome.rows, outcome.error), (vec![vec!["1.5".to_owned()], vec!["2.5".to_owned()]], None));
    assert_eq!(outcome.bad, ["conn.log:1: invalid JSON at byte 0: expected an object"]);
    for source in ["}\n", "if x {\n}\n", "x}\ny}\n"] {
        let outcome = read(source, &["ts"]);
        assert!(outcome.error.unwrap().starts_with("conn.log:1: is not a Zeek log: "), "{source}");
        assert_eq!(outcome.bad.len() + outcome.rows.len() + outcome.meta, 0);
    }
}

#[test]
fn many_damaged_lines_lose_no_other_row() {
    let outcome = read(tsv(&"{\"\0\"}\n1.5\ta\t-\t1\n".repeat(1500)), &["ts"]);
    assert_eq!((outcome.rows.len(), outcome.bad.len(), outcome.error), (1500, 1500, None));
}

#[test]
fn too_long_lines_are_skipped_without_buffering() {
    let long = "x".repeat(1 << 20);
    let options = conn().max_line(1000).block_size(4096);
    let log = tsv(&format!("1.5\ta\t-\t1\n2.5\t{long}\t-\t2\n3.5\tb\t-\t3\n4.5\t{long}"));
    let columns = [ColumnSpec::new("ts")];
    let outcome = read_with(log.clone(), &columns, &options);
    assert_eq!(outcome.rows, [["1.5"], ["3.5"]]);
    let bad = [10, 12].map(|line| format!("conn.log:{line}: the line is longer than 1000 bytes"));
    assert_eq!(outcome.bad, bad);
    let mut reader = Reader::from_read("conn.log", std::io::Cursor::new(log), &options).unwrap();
    let mut block = Block::new();
    while reader.next_block(&mut block).unwrap() {
        assert!(block.bytes().len() < 100_000);
    }
    let json = format!("{{\"uid\":\"{long}\"}}\n{{\"ts\":1.5}}\n");
    let outcome = read_with(json, &columns, &options);
    assert_eq!((outcome.rows.concat(), outcome.bad.len()), (vec!["1.5".to_owned()], 1));
    for begin in ["#", "#fields\t", "#path\tdns\n#fields\t", "{\""] {
        let log = tsv(&format!("1.5\ta\t-\t1\n{begin}{long}\n2.5\tb\t-\t2\n"));
        let outcome = read_with(log, &columns, &options);
        assert_eq!(outcome.rows, [["1.5"], ["2.5"]], "{begin}");
        assert_eq!((outcome.bad.len(), outcome.error), (1, None), "{begin}");
    }
}

#[test]
fn rejects_other_files_with_a_message() {
    let utf_16: Vec<u8> = [0xff, 0xfe, b'#', 0].to_vec();
    for (log, sentence) in [
        (
            &b"Lorem ipsum dolor sit amet\n"[..],
            "conn.log:1: is not a Zeek log: expected a #fields header or one JSON object per line, found \"Lorem ipsum dolor sit amet\"",
        ),
        (
            b"[\n{\"ts\":1.5}\n]\n",
            "conn.log:1: is not a Zeek log: expected one JSON object per line, not an array (split it with `jq -c '.[]'`), found \"[\"",
        ),
        (
            &utf_16,
            "conn.log:1: is not a Zeek log: UTF-16 text must be converted to UTF-8 first, found \"\u{fffd}\u{fffd}#\\0\"",
        ),
        (
            b"# notes\nto myself\n",
            "conn.log:2: is not a Zeek log: expected a #fields header or one JSON object per line, found \"to myself\"",
        ),
        (b"# notes\n", "conn.log:1: is not a Zeek log: expected rows after comments, found \"# notes\""),
        (b"", "conn.log: is empty; even a log without rows has a header"),
        (b"\n\n", "conn.log: is empty; even a log without rows has a header"),
        (b"#path\tdns\n#fields\tts\n1.5\n", "conn.log:1: the stream is dns, not conn; give a conn.log"),
        (b"#separator \\x09\n#path\tconn\n", "conn.log:2: invalid header: the log ends before a #fields line"),
        (b"#fields\n1.5\n", "conn.log:1: invalid header: #fields names no column"),
        (b"#separator \n#fields\tts\n1.5\n", "conn.log:1: invalid header: #separator is empty"),
        (
            b"#fields\tts\tuid\tts\n1.5\tC\t2.5\n",
            "conn.log:1: invalid header: #fields names ts twice; rename one of the columns",
        ),
    ] {
        let outcome = read(log, &["ts"]);
        assert_eq!(outcome, Outcome { error: Some(sentence.to_owned()), ..Outcome::default() });
    }
}

#[test]
fn reads_rows_before_damage() {
    let rows: String =
        (0..50_000u32).map(|i| format!("{i}.5\t{:08x}\t-\t1\n", i.wrapping_mul(2_654_435_761))).collect();
    let log = tsv(&rows).into_bytes();
    for (whole, kind) in [(gzip(&log), "gzip"), (zstd::encode_all(&log[..], 3).unwrap(), "zstd")] {
        let complete = read(whole.clone(), &["ts"]);
        assert_eq!((complete.rows.len(), complete.error), (50_000, None));
        let outcome = read(&whole[..whole.len() - 1000], &["ts"]);
        assert!(outcome.rows.len() > 25_000, "{}", outcome.rows.len());
        assert_eq!(outcome.bad.len(), 0, "the torn line is no row");
        let error = outcome.error.unwrap();
        let line = outcome.rows.len() + 8;
        assert!(error.starts_with(&format!("conn.log: the {kind} data is cut short after line {line} (")), "{error}");
    }
    let mut corrupt = gzip(&log);
    let middle = corrupt.len() / 2;
    corrupt[middle..middle + 100].fill(0x55);
    let outcome = read(corrupt, &["ts"]);
    assert!(outcome.rows.len() > 10_000, "{}", outcome.rows.len());
    assert!(outcome.error.unwrap().contains("the gzip data is damaged after line"));
}

//! Tests of reading: peculiarities of real Zeek logs, one per test.
#![expect(clippy::unwrap_used, reason = "the helpers of a test fail with it")]

mod common;

use std::fs;
use std::io::{Read, Write};

use common::{Outcome, conn, read, read_with};
use flate2::Compression;
use flate2::write::GzEncoder;
use proptest::prelude::*;
use zeek_log::{Block, ColumnSpec, ErrorKind, Input, ReadOptions, Reader, Row, find_inputs};

const HEADER: &str = "#separator \\x09\n#set_separator\t,\n#empty_field\t(empty)\n#unset_field\t-\n#path\tconn\n\
                      #open\t2024-01-01-00-00-00\n#fields\tts\tid.orig_h\tservice\torig_bytes\n\
                      #types\ttime\taddr\tset[string]\tcount\n";

fn tsv(rows: &str) -> String {
    format!("{HEADER}{rows}")
}

fn gzip(text: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(text).unwrap();
    encoder.finish().unwrap()
}

#[test]
fn separators_and_markers_are_those_of_the_header() {
    let log = "#separator \\x7c\n#set_separator|;\n#empty_field|EMPTY\n#unset_field|NULL\n#path|conn\n\
               #fields|ts|service|history\n#types|time|set[string]|string\n1.5|EMPTY|NULL\n2.5|ssl;http|-\n";
    let outcome = read(log, &["ts", "service", "history"]);
    assert_eq!(outcome.rows, [["1.5", "", "∅"], ["2.5", "ssl;http", "-"]]);
    assert_eq!((outcome.meta, outcome.error), (7, None));
}

#[test]
fn columns_are_found_by_name() {
    let log = "#path\tconn\n#fields\t_node_name\tts\tnew_column\torig_bytes\tip_proto\tcommunity_id\n\
               worker-1\t1.5\tx\t42\t6\t1:abc=\n";
    let outcome = read(log, &["orig_bytes", "ts", "no_such_column", "community_id", "ts"]);
    assert_eq!(outcome.rows, [["42", "1.5", "∅", "1:abc=", "1.5"]]);
}

#[test]
fn escapes_are_undone() {
    let outcome = read(tsv("1.5\ta\\x09b\\\\c\t\\x2d\t\\x28empty)\n"), &["id.orig_h", "service", "orig_bytes"]);
    assert_eq!(outcome.rows, [["a\tb\\c", "-", "(empty)"]]);
}

#[test]
fn header_in_mid_file_changes_the_columns() {
    let log = tsv("1.5\t10.0.0.1\t-\t1\n#close\t2024-01-01-01-00-00\n")
        + "#separator \\x09\n#path\tconn\n#fields\torig_bytes\tts\n#types\tcount\ttime\n2\t2.5\n"
        + "#fields\tts\torig_bytes\tuid\n3.5\t3\tC1\n";
    let outcome = read(log, &["ts", "orig_bytes", "uid"]);
    assert_eq!(outcome.rows, [["1.5", "1", "∅"], ["2.5", "2", "∅"], ["3.5", "3", "C1"]]);
    assert_eq!(outcome.error, None);
}

#[test]
fn repeated_header_keeps_the_layout() {
    let log = tsv("1.5\t10.0.0.1\t-\t1\n").repeat(2);
    let mut reader = Reader::from_read("conn.log", std::io::Cursor::new(log), &conn()).unwrap();
    let (mut first, mut second) = (Block::new(), Block::new());
    assert!(reader.next_block(&mut first).unwrap() && reader.next_block(&mut second).unwrap());
    assert!(std::sync::Arc::ptr_eq(first.layout(), second.layout()));
    assert_eq!((first.first_line(), second.first_line()), (1, 10));
}

#[test]
fn second_header_makes_another_layout() {
    let log = "#path\tconn\n#fields\tts\n#path\tconn\n#fields\tts\tuid\n1.5\tC1\n";
    let mut reader = Reader::from_read("conn.log", std::io::Cursor::new(log), &conn()).unwrap();
    let (mut block, mut layouts) = (Block::new(), Vec::new());
    while reader.next_block(&mut block).unwrap() {
        layouts.push((block.len(), block.layout().fields().len()));
    }
    assert_eq!(layouts, [(2, 1), (3, 2)]);
}

#[test]
fn close_may_have_a_date_or_none_or_be_missing() {
    for close in ["", "#close\n", "#close\t2024-01-01-01-00-00\n", "#close\t2024-01-01-01-00-00"] {
        let outcome = read(tsv(&format!("1.5\t10.0.0.1\t-\t1\n{close}")), &["ts"]);
        assert_eq!((outcome.rows.len(), outcome.bad.len(), outcome.error), (1, 0, None), "{close:?}");
    }
}

#[test]
fn header_and_close_alone_are_no_rows() {
    for close in ["", "#close\t2024-01-01-01-00-00\n"] {
        let outcome = read(tsv(close), &["ts"]);
        assert_eq!(outcome.meta, 8 + usize::from(!close.is_empty()));
        assert_eq!((outcome.rows.len(), outcome.error), (0, None));
    }
}

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
fn last_line_without_line_end_is_a_row() {
    assert_eq!(read(tsv("1.5\t10.0.0.1\t-\t1"), &["orig_bytes"]).rows, [["1"]]);
    assert_eq!(read("{\"ts\":1.5}", &["ts"]).rows, [["1.5"]]);
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
fn rows_without_a_header_are_refused_or_named() {
    let rows = "1.5\t10.0.0.1\t-\t1\n2.5\t10.0.0.2\tdns\t2\n";
    assert_eq!(
        read(rows, &["ts"]).error.unwrap(),
        "conn.log:1: 4 tab-separated columns without a #fields header; name them with --fields, \
         for example --fields ts,uid,id.orig_h,..."
    );
    let fields = ["ts", "id.orig_h", "service", "orig_bytes"].map(str::to_owned).to_vec();
    let options = conn().fields(fields);
    let columns = ["service", "orig_bytes"].map(ColumnSpec::new);
    assert_eq!(read_with(rows, &columns, &options).rows, [["∅", "1"], ["dns", "2"]]);
    let own = "#fields\torig_bytes\tservice\n1\tssl\n";
    assert_eq!(read_with(own, &columns, &options).rows, [["ssl", "1"]], "the log's own header has precedence");
}

#[test]
fn splits_packed_labels() {
    let log = "#path\tconn\n#fields\tts\ttunnel_parents   label   detailed-label\n\
               #types\ttime\tset[string]   string   string\n\
               1.5\t(empty)   Malicious   PartOfAHorizontalPortScan\n2.5\t-   Benign   -\n3.5\t-   Benign\n";
    let columns = [
        ColumnSpec::new("tunnel_parents"),
        ColumnSpec::new("label"),
        ColumnSpec::with_aliases("detailedlabel", &["detailed-label"]),
    ];
    let outcome = read_with(log, &columns, &conn());
    assert_eq!(outcome.rows, [["", "Malicious", "PartOfAHorizontalPortScan"], ["∅", "Benign", "∅"]]);
    assert_eq!(
        outcome.bad,
        ["conn.log:6: field tunnel_parents: 2 values, separated by three spaces, but the header names 3"]
    );
}

#[test]
fn rows_stay_in_the_order_of_the_file() {
    let outcome = read(tsv("12.533697\ta\t-\t1\n6.834947\tb\t-\t1\n0.000000\tc\t-\t1\n"), &["ts"]);
    assert_eq!(outcome.rows, [["12.533697"], ["6.834947"], ["0.000000"]]);
}

#[test]
fn all_json_key_styles_name_the_same_columns() {
    let columns = [
        ColumnSpec::with_aliases("ts", &["@timestamp"]),
        ColumnSpec::with_aliases("id.orig_h", &["id_orig_h", "source.ip"]),
        ColumnSpec::with_aliases("conn_state", &["zeek.connection.state"]),
    ];
    for row in [
        r#"{"ts":1.5,"id.orig_h":"10.0.0.1","conn_state":"SF"}"#,
        r#"{"@stream":"conn","ts":1.5,"id_orig_h":"10.0.0.1","conn_state":"SF"}"#,
        r#"{"_path":"conn","_write_ts":"2024-01-01T00:00:00Z","ts":1.5,"id.orig_h":"10.0.0.1","conn_state":"SF"}"#,
        r#"{"ts":1.5,"id":{"orig_h":"10.0.0.1","resp_h":"10.0.0.2"},"conn_state":"SF"}"#,
        r#"{"@timestamp":1.5,"source":{"ip":"10.0.0.1"},"zeek":{"connection":{"state":"SF","x":[]}}}"#,
        r#"{"@timestamp":1.5,"source.ip":"10.0.0.1","zeek.connection.state":"SF"}"#,
        r#"{"@timestamp":1.5,"source.ip":"10.0.0.1","zeek.connection":{"state":"SF"}}"#,
        r#"{"@timestamp":1.5,"source.ip":"10.0.0.1","zeek":{"connection.state":"SF"}}"#,
        r#" { "\u0074s" : 1.5 , "id.orig_h" : "10\u002e0.0.1" , "conn_state" : "SF" } "#,
        r#"{"source.ip":"10.9.9.9","@timestamp":9.9,"ts":1.5,"id.orig_h":"10.0.0.1","conn_state":"SF","zeek":1}"#,
    ] {
        assert_eq!(read_with(row, &columns, &conn()).rows, [["1.5", "10.0.0.1", "SF"]], "{row}");
    }
}

#[test]
fn first_name_has_precedence_at_any_position() {
    let columns = [ColumnSpec::with_aliases("a", &["b", "c"]), ColumnSpec::new("b")];
    for (row, expected) in [
        (r#"{"a":1,"b":2,"c":3}"#, ["1", "2"]),
        (r#"{"c":3,"b":2,"a":1}"#, ["1", "2"]),
        (r#"{"c":3,"b":2}"#, ["2", "2"]),
        (r#"{"b":2,"a":null,"c":3}"#, ["2", "2"]),
        (r#"{"a":null,"c":3}"#, ["3", "∅"]),
        (r#"{"a":1,"a":4}"#, ["4", "∅"]),
        (r#"{"a":1,"a":null}"#, ["∅", "∅"]),
    ] {
        assert_eq!(read_with(row, &columns, &conn()).rows, [expected], "{row}");
    }
    let log = "#fields\tc\tb\n3\t2\n";
    assert_eq!(read_with(log, &columns, &conn()).rows, [["2", "2"]]);
}

#[test]
fn row_can_be_reused_with_any_binding() {
    let log = "{\"a\":1,\"b\":2}\n{\"a\":3,\"b\":4}\n";
    let mut reader = Reader::from_read("conn.log", std::io::Cursor::new(log), &conn()).unwrap();
    let (mut block, mut row) = (Block::new(), Row::new());
    assert!(reader.next_block(&mut block).unwrap());
    for (name, expected) in [("a", ["1", "3"]), ("b", ["2", "4"]), ("a", ["1", "3"])] {
        let binding = block.layout().bind(&[ColumnSpec::new(name)]);
        for (line, expected) in block.lines().zip(expected) {
            binding.parse(&line, &mut row).unwrap();
            assert_eq!(row.get(0), Some(expected.as_bytes()));
        }
    }
}

#[test]
fn spaces_may_change_from_row_to_row() {
    let log = "{\"ts\":1.5,\"uid\":\"a\"}\n{\"ts\": 2.5, \"uid\" :  \"b\" }\n{ \"ts\" :3.5,\"uid\": \"c\"}\n{\"ts\":4.5,\"uid\":\"d\"}\n";
    let outcome = read(log, &["ts", "uid"]);
    assert_eq!(outcome.bad, [] as [&str; 0]);
    assert_eq!(outcome.rows, [["1.5", "a"], ["2.5", "b"], ["3.5", "c"], ["4.5", "d"]]);
}

#[test]
fn recognizes_rows_of_other_streams() {
    let log = "{\"_path\":\"dns\",\"ts\":1.5}\n{\"_path\":\"conn\",\"ts\":2.5}\n{\"@stream\":\"http\",\"ts\":3.5}\n\
               {\"ts\":4.5,\"@stream\":\"conn\"}\n{\"ts\":5.5}\n{\"ts\":6.5,\"_path\":\"c\\u006fnn\"}\n";
    let outcome = read(log, &["ts"]);
    assert_eq!((outcome.rows.concat(), outcome.other), (["2.5", "4.5", "5.5", "6.5"].map(str::to_owned).to_vec(), 2));
    let any = read_with(log, &[ColumnSpec::new("ts")], &ReadOptions::new());
    assert_eq!((any.rows.len(), any.other), (6, 0));
}

#[test]
fn a_missing_key_or_null_is_unset() {
    let outcome = read("{\"ts\":1.5,\"service\":null}\n{\"service\":\"\"}\n{}\n", &["ts", "service"]);
    assert_eq!(outcome.rows, [["1.5", "∅"], ["∅", ""], ["∅", "∅"]]);
}

#[test]
fn columns_keep_their_values_when_keys_change_places() {
    let log = "{\"a\":1,\"b\":2,\"c\":3}\n{\"c\":6,\"a\":4}\n{\"x\":0,\"b\":8,\"a\":7}\n{\"a\":1,\"b\":2,\"c\":3}\n";
    let outcome = read(log, &["a", "b", "c"]);
    assert_eq!(outcome.rows, [["1", "2", "3"], ["4", "∅", "6"], ["7", "8", "∅"], ["1", "2", "3"]]);
}

#[test]
fn a_set_has_elements_in_every_format() {
    let logs = [
        tsv("1.5\ta\tssl,ht\\x2ctp\t1\n"),
        r#"{"service":["ssl","ht\u002ctp"]}"#.to_owned(),
        tsv("1.5\ta\t(empty)\t1\n"),
        r#"{"service":[]}"#.to_owned(),
        r#"{"service":"ssl,http"}"#.to_owned(),
        tsv("1.5\ta\t-\t1\n"),
    ];
    let expected = [
        Some(vec!["ssl", "ht,tp"]),
        Some(vec!["ssl", "ht,tp"]),
        Some(vec![]),
        Some(vec![]),
        Some(vec!["ssl", "http"]),
        None,
    ];
    for (log, expected) in logs.into_iter().zip(expected) {
        let mut reader = Reader::from_read("conn.log", std::io::Cursor::new(log.clone()), &conn()).unwrap();
        let (mut block, mut row) = (Block::new(), Row::new());
        assert!(reader.next_block(&mut block).unwrap());
        let line = block.lines().last().unwrap();
        block.layout().bind(&[ColumnSpec::new("service")]).parse(&line, &mut row).unwrap();
        let elements =
            row.elements(0).map(|e| e.map(|e| String::from_utf8(e.into_owned()).unwrap()).collect::<Vec<_>>());
        assert_eq!(elements, expected.map(|e| e.into_iter().map(str::to_owned).collect()), "{log}");
    }
}

#[test]
fn windows_line_ends_and_byte_order_marks_are_no_part_of_a_row() {
    let log = format!("\u{feff}{}", tsv("1.5\t10.0.0.1\t-\t1\n")).replace('\n', "\r\n");
    assert_eq!(read(log, &["ts", "orig_bytes"]).rows, [["1.5", "1"]]);
    assert_eq!(read("\u{feff}{\"ts\":1.5}\r\n\r\n{\"ts\":2.5}\r", &["ts"]).rows, [["1.5"], ["2.5"]]);
}

#[test]
fn fields_can_contain_any_bytes() {
    let log = [HEADER.as_bytes(), b"1.5\ta\0\xff\xfeb\t-\t1\n"].concat();
    assert_eq!(read(log, &["id.orig_h"]).rows, [["a\0\u{fffd}\u{fffd}b"]]);
    let outcome = read(&b"{\"uid\":\"\xff\",\"ts\":1.5}\n"[..], &["uid", "ts"]);
    assert_eq!(outcome.rows, [["\u{fffd}", "1.5"]]);
}

#[test]
fn tsv_and_json_may_follow_one_another() {
    let log = tsv("1.5\ta\t-\t1\n") + "{\"ts\":2.5}\n" + &tsv("{\"a\":\t{\t{\t}\n") + &tsv("") + "{\"ts\":3.5}\n";
    let outcome = read(log, &["ts"]);
    assert_eq!(outcome.rows, [["1.5"], ["2.5"], ["{\"a\":"], ["3.5"]]);
    assert_eq!((outcome.error, outcome.bad.len()), (None, 0));
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
fn tiny_frames_give_the_same_rows() {
    let log = tsv("1.5\ta\t-\t1\n2.5\tb\r\n3.5\tc\t-\t3\n{\"ts\":4.5}\n{\"ts\":5.5}");
    let frames: Vec<u8> = log.bytes().flat_map(|byte| zstd::encode_all(&[byte][..], 0).unwrap()).collect();
    let outcome = read(frames, &["ts"]);
    assert_eq!((outcome.rows.len(), outcome.bad.len(), &outcome.error), (4, 1, &None));
    assert_eq!(outcome, read(log, &["ts"]));
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
        (b"#path\tdns\n#fields\tts\n1.5\n", "conn.log:1: the stream is dns, not conn"),
        (b"#separator \\x09\n#path\tconn\n", "conn.log:2: invalid header: the log ends before a #fields line"),
        (b"#fields\n1.5\n", "conn.log:1: invalid header: #fields names no column"),
        (b"#separator \n#fields\tts\n1.5\n", "conn.log:1: invalid header: #separator is empty"),
    ] {
        let outcome = read(log, &["ts"]);
        assert_eq!(outcome, Outcome { error: Some(sentence.to_owned()), ..Outcome::default() });
    }
}

#[test]
fn recognizes_another_stream_in_mid_file() {
    let dns = "#separator \\x09\n#path\tdns\n#fields\tts\tquery\n2.5\texample.com\n";
    let log = tsv("1.5\ta\t-\t1\n") + dns + "3.5\tb\t-\t3\n" + dns + &tsv("4.5\tc\t-\t4\n");
    let outcome = read(log, &["ts"]);
    assert_eq!(outcome.rows, [["1.5"], ["3.5"], ["4.5"]]);
    assert_eq!((outcome.other, outcome.bad.len(), outcome.error), (2, 0, None));
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

#[test]
fn directories_of_rotated_logs_are_read_in_order() {
    let directory = tempfile::tempdir().unwrap();
    let path = |name: &str| directory.path().join(name);
    for day in ["2024-04-20", "2024-04-19"] {
        fs::create_dir(path(day)).unwrap();
        for name in [
            "conn.08:00:00-09:00:00.log.gz",
            "conn.07:00:00-08:00:00.log.gz",
            "conn_20240419_09:00:00-10:00:00+0000.log.gz",
        ] {
            fs::write(path(day).join(name), gzip(tsv(&format!("1.5\t{day}/{name}\t-\t1\n")).as_bytes())).unwrap();
        }
        for name in [
            "conn-summary.07:00:00-08:00:00.log.gz",
            "open_conn.07:00:00-08:00:00.log.gz",
            "dns.07:00:00-08:00:00.log.gz",
            "conn.log.d",
            ".conn.log.part",
        ] {
            fs::write(path(day).join(name), "not to be read").unwrap();
        }
    }
    fs::write(path("conn.log"), tsv("1.5\tconn.log\t-\t1\n")).unwrap();
    let elsewhere = tempfile::tempdir().unwrap();
    fs::write(elsewhere.path().join("conn.log"), tsv("1.5\tspool/conn.log\t-\t1\n")).unwrap();
    #[cfg(unix)]
    {
        std::os::unix::fs::symlink(directory.path(), path("2024-04-19/loop")).unwrap();
        std::os::unix::fs::symlink(path("2024-04-20"), path("latest")).unwrap();
        std::os::unix::fs::symlink(path("nowhere"), path("conn.nowhere.log")).unwrap();
        std::os::unix::fs::symlink(elsewhere.path(), path("spool")).unwrap();
    }
    let (mut block, mut row, mut origins) = (Block::new(), Row::new(), Vec::new());
    let inputs = find_inputs([directory.path()], "conn").unwrap();
    assert_eq!(inputs.ignored, 10);
    for input in inputs.found {
        let mut reader = Reader::open(&input, &conn()).unwrap();
        while reader.next_block(&mut block).unwrap() {
            let binding = block.layout().bind(&[ColumnSpec::new("id.orig_h")]);
            let line = block.lines().last().unwrap();
            binding.parse(&line, &mut row).unwrap();
            origins.push(String::from_utf8(row.get(0).unwrap().to_vec()).unwrap());
        }
    }
    assert_eq!(
        origins,
        [
            "2024-04-19/conn.07:00:00-08:00:00.log.gz",
            "2024-04-19/conn.08:00:00-09:00:00.log.gz",
            "2024-04-19/conn_20240419_09:00:00-10:00:00+0000.log.gz",
            "2024-04-20/conn.07:00:00-08:00:00.log.gz",
            "2024-04-20/conn.08:00:00-09:00:00.log.gz",
            "2024-04-20/conn_20240419_09:00:00-10:00:00+0000.log.gz",
            "conn.log",
            #[cfg(unix)]
            "spool/conn.log",
        ]
    );
}

#[cfg(unix)]
#[test]
fn links_that_fork_at_each_directory_are_followed_once() {
    let directory = tempfile::tempdir().unwrap();
    let level = |i: u32| directory.path().join(i.to_string());
    for i in 0..35 {
        fs::create_dir(level(i)).unwrap();
        for link in ["a", "b"] {
            std::os::unix::fs::symlink(level(i + 1), level(i).join(link)).unwrap();
        }
    }
    fs::create_dir(level(35)).unwrap();
    fs::write(level(35).join("conn.log"), tsv("")).unwrap();
    let inputs = find_inputs([level(0)], "conn").unwrap();
    assert_eq!((inputs.found.len(), inputs.ignored), (1, 0));
}

#[test]
fn arguments_become_inputs() {
    let directory = tempfile::tempdir().unwrap();
    let odd = directory.path().join("whatever.txt");
    fs::write(&odd, tsv("")).unwrap();
    let inputs = find_inputs(["-".as_ref(), odd.as_os_str()], "conn").unwrap().found;
    assert_eq!(inputs, [Input::Stdin, Input::File(odd.clone())]);
    let error = find_inputs([directory.path()], "conn").unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::NoLogs { .. }));
    assert!(error.to_string().contains("none of the 1 files in this directory and below it is named like a conn log"));
    let error = find_inputs([directory.path().join("missing.log")], "conn").unwrap_err();
    assert!(error.to_string().ends_with("missing.log: there is no such file or directory; check the name"));
}

proptest! {
    #[test]
    fn blocks_of_any_size_give_the_same_rows(block_size in 1usize..600) {
        let log = format!("{}{}\r\n\n{{\"ts\":9.5,\"orig_bytes\":7}}\n# remark\n{{\"ts\":\n{{\"ts\":10.5}}",
                          tsv("1.5\t10.0.0.1\t-\t1\n2.5\t10.0.0.2\tdns\t22\n3.5\t-\n#close\t2024-01-01-00-00-00\n"),
                          tsv("4.5\t10.0.0.1\t-\t1\n5.5\t10.0.0.2\tdns\t22"));
        let columns = ["ts", "service", "orig_bytes"].map(ColumnSpec::new);
        let whole = read_with(log.clone(), &columns, &conn());
        prop_assert_eq!((whole.rows.len(), whole.bad.len(), &whole.error), (6, 2, &None));
        let options = conn().block_size(block_size);
        prop_assert_eq!(read_with(log, &columns, &options), whole);
    }

    #[test]
    fn arbitrary_input_does_not_panic(
        log in prop::collection::vec(prop::sample::select(&b"#fields\tpath{}\":1,\\x-\r\n\n\0\xff[]"[..]), 0..400),
        header: bool,
        block_size in 1usize..100,
        max_line in 1usize..200,
    ) {
        let log = if header { [HEADER.as_bytes(), &log].concat() } else { log };
        let lines = log.iter().filter(|b| **b == b'\n').count() + usize::from(log.last().is_some_and(|b| *b != b'\n'));
        let columns = ["ts", "service", "path", "1"].map(ColumnSpec::new);
        let options = ReadOptions::new().block_size(block_size).max_line(max_line);
        let outcome = read_with(log, &columns, &options);
        let counted = outcome.rows.len() + outcome.bad.len() + outcome.other + outcome.meta;
        prop_assert!(counted == lines || outcome.error.is_some() && counted < lines, "{counted} of {lines} lines");
    }

    #[test]
    fn lines_concatenate_to_the_input(text in "[a-z\t\r\n{}]{0,200}", block_size in 1usize..300) {
        let log = tsv(&text);
        let mut reader = Reader::from_read("x", std::io::Cursor::new(log.clone()), &conn().block_size(block_size)).unwrap();
        let (mut block, mut together) = (Block::new(), Vec::new());
        while reader.next_block(&mut block).unwrap() {
            block.lines().for_each(|line| together.extend_from_slice(line.raw()));
        }
        prop_assert_eq!(String::from_utf8(together).unwrap(), log);
    }
}

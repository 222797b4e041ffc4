//! Tests of reading: peculiarities of real Zeek logs, one per test.

use crate::common::{HEADER, conn, read, read_with, tsv};
use proptest::prelude::*;
use zeek_log::{Block, ColumnSpec, ReadOptions, Reader, Row};

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
fn last_line_without_line_end_is_a_row() {
    assert_eq!(read(tsv("1.5\t10.0.0.1\t-\t1"), &["orig_bytes"]).rows, [["1"]]);
    assert_eq!(read("{\"ts\":1.5}", &["ts"]).rows, [["1.5"]]);
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
fn tiny_frames_give_the_same_rows() {
    let log = tsv("1.5\ta\t-\t1\n2.5\tb\r\n3.5\tc\t-\t3\n{\"ts\":4.5}\n{\"ts\":5.5}");
    let frames: Vec<u8> = log.bytes().flat_map(|byte| zstd::encode_all(&[byte][..], 0).unwrap()).collect();
    let outcome = read(frames, &["ts"]);
    assert_eq!((outcome.rows.len(), outcome.bad.len(), &outcome.error), (4, 1, &None));
    assert_eq!(outcome, read(log, &["ts"]));
}

#[test]
fn recognizes_another_stream_in_mid_file() {
    let dns = "#separator \\x09\n#path\tdns\n#fields\tts\tquery\n2.5\texample.com\n";
    let log = tsv("1.5\ta\t-\t1\n") + dns + "3.5\tb\t-\t3\n" + dns + &tsv("4.5\tc\t-\t4\n");
    let outcome = read(log, &["ts"]);
    assert_eq!(outcome.rows, [["1.5"], ["3.5"], ["4.5"]]);
    assert_eq!((outcome.other, outcome.bad.len(), outcome.error), (2, 0, None));
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

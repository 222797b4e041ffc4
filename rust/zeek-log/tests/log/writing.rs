//! Tests of added columns and of output destinations.

use std::fs;
use std::io::{Cursor, Read};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;

use crate::common::{conn, read};
use proptest::prelude::*;
use zeek_log::{Appender, Block, Error, ErrorKind, LineKind, NewField, Output, Reader};

fn field(name: &str, zeek_type: &str) -> NewField {
    NewField { name: name.to_owned(), zeek_type: zeek_type.to_owned() }
}

/// Returns the log with these values added to every row.
fn append(log: impl Into<Vec<u8>>, fields: &[NewField], values: &[Option<&[u8]>]) -> Result<Vec<u8>, String> {
    let mut reader = Reader::from_read("conn.log", Cursor::new(log.into()), &conn()).unwrap();
    let (mut block, mut out) = (Block::new(), Vec::new());
    while reader.next_block(&mut block).map_err(|error| error.to_string())? {
        let appender = Appender::new(block.layout(), fields);
        for line in block.lines() {
            match line.kind() {
                LineKind::Meta => appender.header(&line, &mut out),
                _ => appender.append(&line, values, &mut out).map_err(|error| error.to_string())?,
            }
        }
    }
    Ok(out)
}

fn score(log: &str, value: Option<&str>) -> String {
    String::from_utf8(append(log, &[field("anomaly_score", "double")], &[value.map(str::as_bytes)]).unwrap()).unwrap()
}

#[test]
fn tsv_gets_a_column_and_keeps_every_other_byte() {
    let log = "#separator \\x09\n#set_separator\t,\n#unset_field\t-\n#path\tconn\n#fields\tts\tservice\n\
               #types\ttime\tset[string]\n1.500000\tssl,ht\\x2ctp\n# remark\n\n2.500000\t-\n#close\t2024\n";
    let scored = score(log, Some("0.75"));
    let expected = log
        .replace("\tservice\n", "\tservice\tanomaly_score\n")
        .replace("set[string]\n", "set[string]\tdouble\n")
        .replace("ht\\x2ctp\n", "ht\\x2ctp\t0.75\n")
        .replace("2.500000\t-\n", "2.500000\t-\t0.75\n");
    assert_eq!(scored, expected);
    assert!(score(log, None).contains("2.500000\t-\t-\n"));
}

#[test]
fn json_gets_a_key_and_keeps_every_other_byte() {
    let log = "{\"ts\":1.50,\"x\" : [ ]}\n{ }\n{\"a\":{}} \r\n";
    assert_eq!(
        score(log, Some("0.75")),
        "{\"ts\":1.50,\"x\" : [ ],\"anomaly_score\":0.75}\n{ \"anomaly_score\":0.75}\n\
         {\"a\":{},\"anomaly_score\":0.75} \r\n"
    );
    assert_eq!(score(log, None), log);
}

#[test]
fn replaces_existing_tsv_columns() {
    for (names, rows, expected) in [
        ("anomaly_score\tts", "0.1\t1.5\n", "0.75\t1.5\n"),
        ("ts\tanomaly_score\tuid", "1.5\t-\tC1\n", "1.5\t0.75\tC1\n"),
        ("ts\tlabel   anomaly_score   x", "1.5\tBenign   0.1   -\n", "1.5\tBenign   0.75   -\n"),
    ] {
        let log = format!("#path\tconn\n#fields\t{names}\n{rows}#close\n");
        assert_eq!(score(&log, Some("0.75")), format!("#path\tconn\n#fields\t{names}\n{expected}#close\n"));
    }
    let log = "#path\tconn\n#fields\tanomaly_score\n0.1\n";
    assert!(score(log, Some("#1")).ends_with("\n\\x231\n"), "or it would be a comment");
    let log = "#path\tconn\n#fields\tts\tanomaly_score\n#types\ttime\tstring\n1.5\t0.1\n";
    assert_eq!(score(log, None), "#path\tconn\n#fields\tts\tanomaly_score\n#types\ttime\tdouble\n1.5\t-\n");
    let short = append("#fields\tts\tanomaly_score\n1.5\n", &[field("anomaly_score", "double")], &[Some(b"0.75")]);
    assert_eq!(short.unwrap_err(), "conn.log:2: 1 columns, but the header names 2");
}

#[test]
fn extends_headers_with_any_separator() {
    for (header, extended) in [
        ("#fields ts\tuid\n#types time\tstring\n", "#fields ts\tuid\tanomaly_score\n#types time\tstring\tdouble\n"),
        ("#separator |\n#fields\tts|uid\n", "#separator |\n#fields\tts|uid|anomaly_score\n"),
    ] {
        let row = if header.contains('|') { "1.5|C1" } else { "1.5\tC1" };
        let scored = score(&format!("{header}{row}\n"), Some("0.75"));
        assert!(scored.starts_with(extended), "{scored}");
        assert_eq!(score(&scored, Some("0.75")), scored, "it is found again");
    }
}

#[test]
fn rows_of_another_stream_are_copied_unchanged() {
    let dns = "#path\tdns\n#fields\tts\tquery\n";
    let scored = score(&format!("#path\tconn\n#fields\tts\tuid\n1.5\tC1\n{dns}"), Some("0.75"));
    assert_eq!(scored, format!("#path\tconn\n#fields\tts\tuid\tanomaly_score\n1.5\tC1\t0.75\n{dns}"));
}

#[test]
fn replaces_existing_json_keys() {
    for (row, expected, removed) in [
        (r#"{"anomaly_score":0.1,"ts":1}"#, r#"{"anomaly_score":0.75,"ts":1}"#, r#"{"ts":1}"#),
        (
            r#"{"ts":1, "anomaly_score": null, "x":2}"#,
            r#"{"ts":1, "anomaly_score": 0.75, "x":2}"#,
            r#"{"ts":1, "x":2}"#,
        ),
        (r#"{"ts":1,"anomaly_score":[{}]}"#, r#"{"ts":1,"anomaly_score":0.75}"#, r#"{"ts":1}"#),
        (r#"{"anomaly_score":0.1}"#, r#"{"anomaly_score":0.75}"#, "{}"),
        (r#"{"ts":1,"anomaly\u005fscore":0}"#, r#"{"ts":1,"anomaly\u005fscore":0.75}"#, r#"{"ts":1}"#),
        (r#"{"ts":"anomaly_score"}"#, r#"{"ts":"anomaly_score","anomaly_score":0.75}"#, r#"{"ts":"anomaly_score"}"#),
        (
            r#"{"x":{"anomaly_score":1}}"#,
            r#"{"x":{"anomaly_score":1},"anomaly_score":0.75}"#,
            r#"{"x":{"anomaly_score":1}}"#,
        ),
    ] {
        assert_eq!(score(row, Some("0.75")), format!("{expected}\n"));
        assert_eq!(score(row, None), format!("{removed}\n"));
    }
}

#[test]
fn values_are_written_as_zeek_writes_them() {
    let fields = [("d", "double"), ("b", "bool"), ("s", "string"), ("v", "string"), ("c", "count")]
        .map(|(name, zeek_type)| field(name, zeek_type));
    for (values, tsv, json) in [
        (
            [Some(&b"0.5"[..]), Some(b"T"), Some(b"a\tb\\\"\n"), Some(b"a,\xff"), Some(b"12")],
            "0.5\tT\ta\\x09b\\\\\"\\x0a\ta,\\xff\t12",
            r#""d":0.5,"b":true,"s":"a\tb\\\"\n","v":"a,\\xff","c":12"#,
        ),
        (
            [Some(b"nan"), Some(b"F"), Some(b"-"), Some(b""), None],
            "nan\tF\t\\x2d\t(empty)\t-",
            r#""d":"nan","b":false,"s":"-","v":"""#,
        ),
        (
            [Some(b"1e-5"), Some(b"x"), Some(b"(empty)"), Some(b""), Some(b"")],
            "1e-5\tx\t\\x28empty)\t(empty)\t(empty)",
            r#""d":1e-5,"b":"x","s":"(empty)","v":"","c":"""#,
        ),
    ] {
        let out = String::from_utf8(append("#path\tconn\n#fields\tts\n1.5\n", &fields, &values).unwrap()).unwrap();
        assert_eq!(out.lines().last().unwrap(), format!("1.5\t{tsv}"));
        let out = String::from_utf8(append("{\"ts\":1.5}\n", &fields, &values).unwrap()).unwrap();
        assert_eq!(out, format!("{{\"ts\":1.5,{json}}}\n"));
    }
}

#[test]
fn line_ends_are_kept_and_the_last_is_added() {
    let log = "#path\tconn\n#fields\tts\n1.5\n2.5";
    assert!(score(log, Some("1")).ends_with("1.5\t1\n2.5\t1\n"));
    let log = log.replace('\n', "\r\n");
    assert!(score(&log, Some("1")).ends_with("anomaly_score\r\n1.5\t1\r\n2.5\t1\r\n"));
    assert!(score(&format!("{log}\r\n#close"), Some("1")).ends_with("2.5\t1\r\n#close\r\n"));
    assert_eq!(score("{}\r\n{}", Some("1")), "{\"anomaly_score\":1}\r\n{\"anomaly_score\":1}\r\n");
}

#[test]
fn rejects_rows_that_are_not_objects_without_output() {
    for row in ["{\"ts\":1.5", "{\"anomaly_score\":1", "{\"anomaly_score\" 1}"] {
        let mut reader = Reader::from_read("conn.log", Cursor::new(row), &conn()).unwrap();
        let (mut block, mut out) = (Block::new(), b"before".to_vec());
        assert!(reader.next_block(&mut block).unwrap());
        let appender = Appender::new(block.layout(), &[field("anomaly_score", "double")]);
        let error = appender.append(&block.lines().next().unwrap(), &[Some("1")], &mut out).unwrap_err();
        assert!(error.to_string().starts_with("conn.log:1: invalid JSON at byte "), "{error}");
        assert_eq!(out, b"before");
    }
}

#[test]
fn output_is_compressed_by_the_name_of_the_file() {
    let directory = tempfile::tempdir().unwrap();
    let text = "#path\tconn\n#fields\tts\n".to_owned() + &"1.5\n".repeat(100_000);
    for (name, magic) in [("a.log", &b"#"[..]), ("a.log.gz", b"\x1f\x8b"), ("a.log.zst", b"\x28\xb5\x2f\xfd")] {
        let path = directory.path().join(name);
        let mut output = Output::create(&path).unwrap();
        text.as_bytes().chunks(70_000).for_each(|chunk| output.write(chunk).unwrap());
        assert!(!path.exists(), "not under its name before it is complete");
        output.finish().unwrap();
        let bytes = fs::read(&path).unwrap();
        assert!(bytes.starts_with(magic));
        assert_eq!(read(bytes, &["ts"]).rows.len(), 100_000);
    }
    assert_eq!(names(directory.path()), ["a.log", "a.log.gz", "a.log.zst"]);
}

#[test]
fn dropped_output_leaves_no_file() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("a.log.gz");
    fs::write(&path, "old").unwrap();
    let mut output = Output::create(&path).unwrap();
    output.write(&[0; 1 << 20]).unwrap();
    drop(output);
    assert_eq!(fs::read(&path).unwrap(), b"old");
    assert_eq!(names(directory.path()), ["a.log.gz"]);
    let error = Output::create(&directory.path().join("missing/a.log")).unwrap_err();
    assert!(error.to_string().contains("a.log: cannot be written: there is no directory "), "{error}");
    assert!(matches!(Output::create(directory.path()).unwrap_err().kind(), ErrorKind::Write(_)));
}

fn names(directory: &Path) -> Vec<String> {
    let mut names: Vec<_> =
        fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

fn write(path: &Path, text: &str) -> Result<(), Error> {
    let mut output = Output::create(path)?;
    output.write(text.as_bytes())?;
    output.finish()
}

#[test]
fn replaces_a_link_and_leaves_its_target() {
    let directory = tempfile::tempdir().unwrap();
    let (target, link) = (directory.path().join("target"), directory.path().join("link"));
    fs::write(&target, "precious").unwrap();
    symlink(&target, &link).unwrap();
    write(&link, "new").unwrap();
    assert_eq!(fs::read_to_string(&target).unwrap(), "precious");
    assert_eq!(fs::read_to_string(&link).unwrap(), "new");
    assert!(fs::symlink_metadata(&link).unwrap().is_file());
    let device = directory.path().join("device");
    symlink("/dev/null", &device).unwrap();
    write(&device, "new").unwrap();
    assert_eq!(fs::read_to_string(&device).unwrap(), "new");
}

#[test]
fn keeps_permissions_of_a_replaced_file() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("a.log");
    let mode = || fs::metadata(&path).unwrap().permissions().mode() & 0o777;
    write(&path, "new").unwrap();
    assert_eq!(mode() & 0o600, 0o600);
    // Not even the umask changes them.
    for kept in [0o640, 0o666] {
        fs::set_permissions(&path, fs::Permissions::from_mode(kept)).unwrap();
        write(&path, "newer").unwrap();
        assert_eq!(mode(), kept);
    }
}

#[cfg(target_os = "linux")]
#[test]
fn distinguishes_full_devices_from_closed_pipes() {
    let full = write(Path::new("/dev/full"), "x").unwrap_err();
    assert!(matches!(full.kind(), ErrorKind::Write(_)), "{full}");
    assert!(fs::symlink_metadata("/dev/full").is_ok_and(|m| !m.is_file()), "the device is still there");

    let (reader, writer) = std::io::pipe().unwrap();
    let descriptor = std::os::fd::AsRawFd::as_raw_fd(&writer);
    let mut output = Output::create(Path::new(&format!("/dev/fd/{descriptor}"))).unwrap();
    drop(reader);
    let result = output.write(&[0; 1 << 20]).and_then(|()| output.finish());
    assert!(matches!(result.as_ref().unwrap_err().kind(), ErrorKind::BrokenPipe), "{result:?}");
}

#[cfg(target_os = "linux")]
#[test]
fn directories_below_dev_are_ordinary() {
    let shared = tempfile::tempdir_in("/dev/shm").unwrap();
    let elsewhere = tempfile::tempdir().unwrap();
    let (target, path) = (elsewhere.path().join("target"), shared.path().join("a.log"));
    write(&path, "first").unwrap();
    assert_eq!(fs::read_to_string(&path).unwrap(), "first");
    write(&path, "2nd").unwrap();
    assert_eq!(fs::read_to_string(&path).unwrap(), "2nd");
    for planted in [target.as_path(), Path::new("/dev/null"), Path::new("/dev/stdout")] {
        fs::write(&target, "precious").unwrap();
        fs::remove_file(&path).unwrap();
        symlink(planted, &path).unwrap();
        write(&path, "new").unwrap();
        assert_eq!(fs::read_to_string(&target).unwrap(), "precious");
        assert!(fs::symlink_metadata(&path).unwrap().is_file(), "{}", planted.display());
        assert_eq!(fs::read_to_string(&path).unwrap(), "new");
    }
}

#[cfg(target_os = "linux")]
#[test]
fn descriptor_paths_append_to_the_file() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("a.log");
    fs::write(&path, "before, ").unwrap();
    let file = fs::OpenOptions::new().write(true).open(&path).unwrap();
    let descriptor = std::os::fd::AsRawFd::as_raw_fd(&file);
    write(Path::new(&format!("/dev/fd/{descriptor}")), "after").unwrap();
    assert_eq!(fs::read_to_string(&path).unwrap(), "before, after");
    assert_eq!(names(directory.path()), ["a.log"]);
}

#[test]
fn rejects_sockets() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("socket");
    let _socket = std::os::unix::net::UnixListener::bind(&path).unwrap();
    let error = write(&path, "x").unwrap_err();
    assert!(error.to_string().ends_with("socket: cannot be written: it is a socket; write to a file or a pipe"));
}

#[test]
fn writes_to_a_named_pipe() {
    let (mut reader, writer) = std::io::pipe().unwrap();
    let descriptor = std::os::fd::AsRawFd::as_raw_fd(&writer);
    write(Path::new(&format!("/dev/fd/{descriptor}")), "through").unwrap();
    drop(writer);
    let mut text = String::new();
    reader.read_to_string(&mut text).unwrap();
    assert_eq!(text, "through");
}

/// Text with many bytes that need escaping.
fn text() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        prop::collection::vec(prop::sample::select(&b"ab\\x2-,(\t\n\r\"{}#\0\xc3\xa9\xff"[..]), 0..12),
        Just(b"-".to_vec()),
        Just(b"(empty)".to_vec()),
    ]
}

proptest! {
    #[test]
    fn tsv_rows_survive_a_round_trip_with_the_new_value(old in "[a-z0-9,]{1,8}", new in text()) {
        let log = format!("#path\tconn\n#fields\tts\tuid\n1.5\t{old}\n");
        let out = append(log.clone(), &[field("new", "string")], &[Some(&new)]).unwrap();
        let row = format!("1.5\t{old}\t").into_bytes();
        prop_assert!(out.windows(row.len()).any(|w| w == row));
        let outcome = read(out.clone(), &["ts", "uid", "new"]);
        let lossy = String::from_utf8_lossy(&new).into_owned();
        prop_assert_eq!(outcome.rows, [["1.5".to_owned(), old, lossy]]);
        // Writing the old value over the new one, and the new one again, changes nothing.
        let again = append(out.clone(), &[field("new", "string")], &[Some(b"other")]).unwrap();
        prop_assert_eq!(append(again, &[field("new", "string")], &[Some(&new)]).unwrap(), out);
    }

    #[test]
    fn json_rows_survive_a_round_trip_with_the_new_value(old: String, new: String, key in "[a-z\"\\\\.é]{1,6}") {
        prop_assume!(key != "old");
        let mut row = serde_json::Map::new();
        row.insert("old".to_owned(), old.into());
        let log = serde_json::to_string(&row).unwrap();
        let out = append(log.clone(), &[field(&key, "string")], &[Some(new.as_bytes())]).unwrap();
        prop_assert!(out.starts_with(&log.as_bytes()[..log.len() - 1]));
        row.insert(key.clone(), new.clone().into());
        prop_assert_eq!(&serde_json::from_slice::<serde_json::Map<_, _>>(&out).unwrap(), &row);
        let again = append(out.clone(), &[field(&key, "string")], &[Some(b"other")]).unwrap();
        prop_assert_eq!(append(again.clone(), &[field(&key, "string")], &[Some(new.as_bytes())]).unwrap(), out);
        let removed = append(again, &[field(&key, "string")], &[None]).unwrap();
        prop_assert_eq!(removed, format!("{log}\n").into_bytes());
    }
}

//! Tests of finding logs by the arguments of a command: files, directories and links.

use std::fs;
use std::os::unix::fs::symlink;

use crate::common::{conn, gzip, tsv};
use zeek_log::{Block, ColumnSpec, ErrorKind, Input, Reader, Row, find_inputs};

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
    symlink(directory.path(), path("2024-04-19/loop")).unwrap();
    symlink(path("2024-04-20"), path("latest")).unwrap();
    symlink(path("nowhere"), path("conn.nowhere.log")).unwrap();
    symlink(elsewhere.path(), path("spool")).unwrap();
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
            "spool/conn.log",
        ]
    );
}

#[test]
fn links_that_fork_at_each_directory_are_followed_once() {
    let directory = tempfile::tempdir().unwrap();
    let level = |i: u32| directory.path().join(i.to_string());
    for i in 0..35 {
        fs::create_dir(level(i)).unwrap();
        for link in ["a", "b"] {
            symlink(level(i + 1), level(i).join(link)).unwrap();
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

//! Reads logs like the command line, and checks the results.

use std::io::Cursor;

use crate::input::{columns, conn_log};
use detector::Connection;
use zeek_log::{Appender, Block, LineKind, NewField, Parsed, ReadOptions, Reader, Row};

/// Longer lines are bad rows; small enough for a fuzzer to reach.
const MAX_LINE: usize = 4096;

/// Calls `each` for each connection of a log.
pub fn connections(log: &[u8], mut each: impl FnMut(&Connection<'_>)) {
    read(log.to_vec(), 1 << 18, &mut Outcome::default(), |connection| each(connection));
}

/// Results of reading a log.
#[derive(Debug, Default, PartialEq)]
struct Outcome {
    rows: Vec<String>,
    out: Vec<u8>,
    error: Option<String>,
}

/// Reads a log with blocks of about `block_size` bytes and appends a column to it.
fn read(log: Vec<u8>, block_size: usize, outcome: &mut Outcome, mut each: impl FnMut(&Connection<'_>)) {
    let options = ReadOptions::new().stream("conn").block_size(block_size).max_line(MAX_LINE);
    let mut reader = match Reader::from_read("conn.log", Cursor::new(log), &options) {
        Ok(reader) => reader,
        Err(error) => {
            outcome.error = Some(error.to_string());
            return;
        }
    };
    let field = NewField { name: "anomaly_score".into(), zeek_type: "double".into() };
    let (mut block, mut row) = (Block::new(), Row::new());
    loop {
        match reader.next_block(&mut block) {
            Ok(true) => {}
            Ok(false) => break,
            Err(error) => {
                outcome.error = Some(error.to_string());
                assert!(matches!(reader.next_block(&mut block), Ok(false)), "an error is the end");
                break;
            }
        }
        let binding = block.layout().bind(conn_log::COLUMNS);
        let appender = Appender::new(block.layout(), std::slice::from_ref(&field));
        for line in block.lines() {
            if line.kind() == LineKind::Meta {
                appender.header(&line, &mut outcome.out);
                continue;
            }
            match binding.parse(&line, &mut row) {
                Ok(Parsed::Row) => match conn_log::connection(&row) {
                    Ok(connection) => {
                        each(&connection);
                        outcome.rows.push(format!("{connection:?} {:?}", columns::uid(&row)));
                        let before = outcome.out.len();
                        let appended = appender.append(&line, &[Some("0.5")], &mut outcome.out);
                        assert!(appended.is_ok() || outcome.out.len() == before, "half a row was written");
                    }
                    Err(error) => outcome.rows.push(error.to_string()),
                },
                Ok(Parsed::OtherStream) => outcome.rows.push("other".into()),
                Err(error) => outcome.rows.push(error.to_string()),
            }
        }
    }
}

/// Reads a log in large and small blocks, and reads the written copy again; all results must agree.
pub fn check(log: &[u8]) {
    let (mut large, mut small) = (Outcome::default(), Outcome::default());
    read(log.to_vec(), 1 << 18, &mut large, |_| ());
    read(log.to_vec(), 32, &mut small, |_| ());
    assert_eq!(large, small, "the size of the blocks shows");
    let good = |outcome: &Outcome| outcome.rows.iter().filter(|row| row.starts_with("Connection")).count();
    // Rows that are not written may have ended a header or selected a segment.
    let all_written = good(&large) == large.rows.len();
    // A line near the limit is too long with one more column.
    let is_short = |line: &[u8]| line.len() + 100 <= MAX_LINE;
    if all_written && large.error.is_none() && log.split(|&byte| byte == b'\n').all(is_short) {
        let mut again = Outcome::default();
        read(large.out.clone(), 1 << 18, &mut again, |_| ());
        assert_eq!(good(&again), good(&large), "{:?}", String::from_utf8_lossy(&large.out));
    }
}

/// Returns whether the bytes start like a compressed file.
pub fn is_compressed(data: &[u8]) -> bool {
    data.starts_with(&[0x1f, 0x8b])
        || data.starts_with(&[0x28, 0xb5, 0x2f, 0xfd])
        || data.get(1..4) == Some(b"\x2a\x4d\x18")
}

/// Reads a log, compressed or not, to its end or to 64 MB, one block at a time.
pub fn skim(log: &[u8]) {
    let options = ReadOptions::new().max_line(MAX_LINE);
    let Ok(mut reader) = Reader::from_read("conn.log", Cursor::new(log.to_vec()), &options) else { return };
    let (mut block, mut read) = (Block::new(), 0);
    while let Ok(true) = reader.next_block(&mut block) {
        read += block.bytes().len();
        if read > 64 << 20 {
            break;
        }
    }
}

//! Logs, and a reader that returns all results of one in memory.

use std::io::{Cursor, Write};

use flate2::Compression;
use flate2::write::GzEncoder;
use zeek_log::{Block, ColumnSpec, LineKind, Parsed, ReadOptions, Reader, Row};

/// Rows and errors of a log.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Outcome {
    /// The wanted columns of each row; an unset one is `∅`.
    pub rows: Vec<Vec<String>>,
    /// Bad rows, as they are reported.
    pub bad: Vec<String>,
    /// Rows of other streams.
    pub other: usize,
    /// Lines other than rows.
    pub meta: usize,
    /// Error that ended the reading early.
    pub error: Option<String>,
}

/// Header of a conn.log in TSV with four columns.
pub const HEADER: &str = "#separator \\x09\n#set_separator\t,\n#empty_field\t(empty)\n#unset_field\t-\n#path\tconn\n\
                      #open\t2024-01-01-00-00-00\n#fields\tts\tid.orig_h\tservice\torig_bytes\n\
                      #types\ttime\taddr\tset[string]\tcount\n";

/// A conn.log in TSV with these rows.
pub fn tsv(rows: &str) -> String {
    format!("{HEADER}{rows}")
}

/// Compresses a text with gzip.
pub fn gzip(text: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(text).unwrap();
    encoder.finish().unwrap()
}

pub fn conn() -> ReadOptions {
    ReadOptions::new().stream("conn")
}

/// Reads `log` under the name `conn.log` for these columns.
pub fn read(log: impl Into<Vec<u8>>, columns: &[&str]) -> Outcome {
    let columns: Vec<_> = columns.iter().map(|name| ColumnSpec::new(name)).collect();
    read_with(log, &columns, &conn())
}

/// Like [`read`], with aliases of columns and other options.
pub fn read_with(log: impl Into<Vec<u8>>, columns: &[ColumnSpec<'_>], options: &ReadOptions) -> Outcome {
    let mut outcome = Outcome::default();
    let mut reader = match Reader::from_read("conn.log", Cursor::new(log.into()), options) {
        Ok(reader) => reader,
        Err(error) => return Outcome { error: Some(error.to_string()), ..outcome },
    };
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
        let binding = block.layout().bind(columns);
        for line in block.lines() {
            if line.kind() == LineKind::Meta {
                outcome.meta += 1;
                continue;
            }
            match binding.parse(&line, &mut row) {
                Ok(Parsed::Row) => {
                    let text = |column| match row.get(column) {
                        Some(text) => String::from_utf8_lossy(text).into_owned(),
                        None => "∅".to_owned(),
                    };
                    outcome.rows.push((0..columns.len()).map(text).collect());
                }
                Ok(Parsed::OtherStream) => outcome.other += 1,
                Err(error) => outcome.bad.push(error.to_string()),
            }
        }
    }
    outcome
}

//! Zeek logs: rows in, rows out. Reads and writes any Zeek log, TSV or JSON, plain, gzip or zstd; knows nothing of
//! connections or any other stream.
//!
//! # Reading
//!
//! A [`Reader`] gives [`Block`]s of lines, a [`Binding`] finds the wanted columns of each, and a [`Row`] turns them
//! into values. All three are reused, so that memory stays the same however long the log.
//!
//! ```
//! use zeek_log::{Block, ColumnSpec, LineKind, Parsed, ReadOptions, Reader, Row};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let log = "\
//! #separator \\x09
//! #set_separator\t,
//! #empty_field\t(empty)
//! #unset_field\t-
//! #path\tconn
//! #fields\tts\tid.orig_h\tservice\torig_bytes
//! #types\ttime\taddr\tset[string]\tcount
//! 1700000000.123456\t192.0.2.1\tssl,http\t1460
//! 1700000001.000000\t192.0.2.7\t-\t-
//! 1700000002.000000\t192.0.2.7
//! #close\t2023-11-14-23-00-00
//! ";
//! let options = ReadOptions { path: Some("conn".into()), ..ReadOptions::default() };
//! let mut reader = Reader::from_read("conn.log", log.as_bytes(), &options)?;
//!
//! // The columns, numbered in this order, and what else they are called in JSON.
//! let columns = [
//!     ColumnSpec::new("ts"),
//!     ColumnSpec::with_aliases("id.orig_h", &["id_orig_h", "source.ip"]),
//!     ColumnSpec::with_aliases("orig_bytes", &["source.bytes"]),
//!     ColumnSpec::new("service"),
//! ];
//! let (mut block, mut row) = (Block::new(), Row::new());
//! let (mut bytes, mut services, mut bad) = (0, Vec::new(), Vec::new());
//! while reader.next_block(&mut block)? {
//!     let binding = block.layout().bind(&columns);
//!     for line in block.lines().filter(|line| line.kind() != LineKind::Meta) {
//!         match binding.parse(&line, &mut row) {
//!             Ok(Parsed::Row) => {
//!                 bytes += row.count(2)?.unwrap_or(0);
//!                 services.extend(row.elements(3).into_iter().flatten().map(|name| name.into_owned()));
//!             }
//!             // A JSON row that says it is of another stream than `conn`.
//!             Ok(Parsed::OtherStream) => {}
//!             Err(error) => bad.push(format!("{error}; the row is skipped")),
//!         }
//!     }
//! }
//! assert_eq!(bytes, 1460);
//! assert_eq!(services, [b"ssl".to_vec(), b"http".to_vec()]);
//! assert_eq!(bad, ["conn.log:10: 2 columns where the header names 4; the row is skipped"]);
//! # Ok(())
//! # }
//! ```
//!
//! The same code reads JSON, whatever its spelling:
//!
//! ```
//! # use zeek_log::{Block, ColumnSpec, ReadOptions, Reader, Row};
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let log = r#"{"ts":1700000000.123456,"id":{"orig_h":"192.0.2.1"}}
//! {"ts":"2023-11-14T22:13:20.123456Z","id.orig_h":"192.0.2.1"}
//! {"@timestamp":"2023-11-14T22:13:20.123456Z","source":{"ip":"192.0.2.1"}}"#;
//! let mut reader = Reader::from_read("conn.json", log.as_bytes(), &ReadOptions::default())?;
//! let columns = [
//!     ColumnSpec::with_aliases("ts", &["@timestamp"]),
//!     ColumnSpec::with_aliases("id.orig_h", &["source.ip"]),
//! ];
//! let (mut block, mut row) = (Block::new(), Row::new());
//! while reader.next_block(&mut block)? {
//!     let binding = block.layout().bind(&columns);
//!     for line in block.lines() {
//!         binding.parse(&line, &mut row)?;
//!         assert_eq!(row.time(0)?, Some(1_700_000_000_123_456));
//!         assert_eq!(row.get(1), Some(&b"192.0.2.1"[..]));
//!     }
//! }
//! # Ok(())
//! # }
//! ```
//!
//! # Files and directories
//!
//! [`find_inputs`] turns command-line arguments into a list of [`Input`]s: files, directories of rotated logs, standard
//! input. Compression is told by the first bytes of a file. A file that is no Zeek log, or of another stream, is refused
//! with an [`Error`] that says so in a sentence.
//!
//! # Adding columns
//!
//! An [`Appender`] copies each line and adds columns; every other byte stays as it is. A [`Sink`] puts the output under
//! its final name only when it is complete.
//!
//! ```
//! use zeek_log::{Appender, Block, Input, LineKind, NewField, ReadOptions, Reader, Sink};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let directory = tempfile::tempdir()?;
//! let path = directory.path().join("conn.log.gz");
//! let log = "#path\tconn\n#fields\tts\torig_bytes\n#types\ttime\tcount\n1700000000.123456\t1460\n";
//! let mut reader = Reader::from_read("conn.log", log.as_bytes(), &ReadOptions::default())?;
//! let field = NewField { name: "anomaly_score".into(), zeek_type: "double".into() };
//!
//! let mut sink = Sink::create(&path)?;
//! let (mut block, mut out) = (Block::new(), Vec::new());
//! while reader.next_block(&mut block)? {
//!     let appender = Appender::new(block.layout(), &[field.clone()]);
//!     for line in block.lines() {
//!         match line.kind() {
//!             LineKind::Meta => appender.header(&line, &mut out),
//!             _ => appender.append(&line, &[Some("0.51")], &mut out)?,
//!         }
//!     }
//!     sink.write(&out)?;
//!     out.clear();
//! }
//! sink.finish()?;
//!
//! let mut reader = Reader::open(&Input::File(path), &ReadOptions::default())?;
//! assert!(reader.next_block(&mut block)?);
//! assert!(block.bytes().ends_with(b"\n1700000000.123456\t1460\t0.51\n"));
//! # Ok(())
//! # }
//! ```
//!
//! # Threads
//!
//! Blocks are made in one thread, since a header applies to all that follows. Parsing and appending need only a block,
//! its layout and a row for each thread, and their results go together in the order of the blocks.

mod append;
mod binding;
mod block;
mod decompress;
mod error;
mod escape;
mod header;
mod inputs;
mod json;
mod keys;
mod layout;
mod parts;
mod reader;
mod row;
mod sink;
#[cfg(unix)]
mod stream;
mod tsv;
pub mod value;

pub use append::{Appender, NewField, NewValue};
pub use binding::{Binding, ColumnSpec, Parsed};
pub use block::{Block, Line, LineKind};
pub use error::{Error, RowCause, RowError, ValueError};
pub use inputs::{Input, Inputs, find_inputs, is_log_of};
pub use layout::{Field, Format, Layout};
pub use reader::{ReadOptions, Reader};
pub use row::{Elements, Row};
pub use sink::Sink;
#[cfg(unix)]
pub use stream::is_descriptor;

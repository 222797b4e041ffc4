//! Reads and writes Zeek logs of any stream: TSV or JSON, plain, gzip or zstd.
//!
//! # Reading
//!
//! A [`Reader`] fills [`Block`]s of lines, a [`Binding`] finds the wanted columns of a line, and a [`Row`] converts
//! them to values. Blocks and rows are reused, so memory is constant.
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
//! let options = ReadOptions::new().stream("conn");
//! let mut reader = Reader::from_read("conn.log", log.as_bytes(), &options)?;
//!
//! // The columns, numbered in this order, and their aliases in JSON.
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
//!             // The row is of another stream than `conn`.
//!             Ok(Parsed::OtherStream) => {}
//!             Err(error) => bad.push(format!("{error}; the row is skipped")),
//!         }
//!     }
//! }
//! assert_eq!(bytes, 1460);
//! assert_eq!(services, [b"ssl".to_vec(), b"http".to_vec()]);
//! assert_eq!(bad, ["conn.log:10: 2 columns, but the header names 4; the row is skipped"]);
//! # Ok(())
//! # }
//! ```
//!
//! The same code reads JSON in its different forms:
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
//! [`find_inputs`] resolves command-line arguments to [`Input`]s: files, directories of rotated logs, standard input. The
//! first bytes of a file decide whether it is decompressed. A file that is not a Zeek log, or of another stream, gives an
//! [`Error`].
//!
//! # Adding columns
//!
//! An [`Appender`] copies each line and adds columns. An [`Output`] renames the file to its final name when it is complete.
//!
//! ```
//! use zeek_log::{Appender, Block, Input, LineKind, NewField, ReadOptions, Reader, Output};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let directory = tempfile::tempdir()?;
//! let path = directory.path().join("conn.log.gz");
//! let log = "#path\tconn\n#fields\tts\torig_bytes\n#types\ttime\tcount\n1700000000.123456\t1460\n";
//! let mut reader = Reader::from_read("conn.log", log.as_bytes(), &ReadOptions::default())?;
//! let field = NewField { name: "anomaly_score".into(), zeek_type: "double".into() };
//!
//! let mut output = Output::create(&path)?;
//! let (mut block, mut out) = (Block::new(), Vec::new());
//! while reader.next_block(&mut block)? {
//!     let appender = Appender::new(block.layout(), &[field.clone()]);
//!     for line in block.lines() {
//!         match line.kind() {
//!             LineKind::Meta => appender.header(&line, &mut out),
//!             _ => appender.append(&line, &[Some("0.51")], &mut out)?,
//!         }
//!     }
//!     output.write(&out)?;
//!     out.clear();
//! }
//! output.finish()?;
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
//! One thread reads blocks, because a header applies to all blocks after it. Any number of threads can parse them and
//! append columns, each with its own row.

mod binding;
mod block;
mod decompress;
mod error;
mod header;
mod inputs;
mod json;
mod layout;
mod options;
mod output;
mod reader;
mod row;
mod segments;
mod tsv;
pub mod value;

pub use binding::{Binding, ColumnSpec, Parsed};
pub use block::{Block, Line, LineKind};
pub use error::{Error, ErrorKind};
pub use inputs::{Input, Inputs, find_inputs, is_log_of};
pub use layout::{Field, Format, Layout};
pub use options::ReadOptions;
pub use output::Output;
pub use output::append::{Appender, NewField};
pub use output::device::is_descriptor;
pub use reader::Reader;
pub use row::{Elements, Row};

//! Zeek logs: rows in, rows out. Reads and writes any Zeek log, TSV or JSON, plain or compressed; knows nothing of
//! connections.
//!
//! ```no_run
//! use zeek_log::{Appender, Binding, Block, ColumnSpec, LineKind, NewField, Parsed, ReadOptions, Reader, Row, Sink, find_inputs};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let columns = [ColumnSpec::with_aliases("id.orig_h", &["id_orig_h", "source.ip"]), ColumnSpec::new("orig_bytes")];
//! let new = [NewField { name: "anomaly_score".into(), zeek_type: "double".into() }];
//! let options = ReadOptions { path: Some("conn".into()), ..ReadOptions::default() };
//! let (mut block, mut row, mut out) = (Block::new(), Row::new(), Vec::new());
//! let mut sink = Sink::create("scored.log.gz".as_ref())?;
//! for input in find_inputs(["logs/"], "conn")? {
//!     let mut reader = Reader::open(&input, &options)?;
//!     while reader.next_block(&mut block)? {
//!         // Bind again only when block.layout() has changed (Arc::ptr_eq).
//!         let binding: Binding = block.layout().bind(&columns);
//!         let appender = Appender::new(block.layout(), &new);
//!         for line in block.lines() {
//!             match line.kind() {
//!                 LineKind::Meta => appender.header(&line, &mut out),
//!                 LineKind::Row | LineKind::TooLong => match binding.parse(&line, &mut row) {
//!                     Ok(Parsed::Row) => {
//!                         let bytes = row.count(1)?.unwrap_or(0);
//!                         appender.append(&line, &[Some(bytes.to_string().as_str())], &mut out)?;
//!                     }
//!                     Ok(Parsed::OtherStream) => {}
//!                     Err(error) => eprintln!("{error}; the row is skipped"),
//!                 },
//!             }
//!         }
//!         sink.write(&out)?;
//!         out.clear();
//!     }
//! }
//! sink.finish()?;
//! # Ok(())
//! # }
//! ```

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
mod tsv;
pub mod value;

pub use append::{Appender, NewField, NewValue};
pub use binding::{Binding, ColumnSpec, Parsed};
pub use block::{Block, Line, LineKind};
pub use error::{Error, RowCause, RowError, ValueError};
pub use inputs::{Input, find_inputs, is_log_of};
pub use layout::{Field, Format, Layout};
pub use reader::{ReadOptions, Reader};
pub use row::{Elements, Row};
pub use sink::Sink;

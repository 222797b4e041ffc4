//! Prints chosen columns of Zeek logs like zeek-cut, but reads any format, and directories:
//!
//! ```text
//! cargo run --example cut -- id.orig_h,service,orig_bytes conn logs/ more/conn.json.gz
//! ```

use std::env;
use std::error::Error;
use std::process::ExitCode;
use std::sync::Arc;

use zeek_log::{Binding, Block, ColumnSpec, Layout, LineKind, Output, Parsed, ReadOptions, Reader, Row, find_inputs};

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("cut: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let [columns, stream, logs @ ..] = &arguments[..] else {
        return Err("usage: cut COLUMN,COLUMN,... STREAM LOG...".into());
    };
    let columns: Vec<ColumnSpec<'_>> = columns.split(',').map(ColumnSpec::new).collect();
    let options = ReadOptions::new().stream(stream);
    let mut output = Output::stdout();
    let mut cutter = Cutter { columns, binding: None, row: Row::new(), out: Vec::new(), rows: 0, other: 0, bad: 0 };
    for input in find_inputs(logs, stream)?.found {
        if let Err(error) = cutter.cut(Reader::open(&input, &options)?, &mut output) {
            eprintln!("cut: {error}");
        }
    }
    eprintln!("{} rows, {} of other streams, {} bad", cutter.rows, cutter.other, cutter.bad);
    Ok(output.finish()?)
}

struct Cutter<'a> {
    columns: Vec<ColumnSpec<'a>>,
    binding: Option<(Arc<Layout>, Binding)>,
    row: Row,
    out: Vec<u8>,
    rows: u64,
    other: u64,
    bad: u64,
}

impl Cutter<'_> {
    fn cut(&mut self, mut reader: Reader, output: &mut Output) -> Result<(), zeek_log::Error> {
        let mut block = Block::new();
        while reader.next_block(&mut block)? {
            let binding = match self.binding.take() {
                Some((layout, binding)) if Arc::ptr_eq(&layout, block.layout()) => binding,
                _ => block.layout().bind(&self.columns),
            };
            for line in block.lines().filter(|line| line.kind() != LineKind::Meta) {
                match binding.parse(&line, &mut self.row) {
                    Ok(Parsed::Row) => self.write(),
                    Ok(Parsed::OtherStream) => self.other += 1,
                    Err(error) => {
                        self.bad += 1;
                        eprintln!("{error}; the row is skipped");
                    }
                }
            }
            self.binding = Some((block.layout().clone(), binding));
            output.write(&self.out)?;
            self.out.clear();
        }
        Ok(())
    }

    fn write(&mut self) {
        self.rows += 1;
        for column in 0..self.columns.len() {
            if column > 0 {
                self.out.push(b'\t');
            }
            self.out.extend_from_slice(self.row.get(column).unwrap_or(b"-"));
        }
        self.out.push(b'\n');
    }
}

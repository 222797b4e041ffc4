//! Cost of a row, step by step, in TSV and JSON: `cargo bench -p zeek-log`.
//!
//! The log is generated and resembles a conn.log; "items" are rows.

#![expect(clippy::expect_used, reason = "a benchmark has nobody to report an error to")]

use std::fmt::Write as _;
use std::hint::black_box;
use std::io::Cursor;

use divan::Bencher;
use divan::counter::{BytesCount, ItemsCount};
use zeek_log::{
    Appender, Binding, Block, ColumnSpec, Error, Format, LineKind, NewField, Parsed, ReadOptions, Reader, Row,
};

fn main() {
    divan::main();
}

const ROWS: usize = 50_000;

const FORMATS: [Format; 2] = [Format::Tsv, Format::Json];

const FIELDS: &[(&str, &str)] = &[
    ("ts", "time"),
    ("uid", "string"),
    ("id.orig_h", "addr"),
    ("id.orig_p", "port"),
    ("id.resp_h", "addr"),
    ("id.resp_p", "port"),
    ("proto", "enum"),
    ("service", "set[string]"),
    ("duration", "interval"),
    ("orig_bytes", "count"),
    ("resp_bytes", "count"),
    ("conn_state", "string"),
    ("local_orig", "bool"),
    ("local_resp", "bool"),
    ("missed_bytes", "count"),
    ("history", "string"),
    ("orig_pkts", "count"),
    ("orig_ip_bytes", "count"),
    ("resp_pkts", "count"),
    ("resp_ip_bytes", "count"),
    ("tunnel_parents", "set[string]"),
];

/// Columns an anomaly detector reads.
const WANTED: [ColumnSpec<'static>; 15] = [
    ColumnSpec::new("ts"),
    ColumnSpec::with_aliases("id.orig_h", &["id_orig_h", "source.ip"]),
    ColumnSpec::with_aliases("id.orig_p", &["id_orig_p", "source.port"]),
    ColumnSpec::with_aliases("id.resp_h", &["id_resp_h", "destination.ip"]),
    ColumnSpec::with_aliases("id.resp_p", &["id_resp_p", "destination.port"]),
    ColumnSpec::with_aliases("proto", &["network.transport"]),
    ColumnSpec::with_aliases("service", &["network.protocol"]),
    ColumnSpec::new("duration"),
    ColumnSpec::with_aliases("orig_bytes", &["source.bytes"]),
    ColumnSpec::with_aliases("resp_bytes", &["destination.bytes"]),
    ColumnSpec::with_aliases("conn_state", &["zeek.connection.state"]),
    ColumnSpec::with_aliases("history", &["zeek.connection.history"]),
    ColumnSpec::with_aliases("missed_bytes", &["zeek.connection.missed_bytes"]),
    ColumnSpec::with_aliases("orig_pkts", &["source.packets"]),
    ColumnSpec::with_aliases("resp_pkts", &["destination.packets"]),
];

/// Row of one of three kinds in turn: a scan's lone SYN, a DNS query, a TLS connection.
fn values(row: usize) -> [Option<String>; 21] {
    let text = |value: &str| Some(value.to_owned());
    let (host, far, port) = (row * 7 % 251, row * 13 % 241, 1024 + row * 31 % 60_000);
    let kind = row % 3;
    let of = |values: [&str; 3]| match values[kind] {
        "" => None,
        value => text(value),
    };
    [
        Some(format!("{}.{:06}", 1_660_000_000 + row / 200, row * 4_999 % 1_000_000)),
        Some(format!("C{:017x}", row.wrapping_mul(0x9e37_79b9_7f4a_7c15))),
        Some(format!("10.55.100.{host}")),
        Some(port.to_string()),
        Some(format!("203.0.{}.{far}", row % 113)),
        of(["3389", "53", "443"]),
        of(["tcp", "udp", "tcp"]),
        of(["", "dns", "ssl"]),
        of(["0.000010", "0.069982", "108.985496"]),
        of(["0", "61", "1596"]),
        of(["0", "81", "40391"]),
        of(["S0", "SF", "SF"]),
        text(["T", "F"][row % 2]),
        text("F"),
        text("0"),
        of(["S", "Dd", "ShADadfF"]),
        of(["2", "1", "14"]),
        of(["80", "89", "1016"]),
        of(["0", "1", "16"]),
        of(["0", "109", "1226"]),
        None,
    ]
}

fn log(format: Format) -> Vec<u8> {
    let mut text = String::new();
    if format == Format::Tsv {
        let column = |pick: fn(&(&str, &str)) -> String| FIELDS.iter().map(pick).collect::<Vec<_>>().join("\t");
        let (names, types) = (column(|field| field.0.to_owned()), column(|field| field.1.to_owned()));
        text = format!("#separator \\x09\n#path\tconn\n#fields\t{names}\n#types\t{types}\n");
    }
    for row in 0..ROWS {
        let mut separator = if format == Format::Tsv { "" } else { "{" };
        for (value, (name, zeek_type)) in values(row).iter().zip(FIELDS) {
            match (format, value) {
                (Format::Tsv, _) => _ = write!(text, "{separator}{}", value.as_deref().unwrap_or("-")),
                (Format::Json, None) => continue,
                (Format::Json, Some(value)) => {
                    let value = match *zeek_type {
                        "time" | "count" | "port" | "interval" => value.clone(),
                        "bool" => (value == "T").to_string(),
                        _ => format!("{value:?}"),
                    };
                    _ = write!(text, "{separator}\"{name}\":{value}");
                }
            }
            separator = if format == Format::Tsv { "\t" } else { "," };
        }
        text.push_str(if format == Format::Tsv { "\n" } else { "}\n" });
    }
    text.into_bytes()
}

fn reader(log: &[u8]) -> Reader {
    let options = ReadOptions::new().stream("conn");
    Reader::from_read("bench.log", Cursor::new(log.to_vec()), &options).expect("bytes in memory")
}

/// The log in blocks, and the binding for them.
fn blocks(log: &[u8]) -> (Vec<Block>, Binding) {
    let (mut reader, mut blocks) = (reader(log), Vec::new());
    loop {
        let mut block = Block::new();
        if !reader.next_block(&mut block).expect("a well-formed log") {
            break;
        }
        blocks.push(block);
    }
    let binding = blocks.last().expect("at least one block").layout().bind(&WANTED);
    (blocks, binding)
}

fn each_row(blocks: &[Block], binding: &Binding, mut use_row: impl FnMut(&Row) -> Result<(), Error>) {
    let mut row = Row::new();
    for line in blocks.iter().flat_map(Block::lines).filter(|line| line.kind() == LineKind::Row) {
        assert_eq!(binding.parse(&line, &mut row).ok(), Some(Parsed::Row));
        use_row(&row).expect("every value is well formed");
    }
}

fn count<'a, 'b>(bencher: Bencher<'a, 'b>, log: &[u8]) -> Bencher<'a, 'b> {
    bencher.counter(BytesCount::new(log.len())).counter(ItemsCount::new(ROWS))
}

#[divan::bench(args = FORMATS)]
fn split_into_blocks(bencher: Bencher<'_, '_>, format: Format) {
    let log = log(format);
    count(bencher, &log).bench(|| {
        let (mut reader, mut block, mut lines) = (reader(&log), Block::new(), 0);
        while reader.next_block(&mut block).expect("a well-formed log") {
            lines += block.len();
        }
        lines
    });
}

#[divan::bench(args = FORMATS)]
fn find_15_of_21_columns(bencher: Bencher<'_, '_>, format: Format) {
    let log = log(format);
    let (blocks, binding) = blocks(&log);
    count(bencher, &log).bench(|| {
        each_row(&blocks, &binding, |row| {
            black_box(row);
            Ok(())
        });
    });
}

#[divan::bench(args = FORMATS)]
fn find_and_convert(bencher: Bencher<'_, '_>, format: Format) {
    let log = log(format);
    let (blocks, binding) = blocks(&log);
    count(bencher, &log).bench(|| {
        each_row(&blocks, &binding, |row| {
            black_box((row.time(0)?, row.addr(1)?, row.port(2)?, row.addr(3)?, row.port(4)?));
            black_box((row.get(5), row.elements(6).map(Iterator::count), row.micros(7)?, row.get(10), row.get(11)));
            for column in [8, 9, 12, 13, 14] {
                black_box(row.count(column)?);
            }
            Ok(())
        });
    });
}

#[divan::bench(args = FORMATS)]
fn append_a_column(bencher: Bencher<'_, '_>, format: Format) {
    let log = log(format);
    let (blocks, _) = blocks(&log);
    let field = NewField { name: "anomaly_score".to_owned(), zeek_type: "double".to_owned() };
    let appender = Appender::new(blocks[blocks.len() - 1].layout(), &[field]);
    let mut out = Vec::new();
    count(bencher, &log).bench_local(|| {
        for block in &blocks {
            out.clear();
            for line in block.lines() {
                match line.kind() {
                    LineKind::Meta => appender.header(&line, &mut out),
                    _ => appender.append(&line, &[Some("0.512345")], &mut out).expect("a well-formed row"),
                }
            }
            black_box(&out);
        }
    });
}

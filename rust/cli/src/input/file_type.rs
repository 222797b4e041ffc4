//! Types of files that are not logs, by their first bytes.

use std::io::Read;
use std::path::Path;

use anyhow::{Error, anyhow};
use zeek_log::{ErrorKind, Input};

use super::log;

/// Describes the input if it is another kind of file.
pub fn explain(input: &Input, error: zeek_log::Error) -> Error {
    let ErrorKind::NotZeek { found, .. } = error.kind() else { return error.into() };
    let own = OWN_FILES.iter().find(|(magic, _)| found.starts_with(magic)).map(|(_, what)| *what);
    match own.or_else(|| other_kind(input)) {
        Some(what) => anyhow!("{input}: {what}"),
        None => error.into(),
    }
}

/// Noun for a log, a model or a sample; `None` for other files.
pub fn noun(path: &Path) -> Option<&'static str> {
    let start = first_bytes(path)?;
    let is = |magic: &[u8]| start.starts_with(magic);
    match () {
        () if is(b"ZIFOREST") => Some("a model"),
        () if is(b"ZIFSAMPL") => Some("a sample"),
        () if is(b"#separat") => Some("a log"),
        () => log::kind_of(&Input::File(path.to_owned())).map(|_| "a log"),
    }
}

/// Files of zeek-iforest by their first bytes, and how to use them.
const OWN_FILES: [(&str, &str); 3] = [
    (
        "ZIFOREST",
        "this is a model, not a log; score logs with it by --model, or describe it with: zeek-iforest inspect FILE",
    ),
    ("ZIFSAMPL", "this is a sample, not a log; train a model on it with: zeek-iforest train FILE -o MODEL"),
    ("ZIFMEMOR", "this is saved context, not a log; give it with --context"),
];

/// Recognises other kinds of files by their first bytes, and says how to use them.
fn other_kind(input: &Input) -> Option<&'static str> {
    const CAPTURE: &str = "this is a packet capture; convert it to logs with: zeek -r FILE";
    const KNOWN: [(&[u8], &str); 9] = [
        (b"\xd4\xc3\xb2\xa1", CAPTURE),
        (b"\xa1\xb2\xc3\xd4", CAPTURE),
        (b"\x4d\x3c\xb2\xa1", CAPTURE),
        (b"\xa1\xb2\x3c\x4d", CAPTURE),
        (b"\x0a\x0d\x0d\x0a", CAPTURE),
        (b"BZh", "compressed with bzip2; read it with: bzcat FILE | zeek-iforest ... -"),
        (b"\xfd7zXZ\0", "compressed with xz; read it with: xzcat FILE | zeek-iforest ... -"),
        (b"\x04\x22\x4d\x18", "compressed with lz4; read it with: lz4cat FILE | zeek-iforest ... -"),
        (b"PK\x03\x04", "this is a zip archive; read it with: unzip -p FILE | zeek-iforest ... -"),
    ];
    let Input::File(path) = input else { return None };
    let start = first_bytes(path)?;
    KNOWN.into_iter().find(|(magic, _)| start.starts_with(magic)).map(|(_, what)| what)
}

fn first_bytes(path: &Path) -> Option<Vec<u8>> {
    if !path.is_file() {
        // Opening a pipe could block.
        return None;
    }
    let mut start = Vec::new();
    std::fs::File::open(path).ok()?.take(8).read_to_end(&mut start).ok()?;
    Some(start)
}

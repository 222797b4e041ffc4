//! Types of files by their first bytes, for error messages.

use std::io::Read;
use std::path::Path;

use anyhow::{Error, anyhow};
use zeek_log::{ErrorKind, Input};

use super::log;

/// Describes the input if it is another kind of file.
pub fn explain(input: &Input, error: zeek_log::Error) -> Error {
    let ErrorKind::NotZeek { found, .. } = error.kind() else { return error.into() };
    let own = own_file(found.as_bytes()).map(|(noun, advice)| format!("this is {noun}, not a log; {advice}"));
    match own.or_else(|| other_kind(input).map(str::to_owned)) {
        Some(what) => anyhow!("{input}: {what}"),
        None => error.into(),
    }
}

/// Noun for a log or a file of zeek-iforest; `None` for other files.
pub fn noun(path: &Path) -> Option<&'static str> {
    let start = first_bytes(path)?;
    let is_log = || start.starts_with(b"#separat") || log::kind_of(&Input::File(path.to_owned())).is_some();
    own_file(&start).map(|(noun, _)| noun).or_else(|| is_log().then_some("a log"))
}

/// Noun for a file of zeek-iforest by its first bytes, and how to use it; `None` for other files.
pub fn own_file(start: &[u8]) -> Option<(&'static str, &'static str)> {
    let own = OWN_FILES.iter().find(|(magic, ..)| start.starts_with(magic.as_bytes()));
    own.map(|&(_, noun, advice)| (noun, advice))
}

/// Files of zeek-iforest: their first bytes, a noun, and how to use them.
const OWN_FILES: [(&str, &str, &str); 3] = [
    ("ZIFOREST", "a model", "score logs with it by --model, or describe it with: zeek-iforest inspect FILE"),
    ("ZIFSAMPL", "a sample", "train a model on it with: zeek-iforest train FILE -o MODEL"),
    ("ZIFMEMOR", "a context file", "give it with --context"),
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

/// The first 8 bytes of a file. Pipes are not opened: it would block, and consume their data.
pub fn first_bytes(path: &Path) -> Option<Vec<u8>> {
    if !path.is_file() {
        return None;
    }
    let mut start = Vec::new();
    std::fs::File::open(path).ok()?.take(8).read_to_end(&mut start).ok()?;
    Some(start)
}

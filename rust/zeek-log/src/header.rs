//! The header of a TSV log, line by line, until it makes a layout.

use std::sync::Arc;

use crate::escape::unescape;
use crate::layout::{Field, Format, Layout, PACKING};
use crate::{Error, ReadOptions};

/// More columns than this are no log: the names alone would take gigabytes.
const MOST_COLUMNS: usize = 1 << 16;

/// What the lines that begin with `#` have said so far.
#[derive(Debug, Default)]
pub(crate) struct Header {
    seen: [Option<u64>; Key::ALL.len()],
    separator: Option<Vec<u8>>,
    set_separator: Option<Vec<u8>>,
    empty_field: Option<Vec<u8>>,
    unset_field: Option<Vec<u8>>,
    path: Option<String>,
    fields: Vec<String>,
    types: Vec<String>,
}

/// The lines that make a header. `#close` is none of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Key {
    Separator,
    SetSeparator,
    EmptyField,
    UnsetField,
    Path,
    Open,
    Fields,
    Types,
}

impl Key {
    const ALL: [(&'static [u8], Self); 8] = [
        (b"#separator", Self::Separator),
        (b"#set_separator", Self::SetSeparator),
        (b"#empty_field", Self::EmptyField),
        (b"#unset_field", Self::UnsetField),
        (b"#path", Self::Path),
        (b"#open", Self::Open),
        (b"#fields", Self::Fields),
        (b"#types", Self::Types),
    ];

    /// The key of a header line under this separator, and what follows it.
    pub(crate) fn of<'l>(line: &'l [u8], separator: &[u8]) -> Option<(Self, &'l [u8])> {
        Self::ALL.iter().find_map(|&(text, key)| {
            let rest = line.strip_prefix(text)?;
            // #separator itself is always followed by a space, and a lenient writer may use one elsewhere.
            let rest = match rest.strip_prefix(separator) {
                Some(rest) => rest,
                None if rest.is_empty() => rest,
                None => rest.strip_prefix(b" ").or_else(|| rest.strip_prefix(b"\t"))?,
            };
            Some((key, rest))
        })
    }
}

impl Header {
    /// The key of a header line, and what follows it.
    pub(crate) fn key<'l>(&self, line: &'l [u8]) -> Option<(Key, &'l [u8])> {
        Key::of(line, self.separator.as_deref().unwrap_or(b"\t"))
    }

    /// Whether this line was already there, so that another begins another header.
    pub(crate) fn has(&self, key: Key) -> bool {
        self.seen[key as usize].is_some()
    }

    /// Whether the columns are named.
    pub(crate) fn is_complete(&self) -> bool {
        self.has(Key::Fields)
    }

    /// Whether there was any header line.
    pub(crate) fn is_begun(&self) -> bool {
        self.seen.iter().any(Option::is_some)
    }

    /// Takes in one header line.
    pub(crate) fn feed(&mut self, key: Key, rest: &[u8], number: u64) {
        self.seen[key as usize] = Some(number);
        let value = || unescape(rest).into_owned();
        match key {
            Key::Separator => self.separator = Some(value()),
            Key::SetSeparator => self.set_separator = Some(value()),
            Key::EmptyField => self.empty_field = Some(value()),
            Key::UnsetField => self.unset_field = Some(value()),
            Key::Path => self.path = Some(String::from_utf8_lossy(&value()).into_owned()),
            Key::Open => {}
            Key::Fields => self.fields = self.columns(rest),
            Key::Types => self.types = self.columns(rest),
        }
    }

    /// The header to begin with after this one: a log whose next header names only new columns keeps the separators.
    pub(crate) fn next(&self) -> Self {
        Self {
            separator: self.separator.clone(),
            set_separator: self.set_separator.clone(),
            empty_field: self.empty_field.clone(),
            unset_field: self.unset_field.clone(),
            ..Self::default()
        }
    }

    /// The layout this header describes. Without `#fields` the names are those of the options.
    pub(crate) fn layout(&self, name: &Arc<str>, options: &ReadOptions, crlf: bool) -> Result<Layout, Error> {
        let header_error = |key: Key, reason: &str| Error::Header {
            name: name.clone(),
            line: self.seen[key as usize].unwrap_or(1),
            reason: reason.to_owned(),
        };
        let separator = self.separator.clone().unwrap_or_else(|| b"\t".to_vec());
        if separator.is_empty() {
            return Err(header_error(Key::Separator, "#separator is empty"));
        }
        let supplied = options.fields.as_deref().unwrap_or_default();
        let names = if self.is_complete() { &self.fields[..] } else { supplied };
        if names.iter().all(String::is_empty) {
            return Err(header_error(Key::Fields, "#fields names no column"));
        }
        let (fields, packs) = unpack(names, &self.types, &separator);
        if fields.len() > MOST_COLUMNS {
            return Err(header_error(Key::Fields, &format!("#fields names more than {MOST_COLUMNS} columns")));
        }
        let or = |value: &Option<Vec<u8>>, default: &[u8]| value.clone().unwrap_or_else(|| default.to_vec());
        Ok(Layout {
            format: Format::Tsv,
            path: self.path.clone(),
            wanted_path: options.path.clone(),
            separator,
            set_separator: or(&self.set_separator, b","),
            empty_field: or(&self.empty_field, b"(empty)"),
            unset_field: or(&self.unset_field, b"-"),
            fields,
            packs,
            crlf,
        })
    }

    /// Why a log of this header is refused, if it is of another stream than the wanted.
    pub(crate) fn refusal(&self, name: &Arc<str>, options: &ReadOptions) -> Option<Error> {
        let (wanted, found) = (options.path.clone()?, self.path.clone()?);
        let line = self.seen[Key::Path as usize].unwrap_or(1);
        (wanted != found).then(|| Error::OtherPath { name: name.clone(), line, found, wanted })
    }

    fn columns(&self, rest: &[u8]) -> Vec<String> {
        let separator = self.separator.as_deref().filter(|s| !s.is_empty()).unwrap_or(b"\t");
        let names = split(rest, separator).take(MOST_COLUMNS + 1);
        names.map(|name| String::from_utf8_lossy(name).into_owned()).collect()
    }
}

/// Fields and how many of them each column holds.
fn unpack(names: &[String], types: &[String], separator: &[u8]) -> (Vec<Field>, Vec<usize>) {
    let (mut fields, mut packs) = (Vec::new(), Vec::new());
    let packing = if separator == b"\t" { PACKING } else { b"" };
    for (column, name) in names.iter().enumerate() {
        let mut zeek_types = split(types.get(column).map_or(b"", String::as_bytes), packing);
        let before = fields.len();
        for name in split(name.as_bytes(), packing).take(MOST_COLUMNS + 1 - before) {
            let zeek_type = zeek_types.next().filter(|t| !t.is_empty()).unwrap_or(b"string");
            let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
            fields.push(Field { name: text(name), zeek_type: text(zeek_type) });
        }
        packs.push(fields.len() - before);
        if fields.len() > MOST_COLUMNS {
            break;
        }
    }
    (fields, packs)
}

/// The parts of `text` between separators; the whole of it where the separator is empty.
pub(crate) fn split<'t, 's>(text: &'t [u8], separator: &'s [u8]) -> impl Iterator<Item = &'t [u8]> + use<'t, 's> {
    let mut rest = Some(text);
    std::iter::from_fn(move || {
        let text = rest?;
        let at = if separator.is_empty() { None } else { memchr::memmem::find(text, separator) };
        rest = at.map(|at| &text[at + separator.len()..]);
        Some(at.map_or(text, |at| &text[..at]))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn layout(lines: &[&str]) -> Layout {
        let mut header = Header::default();
        for (index, line) in lines.iter().enumerate() {
            let (key, rest) = header.key(line.as_bytes()).unwrap();
            header.feed(key, rest, index as u64 + 1);
        }
        header.layout(&Arc::from("conn.log"), &ReadOptions::default(), false).unwrap()
    }

    #[test]
    fn every_setting_is_honoured() {
        let layout = layout(&[
            r"#separator \x7c",
            r"#set_separator|\x3b",
            "#empty_field|EMPTY",
            "#unset_field|NULL",
            "#path|conn",
            "#open|2024-01-01-00-00-00",
            "#fields|ts|service",
            "#types|time|set[string]",
        ]);
        assert_eq!(layout.separator, b"|");
        assert_eq!(layout.set_separator, b";");
        assert_eq!(layout.empty_field, b"EMPTY");
        assert_eq!(layout.unset_field, b"NULL");
        assert_eq!(layout.path(), Some("conn"));
        let field = |name: &str, zeek_type: &str| Field { name: name.into(), zeek_type: zeek_type.into() };
        assert_eq!(layout.fields(), [field("ts", "time"), field("service", "set[string]")]);
    }

    #[test]
    fn names_alone_are_enough() {
        let layout = layout(&["#fields\tts\tuid"]);
        assert_eq!((layout.separator.as_slice(), layout.unset_field.as_slice()), (&b"\t"[..], &b"-"[..]));
        assert_eq!(layout.fields()[1], Field { name: "uid".into(), zeek_type: "string".into() });
    }

    #[test]
    fn packed_names_and_types_come_apart() {
        let layout = layout(&[
            "#fields\tts\ttunnel_parents   label   detailed-label",
            "#types\ttime\tset[string]   string   string",
        ]);
        let names: Vec<_> = layout.fields().iter().map(|field| field.name.as_str()).collect();
        assert_eq!(names, ["ts", "tunnel_parents", "label", "detailed-label"]);
        assert_eq!(layout.packs, [1, 3]);
        assert_eq!(layout.fields()[1].zeek_type, "set[string]");
        assert_eq!(layout.fields()[3].zeek_type, "string");
    }

    #[test]
    fn a_line_is_a_header_line_only_with_a_known_key() {
        let header = Header::default();
        for line in ["#close\t2024-01-01-00-00-00", "#close", "# a remark", "#pathological\tconn", "#fieldsx\ta"] {
            assert_eq!(header.key(line.as_bytes()), None, "{line}");
        }
    }
}

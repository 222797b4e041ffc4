//! Header of a TSV log: collects its lines and makes a layout of them.

use std::collections::HashSet;
use std::sync::Arc;

use crate::error::{Error, ErrorKind};
use crate::layout::{Field, Format, Layout, PACKING};
use crate::options::ReadOptions;
use crate::tsv::escape::unescape;

/// Limits the memory that the column names take.
const MAX_COLUMNS: usize = 1 << 16;

/// Values of the header lines read so far.
#[derive(Debug, Default)]
pub(crate) struct Header {
    /// Line number of each key.
    seen: [Option<u64>; HeaderKey::ALL.len()],
    separator: Option<Vec<u8>>,
    set_separator: Option<Vec<u8>>,
    empty_field: Option<Vec<u8>>,
    unset_field: Option<Vec<u8>>,
    path: Option<String>,
    fields: Vec<String>,
    types: Vec<String>,
}

/// Keys of header lines; `#close` is not one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum HeaderKey {
    Separator,
    SetSeparator,
    EmptyField,
    UnsetField,
    Path,
    Open,
    Fields,
    Types,
}

impl HeaderKey {
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

    /// Splits a header line into its key and the rest, under this separator.
    pub(crate) fn of<'l>(line: &'l [u8], separator: &[u8]) -> Option<(Self, &'l [u8])> {
        Self::ALL.iter().find_map(|&(text, key)| {
            let rest = line.strip_prefix(text)?;
            // A space always follows #separator, and other writers use one elsewhere, too.
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
    /// Splits a header line into its key and the rest.
    pub(crate) fn key<'l>(&self, line: &'l [u8]) -> Option<(HeaderKey, &'l [u8])> {
        HeaderKey::of(line, self.separator.as_deref().unwrap_or(b"\t"))
    }

    /// Returns true if a line with this key was read.
    pub(crate) fn has(&self, key: HeaderKey) -> bool {
        self.seen[key as usize].is_some()
    }

    /// Returns true if `#fields` was read.
    pub(crate) fn is_complete(&self) -> bool {
        self.has(HeaderKey::Fields)
    }

    /// Returns true if any header line was read.
    pub(crate) fn is_begun(&self) -> bool {
        self.seen.iter().any(Option::is_some)
    }

    /// Adds one header line.
    pub(crate) fn feed(&mut self, key: HeaderKey, rest: &[u8], number: u64) {
        self.seen[key as usize] = Some(number);
        let value = || unescape(rest).into_owned();
        match key {
            HeaderKey::Separator => self.separator = Some(value()),
            HeaderKey::SetSeparator => self.set_separator = Some(value()),
            HeaderKey::EmptyField => self.empty_field = Some(value()),
            HeaderKey::UnsetField => self.unset_field = Some(value()),
            HeaderKey::Path => self.path = Some(String::from_utf8_lossy(&value()).into_owned()),
            HeaderKey::Open => {}
            HeaderKey::Fields => self.fields = self.columns(rest),
            HeaderKey::Types => self.types = self.columns(rest),
        }
    }

    /// An empty header that inherits the separators and markers of the segment before.
    pub(crate) fn after(layout: &Layout) -> Self {
        Self {
            separator: Some(layout.separator.clone()),
            set_separator: Some(layout.set_separator.clone()),
            empty_field: Some(layout.empty_field.clone()),
            unset_field: Some(layout.unset_field.clone()),
            ..Self::default()
        }
    }

    /// Makes the layout. Without `#fields` the options name the columns.
    pub(crate) fn layout(&self, name: &Arc<str>, options: &ReadOptions, crlf: bool) -> Result<Layout, Error> {
        let header_error = |key: HeaderKey, reason: &str| self.error(name, key, ErrorKind::Header(reason.to_owned()));
        let separator = self.separator.clone().unwrap_or_else(|| b"\t".to_vec());
        if separator.is_empty() {
            return Err(header_error(HeaderKey::Separator, "#separator is empty"));
        }
        let supplied = options.fields.as_deref().unwrap_or_default();
        let names = if self.is_complete() { &self.fields[..] } else { supplied };
        if names.iter().all(String::is_empty) {
            return Err(header_error(HeaderKey::Fields, "#fields names no column"));
        }
        let (fields, widths) = unpack(names, &self.types, &separator);
        if fields.len() > MAX_COLUMNS {
            return Err(header_error(HeaderKey::Fields, &format!("#fields names more than {MAX_COLUMNS} columns")));
        }
        let mut seen = HashSet::new();
        if let Some(field) = fields.iter().find(|field| !field.name.is_empty() && !seen.insert(&field.name)) {
            let reason = format!("#fields names {} twice; rename one of the columns", field.name);
            return Err(header_error(HeaderKey::Fields, &reason));
        }
        let or = |value: &Option<Vec<u8>>, default: &[u8]| value.clone().unwrap_or_else(|| default.to_vec());
        Ok(Layout {
            format: Format::Tsv,
            path: self.path.clone(),
            wanted_path: options.stream.clone(),
            separator,
            set_separator: or(&self.set_separator, b","),
            empty_field: or(&self.empty_field, b"(empty)"),
            unset_field: or(&self.unset_field, b"-"),
            fields,
            widths,
            crlf,
        })
    }

    /// Refuses a log of another stream than the wanted one.
    pub(crate) fn check_stream(&self, name: &Arc<str>, options: &ReadOptions) -> Result<(), Error> {
        match (&options.stream, &self.path) {
            (Some(wanted), Some(found)) if wanted != found => {
                let kind = ErrorKind::OtherStream { found: found.clone(), wanted: wanted.clone() };
                Err(self.error(name, HeaderKey::Path, kind))
            }
            _ => Ok(()),
        }
    }

    fn error(&self, name: &Arc<str>, key: HeaderKey, kind: ErrorKind) -> Error {
        Error::at(name, self.seen[key as usize].unwrap_or(1), kind)
    }

    fn columns(&self, rest: &[u8]) -> Vec<String> {
        let separator = self.separator.as_deref().filter(|s| !s.is_empty()).unwrap_or(b"\t");
        let names = split(rest, separator).take(MAX_COLUMNS + 1);
        names.map(|name| String::from_utf8_lossy(name).into_owned()).collect()
    }
}

/// Splits packed columns; returns the fields and the number of them in each column.
fn unpack(names: &[String], types: &[String], separator: &[u8]) -> (Vec<Field>, Vec<usize>) {
    let (mut fields, mut widths) = (Vec::new(), Vec::new());
    let packing = if separator == b"\t" { PACKING } else { b"" };
    for (column, name) in names.iter().enumerate() {
        let mut zeek_types = split(types.get(column).map_or(b"", String::as_bytes), packing);
        let before = fields.len();
        for name in split(name.as_bytes(), packing).take(MAX_COLUMNS + 1 - before) {
            let zeek_type = zeek_types.next().filter(|t| !t.is_empty()).unwrap_or(b"string");
            let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
            fields.push(Field { name: text(name), zeek_type: text(zeek_type) });
        }
        widths.push(fields.len() - before);
        if fields.len() > MAX_COLUMNS {
            break;
        }
    }
    (fields, widths)
}

/// Splits at a separator; an empty separator splits nothing.
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
    fn header_sets_separators_and_markers() {
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
    fn fields_line_alone_makes_a_layout() {
        let layout = layout(&["#fields\tts\tuid"]);
        assert_eq!((layout.separator.as_slice(), layout.unset_field.as_slice()), (&b"\t"[..], &b"-"[..]));
        assert_eq!(layout.fields()[1], Field { name: "uid".into(), zeek_type: "string".into() });
    }

    #[test]
    fn splits_packed_names_and_types() {
        let layout = layout(&[
            "#fields\tts\ttunnel_parents   label   detailed-label",
            "#types\ttime\tset[string]   string   string",
        ]);
        let names: Vec<_> = layout.fields().iter().map(|field| field.name.as_str()).collect();
        assert_eq!(names, ["ts", "tunnel_parents", "label", "detailed-label"]);
        assert_eq!(layout.widths, [1, 3]);
        assert_eq!(layout.fields()[1].zeek_type, "set[string]");
        assert_eq!(layout.fields()[3].zeek_type, "string");
    }

    #[test]
    fn ignores_unknown_keys() {
        let header = Header::default();
        for line in ["#close\t2024-01-01-00-00-00", "#close", "# a remark", "#pathological\tconn", "#fieldsx\ta"] {
            assert_eq!(header.key(line.as_bytes()), None, "{line}");
        }
    }
}

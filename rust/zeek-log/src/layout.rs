//! What the lines of a log look like: TSV with the settings and names of its header, or JSON.
//!
//! How rows are read and written under a layout is in [`Binding`](crate::Binding) and [`Appender`](crate::Appender).

/// The two formats Zeek writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Format {
    /// Columns separated by tabs (or what `#separator` says), under a header.
    Tsv,
    /// One JSON object a line.
    Json,
}

/// One column of a TSV log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Field {
    /// Its name in `#fields`, such as `id.orig_h`.
    pub name: String,
    /// Its type in `#types`, such as `addr`; `string` where there is no `#types`.
    pub zeek_type: String,
}

/// The layout of a log, or of that part of it which is under one header.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Layout {
    pub(crate) format: Format,
    pub(crate) path: Option<String>,
    /// The stream the caller asked for: rows of another are told apart.
    pub(crate) wanted_path: Option<String>,
    pub(crate) separator: Vec<u8>,
    pub(crate) set_separator: Vec<u8>,
    pub(crate) empty_field: Vec<u8>,
    pub(crate) unset_field: Vec<u8>,
    pub(crate) fields: Vec<Field>,
    /// How many fields each column holds: 1, or more where names and values are packed with [`PACKING`].
    pub(crate) packs: Vec<usize>,
    /// Whether lines end in `\r\n`.
    pub(crate) crlf: bool,
}

/// What separates several fields packed into one column, as in the IoT-23 data sets
/// (`tunnel_parents   label   detailed-label`).
pub(crate) const PACKING: &[u8] = b"   ";

impl Layout {
    /// A layout of JSON lines.
    pub(crate) fn json() -> Self {
        Self {
            format: Format::Json,
            path: None,
            wanted_path: None,
            separator: b"\t".to_vec(),
            set_separator: b",".to_vec(),
            empty_field: b"(empty)".to_vec(),
            unset_field: b"-".to_vec(),
            fields: Vec::new(),
            packs: Vec::new(),
            crlf: false,
        }
    }

    /// TSV or JSON.
    pub fn format(&self) -> Format {
        self.format
    }

    /// The stream, such as `conn`, where `#path` names it.
    pub fn path(&self) -> Option<&str> {
        self.path.as_deref()
    }

    /// The fields in the order of the rows, packed ones apart; none for JSON, whose rows each name their own.
    pub fn fields(&self) -> &[Field] {
        &self.fields
    }

    /// The position of a field by its name.
    pub fn position(&self, name: &str) -> Option<usize> {
        self.fields.iter().position(|field| field.name == name)
    }

    /// Whether its rows are of another stream than the one asked for.
    pub(crate) fn is_of_other_stream(&self) -> bool {
        matches!((&self.path, &self.wanted_path), (Some(path), Some(wanted)) if path != wanted)
    }

    pub(crate) fn line_ending(&self) -> &'static [u8] {
        if self.crlf { b"\r\n" } else { b"\n" }
    }
}

impl Default for Layout {
    fn default() -> Self {
        Self::json()
    }
}

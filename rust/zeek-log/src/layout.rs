//! Layout of a log's lines: TSV with the separators and columns of its header, or JSON.

/// Format of a log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Format {
    /// Columns separated by tabs, or by `#separator`, under a header.
    Tsv,
    /// One JSON object per line.
    Json,
}

/// Column of a TSV log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Field {
    /// Name in `#fields`, such as `id.orig_h`.
    pub name: String,
    /// Type in `#types`, such as `addr`; `string` without `#types`.
    pub zeek_type: String,
}

/// Layout of a log, or of a segment of it under one header.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Layout {
    pub(crate) format: Format,
    pub(crate) path: Option<String>,
    /// The stream of [`ReadOptions::stream`](crate::ReadOptions::stream).
    pub(crate) wanted_path: Option<String>,
    pub(crate) separator: Vec<u8>,
    pub(crate) set_separator: Vec<u8>,
    pub(crate) empty_field: Vec<u8>,
    pub(crate) unset_field: Vec<u8>,
    pub(crate) fields: Vec<Field>,
    /// Number of fields in each column: more than 1 where they are packed with [`PACKING`].
    pub(crate) widths: Vec<usize>,
    /// True if lines end in `\r\n`.
    pub(crate) crlf: bool,
}

/// Separator of fields packed into one column, as in the IoT-23 data sets (`tunnel_parents   label   detailed-label`).
pub(crate) const PACKING: &[u8] = b"   ";

impl Layout {
    /// The layout of JSON lines.
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
            widths: Vec::new(),
            crlf: false,
        }
    }

    /// The format.
    pub fn format(&self) -> Format {
        self.format
    }

    /// The stream in `#path`, such as `conn`.
    pub fn path(&self) -> Option<&str> {
        self.path.as_deref()
    }

    /// The fields in the order of the rows, packed ones separated; empty for JSON.
    pub fn fields(&self) -> &[Field] {
        &self.fields
    }

    /// The position of a field.
    pub fn position(&self, name: &str) -> Option<usize> {
        self.fields.iter().position(|field| field.name == name)
    }

    /// Returns true if rows are of another stream than the wanted one.
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

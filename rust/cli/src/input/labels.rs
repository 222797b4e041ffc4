//! Labels of malicious rows in labelled logs.

use zeek_log::Row;

use super::conn_log::COLUMNS;

/// Column and prefix that mark malicious rows.
#[derive(Clone, Debug)]
pub struct Labels {
    /// Column with the label.
    pub field: String,
    /// Labels that start with this, ignoring case, are malicious.
    pub prefix: Vec<u8>,
    /// True if logs without the column are refused.
    pub required: bool,
}

impl Labels {
    /// Index of the label column, after the columns of [`COLUMNS`].
    pub const COLUMN: usize = COLUMNS.len();

    /// True if the row is malicious; `None` if it has no label.
    pub fn malicious(&self, row: &Row) -> Option<bool> {
        let label = Self::of(row)?;
        Some(label.get(..self.prefix.len()).is_some_and(|start| start.eq_ignore_ascii_case(&self.prefix)))
    }

    /// The label of the row.
    pub fn of(row: &Row) -> Option<&[u8]> {
        row.get(Self::COLUMN)
    }
}

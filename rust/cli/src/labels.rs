//! Labels of malicious rows in labelled logs.

use zeek_log::Row;

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
    /// Returns true if the row is malicious, by the label in this column; `None` if it has no label.
    pub fn malicious(&self, row: &Row, column: usize) -> Option<bool> {
        let label = row.get(column)?;
        Some(label.get(..self.prefix.len()).is_some_and(|start| start.eq_ignore_ascii_case(&self.prefix)))
    }
}

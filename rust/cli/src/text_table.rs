//! Text tables with aligned columns.
//!
//! On a narrow terminal, the last columns of every row continue on indented lines.

/// Spaces between two columns.
const GAP: usize = 2;

/// Alignment of a column.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Align {
    Left,
    Right,
}

/// Layout of a table: the width of each column, and the columns that start a line.
#[derive(Debug)]
pub struct TextTable {
    indent: usize,
    columns: Vec<Column>,
}

#[derive(Debug)]
struct Column {
    align: Align,
    width: usize,
    begins_line: bool,
}

impl TextTable {
    /// Lays out a table. `rows` includes the header; columns beyond `terminal_width` continue on the next line, after
    /// `indent` spaces.
    pub fn new<S: AsRef<str>>(aligns: &[Align], rows: &[Vec<S>], indent: usize, terminal_width: usize) -> Self {
        let width_of = |i: usize| rows.iter().filter_map(|row| row.get(i)).map(|cell| length(cell.as_ref())).max();
        let mut end = 0;
        let columns = aligns.iter().enumerate().map(|(i, &align)| {
            let width = width_of(i).unwrap_or(0);
            let begins_line = i > 0 && end + GAP + width > terminal_width;
            end = if begins_line { indent } else { end + if i > 0 { GAP } else { 0 } } + width;
            Column { align, width, begins_line }
        });
        Self { columns: columns.collect(), indent }
    }

    /// Returns true if all columns fit on one line.
    pub fn is_one_line(&self) -> bool {
        !self.columns.iter().any(|column| column.begins_line)
    }

    /// Formats a row, which can have fewer cells than columns, without a final newline.
    pub fn row<S: AsRef<str>>(&self, cells: &[S]) -> String {
        let mut text = String::new();
        for (i, (column, cell)) in self.columns.iter().zip(cells).enumerate() {
            let cell = cell.as_ref();
            if column.begins_line {
                text.truncate(text.trim_end().len());
                text.push('\n');
                text.extend(std::iter::repeat_n(' ', self.indent));
            } else if i > 0 {
                text.extend(std::iter::repeat_n(' ', GAP));
            }
            let fill = std::iter::repeat_n(' ', column.width.saturating_sub(length(cell)));
            match column.align {
                Align::Left => {
                    text.push_str(cell);
                    text.extend(fill);
                }
                Align::Right => {
                    text.extend(fill);
                    text.push_str(cell);
                }
            }
        }
        text.truncate(text.trim_end().len());
        text
    }
}

fn length(text: &str) -> usize {
    text.chars().count()
}

#[cfg(test)]
mod tests {
    use super::Align::{Left, Right};
    use super::*;

    fn table(terminal_width: usize) -> String {
        let rows = vec![vec!["name", "count", "remark"], vec!["a", "12,345", "as usual"], vec!["bcd", "7", "-"]];
        let columns = TextTable::new(&[Left, Right, Left], &rows, 3, terminal_width);
        rows.iter().map(|row| columns.row(row)).collect::<Vec<_>>().join("\n")
    }

    #[test]
    fn columns_wrap_on_narrow_terminals() {
        assert_eq!(table(22), "name   count  remark\na     12,345  as usual\nbcd        7  -");
        assert_eq!(table(21), "name   count\n   remark\na     12,345\n   as usual\nbcd        7\n   -");
        assert_eq!(table(11), "name\n    count\n   remark\na\n   12,345\n   as usual\nbcd\n        7\n   -");
    }
}

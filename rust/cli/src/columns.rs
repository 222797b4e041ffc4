//! Tables on a terminal: columns in line, which go on below, indented, where the terminal is too narrow for all of them.
//! All rows of a table have one form.

/// Between two columns.
const GAP: usize = 2;

/// On which side the text of a column stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    Left,
    Right,
}

/// How wide each column of a table is, and which begins a line.
#[derive(Debug)]
pub struct Columns {
    indent: usize,
    columns: Vec<Column>,
}

#[derive(Debug)]
struct Column {
    side: Side,
    width: usize,
    begins_line: bool,
}

impl Columns {
    /// The columns of a table: for each a side, and all rows including the heads. What does not fit into so many columns
    /// of the terminal goes on below, behind `indent` spaces.
    pub fn new<S: AsRef<str>>(sides: &[Side], rows: &[Vec<S>], indent: usize, terminal_width: usize) -> Self {
        let width_of = |i: usize| rows.iter().filter_map(|row| row.get(i)).map(|cell| length(cell.as_ref())).max();
        let mut end = 0;
        let columns = sides.iter().enumerate().map(|(i, &side)| {
            let width = width_of(i).unwrap_or(0);
            let begins_line = i > 0 && end + GAP + width > terminal_width;
            end = if begins_line { indent } else { end + if i > 0 { GAP } else { 0 } } + width;
            Column { side, width, begins_line }
        });
        Self { columns: columns.collect(), indent }
    }

    /// Whether all columns stand in one line.
    pub fn is_one_line(&self) -> bool {
        !self.columns.iter().any(|column| column.begins_line)
    }

    /// A row, which may have fewer cells than there are columns; its last line is not ended.
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
            match column.side {
                Side::Left => {
                    text.push_str(cell);
                    text.extend(fill);
                }
                Side::Right => {
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
    use super::Side::{Left, Right};
    use super::*;

    fn table(terminal_width: usize) -> String {
        let rows = vec![vec!["name", "count", "remark"], vec!["a", "12,345", "as usual"], vec!["bcd", "7", "-"]];
        let columns = Columns::new(&[Left, Right, Left], &rows, 3, terminal_width);
        rows.iter().map(|row| columns.row(row)).collect::<Vec<_>>().join("\n")
    }

    #[test]
    fn a_table_takes_as_many_lines_as_it_needs() {
        assert_eq!(table(22), "name   count  remark\na     12,345  as usual\nbcd        7  -");
        assert_eq!(table(21), "name   count\n   remark\na     12,345\n   as usual\nbcd        7\n   -");
        assert_eq!(table(11), "name\n    count\n   remark\na\n   12,345\n   as usual\nbcd\n        7\n   -");
    }
}

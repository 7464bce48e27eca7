//! Small tables for people: columns as wide as their widest cell, two spaces between them.
//!
//! Invariant: every row has as many cells as the head; numbers stand to the right.

use std::fmt::Write as _;

/// Rows under a head.
pub(super) struct Table {
    head: Vec<String>,
    rows: Vec<Vec<String>>,
}

impl Table {
    pub(super) fn new(head: &[&str]) -> Self {
        Self {
            head: head.iter().map(ToString::to_string).collect(),
            rows: Vec::new(),
        }
    }

    /// Adds a row.
    ///
    /// # Panics
    /// When it has more or fewer cells than the head.
    pub(super) fn row<const CELLS: usize>(&mut self, cells: [String; CELLS]) {
        assert_eq!(CELLS, self.head.len(), "a row as wide as the head");
        self.rows.push(cells.into());
    }

    /// The table as text, each line ended.
    pub(super) fn render(&self) -> String {
        let columns: Vec<Column> = (0..self.head.len())
            .map(|index| Column::measure(self, index))
            .collect();
        let mut text = String::new();
        for row in std::iter::once(&self.head).chain(&self.rows) {
            let mut line = String::new();
            for (cell, column) in row.iter().zip(&columns) {
                let width = column.width;
                // Writing to a string cannot fail.
                let _ = if column.is_numeric {
                    write!(line, "{cell:>width$}  ")
                } else {
                    write!(line, "{cell:<width$}  ")
                };
            }
            text.push_str(line.trim_end());
            text.push('\n');
        }
        text
    }
}

struct Column {
    width: usize,
    is_numeric: bool,
}

impl Column {
    fn measure(table: &Table, index: usize) -> Self {
        let cells = || table.rows.iter().filter_map(|row| row.get(index));
        let head = table.head.get(index).map_or(0, |cell| cell.chars().count());
        let widest = cells().map(|cell| cell.chars().count()).max().unwrap_or(0);
        let is_numeric = cells().next().is_some()
            && cells().all(|cell| !cell.is_empty() && cell.parse::<i64>().is_ok());
        Self {
            width: head.max(widest),
            is_numeric,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Table;

    /// People compare numbers by their last digit and names by their first letter.
    #[test]
    fn numbers_stand_right_and_names_left() {
        let mut table = Table::new(&["topic", "partitions"]);
        table.row(["a".to_owned(), "12".to_owned()]);
        table.row(["longer".to_owned(), "3".to_owned()]);
        assert_eq!(
            table.render(),
            "topic   partitions\na               12\nlonger           3\n"
        );
    }
}

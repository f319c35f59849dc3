//! Rows of text → aligned columns. Numbers (digits, with what belongs to them) stand to the right.

use super::output::bold;
use std::fmt::{self, Display};

/// Rows under a header, all of the same width.
pub(super) struct Table<const N: usize> {
    header: [&'static str; N],
    rows: Vec<[String; N]>,
}

impl<const N: usize> Table<N> {
    pub(super) fn new(header: [&'static str; N]) -> Self {
        Table { header, rows: Vec::new() }
    }

    pub(super) fn push(&mut self, row: [String; N]) {
        self.rows.push(row);
    }

    pub(super) fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// A word that repeats the one above it is left out, as long as everything to its left repeats too.
    pub(super) fn without_repeats(mut self, columns: usize) -> Self {
        for at in (1..self.rows.len()).rev() {
            let (before, row) = self.rows.split_at_mut(at);
            let above = &before[at - 1];
            let same = row[0].iter().zip(above).take(columns).take_while(|(a, b)| a == b).count();
            row[0][..same].iter_mut().for_each(String::clear);
        }
        self
    }
}

fn is_number(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_digit() || b",.%-+".contains(&byte))
}

impl<const N: usize> Display for Table<N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let widths: [usize; N] = std::array::from_fn(|column| {
            let cells = self.rows.iter().map(|row| row[column].chars().count());
            cells.max().unwrap_or(0).max(self.header[column].len())
        });
        let right: [bool; N] =
            std::array::from_fn(|column| self.rows.iter().all(|row| is_number(&row[column])));
        let line = |cells: [&str; N]| {
            let mut line = String::new();
            for (column, cell) in cells.iter().enumerate() {
                let width = widths[column];
                match right[column] {
                    true => line += &format!("{cell:>width$}  "),
                    false => line += &format!("{cell:<width$}  "),
                }
            }
            line.truncate(line.trim_end().len());
            line
        };
        writeln!(f, "{}", bold(line(self.header)))?;
        self.rows.iter().try_for_each(|row| writeln!(f, "{}", line(row.each_ref().map(|c| &**c))))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_aligned_and_repeats_left_out() {
        let mut table = Table::new(["journey", "outcome", "messages"]);
        for (journey, outcome, count) in
            [("a", "send", "1,200"), ("a", "drop", "7"), ("b", "drop", "8")]
        {
            table.push([journey, outcome, count].map(String::from));
        }
        let text = anstream::adapter::strip_str(&table.without_repeats(1).to_string()).to_string();
        let expected = "journey  outcome  messages\n\
                        a        send        1,200\n         drop            7\n\
                        b        drop            8\n";
        assert_eq!(text, expected);
    }
}

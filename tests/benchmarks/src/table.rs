//! Tables, for a terminal or for a page in Markdown.

use comfy_table::presets::{ASCII_MARKDOWN, NOTHING};
use comfy_table::{CellAlignment, Table};

use crate::bars::Bar;

/// How to print.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Style {
    Text,
    Markdown,
}

/// Where there is nothing to compare with.
pub(crate) const NONE: &str = "–";

impl Style {
    /// Returns a heading and, below it, a table of words and, behind the first column, numbers.
    pub(crate) fn figures(
        self,
        heading: &str,
        header: &[&str],
        rows: impl Iterator<Item = Vec<String>>,
    ) -> String {
        let heading = if self == Self::Markdown { format!("**{heading}**\n") } else { heading.to_owned() };
        let mut table = self.table(header, rows);
        table.column_iter_mut().skip(1).for_each(|column| column.set_cell_alignment(CellAlignment::Right));
        format!("{heading}\n{}\n", lines(&table))
    }

    /// Returns the bars, one a line.
    pub(crate) fn bars(self, bars: &[Bar]) -> String {
        let verdict = |bar: &Bar| match bar.verdict {
            Some(true) => "holds",
            Some(false) => "FAILS",
            None => "not measured",
        };
        let rows = bars.iter().map(|bar| vec![bar.id.to_owned(), bar.text.clone(), verdict(bar).to_owned()]);
        lines(&self.table(&["bar", "what", "verdict"], rows)) + "\n"
    }

    fn table(self, header: &[&str], rows: impl Iterator<Item = Vec<String>>) -> Table {
        let mut table = Table::new();
        table.load_style(if self == Self::Markdown { ASCII_MARKDOWN } else { NOTHING });
        // A bar within a cell would begin another one.
        let cell = |cell: String| if self == Self::Markdown { cell.replace('|', "\\|") } else { cell };
        let rows = rows.map(|row| row.into_iter().map(cell).collect::<Vec<_>>());
        table.set_header(header.to_vec()).add_rows(rows);
        if self == Self::Text {
            table.column_iter_mut().for_each(|column| {
                column.set_padding((0, 2));
            });
        }
        table
    }
}

/// Returns how often `to` goes into a value.
pub(crate) fn ratio(value: f64, to: Option<f64>) -> String {
    to.map_or(NONE.to_owned(), |to| format!("{:.2}", value / to))
}

/// Writes a number with commas.
pub(crate) fn thousands(number: u64) -> String {
    let digits = number.to_string();
    let with_comma = |(index, digit): (usize, char)| {
        let comma = index > 0 && (digits.len() - index).is_multiple_of(3);
        [comma.then_some(','), Some(digit)].into_iter().flatten()
    };
    digits.chars().enumerate().flat_map(with_comma).collect()
}

fn lines(table: &Table) -> String {
    let lines: Vec<String> = table.lines().map(|line| line.trim_end().to_owned()).collect();
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_have_commas() {
        assert_eq!([7, 1000, 100_000, 1_234_567].map(thousands), ["7", "1,000", "100,000", "1,234,567"]);
    }
}

//! Tables for people.
//!
//! All have one form: first what a row is about, by the name that people know; then its id; how it is;
//! numbers and times; and last the words. A dash stands where there is nothing.
//!
//! The last column is for words, and is the only one that is wrapped, between words: an id or a time that is
//! broken in the middle is of no use. Where the terminal is narrow, columns that can be spared are left out.

use comfy_table::presets::NOTHING;
use comfy_table::{ColumnConstraint, ContentArrangement, Table, Width};

/// A terminal narrower than this gets unwrapped lines: columns of a letter or two help nobody. Some report no
/// width.
const NARROWEST: u16 = 60;

/// A terminal narrower than this has no room for everything.
const NARROW: u16 = 100;

/// Returns whether a person looks at this on a narrow terminal.
pub fn is_narrow() -> bool {
    Table::new().width().is_some_and(|width| (NARROWEST..NARROW).contains(&width))
}

/// Returns what stands in a cell.
pub fn or_dash(text: Option<String>) -> String {
    text.unwrap_or_else(|| "-".to_owned())
}

/// Returns rows under a header as aligned columns, wrapped to the terminal's width if there is one. The cells
/// are escaped by whoever makes them.
pub fn columns(header: &[&str], rows: Vec<Vec<String>>) -> String {
    sparing(header, rows, &[])
}

/// Returns the same, on a narrow terminal without the columns that can be spared.
pub fn sparing(header: &[&str], rows: Vec<Vec<String>>, spared: &[&str]) -> String {
    let is_kept: Vec<bool> = header.iter().map(|name| !(is_narrow() && spared.contains(name))).collect();
    let kept = |row: Vec<String>| -> Vec<String> {
        row.into_iter().zip(&is_kept).filter(|(_, kept)| **kept).map(|(cell, _)| cell).collect()
    };
    let mut table = Table::new();
    table.load_style(NOTHING).set_header(kept(header.iter().map(|name| (*name).to_owned()).collect()));
    let rows: Vec<Vec<String>> = rows.into_iter().map(kept).collect();
    let words = rows.iter().filter_map(|row| row.last()).flat_map(|cell| cell.split_whitespace());
    let longest = words.map(|word| word.chars().count()).max().unwrap_or(0);
    table.add_rows(rows);
    if table.width().is_some_and(|width| width >= NARROWEST) {
        table.set_content_arrangement(ContentArrangement::Dynamic);
        let last = table.column_count().saturating_sub(1);
        for (at, column) in table.column_iter_mut().enumerate() {
            column.set_constraint(match at == last {
                false => ColumnConstraint::ContentWidth,
                // Two are the padding.
                true => ColumnConstraint::LowerBoundary(Width::Fixed(
                    u16::try_from(longest + 2).unwrap_or(u16::MAX),
                )),
            });
        }
    }
    table.column_iter_mut().for_each(|column| {
        column.set_padding((0, 2));
    });
    let lines: Vec<String> = table.lines().map(|line| line.trim_end().to_owned()).collect();
    lines.join("\n") + "\n"
}

//! The tables, for a terminal or for a page in Markdown.

use comfy_table::presets::{ASCII_MARKDOWN, NOTHING};
use comfy_table::{CellAlignment, Table};

use super::bars::Bar;
use super::summary::{Row, Summary};

/// How to print.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Style {
    Text,
    Markdown,
}

const HEADER: [&str; 12] = [
    "tool",
    "runs",
    "wall s",
    "least–most",
    "CPU s",
    "MB/s",
    "output MB",
    "peak MiB",
    "wall/pigz",
    "CPU/pigz",
    "wall/best",
    "CPU/best",
];

/// Where there is nothing to compare with.
const NONE: &str = "–";

impl Style {
    /// Returns the table of one corpus, with what is to be known about it.
    pub(crate) fn print(self, summary: &Summary) -> String {
        let size = &summary.size;
        let mib = thousands(size.bytes >> 20);
        let files = if size.files == 1 { "1 file".to_owned() } else { thousands(size.files) + " files" };
        let heading = format!("{}: {}, {mib} MiB in {files}", summary.corpus.name(), summary.corpus.title());
        let heading = if self == Self::Markdown { format!("**{heading}**\n") } else { heading };
        let rows = summary.rows.iter().map(|row| cells(row, summary));
        let mut text = format!("{heading}\n{}\n", self.columns(&HEADER, rows));
        if let Some(floor) = &summary.floor {
            text += &format!(
                "\nThe floor: {:.2} s to read the tree + {:.2} s to compress + {:.2} s to write = {:.2} s.",
                floor.read_s,
                floor.compress_s,
                floor.write_s,
                floor.sum_s()
            );
        }
        text + &format!("\nOthers had at most {:.0} % of the cores during a run.\n", summary.others() * 100.0)
    }

    /// Returns the bars, one a line, and the words under the tables.
    pub(crate) fn bars(self, bars: &[Bar]) -> String {
        let verdict = |bar: &Bar| match bar.verdict {
            Some(true) => "holds",
            Some(false) => "FAILS",
            None => "not measured",
        };
        let rows = bars.iter().map(|bar| vec![bar.id.to_owned(), bar.text.clone(), verdict(bar).to_owned()]);
        let table = self.columns(&["bar", "what", "verdict"], rows);
        format!(
            "Wall and CPU seconds and MB/s of input are medians, peaks are the most of all runs. The peer is tar | pigz -6;\n\
             best is the least time of all peers. All make MD5, SHA-1 and an Ed25519 signature. manage also makes SHA-256,\n\
             surveys the tree twice, updates the record, and waits until everything is on the disk; the peers do not wait.\n\n\
             {table}\n"
        )
    }

    fn columns(self, header: &[&str], rows: impl Iterator<Item = Vec<String>>) -> String {
        let mut table = Table::new();
        table.load_style(if self == Self::Markdown { ASCII_MARKDOWN } else { NOTHING });
        // A bar within a cell would begin another one.
        let cell = |cell: String| if self == Self::Markdown { cell.replace('|', "\\|") } else { cell };
        let rows = rows.map(|row| row.into_iter().map(cell).collect::<Vec<_>>());
        table.set_header(header.to_vec()).add_rows(rows);
        for (index, column) in table.column_iter_mut().enumerate() {
            if self == Self::Text {
                column.set_padding((0, 2));
            }
            // Numbers; the columns of a table of bars are words.
            if index > 0 && header.len() == HEADER.len() {
                column.set_cell_alignment(CellAlignment::Right);
            }
        }
        let lines: Vec<String> = table.lines().map(|line| line.trim_end().to_owned()).collect();
        lines.join("\n")
    }
}

fn cells(row: &Row, summary: &Summary) -> Vec<String> {
    let mb = |bytes: u64| bytes as f64 / 1e6;
    let (wall_s, cpu_s) = (row.wall_s.median, row.cpu_s.median);
    let ratio = |value: f64, to: Option<f64>| to.map_or(NONE.to_owned(), |to| format!("{:.2}", value / to));
    let peer = summary.the_peer();
    vec![
        row.tool.name().to_owned(),
        row.runs.to_string(),
        format!("{wall_s:.2}"),
        format!("{:.2}–{:.2}", row.wall_s.least, row.wall_s.most),
        format!("{cpu_s:.2}"),
        format!("{:.0}", mb(summary.size.bytes) / wall_s),
        format!("{:.1}", mb(row.output_bytes)),
        format!("{:.1}", row.peak_mib),
        ratio(wall_s, peer.map(|peer| peer.wall_s.median)),
        ratio(cpu_s, peer.map(|peer| peer.cpu_s.median)),
        ratio(wall_s, summary.best(|row| row.wall_s.median)),
        ratio(cpu_s, summary.best(|row| row.cpu_s.median)),
    ]
}

/// Writes a number with commas.
fn thousands(number: u64) -> String {
    let digits = number.to_string();
    let with_comma = |(index, digit): (usize, char)| {
        let comma = index > 0 && (digits.len() - index).is_multiple_of(3);
        [comma.then_some(','), Some(digit)].into_iter().flatten()
    };
    digits.chars().enumerate().flat_map(with_comma).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::staging::corpus::Corpus;
    use crate::staging::summary::tests::summary;

    #[test]
    fn a_table_in_markdown() {
        let summary = summary(Corpus::Release, [8.0, 8.5, 9.0], [20.0, 22.0, 21.0]);
        let expected = "\
**release: a release-like tree out of /usr, 953 MiB in 1,000 files**

| tool           | runs | wall s |  least–most | CPU s | MB/s | output MB | peak MiB | wall/pigz | CPU/pigz | wall/best | CPU/best |
|----------------|------|--------|-------------|-------|------|-----------|----------|-----------|----------|-----------|----------|
| manage run     |    3 |   8.50 |   8.00–9.00 | 17.00 |  118 |     400.0 |     20.0 |      0.40 |     0.40 |      0.40 |     0.40 |
| tar \\| pigz -6 |    3 |  21.00 | 20.00–22.00 | 42.00 |   48 |     400.0 |     20.0 |      1.00 |     1.00 |      1.00 |     1.00 |

The floor: 1.00 s to read the tree + 6.00 s to compress + 0.50 s to write = 7.50 s.
Others had at most 2 % of the cores during a run.
";
        assert_eq!(Style::Markdown.print(&summary), expected);
    }

    #[test]
    fn numbers_have_commas() {
        assert_eq!([7, 1000, 100_000, 1_234_567].map(thousands), ["7", "1,000", "100,000", "1,234,567"]);
    }
}

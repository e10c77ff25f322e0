//! The table of a corpus, and the words under all of them.

use super::Tool;
use super::summary::Summary;
use crate::summary::Row;
use crate::table::{Style, ratio, thousands};

/// What the words in the tables mean.
pub(crate) const WORDS: &str = "\
Wall and CPU seconds and MB/s of input are medians, peaks are the most of all runs. The peer is tar | pigz -6;
best is the least time of all peers. All make MD5, SHA-1 and an Ed25519 signature. manage also makes SHA-256,
surveys the tree twice, updates the record, and waits until everything is on the disk; the peers do not wait.";

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

/// Returns the table of one corpus, with what is to be known about it.
pub(crate) fn print(summary: &Summary, style: Style) -> String {
    let size = &summary.size;
    let mib = thousands(size.bytes >> 20);
    let files = if size.files == 1 { "1 file".to_owned() } else { thousands(size.files) + " files" };
    let heading = format!("{}: {}, {mib} MiB in {files}", summary.corpus.name(), summary.corpus.title());
    let rows = summary.rows.iter().map(|row| cells(row, summary));
    let mut text = style.figures(&heading, &HEADER, rows);
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

fn cells(row: &Row<Tool>, summary: &Summary) -> Vec<String> {
    let mb = |bytes: u64| bytes as f64 / 1e6;
    let (wall_s, cpu_s) = (row.wall_s.median, row.cpu_s.median);
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
        assert_eq!(print(&summary, Style::Markdown), expected);
    }
}

//! The table of a case, and the words under all of them.

use super::Tool;
use super::peer::Peer;
use super::summary::{Summary, rate};
use crate::summary::Row;
use crate::table::{NONE, Style, ratio, thousands};

const HEADER: [&str; 10] =
    ["tool", "runs", "wall s", "least–most", "CPU s", "MB/s", "peak MiB", "× sftp", "× best", "CPU/sftp"];

/// What the words in the tables mean.
pub(crate) const WORDS: &str = "\
Wall and CPU seconds and MB/s delivered are medians, peaks are the most of all runs; CPU and memory are the tool's and
its ssh's, without server and line. Ratios are of MB/s, to sftp -b and to the best of all peers. upload also makes the
payloads' directories, has the server flush and hash each payload, renames it, and writes a receipt that waits for the
disk. rclone compares MD5 sums and renames; sftp, scp and lftp do neither. Confirming the records is not in it.";

/// Returns the table of one case.
pub(crate) fn print(summary: &Summary, style: Style) -> String {
    let load = summary.load;
    let payloads = match load.files {
        1 => format!("one payload of {} MiB", thousands(load.file_bytes >> 20)),
        files => format!("{} payloads of {} KiB", thousands(files as u64), thousands(load.file_bytes >> 10)),
    };
    let over = summary.case.distance().map_or_else(
        || "to this host".to_owned(),
        |distance| {
            let (ms, gbit) = (distance.round_trip.as_millis(), distance.rate as f64 * 8.0 / 1e9);
            format!("over {ms} ms and {gbit} Gbit/s")
        },
    );
    let heading = format!("{}: {payloads} {over}", summary.case.name());
    let table = style.figures(&heading, &HEADER, summary.rows.iter().map(|row| cells(row, summary)));
    let others = summary.others() * 100.0;
    format!("{table}\nOthers had at most {others:.0} % of the cores during a run.\n")
}

fn cells(row: &Row<Tool>, summary: &Summary) -> Vec<String> {
    let failed = summary.failed(row.tool);
    let runs = match failed {
        0 => row.runs.to_string(),
        failed => format!("{} of {}", row.runs, row.runs + failed),
    };
    let mut cells = vec![row.tool.name().to_owned(), runs];
    if row.runs == 0 {
        cells.resize(HEADER.len(), NONE.to_owned());
        return cells;
    }
    let sftp_cpu_s = summary.row(Tool::Peer(Peer::Sftp)).map(|row| row.cpu_s.median);
    cells.extend([
        format!("{:.2}", row.wall_s.median),
        format!("{:.2}–{:.2}", row.wall_s.least, row.wall_s.most),
        format!("{:.2}", row.cpu_s.median),
        format!("{:.1}", rate(row) / 1e6),
        format!("{:.1}", row.peak_mib),
        ratio(rate(row), summary.rate(Tool::Peer(Peer::Sftp))),
        ratio(rate(row), summary.best_rate()),
        ratio(row.cpu_s.median, sftp_cpu_s),
    ]);
    cells
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::delivery::case::Case;
    use crate::delivery::summary::tests::summary;

    #[test]
    fn a_table_in_markdown() {
        let walls_s = [
            (Tool::Ours, [1.6, 1.7, 1.5]),
            (Tool::Peer(Peer::Sftp), [4.0, 5.0, 4.0]),
            (Tool::Peer(Peer::Rclone), [3.2, 3.3, 3.0]),
        ];
        let mut summary = summary(Case::Ms50, &walls_s);
        summary.rows[1].runs = 2;
        summary.failed.insert(Tool::Peer(Peer::Sftp), 1);
        let expected = "\
**50ms: one payload of 100 MiB over 50 ms and 1 Gbit/s**

| tool          |   runs | wall s | least–most | CPU s | MB/s | peak MiB | × sftp | × best | CPU/sftp |
|---------------|--------|--------|------------|-------|------|----------|--------|--------|----------|
| upload run    |      3 |   1.60 |  1.50–1.70 |  0.80 | 62.5 |     20.0 |   2.50 |   2.00 |     0.40 |
| sftp -b       | 2 of 3 |   4.00 |  4.00–5.00 |  2.00 | 25.0 |     20.0 |   1.00 |   0.80 |     1.00 |
| rclone, tuned |      3 |   3.20 |  3.00–3.30 |  1.60 | 31.2 |     20.0 |   1.25 |   1.00 |     0.80 |

Others had at most 1 % of the cores during a run.
";
        assert_eq!(print(&summary, Style::Markdown), expected);
    }
}

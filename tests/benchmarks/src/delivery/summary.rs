//! What the runs of a case come to, and how we stand to the others.

use std::collections::BTreeMap;

use super::Tool;
use super::case::{Case, Load};
use super::peer::Peer;
use crate::summary::{Row, Run};

/// All runs of a case.
pub(crate) struct Runs {
    pub(crate) case: Case,
    pub(crate) load: Load,
    /// Those that delivered the right bytes; none for a tool that never did.
    pub(crate) of: BTreeMap<Tool, Vec<Run>>,
    /// How many others there were.
    pub(crate) failed: BTreeMap<Tool, usize>,
}

/// All that is said about a case.
#[derive(Debug)]
pub(crate) struct Summary {
    pub(crate) case: Case,
    pub(crate) load: Load,
    /// Ours first.
    pub(crate) rows: Vec<Row<Tool>>,
    pub(crate) failed: BTreeMap<Tool, usize>,
}

impl Summary {
    pub(crate) fn of(runs: Runs) -> Self {
        Self { case: runs.case, load: runs.load, rows: Row::of_all(&runs.of), failed: runs.failed }
    }

    pub(crate) fn row(&self, tool: Tool) -> Option<&Row<Tool>> {
        self.rows.iter().find(|row| row.tool == tool)
    }

    /// Returns the bytes a second that a tool delivers, if it does.
    pub(crate) fn rate(&self, tool: Tool) -> Option<f64> {
        self.row(tool).filter(|row| row.runs > 0).map(rate)
    }

    /// Returns the highest rate of the peers, whichever has it.
    pub(crate) fn best_rate(&self) -> Option<f64> {
        Peer::ALL.into_iter().filter_map(|peer| self.rate(Tool::Peer(peer))).max_by(f64::total_cmp)
    }

    pub(crate) fn failed(&self, tool: Tool) -> usize {
        self.failed.get(&tool).copied().unwrap_or(0)
    }

    /// Returns the most that others had of all cores during a run, from 0 to 1.
    pub(crate) fn others(&self) -> f64 {
        self.rows.iter().map(|row| row.others).fold(0.0, f64::max)
    }
}

/// Returns the bytes a second.
pub(crate) fn rate(row: &Row<Tool>) -> f64 {
    row.output_bytes as f64 / row.wall_s.median
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::measure::Cost;

    /// Three runs of each tool, of 100 MB.
    pub(crate) fn summary(case: Case, walls_s: &[(Tool, [f64; 3])]) -> Summary {
        let run = |wall_s: f64| Run {
            cost: Cost { wall_s, cpu_s: wall_s / 2.0, peak_kib: 20 << 10, others: 0.01 },
            output_bytes: 100_000_000,
        };
        let of = walls_s.iter().map(|(tool, walls)| (*tool, walls.map(run).to_vec())).collect();
        Summary::of(Runs { case, load: case.load(100), of, failed: BTreeMap::new() })
    }

    #[test]
    fn the_best_peer_is_the_fastest_that_delivers() {
        let mut summary = summary(
            Case::Ms50,
            &[
                (Tool::Ours, [1.0; 3]),
                (Tool::Peer(Peer::Sftp), [4.0, 9.0, 1.0]),
                (Tool::Peer(Peer::Rclone), [5.0; 3]),
            ],
        );
        assert_eq!(summary.best_rate(), Some(25e6));
        summary.rows[1].runs = 0;
        assert_eq!(summary.best_rate(), Some(20e6));
    }
}

//! What the runs on a corpus come to, and how we stand to the others.

use super::corpus::Corpus;
use super::floor::Floor;
use super::peer::Peer;
use super::{Runs, Tool};
use crate::summary::{Row, Spread};
use crate::tree::Size;

/// All that is said about one corpus.
#[derive(Debug)]
pub(crate) struct Summary {
    pub(crate) corpus: Corpus,
    pub(crate) size: Size,
    /// Ours first.
    pub(crate) rows: Vec<Row<Tool>>,
    /// The median of each part; of the others, the most.
    pub(crate) floor: Option<Floor>,
}

impl Summary {
    pub(crate) fn of(runs: &Runs) -> Self {
        let median = |part: fn(&Floor) -> f64| Spread::of(runs.floors.iter().map(part)).median;
        let floor = (!runs.floors.is_empty()).then(|| Floor {
            read_s: median(|floor| floor.read_s),
            compress_s: median(|floor| floor.compress_s),
            write_s: median(|floor| floor.write_s),
            others: Spread::of(runs.floors.iter().map(|floor| floor.others)).most,
        });
        Self { corpus: runs.corpus, size: runs.size, rows: Row::of_all(&runs.of), floor }
    }

    pub(crate) fn row(&self, tool: Tool) -> Option<&Row<Tool>> {
        self.rows.iter().find(|row| row.tool == tool)
    }

    /// Returns the row of the peer that the bars are about.
    pub(crate) fn the_peer(&self) -> Option<&Row<Tool>> {
        self.row(Tool::Peer(Peer::Pigz))
    }

    /// Returns the most that others had of all cores during a run, from 0 to 1.
    pub(crate) fn others(&self) -> f64 {
        let floor = self.floor.iter().map(|floor| floor.others);
        self.rows.iter().map(|row| row.others).chain(floor).fold(0.0, f64::max)
    }

    /// Returns the least median of the peers, whichever has it.
    pub(crate) fn best(&self, value: impl Fn(&Row<Tool>) -> f64) -> Option<f64> {
        self.rows.iter().filter(|row| row.tool != Tool::Ours).map(value).min_by(f64::total_cmp)
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::measure::Cost;
    use crate::summary::Run;

    /// Runs of `release` with these wall and CPU times, each CPU time a tenth of it more than the one before.
    pub(crate) fn summary(corpus: Corpus, ours_s: [f64; 3], pigz_s: [f64; 3]) -> Summary {
        let run = |wall_s: f64| Run {
            cost: Cost { wall_s, cpu_s: wall_s * 2.0, peak_kib: 20 << 10, others: 0.01 },
            output_bytes: 400_000_000,
        };
        let of = [(Tool::Ours, ours_s), (Tool::Peer(Peer::Pigz), pigz_s)];
        let size = Size { files: 1000, directories: 10, bytes: 1_000_000_000 };
        let floors = vec![Floor { read_s: 1.0, compress_s: 6.0, write_s: 0.5, others: 0.02 }];
        let of = of.into_iter().map(|(tool, walls)| (tool, walls.map(run).to_vec())).collect();
        Summary::of(&Runs { corpus, size, of, floors })
    }

    #[test]
    fn the_best_peer_is_never_ourselves() {
        let summary = summary(Corpus::Release, [8.0, 8.5, 9.0], [20.0, 22.0, 21.0]);
        assert_eq!(summary.best(|row| row.wall_s.median), Some(21.0));
    }
}

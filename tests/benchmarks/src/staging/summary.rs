//! What many runs come to: medians, and how we stand to the others.

use super::corpus::Corpus;
use super::floor::Floor;
use super::peer::Peer;
use super::{Run, Runs, Tool};
use crate::tree::Size;

/// All that is said about one corpus.
#[derive(Debug)]
pub(crate) struct Summary {
    pub(crate) corpus: Corpus,
    pub(crate) size: Size,
    /// Ours first.
    pub(crate) rows: Vec<Row>,
    /// The median of each part; of the others, the most.
    pub(crate) floor: Option<Floor>,
}

/// What the runs of one tool come to.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Row {
    pub(crate) tool: Tool,
    pub(crate) runs: usize,
    pub(crate) wall_s: Spread,
    pub(crate) cpu_s: Spread,
    pub(crate) output_bytes: u64,
    /// The most of all runs.
    pub(crate) peak_mib: f64,
    /// The most of all runs: how much of all cores others had meanwhile, from 0 to 1.
    pub(crate) others: f64,
}

/// Several measurements of the same thing.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Spread {
    pub(crate) least: f64,
    pub(crate) median: f64,
    pub(crate) most: f64,
}

impl Spread {
    /// Returns the spread of some values; of none it is not a number.
    pub(crate) fn of(values: impl IntoIterator<Item = f64>) -> Self {
        let mut values: Vec<f64> = values.into_iter().collect();
        values.sort_by(f64::total_cmp);
        let (Some(&least), Some(&most)) = (values.first(), values.last()) else {
            return Self { least: f64::NAN, median: f64::NAN, most: f64::NAN };
        };
        let middle = values.len() / 2;
        let median = if values.len() % 2 == 1 {
            values[middle]
        } else {
            f64::midpoint(values[middle - 1], values[middle])
        };
        Self { least, median, most }
    }
}

impl Summary {
    pub(crate) fn of(runs: &Runs) -> Self {
        let rows = runs.of.iter().map(|(&tool, runs)| Row::of(tool, runs)).collect();
        let median = |part: fn(&Floor) -> f64| Spread::of(runs.floors.iter().map(part)).median;
        let floor = (!runs.floors.is_empty()).then(|| Floor {
            read_s: median(|floor| floor.read_s),
            compress_s: median(|floor| floor.compress_s),
            write_s: median(|floor| floor.write_s),
            others: Spread::of(runs.floors.iter().map(|floor| floor.others)).most,
        });
        Self { corpus: runs.corpus, size: runs.size, rows, floor }
    }

    pub(crate) fn row(&self, tool: Tool) -> Option<&Row> {
        self.rows.iter().find(|row| row.tool == tool)
    }

    /// Returns the row of the peer that the bars are about.
    pub(crate) fn the_peer(&self) -> Option<&Row> {
        self.row(Tool::Peer(Peer::Pigz))
    }

    /// Returns the most that others had of all cores during a run, from 0 to 1.
    pub(crate) fn others(&self) -> f64 {
        let floor = self.floor.iter().map(|floor| floor.others);
        self.rows.iter().map(|row| row.others).chain(floor).fold(0.0, f64::max)
    }

    /// Returns the least median of the peers, whichever has it.
    pub(crate) fn best(&self, value: impl Fn(&Row) -> f64) -> Option<f64> {
        self.rows.iter().filter(|row| row.tool != Tool::Ours).map(value).min_by(f64::total_cmp)
    }
}

impl Row {
    fn of(tool: Tool, runs: &[Run]) -> Self {
        let kib = runs.iter().map(|run| run.cost.peak_kib).max().unwrap_or(0);
        Self {
            tool,
            runs: runs.len(),
            wall_s: Spread::of(runs.iter().map(|run| run.cost.wall_s)),
            cpu_s: Spread::of(runs.iter().map(|run| run.cost.cpu_s)),
            output_bytes: runs.iter().map(|run| run.output_bytes).max().unwrap_or(0),
            peak_mib: kib as f64 / 1024.0,
            others: Spread::of(runs.iter().map(|run| run.cost.others)).most,
        }
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::measure::Cost;

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
    fn a_median_is_the_middle_one_or_between_the_two_in_the_middle() {
        assert_eq!(Spread::of([3.0, 1.0, 2.0]), Spread { least: 1.0, median: 2.0, most: 3.0 });
        assert_eq!(Spread::of([4.0, 1.0, 2.0, 8.0]), Spread { least: 1.0, median: 3.0, most: 8.0 });
        assert_eq!(Spread::of([7.0]), Spread { least: 7.0, median: 7.0, most: 7.0 });
        assert!(Spread::of([]).median.is_nan());
    }

    #[test]
    fn the_best_peer_is_never_ourselves() {
        let summary = summary(Corpus::Release, [8.0, 8.5, 9.0], [20.0, 22.0, 21.0]);
        assert_eq!(summary.best(|row| row.wall_s.median), Some(21.0));
    }
}

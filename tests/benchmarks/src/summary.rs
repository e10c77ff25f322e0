//! What many runs come to: medians.

use std::collections::BTreeMap;

use crate::measure::Cost;

/// What one run of a tool came to.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Run {
    pub(crate) cost: Cost,
    pub(crate) output_bytes: u64,
}

/// What the runs of one tool come to.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Row<T> {
    pub(crate) tool: T,
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

impl<T: Copy> Row<T> {
    /// Returns a row for each tool, in their order.
    pub(crate) fn of_all(runs: &BTreeMap<T, Vec<Run>>) -> Vec<Self> {
        runs.iter().map(|(&tool, runs)| Self::of(tool, runs)).collect()
    }

    fn of(tool: T, runs: &[Run]) -> Self {
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
mod tests {
    use super::*;

    #[test]
    fn a_median_is_the_middle_one_or_between_the_two_in_the_middle() {
        assert_eq!(Spread::of([3.0, 1.0, 2.0]), Spread { least: 1.0, median: 2.0, most: 3.0 });
        assert_eq!(Spread::of([4.0, 1.0, 2.0, 8.0]), Spread { least: 1.0, median: 3.0, most: 8.0 });
        assert_eq!(Spread::of([7.0]), Spread { least: 7.0, median: 7.0, most: 7.0 });
        assert!(Spread::of([]).median.is_nan());
    }
}

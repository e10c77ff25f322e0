//! Bars: what has to hold, and whether it does.

use crate::options::Options;
use crate::say;

/// How much of all cores others may have before wall times mean little, from 0 to 1. The kernel's threads,
/// which write the outputs to the disk, take some hundredths.
const QUIET: f64 = 0.10;

/// One bar on one measurement.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Bar {
    pub(crate) id: &'static str,
    /// What is compared with what, and the values.
    pub(crate) text: String,
    /// Whether it holds; `None` if it was not measured.
    pub(crate) verdict: Option<bool>,
}

impl Bar {
    /// Judges the value as it was measured, not as it is shown.
    pub(crate) fn at_most(
        id: &'static str,
        what: String,
        value: Option<f64>,
        limit: f64,
        digits: usize,
    ) -> Self {
        Self { id, text: what + &shown(value, digits), verdict: value.map(|value| value <= limit) }
    }

    /// The other way round.
    pub(crate) fn at_least(
        id: &'static str,
        what: String,
        value: Option<f64>,
        limit: f64,
        digits: usize,
    ) -> Self {
        Self { id, text: what + &shown(value, digits), verdict: value.map(|value| value >= limit) }
    }
}

/// Prints the words under the tables, the bars, and what is to be known about the whole. `others` is how much
/// others had of all cores at most. Returns whether every bar that was measured holds.
pub(crate) fn conclude(words: &str, bars: &[Bar], others: f64, options: &Options) -> bool {
    say::result(format_args!("{words}\n\n{}", options.style().bars(bars)));
    if others > QUIET {
        say::result("The host was not quiet: times are too long, and not for all alike. Measure again.");
    }
    if options.quick {
        say::result("This was a quick look: it says little about any bar.");
    }
    bars.iter().all(|bar| bar.verdict != Some(false))
}

fn shown(value: Option<f64>, digits: usize) -> String {
    value.map_or_else(String::new, |value| format!(": {value:.digits$}"))
}

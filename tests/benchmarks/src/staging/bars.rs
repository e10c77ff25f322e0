//! The bars that staging has to clear, and whether it does.

use super::Tool;
use super::corpus::Corpus;
use super::summary::Summary;
use crate::bars::Bar;
use crate::summary::Row;

/// P1, wall and CPU time against the peer, on what builds are made of.
const RELEASE_RATIO: f64 = 0.40;
/// P2, wall time against the peer.
const INCOMPRESSIBLE_RATIO: f64 = 0.35;
const SMALL_RATIO: f64 = 0.60;
/// P3, wall time against the floor.
const FLOOR_RATIO: f64 = 1.5;
/// P4.
const PEAK_MIB: f64 = 64.0;

/// Returns all bars.
pub(crate) fn judge(summaries: &[Summary]) -> Vec<Bar> {
    let of = |corpus| summaries.iter().find(|summary| summary.corpus == corpus);
    let mut bars = Vec::new();
    for corpus in [Corpus::Release, Corpus::Binary] {
        bars.push(against_peer("P1", corpus, of(corpus), Time::Wall, RELEASE_RATIO));
        bars.push(against_peer("P1", corpus, of(corpus), Time::Cpu, RELEASE_RATIO));
        bars.push(size(corpus, of(corpus)));
    }
    for (corpus, limit) in [(Corpus::Incompressible, INCOMPRESSIBLE_RATIO), (Corpus::Small, SMALL_RATIO)] {
        bars.push(against_peer("P2", corpus, of(corpus), Time::Wall, limit));
    }
    bars.extend(Corpus::TIMED.map(|corpus| against_floor(corpus, of(corpus))));
    bars.extend(Corpus::MEMORY.map(|corpus| peak(corpus, of(corpus))));
    bars
}

#[derive(Clone, Copy)]
enum Time {
    Wall,
    Cpu,
}

impl Time {
    fn name(self) -> &'static str {
        match self {
            Self::Wall => "wall time",
            Self::Cpu => "CPU time",
        }
    }

    fn of(self, row: &Row<Tool>) -> f64 {
        match self {
            Self::Wall => row.wall_s.median,
            Self::Cpu => row.cpu_s.median,
        }
    }
}

fn against_peer(id: &'static str, corpus: Corpus, summary: Option<&Summary>, time: Time, limit: f64) -> Bar {
    let what = format!("{} on {}, at most {limit:.2} of the peer's", time.name(), corpus.name());
    let pair = summary.and_then(|summary| summary.row(Tool::Ours).zip(summary.the_peer()));
    Bar::at_most(id, what, pair.map(|(ours, peer)| time.of(ours) / time.of(peer)), limit, 2)
}

fn size(corpus: Corpus, summary: Option<&Summary>) -> Bar {
    let what = format!("size of the payload of {}, at most the peer's", corpus.name());
    let pair = summary.and_then(|summary| summary.row(Tool::Ours).zip(summary.the_peer()));
    let verdict = pair.map(|(ours, peer)| ours.output_bytes <= peer.output_bytes);
    let values = pair.map_or_else(String::new, |(ours, peer)| {
        format!(": {} and {} bytes", ours.output_bytes, peer.output_bytes)
    });
    Bar { id: "P1", text: what + &values, verdict }
}

fn against_floor(corpus: Corpus, summary: Option<&Summary>) -> Bar {
    let what = format!("wall time on {}, at most {FLOOR_RATIO:.2} of the floor", corpus.name());
    let pair = summary.and_then(|summary| summary.row(Tool::Ours).zip(summary.floor));
    Bar::at_most("P3", what, pair.map(|(ours, floor)| ours.wall_s.median / floor.sum_s()), FLOOR_RATIO, 2)
}

fn peak(corpus: Corpus, summary: Option<&Summary>) -> Bar {
    let what = format!("peak of memory on {}, at most {PEAK_MIB:.0} MiB", corpus.name());
    let peak_mib = summary.and_then(|summary| summary.row(Tool::Ours)).map(|row| row.peak_mib);
    Bar::at_most("P4", what, peak_mib, PEAK_MIB, 1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::staging::summary::tests::summary;

    fn verdicts(bars: &[Bar], id: &str) -> Vec<Option<bool>> {
        bars.iter().filter(|bar| bar.id == id).map(|bar| bar.verdict).collect()
    }

    #[test]
    fn a_bar_is_judged_by_medians() {
        let fast = summary(Corpus::Release, [7.9, 8.0, 30.0], [20.0, 20.1, 20.0]);
        let slow = summary(Corpus::Binary, [8.1, 8.2, 1.0], [20.0, 20.0, 20.0]);
        let bars = judge(&[fast, slow]);
        // Wall, CPU and size of each.
        let [yes, no] = [Some(true), Some(false)];
        assert_eq!(verdicts(&bars, "P1"), [yes, yes, yes, no, no, yes]);
        assert_eq!(bars[0].text, "wall time on release, at most 0.40 of the peer's: 0.40");
    }

    #[test]
    fn what_was_not_measured_neither_holds_nor_fails() {
        let bars = judge(&[summary(Corpus::Incompressible, [12.0; 3], [34.0; 3])]);
        assert_eq!(verdicts(&bars, "P1"), [None; 6]);
        assert_eq!(verdicts(&bars, "P2"), [Some(false), None]);
        // The floor is 7.5 s.
        assert_eq!(verdicts(&bars, "P3"), [None, None, Some(false), None]);
        assert_eq!(verdicts(&bars, "P4"), [None, None]);
    }
}

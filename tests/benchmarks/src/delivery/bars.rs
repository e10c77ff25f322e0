//! The bars that delivery has to clear, and whether it does. All are D4.

use super::Tool;
use super::case::Case;
use super::peer::Peer;
use super::summary::Summary;
use crate::bars::Bar;

const ID: &str = "D4";

/// On loopback, of sftp's rate.
const LOOPBACK_RATIO: f64 = 0.75;
/// Over a distance, of the best peer's rate.
const DISTANT: [(Case, f64); 3] = [(Case::Ms20, 1.2), (Case::Ms50, 2.4), (Case::Ms100, 4.0)];
/// The same with one connection.
const ALONE: (Case, f64) = (Case::Ms50, 1.0);
/// Of many small payloads, of sftp's rate.
const SMALL_RATIO: f64 = 5.0;
const PEAK_MIB: f64 = 64.0;

/// Returns all bars.
pub(crate) fn judge(summaries: &[Summary]) -> Vec<Bar> {
    let of = |case: Case| summaries.iter().find(|summary| summary.case == case);
    let sftp = |case: Case, limit| {
        let what = format!("rate on {}, at least {limit:.2} of sftp's", case.name());
        against(what, of(case), Tool::Ours, |summary| summary.rate(Tool::Peer(Peer::Sftp)), limit)
    };
    let best = |tool: Tool, how: &str, (case, limit): (Case, f64)| {
        let what = format!("rate{how} on {}, at least {limit:.2} of the best peer's", case.name());
        against(what, of(case), tool, Summary::best_rate, limit)
    };
    let mut bars = vec![sftp(Case::Loopback, LOOPBACK_RATIO)];
    bars.extend(DISTANT.map(|distant| best(Tool::Ours, "", distant)));
    bars.push(best(Tool::OursAlone, " with one connection", ALONE));
    bars.push(sftp(Case::Small, SMALL_RATIO));
    bars.extend(summaries.iter().map(peak));
    bars.push(failures(summaries));
    bars
}

fn against(
    what: String,
    summary: Option<&Summary>,
    tool: Tool,
    peer: impl Fn(&Summary) -> Option<f64>,
    limit: f64,
) -> Bar {
    let ratio = summary.and_then(|summary| Some(summary.rate(tool)? / peer(summary)?));
    Bar::at_least(ID, what, ratio, limit, 2)
}

fn peak(summary: &Summary) -> Bar {
    let what = format!("peak of memory on {}, at most {PEAK_MIB:.0} MiB", summary.case.name());
    let ours = summary.rows.iter().filter(|row| !matches!(row.tool, Tool::Peer(_)) && row.runs > 0);
    let most = ours.map(|row| row.peak_mib).max_by(f64::total_cmp);
    Bar::at_most(ID, what, most, PEAK_MIB, 1)
}

/// A run that does not deliver has no rate; it must not go unnoticed.
fn failures(summaries: &[Summary]) -> Bar {
    let of = |summary: &Summary| summary.failed(Tool::Ours) + summary.failed(Tool::OursAlone);
    let failures: usize = summaries.iter().map(of).sum();
    let what = "runs of upload that failed or delivered wrong bytes, at most 0".to_owned();
    Bar::at_most(ID, what, Some(failures as f64), 0.0, 0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::delivery::summary::tests::summary;

    #[test]
    fn a_bar_is_judged_by_medians_and_against_the_best() {
        let peers = [(Tool::Peer(Peer::Sftp), [4.0, 5.0, 4.0]), (Tool::Peer(Peer::Rclone), [5.0; 3])];
        let fast = summary(Case::Ms50, &[&[(Tool::Ours, [1.6, 1.7, 1.5])][..], &peers].concat());
        let slow = summary(Case::Ms100, &[&[(Tool::Ours, [1.1, 1.0, 1.2])][..], &peers].concat());
        let mut summaries = [fast, slow];
        let said = |bars: &[Bar]| -> Vec<(String, Option<bool>)> {
            bars.iter().map(|bar| (bar.text.clone(), bar.verdict)).collect()
        };
        let of = |text: &str, verdict| (text.to_owned(), verdict);
        let expected = [
            of("rate on loopback, at least 0.75 of sftp's", None),
            of("rate on 20ms, at least 1.20 of the best peer's", None),
            of("rate on 50ms, at least 2.40 of the best peer's: 2.50", Some(true)),
            of("rate on 100ms, at least 4.00 of the best peer's: 3.64", Some(false)),
            of("rate with one connection on 50ms, at least 1.00 of the best peer's", None),
            of("rate on small, at least 5.00 of sftp's", None),
            of("peak of memory on 50ms, at most 64 MiB: 20.0", Some(true)),
            of("peak of memory on 100ms, at most 64 MiB: 20.0", Some(true)),
            of("runs of upload that failed or delivered wrong bytes, at most 0: 0", Some(true)),
        ];
        assert_eq!(said(&judge(&summaries)), expected);
        summaries[0].failed.insert(Tool::Ours, 1);
        assert_eq!(judge(&summaries).last().unwrap().verdict, Some(false));
    }
}

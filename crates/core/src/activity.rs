//! The runs of cron, and whether those that are expected were made.
//!
//! A run that fails sends mail; one that never begins sends none. So each run of `manage run`, `upload run`,
//! `manage publish`, `manage assemble` and `upload dispatch` leaves a [`Run`] in the spool when it ends
//! ([`crate::spool::Spool::note_run`]), and whoever looks compares them with what the configuration expects
//! ([`judge`]): a host whose cron is dead is noticed by the others.
//!
//! The rule is one: within the time that is expected, a run must have ended well. Ended well is exit status 0
//! of a run that did its work, for all builds and not for some that a person named. Where none has, what came
//! since the last good one says what is wrong: no run at all ([`Lack::Silent`]), runs that failed, or runs
//! that found the lock taken. A failure now and then is thus nobody's alarm, and a run that lasts longer than
//! what is expected is one: the time has to be chosen above that of the longest run.
//!
//! A run that was killed, or that could not read its configuration or open the spool, leaves nothing, and
//! counts as one that was not made. Nothing that the programs do depends on any of this.

mod metrics;
mod ping;

use std::collections::BTreeMap;
use std::fmt;

use jiff::{SignedDuration, Span, SpanRelativeTo, Timestamp};
use serde::{Deserialize, Serialize};

pub use self::metrics::metrics;
pub use self::ping::{PingUrl, Signal};
use crate::foreign::escape;

/// What leaves a run, by the names that people type.
pub const NAMES: [&str; 5] =
    ["manage run", "upload run", "manage publish", "manage assemble", "upload dispatch"];

/// The longest time that can be expected.
const LONGEST: SignedDuration = SignedDuration::from_hours(24 * 366);

/// A run that has ended. Fields never change their meaning; new ones may be added.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Run {
    /// One of [`NAMES`].
    pub name: String,
    /// The host.
    pub host: String,
    /// Its id, by which the transaction log knows it.
    pub run: String,
    /// When it began.
    pub started: Timestamp,
    /// When it ended.
    pub ended: Timestamp,
    /// Its exit status.
    pub status: u8,
    /// It was for builds, jobs, trees or suites that somebody named, so it does not stand for cron's.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub is_partial: bool,
    /// Who held the lock, if it did nothing because of that.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub locked_by: Option<String>,
    /// What it dealt with, and how much of it.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub counts: BTreeMap<String, u64>,
    /// What went wrong, by [`crate::exit::Fault::kind`], and how often.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub errors: BTreeMap<String, u64>,
}

impl Run {
    /// Returns whether it did what it should.
    pub fn is_good(&self) -> bool {
        self.status == 0 && self.locked_by.is_none()
    }
}

/// A run that is expected again and again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Expected {
    /// One of [`NAMES`].
    pub name: String,
    /// On this host; on any, if there is none.
    pub host: Option<String>,
    /// At least so often.
    #[serde(rename = "every_s", serialize_with = "seconds")]
    pub every: SignedDuration,
}

impl Expected {
    /// Takes `NAME` or `NAME on HOST`, and how often, such as `20 min`.
    pub fn parse(what: &str, every: &str) -> Option<Self> {
        let (name, host) = match what.split_once(" on ") {
            Some((name, host)) => (name, Some(host)),
            None => (what, None),
        };
        let is_sound = NAMES.contains(&name)
            && host.is_none_or(|host| !host.is_empty() && !host.contains(char::is_whitespace));
        let every = interval(every)?;
        is_sound.then(|| Self { name: name.to_owned(), host: host.map(str::to_owned), every })
    }

    fn concerns(&self, run: &Run) -> bool {
        self.name == run.name && !run.is_partial && self.host.as_ref().is_none_or(|host| *host == run.host)
    }
}

impl fmt::Display for Expected {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.host {
            Some(host) => write!(f, "{} on {}", self.name, escape(host)),
            None => write!(f, "{} on any host", self.name),
        }
    }
}

/// Takes a time such as `20 min`, `2h` or `1 day`.
pub fn interval(text: &str) -> Option<SignedDuration> {
    let span: Span = text.parse().ok()?;
    let time = span.to_duration(SpanRelativeTo::days_are_24_hours()).ok()?;
    (time >= SignedDuration::from_secs(1) && time <= LONGEST).then_some(time)
}

/// What is wrong with runs that are expected.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case", tag = "is")]
pub enum Lack {
    /// None has ended lately.
    Silent {
        /// The last there was.
        last: Option<Box<Run>>,
    },
    /// They fail.
    Failing {
        /// So many in a row did not end well.
        runs: usize,
        /// The last that failed.
        last: Box<Run>,
    },
    /// They find the lock taken.
    Locked {
        /// So many in a row.
        runs: usize,
        /// The last of them.
        last: Box<Run>,
    },
}

/// An expectation that is not met.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// Which.
    #[serde(flatten)]
    pub expected: Expected,
    /// What is wrong.
    #[serde(flatten)]
    pub lack: Lack,
    /// Since when; not known, if there never was such a run as far as anyone remembers.
    pub since: Option<Timestamp>,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { expected, lack, since } = self;
        let every = format!("expected every {:#}", expected.every);
        let since = since.map_or_else(|| "ever".to_owned(), |since| format!("{since:.0}"));
        let row = |runs| if runs == 1 { "1 run".to_owned() } else { format!("{runs} runs") };
        write!(f, "{expected}: ")?;
        match lack {
            Lack::Silent { last: None } => write!(f, "silent: no run is known, {every}"),
            Lack::Silent { last: Some(last) } => {
                let Run { host, status, .. } = &**last;
                write!(
                    f,
                    "silent since {since}: then the last run ended on {} with exit status {status}, {every}",
                    escape(host)
                )
            }
            Lack::Failing { runs, last } => {
                let Run { host, status, run, .. } = &**last;
                let (host, run) = (escape(host), escape(run));
                write!(
                    f,
                    "failing since {since}: {} not good, the last one that failed on {host} with exit status ",
                    row(*runs)
                )?;
                write!(f, "{status}, {every}; see `manage log --run {run}`")
            }
            Lack::Locked { runs, last } => {
                let holder = escape(last.locked_by.as_deref().unwrap_or_default());
                write!(
                    f,
                    "finds the lock taken since {since}: {} did nothing, the last one on ",
                    row(*runs)
                )?;
                write!(f, "{} found it held by {holder}, {every}", escape(&last.host))
            }
        }
    }
}

/// Returns what is expected and was not done, as far as these runs tell.
pub fn judge(expected: &[Expected], runs: &[Run], now: Timestamp) -> Vec<Finding> {
    expected.iter().filter_map(|expected| judge_one(expected, runs, now)).collect()
}

fn judge_one(expected: &Expected, runs: &[Run], now: Timestamp) -> Option<Finding> {
    let every = expected.every;
    // What a host with a wrong clock says of the far future would hide all that comes.
    let is_known = |run: &&Run| expected.concerns(run) && run.ended.duration_since(now) <= every;
    let mut runs: Vec<&Run> = runs.iter().filter(is_known).collect();
    runs.sort_by_key(|run| run.ended);
    let finding = |lack, since| Some(Finding { expected: expected.clone(), lack, since });
    let Some(last) = runs.last() else { return finding(Lack::Silent { last: None }, None) };
    if now.duration_since(last.ended) > every {
        return finding(Lack::Silent { last: Some(Box::new((*last).clone())) }, Some(last.ended));
    }
    let good = runs.iter().rposition(|run| run.is_good());
    let bad = &runs[good.map_or(0, |good| good + 1)..];
    let first = bad.first()?;
    // The time begins with the last good run, or else with the first that is known.
    let begin = good.map_or(first.started, |good| runs[good].ended);
    if now.duration_since(begin) <= every {
        return None;
    }
    let runs = bad.len();
    let lack = match bad.iter().rfind(|run| run.status != 0) {
        Some(last) => Lack::Failing { runs, last: Box::new((**last).clone()) },
        None => Lack::Locked { runs, last: Box::new((*last).clone()) },
    };
    finding(lack, Some(first.ended))
}

fn seconds<S: serde::Serializer>(time: &SignedDuration, to: S) -> Result<S::Ok, S::Error> {
    to.serialize_i64(time.as_secs())
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::constant(1_800_000_000, 0);

    fn ago(minutes: i64) -> Timestamp {
        NOW - SignedDuration::from_mins(minutes)
    }

    fn run(host: &str, minutes: i64, status: u8) -> Run {
        Run {
            name: "manage run".to_owned(),
            host: host.to_owned(),
            run: "r1".to_owned(),
            started: ago(minutes + 1),
            ended: ago(minutes),
            status,
            is_partial: false,
            locked_by: None,
            counts: BTreeMap::new(),
            errors: BTreeMap::new(),
        }
    }

    fn locked(host: &str, minutes: i64) -> Run {
        Run { locked_by: Some("granite, process 7".to_owned()), ..run(host, minutes, 0) }
    }

    fn found(what: &str, runs: &[Run]) -> Option<Finding> {
        let expected = Expected::parse(what, "20 min").unwrap();
        judge(&[expected], runs, NOW).pop()
    }

    #[test]
    fn a_good_run_within_the_time_is_all_that_is_expected() {
        assert_eq!(found("manage run", &[run("ebb", 500, 69), run("ebb", 19, 0), run("ebb", 2, 75)]), None);
        assert_eq!(found("manage run", &[run("flow", 3, 0), locked("ebb", 3)]), None);
    }

    #[test]
    fn silence_is_noticed_and_since_when() {
        let last = run("ebb", 21, 75);
        let finding = found("manage run", &[run("ebb", 40, 0), last.clone()]).unwrap();
        assert_eq!(finding.since, Some(ago(21)));
        assert_eq!(finding.lack, Lack::Silent { last: Some(Box::new(last)) });
        let finding = found("manage run on ebb", &[run("flow", 1, 0)]).unwrap();
        assert_eq!((finding.lack, finding.since), (Lack::Silent { last: None }, None));
    }

    #[test]
    fn a_run_for_one_build_or_of_the_far_future_is_not_crons() {
        let one = Run { is_partial: true, ..run("ebb", 1, 0) };
        assert!(matches!(found("manage run", &[one]).unwrap().lack, Lack::Silent { .. }));
        assert!(matches!(found("manage run", &[run("ebb", -999, 0)]).unwrap().lack, Lack::Silent { .. }));
    }

    #[test]
    fn failing_in_a_row_is_noticed_and_since_when() {
        let runs =
            [run("ebb", 60, 0), run("ebb", 45, 78), locked("ebb", 30), run("ebb", 15, 69), locked("ebb", 1)];
        let finding = found("manage run on ebb", &runs).unwrap();
        assert_eq!(finding.since, Some(ago(45)));
        assert_eq!(finding.lack, Lack::Failing { runs: 4, last: Box::new(runs[3].clone()) });
        // One that has just been set up has its time.
        assert_eq!(found("manage run", &[run("ebb", 15, 69), run("ebb", 1, 69)]), None);
    }

    #[test]
    fn a_lock_that_is_always_taken_is_noticed() {
        let runs = [run("ebb", 50, 0), locked("ebb", 35), locked("ebb", 20), locked("ebb", 5)];
        let finding = found("manage run", &runs).unwrap();
        assert_eq!(finding.since, Some(ago(35)));
        let told = finding.to_string();
        assert!(told.contains("lock taken since") && told.contains("held by granite, process 7"), "{told}");
        assert!(told.contains("3 runs did nothing") && told.contains("every 20m"), "{told}");
    }

    #[test]
    fn what_can_be_expected() {
        for (what, every) in
            [("manage run", "20 min"), ("upload run on flow", "40m"), ("manage publish", "1 day")]
        {
            assert!(Expected::parse(what, every).is_some(), "{what}: {every}");
        }
        let wrong = [
            ("run", "1h"),
            ("manage run on ", "1h"),
            ("manage run on a b", "1h"),
            ("manage run", "20"),
            ("manage run", "0s"),
            ("manage run", "-1h"),
            ("manage run", "2 years"),
        ];
        for (what, every) in wrong {
            assert!(Expected::parse(what, every).is_none(), "{what}: {every}");
        }
    }
}

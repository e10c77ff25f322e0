//! Which machines may get a package now, and what the others wait for: from how far it is at each of them,
//! from what its section says, and from the clock.
//!
//! A section's machines are in the order in which they are written. The first `canary` of them must have a
//! package before another one gets it; a canary that is away is passed over for now, and the next machine
//! takes its place. Of those that may have it then, the first `batch` are a round. Nothing of the next round
//! begins before this one has ended; so no more machines than that are at work on packages at a time,
//! whatever packages they are.
//!
//! What has failed, for now or for good, counts towards `stop_at`, for its package alone; if enough have, or
//! one canary, no further machine gets the package until a person has acted. A machine that was away has not
//! failed.

use jiff::{Timestamp, Zoned};
use serde::Serialize;

use crate::rollout::Rollout;

/// How far one content of a package is at one machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Standing {
    /// All that was to happen there has happened, at that time.
    Done(Timestamp),
    /// It could be sent.
    Open,
    /// It has failed, and is tried again: now, or later.
    Failing { is_now: bool },
    /// It has failed, and a person has to act.
    Failed,
    /// Its upgrade may have been begun, and it is asked how it has ended.
    Unclear,
    /// The machine is away, or busy with something that may still run there.
    Away,
    /// A person holds it.
    Held,
}

impl Standing {
    fn has_failed(self) -> bool {
        match self {
            Self::Failing { .. } | Self::Failed | Self::Unclear => true,
            Self::Done(_) | Self::Open | Self::Away | Self::Held => false,
        }
    }

    /// Returns whether the machine would have to be connected to for it.
    pub(crate) fn is_unfinished(self) -> bool {
        match self {
            Self::Open | Self::Failing { .. } | Self::Unclear => true,
            Self::Done(_) | Self::Failed | Self::Away | Self::Held => false,
        }
    }

    fn is_done(self) -> bool {
        matches!(self, Self::Done(_))
    }

    /// Returns whether it could be sent now, if nothing else were in the way.
    fn is_ready(self) -> bool {
        match self {
            Self::Open | Self::Failing { is_now: true } | Self::Unclear => true,
            Self::Failing { is_now: false } | Self::Done(_) | Self::Failed | Self::Away | Self::Held => false,
        }
    }
}

/// One content of a package, and the machines of its section in their order. `None` is a machine that it was
/// not sent to.
#[derive(Debug, Clone)]
pub(crate) struct Unit {
    pub(crate) at: Vec<Option<Standing>>,
    /// What a machine of another group has to have before, as `PACKAGE@MACHINE`.
    pub(crate) before: Option<(String, String)>,
}

/// Why a package does not go to a machine yet.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Wait {
    /// The machine was away, and is left alone until then.
    Away {
        /// When it is tried again.
        until: Timestamp,
    },
    /// Another upgrade may still be running at the machine.
    Unclear {
        /// That of this package, as `PACKAGE@MACHINE`.
        label: String,
    },
    /// This run has waited for an upgrade at the machine until its time was over, and begins no other one
    /// there.
    Late {
        /// That of this package, as `PACKAGE@MACHINE`.
        label: String,
    },
    /// Nothing begins before then.
    Frozen {
        /// The end of it, and of all windows that follow without a gap.
        until: Timestamp,
        /// The window, as it is written.
        window: String,
    },
    /// Another group has to have it first.
    Group {
        /// The group.
        group: String,
        /// What has not got there yet, as `PACKAGE@MACHINE`.
        lacks: String,
    },
    /// Canaries have to have it first.
    Canary {
        /// The machines.
        machines: Vec<String>,
    },
    /// A canary has failed.
    CanaryFailed {
        /// The machine.
        machine: String,
    },
    /// So many machines have failed that no further one gets it.
    Stopped {
        /// How many.
        failed: usize,
        /// Of how many.
        of: usize,
    },
    /// Other machines have their turn first.
    Batch {
        /// The machines.
        machines: Vec<String>,
    },
    /// The pause after a batch is not over.
    Pause {
        /// When it is.
        until: Timestamp,
    },
}

impl Wait {
    /// Returns whether the run that does what goes before will come to it as well, if all goes well.
    pub fn is_short(&self) -> bool {
        match self {
            Self::Canary { .. } | Self::Batch { .. } | Self::Pause { .. } | Self::Group { .. } => true,
            Self::Away { .. }
            | Self::Unclear { .. }
            | Self::Late { .. }
            | Self::Frozen { .. }
            | Self::CanaryFailed { .. }
            | Self::Stopped { .. } => false,
        }
    }
}

/// What comes behind "waits".
impl std::fmt::Display for Wait {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Away { until } => write!(f, "until {until:.0}, as the machine was away"),
            Self::Unclear { label } => {
                write!(f, "for the upgrade of {label}, as it is not known how that has ended")
            }
            Self::Late { label } => {
                write!(f, "for the next run, as the upgrade of {label} was ended when its time was over")
            }
            Self::Frozen { until, window } => write!(f, "until {until:.0}, as it is frozen ({window})"),
            Self::Group { group, lacks } => write!(f, "for the group {group}: {lacks} is not done"),
            Self::Canary { machines } => write!(f, "for the canary {}", listed(machines)),
            Self::CanaryFailed { machine } => write!(f, "for a person: the canary {machine} has failed"),
            Self::Stopped { failed, of } => {
                write!(f, "for a person: {failed} of {of} machines have failed")
            }
            Self::Batch { machines } => write!(f, "for {}, whose turn it is", listed(machines)),
            Self::Pause { until } => write!(f, "until {until:.0}, the pause after a batch"),
        }
    }
}

fn listed(machines: &[String]) -> String {
    const SHOWN: usize = 3;
    let shown = machines[..machines.len().min(SHOWN)].join(", ");
    match machines.len().saturating_sub(SHOWN) {
        0 => shown,
        more => format!("{shown} and {more} more"),
    }
}

/// Says of each content of a package, and each machine, whether it goes there now; `None` where that is no
/// question. Without `by_round` pauses and batches do not count, as for what has begun.
pub(crate) fn turns(
    rules: &Rollout,
    machines: &[String],
    units: &[Unit],
    now: &Zoned,
    by_round: bool,
) -> Vec<Vec<Option<Result<(), Wait>>>> {
    let mut all: Vec<_> = units.iter().map(|unit| of_unit(rules, machines, unit, now)).collect();
    if !by_round {
        return all;
    }
    if let Some(until) = pause(rules, units, now) {
        delay(&mut all, |_| Some(Wait::Pause { until }));
    }
    if let Some(batch) = rules.batch {
        let goes =
            |machine: usize| all.iter().any(|unit: &Vec<_>| matches!(unit.get(machine), Some(Some(Ok(())))));
        let round: Vec<usize> =
            (0..machines.len()).filter(|machine| goes(*machine)).take(batch.of(machines.len())).collect();
        let first: Vec<String> = round.iter().map(|machine| machines[*machine].clone()).collect();
        delay(&mut all, |machine| {
            (!round.contains(&machine)).then(|| Wait::Batch { machines: first.clone() })
        });
    }
    all
}

/// Has what would go now wait, if there is a reason.
fn delay(all: &mut [Vec<Option<Result<(), Wait>>>], why: impl Fn(usize) -> Option<Wait>) {
    for unit in all {
        for (machine, turn) in unit.iter_mut().enumerate() {
            if let Some(wait) = why(machine).filter(|_| *turn == Some(Ok(()))) {
                *turn = Some(Err(wait));
            }
        }
    }
}

/// Returns until when the pause after a batch lasts.
fn pause(rules: &Rollout, units: &[Unit], now: &Zoned) -> Option<Timestamp> {
    let is_over = |unit: &&Unit| unit.at.iter().flatten().all(|standing| !standing.is_ready());
    let unfinished = units.iter().filter(|unit| !is_over(unit));
    let since = |standing: &Standing| match standing {
        Standing::Done(since) => Some(*since),
        Standing::Open
        | Standing::Failing { .. }
        | Standing::Failed
        | Standing::Unclear
        | Standing::Away
        | Standing::Held => None,
    };
    let last = unfinished.flat_map(|unit| unit.at.iter().flatten().filter_map(since)).max()?;
    let until = last.saturating_add(rules.pause).unwrap_or(Timestamp::MAX);
    // A time that is yet to come was noted by a wrong clock; no pause is longer than it can be.
    (rules.takes_turns() && last <= now.timestamp() && now.timestamp() < until).then_some(until)
}

fn of_unit(rules: &Rollout, machines: &[String], unit: &Unit, now: &Zoned) -> Vec<Option<Result<(), Wait>>> {
    let frozen =
        rules.freeze.until(now).map(|(until, window)| Wait::Frozen { until, window: window.to_owned() });
    let group = unit.before.clone().map(|(group, lacks)| Wait::Group { group, lacks });
    let for_all = frozen.or(group);
    let stopped = stopped(rules, machines, unit);
    let done = unit.at.iter().flatten().filter(|standing| standing.is_done()).count();
    let wanted = (rules.canary as usize).saturating_sub(done);
    // One that has failed for now is still the canary.
    let could = |standing: Standing| standing.is_ready() || standing.has_failed();
    let canaries: Vec<usize> = unit
        .at
        .iter()
        .enumerate()
        .filter_map(|(machine, standing)| standing.filter(|s| could(*s)).map(|_| machine))
        .take(wanted)
        .collect();
    let turn = |(machine, standing): (usize, &Option<Standing>)| {
        let standing = standing.filter(|standing| standing.is_ready())?;
        Some(match (&for_all, &stopped) {
            // Nothing new is begun by that.
            _ if standing == Standing::Unclear => Ok(()),
            (Some(wait), _) => Err(wait.clone()),
            // What has failed before is tried again all the same.
            (None, Some(wait)) if !standing.has_failed() => Err(wait.clone()),
            (None, _) if wanted > 0 && !canaries.contains(&machine) => {
                let machines = canaries.iter().map(|canary| machines[*canary].clone()).collect();
                Err(Wait::Canary { machines })
            }
            (None, _) => Ok(()),
        })
    };
    unit.at.iter().enumerate().map(turn).collect()
}

/// Returns why no further machine gets it.
fn stopped(rules: &Rollout, machines: &[String], unit: &Unit) -> Option<Wait> {
    let standings = || unit.at.iter().flatten();
    let done = standings().filter(|standing| standing.is_done()).count();
    let first = unit.at.iter().position(|standing| standing.is_some_and(Standing::has_failed))?;
    if done < rules.canary as usize {
        return Some(Wait::CanaryFailed { machine: machines[first].clone() });
    }
    let failed = standings().filter(|standing| standing.has_failed()).count();
    let of = machines.len();
    rules.stop_at.is_some_and(|most| failed >= most.of(of)).then_some(Wait::Stopped { failed, of })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::freeze::{Freeze, Window};
    use crate::rollout::{PARALLEL, Share};
    use jiff::SignedDuration;

    use Standing::{Away, Done, Failed, Failing, Held, Open, Unclear};

    const NOW: &str = "2026-12-04T12:00:00+00:00[UTC]";

    fn rules() -> Rollout {
        Rollout {
            group: None,
            after: Vec::new(),
            parallel: PARALLEL,
            canary: 0,
            batch: None,
            pause: SignedDuration::ZERO,
            stop_at: None,
            freeze: Freeze::default(),
        }
    }

    fn done(minutes: i64) -> Standing {
        let now: Zoned = NOW.parse().unwrap();
        Done(now.timestamp() - SignedDuration::from_mins(minutes))
    }

    /// Shows the turns of one package as `go`, `-` or why not, machines being called a, b, c and so on.
    fn show(rules: &Rollout, at: &[Standing]) -> String {
        show_all(rules, &[at]).remove(0)
    }

    fn show_all(rules: &Rollout, units: &[&[Standing]]) -> Vec<String> {
        let machines: Vec<String> =
            (b'a'..).take(units[0].len()).map(|letter| char::from(letter).to_string()).collect();
        let unit = |at: &&[Standing]| Unit { at: at.iter().copied().map(Some).collect(), before: None };
        let units: Vec<Unit> = units.iter().map(unit).collect();
        let told = |turn: &Option<Result<(), Wait>>| match turn {
            None => "-".to_owned(),
            Some(Ok(())) => "go".to_owned(),
            Some(Err(wait)) => wait.to_string(),
        };
        let turns = turns(rules, &machines, &units, &NOW.parse().unwrap(), true);
        turns.iter().map(|unit| unit.iter().map(told).collect::<Vec<_>>().join(" | ")).collect()
    }

    #[test]
    fn s2_01_without_a_rule_all_machines_go_at_once_whatever_fails() {
        let at = [Open, Failed, Away, Held, done(1), Failing { is_now: true }, Failing { is_now: false }];
        assert_eq!(show(&rules(), &at), "go | - | - | - | - | go | -");
    }

    #[test]
    fn s2_01_no_machine_goes_before_the_canaries_have_a_package() {
        let rules = Rollout { canary: 2, stop_at: Some(Share::Count(1)), ..rules() };
        let wait = "for the canary a, b";
        assert_eq!(show(&rules, &[Open, Open, Open, Open]), format!("go | go | {wait} | {wait}"));
        let wait = "for the canary b";
        assert_eq!(show(&rules, &[done(9), Open, Open, Open]), format!("- | go | {wait} | {wait}"));
        assert_eq!(show(&rules, &[done(9), done(9), Open, Open]), "- | - | go | go");
        // One that is away has not failed: another one takes its place.
        let wait = "for the canary a, c";
        assert_eq!(show(&rules, &[Open, Away, Open, Open]), format!("go | - | go | {wait}"));
    }

    #[test]
    fn s2_01_a_canary_that_has_failed_keeps_a_package_from_all_others() {
        let rules = Rollout { canary: 1, ..rules() };
        let failed = "for a person: the canary a has failed";
        assert_eq!(show(&rules, &[Failed, Open, Open]), format!("- | {failed} | {failed}"));
        // For now: it is tried again, and they go on waiting.
        let failing = [Failing { is_now: true }, Open, Open];
        assert_eq!(show(&rules, &failing), format!("go | {failed} | {failed}"));
        // Another package is no worse for it.
        let both = show_all(&rules, &[&[Failed, Open], &[done(9), Open]]);
        assert_eq!(both, [format!("- | {failed}"), "- | go".to_owned()]);
    }

    #[test]
    fn s2_01_a_share_of_failures_stops_a_package_and_machines_that_are_away_do_not() {
        let rules = Rollout { stop_at: Some(Share::Percent(50)), ..rules() };
        assert_eq!(show(&rules, &[Failed, Away, Away, Open]), "- | - | - | go");
        let stopped = "for a person: 2 of 4 machines have failed";
        assert_eq!(
            show(&rules, &[Failed, Failing { is_now: true }, Open, Away]),
            format!("- | go | {stopped} | -")
        );
    }

    #[test]
    fn s2_01_a_batch_is_of_machines_whatever_packages_they_get() {
        let rules = Rollout { batch: Some(Share::Count(2)), ..rules() };
        let wait = "for a, b, whose turn it is";
        assert_eq!(show(&rules, &[Open, Open, Open, Open]), format!("go | go | {wait} | {wait}"));
        let both = show_all(&rules, &[&[Open, done(9), Open], &[done(9), Open, Open]]);
        assert_eq!(both, [format!("go | - | {wait}"), format!("- | go | {wait}")]);
    }

    #[test]
    fn s2_01_a_pause_is_kept_between_batches_and_not_before_the_first() {
        let batch = Some(Share::Count(1));
        let rules = Rollout { batch, pause: SignedDuration::from_mins(10), ..rules() };
        assert_eq!(show(&rules, &[Open, Open]), "go | for a, whose turn it is");
        let wait = "until 2026-12-04T12:01:00Z, the pause after a batch";
        assert_eq!(show(&rules, &[done(9), Open, Open]), format!("- | {wait} | {wait}"));
        assert_eq!(show(&rules, &[done(10), Open, Away]), "- | go | -");
        assert_eq!(show(&rules, &[done(-60), Open, Away]), "- | go | -", "a wrong clock");
    }

    #[test]
    fn s2_01_nothing_goes_while_it_is_frozen() {
        let windows = vec![Window::parse("Fri 11:00-Fri 13:00").unwrap()];
        let rules = Rollout { freeze: Freeze { windows, zone: None }, ..rules() };
        let wait = "until 2026-12-04T13:00:00Z, as it is frozen (Fri 11:00-Fri 13:00)";
        assert_eq!(show(&rules, &[Open, Failing { is_now: true }]), format!("{wait} | {wait}"));
        assert_eq!(
            show(&rules, &[Open, Unclear]),
            format!("{wait} | go"),
            "how an upgrade has ended is asked"
        );
    }
}

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
mod tests;

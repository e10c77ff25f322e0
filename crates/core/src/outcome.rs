//! How a run ended, build by build, and the exit status that follows.

use serde::Serialize;

use crate::exit::{self, Fault};
use crate::record::RecordId;

/// What became of one build in one run.
#[derive(Debug, Clone, Serialize)]
pub struct Outcome {
    /// The build's record.
    pub record: RecordId,
    /// The build's name, as in the record.
    pub name: String,
    /// What was done, in order.
    pub done: Vec<String>,
    /// How it ended.
    pub end: End,
}

/// How the work on one build ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case", tag = "is")]
pub enum End {
    /// All that was planned is done.
    Done,
    /// Something moved meanwhile; the next run plans anew. Nothing is wrong.
    Yielded {
        /// What moved.
        reason: String,
    },
    /// A site that may lag still does; all that is required is done.
    Lags {
        /// Which, and why.
        reason: String,
    },
    /// It failed.
    Failed {
        /// What has to happen.
        fault: Fault,
        /// Why, with causes; escaped.
        reason: String,
    },
    /// It was not tried, because of something that stopped the run or all work of this kind.
    NotTried {
        /// What has to happen.
        fault: Fault,
        /// Why.
        reason: String,
    },
}

impl End {
    /// Makes a failure of an error and its causes.
    pub fn failed(fault: Fault, error: &dyn std::error::Error) -> Self {
        Self::Failed { fault, reason: crate::txlog::chain(error) }
    }

    /// Returns what has to happen, if anything has.
    pub fn fault(&self) -> Option<Fault> {
        match self {
            Self::Done | Self::Yielded { .. } | Self::Lags { .. } => None,
            Self::Failed { fault, .. } | Self::NotTried { fault, .. } => Some(*fault),
        }
    }
}

/// The faults that decide a run's exit status, the gravest first. A build's own fault counts least, because
/// the others were processed.
const BY_WEIGHT: [Fault; 7] = [
    Fault::Bug,
    Fault::Spool,
    Fault::Configuration,
    Fault::Access,
    Fault::Unreachable,
    Fault::TryLater,
    Fault::Build,
];

/// Returns the fault that decides.
pub fn gravest(faults: &[Fault]) -> Option<Fault> {
    BY_WEIGHT.into_iter().find(|fault| faults.contains(fault))
}

/// Returns the exit status of a run with these outcomes, to which `more` faults come that belong to no build.
///
/// "Unreachable" promises that nothing could be done; where something was, it is "try again later".
pub fn exit_status(outcomes: &[Outcome], more: &[Fault]) -> u8 {
    let faults: Vec<Fault> =
        outcomes.iter().filter_map(|o| o.end.fault()).chain(more.iter().copied()).collect();
    let Some(worst) = gravest(&faults) else { return exit::OK };
    let something_done = outcomes.iter().any(|o| !o.done.is_empty());
    if worst == Fault::Unreachable && something_done {
        return exit::TRY_LATER;
    }
    worst.exit_status()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn outcome(end: End) -> Outcome {
        let done = if end == End::Done { vec!["archived".into()] } else { vec![] };
        Outcome { record: "r1".parse().unwrap(), name: "p7".into(), done, end }
    }

    fn failed(fault: Fault) -> Outcome {
        outcome(End::Failed { fault, reason: String::new() })
    }

    #[test]
    fn the_gravest_fault_decides() {
        assert_eq!(exit_status(&[], &[]), exit::OK);
        assert_eq!(exit_status(&[outcome(End::Yielded { reason: "x".into() })], &[]), exit::OK);
        assert_eq!(exit_status(&[failed(Fault::Build), outcome(End::Done)], &[]), exit::SOME_FAILED);
        assert_eq!(exit_status(&[failed(Fault::Build), failed(Fault::Access)], &[]), exit::ACCESS);
        assert_eq!(exit_status(&[outcome(End::Done)], &[Fault::Spool]), exit::IO);
    }

    #[test]
    fn unreachable_means_that_nothing_was_done() {
        assert_eq!(exit_status(&[failed(Fault::Unreachable)], &[]), exit::UNAVAILABLE);
        assert_eq!(exit_status(&[failed(Fault::Unreachable), outcome(End::Done)], &[]), exit::TRY_LATER);
    }
}

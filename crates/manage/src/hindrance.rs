//! What stands in the way of a plan, as far as is known before it is tried.
//!
//! A run tries what it has planned, and it is right that it does: a site may be back, a key put right. A
//! person who asks what comes next is told more: that a site could not be connected to when it was last
//! tried, and that the key does not sign. So hindrances are beside the steps, and change none of them.

use std::fmt::{self, Display, Formatter};

use serde::Serialize;

use super::apply::NoKey;
use super::{BuildPlan, Plan, Rest, Step};
use intraware_core::exit::Fault;
use intraware_core::foreign::tame;
use intraware_core::sites::Names;

/// What stands in the way of a build.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case", tag = "is")]
pub enum Hindrance {
    /// A site that it goes to could not be connected to when that was tried last.
    Site {
        /// Which.
        site: String,
        /// Since when, and why.
        reason: String,
    },
    /// The signing key cannot be used.
    Key {
        /// What has to happen.
        fault: Fault,
        /// Why.
        reason: String,
    },
}

impl Hindrance {
    /// Returns what a run is sure to fail at.
    pub fn fault(&self) -> Option<Fault> {
        match self {
            // The site may be back.
            Self::Site { .. } => None,
            Self::Key { fault, .. } => Some(*fault),
        }
    }

    /// Returns the exact command with which a person finds out that it is gone.
    pub fn check(&self) -> &'static str {
        match self {
            Self::Site { .. } => "upload check",
            Self::Key { .. } => "manage check",
        }
    }
}

impl Display for Hindrance {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::Site { reason, .. } | Self::Key { reason, .. } => f.write_str(&tame(reason)),
        }
    }
}

impl Plan {
    /// Adds that the signing key cannot be used, where it is needed.
    pub fn without_key(&mut self, no_key: &NoKey) {
        for build in self.builds.iter_mut().filter(|build| build.steps.iter().any(Step::needs_key)) {
            let key = Hindrance::Key { fault: no_key.fault, reason: no_key.to_string() };
            build.hindrances.insert(0, key);
        }
    }
}

impl BuildPlan {
    /// Returns what comes next, in order, as people are told it.
    pub fn next(&self) -> Vec<String> {
        let mut next: Vec<String> = self.steps.iter().map(Step::to_string).collect();
        next.extend(self.rest.iter().map(Rest::to_string));
        // What is prepared is prepared whether the site is there or not.
        let is_prepared =
            self.steps.iter().any(|step| matches!(step, Step::Prepare { .. } | Step::Adopt { .. }));
        for hindrance in self.hindrances.iter().rev() {
            match hindrance {
                Hindrance::Site { .. } if is_prepared || self.steps.is_empty() => {
                    next.push(format!("and waits then: {hindrance}"));
                }
                Hindrance::Site { .. } | Hindrance::Key { .. } => {
                    next.insert(0, format!("waits: {hindrance}"));
                }
            }
        }
        next
    }
}

/// Returns to which sites these steps, or the uploader, bring something.
pub(super) fn destinations<'p>(
    steps: &'p [Step],
    waiting: Option<&'p Names>,
) -> impl Iterator<Item = &'p str> {
    let to = steps.iter().filter_map(|step| match step {
        Step::Prepare { to, .. } | Step::Adopt { to, .. } | Step::HandOver { to, .. } => Some(to),
        Step::Confirm { .. }
        | Step::Retire { .. }
        | Step::Fail { .. }
        | Step::PutAside { .. }
        | Step::Park { .. }
        | Step::Alarm { .. } => None,
    });
    to.chain(waiting).flat_map(Names::iter)
}

//! What of a plan is to be said although nothing is done about it.

use super::{Plan, Rest};
use intraware_core::exit::Fault;

impl Rest {
    /// Returns what failed with this build, and what has to happen.
    pub fn failure(&self) -> Option<(Fault, &str)> {
        match self {
            Self::CannotLook { fault, reason } => Some((*fault, reason)),
            Self::NewerFormat { reason } => Some((Fault::Configuration, reason)),
            Self::Held(_)
            | Self::DoNotRelease
            | Self::Completed
            | Self::Lagging { .. }
            | Self::UnknownStatus
            | Self::NotSelected { .. }
            | Self::Refused { .. }
            | Self::NotDue { .. }
            | Self::Waiting { .. }
            | Self::SiteRests { .. }
            | Self::Unfit(_)
            | Self::ClockInDoubt
            | Self::Unseen { .. }
            | Self::InUse { .. } => None,
        }
    }

    /// Returns what a person has to put right at a site, which is to be said once, whatever waits for it.
    fn site_failure(&self) -> Option<(Fault, String)> {
        match self {
            Self::SiteRests { reason, lasting: Some(fault) } => Some((*fault, reason.clone())),
            Self::Unfit(misfit) => Some((Fault::Configuration, misfit.to_string())),
            Self::SiteRests { lasting: None, .. }
            | Self::CannotLook { .. }
            | Self::NewerFormat { .. }
            | Self::Held(_)
            | Self::DoNotRelease
            | Self::Completed
            | Self::Lagging { .. }
            | Self::UnknownStatus
            | Self::NotSelected { .. }
            | Self::Refused { .. }
            | Self::NotDue { .. }
            | Self::Waiting { .. }
            | Self::ClockInDoubt
            | Self::Unseen { .. }
            | Self::InUse { .. } => None,
        }
    }
}

impl Plan {
    /// Returns what a person has to put right at sites, each thing once: nobody would hear of it otherwise,
    /// because the builds that wait for it are left alone.
    pub fn site_failures(&self) -> Vec<(Fault, String)> {
        let mut all = Vec::new();
        for told in self.builds.iter().filter_map(|build| build.rest.as_ref()?.site_failure()) {
            if !all.contains(&told) {
                all.push(told);
            }
        }
        all
    }
}

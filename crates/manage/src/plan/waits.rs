//! Why a build waits for a site: the site is away, or does not fit. Somebody who asks for a build by name
//! does not wait.

use super::{Case, Rest};
use crate::Step;
use crate::hindrance::{Hindrance, destinations};
use intraware_core::sites::Names;

impl Case<'_> {
    /// Returns that one of these sites does not fit, if that is known. A record is not put In Process for
    /// what cannot be delivered; what stands in the spool waits as it is.
    pub(super) fn misfit(&self, to: &Names) -> Option<Rest> {
        let misfit = to.iter().find_map(|site| self.seen.misfits.get(site))?;
        (!self.policy.skip_pauses && misfit.is_believed(self.now)).then(|| Rest::Unfit(misfit.clone()))
    }

    /// Returns that one of these sites is left alone, if it is.
    pub(super) fn outage(&self, to: &Names) -> Option<Rest> {
        let outage = to.iter().find_map(|site| self.seen.outages.get(site))?;
        let is_waited_for = !self.policy.skip_pauses && outage.pause().is_on(self.now);
        is_waited_for.then(|| self.resting(&outage.site, outage.to_string()))
    }

    /// Returns which sites that it goes to could not be connected to, whether they are left alone now or not.
    pub(super) fn away(&self, steps: &[Step], rest: Option<&Rest>) -> Vec<Hindrance> {
        let waiting = match rest {
            Some(Rest::Waiting { job, .. }) => self.jobs.iter().find(|own| own.id == *job),
            _ => None,
        };
        let waiting = waiting.map(|job| self.policy.roles.required(&job.manifest.place));
        let mut away: Vec<Hindrance> = Vec::new();
        for site in destinations(steps, waiting.as_ref()) {
            let outage = self.seen.outages.get(site).filter(|outage| outage.is_believed(self.now));
            let told = outage.map(|outage| outage.told(self.now));
            let hindrance = told.map(|reason| Hindrance::Site { site: site.to_owned(), reason });
            away.extend(hindrance.filter(|found| !away.contains(found)));
        }
        away
    }

    /// Returns that this site is left alone.
    pub(super) fn resting(&self, site: &str, reason: String) -> Rest {
        let lasting = self.seen.outages.get(site).and_then(|outage| outage.lasting());
        Rest::SiteRests { reason, lasting: lasting.map(|lasting| lasting.fault) }
    }
}

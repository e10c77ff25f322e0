//! Decides which jobs an upload takes, in which order, and to which sites. Pure.

use std::fmt;

use jiff::Timestamp;
use serde::Serialize;

use super::Snapshot;
use intraware_core::exit::Fault;
use intraware_core::foreign::{escape, tame};
use intraware_core::lock::Held;
use intraware_core::site::{PackageName, Place};
use intraware_core::sites::{Names, Roles, no_site};
use intraware_core::spool::{Hold, Job, Outage, Room};

/// What an upload will do, in order.
#[derive(Debug, Clone, Serialize)]
pub struct Plan {
    /// One entry for each job in the upload area that was asked for.
    pub jobs: Vec<JobPlan>,
}

/// What will be done with one job.
#[derive(Debug, Clone, Serialize)]
pub struct JobPlan {
    /// The job.
    pub job: Job,
    /// What will be done.
    pub verdict: Verdict,
    /// A site that it goes to and that could not be connected to; that is tried again.
    pub away: Option<String>,
}

/// What an upload does with a job.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "kebab-case", tag = "do")]
pub enum Verdict {
    /// Delivers it.
    Deliver {
        /// To these sites; at least one.
        to: Names,
        /// And then to these, which may lag.
        then: Names,
    },
    /// Delivers what was sent before to sites that lag.
    CatchUp {
        /// To these sites; at least one.
        to: Names,
    },
    /// Leaves it: what was sent before is not tried again yet at the sites that lag.
    Lags {
        /// Which, until when, and why, for each.
        reasons: Vec<String>,
    },
    /// Fails: there is no site that takes it.
    NoSite {
        /// What there is to say about it.
        reason: String,
    },
    /// Leaves it: an operator holds the build.
    Held(Hold),
    /// Leaves it: it failed before, and the pause is not over.
    NotDue {
        /// When it is.
        next_try: Timestamp,
        /// Why the last try failed.
        reason: String,
        /// What has to happen, if the same has failed too often to pass by itself.
        lasting: Option<Fault>,
    },
    /// Leaves it: a site that it goes to was away, and the pause is not over.
    SiteRests(Outage),
    /// Leaves it: another process has it.
    InUse {
        /// Who.
        holder: Held,
    },
}

/// Returns the plan for the jobs seen at `now`: those whose id, record or build name is in `wanted`, or all.
///
/// The most urgent comes first, then the oldest. A job asked for by name does not wait for a pause to be
/// over.
pub fn plan(seen: Snapshot, roles: &Roles, wanted: &[String], now: Timestamp) -> Plan {
    let Snapshot { jobs, lagging, holds, busy, outages } = seen;
    let is_wanted = |job: &Job| wanted.is_empty() || wanted.iter().any(|word| job.is_called(word));
    let judge = |job: Job| {
        let attempts = job.attempts.as_ref().filter(|a| wanted.is_empty() && a.pause().is_on(now));
        let to = roles.required(&job.manifest.place);
        let away = to.iter().find_map(|site| outages.get(site));
        let away = away.filter(|outage| wanted.is_empty() && outage.pause().is_on(now));
        let verdict = if let Some(hold) = holds.get(&job.id.record) {
            Verdict::Held(hold.clone())
        } else if let Some(holder) = busy.get(&job.id.record) {
            Verdict::InUse { holder: holder.clone() }
        } else if let Some(attempts) = attempts {
            let lasting = attempts.lasting().map(|lasting| lasting.fault);
            Verdict::NotDue { next_try: attempts.next_try, reason: attempts.told(), lasting }
        } else if let Some(outage) = away {
            Verdict::SiteRests(outage.clone())
        } else if to.is_empty() {
            Verdict::NoSite { reason: no_site(&job.manifest.place) }
        } else {
            Verdict::Deliver { to, then: roles.optional(&job.manifest.place) }
        };
        let mut away = None;
        if let Verdict::Deliver { to, .. } = &verdict {
            let known = to.iter().filter_map(|site| outages.get(site));
            away = known.filter(|outage| outage.is_believed(now)).map(|outage| outage.told(now)).next();
        }
        JobPlan { job, verdict, away }
    };
    let judge_lagging = |job: Job| {
        let verdict = if let Some(hold) = holds.get(&job.id.record) {
            Verdict::Held(hold.clone())
        } else if let Some(holder) = busy.get(&job.id.record) {
            Verdict::InUse { holder: holder.clone() }
        } else {
            let wait = |site: &str| match wanted.is_empty() {
                true => why_to_wait(&job, site, outages.get(site), now),
                false => None,
            };
            let lagging = roles.lagging(&job);
            let to = lagging.filter(|site| wait(site).is_none());
            match to.is_empty() {
                true => Verdict::Lags { reasons: lagging.iter().filter_map(wait).collect() },
                false => Verdict::CatchUp { to },
            }
        };
        JobPlan { job, verdict, away: None }
    };
    let mut jobs: Vec<JobPlan> = jobs.into_iter().filter(is_wanted).map(judge).collect();
    jobs.extend(lagging.into_iter().filter(is_wanted).map(judge_lagging));
    jobs.sort_by_key(|p| {
        let manifest = &p.job.manifest;
        // What lags delays nothing.
        let is_sent = p.job.room == Room::Sent;
        (is_sent, manifest.priority.unwrap_or(i64::MAX), manifest.created, p.job.id.clone())
    });
    Plan { jobs }
}

/// Returns why a site that lags is not tried now, if so.
fn why_to_wait(job: &Job, site: &str, outage: Option<&Outage>, now: Timestamp) -> Option<String> {
    if let Some(outage) = outage.filter(|outage| outage.pause().is_on(now)) {
        return Some(outage.to_string());
    }
    let failed = job.lags.get(site).filter(|failed| failed.pause().is_on(now))?;
    let (next_try, error) = (failed.next_try, tame(failed.told()));
    Some(format!("site {} lags, and is not tried before {next_try:.0}: {error}", escape(site)))
}

impl Plan {
    /// Returns whether there is anything to do; otherwise no site is needed.
    pub fn does_something(&self) -> bool {
        self.jobs.iter().any(|job| job.verdict.does_something())
    }
}

impl Verdict {
    /// Returns whether something is done, or fails.
    pub fn does_something(&self) -> bool {
        match self {
            Self::Deliver { .. } | Self::CatchUp { .. } | Self::NoSite { .. } => true,
            Self::Lags { .. }
            | Self::Held(_)
            | Self::NotDue { .. }
            | Self::SiteRests(_)
            | Self::InUse { .. } => false,
        }
    }
}

impl Plan {
    /// Returns what is left alone because it failed again and again, with what has to happen: nobody would
    /// hear of it otherwise. A site is named once, whatever waits for it.
    pub fn lasting(&self) -> Vec<(Fault, String)> {
        let mut all: Vec<(Fault, String)> = Vec::new();
        for job in &self.jobs {
            let told = match &job.verdict {
                Verdict::NotDue { lasting: Some(fault), .. } => (*fault, job.to_string()),
                Verdict::SiteRests(outage) => match outage.lasting() {
                    Some(lasting) => (lasting.fault, outage.to_string()),
                    None => continue,
                },
                Verdict::NotDue { lasting: None, .. }
                | Verdict::Deliver { .. }
                | Verdict::CatchUp { .. }
                | Verdict::Lags { .. }
                | Verdict::NoSite { .. }
                | Verdict::Held(_)
                | Verdict::InUse { .. } => continue,
            };
            if !all.contains(&told) {
                all.push(told);
            }
        }
        all
    }
}

impl fmt::Display for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.jobs.is_empty() {
            writeln!(f, "nothing to upload")?;
        }
        self.jobs.iter().try_for_each(|job| writeln!(f, "{job}"))
    }
}

/// Says by which name a payload is handed in where it has another than elsewhere.
fn tell_desks(f: &mut fmt::Formatter<'_>, to: &Names, place: &Place) -> fmt::Result {
    let desks = to.desks();
    match PackageName::of(place) {
        Ok(name) if !desks.is_empty() => write!(f, ", handed in at {desks} as {}", name.as_str()),
        Ok(_) | Err(_) => Ok(()),
    }
}

impl fmt::Display for JobPlan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let manifest = &self.job.manifest;
        write!(f, "{} ({}): ", escape(&manifest.name), self.job.id)?;
        match &self.verdict {
            Verdict::Deliver { to, then } => {
                write!(f, "deliver {} bytes as {}", manifest.digests.size, manifest.place)?;
                if to.must_be_told() {
                    write!(f, " to {to}")?;
                }
                tell_desks(f, to, &manifest.place)?;
                if !then.is_empty() {
                    write!(f, ", and then to {then}")?;
                }
                self.away.iter().try_for_each(|away| write!(f, "; {}", tame(away)))
            }
            Verdict::CatchUp { to } => {
                write!(f, "deliver {} bytes as {} to {to} as well", manifest.digests.size, manifest.place)?;
                tell_desks(f, to, &manifest.place)
            }
            Verdict::Lags { reasons } => write!(f, "nothing, {}", reasons.join("; ")),
            Verdict::NoSite { reason } => f.write_str(reason),
            Verdict::Held(hold) => {
                write!(f, "nothing, it is {hold} (`manage unhold {}` lets it go)", hold.record)
            }
            Verdict::NotDue { next_try, reason, .. } => {
                write!(f, "nothing before {next_try:.0}, the last try failed: {}", tame(reason))
            }
            Verdict::SiteRests(outage) => write!(f, "nothing, {outage}"),
            Verdict::InUse { holder } => write!(f, "nothing, somebody is at work on it: {holder}"),
        }
    }
}

#[cfg(test)]
mod tests;

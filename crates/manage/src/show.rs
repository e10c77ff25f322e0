//! A plan in words. A dry run prints it; a real run logs the same words as it goes.

use std::fmt::{self, Display, Formatter};

use super::{BuildPlan, Chore, Plan, Rest, Step};
use intraware_core::foreign::{escape, tame};
use intraware_core::sites::Names;

impl Display for Plan {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        for build in &self.builds {
            writeln!(f, "{build}")?;
        }
        for chore in &self.chores {
            writeln!(f, "spool: {chore}")?;
        }
        if let Some((_, reason)) = &self.incomplete {
            writeln!(f, "not all records could be read: {reason}")?;
        }
        if let Some(doubt) = self.doubt {
            writeln!(f, "{doubt}")?;
        }
        if self.builds.is_empty() && self.chores.is_empty() {
            writeln!(f, "nothing to do")?;
        }
        Ok(())
    }
}

impl Display for BuildPlan {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let record = &self.record;
        write!(f, "{} ({}, {}): ", escape(&record.name), record.id, record.status)?;
        f.write_str(&self.next().join("; "))
    }
}

impl Display for Step {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::Prepare { place, to, files, bytes, .. } => write!(
                f,
                "archive {files} entries ({bytes} bytes), sign, stage, set In Process, {}queue for upload as {place}",
                sidecars(to)
            ),
            Self::Adopt { job, to } => write!(
                f,
                "take over job {} from {}, set In Process, {}queue for upload as {}",
                job.id,
                job.room,
                sidecars(to),
                job.manifest.place
            ),
            Self::HandOver { job, to } => {
                write!(
                    f,
                    "go on with job {} from {}: {}queue for upload as {}",
                    job.id,
                    job.room,
                    sidecars(to),
                    job.manifest.place
                )
            }
            Self::Confirm { place, at, lagging, verified_by, .. } => {
                write!(
                    f,
                    "{place} is whole at {at} (verified by {verified_by}): set Completed and Ready for Intraware File Association"
                )?;
                if lagging.is_empty() { Ok(()) } else { write!(f, ", and keep the payload for {lagging}") }
            }
            Self::Retire { job, without } => {
                write!(f, "remove the delivered payload of job {} from the spool", job.id)?;
                match without.is_empty() {
                    true => Ok(()),
                    false => write!(f, ", and give up {without}, which did not get it in time"),
                }
            }
            Self::Fail { reason, .. } => write!(f, "set Error: {reason}"),
            Self::PutAside { found, .. } => write!(f, "put aside {}, and set Error", tame(found.to_string())),
            Self::Park { job, reason, .. } => write!(f, "park job {} from {}: {reason}", job.id, job.room),
            Self::Alarm { reason } => {
                write!(f, "say that the record is Completed, but at the site: {reason}")
            }
        }
    }
}

/// Returns the words for the sidecars, which do not come before their payload where packages are handed in.
fn sidecars(to: &Names) -> String {
    let shelves = to.shelves();
    if shelves.is_empty() { String::new() } else { format!("put the sidecars to {shelves}, ") }
}

impl Display for Rest {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::Held(hold) => {
                write!(f, "nothing, it is {hold} (`manage unhold {}` lets it go)", hold.record)
            }
            Self::DoNotRelease => f.write_str("nothing, the record is on Do Not Release"),
            Self::Completed => f.write_str("nothing more, it is delivered and released"),
            Self::Unseen { reason } => write!(
                f,
                "nothing more, its record is Completed; the site could not be looked at: {}",
                tame(reason)
            ),
            Self::Lagging { sites, until, reasons } => {
                write!(f, "nothing more, it is delivered and released; {sites} may get it until {until:.0}")?;
                reasons.iter().try_for_each(|reason| write!(f, "; {}", tame(reason)))
            }
            Self::NotSelected { reason } => {
                write!(f, "nothing, the selection does not take it: {}", tame(reason))
            }
            Self::UnknownStatus => f.write_str("nothing, its status is none of the configured ones"),
            Self::Refused { reason } => write!(f, "nothing, {}", tame(reason)),
            Self::NotDue { next_try, reason } => {
                write!(f, "nothing before {next_try:.0}, the last try failed: {}", tame(reason))
            }
            Self::Waiting { job, last_error: None } => write!(f, "nothing, job {job} waits for `upload`"),
            Self::Waiting { job, last_error: Some(error) } => {
                write!(f, "nothing, job {job} waits for `upload`, whose last try failed: {}", tame(error))
            }
            Self::SiteRests { reason, .. } => write!(f, "nothing, {}", tame(reason)),
            Self::Unfit(misfit) => write!(f, "nothing, {misfit}"),
            Self::InUse { holder } => write!(f, "nothing, somebody is at work on it: {holder}"),
            Self::CannotLook { reason, .. } => {
                write!(f, "nothing, it cannot be looked at: {}", tame(reason))
            }
            Self::ClockInDoubt => {
                f.write_str("nothing, this host's clock is not believed, and no signature by it")
            }
            Self::NewerFormat { reason } => {
                write!(f, "nothing, update this program first: {}", tame(reason))
            }
        }
    }
}

impl Display for Chore {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::RemoveLeftover { path } => write!(f, "remove {}, left by a run that died", escape(path)),
            Self::ParkUnreadable { found } => {
                write!(f, "park {}", tame(found.to_string()))
            }
            Self::ParkOrphan { job } => {
                write!(f, "park job {} from {}: its record does not exist any more", job.id, job.room)
            }
            Self::Discard { job } => write!(f, "remove {}/{}, kept long enough", job.room, job.dir_name),
            Self::RemoveLock { record } => {
                write!(f, "remove the lock file of record {record}, which has no job")
            }
            Self::ForgetRetry { record } => write!(f, "forget the failed tries of record {record}"),
        }
    }
}

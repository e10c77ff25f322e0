//! What a worker asks before it goes on, and before it gives a payload its name.

use intraware_core::deliver::{Ours, Released, Stop};
use intraware_core::run::RunContext;
use intraware_core::spool::{Job, Spool, SpoolError};
use intraware_core::txlog::chain;

pub(super) fn go_on(context: &RunContext) -> Result<(), Stop> {
    context.stop.check().map_err(|e| Stop(e.to_string()))
}

/// Returns what of ours may give way to a job, as far as can be known without its record: nothing that was
/// prepared later.
pub(super) fn ours(spool: &Spool, site: &str, job: &Job) -> Result<Ours, Stop> {
    spool.ours(site, job, false).map_err(|error| Stop(chain(&error)))
}

/// Refuses the final rename if the build is held by now, or if something was released under that name since
/// the transfer began, with `before` being what was known then.
pub(super) fn may_commit(spool: &Spool, site: &str, job: &Job, before: Released) -> Result<(), Stop> {
    let unsure = |error: SpoolError| Stop(chain(&error));
    if let Some(hold) = spool.hold(&job.id.record).map_err(unsure)? {
        return Err(Stop(hold.to_string()));
    }
    if spool.released(site, job).map_err(unsure)? != before {
        return Err(Stop("a payload was released under its name meanwhile".to_owned()));
    }
    Ok(())
}

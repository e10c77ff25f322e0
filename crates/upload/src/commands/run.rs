//! `upload run`: one pass over the upload area.

use std::collections::BTreeMap;

use clap::{Args, ValueHint};
use intraware_cli::activity::Diary;
use intraware_cli::common::Common;
use intraware_cli::failure::Failure;
use intraware_cli::parts::{self, Permission};
use intraware_cli::{output, process, report, said};
use intraware_config::Config;
use intraware_core::breaker::Caution;
use intraware_core::clock::{self, Doubt};
use intraware_core::exit::{self, Fault};
use intraware_core::foreign::escape;
use intraware_core::outcome::{self, End};
use intraware_core::record::RecordId;
use intraware_core::run::RunContext;
use intraware_core::spool::{Found, Room, Spool};
use intraware_core::txlog::TxLog;
use intraware_upload::Snapshot;
use intraware_upload::apply::{Uploader, apply};
use intraware_upload::plan::{Plan, Verdict, plan};
use jiff::SignedDuration;

/// What to deliver, and whether to.
#[derive(Debug, Clone, Args)]
pub(crate) struct Arguments {
    /// Show what would be done, and do nothing: nothing is written anywhere
    #[arg(long)]
    dry_run: bool,

    /// Deliver only this job (job id, record id or build name), without waiting for a pause to be over; may
    /// be repeated
    #[arg(long = "job", alias = "build", value_name = "ID|NAME", value_hint = ValueHint::Other)]
    jobs: Vec<String>,

    /// Print the plan, or what was done, as JSON
    #[arg(long)]
    json: bool,
}

/// The same, with builds as they are named to commands of `manage`.
#[derive(Debug, Clone, Args)]
pub(crate) struct Named {
    /// Deliver only these builds, as with --job
    #[arg(value_name = "BUILD", value_hint = ValueHint::Other)]
    named: Vec<String>,

    #[command(flatten)]
    pass: Arguments,
}

impl From<Named> for Arguments {
    fn from(Named { named, mut pass }: Named) -> Self {
        pass.jobs.extend(named);
        pass
    }
}

impl Arguments {
    pub(crate) fn is_given(&self) -> bool {
        self.dry_run || self.json || !self.jobs.is_empty()
    }

    /// Returns whether anything may be changed.
    fn permission(&self) -> Permission {
        if self.dry_run { Permission::ReadOnly } else { Permission::ReadWrite }
    }
}

pub(crate) fn run(common: &Common, arguments: &Arguments) -> Result<u8, Failure> {
    let config = common.load()?;
    let context = process::context("upload", common);
    let spool = parts::spool(&config, arguments.permission())?.written_by(&context.identity);
    let roles = parts::roles(&config);
    let seen = Snapshot::take(&spool, &roles)?;
    // Whose clock is wrong delivers all the same, and goes by the spool's.
    let (context, ahead) = match seen.is_empty() || arguments.dry_run {
        true => (context, None),
        false => clock::compare(&spool, context),
    };
    let plan = plan(seen, &roles, &arguments.jobs, context.now());
    let unknown = not_waiting(&spool, &plan, &arguments.jobs)?;
    if !arguments.jobs.is_empty() && plan.jobs.is_empty() {
        return Err(Failure::new(Fault::Build, unknown.join("; ")));
    }
    unknown.iter().for_each(|told| output::complain(told));
    if arguments.dry_run {
        if arguments.json {
            output::object(&plan)?
        } else {
            output::text(&plan)?;
            for limit in config.sites.iter().filter_map(parts::limit) {
                output::text(limit)?;
            }
        }
        return Ok(exit::OK);
    }
    // What is not there is a fault of whoever asked for it.
    let missing = unknown.into_iter().map(|_| Fault::Build).collect();
    let mut diary = Diary::begin("upload run", !arguments.jobs.is_empty(), &config.activity, &context);
    let ended = pass(&config, (&context, ahead), &spool, plan, arguments, missing, &mut diary);
    let ended = said::keep(ended, &spool, &context);
    diary.keep(&ended, &spool, config.spool.keep_days, &context);
    ended
}

/// Delivers what is planned.
fn pass(
    config: &Config,
    (context, ahead): (&RunContext, Option<SignedDuration>),
    spool: &Spool,
    plan: Plan,
    arguments: &Arguments,
    mut more: Vec<Fault>,
    diary: &mut Diary,
) -> Result<u8, Failure> {
    for job in &plan.jobs {
        if !arguments.jobs.is_empty() && !job.verdict.does_something() {
            output::complain(&job.to_string());
        } else {
            tracing::info!("{job}");
        }
        if let Verdict::InUse { holder } = &job.verdict {
            let what = format!("the lock of record {}", job.job.id.record);
            report::long_lock(&what, holder, context.now());
            // Another run that is at work on a job is as it should be; one that is for hours is not.
            if holder.is_long(context.now()) && !plan.does_something() {
                diary.locked(holder);
            }
        }
    }
    let lasting = plan.lasting();
    for (_, told) in &lasting {
        tracing::error!("{told}");
    }
    more.extend(lasting.into_iter().map(|(fault, _)| fault));
    if !plan.does_something() {
        report::print(&[], arguments.json)?;
        return Ok(outcome::exit_status(&[], &more));
    }
    let doubt = Doubt::of(ahead, None);
    if let Some(doubt) = doubt {
        tracing::error!("{doubt}");
    }
    let caution = Caution { skips_pause: !arguments.jobs.is_empty(), only_looks: false };
    let destinations = parts::destinations(config, spool, context, caution)?;
    let names = plan.jobs.iter().map(|job| (job.job.id.record.to_string(), job.job.manifest.name.clone()));
    let log = TxLog::open(&spool.log_dir(), context).with_names(names);
    let sizes: BTreeMap<RecordId, u64> =
        plan.jobs.iter().map(|job| (job.job.id.record.clone(), job.job.manifest.digests.size)).collect();
    let is_asked_for = !arguments.jobs.is_empty();
    let uploader = Uploader { spool, destinations: &destinations, log: &log, is_asked_for, context };
    let outcomes = apply(&uploader, plan);
    parts::keep_known(&destinations, spool, context);
    diary.builds(&outcomes);
    let delivered = outcomes.iter().filter(|outcome| outcome.end == End::Done);
    diary.count("bytes", delivered.filter_map(|outcome| sizes.get(&outcome.record)).sum());
    report::print(&outcomes, arguments.json)?;
    more.extend(intraware_cli::txlog::close(log).into_iter().chain(doubt.map(|_| Fault::TryLater)));
    diary.faults(&more);
    Ok(outcome::exit_status(&outcomes, &more))
}

/// Returns for each word of `asked` that names no job which waits where the job is that it names, if there is
/// one.
fn not_waiting(spool: &Spool, plan: &Plan, asked: &[String]) -> Result<Vec<String>, Failure> {
    let mut told = Vec::new();
    for word in asked.iter().filter(|word| !plan.jobs.iter().any(|planned| planned.job.is_called(word))) {
        let mut at = Vec::new();
        for room in Room::ALL {
            at.extend(spool.list(room)?.into_iter().filter_map(|found| match found {
                Found::Job(job) if job.is_called(word) => Some(format!("job {} is in {room}", job.id)),
                Found::Job(_) | Found::Unreadable(_) => None,
            }));
        }
        let held = word.parse().ok().map(|record| spool.hold(&record)).transpose()?.flatten();
        at.extend(held.map(|hold| hold.to_string()));
        let at = if at.is_empty() { "no job has this id or name".to_owned() } else { at.join(", ") };
        told.push(format!("{}: nothing waits for `upload`; {at}; see `manage why BUILD`", escape(word)));
    }
    Ok(told)
}

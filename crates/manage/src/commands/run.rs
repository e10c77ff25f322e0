//! `manage run`: one pass, or the audit of one.

use crate::parts::{self, Permission};
use clap::{Args, ValueHint};
use intraware_cli::activity::Diary;
use intraware_cli::common::Common;
use intraware_cli::failure::Failure;
use intraware_cli::{output, process, report, said};
use intraware_config::Config;
use intraware_core::breaker::Caution;
use intraware_core::clock::{self, Doubt};
use intraware_core::exit::{self, Fault};
use intraware_core::lock::{Held, Lock, LockError};
use intraware_core::outcome;
use intraware_core::run::RunContext;
use intraware_core::sign::SigningKey;
use intraware_core::sites::Contact;
use intraware_core::spool::Spool;
use intraware_core::store::{RecordStore, StoreError};
use intraware_core::streak::Lasting;
use intraware_core::txlog::{TxLog, chain};
use intraware_manage::apply::{Applied, Manager, NoKey, apply};
use intraware_manage::gather::{GatherError, Lookout, gather};
use intraware_manage::hindrance::Hindrance;
use intraware_manage::plan::{Policy, plan};
use intraware_manage::{Plan, Rest};
use jiff::SignedDuration;

/// Which builds, and whether to do anything.
#[derive(Debug, Clone, Args)]
pub(crate) struct Arguments {
    /// Show what would be done for every build and why, and do nothing: nothing is written anywhere
    #[arg(long)]
    dry_run: bool,

    /// Look only at this build (record id or name), without waiting for a pause to be over; may be repeated
    #[arg(long = "build", value_name = "ID|NAME", value_hint = ValueHint::Other)]
    builds: Vec<String>,

    /// Print the plan, or what was done, as JSON
    #[arg(long)]
    json: bool,
}

/// The same, with builds as they are named to other commands.
#[derive(Debug, Clone, Args)]
pub(crate) struct Named {
    /// Look only at these builds, as with --build
    #[arg(value_name = "BUILD", value_hint = ValueHint::Other)]
    named: Vec<String>,

    #[command(flatten)]
    pass: Arguments,
}

impl From<Named> for Arguments {
    fn from(Named { named, mut pass }: Named) -> Self {
        pass.builds.extend(named);
        pass
    }
}

impl Arguments {
    pub(crate) fn is_given(&self) -> bool {
        self.dry_run || self.json || !self.builds.is_empty()
    }

    /// Returns whether anything may be changed.
    fn permission(&self) -> Permission {
        if self.dry_run { Permission::ReadOnly } else { Permission::ReadWrite }
    }
}

pub(crate) fn run(common: &Common, arguments: &Arguments) -> Result<u8, Failure> {
    let config = common.load()?;
    let context = process::context("manage", common);
    let spool = parts::spool(&config, arguments.permission())?.written_by(&context.identity);
    if arguments.dry_run {
        let plan = look(&config, &context, &spool, &arguments.builds, Pauses::of(&arguments.builds))?;
        if arguments.json {
            output::object(&plan)?
        } else {
            output::text(&plan)?
        }
        return Ok(outcome::exit_status(&[], &faults(&plan)));
    }
    let mut diary = Diary::begin("manage run", !arguments.builds.is_empty(), &config.activity, &context);
    let ended = run_once(&config, &context, &spool, arguments, &mut diary);
    let ended = said::keep(ended, &spool, &context);
    diary.keep(&ended, &spool, config.spool.keep_days, &context);
    ended
}

/// Does it, unless another run is at work.
fn run_once(
    config: &Config,
    context: &RunContext,
    spool: &Spool,
    arguments: &Arguments,
    diary: &mut Diary,
) -> Result<u8, Failure> {
    match Lock::take(&spool.manage_lock(), context) {
        Ok(lock) => {
            let (context, ahead) = clock::compare(spool, context.clone());
            pass(config, &context, spool, (lock, ahead), arguments, diary)
        }
        Err(LockError::Busy(holder)) => {
            let held = Held(holder.clone());
            report::long_lock("manage.lock", &held, context.now());
            diary.locked(&held);
            let busy = LockError::Busy(holder);
            if output::is_terminal() || !arguments.builds.is_empty() {
                output::complain(&format!("another manage is at work: manage.lock is {busy}"));
            } else {
                tracing::info!("another manage is at work: manage.lock is {busy}");
            }
            Ok(exit::OK)
        }
        Err(error) => Err(error.into()),
    }
}

/// Whether the pauses after failures are waited for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Pauses {
    /// They are, as in a run of cron.
    Kept,
    /// They are not: somebody asked for these builds.
    Skipped,
}

impl Pauses {
    fn of(builds: &[String]) -> Self {
        if builds.is_empty() { Self::Kept } else { Self::Skipped }
    }
}

/// What a plan is asked for.
struct Question<'a> {
    /// For these builds; for all, if there are none.
    builds: &'a [String],
    pauses: Pauses,
    /// How far this host's clock is ahead of the spool's, if that was compared.
    ahead_of_spool: Option<SignedDuration>,
}

/// Plans and changes nothing, not even a cache.
pub(crate) fn look(
    config: &Config,
    context: &RunContext,
    spool: &Spool,
    builds: &[String],
    pauses: Pauses,
) -> Result<Plan, Failure> {
    let caution = Caution { skips_pause: pauses == Pauses::Skipped, only_looks: true };
    let destinations = parts::destinations(config, spool, context, caution)?;
    let mut store = parts::store(config, Permission::ReadOnly)?;
    let pools = parts::pools(&destinations);
    let mut contacts = parts::contacts(&destinations, &pools);
    // To compare the clocks something would have to be written.
    let question = Question { builds, pauses, ahead_of_spool: None };
    let mut plan = plan_now(config, context, spool, store.as_mut(), &mut contacts, &question)?;
    // Only the spool's owner can read the key, and nobody else has to hear of that.
    if plan.needs_key()
        && spool.check_user().is_ok()
        && let Err(no_key) = load_key(config, context)
    {
        plan.without_key(&no_key);
    }
    Ok(plan)
}

fn plan_now(
    config: &Config,
    context: &RunContext,
    spool: &Spool,
    store: &mut dyn RecordStore,
    contacts: &mut [Contact<'_>],
    question: &Question<'_>,
) -> Result<Plan, NoPlan> {
    let roots = parts::build_roots(config)?;
    let policy = Policy {
        roles: parts::roles(config),
        keep: SignedDuration::from_hours(24 * i64::from(config.spool.keep_days)),
        skip_pauses: question.pauses == Pauses::Skipped,
    };
    let tree = parts::tree_policy(config);
    let roles = &policy.roles;
    let ahead_of_spool = question.ahead_of_spool;
    let mut lookout =
        Lookout { store, spool, roots: &roots, policy: &tree, roles, contacts, ahead_of_spool, context };
    let seen = gather(&mut lookout, question.builds)?;
    Ok(plan(&seen, &policy, context.now()))
}

fn pass(
    config: &Config,
    context: &RunContext,
    spool: &Spool,
    (mut lock, ahead_of_spool): (Lock, Option<SignedDuration>),
    arguments: &Arguments,
    diary: &mut Diary,
) -> Result<u8, Failure> {
    let pauses = Pauses::of(&arguments.builds);
    let caution = Caution { skips_pause: pauses == Pauses::Skipped, only_looks: false };
    let destinations = parts::destinations(config, spool, context, caution)?;
    let pools = parts::pools(&destinations);
    let mut contacts = parts::contacts(&destinations, &pools);
    let mut store = parts::store(config, Permission::ReadWrite)?;
    let question = Question { builds: &arguments.builds, pauses, ahead_of_spool };
    let planned = plan_now(config, context, spool, store.as_mut(), &mut contacts, &question);
    let doubt = planned.as_ref().map_or_else(|_| Doubt::of(ahead_of_spool, None), |plan| plan.doubt);
    if let Some(doubt) = doubt {
        tracing::error!("{doubt}");
    }
    let plan = match planned {
        Ok(plan) => plan,
        Err(NoPlan::Store(error)) => {
            let reason = chain(&error);
            let lasting = spool.count_unread(error.fault, &reason, context);
            let fault = lasting.map_or(error.fault, |lasting| lasting.fault);
            return Err(Failure::new(fault, Lasting::tell(lasting, &reason)));
        }
        Err(NoPlan::Other(failure)) => return Err(failure),
    };
    for build in &plan.builds {
        tracing::info!("{build}");
        if let Some(Rest::InUse { holder }) = &build.rest {
            report::long_lock(&format!("the lock of record {}", build.record.id), holder, context.now());
        }
    }
    if !arguments.builds.is_empty() {
        answer(&plan);
    }
    let mut faults: Vec<Fault> = doubt.map(in_doubt).into_iter().collect();
    faults.extend(note_reading(&plan, spool, context));
    for (fault, told) in plan.site_failures() {
        tracing::error!("{}", intraware_core::foreign::tame(told));
        faults.push(fault);
    }
    let names = plan.builds.iter().map(|build| (build.record.id.to_string(), build.record.name.clone()));
    let log = TxLog::open(&spool.log_dir(), context).with_names(names);
    let manager = Manager {
        key: if plan.needs_key() { load_key(config, context) } else { Err(NoKey::not_asked_for()) },
        store: store.as_mut(),
        spool,
        lock: &mut lock,
        roots: &parts::build_roots(config)?,
        policy: &parts::tree_policy(config),
        effort: parts::effort(config)?,
        contacts: &mut contacts,
        log: &log,
        is_asked_for: pauses == Pauses::Skipped,
        context,
    };
    let Applied { outcomes, chore_faults } = apply(manager, plan);
    drop(lock);
    parts::keep_known(&destinations, spool, context);
    if let Err(error) = store.log_out() {
        tracing::warn!("cannot log out of the record store: {}", chain(&error));
    }
    diary.builds(&outcomes);
    report::print(&outcomes, arguments.json)?;
    let more = [faults, chore_faults, intraware_cli::txlog::close(log).into_iter().collect()].concat();
    diary.faults(&more);
    Ok(outcome::exit_status(&outcomes, &more))
}

/// Says of builds that were asked for by name why nothing is done. What fails is told at the end.
fn answer(plan: &Plan) {
    for build in plan.builds.iter().filter(|build| build.steps.is_empty()) {
        match &build.rest {
            Some(rest) if rest.failure().is_none() => output::complain(&build.to_string()),
            Some(_) => {}
            None => output::complain(&format!("{build}nothing")),
        }
    }
}

fn load_key(config: &Config, context: &RunContext) -> Result<SigningKey, NoKey> {
    parts::signing_key(config, context)
        .map_err(|failure| NoKey { fault: failure.fault.unwrap_or(Fault::Access), reason: failure.message })
}

/// Returns what a run with this plan would fail at before it does anything.
fn faults(plan: &Plan) -> Vec<Fault> {
    let own = plan.builds.iter().filter_map(|build| build.rest.as_ref()?.failure());
    let of_sites = plan.site_failures().into_iter().map(|(fault, _)| fault);
    let of_store = plan.incomplete.iter().map(|(fault, _)| *fault);
    let of_key = plan.builds.iter().flat_map(|build| &build.hindrances).find_map(Hindrance::fault);
    own.map(|(fault, _)| fault)
        .chain(of_key)
        .chain(of_sites)
        .chain(of_store)
        .chain(plan.doubt.map(in_doubt))
        .collect()
}

/// Returns the fault of a clock in doubt: most are put right by themselves a while after the host has booted.
fn in_doubt(_: Doubt) -> Fault {
    Fault::TryLater
}

/// Why there is no plan.
enum NoPlan {
    /// The record store does not answer.
    Store(StoreError),
    /// Something else.
    Other(Failure),
}

impl From<Failure> for NoPlan {
    fn from(failure: Failure) -> Self {
        Self::Other(failure)
    }
}

impl From<GatherError> for NoPlan {
    fn from(error: GatherError) -> Self {
        match error {
            GatherError::Store(error) => Self::Store(error),
            GatherError::Spool(_) | GatherError::NoSuchBuild(_) | GatherError::Stopped(_) => {
                Self::Other(error.into())
            }
        }
    }
}

impl From<NoPlan> for Failure {
    fn from(none: NoPlan) -> Self {
        match none {
            NoPlan::Store(error) => error.into(),
            NoPlan::Other(failure) => failure,
        }
    }
}

/// Notes whether the records could be read, and returns the fault if they could not all be. Failing that is
/// said here.
fn note_reading(plan: &Plan, spool: &Spool, context: &RunContext) -> Option<Fault> {
    let Some((fault, reason)) = &plan.incomplete else {
        spool.end_unread(context);
        return None;
    };
    let lasting = spool.count_unread(*fault, reason, context);
    tracing::error!("not all records could be read: {}", Lasting::tell(lasting, reason));
    Some(lasting.map_or(*fault, |lasting| lasting.fault))
}

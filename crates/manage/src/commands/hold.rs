//! `manage hold`: neither program moves the build until the hold is lifted.
//!
//! The hold is a note in the spool, so it also stops `upload`, which knows no records, and works while the
//! record store is away. It leaves the record as it is: Do Not Release is a word of people to the whole
//! company. What is Completed is with customers, and nobody must believe that it is held.

use crate::parts::{self, Permission};
use clap::{Args, ValueHint};
use intraware_cli::common::{Common, OPERATIONS};
use intraware_cli::failure::Failure;
use intraware_cli::{output, people, process};
use intraware_config::Config;
use intraware_core::exit::Fault;
use intraware_core::foreign::escape;
use intraware_core::record::{RecordId, Status};
use intraware_core::spool::{Found, Hold, Release, Room, Spool};
use intraware_core::txlog::{Step, Subject, TxLog};

use super::find;

/// What to hold, and why.
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// Record id or name
    #[arg(value_hint = ValueHint::Other)]
    build: String,

    /// Why, for those who come across it
    #[arg(long, default_value = "held by an operator")]
    reason: String,
}

pub(crate) fn run(common: &Common, arguments: &Arguments) -> Result<u8, Failure> {
    let config = common.load()?;
    let context = process::context("manage", common);
    let spool = parts::spool(&config, Permission::ReadWrite)?.written_by(&context.identity);
    let store = parts::store(&config, Permission::ReadOnly);
    let (record, status) = find::id_and_status(store, &spool, &arguments.build)?;
    if status == Some(Status::Completed) && !waits_for_a_site(&config, &spool, &record)? {
        return Err(is_with_customers(&spool, &record, &arguments.build)?);
    }
    let log = TxLog::open(&spool.log_dir(), &context).with_names(find::name_of(&record, &arguments.build));
    let hold = Hold {
        record: record.clone(),
        reason: arguments.reason.clone(),
        since: context.now(),
        host: context.identity.host.clone(),
        by: people::who(),
    };
    let subject = Subject { record: record.as_str(), job: "" };
    log.record(subject, Step::Hold, "hold the build", || spool.put_note(&hold))?;
    let word = escape(&arguments.build);
    output::confirm(&format!(
        "held: {word} ({record}), both programs leave it alone; `manage unhold {word}` lifts it"
    ))?;
    Ok(intraware_cli::txlog::finish(log))
}

/// Returns whether a site that may lag has not got a build, so that there is something to be held.
fn waits_for_a_site(config: &Config, spool: &Spool, record: &RecordId) -> Result<bool, Failure> {
    let roles = parts::roles(config);
    Ok(spool.list(Room::Sent)?.into_iter().any(|found| match found {
        Found::Job(job) => job.id.record == *record && job.has_payload && !roles.lagging(&job).is_empty(),
        Found::Unreadable(_) => false,
    }))
}

/// Returns why a build that is Completed is not held.
fn is_with_customers(spool: &Spool, record: &RecordId, word: &str) -> Result<Failure, Failure> {
    let releases = spool.notes::<Release>()?.into_iter().filter(|release| release.record == *record);
    let since =
        releases.map(|release| release.at).min().map(|at| format!(" since {at:.0}")).unwrap_or_default();
    let message = format!(
        "{} is Completed{since}: it is with customers, and a hold does nothing; see \"A build is wrong and Completed\" in \
         {OPERATIONS}",
        escape(word)
    );
    Ok(Failure::new(Fault::Build, message))
}

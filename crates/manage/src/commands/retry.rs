//! `manage retry`: forgets a build's failures, so that the next run of each program tries it again.

use crate::parts::{self, Permission};
use clap::{Args, ValueHint};
use intraware_cli::common::Common;
use intraware_cli::failure::Failure;
use intraware_cli::{output, process, txlog};
use intraware_core::foreign::escape;
use intraware_core::record::{Change, Status};
use intraware_core::spool::{Found, NoteKey, Retry, Room};
use intraware_core::txlog::{Step, Subject, TxLog};

use super::find;

/// What to try again.
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// Record id or name
    #[arg(value_hint = ValueHint::Other)]
    build: String,
}

pub(crate) fn run(common: &Common, arguments: &Arguments) -> Result<u8, Failure> {
    let config = common.load()?;
    let context = process::context("manage", common);
    let spool = parts::spool(&config, Permission::ReadWrite)?.written_by(&context.identity);
    let mut store = parts::store(&config, Permission::ReadWrite)?;
    let record = find::record(store.as_mut(), &arguments.build)?;
    let names = [(record.id.to_string(), record.name.clone())];
    let log = TxLog::open(&spool.log_dir(), &context).with_names(names);
    let subject = Subject { record: record.id.as_str(), job: "" };
    let mut forgotten = log.record(subject, Step::Retry, "forget the failures", || {
        spool.remove_note::<Retry>(&NoteKey::from(&record.id))
    })?;
    for found in spool.list(Room::Upload)? {
        if let Found::Job(job) = found
            && job.id.record == record.id
        {
            forgotten |= spool.clear_attempts(&job)?;
        }
    }
    let is_error = record.status == Status::Error;
    if is_error {
        log.record(subject, Step::Retry, "set the status from Error to empty", || {
            store.write(&record, &Change::Retry)
        })?;
    } else if !forgotten {
        output::complain(&format!(
            "{} has no failures to forget; its status is {}",
            record.id, record.status
        ));
    }
    if is_error || forgotten {
        let name = escape(&record.name);
        output::confirm(&format!(
            "forgotten: the failures of {name} ({}), the next run tries it",
            record.id
        ))?;
    }
    Ok(txlog::finish(log))
}

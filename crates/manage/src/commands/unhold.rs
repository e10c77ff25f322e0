//! `manage unhold`: a held build goes on with the next run.

use crate::parts::{self, Permission};
use clap::{Args, ValueHint};
use intraware_cli::common::Common;
use intraware_cli::failure::Failure;
use intraware_cli::{output, process, txlog};
use intraware_core::foreign::escape;
use intraware_core::spool::{Hold, NoteKey};
use intraware_core::txlog::{Step, Subject, TxLog};

use super::find;

/// What to let go.
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
    let record = find::id(parts::store(&config, Permission::ReadOnly), &spool, &arguments.build)?;
    let log = TxLog::open(&spool.log_dir(), &context).with_names(find::name_of(&record, &arguments.build));
    let subject = Subject { record: record.as_str(), job: "" };
    let was_held = log.record(subject, Step::Unhold, "let the build go on", || {
        spool.remove_note::<Hold>(&NoteKey::from(&record))
    })?;
    if was_held {
        let word = escape(&arguments.build);
        output::confirm(&format!("held no longer: {word} ({record}), the next run goes on with it"))?;
    } else {
        output::complain(&format!(
            "{record} was not held here; if its record is on Do Not Release, a person must change that in the record store"
        ));
    }
    Ok(txlog::finish(log))
}

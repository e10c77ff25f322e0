//! `manage hold`: neither program moves the build until it is released.
//!
//! The hold is a note in the spool, so it also stops `upload`, which knows no records, and works while the record store
//! is away. It leaves the record as it is: Do Not Release is a word of people to the whole company.

use clap::{Args, ValueHint};
use intraware_cli::common::Common;
use intraware_cli::failure::Failure;
use intraware_cli::parts::{self, Permission};
use intraware_cli::{output, people, process};
use intraware_core::foreign::escape;
use intraware_core::spool::Hold;
use intraware_core::txlog::{Subject, TxLog};

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
    let record = find::id(parts::store(&config, Permission::ReadOnly), &spool, &arguments.build)?;
    let log = TxLog::open(&spool.log_dir(), &context).with_names(find::name_of(&record, &arguments.build));
    let hold = Hold {
        record: record.clone(),
        reason: arguments.reason.clone(),
        since: context.now(),
        host: context.identity.host.clone(),
        by: people::who(),
    };
    let subject = Subject { record: record.as_str(), job: "" };
    log.record(subject, "hold", "hold the build", || spool.put_note(&hold))?;
    let word = escape(&arguments.build);
    output::confirm(&format!(
        "held: {word} ({record}), both programs leave it alone; `manage release {word}` lifts it"
    ))?;
    Ok(intraware_cli::report::finish(log))
}

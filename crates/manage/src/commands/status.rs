//! `manage status`: every build at a glance.

use clap::Args;
use intraware_cli::common::Common;
use intraware_cli::failure::Failure;
use intraware_cli::parts::{self, Permission};
use intraware_cli::{output, process, table};
use intraware_core::exit::{self, Fault};
use intraware_core::foreign::{escape, tame};
use intraware_core::manage::overview::{Line, Overview, overview};
use intraware_core::store::StoreError;

/// How to show it.
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// Print JSON
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(common: &Common, arguments: &Arguments) -> Result<u8, Failure> {
    let config = common.load()?;
    let spool = parts::spool(&config, Permission::ReadOnly)?;
    let store = parts::store(&config, Permission::ReadOnly);
    let store = store
        .map_err(|failure| StoreError::new(failure.fault.unwrap_or(Fault::Configuration), failure.message));
    let now = process::context("manage", common).now();
    let overview = overview(store, &spool, &parts::roles(&config), now)?;
    if arguments.json {
        output::json(&overview)?;
    } else {
        output::text(show(&overview))?;
    }
    // What is shown is not all there is.
    Ok(overview.fault.map_or(exit::OK, Fault::exit_status))
}

fn show(overview: &Overview) -> String {
    let mut text = if overview.builds.is_empty() {
        "no build is due, and the spool is empty\n".to_owned()
    } else {
        let header = ["BUILD", "RECORD", "STATUS", "SPOOL", "DELIVERED", "NEXT TRY", "NOTE"];
        table::columns(&header, overview.builds.iter().map(|line| row(line, overview)).collect())
    };
    for found in &overview.unreadable {
        text.push_str(&format!(
            "unreadable: {}/{}: {}\n",
            found.room,
            escape(&found.dir_name),
            tame(&found.reason)
        ));
    }
    if let Some(reason) = &overview.incomplete {
        text.push_str(&format!("not all records could be read: {}\n", tame(reason)));
    }
    for outage in &overview.outages {
        text.push_str(&format!("{outage}\n"));
    }
    for misfit in &overview.misfits {
        text.push_str(&format!("{misfit}\n"));
    }
    if let Some(unread) = &overview.unread {
        text.push_str(&format!("{unread}\n"));
    }
    if let Some(holder) = &overview.manage_lock {
        text.push_str(&format!("manage.lock is held by {holder}\n"));
    }
    if let Some(usage) = overview.usage {
        let (used, allowed, here) = (usage.used, usage.allowed, usage.here);
        text.push_str(&format!("API requests in 24 hours: {used} of {allowed}; {here} by this command\n"));
    }
    text
}

fn row(line: &Line, overview: &Overview) -> Vec<String> {
    let no_record = if overview.incomplete.is_some() { "not read" } else { "no record" };
    let or_dash = |text: Option<String>| text.unwrap_or_else(|| "-".to_owned());
    let held = line.hold.as_ref().map(|reason| format!("held: {}", tame(reason)));
    let holder = line.holder.as_ref().map(|holder| format!("in use by {holder}"));
    let lags = (!line.lagging.is_empty()).then(|| format!("{} lags", escape(line.lagging.to_string())));
    let error = line.last_error.as_ref().map(tame);
    vec![
        escape(&line.name),
        line.record.to_string(),
        line.status.as_ref().map_or_else(|| no_record.to_owned(), ToString::to_string),
        or_dash(line.room.map(|room| room.to_string())),
        or_dash(line.delivered.map(|at| format!("{at:.0}"))),
        or_dash(line.next_try.map(|at| format!("{at:.0}"))),
        or_dash(held.or(holder).or(error).or(lags)),
    ]
}

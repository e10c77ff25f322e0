//! `manage status`: every build and every tree at a glance.

use crate::parts::{self, Permission};
use clap::Args;
use intraware_cli::common::Common;
use intraware_cli::failure::Failure;
use intraware_cli::table::{self, or_dash};
use intraware_cli::{output, process};
use intraware_config::TreeConfig;
use intraware_core::exit::{self, Fault};
use intraware_core::foreign::{escape, tame};
use intraware_core::record::Status;
use intraware_core::store::StoreError;
use intraware_core::txlog::chain;
use intraware_manage::overview::{Line, Overview, overview};
use intraware_publish::{Standing, standing};
use jiff::Timestamp;
use serde::Serialize;

/// How to show it.
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// Show the builds that are Completed as well
    #[arg(long)]
    all: bool,

    /// Print JSON, of all builds
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(common: &Common, arguments: &Arguments) -> Result<u8, Failure> {
    if let Some(trees) = TreeConfig::load_alone(&common.config)? {
        return tell_trees(&trees, arguments);
    }
    let config = common.load()?;
    let spool = parts::spool(&config, Permission::ReadOnly)?;
    let store = parts::store(&config, Permission::ReadOnly);
    let store = store
        .map_err(|failure| StoreError::new(failure.fault.unwrap_or(Fault::Configuration), failure.message));
    let now = process::context("manage", common).now();
    let overview = overview(store, &spool, &parts::roles(&config), now)?;
    let (trees, fault) = standings(&config.trees);
    if arguments.json {
        output::object(&Shown { overview: &overview, trees: &trees })?;
    } else {
        output::text(show(&overview, arguments.all, config.spool.keep_days, now))?;
        trees.iter().try_for_each(output::text)?;
    }
    // What is shown is not all there is.
    Ok(overview.fault.or(fault).map_or(exit::OK, Fault::exit_status))
}

/// All that JSON has.
#[derive(Serialize)]
struct Shown<'a> {
    #[serde(flatten)]
    overview: &'a Overview,
    trees: &'a [Standing],
}

/// The same, of a host that only publishes.
#[derive(Serialize)]
struct Trees<'a> {
    trees: &'a [Standing],
}

fn tell_trees(trees: &[TreeConfig], arguments: &Arguments) -> Result<u8, Failure> {
    let (trees, fault) = standings(trees);
    if arguments.json {
        output::object(&Trees { trees: &trees })?;
    } else {
        trees.iter().try_for_each(output::text)?;
    }
    Ok(fault.map_or(exit::OK, Fault::exit_status))
}

/// Returns how the trees stand, and what hides one of them, which is said here.
fn standings(trees: &[TreeConfig]) -> (Vec<Standing>, Option<Fault>) {
    let mut found = Vec::new();
    let mut fault = None;
    for tree in trees {
        match standing(tree) {
            Ok(standing) => found.push(standing),
            Err(error) => {
                tracing::error!("tree {}: {}", tree.name, tame(chain(&error)));
                fault = fault.or(Some(error.fault()));
            }
        }
    }
    (found, fault)
}

fn show(overview: &Overview, all: bool, keep_days: u32, now: Timestamp) -> String {
    let (done, open): (Vec<&Line>, Vec<&Line>) = overview.builds.iter().partition(|line| is_over(line));
    let shown: Vec<&Line> = open.iter().chain(done.iter().filter(|_| all)).copied().collect();
    let mut text = String::new();
    if overview.builds.is_empty() {
        text.push_str("no build is due, and the spool is empty\n");
    }
    if !shown.is_empty() {
        let header = ["BUILD", "RECORD", "STATUS", "SPOOL", "DELIVERED", "NEXT TRY", "NOTE"];
        let rows = shown.iter().map(|line| row(line, overview, now)).collect();
        text.push_str(&table::sparing(&header, rows, &["RECORD", "DELIVERED"]));
    }
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
        text.push_str(&format!("{}\n", outage.told(now)));
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
    if !overview.builds.is_empty() {
        text.push_str(&summary(overview, keep_days));
    }
    text
}

/// Returns whether nothing more happens to a build, and nothing is to be said of it.
fn is_over(line: &Line) -> bool {
    line.status == Some(Status::Completed)
        && line.hold.is_none()
        && line.holder.is_none()
        && line.last_error.is_none()
        && line.lagging.is_empty()
}

/// Returns how many builds there are of each kind.
fn summary(overview: &Overview, keep_days: u32) -> String {
    let count = |is_meant: fn(Option<&Status>) -> bool| {
        overview.builds.iter().filter(|line| is_meant(line.status.as_ref())).count()
    };
    let mut parts = Vec::new();
    let mut add = |number: usize, what: &str| {
        if number > 0 {
            parts.push(format!("{number} {what}"));
        }
    };
    add(count(|status| status == Some(&Status::Completed)), &format!("Completed in {keep_days} days"));
    add(count(|status| status == Some(&Status::Error)), "Error");
    add(count(|status| matches!(status, Some(Status::Empty | Status::InProcess))), "waiting");
    add(count(|status| status == Some(&Status::DoNotRelease)), "on Do Not Release");
    add(count(|status| matches!(status, None | Some(Status::Other(_)))), "of unknown status");
    parts.join(", ") + "\n"
}

/// Returns when a build is tried again, in few words where there is little room.
fn next_try(at: Timestamp, now: Timestamp) -> String {
    if !table::is_narrow() {
        return format!("{at:.0}");
    }
    match at.duration_since(now).as_mins() {
        ..=0 => "next run".to_owned(),
        minutes @ 1..120 => format!("in {minutes} min"),
        minutes => format!("in {} h", minutes / 60),
    }
}

fn row(line: &Line, overview: &Overview, now: Timestamp) -> Vec<String> {
    let no_record = if overview.incomplete.is_some() { "not read" } else { "no record" };
    let held = line.hold.as_ref().map(|reason| format!("held: {}", tame(reason)));
    let holder = line.holder.as_ref().map(|holder| format!("in use by {holder}"));
    let lags = (!line.lagging.is_empty()).then(|| format!("{} lags", escape(line.lagging.to_string())));
    let waits = (!line.waits_for.is_empty())
        .then(|| format!("waits for site {} (cannot be reached)", escape(line.waits_for.join(", "))));
    let error = line.last_error.as_ref().map(tame);
    vec![
        escape(&line.name),
        line.record.to_string(),
        line.status.as_ref().map_or_else(|| no_record.to_owned(), ToString::to_string),
        or_dash(line.room.map(|room| room.to_string())),
        or_dash(line.delivered.map(|at| format!("{at:.0}"))),
        or_dash(line.next_try.map(|at| next_try(at, now))),
        or_dash(held.or(holder).or(waits).or(error).or(lags)),
    ]
}

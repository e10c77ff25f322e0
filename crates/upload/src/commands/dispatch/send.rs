//! `upload dispatch FILE…`: packages to the machines that their names say; and without a file, what has not
//! got there.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use clap::Args;
use intraware_cli::activity::Diary;
use intraware_cli::common::Common;
use intraware_cli::environment::{time_zone, variable};
use intraware_cli::failure::Failure;
use intraware_cli::{output, process, table};
use intraware_core::digest::Sha256Hex;
use intraware_core::exit::{self, Fault};
use intraware_core::foreign;
use intraware_core::outcome::gravest;
use intraware_core::run::RunContext;
use intraware_core::txlog::{TxLog, chain};
use intraware_dispatch::{
    Copies, Item, Netrcs, Plan, PlanError, Routes, Row, Sender, Sent, States, Wait, plan_each, plan_files,
    plan_rest,
};

use super::tell::{left, tell};
use super::{Here, scan, state_failure, states, today};

/// Of runs that follow one another, one so often leaves a record.
const NOTED: Duration = Duration::from_mins(1);

/// How often between two runs it is looked whether a signal has come.
const HEARD: Duration = Duration::from_millis(200);

/// Where what is known of packages is kept, below the home directory.
const STATE: &str = ".local/state/intraware/dispatch";

/// What to send.
#[derive(Debug, Args)]
#[group(id = "send")]
pub(super) struct Arguments {
    /// The packages; without one, those that have not got everywhere yet
    #[arg(value_name = "FILE")]
    files: Vec<PathBuf>,

    /// Directory for what is known of packages, over restarts [default: ~/.local/state/intraware/dispatch]
    #[arg(long, value_name = "DIR")]
    state: Option<PathBuf>,

    /// Send each file by itself: one that has no route holds up no other
    #[arg(long, requires = "files")]
    each: bool,

    /// Keep a copy of each file until it has got everywhere, for files that will not stay, as those of a hook
    #[arg(long, requires = "files")]
    copy: bool,

    #[command(flatten)]
    scan: scan::Arguments,

    /// Show what would be done and why, and do nothing
    #[arg(long)]
    dry_run: bool,

    /// Print the plan, or what became of the packages, as JSON
    #[arg(long)]
    json: bool,

    #[command(flatten)]
    ask: states::Arguments,
}

impl Arguments {
    /// Returns whether any of them is given.
    pub(super) fn is_given(&self) -> bool {
        let Self { files, state, each, copy, scan, dry_run, json, ask } = self;
        let is_one = *each || *copy || *dry_run || *json;
        is_one || !files.is_empty() || state.is_some() || scan.is_given() || ask.is_given()
    }
}

pub(super) fn run(
    common: &Common,
    routes: &dyn Fn() -> Result<Routes, Failure>,
    home: Option<&Path>,
    arguments: &Arguments,
) -> Result<u8, Failure> {
    let context = process::context("upload", common);
    let dir = arguments.state.clone().or_else(|| home.map(|home| home.join(STATE)));
    let dir = dir.ok_or_else(|| Failure::usage("HOME is not set; name a directory by --state"))?;
    let states = States::open(&dir).map_err(|error| state_failure(&error))?;
    if arguments.ask.is_given() {
        if !arguments.files.is_empty() || arguments.dry_run || arguments.scan.is_given() {
            let text = "--status, --why, --hold, --retry and --settle go with neither files nor --scan, --watch and --dry-run";
            return Err(Failure::usage(text));
        }
        // What the routes say of it counts only if they can be read.
        let waiting = |known: &[Row]| match routes() {
            Ok(routes) => waits(&states, &routes, known, &context),
            Err(_) => Ok(BTreeMap::new()),
        };
        return states::run(&states, &arguments.ask, arguments.json, context.now(), &waiting);
    }
    let here = Here { common, states: &states, dir: &dir, context: &context };
    let run = Run { here, arguments, routes };
    if arguments.dry_run {
        return run.look();
    }
    match arguments.scan.pause(common)? {
        None => run.noted(),
        Some(pause) => run.watch(pause),
    }
}

/// What a run works with.
struct Run<'a> {
    here: Here<'a>,
    arguments: &'a Arguments,
    routes: &'a dyn Fn() -> Result<Routes, Failure>,
}

impl Run<'_> {
    /// Shows what a run would do.
    fn look(&self) -> Result<u8, Failure> {
        let routes = (self.routes)()?;
        let known = self.here.states.rows().map_err(|error| state_failure(&error))?;
        let (mut found, mut faults) = match self.arguments.scan.is_given() {
            true => scan::look(&self.here, &self.arguments.scan, &routes, &known)?,
            false => (Plan { items: Vec::new(), is_named: false }, Vec::new()),
        };
        let (rest, more) = plan(&routes, &known, self.arguments, self.here.context)?;
        faults.extend(more);
        found.is_named = rest.is_named;
        // What was found anew is not shown a second time.
        let shown: BTreeSet<(&str, &str)> =
            found.items.iter().map(|item| (&*item.row.package, &*item.row.machine)).collect();
        let is_new = |item: &Item<'_>| !shown.contains(&(&*item.row.package, &*item.row.machine));
        let rest: Vec<Item<'_>> = rest.items.into_iter().filter(is_new).collect();
        found.items.extend(rest);
        let outages = self.here.states.outages().map_err(|error| state_failure(&error))?;
        let waits = found.waits(&routes, &known, &outages, &self.here.context.now().to_zoned(time_zone()));
        show(&found, &waits, self.arguments.json)?;
        Ok(gravest(&faults).map_or(exit::OK, Fault::exit_status))
    }

    /// Makes a run, and leaves a record of it.
    fn noted(&self) -> Result<u8, Failure> {
        let is_partial = !self.arguments.files.is_empty();
        let mut diary =
            Diary::begin_by("upload dispatch", is_partial, &self.here.common.config, self.here.context);
        let ended = self.once(&mut diary);
        diary.keep_where_spooled(&ended, &self.here.common.config, self.here.context);
        ended
    }

    /// Makes runs until a signal comes. What fails is told, and tried again.
    fn watch(&self, pause: Duration) -> Result<u8, Failure> {
        let mut last_noted: Option<Instant> = None;
        while self.here.context.stop.check().is_ok() {
            let begun = Instant::now();
            let ended = match last_noted.is_none_or(|last| last.elapsed() >= NOTED) {
                true => {
                    last_noted = Some(begun);
                    self.noted()
                }
                false => {
                    let mut diary =
                        Diary::begin_by("upload dispatch", true, &self.here.common.config, self.here.context);
                    self.once(&mut diary)
                }
            };
            if let Err(failure) = ended
                && !failure.message.is_empty()
                && self.here.context.stop.check().is_ok()
            {
                failure.message.lines().for_each(|line| tracing::error!("{line}"));
            }
            while begun.elapsed() < pause && self.here.context.stop.check().is_ok() {
                std::thread::sleep(HEARD.min(pause));
            }
        }
        Ok(exit::OK)
    }

    /// Makes a run: scans if that is asked for, plans and sends.
    fn once(&self, diary: &mut Diary) -> Result<u8, Failure> {
        let Self { arguments, here: Here { states, dir, context, .. }, .. } = self;
        let routes = (self.routes)()?;
        let mut faults = match arguments.scan.is_given() {
            true => scan::run(&self.here, &arguments.scan, &routes)?,
            false => Vec::new(),
        };
        let known = states.rows().map_err(|error| state_failure(&error))?;
        let (mut plan, more) = plan(&routes, &known, arguments, context)?;
        faults.extend(more);
        let copies = Copies::of(dir);
        if arguments.copy {
            let kept = copies.keep(&mut plan, context);
            kept.map_err(|error| Failure::new(error.fault(), chain(&error)))?;
        }
        let log = TxLog::open(&dir.join("log"), context);
        let environment = |name: &str| variable(name);
        let sender = Sender {
            routes: &routes,
            states,
            dir,
            known: &known,
            log: &log,
            context,
            zone: &time_zone(),
            environment: &environment,
        };
        let sent = sender.send(&plan).map_err(|error| state_failure(&error))?;
        if let Err(error) = log.finish() {
            faults.push(Fault::Spool);
            tracing::error!("the transaction log cannot be written: {error}");
        }
        tell(&sent, arguments.json)?;
        let rows = states.rows().map_err(|error| state_failure(&error))?;
        if let Err(error) = copies.sweep(&rows, context) {
            tracing::warn!("a copy that nothing needs stays: {}", chain(&error));
        }
        if !arguments.files.is_empty() {
            faults.extend(left(&sent));
        }
        faults.extend(sent.iter().filter_map(|sent| sent.fault));
        diary.faults(&faults);
        let is_done = |sent: &&Sent| sent.is_there && sent.fault.is_none() && sent.action.is_work();
        let done = sent.iter().filter(is_done).count();
        diary.count("sent", done as u64);
        diary.count("failed", sent.iter().filter(|sent| sent.fault.is_some()).count() as u64);
        diary.count("bytes", sent.iter().map(|sent| sent.sent).sum());
        Ok(match gravest(&faults) {
            None => exit::OK,
            Some(Fault::Unreachable) if done > 0 => exit::TRY_LATER,
            Some(fault) => fault.exit_status(),
        })
    }
}

/// Plans, and says what has no route. If that is a file that was named, nothing is done, unless each goes by
/// itself.
fn plan<'r>(
    routes: &'r Routes,
    known: &[Row],
    arguments: &Arguments,
    context: &RunContext,
) -> Result<(Plan<'r>, Vec<Fault>), Failure> {
    let today = today(context);
    let mut netrcs = Netrcs::default();
    let say = |errors: &[PlanError]| {
        errors.iter().for_each(|error| tracing::error!("{}", chain(error)));
        errors.iter().map(PlanError::fault).collect::<Vec<_>>()
    };
    if arguments.files.is_empty() {
        let (plan, errors) = plan_rest(routes, &mut netrcs, known.to_vec(), today);
        return Ok((plan, say(&errors)));
    }
    if arguments.each {
        let (plan, errors) = plan_each(routes, &mut netrcs, known, &arguments.files, today);
        return Ok((plan, say(&errors)));
    }
    plan_files(routes, &mut netrcs, known, &arguments.files, today).map(|plan| (plan, Vec::new())).map_err(
        |errors| {
            let status = gravest(&say(&errors)).map_or(exit::OK, Fault::exit_status);
            Failure::said(status)
        },
    )
}

/// Says what packages wait for beside themselves.
fn waits(
    states: &States,
    routes: &Routes,
    known: &[Row],
    context: &RunContext,
) -> Result<BTreeMap<(String, Sha256Hex), Wait>, Failure> {
    let now = context.now().to_zoned(time_zone());
    let today = (now.date(), now.timestamp());
    let (plan, _) = plan_rest(routes, &mut Netrcs::default(), known.to_vec(), today);
    let outages = states.outages().map_err(|error| state_failure(&error))?;
    let waits = plan.waits(routes, known, &outages, &now);
    let items = plan.items.iter().zip(waits);
    Ok(items.filter_map(|(Item { row, .. }, wait)| Some(((row.label(), row.sha256), wait?))).collect())
}

fn show(plan: &Plan<'_>, waits: &[Option<Wait>], as_json: bool) -> Result<(), Failure> {
    if as_json {
        let rows: Vec<_> = plan
            .items
            .iter()
            .zip(waits)
            .map(|(item, waits)| {
                let (row, action) = (&item.row, item.action);
                serde_json::json!({ "row": row, "action": action, "waits": waits, "login": item.machine.login, "protocol": item.section.protocol })
            })
            .collect();
        return output::list("packages", &rows);
    }
    let rows: Vec<Vec<String>> = plan
        .items
        .iter()
        .zip(waits)
        .map(|(item, waits)| {
            let (row, login) = (&item.row, foreign::escape(&item.machine.login));
            let protocol = item.section.protocol.to_string();
            let directory = foreign::escape(&row.directory);
            let package = foreign::escape(&row.package);
            vec![
                package,
                row.machine.clone(),
                login,
                protocol,
                directory,
                states::action(item.action, waits.as_ref()),
            ]
        })
        .collect();
    if rows.is_empty() {
        return output::text("nothing to send");
    }
    output::text(table::columns(&["PACKAGE", "MACHINE", "LOGIN", "PROTOCOL", "DIRECTORY", "ACTION"], rows))
}

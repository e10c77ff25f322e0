//! `upload dispatch --scan` and `--watch`: what is new in trees is planned, and the run goes on with it as
//! with the rest.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use intraware_cli::common::Common;
use intraware_cli::failure::Failure;
use intraware_cli::{output, report};
use intraware_config::DispatchConfig;
use intraware_core::exit::Fault;
use intraware_core::foreign;
use intraware_core::lock::{Held, Lock, LockError};
use intraware_core::txlog::chain;
use intraware_dispatch::{
    Action, Netrcs, Plan, PlanError, Refused, RouteError, Routes, Row, Scan, ScanError, Seen, Wish,
    plan_found,
};

use super::{Here, state_failure, today};

/// Where to look for packages.
#[derive(Debug, Args)]
#[group(id = "scan_for")]
pub(super) struct Arguments {
    /// Find what is new in the trees of the configuration, and send it and the rest
    #[arg(long, conflicts_with = "files")]
    scan: bool,

    /// The same again and again, until a signal comes
    #[arg(long, conflicts_with_all = ["files", "scan", "dry_run", "json"])]
    watch: bool,

    /// All that is in the trees is new, also what the first scan has taken or takes as seen
    #[arg(long, conflicts_with_all = ["files", "watch"], requires = "scan")]
    all: bool,

    /// Scan this directory and not those of the configuration; may be repeated
    #[arg(long = "tree", value_name = "DIR")]
    trees: Vec<PathBuf>,
}

impl Arguments {
    /// Returns whether trees are to be scanned.
    pub(super) fn is_given(&self) -> bool {
        self.scan || self.watch || !self.trees.is_empty()
    }

    /// Returns the time from one scan to the next, if there is to be a next one.
    pub(super) fn pause(&self, common: &Common) -> Result<Option<Duration>, Failure> {
        if !self.trees.is_empty() && !self.scan && !self.watch {
            return Err(Failure::usage("--tree goes with --scan or --watch"));
        }
        self.watch.then(|| self.config(common).map(|config| config.every)).transpose()
    }

    /// Returns what the configuration says, which need not be there if the trees are named.
    fn config(&self, common: &Common) -> Result<DispatchConfig, Failure> {
        let mut config = match self.trees.is_empty() || common.config.exists() {
            true => DispatchConfig::load(&common.config)?,
            false => DispatchConfig::unset()?,
        };
        for (i, tree) in self.trees.iter().enumerate() {
            let tree = std::path::absolute(tree)
                .map_err(|error| Failure::usage(format!("--tree {}: {error}", foreign::path(tree))))?;
            let tree: PathBuf = tree.components().collect();
            if i == 0 {
                config.trees.clear();
            }
            config.trees.push(tree);
        }
        if config.trees.is_empty() {
            let text =
                "there is no tree to scan; set dispatch.trees in the configuration, or name one by --tree";
            return Err(Failure::new(Fault::Configuration, text));
        }
        Ok(config)
    }
}

/// Plans what is new, and notes it as seen.
pub(super) fn run(here: &Here<'_>, arguments: &Arguments, routes: &Routes) -> Result<Vec<Fault>, Failure> {
    let Here { states, dir, context, .. } = here;
    let config = arguments.config(here.common)?;
    let _lock = match Lock::take(&dir.join("scan.lock"), context) {
        Ok(lock) => lock,
        // What it finds is planned there; this run goes on with what is planned already.
        Err(LockError::Busy(holder)) => {
            tracing::info!("another scan is at work");
            report::long_lock("the lock of scans", &Held(holder), context.now());
            return Ok(Vec::new());
        }
        Err(error) => return Err(error.into()),
    };
    let mut seen = Seen::open(dir).map_err(|error| state_failure(&error))?;
    let (scan, mut faults) = look_at(here, arguments, &config, &seen)?;
    let known = states.rows().map_err(|error| state_failure(&error))?;
    let (plan, errors) = plan_found(routes, &mut Netrcs::default(), &known, &scan.found, today(context));
    let rows: Vec<Row> =
        plan.items.into_iter().filter(|item| item.action == Action::Send).map(|item| item.row).collect();
    states.plan(&rows, context.now()).map_err(|error| state_failure(&error))?;
    let mut refused = Vec::new();
    for (file, error) in errors {
        let (fault, why) = (error.fault(), why(&file, &error));
        // What is wrong with the file alone is told once; what a person has to mend for all files, in each
        // run.
        if !is_of_one(&error) {
            faults.push(fault);
            tracing::error!("{why}");
        }
        refused.push(Refused { file, fault, why, is_told: !is_of_one(&error) });
    }
    let noted = scan.note(&mut seen, &refused, context).map_err(failure)?;
    faults.extend(tell(&noted.told));
    if noted.listed() > 0 {
        let text =
            format!("files that were there before the first scan are taken as seen: {}", noted.listed());
        tracing::info!("{text}");
        output::confirm(&text)?;
    }
    faults.extend(tell(&noted.read_listed(&mut seen, context).map_err(failure)?));
    Ok(faults)
}

/// Plans what is new, and notes nothing.
pub(super) fn look<'r>(
    here: &Here<'_>,
    arguments: &Arguments,
    routes: &'r Routes,
    known: &[Row],
) -> Result<(Plan<'r>, Vec<Fault>), Failure> {
    let config = arguments.config(here.common)?;
    let seen = Seen::open(here.dir).map_err(|error| state_failure(&error))?;
    let (scan, mut faults) = look_at(here, arguments, &config, &seen)?;
    for tree in &scan.first {
        tracing::warn!("{} was not scanned before: what is there is taken as seen", foreign::path(tree));
    }
    let (plan, errors) = plan_found(routes, &mut Netrcs::default(), known, &scan.found, today(here.context));
    for (file, error) in errors {
        faults.push(error.fault());
        tracing::error!("{}", why(&file, &error));
    }
    Ok((plan, faults))
}

fn look_at(
    here: &Here<'_>,
    arguments: &Arguments,
    config: &DispatchConfig,
    seen: &Seen,
) -> Result<(Scan, Vec<Fault>), Failure> {
    let wish = Wish { settle: config.settle, takes_all: arguments.all };
    let scan = Scan::look(seen, &config.trees, wish, here.context).map_err(failure)?;
    if scan.young > 0 {
        tracing::info!("files that may still grow are left for the next scan: {}", scan.young);
    }
    let faults = tell(&scan.unreadable);
    Ok((scan, faults))
}

fn tell(told: &[(Fault, String)]) -> Vec<Fault> {
    told.iter().for_each(|(_, text)| tracing::error!("{text}"));
    told.iter().map(|(fault, _)| *fault).collect()
}

fn why(file: &std::path::Path, error: &PlanError) -> String {
    format!("{}: {}", foreign::path(file), chain(error))
}

/// Returns whether an error is one of this file alone.
fn is_of_one(error: &PlanError) -> bool {
    match error {
        PlanError::Route(
            RouteError::Name { .. }
            | RouteError::Nowhere { .. }
            | RouteError::Unclear { .. }
            | RouteError::Twice { .. }
            | RouteError::NoGroup { .. },
        ) => true,
        PlanError::Route(RouteError::File(_) | RouteError::Wrong(_) | RouteError::Missing { .. }) => false,
        PlanError::Read { .. } | PlanError::Twice(_) => true,
        PlanError::Gone(_) | PlanError::Copy { .. } => false,
    }
}

fn failure(error: ScanError) -> Failure {
    match error {
        ScanError::State(error) => state_failure(&error),
        ScanError::Stopped(stopped) => Failure::new(Fault::TryLater, stopped.to_string()),
    }
}

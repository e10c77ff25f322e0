//! `upload dispatch`: packages to machines, by their names.

mod pin;
mod route;
mod scan;
mod send;
mod states;
mod tell;
mod versions;

use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};
use intraware_cli::common::{Common, EXIT_STATUS};
use intraware_cli::environment::{time_zone, variable};
use intraware_cli::failure::Failure;
use intraware_cli::output;
use intraware_core::exit::{self, Fault};
use intraware_core::outcome::gravest;
use intraware_core::run::RunContext;
use intraware_core::txlog::chain;
use intraware_dispatch::{Finding, Netrcs, RouteError, Routes, StateError, States, check};

/// The file of routes, beside the configuration.
const ROUTES: &str = "general-dispatch-info.cfg";

/// What to do.
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// The file that says which packages go where; as TOML if its name ends with .toml [default:
    /// general-dispatch-info.cfg beside the configuration file]
    #[arg(long, global = true, value_name = "FILE")]
    routes: Option<PathBuf>,

    #[command(flatten)]
    send: send::Arguments,

    #[command(subcommand)]
    deed: Option<Deed>,
}

/// What can be done besides.
#[derive(Debug, Subcommand)]
enum Deed {
    /// Show where packages of these names go, without asking any machine
    #[command(after_long_help = EXIT_STATUS)]
    Route(route::Arguments),
    /// Look for what is wrong or doubtful in the routes, the netrc file and the stored keys, without asking
    /// any machine
    #[command(after_long_help = EXIT_STATUS)]
    Check {
        /// Print what was found as JSON
        #[arg(long)]
        json: bool,
    },
    /// Show the SSH key of a machine, and store it if it is the one that is named
    #[command(after_long_help = EXIT_STATUS)]
    Pin(pin::Arguments),
    /// Ask every machine what was done there last and what it says is installed, and name what differs
    #[command(after_long_help = EXIT_STATUS)]
    Versions(versions::Arguments),
}

pub(crate) fn run(common: &Common, arguments: &Arguments) -> Result<u8, Failure> {
    let file = arguments.routes.clone().unwrap_or_else(|| common.config.with_file_name(ROUTES));
    let home = variable("HOME").map(PathBuf::from);
    let routes = || Routes::read(&file, home.as_deref()).map_err(failure);
    if arguments.deed.is_some() && arguments.send.is_given() {
        let text = "files and options to send them go with no subcommand; a package of such a name is written ./NAME";
        return Err(Failure::usage(text));
    }
    match &arguments.deed {
        None => send::run(common, &routes, home.as_deref(), &arguments.send),
        Some(Deed::Route(arguments)) => route::run(&routes()?, arguments),
        Some(Deed::Check { json }) => look(&routes()?, *json),
        Some(Deed::Pin(arguments)) => pin::run(&routes()?, arguments),
        Some(Deed::Versions(arguments)) => versions::run(common, &routes()?, arguments),
    }
}

/// Where what is known of packages is, and the run that asks for it.
struct Here<'a> {
    common: &'a Common,
    states: &'a States,
    dir: &'a Path,
    context: &'a RunContext,
}

/// Returns what a command says of states that cannot be read or written.
fn state_failure(error: &StateError) -> Failure {
    let fault = match error {
        StateError::Directory { .. } | StateError::Database { .. } => Fault::Spool,
        StateError::Network { .. } | StateError::Newer(_) => Fault::Configuration,
    };
    Failure::new(fault, chain(error))
}

/// Returns the day, for directories that are named after it, and the time.
fn today(context: &RunContext) -> (jiff::civil::Date, jiff::Timestamp) {
    let now = context.now();
    (now.to_zoned(time_zone()).date(), now)
}

/// Its text has a line for each problem, as that of a configuration.
fn failure(error: RouteError) -> Failure {
    let text = match &error {
        RouteError::Wrong(problems) => problems.to_string(),
        error => chain(error),
    };
    Failure::new(error.fault(), text)
}

fn look(routes: &Routes, as_json: bool) -> Result<u8, Failure> {
    let found = check(routes, &mut Netrcs::default());
    if as_json {
        output::list("findings", &found)?;
    } else {
        for Finding { fault, line, message } in &found {
            let grade = if fault.is_some() { "wrong" } else { "note" };
            let line = line.map_or_else(String::new, |line| format!("line {line}: "));
            output::text(format!("{grade:<6} {line}{message}"))?;
        }
    }
    let faults: Vec<_> = found.iter().filter_map(|finding| finding.fault).collect();
    Ok(gravest(&faults).map_or(exit::OK, |fault| fault.exit_status()))
}

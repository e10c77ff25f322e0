//! `manage`: prepares builds for delivery and confirms them. What cron runs every 15 minutes, and people by
//! hand.

mod commands;
mod customers;
mod examples;
mod parts;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{CommandFactory as _, Parser, Subcommand};
use intraware_cli::common::{Common, EXIT_STATUS, with_examples};
use intraware_cli::failure::Failure;
use intraware_cli::pages::{self, ShellName};
use intraware_cli::{output, process};
use intraware_core::exit;

use crate::commands::{
    activity, assemble, check, check_key, config, fragment, hold, init, log, publish, records, retry, run,
    status, unhold, verify, why,
};

/// Stands behind the short help.
const MORE: &str =
    "`manage --help` has examples and the exit statuses, and each command has a --help of its own.";

/// Prepares builds for delivery, hands them to upload, and confirms what was delivered
///
/// A run looks at each build whose record is empty, Error or In Process. What is new it archives, signs and
/// queues in the spool for upload; what upload has delivered it looks at, at the site itself, and sets the
/// record to Completed. Whatever it could not do, a later run does.
#[derive(Parser)]
#[command(name = "manage", version, after_help = MORE, after_long_help = with_examples(examples::PROGRAM))]
struct Cli {
    #[command(flatten)]
    common: Common,
    #[command(flatten)]
    run: run::Arguments,
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Subcommand)]
enum Command {
    /// Make one pass over all builds, or over those named (what no subcommand means)
    #[command(after_long_help = with_examples(examples::RUN))]
    Run(run::Named),
    /// Show every build: record, spool, delivery, last error, next try, and who holds the lock
    #[command(after_long_help = with_examples(examples::STATUS))]
    Status(status::Arguments),
    /// Show where one build is, what it waits for, and what would unblock it
    #[command(after_long_help = with_examples(examples::WHY))]
    Why(why::Arguments),
    /// Compare what the sites have with what was released: all Completed builds, or those named
    #[command(after_long_help = with_examples(examples::VERIFY))]
    Verify(verify::Arguments),
    /// Try configuration, login, fields, key, spool, locks and site for real
    #[command(after_long_help = with_examples(examples::CHECK))]
    Check(intraware_cli::check::Arguments),
    /// Try whether a key would do for signing, before it is installed
    #[command(after_long_help = with_examples(examples::CHECK_KEY))]
    CheckKey(check_key::Arguments),
    /// Make the spool
    #[command(after_long_help = with_examples(examples::INIT))]
    Init(init::Arguments),
    /// Show the transaction log of all hosts, merged and filtered
    #[command(after_long_help = with_examples(examples::LOG))]
    Log(log::Arguments),
    /// Show the runs of all hosts, and whether those that are expected were made
    #[command(after_long_help = with_examples(examples::ACTIVITY))]
    Activity(activity::Arguments),
    /// Hold a build: neither program moves it until the hold is lifted
    #[command(after_long_help = with_examples(examples::HOLD))]
    Hold(hold::Arguments),
    /// Let a held build go on
    #[command(after_long_help = with_examples(examples::UNHOLD))]
    Unhold(unhold::Arguments),
    /// The name of `unhold` in 0.1.0
    #[command(hide = true)]
    Release(unhold::Arguments),
    /// Forget a build's failures, so that the next run tries it again
    #[command(after_long_help = with_examples(examples::RETRY))]
    Retry(retry::Arguments),
    /// Work on the records of the SQLite store by hand
    #[command(after_long_help = with_examples(examples::RECORDS))]
    Records(records::Arguments),
    /// Show the values in force, and where each came from
    #[command(after_long_help = with_examples(examples::CONFIG))]
    Config(config::Arguments),
    /// Merge the fragments of several build machines into one package directory
    #[command(long_about = assemble::MANUAL, after_long_help = format!("{}\n{EXIT_STATUS}", assemble::ENVIRONMENT))]
    Assemble(assemble::Arguments),
    /// Make a build directory into a fragment for assemble
    #[command(after_long_help = with_examples(examples::FRAGMENT))]
    Fragment(fragment::Arguments),
    /// Publish distribution trees: renew the suites that are due in a copy, run hooks, put the copy in place
    #[command(after_long_help = with_examples(examples::PUBLISH))]
    Publish(publish::Arguments),
    /// Print completions for a shell
    Completions {
        /// The shell
        shell: ShellName,
    },
    /// Print the names of builds in the spool, for completions
    #[command(hide = true)]
    Names,
    /// Write the manual pages, as roff
    Man {
        /// Directory for a file each; without it all go to standard output
        dir: Option<PathBuf>,
    },
}

fn main() -> ExitCode {
    // A wrong command line ends here, with exit status 2.
    let cli = Cli::parse();
    let told = process::start_logging(&cli.common);
    process::main(&told, || dispatch(cli))
}

fn dispatch(cli: Cli) -> Result<u8, Failure> {
    let Cli { common, run: pass, command } = cli;
    if command.is_some() && pass.is_given() {
        return Err(Failure::usage("--dry-run, --build and --json belong behind the subcommand"));
    }
    match command {
        None => run::run(&common, &pass),
        Some(Command::Run(named)) => run::run(&common, &named.into()),
        Some(Command::Status(arguments)) => status::run(&common, &arguments),
        Some(Command::Why(arguments)) => why::run(&common, &arguments),
        Some(Command::Verify(arguments)) => verify::run(&common, &arguments),
        Some(Command::Check(arguments)) => check::run(&common, &arguments),
        Some(Command::CheckKey(arguments)) => check_key::run(&common, &arguments),
        Some(Command::Init(arguments)) => init::run(&common, &arguments),
        Some(Command::Log(arguments)) => log::run(&common, &arguments),
        Some(Command::Activity(arguments)) => activity::run(&common, &arguments),
        Some(Command::Hold(arguments)) => hold::run(&common, &arguments),
        Some(Command::Unhold(arguments)) => unhold::run(&common, &arguments),
        Some(Command::Release(arguments)) => {
            output::complain(
                "`manage release BUILD` is `manage unhold BUILD` now; the next version does not know the old word",
            );
            unhold::run(&common, &arguments)
        }
        Some(Command::Retry(arguments)) => retry::run(&common, &arguments),
        Some(Command::Records(arguments)) => records::run(&common, &arguments),
        Some(Command::Config(arguments)) => config::run(&common, &arguments),
        Some(Command::Assemble(arguments)) => {
            let page = Cli::command().find_subcommand("assemble").cloned().unwrap_or_default();
            assemble::run(&common, &arguments, page.name("manage assemble"))
        }
        Some(Command::Fragment(arguments)) => fragment::run(&common, &arguments),
        Some(Command::Publish(arguments)) => publish::run(&common, &arguments),
        Some(Command::Completions { shell }) => pages::completions(Cli::command(), shell).map(|()| exit::OK),
        Some(Command::Names) => pages::names(&common),
        Some(Command::Man { dir }) => pages::man(Cli::command(), dir.as_deref()).map(|()| exit::OK),
    }
}

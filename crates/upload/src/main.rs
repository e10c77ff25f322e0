//! `upload`: delivers prepared payloads to the site. What cron runs every 30 minutes, and people by hand.

mod commands;
mod examples;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{CommandFactory as _, Parser, Subcommand};
use intraware_cli::common::{Common, with_examples};
use intraware_cli::failure::Failure;
use intraware_cli::pages::{self, ShellName};
use intraware_cli::process;
use intraware_core::exit;

/// Stands behind the short help.
const MORE: &str =
    "`upload --help` has examples and the exit statuses, and each command has a --help of its own.";

/// Delivers prepared payloads to the delivery site
///
/// A run takes each job that waits in the spool, sends its payload to all its sites under a temporary name,
/// has it verified there, and gives it its name. It goes on where an earlier run was cut off, and looks at no
/// record.
#[derive(Parser)]
#[command(name = "upload", version, after_help = MORE, after_long_help = with_examples(examples::PROGRAM))]
struct Cli {
    #[command(flatten)]
    common: Common,
    #[command(flatten)]
    run: commands::run::Arguments,
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Subcommand)]
enum Command {
    /// Deliver waiting payloads once (what no subcommand means)
    #[command(after_long_help = with_examples(examples::RUN))]
    Run(commands::run::Named),
    /// Show the jobs in the upload area: age, size, who is at work on them, what failed
    #[command(after_long_help = with_examples(examples::STATUS))]
    Status(commands::status::Arguments),
    /// Try configuration, spool, locks and site for real, and find out what the site can do
    #[command(after_long_help = with_examples(examples::CHECK))]
    Check(intraware_cli::check::Arguments),
    /// Send packages to the machines that their names say, and show what has come of it
    #[command(after_long_help = with_examples(examples::DISPATCH))]
    Dispatch(commands::dispatch::Arguments),
    /// Send packages to a tupkg server, as the file ~/.tupkg says
    #[command(after_long_help = with_examples(examples::SEND))]
    Send(commands::send::Arguments),
    /// Take packages from tupkg clients, until a signal comes
    #[command(after_long_help = with_examples(examples::SERVE))]
    Serve(commands::serve::Arguments),
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
    let told = process::start_logging(&cli.messages());
    process::main(&told, || dispatch(cli))
}

impl Cli {
    /// Returns the options as far as messages go. A server says what it does without being asked: nobody
    /// looks at it.
    fn messages(&self) -> Common {
        let is_server = matches!(&self.command, Some(Command::Serve(arguments)) if arguments.is_server());
        let least = u8::from(is_server && !self.common.quiet);
        Common { verbose: self.common.verbose.max(least), ..self.common.clone() }
    }
}

fn dispatch(cli: Cli) -> Result<u8, Failure> {
    let Cli { common, run, command } = cli;
    if command.is_some() && run.is_given() {
        return Err(Failure::usage("--dry-run, --job and --json belong behind the subcommand"));
    }
    match command {
        None => commands::run::run(&common, &run),
        Some(Command::Run(named)) => commands::run::run(&common, &named.into()),
        Some(Command::Status(arguments)) => commands::status::run(&common, &arguments),
        Some(Command::Check(arguments)) => commands::check::run(&common, &arguments),
        Some(Command::Dispatch(arguments)) => commands::dispatch::run(&common, &arguments),
        Some(Command::Send(arguments)) => commands::send::run(&common, &arguments),
        Some(Command::Serve(arguments)) => commands::serve::run(&common, arguments),
        Some(Command::Completions { shell }) => pages::completions(Cli::command(), shell).map(|()| exit::OK),
        Some(Command::Names) => pages::names(&common),
        Some(Command::Man { dir }) => pages::man(Cli::command(), dir.as_deref()).map(|()| exit::OK),
    }
}

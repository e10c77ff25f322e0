//! `upload`: delivers prepared payloads to the site. What cron runs every 30 minutes, and people by hand.

mod commands;

use std::process::ExitCode;

use clap::{CommandFactory as _, Parser, Subcommand};
use intraware_cli::common::{Common, EXIT_STATUS};
use intraware_cli::failure::Failure;
use intraware_cli::pages::{self, ShellName};
use intraware_cli::process;
use intraware_core::exit;

const EXAMPLES: &str = "\
EXAMPLES:
  upload                       deliver all that waits, as cron does
  upload --dry-run             show what would be delivered, and why not the rest
  upload run p7                deliver the build p7 now, whatever failed before
  upload status                show what waits, who is at work on it, what failed
  upload send a.pkg.tar.gz     send a package to the tupkg server that ~/.tupkg names
  upload serve                 be such a server
";

/// Delivers prepared payloads to the delivery site
#[derive(Parser)]
#[command(name = "upload", version, after_help = format!("{EXAMPLES}\n{EXIT_STATUS}"))]
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
    #[command(after_help = EXIT_STATUS)]
    Run(commands::run::Named),
    /// Show the jobs in the upload area: age, size, who is at work on them, what failed
    #[command(after_help = EXIT_STATUS)]
    Status(commands::status::Arguments),
    /// Try configuration, spool, locks and site for real, and find out what the site can do
    #[command(after_help = EXIT_STATUS)]
    Check,
    /// Send packages to a tupkg server, as the file ~/.tupkg says
    #[command(after_help = EXIT_STATUS)]
    Send(commands::send::Arguments),
    /// Take packages from tupkg clients, until a signal comes
    #[command(after_help = EXIT_STATUS)]
    Serve(commands::serve::Arguments),
    /// Print completions for a shell
    Completions {
        /// The shell
        shell: ShellName,
    },
    /// Print the names of builds in the spool, for completions
    #[command(hide = true)]
    Names,
    /// Print the manual page, as roff
    Man,
}

fn main() -> ExitCode {
    // A wrong command line ends here, with exit status 2.
    let cli = Cli::parse();
    process::start_logging(&cli.messages());
    process::main(|| dispatch(cli))
}

impl Cli {
    /// Returns the options as far as messages go. A server says what it does without being asked: nobody looks at it.
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
        Some(Command::Check) => commands::check::run(&common),
        Some(Command::Send(arguments)) => commands::send::run(&common, &arguments),
        Some(Command::Serve(arguments)) => commands::serve::run(&common, arguments),
        Some(Command::Completions { shell }) => pages::completions(Cli::command(), shell).map(|()| exit::OK),
        Some(Command::Names) => pages::names(&common),
        Some(Command::Man) => pages::man(Cli::command()).map(|()| exit::OK),
    }
}

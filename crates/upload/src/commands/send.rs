//! `upload send`: packages to a tupkg server.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use intraware_cli::common::Common;
use intraware_cli::environment::variable;
use intraware_cli::failure::Failure;
use intraware_cli::{output, process, table};
use intraware_core::exit::{self, Fault};
use intraware_core::outcome::gravest;
use intraware_core::run::Amount;
use serde::Serialize;
use tupkg::client::{self, Check, End, Failure as Why, Options, Outcome, Target, TargetError};
use tupkg::shown;

/// The file in the home directory that says where packages go.
const ACCOUNT: &str = ".tupkg";

/// What to send.
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// The packages
    #[arg(value_name = "FILE", required = true)]
    files: Vec<PathBuf>,

    /// The file with user, password and server [default: ~/.tupkg]
    #[arg(long, value_name = "FILE")]
    account: Option<PathBuf>,

    /// Send them as they are, without having looked into them
    #[arg(long)]
    no_check: bool,

    /// How many times in a row a session may fail without having got further
    #[arg(long, value_name = "N", default_value_t = Options::default().tries, value_parser = clap::value_parser!(u32).range(1..=1000))]
    tries: u32,

    /// Seconds until the next try after the first failure; doubled after each further one, up to 60
    #[arg(long, value_name = "SECONDS", default_value = "1", value_parser = pause)]
    pause: Duration,

    /// Print what became of the packages as JSON
    #[arg(long)]
    json: bool,
}

fn pause(text: &str) -> Result<Duration, String> {
    let seconds = text.parse::<f64>().ok().filter(|seconds| (0.0..=60.0).contains(seconds));
    seconds.map(Duration::from_secs_f64).ok_or_else(|| "must be from 0 to 60".to_owned())
}

pub(crate) fn run(common: &Common, arguments: &Arguments) -> Result<u8, Failure> {
    let context = process::context("upload", common);
    let target = Target::read(&account(arguments)?)
        .map_err(|error| Failure::new(fault_of(&error), shown::chain(&error)))?;
    let check = if arguments.no_check { Check::Nothing } else { Check::Content };
    let options = Options { check, tries: arguments.tries, pause: arguments.pause, ..Options::default() };
    let progress = Bars(&*context.progress);
    let outcomes = client::send(&target, &arguments.files, &options, &progress, &context.stop.flag());
    let mut faults = Vec::new();
    for outcome in &outcomes {
        if let End::Fail(why) = &outcome.end {
            faults.push(fault(why));
            tracing::error!("{}: {}", shown::path(&outcome.path), shown::chain(&**why));
        }
    }
    if arguments.json {
        output::list("packages", &outcomes.iter().map(Row::of).collect::<Vec<_>>())?;
    } else if !common.quiet {
        let rows = outcomes.iter().map(|outcome| Row::of(outcome).cells()).collect();
        output::text(table::columns(&["PACKAGE", "SIZE", "SENT", "RESULT"], rows))?;
    }
    Ok(gravest(&faults).map_or(exit::OK, Fault::exit_status))
}

fn account(arguments: &Arguments) -> Result<PathBuf, Failure> {
    let home = || variable("HOME").map(|home| PathBuf::from(home).join(ACCOUNT));
    let found = arguments.account.clone().or_else(home);
    found.ok_or_else(|| {
        Failure::usage("HOME is not set; name the file with user, password and server by --account")
    })
}

fn fault_of(error: &TargetError) -> Fault {
    match error {
        TargetError::Private(tupkg::PrivateError::Read(_, error))
            if error.kind() == std::io::ErrorKind::NotFound =>
        {
            Fault::Configuration
        }
        TargetError::Private(_) => Fault::Access,
        TargetError::Line(..) | TargetError::Missing(..) => Fault::Configuration,
    }
}

/// Returns what has to happen before a package can be sent.
fn fault(why: &Why) -> Fault {
    use std::io::ErrorKind;
    match why {
        Why::Refused(refusal) if refusal.reason.passes() => Fault::TryLater,
        Why::Read(_) | Why::NoPackage(_) | Why::Changed | Why::Digest | Why::Refused(_) => Fault::Build,
        Why::Login => Fault::Access,
        Why::Unreachable(_, error) if error.kind() == ErrorKind::PermissionDenied => Fault::Configuration,
        Why::Handshake(_, error) if error.kind() == ErrorKind::InvalidData => Fault::Access,
        Why::Unreachable(..) | Why::Handshake(..) | Why::Protocol(..) => Fault::Unreachable,
        Why::Tls(_) | Why::Name(_) => Fault::Configuration,
        Why::Broken(..) | Why::Stopped => Fault::TryLater,
    }
}

/// What is printed about a package.
#[derive(Serialize)]
struct Row {
    file: String,
    size: u64,
    md5: Option<String>,
    /// How many bytes the server had when the last session began.
    resumed_from: u64,
    /// How many bytes were sent, over all sessions.
    sent: u64,
    sessions: u32,
    /// How long the last session took.
    session_s: f64,
    result: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
}

impl Row {
    fn of(outcome: &Outcome) -> Self {
        let (result, reason) = match &outcome.end {
            End::Pass => ("PASS", None),
            End::Fail(why) => ("FAIL", Some(shown::chain(&**why))),
        };
        Self {
            file: shown::path(&outcome.path),
            size: outcome.size,
            md5: outcome.md5.map(|md5| md5.to_string()),
            resumed_from: outcome.resumed_from,
            sent: outcome.sent,
            sessions: outcome.sessions,
            session_s: outcome.session.as_secs_f64(),
            result,
            reason,
        }
    }

    fn cells(self) -> Vec<String> {
        vec![self.file, self.size.to_string(), self.sent.to_string(), self.result.to_owned()]
    }
}

/// Shows how far a step is.
struct Bars<'a>(&'a dyn intraware_core::run::Progress);

impl client::Progress for Bars<'_> {
    fn begin(&self, what: &str, bytes: u64) {
        self.0.begin(what, "packages", Amount { files: 1, bytes });
    }

    fn advance(&self, bytes: u64) {
        self.0.advance(Amount { files: 1, bytes });
    }

    fn end(&self) {
        self.0.end();
    }
}

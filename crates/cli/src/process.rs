//! The start and the end of a process.

use std::io::IsTerminal as _;
use std::process::ExitCode;
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use intraware_core::exit;
use intraware_core::foreign;
use intraware_core::owner;
use intraware_core::run::{Clock as _, Identity, NoProgress, Progress, RunContext, Stop, SystemClock};
use rustix::process::{DumpableBehavior, Resource, Rlimit};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::time::FormatTime;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;

use crate::common::{Color, Common, LogFormat};
use crate::environment::variable;
use crate::failure::Failure;
use crate::progress::Bars;
use crate::said::Memory;
use crate::told::{self, Told};

/// Runs a program's command and turns its outcome into the exit status.
///
/// A panic ends the process with the status for a bug, after the standard message.
pub fn main(told: &Told, command: impl FnOnce() -> Result<u8, Failure> + std::panic::UnwindSafe) -> ExitCode {
    harden();
    match std::panic::catch_unwind(command) {
        Ok(Ok(status)) => status.into(),
        Ok(Err(failure)) => {
            if !failure.message.is_empty() {
                let spoken = |text: &str| format!("error: {}", with_command(text));
                let say = || told.complain(&spoken(&failure.message));
                match &failure.cause {
                    Some(cause) => told::of(&spoken(cause), say),
                    None => say(),
                }
            }
            failure.status.into()
        }
        Err(_) => exit::SOFTWARE.into(),
    }
}

/// Keeps secrets out of core files and from debuggers of the same user, and files from other users; and a
/// limit on the size of files from ending the process.
fn harden() {
    // Both can fail only in a sandbox that forbids the call; then there is nothing better to do.
    let _ = rustix::process::set_dumpable_behavior(DumpableBehavior::NotDumpable);
    let _ = rustix::process::setrlimit(Resource::Core, Rlimit { current: Some(0), maximum: Some(0) });
    rustix::process::umask(rustix::fs::Mode::from_raw_mode(0o077));
    // A limit on the size of files is an error of one write, not the end of the process. A handler and not
    // "ignore", which the commands that we run would inherit.
    let _ = signal_hook::flag::register(signal_hook::consts::SIGXFSZ, Arc::default());
}

/// Has this process open as many files at once as this host lets it. Not for what runs other programs: some
/// of them cannot deal with more than what is usual.
pub fn open_many_files() {
    let limit = rustix::process::getrlimit(Resource::Nofile);
    // Where it is forbidden, what is usual has to do.
    let _ = rustix::process::setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, ..limit });
}

static START: OnceLock<Instant> = OnceLock::new();

/// Returns for how long this process has been at work.
pub fn age() -> Duration {
    START.get().map_or(Duration::ZERO, Instant::elapsed)
}

/// Starts logging to standard error. Called once, before anything else happens.
pub fn start_logging(common: &Common) -> Told {
    START.get_or_init(Instant::now);
    let level = match (common.quiet, common.verbose) {
        (true, _) => "error",
        (false, 0) => "warn",
        (false, 1) => "info",
        (false, _) => "debug",
    };
    // Only our own crates speak; what libraries say could hold a header or a body.
    // A name stands for all that begin with it.
    let ours = ["intraware", "rsforce", "tupkg", "manage", "upload"];
    let filter = EnvFilter::new(ours.map(|name| format!("{name}={level}")).join(","));
    let colored = match common.color {
        Color::Always => true,
        Color::Never => false,
        Color::Auto => std::io::stderr().is_terminal() && variable("NO_COLOR").is_none_or(|v| v.is_empty()),
    };
    let told = Told::new(common.tell_once.as_deref());
    let builder = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(told.clone())
        .with_timer(UtcSeconds)
        .with_ansi(colored);
    match common.log_format {
        LogFormat::Json => builder.json().finish().with(Memory).init(),
        // Under a terminal a person sees what is new; time and module are for files.
        LogFormat::Text if common.verbose == 0 => {
            builder.without_time().with_target(false).finish().with(Memory).init();
        }
        LogFormat::Text => builder.with_target(false).finish().with(Memory).init(),
    }
    told
}

/// Times of messages as in the transaction log.
struct UtcSeconds;

impl FormatTime for UtcSeconds {
    fn format_time(&self, w: &mut Writer<'_>) -> std::fmt::Result {
        write!(w, "{:.3}", SystemClock.now())
    }
}

/// The exit status of a run that was ended by signals.
const TRY_LATER: i32 = exit::TRY_LATER as i32;

/// Makes the context of this run. SIGTERM, SIGINT and SIGHUP ask it to stop.
pub fn context(program: &str, common: &Common) -> RunContext {
    let stop = Stop::default();
    for signal in [signal_hook::consts::SIGTERM, signal_hook::consts::SIGINT, signal_hook::consts::SIGHUP] {
        // The first asks the run to stop at the next piece; a second one ends it at once.
        let at_once = signal_hook::flag::register_conditional_shutdown(signal, TRY_LATER, stop.flag());
        let asked = at_once.and_then(|_| signal_hook::flag::register(signal, stop.flag()));
        if let Err(error) = asked {
            tracing::warn!("cannot catch signal {signal}: {error}");
        }
    }
    // A limit on processor time asks each second until it kills.
    if let Err(error) = signal_hook::flag::register(signal_hook::consts::SIGXCPU, stop.flag()) {
        tracing::warn!("cannot catch the signal of the limit on processor time: {error}");
    }
    let pid = std::process::id();
    let host = foreign::escape(rustix::system::uname().nodename().to_bytes()).replace('/', "_");
    let started = SystemClock.now().strftime("%Y%m%dT%H%M%SZ");
    let progress: Arc<dyn Progress> = match Bars::new(common.quiet) {
        Some(bars) => Arc::new(bars),
        None => Arc::new(NoProgress),
    };
    let identity = Identity {
        program: program.to_owned(),
        run: format!("{started}-{:08x}", random()),
        command: command_line(program),
        host,
        pid,
    };
    RunContext { identity, clock: Arc::new(SystemClock), stop, progress }
}

/// Tells runs of one second on one host apart, should process ids come around.
fn random() -> u32 {
    let mut bytes = [0; 4];
    match rustix::rand::getrandom(&mut bytes[..], rustix::rand::GetRandomFlags::empty()) {
        Ok(_) => u32::from_le_bytes(bytes),
        Err(_) => std::process::id(),
    }
}

/// Puts the command line into a message that says how it is run as another user.
pub(crate) fn with_command(message: &str) -> String {
    let words: Vec<String> = std::env::args_os()
        .map(|word| foreign::escape(std::os::unix::ffi::OsStrExt::as_bytes(word.as_os_str())))
        .collect();
    owner::with_command(message, &words)
}

/// Returns the command line for the lock file and messages; there are no secrets in it, because none is taken
/// there.
fn command_line(program: &str) -> String {
    let arguments = std::env::args_os().skip(1);
    let words = arguments.map(|a| foreign::escape(std::os::unix::ffi::OsStrExt::as_bytes(a.as_os_str())));
    std::iter::once(program.to_owned()).chain(words).collect::<Vec<_>>().join(" ")
}

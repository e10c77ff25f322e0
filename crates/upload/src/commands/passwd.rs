//! `upload serve passwd`: an account of the tupkg server, and its password.

use std::fs::File;
use std::io::{self, BufRead as _, IsTerminal as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use clap::Args;
use intraware_cli::failure::Failure;
use intraware_cli::output;
use intraware_core::exit::{self, Fault};
use rustix::termios::{LocalModes, OptionalActions, Termios, tcgetattr, tcsetattr};
use tupkg::PrivateError;
use tupkg::accounts::{self, Accounts, AccountsError};
use tupkg::secret::Secret;
use tupkg::shown;
use zeroize::Zeroizing;

/// What Ctrl-C types where it is no signal.
const INTERRUPT: u8 = 3;

/// Whose password.
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// The name to log in with
    user: String,

    /// The directory of everything of a new account [default: u1, u2, ...]
    #[arg(long, value_name = "NAME")]
    directory: Option<String>,

    /// What the account may have, in bytes, with K, M, G or T behind the number [default: limits.quota]
    #[arg(long, value_name = "BYTES", value_parser = quota)]
    quota: Option<u64>,
}

fn quota(text: &str) -> Result<u64, String> {
    accounts::bytes(text).ok_or_else(|| "must be a number, with K, M, G or T behind it".to_owned())
}

pub(crate) fn run(file: &Path, arguments: &Arguments) -> Result<u8, Failure> {
    let password = password()?;
    // Two who change the file at the same time do so one after the other.
    let _lock = lock(file)?;
    let read = match Accounts::read(file) {
        Err(AccountsError::Private(PrivateError::Read(_, error)))
            if error.kind() == io::ErrorKind::NotFound =>
        {
            Ok(Accounts::default())
        }
        other => other,
    };
    let mut accounts = read.map_err(|error| accounts_failure(&error))?;
    let directory = accounts
        .set(&arguments.user, &password, arguments.directory.as_deref(), arguments.quota)
        .map_err(|error| accounts_failure(&error))?;
    accounts.write(file).map_err(|error| accounts_failure(&error))?;
    output::complain(&format!("{} may upload; the directory is {directory}", shown::shown(&arguments.user)));
    Ok(exit::OK)
}

/// Returns what a command says of accounts that cannot be read, changed or written.
pub(super) fn accounts_failure(error: &AccountsError) -> Failure {
    let fault = match error {
        AccountsError::Private(tupkg::PrivateError::Read(..)) | AccountsError::Line { .. } => {
            Fault::Configuration
        }
        AccountsError::Private(_) => Fault::Access,
        AccountsError::User(_)
        | AccountsError::Directory(_)
        | AccountsError::Taken(..)
        | AccountsError::Password => {
            return Failure::usage(shown::chain(error));
        }
        AccountsError::Write(..) => Fault::Spool,
    };
    Failure::new(fault, shown::chain(error))
}

fn lock(file: &Path) -> Result<File, Failure> {
    let mut name = file.as_os_str().to_owned();
    name.push(".lock");
    let open = File::options().write(true).create(true).truncate(false).mode(0o600).open(&name);
    let lock = open.and_then(|lock| lock.lock().map(|()| lock));
    lock.map_err(|error| {
        Failure::new(Fault::Spool, format!("cannot lock {}: {error}", shown::path(Path::new(&name))))
    })
}

/// Reads a password: unseen and twice from a terminal, and else the first line of standard input.
fn password() -> Result<Secret, Failure> {
    let stdin = io::stdin();
    if !stdin.is_terminal() {
        return line();
    }
    let first = unseen("Password: ")?;
    let second = unseen("The same again: ")?;
    match first == second {
        true => Ok(first),
        false => Err(Failure::usage("the two are not the same; nothing was changed")),
    }
}

fn line() -> Result<Secret, Failure> {
    // Room for any password that is allowed: a growing buffer would leave copies behind.
    let mut line = Zeroizing::new(String::with_capacity(1024));
    let failed =
        |error| Failure::new(Fault::Spool, format!("cannot read a password from standard input: {error}"));
    io::Read::take(io::stdin().lock(), 1024).read_line(&mut line).map_err(failed)?;
    Ok(Secret::new(line.trim_end_matches(['\r', '\n'])))
}

fn unseen(prompt: &str) -> Result<Secret, Failure> {
    let _echo = NoEcho::begin()
        .map_err(|error| Failure::new(Fault::Spool, format!("cannot use the terminal: {error}")))?;
    output::ask(prompt);
    let read = line();
    output::complain("");
    match read {
        Ok(typed) if typed.expose().contains(&INTERRUPT) => {
            Err(Failure::usage("interrupted; nothing was changed"))
        }
        other => other,
    }
}

/// The terminal shows nothing of what is typed until this is dropped.
struct NoEcho(Termios);

impl NoEcho {
    fn begin() -> io::Result<Self> {
        let before = tcgetattr(io::stdin())?;
        let mut silent = before.clone();
        // A signal from the keyboard would leave the terminal silent: it comes as a character instead, see
        // `unseen`.
        silent.local_modes -= LocalModes::ECHO | LocalModes::ISIG;
        tcsetattr(io::stdin(), OptionalActions::Flush, &silent)?;
        Ok(Self(before))
    }
}

impl Drop for NoEcho {
    fn drop(&mut self) {
        // There is nobody to tell where this fails.
        let _ = tcsetattr(io::stdin(), OptionalActions::Flush, &self.0);
    }
}

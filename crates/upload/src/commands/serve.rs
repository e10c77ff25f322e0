//! `upload serve`: a tupkg server.

use std::net::TcpListener;
use std::path::PathBuf;

use clap::{Args, Subcommand};
use intraware_cli::common::Common;
use intraware_cli::failure::Failure;
use intraware_cli::process;
use intraware_core::exit::{self, Fault};
use listenfd::ListenFd;
use tupkg::server::settings::SettingsError;
use tupkg::server::{self, ServerError, Settings};
use tupkg::tls::TlsError;
use tupkg::{PrivateError, shown};

use super::passwd::{self, accounts_failure};

/// Where the settings are unless the command line says otherwise.
const DEFAULT_SETTINGS: &str = "/etc/intraware/tupkgs.toml";

/// How to serve.
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// The server's settings; config/tupkgs.toml is the reference
    #[arg(long, global = true, value_name = "FILE", default_value = DEFAULT_SETTINGS)]
    settings: PathBuf,

    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Make an account, or change its password
    Passwd(passwd::Arguments),
}

impl Arguments {
    /// Returns whether this serves, and is not about accounts.
    pub(crate) fn is_server(&self) -> bool {
        self.command.is_none()
    }
}

pub(crate) fn run(common: &Common, arguments: Arguments) -> Result<u8, Failure> {
    let settings = Settings::read(&arguments.settings).map_err(settings_failure)?;
    if let Some(Command::Passwd(arguments)) = arguments.command {
        return passwd::run(&settings.accounts, &arguments);
    }
    let sockets = sockets()?;
    // Its flag is set by SIGTERM, SIGINT and SIGHUP; a second signal ends the process at once.
    let context = process::context("upload", common);
    server::run(settings, sockets, &context.stop.flag()).map_err(server_failure)?;
    Ok(exit::OK)
}

/// Returns the sockets that systemd has handed over.
fn sockets() -> Result<Vec<TcpListener>, Failure> {
    let mut handed = ListenFd::from_env();
    let count = handed.len();
    let sockets: Result<Vec<_>, _> = (0..count).map(|index| handed.take_tcp_listener(index)).collect();
    let wrong = |error| {
        Failure::new(
            Fault::Configuration,
            format!("a socket that was handed over is no TCP listener: {error}"),
        )
    };
    Ok(sockets.map_err(wrong)?.into_iter().flatten().collect())
}

fn settings_failure(error: SettingsError) -> Failure {
    // A TOML error has lines of its own, which point at the place.
    let message = match &error {
        SettingsError::Toml(..) => error.to_string(),
        SettingsError::Read(..) | SettingsError::Value { .. } => shown::chain(&error),
    };
    Failure::new(Fault::Configuration, message)
}

fn server_failure(error: ServerError) -> Failure {
    let fault = match &error {
        ServerError::Accounts(error) => return accounts_failure(error),
        ServerError::Tls(TlsError::Key(key)) if !matches!(key, PrivateError::Read(..)) => Fault::Access,
        ServerError::Listen(_, error) if error.kind() == std::io::ErrorKind::PermissionDenied => {
            Fault::Access
        }
        ServerError::Root(_, error) if error.kind() == std::io::ErrorKind::ResourceBusy => Fault::TryLater,
        ServerError::Listen(..) | ServerError::Nothing | ServerError::Plaintext(_) | ServerError::Tls(_) => {
            Fault::Configuration
        }
        ServerError::Root(..) | ServerError::System(_) => Fault::Spool,
    };
    Failure::new(fault, shown::chain(&error))
}

//! `upload dispatch route`: where a package would go.

use std::path::PathBuf;

use clap::Args;
use intraware_cli::environment::time_zone;
use intraware_cli::failure::Failure;
use intraware_cli::{output, table};
use intraware_core::exit::{self, Fault};
use intraware_core::foreign;
use intraware_core::outcome::gravest;
use intraware_core::run::{Clock as _, SystemClock};
use intraware_core::txlog::chain;
use intraware_dispatch::{Machine, Netrcs, Origin, Protocol, Route, Routes, package_name, route};
use serde::Serialize;

/// Which packages.
#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// Names of packages, or files; they need not exist
    #[arg(value_name = "NAME", required = true)]
    names: Vec<PathBuf>,

    /// Print the routes as JSON
    #[arg(long)]
    json: bool,
}

pub(super) fn run(routes: &Routes, arguments: &Arguments) -> Result<u8, Failure> {
    let day = SystemClock.now().to_zoned(time_zone()).date();
    let mut netrcs = Netrcs::default();
    let (mut rows, mut faults) = (Vec::new(), Vec::new());
    for name in &arguments.names {
        let found = package_name(name).and_then(|name| route(routes, &mut netrcs, &name, day));
        match found {
            Ok(found) => {
                let all =
                    found.iter().flat_map(|route| route.machines.iter().map(move |machine| (route, machine)));
                rows.extend(all.map(|(route, machine)| Row::of(route, machine)));
            }
            Err(error) => {
                faults.push(error.fault());
                tracing::error!("{}", chain(&error));
            }
        }
    }
    if arguments.json {
        output::list("routes", &rows)?;
    } else if !rows.is_empty() {
        output::text(table::columns(&HEADER, rows.into_iter().map(Row::cells).collect()))?;
    }
    Ok(gravest(&faults).map_or(exit::OK, Fault::exit_status))
}

const HEADER: [&str; 7] = ["PACKAGE", "SECTION", "MACHINE", "LOGIN", "PASSWORD", "PROTOCOL", "DIRECTORY"];

/// A package and a machine that it goes to. Where secrets were found is told, and never they.
#[derive(Serialize)]
struct Row {
    package: String,
    section: String,
    line: usize,
    machine: String,
    login: String,
    login_from: Origin,
    password_from: Option<Origin>,
    account_from: Option<Origin>,
    private_key: Option<String>,
    protocol: Protocol,
    allow_plaintext: bool,
    directory: String,
}

impl Row {
    fn of(route: &Route<'_>, machine: &Machine) -> Self {
        let section = route.section;
        Self {
            package: route.package.clone(),
            section: section.name.clone(),
            line: section.line,
            machine: machine.host.to_string(),
            login: machine.login.clone(),
            login_from: machine.login_from,
            password_from: machine.password.as_ref().map(|(_, from)| *from),
            account_from: machine.account.as_ref().map(|(_, from)| *from),
            private_key: section.private_key.as_ref().map(|file| foreign::path(file).to_string()),
            protocol: section.protocol,
            allow_plaintext: section.allow_plaintext,
            directory: route.directory.to_string(),
        }
    }

    fn cells(self) -> Vec<String> {
        let password = match (self.password_from, &self.private_key) {
            (Some(from), _) => from.to_string(),
            (None, Some(key)) => format!("none, key {key}"),
            (None, None) => "none".to_owned(),
        };
        vec![
            foreign::escape(self.package),
            format!("[{}]", foreign::escape(self.section)),
            self.machine,
            format!("{} ({})", foreign::escape(self.login), self.login_from),
            password,
            self.protocol.to_string(),
            foreign::escape(self.directory),
        ]
    }
}

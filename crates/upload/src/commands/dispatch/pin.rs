//! `upload dispatch pin`: the key that a machine proves itself by.

use std::collections::BTreeSet;
use std::path::Path;
use std::time::Duration;

use clap::Args;
use intraware_cli::failure::Failure;
use intraware_cli::output;
use intraware_core::exit::{self, Fault};
use intraware_core::foreign;
use intraware_dispatch::{Host, Routes, Section};
use intraware_site_sftp::host_key::{self, HostKey, Storing};

/// Which machine.
#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// The machine as the routes name it, with its port if there are several of that name
    #[arg(value_name = "HOST", value_parser = |text: &str| Host::parse(text))]
    host: Host,

    /// Store the key if this is its fingerprint, which the machine's operator has told you
    #[arg(long, value_name = "FINGERPRINT")]
    store: Option<String>,

    /// Seconds until it must have answered
    #[arg(long, value_name = "SECONDS", default_value_t = 15, value_parser = clap::value_parser!(u64).range(1..=600))]
    timeout: u64,
}

pub(super) fn run(routes: &Routes, arguments: &Arguments) -> Result<u8, Failure> {
    let meant = |section: &&Section| section.protocol.uses_ssh();
    let sections = routes.sections.iter().filter(meant);
    let all = sections.flat_map(|section| section.hosts.iter().map(move |host| (host, section)));
    let wanted = all.filter(|(host, _)| {
        let is_port = arguments.host.port.is_none_or(|port| port == host.ssh_port());
        host.name.eq_ignore_ascii_case(&arguments.host.name) && is_port
    });
    let wanted: BTreeSet<(u16, &Path)> =
        wanted.map(|(host, section)| (host.ssh_port(), section.known_hosts.as_path())).collect();
    if wanted.is_empty() {
        let file = foreign::path(&routes.file);
        let text = format!("{file}: no section sends anything to {} over SSH", arguments.host);
        return Err(Failure::usage(text));
    }
    for (port, file) in wanted {
        let host = Host { name: arguments.host.name.clone(), port: Some(port) };
        let key = host_key::offered(&host.name, port, Duration::from_secs(arguments.timeout))?;
        match &arguments.store {
            None => show(&host, file, &key)?,
            Some(fingerprint) if *fingerprint == key.fingerprint() => store(&host, file, &key)?,
            Some(_) => {
                let (kind, offered) = (key.kind(), key.fingerprint());
                let text = format!("{host} offers {kind} {offered}, which is another key; nothing is stored");
                return Err(Failure::new(Fault::Access, text));
            }
        }
    }
    Ok(exit::OK)
}

/// Shows what a machine offers beside what is stored.
fn show(host: &Host, file: &Path, key: &HostKey) -> Result<(), Failure> {
    let (kind, offered, shown) = (key.kind(), key.fingerprint(), foreign::path(file));
    let stored =
        host_key::stored(file, &host.name, host.ssh_port()).map_err(|error| unusable(file, &error))?;
    output::text(format!("{host} offers {kind} {offered}"))?;
    if let Some((line, _)) = stored.iter().find(|(_, stored)| *stored == offered) {
        return output::text(format!("{shown} has it on line {line}"));
    }
    for (line, stored) in &stored {
        output::text(format!("{shown} has {stored} on line {line}"))?;
    }
    output::text(format!(
        "ask the machine's operator for its fingerprint; if it is the same: `upload dispatch pin {host} --store {offered}`"
    ))
}

fn store(host: &Host, file: &Path, key: &HostKey) -> Result<(), Failure> {
    let stored =
        host_key::store(file, &host.name, host.ssh_port(), key).map_err(|error| unusable(file, &error))?;
    let (offered, shown) = (key.fingerprint(), foreign::path(file));
    match stored {
        Storing::Stored => output::confirm(&format!("{shown} has {offered} for {host} now")),
        Storing::Known => output::confirm(&format!("{shown} had {offered} for {host} already")),
        Storing::Changed(others) => {
            let others: Vec<String> =
                others.iter().map(|(line, print)| format!("{print} on line {line}")).collect();
            let others = others.join(", ");
            let text =
                format!("{shown} has {others} for {host}; remove what is no more right, and pin it again");
            Err(Failure::new(Fault::Access, text))
        }
        Storing::Revoked(line) => {
            let text = format!("{offered} is revoked by line {line} of {shown}; ask the machine's operator");
            Err(Failure::new(Fault::Access, text))
        }
    }
}

fn unusable(file: &Path, error: &std::io::Error) -> Failure {
    let fault =
        if error.kind() == std::io::ErrorKind::NotFound { Fault::Configuration } else { Fault::Access };
    Failure::new(fault, format!("{} cannot be used: {error}", foreign::path(file)))
}

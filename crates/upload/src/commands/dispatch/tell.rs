//! What a run of `upload dispatch` says of its packages.

use std::collections::{BTreeMap, BTreeSet};

use intraware_cli::failure::Failure;
use intraware_cli::output;
use intraware_core::exit::Fault;
use intraware_core::foreign;
use intraware_dispatch::{Action, Sent, State, Wait};

/// Says which packages that are named anew have an upgrade that is not repeated by that.
pub(super) fn left(sent: &[Sent]) -> Vec<Fault> {
    let is_left = |sent: &&Sent| sent.action == Action::Leave;
    let told = |sent: &Sent| {
        let label = format!("{}@{}", foreign::escape(&sent.package), sent.machine);
        tracing::error!(
            "{label}: its upgrade has failed before; naming it does not repeat that, `upload dispatch --retry {label}` does"
        );
        Fault::Build
    };
    sent.iter().filter(is_left).map(told).collect()
}

/// Says what became of the packages: what failed to everybody, the rest to who looks.
pub(super) fn tell(sent: &[Sent], as_json: bool) -> Result<(), Failure> {
    let mut told: Vec<(&str, &str)> = Vec::new();
    for sent in sent {
        let Sent { package, machine, directory, .. } = sent;
        let label = format!("{}@{machine}", foreign::escape(package));
        if let Some(error) = &sent.error {
            // A machine that is away is told once, and not for each package.
            if told.contains(&(machine, error)) {
                continue;
            }
            told.push((machine, error));
            tracing::error!("{label}: {}", foreign::tame(error));
        } else if sent.is_there && sent.action.is_work() {
            let upgrade = sent.outcome.as_deref().map(|outcome| format!("; {}: {outcome}", sent.state));
            let directory = foreign::escape(directory);
            tracing::info!("{label}: is in {directory}{}", foreign::tame(upgrade.unwrap_or_default()));
        }
    }
    stopped(sent);
    if as_json {
        return output::list("packages", sent);
    }
    if !output::is_terminal() {
        return Ok(());
    }
    for sent in sent.iter().filter(|sent| sent.is_there) {
        let (package, directory) = (foreign::escape(&sent.package), foreign::escape(&sent.directory));
        let upgrade = if sent.state == State::Done { ", and its upgrade is done" } else { "" };
        output::text(format!("{package}@{}: in {directory}{upgrade}", sent.machine))?;
    }
    Ok(())
}

/// Says which packages go to no further machine, and which machines get no further package, if that is new:
/// something has failed in this run.
fn stopped(all: &[Sent]) {
    let mut told: BTreeMap<(&str, String), usize> = BTreeMap::new();
    let mut late: BTreeMap<(&str, String), usize> = BTreeMap::new();
    let failed: BTreeSet<&str> =
        all.iter().filter(|sent| sent.error.is_some()).map(|sent| &*sent.package).collect();
    for Sent { package, machine, waits, .. } in all {
        let is_new = failed.contains(&**package);
        if let Some(wait @ Wait::Late { .. }) = waits {
            *late.entry((machine, wait.to_string())).or_default() += 1;
        } else if let Some(wait) = waits.as_ref().filter(|wait| is_new && !wait.is_short()) {
            *told.entry((package, wait.to_string())).or_default() += 1;
        }
    }
    for ((package, wait), machines) in told {
        let (package, wait) = (foreign::escape(package), foreign::tame(&wait));
        tracing::error!("{package}: not sent to {machines} further machines; it waits {wait}");
    }
    for ((machine, wait), packages) in late {
        tracing::error!(
            "{machine}: {packages} further packages not sent; they wait {}",
            foreign::tame(&wait)
        );
    }
}

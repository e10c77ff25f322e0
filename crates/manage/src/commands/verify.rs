//! `manage verify`: whether the sites still have what customers were promised.

use std::collections::BTreeMap;

use crate::parts::{self, Permission};
use clap::{Args, ValueHint};
use intraware_cli::common::Common;
use intraware_cli::failure::Failure;
use intraware_cli::{output, process};
use intraware_core::breaker::Caution;
use intraware_core::deliver::Inspect;
use intraware_core::exit::{self, Fault};
use intraware_core::foreign::{escape, tame};
use intraware_core::outcome;
use intraware_manage::gather::Lookout;
use intraware_manage::verify::{Finding, Verified, verify};

/// Which builds, and how closely.
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// Record ids or names; without any, every Completed build that the spool knows to be released
    #[arg(value_name = "BUILD", value_hint = ValueHint::Other)]
    builds: Vec<String>,

    /// Read payloads back where the site does not hash them; without it their sizes have to do there
    #[arg(long)]
    deep: bool,

    /// Print JSON
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(common: &Common, arguments: &Arguments) -> Result<u8, Failure> {
    let config = common.load()?;
    let context = process::context("manage", common);
    let spool = parts::spool(&config, Permission::ReadOnly)?;
    // A person or a line of cron of its own asks; nothing is noted.
    let caution = Caution { skips_pause: true, only_looks: true };
    let destinations = parts::destinations(&config, &spool, &context, caution)?;
    let pools = parts::pools(&destinations);
    let mut store = parts::store(&config, Permission::ReadOnly)?;
    let mut lookout = Lookout {
        store: store.as_mut(),
        spool: &spool,
        roots: &parts::build_roots(&config)?,
        policy: &parts::tree_policy(&config),
        roles: &parts::roles(&config),
        contacts: &mut parts::contacts(&destinations, &pools),
        ahead_of_spool: None,
        context: &context,
    };
    let depth = if arguments.deep { Inspect::ReadBack } else { Inspect::SizeAndServerHash };
    let all = verify(&mut lookout, &arguments.builds, depth)?;
    let faults = tell(&all);
    if arguments.json {
        output::list("builds", &all)?;
    } else if output::is_terminal() {
        let differ = all.iter().filter(|one| matches!(one.finding, Finding::Differs { .. })).count();
        output::text(format!("{} payloads compared, {differ} differ", all.len()))?;
    }
    Ok(outcome::gravest(&faults).map_or(exit::OK, Fault::exit_status))
}

/// Says what differs, a line each, and once for all builds why a site did not tell.
fn tell(all: &[Verified]) -> Vec<Fault> {
    let mut faults = Vec::new();
    let mut unseen: BTreeMap<(&str, &str), Vec<String>> = BTreeMap::new();
    for one in all {
        let (name, id, site, place) = (escape(&one.name), &one.record, escape(&one.site), &one.place);
        match &one.finding {
            Finding::Right { verified_by } => {
                tracing::info!("{name} ({id}): site {site}: {place} is right, verified by {verified_by}");
            }
            Finding::Differs { reason, remedy } => {
                tracing::error!("{name} ({id}): site {site}: {place}: {}; {remedy}", tame(reason));
                faults.push(Fault::Build);
            }
            Finding::Unseen { fault, reason } => {
                unseen.entry((&one.site, reason)).or_default().push(name);
                faults.push(*fault);
            }
        }
    }
    for ((site, reason), names) in unseen {
        tracing::error!("site {}: {}; not compared: {}", escape(site), tame(reason), names.join(", "));
    }
    faults
}

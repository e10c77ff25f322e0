//! `upload status`: what is in the upload area.

use clap::Args;
use intraware_cli::common::Common;
use intraware_cli::failure::Failure;
use intraware_cli::parts::{self, Permission};
use intraware_cli::{output, process, table};
use intraware_core::exit;
use intraware_core::foreign::{escape, tame};
use intraware_upload::Snapshot;
use intraware_upload::plan::{JobPlan, Verdict, plan};

/// How to show it.
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// Print JSON
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(common: &Common, arguments: &Arguments) -> Result<u8, Failure> {
    let config = common.load()?;
    let context = process::context("upload", common);
    let spool = parts::spool(&config, Permission::ReadOnly)?;
    let roles = parts::roles(&config);
    let plan = plan(Snapshot::take(&spool, &roles)?, &roles, &[], context.now());
    if arguments.json {
        output::object(&plan)?;
    } else if plan.jobs.is_empty() {
        output::text("nothing to upload")?;
    } else {
        let rows = plan.jobs.iter().map(row).collect();
        output::text(table::sparing(&HEADER, rows, &["JOB", "PREPARED"]))?;
    }
    Ok(exit::OK)
}

const HEADER: [&str; 6] = ["BUILD", "JOB", "STATUS", "SIZE", "PREPARED", "NOTE"];

fn row(planned: &JobPlan) -> Vec<String> {
    let job = &planned.job;
    let state = match &planned.verdict {
        Verdict::CatchUp { to } => format!("sent, {to} lags"),
        Verdict::Lags { reasons } => format!("sent; {}", reasons.join("; ")),
        Verdict::Deliver { to, .. } if to.must_be_told() => format!("waits, for {to}"),
        Verdict::Deliver { .. } => "waits".to_owned(),
        Verdict::NoSite { .. } => "waits, no site takes it".to_owned(),
        Verdict::Held(hold) => hold.to_string(),
        Verdict::NotDue { next_try, .. } => format!("waits until {next_try:.0}"),
        Verdict::SiteRests(outage) => {
            format!("waits until {:.0}, site {} is away", outage.next_try, escape(&outage.site))
        }
        Verdict::InUse { holder } => format!("under way: {holder}"),
    };
    vec![
        escape(&job.manifest.name),
        job.id.to_string(),
        state,
        job.manifest.digests.size.to_string(),
        format!("{:.0}", job.manifest.created),
        table::or_dash(job.attempts.as_ref().map(|attempts| tame(attempts.told()))),
    ]
}

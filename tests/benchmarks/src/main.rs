//! `tests/bench`: how fast this is, next to what people would use instead.
//!
//! A harness of its own and not a library for microbenchmarks: what counts is what whole processes cost,
//! pipelines of several included, in wall time, CPU time and memory, on inputs that take seconds; and each
//! run's output is checked.
//!
//! Nothing here calls the library that is measured: ours are the release programs, as cron starts them.
//!
//! Tables go to standard output, progress to standard error. The exit status is 1 if a bar does not hold, 2
//! if something cannot be measured.

mod apart;
mod assemble;
mod bars;
mod delivery;
mod dispatch;
mod failure;
mod hash;
mod machine;
mod measure;
mod options;
mod ours;
mod process;
mod publish;
mod say;
mod scan;
mod staging;
mod stalls;
mod summary;
mod table;
mod tree;
mod trials;
mod tupkg;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// Measures the release programs against what people would use instead
#[derive(Debug, Parser)]
#[command(name = "tests/bench")]
struct Cli {
    #[command(subcommand)]
    part: Option<Part>,
}

/// What is measured; without a word, everything but the stalls.
#[derive(Debug, Subcommand)]
enum Part {
    /// Archive, compress, digest and sign a build, against tar with pigz and others
    Staging(staging::Arguments),
    /// Deliver payloads over SFTP, near and far, against sftp, scp, lftp and rclone
    Delivery(delivery::Arguments),
    /// Disturb deliveries, and count what sftp, scp, lftp, rclone and upload then say and leave at the site
    Trials(trials::Arguments),
    /// Make one package of the fragments of many machines, against tar
    Assemble(assemble::Arguments),
    /// Send a package over the tupkg protocol, against scp
    Tupkg(tupkg::Arguments),
    /// Publish a tree of 20,000 packages of which one has changed, against reprepro and apt-ftparchive alone
    Publish(publish::Arguments),
    /// Dispatch packages to many machines, some of them bad, against Ansible's copy and command
    Dispatch(dispatch::Arguments),
    /// Scan a large tree for packages that have changed, against find
    DispatchScan(scan::Arguments),
    /// Deliver at several distances over several connections, and see that nothing stalls (tests/stalls)
    Stalls(stalls::Arguments),
    /// Measure one command
    #[command(hide = true)]
    Measure(apart::Arguments),
}

fn main() -> ExitCode {
    let all_hold = match Cli::parse().part {
        Some(Part::Staging(arguments)) => staging::run(&arguments),
        Some(Part::Delivery(arguments)) => delivery::run(&arguments),
        Some(Part::Trials(arguments)) => trials::run(&arguments),
        Some(Part::Assemble(arguments)) => assemble::run(&arguments),
        Some(Part::Tupkg(arguments)) => tupkg::run(&arguments),
        Some(Part::Publish(arguments)) => publish::run(&arguments),
        Some(Part::Dispatch(arguments)) => dispatch::run(&arguments),
        Some(Part::DispatchScan(arguments)) => scan::run(&arguments),
        Some(Part::Stalls(arguments)) => stalls::run(&arguments),
        Some(Part::Measure(arguments)) => apart::run(&arguments),
        None => everything(),
    };
    match all_hold {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::from(1),
        Err(failure) => {
            say::progress(format_args!("error: {}", failure.line()));
            ExitCode::from(2)
        }
    }
}

fn everything() -> Result<bool, failure::Failure> {
    let staging = staging::run(&staging::Arguments::default())?;
    let delivery = delivery::run(&delivery::Arguments::default())?;
    let assemble = assemble::run(&assemble::Arguments::default())?;
    let trials = trials::run(&trials::Arguments::default())?;
    let tupkg = tupkg::run(&tupkg::Arguments::default())?;
    let publish = publish::run(&publish::Arguments::default())?;
    let scan = scan::run(&scan::Arguments::default())?;
    Ok(staging && delivery && assemble && trials && tupkg && publish && scan)
}

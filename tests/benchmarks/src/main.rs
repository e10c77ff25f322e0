//! `tests/bench`: how fast this is, next to what people would use instead.
//!
//! A harness of its own and not a library for microbenchmarks: what counts is what whole processes cost, pipelines of
//! several included, in wall time, CPU time and memory, on inputs that take seconds; and each run's output is checked.
//!
//! Nothing here calls the library that is measured: ours is the release program, as cron starts it.
//!
//! Tables go to standard output, progress to standard error. The exit status is 1 if a bar does not hold, 2 if something
//! cannot be measured.

mod bars;
mod failure;
mod machine;
mod measure;
mod options;
mod ours;
mod process;
mod random;
mod say;
mod staging;
mod summary;
mod table;
mod tree;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// Measures the release program against what people would use instead
#[derive(Debug, Parser)]
#[command(name = "tests/bench")]
struct Cli {
    #[command(subcommand)]
    part: Option<Part>,
}

/// What is measured; without a word, everything.
#[derive(Debug, Subcommand)]
enum Part {
    /// Archive, compress, digest and sign a build, against tar with pigz and others
    Staging(staging::Arguments),
}

fn main() -> ExitCode {
    let part = Cli::parse().part.unwrap_or_else(|| Part::Staging(staging::Arguments::default()));
    let all_hold = match &part {
        Part::Staging(arguments) => staging::run(arguments),
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

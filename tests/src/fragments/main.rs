//! Assembles fragments as other programs write them, and compares what comes of them with what the original
//! makes of them: `tests/fragments`, which installs those programs, says how to call it.
//!
//! Two machines archive their builds with the same program, and list them with XML::Simple. `manage assemble`
//! and `tests/clients/assemble_reference.pl`, which does what the original does with the same tools, each
//! make a package of them. A row holds if both packages are the same: paths, types, contents, permissions,
//! targets, and the bytes of the list but for the order of its entries, which the original leaves to chance;
//! or if both say the same of what contradicts itself; or if `manage` refuses the fragment with the words
//! that the row has, because docs/differences.md says so.

mod build;
mod compare;
mod row;
mod say;

use std::process::ExitCode;

use clap::Parser;

use self::row::{ROWS, Row};
use self::say::{complain, say};

/// Assembles fragments as other programs write them
#[derive(Debug, Parser)]
#[command(name = "tests/fragments")]
struct Options {
    /// Only rows with this in their name
    #[arg(long, value_name = "WORD", default_value = "")]
    only: String,
    /// Try nothing, and name the rows
    #[arg(long)]
    list: bool,
}

fn main() -> ExitCode {
    let options = Options::parse();
    let rows: Vec<&Row> = ROWS.iter().filter(|row| row.name.contains(&options.only)).collect();
    if options.list {
        rows.iter().for_each(|row| say(row.name));
        return ExitCode::SUCCESS;
    }
    if rows.is_empty() {
        complain(&format!("error: no row has {} in its name; --list names them", options.only));
        return ExitCode::from(2);
    }
    let mut failed = 0;
    for row in &rows {
        let (verdict, what) = match compare::row(row) {
            Ok(what) => ("holds", what),
            Err(what) => ("FAILS", what),
        };
        failed += usize::from(verdict == "FAILS");
        say(&format!("{:<34} {verdict}  {what}", row.name));
    }
    say(&format!("{} rows, {failed} failed", rows.len()));
    if failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

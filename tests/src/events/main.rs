//! Has each of eleven events happen to an installation of its own, with real cron, and sees that whoever is
//! woken by its mail is told once, and gets the build out by typing what is told: `tests/events`, which
//! installs what is needed, says how to call it.
//!
//! This program starts a machine for each event, in which it runs once more, in namespaces of its own, and
//! waits. What is asked of an event: one message names its cause and no other message comes, what that or the
//! documents tell to do works when it is typed so, and the build is Completed a few runs later.

mod document;
mod door;
mod installation;
mod machine;
mod mail;
mod office;
mod plays;
mod row;
mod say;
mod shell;

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Instant;

use clap::Parser;

use self::machine::Machine;
use self::plays::PLAYS;
use self::row::Row;
use self::say::{complain, say};

/// Has events happen to installations, and sees how they end
#[derive(Debug, Parser)]
#[command(name = "tests/events")]
struct Options {
    /// Only these events, by their numbers
    #[arg(long, value_name = "N", value_delimiter = ',')]
    only: Vec<usize>,
    /// Try nothing, and name the events
    #[arg(long)]
    list: bool,
    /// Where the programs and cron are, and what is kept of each event
    #[arg(long, value_name = "DIRECTORY", default_value = "target/events")]
    files: PathBuf,
    /// This is the first process of the machine of an event
    #[arg(long, value_name = "N", hide = true)]
    on_its_machine: Option<usize>,
}

fn main() -> ExitCode {
    let options = Options::parse();
    if options.list {
        PLAYS.iter().for_each(|play| say(&format!("{:>2}  {}", play.event, play.name)));
        return ExitCode::SUCCESS;
    }
    if let Some(event) = options.on_its_machine {
        machine::end_with_its_starter();
        say(&plays::play(event, &options.files).to_json().to_string());
        return ExitCode::SUCCESS;
    }
    if !rustix::process::geteuid().is_root() {
        complain("error: this needs root, for namespaces, mounts and users of its own");
        return ExitCode::from(2);
    }
    let wanted = |event: usize| options.only.is_empty() || options.only.contains(&event);
    let events: Vec<usize> = PLAYS.iter().map(|play| play.event).filter(|&event| wanted(event)).collect();
    if events.is_empty() {
        complain("error: there is no such event; --list names them");
        return ExitCode::from(2);
    }
    let rows = happen(&events, &options);
    if rows.iter().all(Row::is_ok) { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// Has these events happen, all at the same time, and prints the table.
fn happen(events: &[usize], options: &Options) -> Vec<Row> {
    let began = Instant::now();
    let machines: Vec<_> =
        events.iter().map(|&event| (event, Machine::start(event, &options.files))).collect();
    say(&Row::head());
    let mut rows = Vec::new();
    for (event, machine) in machines {
        let row = machine.row(event);
        row.lines().iter().for_each(|line| say(line));
        rows.push(row);
    }
    let wrong = rows.iter().filter(|row| !row.is_ok()).count();
    let minutes = began.elapsed().as_secs().div_ceil(60);
    say(&format!(
        "{} events in {minutes} minutes, {wrong} not ok; see {}",
        rows.len(),
        options.files.display()
    ));
    rows
}

//! Publishes a tree hundreds of times while readers fetch from it over HTTP, and kills the runs:
//! `tests/publications`, which installs what is needed, says how to call it.
//!
//! What is asked: no reader ever misses a file that it was told of, or gets another one, and no run that is
//! killed leaves anything to a person: the next run ends what it had begun, and runs no hook of a completed
//! pass twice.

mod crashes;
mod crowd;
mod deeds;
mod fetch;
mod reader;
mod rounds;
mod say;
mod world;

use std::process::ExitCode;
use std::time::Instant;

use clap::{Parser, ValueEnum};
use intraware_tests::support::dice::Dice;

use self::crashes::Crashes;
use self::crowd::Crowd;
use self::rounds::Rounds;
use self::say::{complain, say};
use self::world::World;

/// Publishes a tree while readers read it, and kills the runs
#[derive(Debug, Parser)]
#[command(name = "tests/publications")]
struct Options {
    /// Publications while readers read
    #[arg(long, value_name = "N", default_value_t = 200)]
    rounds: usize,
    /// Runs that are killed meanwhile
    #[arg(long, value_name = "N", default_value_t = 100)]
    kills: usize,
    /// Readers at a time; every second one is apt-get
    #[arg(long, value_name = "N", default_value_t = 4)]
    readers: usize,
    /// Where the moments of kills come from
    #[arg(long, value_name = "N")]
    seed: Option<u64>,
    /// Only these bars
    #[arg(long, value_name = "BAR", value_delimiter = ',')]
    only: Vec<Bar>,
}

/// What is tried.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Bar {
    /// apt-get update, download and source over HTTP, before and after 50 publications, and during a normal
    /// pass
    Apt,
    /// Readers during publications and kills at random moments
    Readers,
    /// The same where the file system cannot exchange two names
    WithoutExchange,
    /// The same with what is built in
    BuiltIn,
    /// Kills at each durable call, and by each hook
    Crashes,
}

/// Publications between two looks of apt.
const APART: usize = 50;

fn main() -> ExitCode {
    let options = Options::parse();
    if !rustix::process::geteuid().is_root() {
        complain("error: this needs root, for mounting a file system");
        return ExitCode::from(2);
    }
    let seed = options.seed.unwrap_or_else(|| u64::from(std::process::id()));
    say(&format!("seed {seed}"));
    let mut all_hold = true;
    for bar in Bar::value_variants() {
        if !options.only.is_empty() && !options.only.contains(bar) {
            continue;
        }
        let began = Instant::now();
        let (told, faults) = match bar {
            Bar::Apt => apt(),
            Bar::Readers => readers(World::Plain, &options, &mut Dice(seed)),
            Bar::WithoutExchange => readers(World::WithoutExchange, &options, &mut Dice(seed)),
            Bar::BuiltIn => readers(World::BuiltIn, &options, &mut Dice(seed)),
            Bar::Crashes => crashes(),
        };
        let verdict = if faults.is_empty() { "ok" } else { "NOT OK" };
        say(&format!("{verdict} {told}; {} s", began.elapsed().as_secs()));
        faults.iter().take(10).for_each(|fault| say(&format!("  {fault}")));
        all_hold &= faults.is_empty();
    }
    if all_hold { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn apt() -> (String, Vec<String>) {
    let place = World::Plain.place();
    let told = format!(
        "apt: apt-get update, download and source before and after {APART} publications, and security while \
         the normal pass runs"
    );
    (told, fetch::faults(place.tree.scene(), APART))
}

/// Publishes and kills while readers read.
fn readers(world: World, options: &Options, dice: &mut Dice) -> (String, Vec<String>) {
    let place = world.place();
    let crowd = Crowd::start(place.tree.scene(), &place.served, options.readers);
    let mut rounds = Rounds::new(&place.tree);
    rounds.make(options.rounds, options.kills, dice);
    let seen = crowd.end();
    let told = format!(
        "{world}: {} publications, {} kills, {} passes; {} readers read {} times, {} files by digest: \
         {} missing, {} mismatches, {} other faults; {} human repairs",
        rounds.publications,
        rounds.kills,
        place.tree.scene().live(),
        options.readers,
        seen.reads,
        seen.files,
        seen.missing,
        seen.mismatches,
        seen.others,
        rounds.repairs.len(),
    );
    let mut faults = seen.told;
    faults.extend(rounds.repairs);
    (told, faults)
}

fn crashes() -> (String, Vec<String>) {
    let mut crashes = Crashes::default();
    crashes.make();
    (format!("crashes: {} kills, {} faults", crashes.kills, crashes.faults.len()), crashes.faults)
}

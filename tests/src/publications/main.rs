//! Publishes a tree hundreds of times while readers fetch from it over HTTP, and kills the runs:
//! `tests/publications`, which installs what is needed, says how to call it.
//!
//! What is asked: no reader ever misses a file that it was told of, or gets another one, and no run that is
//! killed leaves anything to a person: the next run ends what it had begun. Each bar is a line, in each of two
//! worlds.

mod crowd;
mod reader;
mod rounds;
mod say;
mod world;

use std::process::ExitCode;
use std::time::Instant;

use clap::Parser;
use intraware_tests::support::dice::Dice;

use self::crowd::Crowd;
use self::rounds::Rounds;
use self::say::{complain, say};
use self::world::World;

/// Publishes a tree while readers read it, and kills the runs
#[derive(Debug, Parser)]
#[command(name = "tests/publications")]
struct Options {
    /// Publications in each world
    #[arg(long, value_name = "N", default_value_t = 200)]
    rounds: usize,
    /// Runs that are killed in each world
    #[arg(long, value_name = "N", default_value_t = 100)]
    kills: usize,
    /// Readers at a time; every second one is apt-get
    #[arg(long, value_name = "N", default_value_t = 4)]
    readers: usize,
    /// Where the moments of kills come from
    #[arg(long, value_name = "N")]
    seed: Option<u64>,
    /// Only these worlds: plain, without-exchange
    #[arg(long, value_name = "WORLD", value_delimiter = ',')]
    only: Vec<World>,
}

fn main() -> ExitCode {
    let options = Options::parse();
    if !rustix::process::geteuid().is_root() {
        complain("error: this needs root, for mounting a file system");
        return ExitCode::from(2);
    }
    let seed = options.seed.unwrap_or_else(|| u64::from(std::process::id()));
    say(&format!("seed {seed}"));
    let worlds: Vec<World> = match &options.only[..] {
        [] => vec![World::Plain, World::WithoutExchange],
        only => only.to_vec(),
    };
    let mut all_hold = true;
    for world in worlds {
        all_hold &= gap(world, &options, &mut Dice(seed));
    }
    if all_hold { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// Publishes and kills while readers read; returns whether none of them noticed.
fn gap(world: World, options: &Options, dice: &mut Dice) -> bool {
    let began = Instant::now();
    let place = world.place();
    let crowd = Crowd::start(&place.scene, &place.served, options.readers);
    let mut rounds = Rounds::new(&place.scene);
    rounds.make(options.rounds, options.kills, dice);
    let seen = crowd.end();
    let repairs = rounds.repairs();
    let is_kept = seen.is_clean() && repairs.is_empty();
    say(&format!(
        "{} {world}: {} publications, {} kills, {} passes; {} readers read {} times, {} files by digest: \
         {} missing, {} mismatches, {} other faults; {} human repairs; {} s",
        if is_kept { "ok" } else { "NOT OK" },
        rounds.publications,
        rounds.kills,
        place.scene.live(),
        options.readers,
        seen.reads,
        seen.files,
        seen.missing,
        seen.mismatches,
        seen.others,
        repairs.len(),
        began.elapsed().as_secs(),
    ));
    seen.told.iter().chain(repairs).take(10).for_each(|what| say(&format!("  {what}")));
    is_kept
}

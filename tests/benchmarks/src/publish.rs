//! `tests/bench publish`: what it costs to publish a tree of 20,000 packages of which one has changed.
//!
//! In each round a package gets another version, in all trees alike, which is not measured; then each tool
//! publishes it once, and each round begins with another tool. Peers are `reprepro export`, which signs
//! nothing and keeps no former tree, and `apt-ftparchive` alone, with its database, for the same indexes as
//! ours and Release: that is the least of what a script of one's own would do. Ours also copies the tree,
//! signs it, looks at it as apt would, and waits for the disk before the switch.
//!
//! A run that finds nothing to do is measured as well, and watched by strace: it may open no index and start
//! no program.

mod deb;
mod world;

use std::collections::BTreeMap;
use std::fs;
use std::process::Command;

use clap::Args;

use self::world::World;
use crate::bars::{self, Bar};
use crate::failure::{Doing as _, Failure};
use crate::machine::Machine;
use crate::measure;
use crate::options::{Options, in_turn};
use crate::summary::{Row, Run};
use crate::table::{NONE, ratio, thousands};
use crate::{process, say};

/// Of reprepro's wall time, and of apt-ftparchive's.
const OF_REPREPRO: f64 = 0.5;
const OF_ALONE: f64 = 1.2;
/// How long a run may take that finds nothing to do.
const NOTHING_MS: f64 = 20.0;

const PACKAGES: u32 = 20_000;
const QUICK: u32 = 2_000;

/// The Debian packages that are compared, and those that ours uses.
const TOOLS: [&str; 4] = ["reprepro", "apt-utils", "rsync", "xz-utils"];

const WORDS: &str = "\
Wall and CPU seconds are medians, peaks are the most of all runs. manage also copies the tree, signs it, looks at it as apt would, and
waits for the disk before the switch; reprepro and apt-ftparchive write over what readers have.";

/// How often.
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// How often each tool runs
    #[arg(long, value_name = "N", default_value_t = 5, conflicts_with = "quick", value_parser = clap::value_parser!(u32).range(1..))]
    rounds: u32,

    #[command(flatten)]
    options: Options,
}

impl Default for Arguments {
    fn default() -> Self {
        Self { rounds: 5, options: Options::default() }
    }
}

/// What runs in a round.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Tool {
    Ours,
    Reprepro,
    Alone,
    Nothing,
}

impl Tool {
    const ALL: [Self; 4] = [Self::Ours, Self::Reprepro, Self::Alone, Self::Nothing];

    fn name(self) -> &'static str {
        match self {
            Self::Ours => "manage publish",
            Self::Reprepro => "reprepro export",
            Self::Alone => "apt-ftparchive alone",
            Self::Nothing => "manage publish, nothing due",
        }
    }

    /// Where its indexes are.
    fn dists(self) -> Option<&'static str> {
        match self {
            Self::Ours => Some("root/dists"),
            Self::Reprepro => Some("reprepro/dists"),
            Self::Alone => Some("alone/dists"),
            Self::Nothing => None,
        }
    }

    fn command(self, world: &World) -> Result<Command, Failure> {
        Ok(match self {
            Self::Ours => {
                world.ask()?;
                world.ours()
            }
            Self::Reprepro => world.export(),
            Self::Alone => world.alone(),
            Self::Nothing => world.ours(),
        })
    }
}

/// Measures, prints the table and the bars, and returns whether every bar holds.
pub(crate) fn run(arguments: &Arguments) -> Result<bool, Failure> {
    let options = &arguments.options;
    let dir = options.dir()?;
    let packages = if options.quick { QUICK } else { PACKAGES };
    let world = World::provide(&dir, packages)?;
    say::result(format_args!("{}\n", Machine::look(&dir, &TOOLS)?));
    let said = world.path("said");
    say::progress("publishing all of it once by each");
    for tool in Tool::ALL {
        measure::run(&mut tool.command(&world)?, &said)?;
    }
    let rounds = if options.quick { 1 } else { arguments.rounds };
    let mut runs: BTreeMap<Tool, Vec<Run>> = BTreeMap::new();
    for round in 0..rounds {
        let changed = world.change(round)?;
        for tool in in_turn(Tool::ALL.to_vec(), round) {
            // What was written before is not to be waited for.
            rustix::fs::sync();
            let cost = measure::run(&mut tool.command(&world)?, &said)?;
            let output_bytes = tool.dists().map_or(Ok(0), |dists| world.check(dists, &changed))?;
            let (name, round, wall_s) = (tool.name(), round + 1, cost.wall_s);
            let load = process::load();
            say::progress(format_args!("round {round} of {rounds}: {name}: {wall_s:.3} s; load {load}"));
            runs.entry(tool).or_default().push(Run { cost, output_bytes });
        }
    }
    let touched = touched_for_nothing(&world)?;
    let rows = Row::of_all(&runs);
    let of = |tool| rows.iter().find(|row| row.tool == tool).map(|row| row.wall_s.median);
    let heading = format!("one of {} packages changed", thousands(packages.into()));
    let header = [
        "tool",
        "runs",
        "wall s",
        "least–most",
        "CPU s",
        "peak MiB",
        "Packages.xz kB",
        "wall/reprepro",
        "wall/alone",
    ];
    let cells = rows.iter().map(|row| {
        vec![
            row.tool.name().to_owned(),
            row.runs.to_string(),
            format!("{:.3}", row.wall_s.median),
            format!("{:.3}–{:.3}", row.wall_s.least, row.wall_s.most),
            format!("{:.3}", row.cpu_s.median),
            some(row.peak_mib > 0.0, format!("{:.1}", row.peak_mib)),
            some(row.output_bytes > 0, thousands(row.output_bytes / 1000)),
            ratio(row.wall_s.median, of(Tool::Reprepro)),
            ratio(row.wall_s.median, of(Tool::Alone)),
        ]
    });
    say::result(options.style().figures(&heading, &header, cells));
    let others = rows.iter().map(|row| row.others).fold(0.0, f64::max);
    let bars = bars(of, touched);
    Ok(bars::conclude(WORDS, &bars, others, options))
}

/// Returns a cell, if there is something to say: a run of some milliseconds ends before its memory is looked
/// at.
fn some(is_there: bool, cell: String) -> String {
    if is_there { cell } else { NONE.to_owned() }
}

fn bars(of: impl Fn(Tool) -> Option<f64>, touched: usize) -> [Bar; 4] {
    let ours_of = |tool| Some(of(Tool::Ours)? / of(tool)?);
    [
        Bar::at_most(
            "P6",
            format!("one package: wall time, at most {OF_REPREPRO:.2} of reprepro's"),
            ours_of(Tool::Reprepro),
            OF_REPREPRO,
            2,
        ),
        Bar::at_most(
            "P6",
            format!("one package: wall time, at most {OF_ALONE:.2} of apt-ftparchive's"),
            ours_of(Tool::Alone),
            OF_ALONE,
            2,
        ),
        Bar::at_most(
            "P6",
            format!("nothing due: milliseconds, at most {NOTHING_MS:.0}"),
            of(Tool::Nothing).map(|wall_s| wall_s * 1000.0),
            NOTHING_MS,
            1,
        ),
        Bar::at_most(
            "P6",
            "nothing due: files of the tree opened and programs started, by strace".to_owned(),
            Some(touched as f64),
            0.0,
            0,
        ),
    ]
}

/// Returns how many files of trees, and of the pool, a run opens that finds nothing to do, and how many
/// programs it starts.
fn touched_for_nothing(world: &World) -> Result<usize, Failure> {
    let (log, ours) = (world.path("strace"), world.ours());
    let mut command = Command::new("strace");
    command.args(["-f", "-y", "-qq", "-e", "trace=open,openat,openat2,execve", "-e", "signal=none", "-o"]);
    command.arg(&log).arg(ours.get_program()).args(ours.get_args());
    measure::output(&mut command)?;
    let calls = fs::read_to_string(&log).doing(|| format!("cannot read {}", log.display()))?;
    // Itself, and whatever it has started.
    let programs = calls.lines().filter(|line| line.contains(" execve(")).count().saturating_sub(1);
    let root = world.path("root").display().to_string();
    let is_file_of_tree = |line: &&str| {
        let of_tree = ["/dists", "/pool", "/.publish/trees/", "/.publish/suites/", "/.publish/cache/"];
        // A directory that is opened to be listed or flushed is none.
        of_tree.iter().any(|place| line.contains(&format!("{root}{place}"))) && !line.contains("O_DIRECTORY")
    };
    Ok(programs + calls.lines().filter(is_file_of_tree).count())
}

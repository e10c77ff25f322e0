//! `tests/stalls`: whether a large payload gets on all the time, whatever the distance and the number of
//! connections, and whether the processor has as little to do everywhere.
//!
//! Each combination of a distance and a number of connections is delivered over so often, by the program
//! `upload` as in `tests/bench delivery`, to a real sshd behind the delay line. In each round every
//! combination runs once, so that what else happens on the host meets all of them alike. While one runs, the
//! partial file at the site is looked at: if it does not grow for some seconds between its first byte and its
//! last, that is a stall, and so is a run that fails or does not end in time. What has arrived is compared
//! byte by byte.
//!
//! A loop that sends and goes round in circles shows in the processor's time even where it gets on. So the
//! median of each combination is compared with the least of all: what is sent is the same, and has to cost
//! the same.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use clap::Args;
use intraware_test_support::delay_line::Distance;

use crate::apart::Apart;
use crate::bars::Bar;
use crate::delivery::case::Load;
use crate::delivery::check::{self, Sent};
use crate::delivery::far_end::FarEnd;
use crate::delivery::payloads::Payloads;
use crate::delivery::prepared::Prepared;
use crate::failure::{Doing as _, Failure};
use crate::machine::Machine;
use crate::measure::Cost;
use crate::options::{Options, in_turn};
use crate::ours::Key;
use crate::summary::Spread;
use crate::table::{NONE, ratio};
use crate::{bars, say, tree};

/// What to send, how far and how often.
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// How often each combination runs
    #[arg(long, value_name = "N", default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..))]
    runs: u32,

    /// Round trips in milliseconds
    #[arg(long, value_name = "MS", value_delimiter = ',', default_values_t = [5, 20, 50, 100])]
    delays: Vec<u32>,

    /// Numbers of connections
    #[arg(long, value_name = "N", value_delimiter = ',', default_values_t = [1, 2, 3, 4, 8])]
    connections: Vec<u32>,

    /// The size of the payload in MiB
    #[arg(long, value_name = "MIB", default_value_t = 512, value_parser = clap::value_parser!(u32).range(1..))]
    size: u32,

    /// What the line lets pass in a second, in MB
    #[arg(long, value_name = "MB", default_value_t = 125, value_parser = clap::value_parser!(u32).range(1..))]
    rate: u32,

    #[command(flatten)]
    options: Options,
}

const ID: &str = "F3";

/// How long the partial file may not grow.
const STALL: Duration = Duration::from_secs(4);

/// How often it is looked at.
const TICK: Duration = Duration::from_millis(50);

/// The processor time of a combination, of the least of all.
const CPU_RATIO: f64 = 1.3;

/// The Debian packages whose versions matter.
const PACKAGES: [&str; 1] = ["openssh-server"];

const HEADER: [&str; 9] = [
    "round trip ms",
    "connections",
    "runs",
    "stalls",
    "longest pause s",
    "wall s",
    "CPU s",
    "least–most",
    "CPU/least",
];

const WORDS: &str = "\
Wall and CPU seconds are medians; CPU is that of upload alone, without server and line. A pause is a time in which the
partial file at the site does not grow, between its first byte and its last; one of more than 4 s is a stall, and so
is a run that fails or does not end in time.";

/// A distance in milliseconds, and how many connections.
type Combination = (u32, u32);

/// A run that has delivered.
#[derive(Debug, Clone, Copy)]
struct Run {
    cost: Cost,
    pause: Duration,
}

/// The runs of a combination.
#[derive(Debug, Default)]
struct Runs {
    done: Vec<Run>,
    failed: usize,
}

/// Measures, prints the table and the bars, and returns whether they hold.
pub(crate) fn run(arguments: &Arguments) -> Result<bool, Failure> {
    let options = &arguments.options;
    let dir = options.dir()?;
    let load = Load { files: 1, file_bytes: u64::from(arguments.size) << 20 };
    let payloads = Payloads::provide(&dir, load)?;
    let stand = Stand::set_up(&dir.join("stalls"), payloads)?;
    say::result(format_args!("{}\n", Machine::look(&dir, &PACKAGES)?));
    let mut all: BTreeMap<Combination, Runs> = BTreeMap::new();
    for round in 0..arguments.rounds() {
        for (delay, connections) in in_turn(arguments.combinations(), round) {
            let distance = Distance {
                round_trip: Duration::from_millis(delay.into()),
                rate: u64::from(arguments.rate) * 1_000_000,
            };
            let now = format!(
                "round {} of {}: {delay} ms, connections: {connections}",
                round + 1,
                arguments.rounds()
            );
            let runs = all.entry((delay, connections)).or_default();
            match stand.one(distance, connections)? {
                Ok(run) => {
                    let Run { cost: Cost { wall_s, cpu_s, .. }, pause } = run;
                    let pause = pause.as_secs_f64();
                    say::progress(format_args!("{now}: {wall_s:.1} s, CPU {cpu_s:.2} s, pause {pause:.1} s"));
                    runs.done.push(run);
                }
                Err(failure) => {
                    say::progress(format_args!("{now}: FAILED: {}", failure.line()));
                    runs.failed += 1;
                }
            }
        }
    }
    tree::remove(&stand.dir)?;
    let heading = format!("{} MiB over {} MB/s", arguments.size, arguments.rate);
    let least = least(&all);
    let rows = all.iter().map(|(&combination, runs)| runs.cells(combination, least));
    say::result(options.style().figures(&heading, &HEADER, rows));
    let others = all.values().flat_map(|runs| &runs.done).map(|run| run.cost.others).fold(0.0, f64::max);
    Ok(bars::conclude(WORDS, &judge(&all), others, options))
}

impl Arguments {
    fn rounds(&self) -> u32 {
        if self.options.quick { 1 } else { self.runs }
    }

    fn combinations(&self) -> Vec<Combination> {
        let of = |&delay| self.connections.iter().map(move |&connections| (delay, connections));
        self.delays.iter().flat_map(of).collect()
    }
}

impl Runs {
    fn stalls(&self) -> usize {
        self.failed + self.done.iter().filter(|run| run.pause > STALL).count()
    }

    fn cpu_s(&self) -> Spread {
        Spread::of(self.done.iter().map(|run| run.cost.cpu_s))
    }

    fn cells(&self, (delay, connections): Combination, least: Option<f64>) -> Vec<String> {
        let mut cells = vec![
            delay.to_string(),
            connections.to_string(),
            (self.done.len() + self.failed).to_string(),
            self.stalls().to_string(),
        ];
        if self.done.is_empty() {
            cells.resize(HEADER.len(), NONE.to_owned());
            return cells;
        }
        let cpu_s = self.cpu_s();
        let pause = self.done.iter().map(|run| run.pause).max().unwrap_or_default();
        cells.extend([
            format!("{:.1}", pause.as_secs_f64()),
            format!("{:.2}", Spread::of(self.done.iter().map(|run| run.cost.wall_s)).median),
            format!("{:.2}", cpu_s.median),
            format!("{:.2}–{:.2}", cpu_s.least, cpu_s.most),
            ratio(cpu_s.median, least),
        ]);
        cells
    }
}

/// Returns the least of the medians of processor time.
fn least(all: &BTreeMap<Combination, Runs>) -> Option<f64> {
    let medians = all.values().filter(|runs| !runs.done.is_empty()).map(|runs| runs.cpu_s().median);
    medians.min_by(f64::total_cmp)
}

fn judge(all: &BTreeMap<Combination, Runs>) -> Vec<Bar> {
    let stalls: usize = all.values().map(Runs::stalls).sum();
    let stalls = Bar::at_most(ID, "runs that stall, at most 0".to_owned(), Some(stalls as f64), 0.0, 0);
    let least = least(all);
    let ratios = all.values().filter(|runs| !runs.done.is_empty()).filter_map(|runs| {
        let least = least?;
        Some(runs.cpu_s().median / least)
    });
    let what = format!("CPU time of the worst combination, at most {CPU_RATIO:.2} of the best one's");
    vec![stalls, Bar::at_most(ID, what, ratios.max_by(f64::total_cmp), CPU_RATIO, 2)]
}

/// Where the payload is delivered.
struct Stand {
    dir: PathBuf,
    far_end: FarEnd,
    payloads: Payloads,
    prepared: Prepared,
}

impl Stand {
    /// Puts everything below `dir`.
    fn set_up(dir: &Path, payloads: Payloads) -> Result<Self, Failure> {
        tree::clear(dir)?;
        let far_end = FarEnd::start(dir);
        let site = far_end.open(None)?.site(None);
        let prepared = Prepared::provide(dir, &payloads, &site, &Key::generate())?;
        Ok(Self { dir: dir.to_owned(), far_end, payloads, prepared })
    }

    /// Delivers once. That this has failed is the inner error.
    fn one(&self, distance: Distance, connections: u32) -> Result<Result<Run, Failure>, Failure> {
        let way = self.far_end.open(Some(distance))?;
        let ours = self.prepared.copy(&way.site(Some(connections)))?;
        let [home, said] = ["home", "said"].map(|name| self.dir.join(name));
        tree::clear(&home)?;
        for build in self.payloads.builds() {
            let dir = way.base.join(build);
            fs::create_dir(&dir).doing(|| format!("cannot make {}", dir.display()))?;
        }
        let words = ours.words("upload", &["run"]);
        let sent = Sent::Ours(ours);
        rustix::fs::sync();
        tree::read(&sent.dir(&self.payloads))?;
        let limit = self.payloads.load.limit();
        let (size, is_over) = (self.payloads.load.file_bytes, AtomicBool::new(false));
        let (cost, pause) = thread::scope(|scope| {
            let watching = scope.spawn(|| watch(&way.base, size, &is_over));
            let cost = Apart { words: &words, home: &home, said: &said, limit }.run();
            is_over.store(true, Ordering::Relaxed);
            (cost, watching.join().unwrap_or(Duration::MAX))
        });
        let cost = match cost? {
            Ok(cost) => cost,
            Err(failure) => return Ok(Err(failure)),
        };
        let delivered =
            sent.expected(&self.payloads).and_then(|expected| check::delivered(&way.base, &expected));
        Ok(delivered.map(|_| Run { cost, pause }))
    }
}

/// Looks at what grows below `base` until the run is over, and returns the longest time in which it did not,
/// between its first byte and its byte number `size`.
fn watch(base: &Path, size: u64, is_over: &AtomicBool) -> Duration {
    let (mut longest, mut seen, mut since) = (Duration::ZERO, 0, Instant::now());
    while !is_over.load(Ordering::Relaxed) {
        let now = largest(base);
        if 0 < seen && seen < size {
            longest = longest.max(since.elapsed());
        }
        if now != seen {
            (seen, since) = (now, Instant::now());
        }
        thread::sleep(TICK);
    }
    longest
}

/// Returns the size of the largest file in a directory in `base`.
fn largest(base: &Path) -> u64 {
    // What vanishes while one looks has been renamed.
    let list = |dir: &Path| fs::read_dir(dir).into_iter().flatten().filter_map(Result::ok);
    let files = list(base).flat_map(|dir| list(&dir.path()));
    files.filter_map(|file| file.metadata().ok()).map(|file| file.len()).max().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn runs(of: &[(f64, u64)], failed: usize) -> Runs {
        let run = |&(cpu_s, pause_s): &(f64, u64)| Run {
            cost: Cost { wall_s: 1.0, cpu_s, peak_kib: 1, others: 0.0 },
            pause: Duration::from_secs(pause_s),
        };
        Runs { done: of.iter().map(run).collect(), failed }
    }

    #[test]
    fn a_pause_and_a_failure_are_stalls_and_medians_are_compared_with_the_least() {
        let mut all = BTreeMap::from([
            ((5, 1), runs(&[(1.0, 0), (9.0, 1), (1.1, 0)], 0)),
            ((5, 3), runs(&[(1.4, 0)], 0)),
        ]);
        let verdicts = |all: &_| judge(all).into_iter().map(|bar| bar.verdict).collect::<Vec<_>>();
        assert_eq!(verdicts(&all), [Some(true), Some(true)]);
        all.insert((20, 1), runs(&[(1.5, 5)], 0));
        assert_eq!(verdicts(&all), [Some(false), Some(false)]);
        assert_eq!(verdicts(&BTreeMap::from([((5, 1), runs(&[], 1))])), [Some(false), None]);
    }
}

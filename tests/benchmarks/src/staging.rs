//! `tests/bench staging`: from a build on the disk to a payload with its sums and its signature, in rounds.
//!
//! In each round every tool runs once, so that what else happens on the host meets all of them alike; each
//! round begins with another one. Before each run its outputs are removed, everything written is on the disk,
//! and the build has been read, so that it is in the page cache where it fits. Nothing of that, and none of
//! the checks, is timed.

mod bars;
mod check;
mod corpus;
mod floor;
mod peer;
mod summary;
mod table;

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;

use clap::Args;

use self::check::Checker;
use self::corpus::{Corpora, Corpus};
use self::floor::Floor;
use self::peer::{Peer, Place};
use self::summary::Summary;
use crate::failure::{Doing as _, Failure};
use crate::machine::Machine;
use crate::measure;
use crate::options::{Options, in_turn};
use crate::ours::{Key, Ours, quoted};
use crate::say;
use crate::summary::Run;
use crate::tree::{self, Size};

/// What to measure, and how often.
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// How often each tool runs on each corpus
    #[arg(long, value_name = "N", default_value_t = 5, conflicts_with = "quick", value_parser = clap::value_parser!(u32).range(1..))]
    rounds: u32,

    /// Run gzip and libdeflate-gzip, which use one core, in every round and not in the first alone
    #[arg(long, conflicts_with = "quick")]
    all: bool,

    /// Measure the peak of memory too, on 12 GiB and on 200,000 files; takes 20 GiB more of disk
    #[arg(long)]
    memory: bool,

    /// Measure on this corpus only; may be given several times
    #[arg(long, value_name = "CORPUS", value_enum)]
    only: Vec<Corpus>,

    #[command(flatten)]
    options: Options,
}

impl Default for Arguments {
    fn default() -> Self {
        Self { rounds: 5, all: false, memory: false, only: Vec::new(), options: Options::default() }
    }
}

/// The Debian packages whose tools are compared.
const PACKAGES: [&str; 7] = ["tar", "gzip", "pigz", "isal", "tabix", "libdeflate-tools", "gnupg"];

/// What runs in a round.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Tool {
    Ours,
    Peer(Peer),
}

impl Tool {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Ours => "manage run",
            Self::Peer(peer) => peer.name(),
        }
    }
}

/// All runs on one corpus.
pub(crate) struct Runs {
    pub(crate) corpus: Corpus,
    pub(crate) size: Size,
    pub(crate) of: BTreeMap<Tool, Vec<Run>>,
    pub(crate) floors: Vec<Floor>,
}

/// Measures, prints the tables and the bars, and returns whether every bar that was measured holds.
pub(crate) fn run(arguments: &Arguments) -> Result<bool, Failure> {
    let options = &arguments.options;
    let dir = options.dir()?;
    let stand = Stand { corpora: Corpora::below(&dir), outputs: dir.join("run"), key: Key::generate() };
    say::result(format_args!("{}\n", Machine::look(&dir, &PACKAGES)?));
    let mut summaries = Vec::new();
    for corpus in arguments.corpora() {
        let summary = Summary::of(&stand.measure(corpus, arguments)?);
        say::result(table::print(&summary, options.style()));
        summaries.push(summary);
    }
    let others = summaries.iter().map(Summary::others).fold(0.0, f64::max);
    Ok(crate::bars::conclude(table::WORDS, &bars::judge(&summaries), others, options))
}

impl Arguments {
    fn corpora(&self) -> Vec<Corpus> {
        if !self.only.is_empty() {
            return self.only.clone();
        }
        let memory: &[Corpus] = if self.memory { &Corpus::MEMORY } else { &[] };
        [&Corpus::TIMED, memory].concat()
    }

    fn rounds(&self, corpus: Corpus) -> u32 {
        if self.options.quick || Corpus::MEMORY.contains(&corpus) { 1 } else { self.rounds }
    }

    fn tools(&self, corpus: Corpus, round: u32) -> Vec<Tool> {
        let mut tools = vec![Tool::Ours];
        if Corpus::TIMED.contains(&corpus) {
            let takes_part = |peer: &Peer| !peer.is_slow() || self.all || (round == 0 && !self.options.quick);
            tools.extend(Peer::ALL.into_iter().filter(takes_part).map(Tool::Peer));
        }
        in_turn(tools, round)
    }
}

/// Where the measurements are made.
struct Stand {
    corpora: Corpora,
    /// The outputs of one run at a time.
    outputs: PathBuf,
    key: Key,
}

impl Stand {
    fn measure(&self, corpus: Corpus, arguments: &Arguments) -> Result<Runs, Failure> {
        let size = self.corpora.provide(corpus)?;
        let mut runs = Runs { corpus, size, of: BTreeMap::new(), floors: Vec::new() };
        let mut checker = Checker::default();
        let rounds = arguments.rounds(corpus);
        for round in 0..rounds {
            let say = |tool: &str, wall_s: f64, others: f64| {
                let (name, round) = (corpus.name(), round + 1);
                say::progress(format_args!(
                    "{name}, round {round} of {rounds}: {tool}: {wall_s:.1} s, others {:.0} %",
                    others * 100.0
                ));
            };
            for tool in arguments.tools(corpus, round) {
                let run = self.one(tool, corpus, &size, &mut checker)?;
                say(tool.name(), run.cost.wall_s, run.cost.others);
                runs.of.entry(tool).or_default().push(run);
            }
            if Corpus::TIMED.contains(&corpus) {
                let floor = self.floor(corpus)?;
                say("the floor", floor.sum_s(), floor.others);
                runs.floors.push(floor);
            }
        }
        tree::remove(&self.outputs)?;
        Ok(runs)
    }

    /// Makes one run and checks what it did.
    fn one(&self, tool: Tool, corpus: Corpus, size: &Size, checker: &mut Checker) -> Result<Run, Failure> {
        tree::clear(&self.outputs)?;
        let (outputs, parent) = (self.outputs.as_path(), self.corpora.dir());
        let said = outputs.join("said");
        let gnupg = &self.key.gnupg;
        let (cost, staged) = match tool {
            Tool::Ours => {
                let ours = self.ours(corpus)?;
                self.settle(corpus)?;
                let cost = measure::run(&mut ours.manage(&["run"]), &said)?;
                (cost, ours.staged(corpus.name())?)
            }
            Tool::Peer(peer) => {
                let place = Place { outputs, parent, build: corpus.name(), gnupg: gnupg.home() };
                self.settle(corpus)?;
                let cost = measure::run(&mut peer.command(&place), &said)?;
                (cost, check::staged_by_peer(outputs)?)
            }
        };
        let output_bytes = checker.check(&staged, size, gnupg)?;
        Ok(Run { cost, output_bytes })
    }

    /// Sets up our own side, with a directory as the site.
    fn ours(&self, corpus: Corpus) -> Result<Ours, Failure> {
        let site = self.outputs.join("site");
        fs::create_dir(&site).doing(|| format!("cannot make {}", site.display()))?;
        let site = format!("url = {}\n", quoted(format_args!("file://{}", site.display())));
        let ours = Ours::set_up(&self.outputs, self.corpora.dir(), &site, &self.key)?;
        ours.add(corpus.name())?;
        Ok(ours)
    }

    fn floor(&self, corpus: Corpus) -> Result<Floor, Failure> {
        tree::clear(&self.outputs)?;
        let parent = self.corpora.dir();
        let level = self.ours(corpus)?.level()?;
        self.settle(corpus)?;
        floor::measure(parent, corpus.name(), level, &self.outputs)
    }

    /// Brings the host to the same state before each run.
    fn settle(&self, corpus: Corpus) -> Result<(), Failure> {
        rustix::fs::sync();
        // The page cache would not hold the larger ones, and their time is of no matter.
        if Corpus::TIMED.contains(&corpus) {
            tree::read(&self.corpora.path(corpus))?;
        }
        Ok(())
    }
}

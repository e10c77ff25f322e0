//! `tests/bench delivery`: from a payload on the disk to the same bytes at a site, near and far, in rounds.
//!
//! In each round every tool runs once, so that what else happens on the host meets all of them alike; each
//! round begins with another one. Each run begins with an empty directory at the site; before it everything
//! written is on the disk, and what is to be sent has been read. Afterwards what has arrived is compared with
//! it byte by byte; a run after which anything is missing, wrong or there besides has failed, and its time
//! counts nothing. Nothing of that is timed.
//!
//! Ours is the program `upload` with a spool that `manage` has filled before; it finds the directories that
//! `manage` has made for the sidecars. The site is a real sshd on this host, and the distance a relay that
//! delays what passes; each tool is measured in a process of its own, so that neither is counted with it. On
//! loopback there is no relay. Far away tools wait rather than work, so that two cores do for all.

mod bars;
pub(crate) mod case;
pub(crate) mod check;
pub(crate) mod far_end;
pub(crate) mod payloads;
pub(crate) mod peer;
pub(crate) mod prepared;
mod summary;
mod table;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use clap::Args;

use self::case::Case;
use self::check::Sent;
use self::far_end::FarEnd;
use self::payloads::Payloads;
use self::peer::{PACKAGES, Peer};
use self::prepared::Prepared;
use self::summary::{Runs, Summary};
use crate::apart::Apart;
use crate::failure::{Doing as _, Failure};
use crate::machine::Machine;
use crate::measure::Cost;
use crate::options::{Options, in_turn};
use crate::ours::Key;
use crate::summary::Run;
use crate::{say, tree};

/// What to measure, and how often.
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// How often each tool runs in each case
    #[arg(long, value_name = "N", default_value_t = 3, conflicts_with = "quick", value_parser = clap::value_parser!(u32).range(1..))]
    rounds: u32,

    /// The size of the large payload in MiB [default: 512; 128 for a quick look]
    #[arg(long, value_name = "MIB", value_parser = clap::value_parser!(u32).range(1..))]
    size: Option<u32>,

    /// Run scp, which sends with the code of sftp, in every round and not in the first alone
    #[arg(long, conflicts_with = "quick")]
    all: bool,

    /// Measure this case only; may be given several times
    #[arg(long, value_name = "CASE", value_enum)]
    only: Vec<Case>,

    #[command(flatten)]
    options: Options,
}

impl Default for Arguments {
    fn default() -> Self {
        Self { rounds: 3, size: None, all: false, only: Vec::new(), options: Options::default() }
    }
}

/// What runs in a round.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Tool {
    Ours,
    /// Ours, allowed one connection.
    OursAlone,
    Peer(Peer),
}

impl Tool {
    fn name(self) -> &'static str {
        match self {
            Self::Ours => "upload run",
            Self::OursAlone => "upload run, 1 connection",
            Self::Peer(peer) => peer.name(),
        }
    }
}

/// Measures, prints the tables and the bars, and returns whether every bar that was measured holds.
pub(crate) fn run(arguments: &Arguments) -> Result<bool, Failure> {
    let options = &arguments.options;
    let dir = options.dir()?;
    let stand = Stand::set_up(&dir.join("run"))?;
    say::result(format_args!("{}\n", Machine::look(&dir, &PACKAGES)?));
    let mut summaries = Vec::new();
    for case in arguments.cases() {
        let payloads = Payloads::provide(&dir, case.load(arguments.size()))?;
        let summary = Summary::of(stand.measure(case, &payloads, arguments)?);
        say::result(table::print(&summary, options.style()));
        summaries.push(summary);
    }
    tree::remove(&stand.dir)?;
    let others = summaries.iter().map(Summary::others).fold(0.0, f64::max);
    Ok(crate::bars::conclude(table::WORDS, &bars::judge(&summaries), others, options))
}

impl Arguments {
    fn cases(&self) -> Vec<Case> {
        if self.only.is_empty() { Case::ALL.to_vec() } else { self.only.clone() }
    }

    fn rounds(&self) -> u32 {
        if self.options.quick { 1 } else { self.rounds }
    }

    fn size(&self) -> u32 {
        self.size.unwrap_or(if self.options.quick { 128 } else { 512 })
    }

    fn tools(&self, round: u32, alone: bool) -> Vec<Tool> {
        let mut tools = vec![Tool::Ours];
        tools.extend(alone.then_some(Tool::OursAlone));
        let takes_part = |peer: &Peer| !peer.is_another() || self.all || round == 0;
        tools.extend(Peer::ALL.into_iter().filter(takes_part).map(Tool::Peer));
        in_turn(tools, round)
    }
}

/// Where the measurements are made, for the time of them.
struct Stand {
    dir: PathBuf,
    far_end: FarEnd,
    key: Key,
}

impl Stand {
    /// Puts everything below `dir`.
    fn set_up(dir: &Path) -> Result<Self, Failure> {
        tree::clear(dir)?;
        Ok(Self { dir: dir.to_owned(), far_end: FarEnd::start(dir), key: Key::generate() })
    }

    fn measure(&self, case: Case, payloads: &Payloads, arguments: &Arguments) -> Result<Runs, Failure> {
        let site = self.far_end.open(None)?.site(None);
        let prepared = Prepared::provide(&self.dir, payloads, &site, &self.key)?;
        // There is a bar for that in this case alone.
        let alone = case == Case::Ms50;
        let load = payloads.load;
        let mut runs = Runs { case, load, of: BTreeMap::new(), failed: BTreeMap::new() };
        let rounds = arguments.rounds();
        for round in 0..rounds {
            for tool in arguments.tools(round, alone) {
                let of_tool = runs.of.entry(tool).or_default();
                let now = format!("{}, round {} of {rounds}: {}", case.name(), round + 1, tool.name());
                match self.one(tool, case, payloads, &prepared)? {
                    Ok(run) => {
                        let Cost { wall_s, others, .. } = run.cost;
                        let others = others * 100.0;
                        say::progress(format_args!("{now}: {wall_s:.1} s, others {others:.0} %"));
                        of_tool.push(run);
                    }
                    Err(failure) => {
                        say::progress(format_args!("{now}: FAILED: {}", failure.line()));
                        *runs.failed.entry(tool).or_default() += 1;
                    }
                }
            }
        }
        Ok(runs)
    }

    /// Makes one run and checks what it did. That it has failed is the inner error.
    fn one(
        &self,
        tool: Tool,
        case: Case,
        payloads: &Payloads,
        prepared: &Prepared,
    ) -> Result<Result<Run, Failure>, Failure> {
        let way = self.far_end.open(case.distance())?;
        let [home, said] = ["home", "said"].map(|name| self.dir.join(name));
        tree::clear(&home)?;
        let ours = |connections| {
            let ours = prepared.copy(&way.site(connections))?;
            for build in payloads.builds() {
                let dir = way.base.join(build);
                fs::create_dir(&dir).doing(|| format!("cannot make {}", dir.display()))?;
            }
            Ok((ours.words("upload", &["run"]), Sent::Ours(ours)))
        };
        let (words, sent) = match tool {
            Tool::Ours => ours(None)?,
            Tool::OursAlone => ours(Some(1))?,
            Tool::Peer(peer) => (peer.words(payloads, &way, &home)?, Sent::Peers),
        };
        rustix::fs::sync();
        tree::read(&sent.dir(payloads))?;
        let apart = Apart { words: &words, home: &home, said: &said, limit: payloads.load.limit() };
        let cost = match apart.run()? {
            Ok(cost) => cost,
            Err(failure) => return Ok(Err(failure)),
        };
        let delivered = sent.expected(payloads).and_then(|expected| check::delivered(&way.base, &expected));
        Ok(delivered.map(|output_bytes| Run { cost, output_bytes }))
    }
}

//! `tests/bench trials`: what people's tools and ours leave at a site, and say, when a delivery is disturbed.
//!
//! A trial is a delivery of a small payload to a real sshd that is disturbed at a pseudo-random byte, and
//! then the same command once more, undisturbed. The same trials are made with every tool:
//!
//! - cut: the tool's first connection ends at that byte; if it makes more of them, they hold;
//! - kill: the tool is killed with SIGKILL when that byte has passed, and its connection ends;
//! - corrupt: the same, and then a byte is changed in what the tool has left at the site, as a disk, another
//!   uploader or another generation of the payload would have it.
//!
//! Counted is in how many trials, after either run, a final name shows wrong bytes; in how many a run says
//! success by its exit status 0 and the right bytes are not under the final name; and in how many they are
//! not there after the second run, so that a person has to repair something.

mod peer;
mod trial;

use std::collections::BTreeMap;

use clap::Args;

use self::peer::Peer;
use self::trial::{Outcome, Stand, Trial};
use crate::bars::{self, Bar};
use crate::delivery::case::Load;
use crate::delivery::payloads::Payloads;
use crate::delivery::peer::PACKAGES;
use crate::failure::Failure;
use crate::machine::Machine;
use crate::options::Options;
use crate::{say, tree};

/// How much to try.
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// How many trials are made with each tool [default: 200; 15 for a quick look]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    trials: Option<u32>,

    /// Which pseudo-random numbers decide
    #[arg(long, value_name = "N", default_value_t = 1)]
    seed: u64,

    #[command(flatten)]
    options: Options,
}

impl Default for Arguments {
    fn default() -> Self {
        Self { trials: None, seed: 1, options: Options::default() }
    }
}

/// A payload that is sent in a moment, and still in more than one window.
const LOAD: Load = Load { files: 1, file_bytes: 4 << 20 };

const WORDS: &str = "\
Each row is the same trials: a third is cut, a third is killed, in a third what was left by a killed run is changed. Each is
then run once more, undisturbed. Wrong is also a part of the payload; success is exit status 0 without the right bytes.";

/// What is tried.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Tool {
    Ours,
    Peer(Peer),
}

impl Tool {
    fn all() -> impl Iterator<Item = Self> {
        [Self::Ours].into_iter().chain(Peer::ALL.map(Self::Peer))
    }

    fn name(self) -> &'static str {
        match self {
            Self::Ours => "upload run",
            Self::Peer(peer) => peer.name(),
        }
    }
}

/// In how many trials something was wrong.
#[derive(Debug, Default, Clone, Copy)]
struct Tally {
    trials: usize,
    wrong_name: usize,
    false_success: usize,
    repair: usize,
}

/// Makes the trials, prints the table and the bars, and returns whether they hold.
pub(crate) fn run(arguments: &Arguments) -> Result<bool, Failure> {
    let options = &arguments.options;
    let dir = options.dir()?;
    let payloads = Payloads::provide(&dir, LOAD)?;
    let stand = Stand::set_up(&dir.join("run"), payloads)?;
    say::result(format_args!("{}\n", Machine::look(&dir, &PACKAGES)?));
    let count = arguments.trials.unwrap_or(if options.quick { 15 } else { 200 });
    let trials = Trial::all(count, arguments.seed, LOAD.file_bytes);
    let mut tallies: BTreeMap<Tool, Tally> = BTreeMap::new();
    for (number, trial) in (1..).zip(&trials) {
        say::progress(format_args!("trial {number} of {count}: {trial}"));
        for tool in Tool::all() {
            let outcome = stand.one(tool, trial)?;
            if tool == Tool::Ours && outcome.is_wrong() {
                say::progress(format_args!("{} in trial {number}: {outcome:?}", tool.name()));
            }
            tallies.entry(tool).or_default().add(&outcome);
        }
    }
    tree::remove(stand.dir())?;
    let header =
        ["tool", "trials", "wrong under the final name", "success without the right bytes", "repairs"];
    let rows = tallies.iter().map(|(tool, tally)| tally.cells(*tool));
    let heading = format!("{count} deliveries of {} MiB, disturbed", LOAD.file_bytes >> 20);
    say::result(options.style().figures(&heading, &header, rows));
    let ours = tallies.get(&Tool::Ours).copied().unwrap_or_default();
    Ok(bars::conclude(WORDS, &judge(&ours), 0.0, options))
}

impl Tally {
    fn add(&mut self, outcome: &Outcome) {
        self.trials += 1;
        self.wrong_name += usize::from(outcome.wrong_name);
        self.false_success += usize::from(outcome.false_success);
        self.repair += usize::from(outcome.repair);
    }

    fn cells(self, tool: Tool) -> Vec<String> {
        let numbers = [self.trials, self.wrong_name, self.false_success, self.repair];
        [tool.name().to_owned()].into_iter().chain(numbers.map(|number| number.to_string())).collect()
    }
}

fn judge(ours: &Tally) -> Vec<Bar> {
    let bar = |what: &str, value: usize| {
        Bar::at_most("D5", format!("trials of upload with {what}, at most 0"), Some(value as f64), 0.0, 0)
    };
    vec![
        bar("wrong bytes under the final name", ours.wrong_name),
        bar("success without the right bytes", ours.false_success),
        bar("a repair needed", ours.repair),
    ]
}

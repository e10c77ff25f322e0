//! `tests/bench assemble`: what it costs to make one package of the fragments of many machines.
//!
//! The peer is `tar xzf` of one fragment after the other into one directory, which checks nothing: no list,
//! no digest, no conflict; what comes later overwrites. It does not wait for the disk either, as `manage
//! assemble` does before the package gets its name; a second row is the peer with a `sync` of the file system
//! behind it.
//!
//! With `--million` the package has a million small files, and `manage fragment` makes its fragments again,
//! of builds that are kept. Then the file system is nearly all there is to measure. A quick look takes a
//! tenth of the files.
//!
//! What the tools of a round made stands until the round is over, and after it was removed nothing runs for
//! [`REST`]: an ext4 without a journal does not use an inode again that was freed in the last minute
//! (`recently_deleted` in `fs/ext4/ialloc.c`), but looks at each of them for each new file. There, right
//! after a million files were removed it takes twice as long to make a million, for every tool.

mod corpus;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use clap::Args;

use self::corpus::{Corpus, HUNDRED_THOUSAND, MILLION, USUAL};
use crate::bars::{self, Bar};
use crate::failure::Failure;
use crate::machine::Machine;
use crate::measure;
use crate::options::{Options, in_turn};
use crate::ours::program;
use crate::summary::{Row, Run};
use crate::table::{ratio, thousands};
use crate::{say, tree};

/// What has to hold: the name of the bar, the ratio to tar's wall time, and the memory.
struct Limits {
    id: &'static str,
    ratio: f64,
    peak_mib: f64,
}

const OF_USUAL: Limits = Limits { id: "A5", ratio: 0.8, peak_mib: 64.0 };
const OF_MILLION: Limits = Limits { id: "K3", ratio: 0.6, peak_mib: 256.0 };

/// What to measure, and how often.
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// How often each tool runs
    #[arg(long, value_name = "N", default_value_t = 5, conflicts_with = "quick", value_parser = clap::value_parser!(u32).range(1..))]
    rounds: u32,

    /// A package of a million files, and fragments made of it. 40 minutes, and 20 GiB. A quick look takes a
    /// tenth
    #[arg(long)]
    million: bool,

    #[command(flatten)]
    options: Options,
}

impl Default for Arguments {
    fn default() -> Self {
        Self { rounds: 5, million: false, options: Options::default() }
    }
}

/// How long nothing runs after many files were removed.
const REST: Duration = Duration::from_secs(75);

const WORDS: &str = "\
Wall and CPU seconds are medians, peaks are the most of all runs. manage checks every fragment against its list, by MD5, looks for
conflicts, and waits until everything is on the disk; tar does none of it, tar and sync wait for the disk.";

/// What runs in a round.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Tool {
    Ours,
    Fragment,
    Tar,
    TarAndSync,
}

impl Tool {
    const USUAL: [Self; 3] = [Self::Ours, Self::Tar, Self::TarAndSync];
    const MILLION: [Self; 4] = [Self::Ours, Self::Fragment, Self::Tar, Self::TarAndSync];

    /// The directory of what it makes.
    fn dir(self) -> &'static str {
        match self {
            Self::Ours => "assembled",
            Self::Fragment => "fragments",
            Self::Tar => "unpacked",
            Self::TarAndSync => "unpacked-and-flushed",
        }
    }

    fn is_ours(self) -> bool {
        matches!(self, Self::Ours | Self::Fragment)
    }

    fn name(self) -> &'static str {
        match self {
            Self::Ours => "manage assemble",
            Self::Fragment => "manage fragment, in sequence",
            Self::Tar => "tar xzf, in sequence",
            Self::TarAndSync => "the same, and sync",
        }
    }

    fn command(self, corpus: &Corpus, output: &Path) -> Command {
        if self == Self::Ours {
            let mut command = Command::new(program("manage"));
            command.args([
                "assemble",
                corpus::NAME,
                corpus::VERSION,
                "--keepFragments",
                "--quiet",
                "--srcpath",
            ]);
            command.arg(corpus.fragments()).arg("--output").arg(output).env_clear();
            return command;
        }
        if self == Self::Fragment {
            let each = "\"$0\" fragment \"$b\" --quiet --pname bench --pversion 1.0 --srcpath \"$2\"";
            let script = format!("for b in \"$1\"/*; do {each} --machine \"${{b##*/}}\" || exit 1; done");
            let mut command = Command::new("sh");
            command.args(["-c", &script]).arg(program("manage")).arg(corpus.builds()).arg(output);
            return command;
        }
        let mut script = "for f in \"$1\"/*.tar.gz; do tar xzf \"$f\" -C \"$2\" || exit 1; done".to_owned();
        if self == Self::TarAndSync {
            script += "; sync --file-system \"$2\"";
        }
        let mut command = Command::new("sh");
        command.args(["-c", &script, "sh"]).arg(corpus.fragments()).arg(output);
        command
    }
}

/// Measures, prints the table and the bars, and returns whether every bar holds.
pub(crate) fn run(arguments: &Arguments) -> Result<bool, Failure> {
    let options = &arguments.options;
    let dir = options.dir()?;
    let million = arguments.million;
    let shape = match (million, options.quick) {
        (true, true) => HUNDRED_THOUSAND,
        (true, false) => MILLION,
        (false, _) => USUAL,
    };
    let corpus = Corpus::provide(&dir, shape)?;
    let tools = if million { Tool::MILLION.to_vec() } else { Tool::USUAL.to_vec() };
    let outputs = dir.join("assembled");
    say::result(format_args!("{}\n", Machine::look(&dir, &["tar", "gzip"])?));
    let rounds = if options.quick { 1 } else { arguments.rounds };
    let mut runs: BTreeMap<Tool, Vec<Run>> = BTreeMap::new();
    for round in 0..rounds {
        if outputs.exists() {
            tree::remove(&outputs)?;
            rustix::fs::sync();
            std::thread::sleep(if million { REST } else { Duration::ZERO });
        }
        for tool in in_turn(tools.clone(), round) {
            let run = one(tool, &corpus, &outputs.join(tool.dir()))?;
            let (name, round, wall_s) = (tool.name(), round + 1, run.cost.wall_s);
            say::progress(format_args!("round {round} of {rounds}: {name}: {wall_s:.2} s"));
            runs.entry(tool).or_default().push(run);
        }
    }
    tree::remove(&outputs)?;
    let rows = Row::of_all(&runs);
    let of = |tool| rows.iter().find(|row| row.tool == tool);
    let tar = of(Tool::Tar);
    let tar_s = tar.map(|row| row.wall_s.median);
    let tar_cpu_s = tar.map(|row| row.cpu_s.median);
    let heading = format!(
        "{} fragments, {} files, {} MiB",
        corpus.shape.machines,
        thousands(corpus.files),
        thousands(corpus.bytes >> 20)
    );
    let header = ["tool", "runs", "wall s", "least–most", "CPU s", "peak MiB", "wall/tar", "CPU/tar"];
    let cells = rows.iter().map(|row| {
        vec![
            row.tool.name().to_owned(),
            row.runs.to_string(),
            format!("{:.2}", row.wall_s.median),
            format!("{:.2}–{:.2}", row.wall_s.least, row.wall_s.most),
            format!("{:.2}", row.cpu_s.median),
            format!("{:.1}", row.peak_mib),
            ratio(row.wall_s.median, tar_s),
            ratio(row.cpu_s.median, tar_cpu_s),
        ]
    });
    say::result(options.style().figures(&heading, &header, cells));
    let limits = if million { OF_MILLION } else { OF_USUAL };
    let bars = bars(&limits, &rows, tar_s);
    let others = rows.iter().map(|row| row.others).fold(0.0, f64::max);
    Ok(bars::conclude(WORDS, &bars, others, options))
}

fn bars(limits: &Limits, rows: &[Row<Tool>], tar_s: Option<f64>) -> Vec<Bar> {
    let Limits { id, ratio, peak_mib } = *limits;
    let of = |row: &Row<Tool>| {
        let name = row.tool.name();
        let wall = tar_s.map(|tar_s| row.wall_s.median / tar_s);
        let memory = format!("{name}: peak of memory, at most {peak_mib:.0} MiB");
        [
            Bar::at_most(id, format!("{name}: wall time, at most {ratio:.2} of tar's"), wall, ratio, 2),
            Bar::at_most(id, memory, Some(row.peak_mib), peak_mib, 1),
        ]
    };
    rows.iter().filter(|row| row.tool.is_ours()).flat_map(of).collect()
}

/// Makes one run into an empty directory, and checks that everything is there.
fn one(tool: Tool, corpus: &Corpus, output: &Path) -> Result<Run, Failure> {
    tree::clear(output)?;
    tree::read(&corpus.fragments())?;
    rustix::fs::sync();
    let said = output.with_extension("said");
    let cost = measure::run(&mut tool.command(corpus, output), &said)?;
    let target: PathBuf = match tool {
        Tool::Ours => output.join(corpus::NAME).join(corpus::VERSION),
        Tool::Fragment => {
            let (made, expected) = (tree::bytes(output)?, tree::bytes(&corpus.fragments())?);
            if made != expected {
                return Err(Failure::new(format!("fragments of {made} bytes, and not {expected}")));
            }
            return Ok(Run { cost, output_bytes: made });
        }
        Tool::Tar | Tool::TarAndSync => output.to_owned(),
    };
    // Of the lists there is one, or all of them.
    let mut bytes = 0;
    let mut files = 0;
    tree::walk(&target, &mut |path, seen| {
        if !path.file_name().is_some_and(|name| name.as_encoded_bytes().starts_with(b"built.files.")) {
            files += 1;
            bytes += seen.len();
        }
        Ok(())
    })?;
    if (files, bytes) != (corpus.distinct_files, corpus.distinct_bytes) {
        return Err(Failure::new(format!("{} made {files} files of {bytes} bytes", tool.name())));
    }
    Ok(Run { cost, output_bytes: bytes })
}

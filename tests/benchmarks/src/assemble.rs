//! `tests/bench assemble`: what it costs to make one package of the fragments of many machines.
//!
//! The peer is `tar xzf` of one fragment after the other into one directory, which checks nothing: no list, no digest, no
//! conflict; what comes later overwrites. It does not wait for the disk either, as `manage assemble` does before the package
//! gets its name; a second row is the peer with a `sync` of the file system behind it.

mod corpus;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;

use clap::Args;

use self::corpus::Corpus;
use crate::bars::{self, Bar};
use crate::failure::Failure;
use crate::machine::Machine;
use crate::measure;
use crate::options::{Options, in_turn};
use crate::ours::program;
use crate::summary::{Row, Run};
use crate::table::{ratio, thousands};
use crate::{say, tree};

/// A5.
const RATIO: f64 = 0.8;
const PEAK_MIB: f64 = 64.0;

/// What to measure, and how often.
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

const WORDS: &str = "\
Wall and CPU seconds are medians, peaks are the most of all runs. manage checks every fragment against its list, by MD5, looks for
conflicts, and waits until everything is on the disk; tar does none of it, tar and sync wait for the disk.";

/// What runs in a round.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Tool {
    Ours,
    Tar,
    TarAndSync,
}

impl Tool {
    const ALL: [Self; 3] = [Self::Ours, Self::Tar, Self::TarAndSync];

    fn name(self) -> &'static str {
        match self {
            Self::Ours => "manage assemble",
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
    let corpus = Corpus::provide(&dir)?;
    let output = dir.join("assembled");
    say::result(format_args!("{}\n", Machine::look(&dir, &["tar", "gzip"])?));
    let rounds = if options.quick { 1 } else { arguments.rounds };
    let mut runs: BTreeMap<Tool, Vec<Run>> = BTreeMap::new();
    for round in 0..rounds {
        for tool in in_turn(Tool::ALL.to_vec(), round) {
            let run = one(tool, &corpus, &output)?;
            let (name, round, wall_s) = (tool.name(), round + 1, run.cost.wall_s);
            say::progress(format_args!("round {round} of {rounds}: {name}: {wall_s:.2} s"));
            runs.entry(tool).or_default().push(run);
        }
    }
    tree::remove(&output)?;
    let rows = Row::of_all(&runs);
    let of = |tool| rows.iter().find(|row| row.tool == tool);
    let tar_s = of(Tool::Tar).map(|row| row.wall_s.median);
    let heading = format!(
        "{} fragments, {} files, {} MiB",
        corpus::MACHINES,
        thousands(corpus.files),
        thousands(corpus.bytes >> 20)
    );
    let header = ["tool", "runs", "wall s", "least–most", "CPU s", "peak MiB", "wall/tar"];
    let cells = rows.iter().map(|row| {
        vec![
            row.tool.name().to_owned(),
            row.runs.to_string(),
            format!("{:.2}", row.wall_s.median),
            format!("{:.2}–{:.2}", row.wall_s.least, row.wall_s.most),
            format!("{:.2}", row.cpu_s.median),
            format!("{:.1}", row.peak_mib),
            ratio(row.wall_s.median, tar_s),
        ]
    });
    say::result(options.style().figures(&heading, &header, cells));
    let ours = of(Tool::Ours);
    let wall = ours.zip(tar_s).map(|(ours, tar_s)| ours.wall_s.median / tar_s);
    let bars = [
        Bar::at_most("A5", format!("wall time, at most {RATIO:.2} of tar's"), wall, RATIO, 2),
        Bar::at_most(
            "A5",
            format!("peak of memory, at most {PEAK_MIB:.0} MiB"),
            ours.map(|row| row.peak_mib),
            PEAK_MIB,
            1,
        ),
    ];
    let others = rows.iter().map(|row| row.others).fold(0.0, f64::max);
    Ok(bars::conclude(WORDS, &bars, others, options))
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

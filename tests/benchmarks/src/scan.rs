//! `tests/bench dispatch-scan`: a scan of a large tree for new packages, against `find -newer`.
//!
//! In each round one file gets another content, and both tools look for it; each round begins with another
//! one. The tree was walked through before, so that both find it in memory. find asks for the times of all
//! files; `upload dispatch --scan` asks for all of their status, compares it with what it has noted, reads
//! the file that has changed, notes it, and plans it, all of it on the disk. Its machine refuses connections,
//! so that the time holds a whole run but the sending.
//!
//! Which files are read is seen by strace, in a run of its own behind the others.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread;
use std::time::Duration;

use clap::Args;

use crate::bars::{self, Bar};
use crate::failure::{Doing as _, Failure};
use crate::machine::Machine;
use crate::measure::{self, Cost};
use crate::options::{Options, in_turn};
use crate::ours::{program, quoted, write_private};
use crate::summary::Spread;
use crate::{say, table, tree};

/// The Debian packages that hold the peer, and what sees which files are read.
const PACKAGES: [&str; 2] = ["findutils", "strace"];

/// So many files are in each directory.
const IN_A_DIRECTORY: u32 = 100;

/// The time of a scan, of find's.
const RATIO: f64 = 1.5;

/// A file is taken when it was not written to for a second, and a time stamp is a little late.
const SETTLED: Duration = Duration::from_millis(1200);

/// How often, and how much.
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// How often each tool runs
    #[arg(long, value_name = "N", default_value_t = 9, conflicts_with = "quick", value_parser = clap::value_parser!(u32).range(1..))]
    rounds: u32,

    /// How many files are in the tree [default: 200000; 20000 for a quick look]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    files: Option<u32>,

    /// All files are in one directory
    #[arg(long)]
    flat: bool,

    #[command(flatten)]
    options: Options,
}

impl Default for Arguments {
    fn default() -> Self {
        Self { rounds: 9, files: None, flat: false, options: Options::default() }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Tool {
    Find,
    Scan,
}

/// Measures, and prints; returns whether all bars hold.
pub(crate) fn run(arguments: &Arguments) -> Result<bool, Failure> {
    let options = &arguments.options;
    let rounds = if options.quick { 3 } else { arguments.rounds };
    let files = arguments.files.unwrap_or(if options.quick { 20_000 } else { 200_000 });
    let dir = options.dir()?;
    let machine = Machine::look(&dir, &PACKAGES)?;
    let stand = Stand::set_up(&dir.join("dispatch-scan"), files, arguments.flat)?;
    let (mut found, mut scanned): (Vec<Cost>, Vec<Cost>) = (Vec::new(), Vec::new());
    for round in 0..rounds {
        let changed = stand.change(round)?;
        for tool in in_turn(vec![Tool::Find, Tool::Scan], round) {
            let cost = stand.one(tool, &changed)?;
            let (now, name) = (round + 1, stand.name(tool));
            say::progress(format_args!("round {now} of {rounds}: {name}: {:.3} s", cost.wall_s));
            match tool {
                Tool::Find => found.push(cost),
                Tool::Scan => scanned.push(cost),
            }
        }
    }
    let changed = stand.change(rounds)?;
    let read = stand.read_by_a_scan()?;
    let is_right = read.len() == 1 && read.contains(&changed);
    let wall = |costs: &[Cost]| Spread::of(costs.iter().map(|cost| cost.wall_s)).median;
    let row = |tool: Tool, costs: &[Cost]| {
        let cpu = Spread::of(costs.iter().map(|cost| cost.cpu_s)).median;
        let peak = costs.iter().map(|cost| cost.peak_kib).max().unwrap_or_default();
        let ratio = wall(costs) / wall(&found);
        let mib = peak as f64 / 1024.0;
        vec![
            stand.name(tool).to_owned(),
            format!("{:.3}", wall(costs)),
            format!("{ratio:.2}"),
            format!("{cpu:.3}"),
            format!("{mib:.0}"),
        ]
    };
    say::result(machine);
    let files = table::thousands(u64::from(files));
    let heading = format!("One changed file of {files}, medians of {rounds}");
    let rows = [row(Tool::Find, &found), row(Tool::Scan, &scanned)];
    let header = ["tool", "wall s", "of find's", "CPU s", "peak MiB"];
    say::result(options.style().figures(&heading, &header, rows.into_iter()));
    let ratio = wall(&scanned) / wall(&found);
    let what = format!("a scan, at most {RATIO} of find's time");
    let quick = Bar::at_most("D6", what, Some(ratio), RATIO, 2);
    let text = format!(
        "files of the tree that the scan opened or read: {}, the changed one: {is_right}",
        read.len()
    );
    let sparing = Bar { id: "D6", text, verdict: Some(is_right) };
    let others = found.iter().chain(&scanned).map(|cost| cost.others).fold(0.0, f64::max);
    let words = "What differs is noted and planned on the disk before a scan ends; find notes nothing.";
    Ok(bars::conclude(words, &[quick, sparing], others, options))
}

/// A tree, and where the program keeps what it knows.
struct Stand {
    dir: PathBuf,
    tree: PathBuf,
    files: u32,
    is_flat: bool,
}

impl Stand {
    /// Makes the tree, unless it is there, and scans it for the first time.
    fn set_up(dir: &Path, files: u32, is_flat: bool) -> Result<Self, Failure> {
        let tree = dir.join(format!("{files}{}", if is_flat { "-flat" } else { "" }));
        let stand = Self { dir: dir.to_owned(), tree, files, is_flat };
        let complete = stand.tree.join(".complete");
        if !complete.exists() {
            say::progress(format_args!("making {files} files"));
            for n in 0..files {
                stand.write(n, &format!("the content of package {n}\n"))?;
            }
            write_private(&complete, b"")?;
        }
        for name in ["home", "state"] {
            let path = dir.join(name);
            fs::create_dir_all(&path).doing(|| format!("cannot make {}", path.display()))?;
            tree::clear(&path)?;
        }
        let text = format!("[dispatch]\ntrees = [{}]\nsettle_s = 1\n", quoted(stand.tree.display()));
        write_private(&dir.join("intraware.toml"), text.as_bytes())?;
        let routes = "[app-.*]\nhost = 127.0.0.1:1\nlogin = bench\npassword = bench\nprotocol = sftp\n";
        write_private(&dir.join("general-dispatch-info.cfg"), routes.as_bytes())?;
        let known = dir.join("home/.ssh");
        fs::create_dir(&known).doing(|| format!("cannot make {}", known.display()))?;
        write_private(&known.join("known_hosts"), b"")?;
        say::progress("the first scan");
        measure::output(&mut stand.scan())?;
        Ok(stand)
    }

    fn path(&self, n: u32) -> PathBuf {
        let name = format!("app-{n:06}.tar.gz");
        if self.is_flat {
            self.tree.join(name)
        } else {
            self.tree.join((n / IN_A_DIRECTORY).to_string()).join(name)
        }
    }

    fn write(&self, n: u32, text: &str) -> Result<PathBuf, Failure> {
        let path = self.path(n);
        let parent = path.parent().unwrap_or(&self.tree);
        fs::create_dir_all(parent).doing(|| format!("cannot make {}", parent.display()))?;
        fs::write(&path, text).doing(|| format!("cannot write {}", path.display()))?;
        Ok(path)
    }

    /// Gives a file another content, and waits until it has settled; what find compares with was written
    /// before. What was found before is held, so that nothing is tried but what is new.
    fn change(&self, round: u32) -> Result<PathBuf, Failure> {
        if round > 0 {
            let mut hold = self.upload(Command::new(program("upload")), "--hold");
            measure::output(hold.arg("@127.0.0.1:1"))?;
        }
        let reference = self.dir.join("reference");
        File::create(&reference).doing(|| format!("cannot write {}", reference.display()))?;
        thread::sleep(Duration::from_millis(50));
        let n = (round + 1) * (self.files / 64).max(1) % self.files;
        let id = std::process::id();
        let changed = self.write(n, &format!("another content of package {n}, {id} {round}\n"))?;
        rustix::fs::sync();
        thread::sleep(SETTLED);
        Ok(changed)
    }

    fn name(&self, tool: Tool) -> &'static str {
        match tool {
            Tool::Find => "find -newer",
            Tool::Scan => "upload dispatch --scan",
        }
    }

    /// Runs a tool, and sees that it has found the changed file.
    fn one(&self, tool: Tool, changed: &Path) -> Result<Cost, Failure> {
        let said = self.dir.join("said");
        let mut command = match tool {
            Tool::Find => {
                let mut find = Command::new("find");
                find.arg(&self.tree).args(["-type", "f", "-newer"]).arg(self.dir.join("reference"));
                find
            }
            Tool::Scan => self.scan(),
        };
        let cost = measure::run(&mut command, &said)?;
        let said = match tool {
            Tool::Find => fs::read_to_string(&said).doing(|| format!("cannot read {}", said.display()))?,
            Tool::Scan => measure::output(&mut self.upload(Command::new(program("upload")), "--status"))?,
        };
        let name = changed.file_name().unwrap_or_default().to_string_lossy().into_owned();
        if !said.contains(&name) {
            return Err(Failure::new(format!("{} has not found {name}: {said}", self.name(tool))));
        }
        Ok(cost)
    }

    /// Returns a scan, which ends well if its machine refuses the connection.
    fn scan(&self) -> Command {
        let mut command = Command::new("sh");
        command.args(["-c", "\"$@\" || [ $? = 69 ]", "sh"]).arg(program("upload"));
        self.upload(command, "--scan")
    }

    fn upload(&self, mut command: Command, deed: &str) -> Command {
        command.arg("--config").arg(self.dir.join("intraware.toml"));
        command.args(["dispatch", "--state"]).arg(self.dir.join("state")).arg(deed);
        command.env_clear().env("HOME", self.dir.join("home")).env("PATH", "/usr/bin:/bin");
        command
    }

    /// Scans under strace; returns the files of the tree that were opened or read.
    fn read_by_a_scan(&self) -> Result<BTreeSet<PathBuf>, Failure> {
        let trace = self.dir.join("trace");
        let calls =
            "trace=open,openat,openat2,read,pread64,readv,preadv,preadv2,mmap,copy_file_range,sendfile";
        let mut command = Command::new("sh");
        command.args([
            "-c",
            "\"$@\" || [ $? = 69 ]",
            "sh",
            "strace",
            "-f",
            "-qq",
            "--seccomp-bpf",
            "-y",
            "-e",
            calls,
        ]);
        command.arg("-o").arg(&trace).arg(program("upload"));
        measure::output(&mut self.upload(command, "--scan"))?;
        let text = fs::read_to_string(&trace).doing(|| format!("cannot read {}", trace.display()))?;
        let of_tree = |line: &str| {
            let at = line.find(&format!("{}/", self.tree.display()))?;
            let path: String = line[at..].chars().take_while(|c| !matches!(c, '>' | '"')).collect();
            Some(PathBuf::from(path))
        };
        let lines = text.lines().filter(|line| !line.contains("O_DIRECTORY"));
        Ok(lines.filter_map(of_tree).filter(|path| path.extension().is_some()).collect())
    }
}

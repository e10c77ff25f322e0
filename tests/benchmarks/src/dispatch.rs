//! `tests/bench dispatch`: many packages to many machines with an upgrade of each, some of the machines dead,
//! failing or hanging, against Ansible's `copy` and `command`.
//!
//! Each machine is an sshd of its own at its own address on loopback, all on this host. A run of ours to the
//! healthy machines alone says what they cost; a run to all says what the others cost them: until the last
//! healthy one has run its last upgrade. Ansible gets fewer packages, which take long enough; ours gets the
//! same ones once more for that.

mod fleet;
mod peer;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::SystemTime;

use clap::Args;

use crate::bars::{self, Bar};
use crate::failure::{Doing as _, Failure};
use crate::machine::Machine;
use crate::measure::{self, Cost};
use crate::options::Options;
use crate::ours::{program, write_private};
use crate::{say, tree};

use fleet::{Fleet, HERE, Kind};

/// The Debian packages that hold the servers and the peer's interpreter.
const PACKAGES: [&str; 2] = ["openssh-server", "python3"];

/// How many bytes a package has.
const BYTES: usize = 32 << 10;

/// How long an upgrade may take, in seconds: what a machine that hangs costs a run at least.
const LIMIT_S: u32 = 10;

/// The bars: of the time without the bad machines, of memory in MiB, of Ansible's time.
const RATIO: f64 = 1.3;
const MEMORY_MIB: f64 = 64.0;
const PEER_RATIO: f64 = 0.2;

/// How much.
#[derive(Debug, Default, Args)]
pub(crate) struct Arguments {
    /// How many packages [default: 200; 20 for a quick look]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=10_000))]
    packages: Option<u32>,

    /// How many of them Ansible gets [default: 10; 2 for a quick look]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=10_000))]
    ansible: Option<u32>,

    #[command(flatten)]
    options: Options,
}

/// Measures, and prints; returns whether all bars hold.
pub(crate) fn run(arguments: &Arguments) -> Result<bool, Failure> {
    let options = &arguments.options;
    let choose = |given: Option<u32>, quick: u32, whole: u32| {
        given.unwrap_or(if options.quick { quick } else { whole }) as usize
    };
    let (number, fewer) = (choose(arguments.packages, 20, 200), choose(arguments.ansible, 2, 10));
    let dir = options.dir()?;
    let machine = Machine::look(&dir, &PACKAGES)?;
    let stand = Stand::set_up(&dir.join("dispatch"), number.max(fewer))?;
    let (all, few) = (&stand.packages[..number], &stand.packages[..fewer]);
    let healthy = stand.fleet.hosts(|kind| kind == Kind::Healthy).len();
    let machines = stand.fleet.hosts(|_| true).len();

    let alone = stand.ours("alone", all, false)?;
    say::progress(format_args!("{number} packages to {healthy} machines: {:.1} s", alone.healthy_s));
    let with_bad = stand.ours("with-bad", all, true)?;
    say::progress(format_args!(
        "{number} packages to {machines} machines, the healthy ones: {:.1} s, all: {:.1} s",
        with_bad.healthy_s, with_bad.cost.wall_s
    ));
    let ours = stand.ours("few", few, false)?;
    let peer = stand.peer(few)?;
    say::progress(format_args!("{fewer} packages: {:.1} s, Ansible {:.1} s", ours.cost.wall_s, peer.wall_s));

    let row = |tool: &str, packages: usize, machines: usize, healthy_s: f64, cost: Cost| {
        vec![
            tool.to_owned(),
            packages.to_string(),
            machines.to_string(),
            format!("{healthy_s:.1}"),
            format!("{:.1}", cost.wall_s),
            format!("{:.1}", cost.cpu_s),
            format!("{:.1}", mib(cost)),
        ]
    };
    let rows = [
        row("upload dispatch", number, healthy, alone.healthy_s, alone.cost),
        row("upload dispatch, 9 bad", number, machines, with_bad.healthy_s, with_bad.cost),
        row("upload dispatch", fewer, healthy, ours.healthy_s, ours.cost),
        row("ansible copy, command", fewer, healthy, peer.wall_s, peer),
    ];
    say::result(machine);
    let heading = format!("Packages of {} KiB with an upgrade each, to machines on this host", BYTES >> 10);
    let header = ["tool", "packages", "machines", "healthy done s", "wall s", "CPU s", "peak MiB"];
    say::result(options.style().figures(&heading, &header, rows.into_iter()));
    let bad = with_bad.healthy_s / alone.healthy_s;
    let peak = mib(with_bad.cost).max(mib(alone.cost));
    let share = ours.cost.wall_s / peer.wall_s;
    let bars = [
        Bar::at_most(
            "D3",
            format!("the healthy ones of {machines}, of their time alone, at most {RATIO}"),
            Some(bad),
            RATIO,
            2,
        ),
        Bar::at_most("D3", format!("memory in MiB, at most {MEMORY_MIB:.0}"), Some(peak), MEMORY_MIB, 1),
        Bar::at_most("D3", format!("time, of Ansible's, at most {PEER_RATIO}"), Some(share), PEER_RATIO, 3),
    ];
    let words = "Bad are five machines that are dead, each in another way, three whose upgrade fails, and one whose upgrade never\n\
                 ends. Times of the healthy ones are until the last of them has run its last upgrade. CPU and memory are the tool's,\n\
                 without the machines, which run on the same cores. Ansible has 20 forks and else its defaults, without gathering facts.";
    let others = [alone.cost, with_bad.cost, ours.cost, peer].map(|cost| cost.others);
    let holds = bars::conclude(words, &bars, others.into_iter().fold(0.0, f64::max), options);
    let stood = stand.dir.clone();
    drop(stand);
    tree::remove(&stood)?;
    Ok(holds)
}

fn mib(cost: Cost) -> f64 {
    cost.peak_kib as f64 / 1024.0
}

/// What a run of ours came to.
struct Took {
    cost: Cost,
    /// Until the last healthy machine had run its last upgrade.
    healthy_s: f64,
}

/// The machines and what goes there.
struct Stand {
    dir: PathBuf,
    fleet: Fleet,
    packages: Vec<PathBuf>,
}

impl Stand {
    fn set_up(dir: &Path, number: usize) -> Result<Self, Failure> {
        tree::clear(dir)?;
        let incoming = dir.join("packages");
        fs::create_dir(&incoming).doing(|| format!("cannot make {}", incoming.display()))?;
        let mut packages = Vec::new();
        for place in 0..number {
            let path = incoming.join(format!("app-{place:05}.tgz"));
            let line = format!("package {place} of the bench\n");
            let content = line.bytes().cycle().take(BYTES).collect::<Vec<u8>>();
            fs::write(&path, content).doing(|| format!("cannot write {}", path.display()))?;
            packages.push(path);
        }
        use Kind::{Closes, Fails, Hangs, Healthy, Refuses, Silent, Swallows};
        // What is worst first.
        let mut kinds = vec![Swallows, Silent, Hangs, Closes, Refuses, Refuses, Fails, Fails, Fails];
        kinds.resize(40, Healthy);
        Ok(Self { dir: dir.to_owned(), fleet: Fleet::start(&dir.join("machines"), &kinds)?, packages })
    }

    /// Dispatches packages to the healthy machines, or to all.
    fn ours(&self, run: &str, packages: &[PathBuf], with_bad: bool) -> Result<Took, Failure> {
        self.fleet.clear(run)?;
        let home = self.dir.join("home");
        tree::clear(&home)?;
        let hosts = self.fleet.hosts(|kind| with_bad || kind == Kind::Healthy);
        let hosts: Vec<String> = hosts.iter().map(ToString::to_string).collect();
        let routes = format!(
            "[app-.*]\nhost = {}\nlogin = root\nprivate_key = {}\nknown_hosts = {}\nprotocol = sftp\n\
             dest_dir = {HERE}/in\ncommand = [\"{HERE}/upgrade\", \"{{path}}\"]\ncommand_timeout_s = {LIMIT_S}\n\
             marker_dir = {HERE}/markers\n",
            hosts.join(" "),
            self.fleet.private_key().display(),
            self.fleet.known_hosts().display(),
        );
        write_private(&home.join("general-dispatch-info.cfg"), routes.as_bytes())?;
        let mut command = Command::new("sh");
        // What the bad machines make it end with is no failure of the measurement.
        command.args(["-c", "\"$0\" \"$@\" || [ $? -lt 100 ]"]).arg(program("upload"));
        command.args(["--config", "intraware.toml", "dispatch", "--"]).args(packages);
        command.env_clear().env("HOME", &home).env("PATH", "/usr/bin:/bin").current_dir(&home);
        let begun = self.time()?;
        let cost = measure::run(&mut command, &self.dir.join("said"))?;
        let last = self.fleet.check(packages, "in")?;
        let healthy_s =
            last.duration_since(begun).doing(|| "the clock was set back".to_owned())?.as_secs_f64();
        Ok(Took { cost, healthy_s })
    }

    /// Returns the time by the clock that files have.
    fn time(&self) -> Result<SystemTime, Failure> {
        let stamp = self.dir.join("stamp");
        let written = fs::write(&stamp, "now").and_then(|()| fs::metadata(&stamp)?.modified());
        written.doing(|| format!("cannot write {}", stamp.display()))
    }

    /// Has Ansible do the same at the healthy machines.
    fn peer(&self, packages: &[PathBuf]) -> Result<Cost, Failure> {
        self.fleet.clear("peer")?;
        let mut command = peer::playbook(&self.dir.join("ansible"), &self.fleet, packages)?;
        let cost = measure::run(&mut command, &self.dir.join("said"))?;
        self.fleet.check(packages, "in")?;
        Ok(cost)
    }
}

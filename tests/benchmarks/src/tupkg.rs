//! `tests/bench tupkg`: one package over the tupkg protocol, against scp, on loopback.
//!
//! In each round every tool runs once, and each round begins with another one. What is sent has been read
//! before, and what was written before is on the disk. scp writes without flushing and compares nothing; the
//! tupkg server has digested what came, and flushed it to the disk, before it says PASS.
//!
//! Two times are taken of ours: of the whole process, which digests the package before it connects, and of
//! its session alone, from connecting to the verdict, as `upload send --json` tells it. The bars are on the
//! session. The whole of scp is its process; its login takes a tenth of a second.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use clap::Args;
use intraware_test_support::certificate::Certificates;
use serde_json::Value;

use crate::bars::{self, Bar};
use crate::delivery::case::Load;
use crate::delivery::far_end::{FarEnd, HOST};
use crate::delivery::payloads::Payloads;
use crate::failure::{Doing as _, Failure};
use crate::machine::Machine;
use crate::measure;
use crate::options::{Options, in_turn};
use crate::ours::{program, quoted, write_private};
use crate::summary::Spread;
use crate::{say, tree};

/// The Debian packages that hold the peer and its server.
const PACKAGES: [&str; 2] = ["openssh-client", "openssh-server"];
/// What is sent, by the name that it has at the server.
const NAME: &str = "bench.pkg.tar.xz";

/// The session's rate, of scp's.
const TLS_RATIO: f64 = 0.8;
const PLAIN_RATIO: f64 = 2.0;

/// How often, and how much.
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// How often each tool runs
    #[arg(long, value_name = "N", default_value_t = 5, conflicts_with = "quick", value_parser = clap::value_parser!(u32).range(1..))]
    rounds: u32,

    /// The size of the package in MiB [default: 1024; 128 for a quick look]
    #[arg(long, value_name = "MIB", value_parser = clap::value_parser!(u32).range(1..))]
    size: Option<u32>,

    #[command(flatten)]
    options: Options,
}

impl Default for Arguments {
    fn default() -> Self {
        Self { rounds: 5, size: None, options: Options::default() }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Tool {
    Tls,
    Plain,
    Scp,
}

impl Tool {
    const ALL: [Self; 3] = [Self::Tls, Self::Plain, Self::Scp];

    fn name(self) -> &'static str {
        match self {
            Self::Tls => "upload send, TLS",
            Self::Plain => "upload send, plain",
            Self::Scp => "scp",
        }
    }
}

/// What one run took.
#[derive(Debug, Clone, Copy)]
struct Took {
    wall_s: f64,
    session_s: f64,
    cpu_s: f64,
    others: f64,
}

/// Measures, and prints; returns whether all bars hold.
pub(crate) fn run(arguments: &Arguments) -> Result<bool, Failure> {
    let options = &arguments.options;
    let rounds = if options.quick { 1 } else { arguments.rounds };
    let mib = arguments.size.unwrap_or(if options.quick { 128 } else { 1024 });
    let dir = options.dir()?;
    let machine = Machine::look(&dir, &PACKAGES)?;
    let load = Load { files: 1, file_bytes: u64::from(mib) << 20 };
    let payloads = Payloads::provide(&dir, load)?;
    let stand = Stand::set_up(&dir.join("tupkg"), &payloads)?;
    let mut runs: BTreeMap<Tool, Vec<Took>> = BTreeMap::new();
    for round in 0..rounds {
        for tool in in_turn(Tool::ALL.to_vec(), round) {
            let took = stand.one(tool)?;
            let (now, others) = (round + 1, took.others * 100.0);
            say::progress(format_args!(
                "round {now} of {rounds}: {}: {:.2} s, session {:.2} s, others {others:.0} %",
                tool.name(),
                took.wall_s,
                took.session_s
            ));
            runs.entry(tool).or_default().push(took);
        }
    }
    let rate = |tool: Tool, time: fn(&Took) -> f64| {
        let median = Spread::of(runs.get(&tool).into_iter().flatten().map(time)).median;
        f64::from(mib) / median
    };
    let row = |tool: Tool| {
        let cpu = Spread::of(runs.get(&tool).into_iter().flatten().map(|took| took.cpu_s)).median;
        let (session, whole) = (rate(tool, |took| took.session_s), rate(tool, |took| took.wall_s));
        let scp = rate(Tool::Scp, |took| took.wall_s);
        vec![
            tool.name().to_owned(),
            format!("{session:.0}"),
            format!("{:.2}", session / scp),
            format!("{whole:.0}"),
            format!("{:.2}", whole / scp),
            format!("{cpu:.2}"),
        ]
    };
    say::result(machine);
    let heading = format!("One package of {mib} MiB on loopback, medians of {rounds}");
    let header = ["tool", "session MiB/s", "of scp's", "whole MiB/s", "of scp's", "client CPU s"];
    say::result(options.style().figures(&heading, &header, Tool::ALL.into_iter().map(row)));
    let bar = |tool: Tool, limit: f64| {
        let what = format!("session of {}, at least {limit:.1} of scp's rate", tool.name());
        let ratio = rate(tool, |took| took.session_s) / rate(Tool::Scp, |took| took.wall_s);
        Bar::at_least("T6", what, Some(ratio), limit, 2)
    };
    let all = [bar(Tool::Tls, TLS_RATIO), bar(Tool::Plain, PLAIN_RATIO)];
    let others = runs.values().flatten().map(|took| took.others).fold(0.0, f64::max);
    let words = "Before it says PASS our server has digested what came and flushed it to the disk; scp's does neither.";
    Ok(bars::conclude(words, &all, others, options))
}

/// The servers and what they are given.
struct Stand {
    dir: PathBuf,
    package: PathBuf,
    far_end: FarEnd,
    server: Server,
}

impl Stand {
    fn set_up(dir: &Path, payloads: &Payloads) -> Result<Self, Failure> {
        tree::clear(dir)?;
        let package = dir.join(NAME);
        let source = payloads.names().next().map(|name| payloads.flat().join(name));
        let link = source.map(|source| fs::hard_link(source, &package));
        link.transpose().doing(|| format!("cannot link {}", package.display()))?;
        Ok(Self { dir: dir.to_owned(), package, far_end: FarEnd::start(dir), server: Server::start(dir)? })
    }

    fn one(&self, tool: Tool) -> Result<Took, Failure> {
        let way = self.far_end.open(None)?;
        self.server.forget(&self.dir)?;
        rustix::fs::sync();
        tree::read(&self.package)?;
        let said = self.dir.join("said");
        let mut command = match tool {
            Tool::Scp => {
                let mut scp = Command::new("scp");
                scp.args(["-q", "-F"]).arg(&way.ssh_config).arg(&self.package);
                scp.arg(format!("{HOST}:{}/", way.base.display()));
                scp
            }
            Tool::Tls | Tool::Plain => {
                let name = if tool == Tool::Tls { "tls" } else { "plain" };
                let mut send = Command::new(program("upload"));
                send.args(["send", "--no-check", "--json", "--account"])
                    .arg(self.dir.join(name))
                    .arg(&self.package);
                send
            }
        };
        let cost = measure::run(&mut command, &said)?;
        let arrived = match tool {
            Tool::Scp => way.base.join(NAME),
            Tool::Tls | Tool::Plain => self.dir.join("root/incoming/u1").join(NAME),
        };
        measure::output(Command::new("cmp").arg(&self.package).arg(arrived))?;
        let session_s = match tool {
            Tool::Scp => cost.wall_s,
            Tool::Tls | Tool::Plain => session_s(&said)?,
        };
        Ok(Took { wall_s: cost.wall_s, session_s, cpu_s: cost.cpu_s, others: cost.others })
    }
}

/// Returns how long the session took, by what the client says.
fn session_s(said: &Path) -> Result<f64, Failure> {
    let text = fs::read_to_string(said).doing(|| format!("cannot read {}", said.display()))?;
    let said: Value = serde_json::from_str(&text).doing(|| "upload send prints no JSON".to_owned())?;
    said["packages"][0]["session_s"]
        .as_f64()
        .ok_or_else(|| Failure::new(format!("there is no session_s in {said}")))
}

/// A tupkg server. Dropping it kills it.
struct Server(Child);

impl Server {
    fn start(dir: &Path) -> Result<Self, Failure> {
        let certificates = Certificates::make(dir);
        let both = quoted(certificates.identity("server").display());
        let [root, accounts, log] = ["root", "accounts", "log"].map(|name| dir.join(name));
        let settings = format!(
            "listen = [\"127.0.0.1:0\"]\nroot = {}\naccounts = {}\ncertificate = {both}\nkey = {both}\nlimits.quota = \"1T\"\n",
            quoted(root.display()),
            quoted(accounts.display()),
        );
        let path = dir.join("tupkgs.toml");
        write_private(&path, settings.as_bytes())?;
        let password = dir.join("password");
        write_private(&password, b"bench\n")?;
        let open = || File::open(&password).doing(|| format!("cannot read {}", password.display()));
        let serve = |more: &[&str]| {
            let mut command = Command::new(program("upload"));
            command.args(["serve", "--settings"]).arg(&path).args(more).env_clear();
            command
        };
        measure::output_from(&mut serve(&["passwd", "bench"]), open()?)?;
        let stderr = File::create(&log).doing(|| format!("cannot write {}", log.display()))?;
        let child = serve(&[])
            .stdin(Stdio::null())
            .stderr(stderr)
            .spawn()
            .doing(|| "cannot start upload".to_owned())?;
        let server = Self(child);
        let address = listening(&log)?;
        let authority = certificates.authority();
        for (name, protection) in
            [("tls", format!("ca_file = {}", authority.display())), ("plain", "tls = no".to_owned())]
        {
            let (host, port) = (address.ip(), address.port());
            let text = format!(
                "[tupkg]\nusername = bench\npassword = bench\nhost = {host}\nport = {port}\n{protection}\n"
            );
            write_private(&dir.join(name), text.as_bytes())?;
        }
        Ok(server)
    }

    /// Removes what was sent before, so that it is sent again.
    fn forget(&self, dir: &Path) -> Result<(), Failure> {
        let account = dir.join("root/accounts/u1");
        if account.is_dir() {
            tree::clear(&account.join("done"))?;
            tree::clear(&dir.join("root/incoming/u1"))?;
        }
        Ok(())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // One that has ended is as dead as wanted.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Waits until the server says where it listens.
fn listening(log: &Path) -> Result<SocketAddr, Failure> {
    let begin = Instant::now();
    loop {
        let said = fs::read_to_string(log).doing(|| format!("cannot read {}", log.display()))?;
        let address = said.lines().find_map(|line| line.split("listening on ").nth(1)?.trim().parse().ok());
        match address {
            Some(address) => return Ok(address),
            None if begin.elapsed() > Duration::from_secs(10) => {
                return Err(Failure::new(format!("the tupkg server does not start: {said}")));
            }
            None => std::thread::sleep(Duration::from_millis(10)),
        }
    }
}

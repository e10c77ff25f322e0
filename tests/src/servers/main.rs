//! Takes builds their whole way at servers of other makes, near and far, and says which fit as a site:
//! `tests/servers`, which installs them, says how to call it.
//!
//! Fit are those at which everything is delivered whole, and those that `upload check` refuses. Anything else
//! is a failure: a delivery that never ends, wrong bytes under a final name, somebody else's bytes lost. What
//! came of each server is kept beside what was installed, and `--write` makes `docs/sites.md` of it.

mod command;
mod kept;
mod life;
mod page;
mod room;
mod say;
mod server;
mod way;

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Instant;
use std::{panic, thread};

use clap::Parser;

use self::kept::{Kept, Versions};
use self::life::{Seen, Verdict};
use self::say::{complain, say};
use self::server::{SERVERS, Server};
use self::way::{WAYS, Way};

/// Takes builds their whole way at servers of other makes
#[derive(Debug, Parser)]
#[command(name = "tests/servers")]
struct Options {
    /// Only these servers
    #[arg(long, value_name = "NAME", value_delimiter = ',')]
    only: Vec<String>,
    /// Only on this host
    #[arg(long, conflicts_with = "far")]
    near: bool,
    /// Only over a long line
    #[arg(long)]
    far: bool,
    /// Write docs/sites.md from what came of all servers, those of earlier runs as well
    #[arg(long)]
    write: bool,
    /// Try nothing; with --write, the page is made of what earlier runs have kept
    #[arg(long, conflicts_with_all = ["only", "near", "far"])]
    kept: bool,
    /// Try nothing, and name the servers
    #[arg(long)]
    list: bool,
    /// Where the servers are installed
    #[arg(long, value_name = "DIRECTORY", default_value = "target/peers")]
    peers: PathBuf,
}

fn main() -> ExitCode {
    let options = Options::parse();
    let unknown = |name: &&String| SERVERS.iter().all(|server| server.name != **name);
    if let Some(name) = options.only.iter().find(unknown) {
        complain(&format!("error: there is no server {name}; --list names them"));
        return ExitCode::from(2);
    }
    if options.list {
        SERVERS.iter().for_each(|server| say(server.name));
        return ExitCode::SUCCESS;
    }
    quiet_main_thread();
    let failures = if options.kept { 0 } else { try_all(&options) };
    if options.write {
        page::write(&options.peers);
    }
    if failures == 0 {
        return ExitCode::SUCCESS;
    }
    say(&format!("{failures} failed"));
    ExitCode::FAILURE
}

/// Panics of this thread are what a life failed by, and are told in its place; those of others are bugs here.
fn quiet_main_thread() {
    let usual = panic::take_hook();
    let main = thread::current().id();
    panic::set_hook(Box::new(move |info| {
        if thread::current().id() != main {
            usual(info);
        }
    }));
}

/// Tries what was asked for, and returns how many tries failed.
fn try_all(options: &Options) -> usize {
    let ways: Vec<Way> = WAYS.into_iter().filter(|&way| options.wants(way)).collect();
    let versions = Versions::read(&options.peers);
    let began = Instant::now();
    let (mut tries, mut failures) = (0, 0);
    for server in SERVERS.iter().filter(|server| options.names(server)) {
        for &way in ways.iter().filter(|way| way.leads_to(server.protocol)) {
            let verdict = try_one(server, way, options, &versions);
            tries += 1;
            failures += usize::from(matches!(verdict, Verdict::Failed(_)));
        }
    }
    say(&format!("{tries} tries in {} s", began.elapsed().as_secs()));
    failures
}

fn try_one(server: &Server, way: Way, options: &Options, versions: &Versions) -> Verdict {
    let began = Instant::now();
    let seen = match panic::catch_unwind(|| server.start(&options.peers)) {
        Ok(mut running) => life::live(server.protocol, way, &mut running),
        Err(panic) => Seen::of_panic(&*panic),
    };
    let (word, reason) = match &seen.verdict {
        Verdict::Delivered => ("delivered", ""),
        Verdict::Refused(reason) => ("refused", reason.as_str()),
        Verdict::Failed(reason) => ("FAILED", reason.as_str()),
    };
    let (name, shown) = (format!("{} {}", server.name, versions.of(server.package)), way.to_string());
    let seconds = began.elapsed().as_secs();
    say(&format!("{name:<40} {shown:<7} {word:<9} {seconds:>4} s  {reason}"));
    Kept::write(&seen, &options.peers, server.name, way);
    seen.verdict
}

impl Options {
    fn wants(&self, way: Way) -> bool {
        match way {
            Way::Near => !self.far,
            Way::Far(_) => !self.near,
        }
    }

    fn names(&self, server: &Server) -> bool {
        self.only.is_empty() || self.only.iter().any(|name| name == server.name)
    }
}

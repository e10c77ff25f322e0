//! Makes keys of all kinds by the programs that people make keys with, and sees that `manage` takes those
//! alone whose signatures customers can verify: `tests/keys`, which installs the programs, says how to call
//! it.
//!
//! A key that is taken signs a build in a real run, and `gpg`, `gpgv` and `sqv` must verify that with the
//! public key as its maker gives it out. A key that is refused must be so before any work, with a command
//! that helps; where it can be typed as it stands, it is, and the key must be taken then. One that others
//! would take is refused only if the list says why.

mod customers;
mod gpg;
mod kind;
mod kinds;
mod maker;
mod page;
mod remedy;
mod room;
mod say;
mod trial;

use std::panic;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Instant;

use clap::Parser;

use self::kind::Kind;
use self::maker::Makers;
use self::say::{complain, say};
use self::trial::{Seen, Trials, Verdict};

/// Makes keys of all kinds, and sees that those are taken whose signatures customers can verify
#[derive(Debug, Parser)]
#[command(name = "tests/keys")]
struct Options {
    /// Only keys whose name begins so
    #[arg(long, value_name = "NAME", value_delimiter = ',')]
    only: Vec<String>,
    /// Write docs/keys.md
    #[arg(long, conflicts_with = "only")]
    write: bool,
    /// Try nothing, and name the keys
    #[arg(long)]
    list: bool,
    /// How many keys are tried at once
    #[arg(long, value_name = "NUMBER", default_value_t = 3)]
    at_once: usize,
    /// Where the makers are installed
    #[arg(long, value_name = "DIRECTORY", default_value = "target/keys")]
    makers: PathBuf,
    /// An sq 1.3, as in Debian 13, which one remedy needs
    #[arg(long, value_name = "FILE")]
    new_sq: Option<PathBuf>,
}

fn main() -> ExitCode {
    let options = Options::parse();
    let kinds: Vec<Kind> = kinds::all().filter(|kind| options.names(kind)).collect();
    if options.list {
        kinds.iter().for_each(|kind| say(&format!("{:<36} {}", kind.name, kind.title)));
        return ExitCode::SUCCESS;
    }
    if kinds.is_empty() {
        complain("error: there is no such key; --list names them");
        return ExitCode::from(2);
    }
    let began = Instant::now();
    let seen = try_all(&kinds, &options);
    let rows: Vec<(Kind, Seen)> = kinds.into_iter().zip(seen).collect();
    if options.write {
        page::write(&rows, &options.makers);
    }
    say(&format!("{} in {} s", page::counts(&rows), began.elapsed().as_secs()));
    let has_failed = rows.iter().any(|(_, seen)| matches!(seen.verdict, Verdict::Failed(_)));
    if has_failed { ExitCode::FAILURE } else { ExitCode::SUCCESS }
}

/// Tries kinds, several at once.
fn try_all(kinds: &[Kind], options: &Options) -> Vec<Seen> {
    // What fails by a panic is told in its row.
    panic::set_hook(Box::new(|_| {}));
    let dir = options.makers.canonicalize().unwrap_or_else(|_| options.makers.clone());
    let trials = Trials::new(Makers { dir, new_sq: options.new_sq.clone() });
    let next = AtomicUsize::new(0);
    let seen: Vec<Mutex<Option<Seen>>> = kinds.iter().map(|_| Mutex::new(None)).collect();
    thread::scope(|scope| {
        for _ in 0..options.at_once {
            scope.spawn(|| {
                loop {
                    let at = next.fetch_add(1, Ordering::Relaxed);
                    let Some(kind) = kinds.get(at) else { break };
                    *seen[at].lock().expect("nobody panics here") = Some(try_one(&trials, kind));
                }
            });
        }
    });
    seen.into_iter()
        .map(|seen| seen.into_inner().expect("nobody panics here").expect("all were tried"))
        .collect()
}

fn try_one(trials: &Trials, kind: &Kind) -> Seen {
    let seen = panic::catch_unwind(panic::AssertUnwindSafe(|| trials.of(kind))).unwrap_or_else(|panic| {
        let text = panic.downcast_ref::<String>().cloned();
        let text = text.or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned()));
        let verdict = Verdict::Failed(text.unwrap_or_else(|| "a panic".to_owned()));
        Seen { verdict, answers: None, said: String::new(), typed: 0, untyped: None }
    });
    say(&page::line(kind, &seen));
    seen
}

impl Options {
    fn names(&self, kind: &Kind) -> bool {
        self.only.is_empty() || self.only.iter().any(|name| kind.name.starts_with(name.as_str()))
    }
}

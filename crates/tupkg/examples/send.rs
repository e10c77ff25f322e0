//! Sends files to a tupkg server: `cargo run --example send -- ACCOUNT FILE...`.
//!
//! ACCOUNT is a file as `~/.tupkg` is, with user, password and server.

use std::error::Error;
use std::io::Write as _;
use std::path::PathBuf;
use std::sync::atomic::AtomicBool;

use tupkg::client::{self, Check, End, Options, Progress, Target};
use tupkg::shown;

/// Shows nothing.
struct Quiet;

impl Progress for Quiet {
    fn begin(&self, _what: &str, _bytes: u64) {}
    fn advance(&self, _bytes: u64) {}
    fn end(&self) {}
}

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args_os().skip(1).map(PathBuf::from);
    let account = arguments.next().ok_or("give ACCOUNT FILE...")?;
    let files: Vec<PathBuf> = arguments.collect();
    let target = Target::read(&account)?;
    let options = Options { check: Check::Nothing, ..Options::default() };
    let outcomes = client::send(&target, &files, &options, &Quiet, &AtomicBool::new(false));
    let mut out = std::io::stdout().lock();
    for outcome in &outcomes {
        let path = shown::path(&outcome.path);
        match &outcome.end {
            End::Pass => writeln!(out, "{path}: PASS, {} bytes sent", outcome.sent)?,
            End::Fail(why) => writeln!(out, "{path}: FAIL, {}", shown::chain(&**why))?,
        }
    }
    if outcomes.iter().all(|outcome| matches!(outcome.end, End::Pass)) {
        Ok(())
    } else {
        Err("not everything is at the server".into())
    }
}

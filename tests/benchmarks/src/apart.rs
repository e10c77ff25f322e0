//! Runs measured in a process of their own, whose only children are theirs.
//!
//! Where we run the server as well, its CPU time would be counted with the tool's: the kernel adds up a
//! process's children all together. And a tool may leave a process behind, as lftp leaves its ssh, whose CPU
//! time would be counted nowhere. So this program starts itself once more, to measure one command. It adopts
//! what the command leaves behind and waits for it, and kills everything when the time is over; its answer is
//! a line of JSON.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use clap::Args;
use serde_json::{Value, json};

use crate::failure::{Doing as _, Failure};
use crate::measure::{self, Cost, Meter};
use crate::say;

/// One command to measure.
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// How long it may take
    #[arg(long)]
    limit_s: u64,

    /// The file for what it says
    #[arg(long)]
    said: PathBuf,

    /// Its words
    #[arg(last = true, required = true)]
    words: Vec<OsString>,
}

/// A command to be measured apart, with nothing in its environment but what is set.
pub(crate) struct Apart<'a> {
    pub(crate) words: &'a [OsString],
    /// The directory it runs in, which is its home too.
    pub(crate) home: &'a Path,
    pub(crate) said: &'a Path,
    pub(crate) limit: Duration,
}

impl Apart<'_> {
    /// Runs it and returns what it cost. That it fails, or does not end in time, is the inner error.
    pub(crate) fn run(&self) -> Result<Result<Cost, Failure>, Failure> {
        let this = std::env::current_exe().doing(|| "cannot find this program's file".to_owned())?;
        let mut command = Command::new(this);
        command.args(["measure", "--limit-s"]).arg(self.limit.as_secs().to_string());
        command.arg("--said").arg(self.said).arg("--").args(self.words);
        command.env_clear().envs([("PATH", "/usr/bin:/bin"), ("LC_ALL", "C.UTF-8")]);
        command.env("HOME", self.home).current_dir(self.home);
        let meter = Meter::start()?;
        let answer = measure::output(&mut command);
        let others = meter.stop()?.others;
        let answer = match answer {
            Ok(answer) => answer,
            Err(failure) => return Ok(Err(failure)),
        };
        let answer: Value =
            serde_json::from_str(&answer).doing(|| "the measurement is no JSON".to_owned())?;
        let number = |field: &str| answer[field].as_f64();
        let cost = number("wall_s").zip(number("cpu_s")).zip(answer["peak_kib"].as_u64());
        let ((wall_s, cpu_s), peak_kib) =
            cost.ok_or_else(|| Failure::new(format!("no measurement: {answer}")))?;
        Ok(Ok(Cost { wall_s, cpu_s, peak_kib, others }))
    }
}

/// Measures, and prints what it cost; what others had meanwhile is for the caller to say, who knows who they
/// are.
pub(crate) fn run(arguments: &Arguments) -> Result<bool, Failure> {
    let mut command = Command::new(&arguments.words[0]);
    command.args(&arguments.words[1..]);
    let limit = Duration::from_secs(arguments.limit_s);
    let Cost { wall_s, cpu_s, peak_kib, .. } =
        measure::run_to_the_last(&mut command, &arguments.said, limit)?;
    say::result(json!({ "wall_s": wall_s, "cpu_s": cpu_s, "peak_kib": peak_kib }));
    Ok(true)
}

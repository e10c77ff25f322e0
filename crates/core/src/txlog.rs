//! The transaction log: what was done to which build, by whom, and how it ended.
//!
//! One JSON object a line, before and after each durable effect, in `log/<host>.jsonl` of the spool. One file
//! a host, because appends of two hosts to one file overwrite each other on NFS. The log is for people and
//! auditors: no step depends on it. A run that cannot write it goes on, and says so at its end
//! ([`TxLog::finish`]).

mod step;

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{File, OpenOptions};
use std::io::{self, BufRead as _, Write as _};
use std::os::unix::fs::{FileExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::time::Instant;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

pub use intraware_shown::chain;
pub use step::Step;

use crate::file_size;
use crate::foreign;
use crate::owner;
use crate::run::{Identity, RunContext};

/// One line of the log. Fields of a line never change their meaning; new ones may be added.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Event {
    /// When, in UTC.
    pub ts: Timestamp,
    /// The host.
    pub host: String,
    /// The process on that host.
    pub pid: u32,
    /// `manage` or `upload`.
    pub program: String,
    /// The run; all lines of one execution share it.
    pub run: String,
    /// The record's id, or empty for what concerns no single build.
    pub record: String,
    /// The build's name, where it was known, as it is shown: whoever made the record chose it.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub name: String,
    /// The job, or empty before there is one.
    pub job: String,
    /// The step of `docs/design.md`, for example `M5`.
    pub step: String,
    /// What is done, to what.
    pub effect: String,
    /// Whether the effect is about to happen or has happened.
    pub phase: Phase,
    /// How it ended: `ok`, or why not. Empty at the beginning.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub result: String,
    /// How long it took, in milliseconds. Absent at the beginning.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub duration_ms: Option<u64>,
}

/// Where in an effect's life a line was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Phase {
    /// It is about to happen. Without a later line, nobody knows whether it did.
    Begin,
    /// It has happened.
    Done,
    /// It did not happen, or not wholly.
    Failed,
}

/// What a line is about.
#[derive(Debug, Clone, Copy, Default)]
pub struct Subject<'a> {
    /// The record's id.
    pub record: &'a str,
    /// The job.
    pub job: &'a str,
}

/// The log of this host, open for this run.
pub struct TxLog {
    context: RunContext,
    path: PathBuf,
    /// Of builds, by record.
    names: BTreeMap<String, String>,
    file: Mutex<State>,
}

enum State {
    Open(File),
    Broken(io::Error),
}

impl TxLog {
    /// Opens this host's file in `dir`. A failure is kept for [`Self::finish`].
    pub fn open(dir: &Path, context: &RunContext) -> Self {
        let path = dir.join(format!("{}.jsonl", context.identity.host));
        let mut options = OpenOptions::new();
        options.read(true).append(true).create(true).mode(0o640);
        let opened = options.open(&path).and_then(|mut file| end_torn_line(&mut file).map(|()| file));
        let opened = opened.map_err(|error| told(&path, error));
        let state = opened.map_or_else(State::Broken, State::Open);
        Self { context: context.clone(), path, names: BTreeMap::new(), file: Mutex::new(state) }
    }

    /// Returns it with the names of builds, by record id: people know a build by its name.
    pub fn with_names(mut self, names: impl IntoIterator<Item = (String, String)>) -> Self {
        self.names.extend(names.into_iter().map(|(record, name)| (record, foreign::escape(name))));
        self
    }

    /// Writes that `effect` begins, does it, and writes how it ended.
    pub fn record<T, E: std::error::Error>(
        &self,
        subject: Subject<'_>,
        step: Step,
        effect: &str,
        act: impl FnOnce() -> Result<T, E>,
    ) -> Result<T, E> {
        self.write(self.context.now(), subject, step, effect, Phase::Begin, String::new(), None);
        let start = Instant::now();
        let outcome = act();
        let (phase, result) = match &outcome {
            Ok(_) => (Phase::Done, "ok".to_owned()),
            Err(e) => (Phase::Failed, chain(e)),
        };
        let ms = start.elapsed().as_millis() as u64;
        self.write(self.context.now(), subject, step, effect, phase, result, Some(ms));
        outcome
    }

    /// Writes what was said to people at that time, as a warning or an error: `as_what` is that word.
    pub fn said(&self, at: Timestamp, subject: Subject<'_>, as_what: &str, text: &str) {
        self.write(at, subject, Step::Said, as_what, Phase::Failed, text.to_owned(), None);
    }

    /// Writes with which exit status the run ends, and why.
    pub fn ended(&self, status: u8, cause: &str) {
        let effect = format!("the run ends with exit status {status}");
        let subject = Subject::default();
        self.write(self.context.now(), subject, Step::Exit, &effect, Phase::Failed, cause.to_owned(), None);
    }

    /// Writes that something was found or decided, which is no effect of its own.
    pub fn note(&self, subject: Subject<'_>, step: Step, text: &str) {
        self.write(self.context.now(), subject, step, text, Phase::Done, "ok".to_owned(), None);
    }

    /// Flushes the log to disk; fails if any line of this run could not be written.
    pub fn finish(self) -> io::Result<()> {
        match self.file.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner) {
            State::Open(file) => file.sync_data(),
            State::Broken(error) => Err(error),
        }
    }

    #[expect(clippy::too_many_arguments, reason = "they are the fields of a line")]
    fn write(
        &self,
        ts: Timestamp,
        subject: Subject<'_>,
        step: Step,
        effect: &str,
        phase: Phase,
        result: String,
        ms: Option<u64>,
    ) {
        let Identity { host, pid, program, run, .. } = self.context.identity.clone();
        let event = Event {
            ts,
            host,
            pid,
            program,
            run,
            record: subject.record.to_owned(),
            name: self.names.get(subject.record).cloned().unwrap_or_default(),
            job: subject.job.to_owned(),
            step: step.word().to_owned(),
            effect: effect.to_owned(),
            phase,
            result,
            duration_ms: ms,
        };
        tracing::debug!(record = event.record, job = event.job, step = event.step, phase = ?event.phase, result = event.result, "{effect}");
        let mut state = self.file.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let State::Open(file) = &mut *state else { return };
        let line = serde_json::to_string(&event).map(|line| line + "\n").map_err(io::Error::from);
        // One write call a line: on one host, appends do not mix.
        if let Err(error) = line.and_then(|line| file.write_all(line.as_bytes())) {
            *state = State::Broken(told(&self.path, error));
        }
    }
}

/// Says which file a trouble is about, and what to do if it is another user's.
fn told(path: &Path, error: io::Error) -> io::Error {
    let advice = owner::advice(path, &error);
    let (kind, error) = (error.kind(), file_size::told(error));
    io::Error::new(kind, format!("{}: {error}{advice}", foreign::path(path)))
}

/// Ends a line that a host left unfinished when it lost power, so that it does not take the next one with it.
fn end_torn_line(file: &mut File) -> io::Result<()> {
    let length = file.metadata()?.len();
    let mut last = *b"\n";
    if length > 0 {
        file.read_exact_at(&mut last, length - 1)?;
    }
    if last == *b"\n" { Ok(()) } else { file.write_all(b"\n") }
}

/// Which lines of the log are wanted; everything but times is wanted by default.
#[derive(Debug, Clone, Default)]
pub struct Filter {
    /// Lines about this build, by record id or name, or about a job of it.
    pub build: Option<String>,
    /// Records that are known to be of that build, which lines of before it had a name do not say.
    pub records: BTreeSet<String>,
    /// Lines of this run.
    pub run: Option<String>,
    /// Lines of this host.
    pub host: Option<String>,
    /// Lines not older than this.
    pub since: Option<Timestamp>,
    /// Only what failed.
    pub failed: bool,
    /// With the lines that tell only how long things took.
    pub times: bool,
}

impl Filter {
    fn wants(&self, event: &Event) -> bool {
        let is = |want: &Option<String>, have: &str| want.as_deref().is_none_or(|want| want == have);
        is(&self.run, &event.run)
            && is(&self.host, &event.host)
            && self.since.is_none_or(|since| event.ts >= since)
            && (!self.failed || event.phase == Phase::Failed)
            && (self.times || event.step != Step::Times.word())
    }

    /// Leaves the lines about the build that is wanted. Some lines know its record alone.
    fn keep_build(&self, events: &mut Vec<Event>) {
        let Some(word) = &self.build else { return };
        let mut records = self.records.clone();
        records.insert(word.clone());
        let name = foreign::escape(word);
        let of_name = |event: &&Event| event.name == name && !event.record.is_empty();
        records.extend(events.iter().filter(of_name).map(|event| event.record.clone()));
        events.retain(|event| records.contains(&event.record));
    }
}

/// The merged log of all hosts.
#[derive(Debug, Default)]
pub struct Merged {
    /// The lines wanted, oldest first; lines of one host keep their order.
    pub events: Vec<Event>,
    /// Lines that could not be read, as `file:line`, for example the last one of a host that lost power, and
    /// files that could not be opened, each with the reason.
    pub unreadable: Vec<String>,
}

/// Reads the logs of all hosts in `dir`, rotated ones (`*.jsonl.N`, `*.jsonl-DATE`, also gzipped) included.
pub fn read(dir: &Path, filter: &Filter) -> io::Result<Merged> {
    let mut names: Vec<_> =
        std::fs::read_dir(dir)?.map(|entry| Ok(entry?.path())).collect::<io::Result<_>>()?;
    names.retain(|path| path.file_name().is_some_and(|name| name.to_string_lossy().contains(".jsonl")));
    names.sort();
    let mut merged = Merged::default();
    for path in names {
        let file = match File::open(&path) {
            Ok(file) => file,
            // Rotated away since it was listed, or another user's: the other files are read.
            Err(error) => {
                merged.unreadable.push(told(&path, error).to_string());
                continue;
            }
        };
        let is_gzip = path.extension().is_some_and(|extension| extension == "gz");
        let reader: Box<dyn io::Read> =
            if is_gzip { Box::new(flate2::read::MultiGzDecoder::new(file)) } else { Box::new(file) };
        for (number, line) in io::BufReader::new(reader).split(b'\n').enumerate() {
            let here = || format!("{}:{}", foreign::path(&path), number + 1);
            // What comes behind the place where a file cannot be read is lost; the other files are not.
            let Ok(line) = line else {
                merged.unreadable.push(here());
                break;
            };
            match serde_json::from_slice::<Event>(&line) {
                Ok(event) if filter.wants(&event) => merged.events.push(event),
                Ok(_) => {}
                Err(_) => merged.unreadable.push(here()),
            }
        }
    }
    filter.keep_build(&mut merged.events);
    merged.events.sort_by_key(|event| event.ts);
    Ok(merged)
}

#[cfg(test)]
mod tests;

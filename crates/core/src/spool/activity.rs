//! The runs that have ended, in `activity/<host>.jsonl`: a line each.
//!
//! One file a host, because appends of two hosts to one file overwrite each other on NFS. Runs of one host
//! take turns by a lock on the file. Whoever has written a line takes out those that are too old once the
//! first is a day older than that: the file is written anew beside its name and renamed, about once a day; so
//! whoever has waited for the lock looks again whether the file still has its name. Lines that cannot be read
//! go then too: they are no more than a line of a list.
//!
//! The metrics of a host's runs are made of its file alone, so that runs of several programs do not overwrite
//! what they know of each other. They take turns at the temporary file in the same way.

use std::ffi::OsString;
use std::fs::{self, File, OpenOptions, Permissions, TryLockError};
use std::io::{self, BufRead as _, BufReader, Write as _};
use std::os::unix::fs::{
    DirBuilderExt as _, FileExt as _, MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _,
};
use std::path::{Path, PathBuf};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use super::{Spool, SpoolError, durable};
use crate::activity::{Run, metrics};
use crate::foreign;

/// The directory below the spool's root. A spool of an older version gets it with its first run.
const DIR: &str = "activity";

const DAY: SignedDuration = SignedDuration::from_hours(24);

/// How often, and after which pause, the lock is tried. It is held for as long as a line takes.
const TRIES: u32 = 20;
const PAUSE: Duration = Duration::from_millis(50);

/// The runs of all hosts.
#[derive(Debug, Default)]
pub struct Activity {
    /// Those that are known, in the order in which they ended.
    pub runs: Vec<Run>,
    /// What could not be read: files with the reason, and lines as `file:line`.
    pub unreadable: Vec<String>,
}

impl Spool {
    /// Notes that a run has ended, and forgets those of this host that ended more than `keep_days` ago.
    pub fn note_run(&self, run: &Run, keep_days: u32) -> Result<(), SpoolError> {
        let dir = self.root().join(DIR);
        let path = dir.join(format!("{}.jsonl", run.host));
        let write = || {
            make(&dir)?;
            let mut file = open_alone(&path)?;
            let mut line = serde_json::to_vec(run)?;
            line.push(b'\n');
            // A host that lost power may have left half a line.
            if ends_within_a_line(&file)? {
                line.insert(0, b'\n');
            }
            file.write_all(&line)?;
            // At least a day is kept, whatever is kept of builds.
            let keep = DAY * i32::try_from(keep_days.max(1)).unwrap_or(i32::MAX);
            self.forget_runs(&dir, &path, run, run.ended.checked_sub(keep).unwrap_or(Timestamp::MIN))
        };
        write().map_err(|e| SpoolError::io("note the run in", &path, e))
    }

    /// Takes out what ended before `oldest`, if the first line is a day older than that. The file's lock is
    /// held.
    fn forget_runs(&self, dir: &Path, path: &Path, run: &Run, oldest: Timestamp) -> io::Result<()> {
        let mut lines = BufReader::new(File::open(path)?).split(b'\n');
        let parsed = |line: &[u8]| serde_json::from_slice::<Run>(line).ok();
        let Some(first) = lines.next().transpose()? else { return Ok(()) };
        if parsed(&first).is_some_and(|first| oldest.duration_since(first.ended) <= DAY) {
            return Ok(());
        }
        // What an earlier one that was killed has left. Nobody else of this host is at it.
        let ours = format!(".{}.", run.host);
        for temp in durable::temps(dir)?.iter().filter(|name| name.starts_with(&ours)) {
            fs::remove_file(dir.join(temp))?;
        }
        let mut kept = Vec::new();
        for line in std::iter::once(Ok(first)).chain(lines) {
            let line = line?;
            if parsed(&line).is_some_and(|run| run.ended >= oldest) {
                kept.extend_from_slice(&line);
                kept.push(b'\n');
            }
        }
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        durable::write_file(dir, name, &kept, &self.mark)
    }

    /// Returns the runs of all hosts.
    pub fn runs(&self) -> Result<Activity, SpoolError> {
        let dir = self.root().join(DIR);
        let mut activity = Activity::default();
        let names = match durable::names(&dir) {
            Ok(names) => names,
            Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(activity),
            Err(e) => return Err(SpoolError::io("read", &dir, e)),
        };
        for path in names.iter().filter(|name| name.ends_with(".jsonl")).map(|name| dir.join(name)) {
            activity.read(&path);
        }
        activity.runs.sort_by_key(|run| run.ended);
        Ok(activity)
    }

    /// Writes the metrics of a host's runs to a file of that host, which appears whole, and which all can
    /// read.
    pub fn write_metrics(&self, host: &str, textfile: &Path) -> Result<(), SpoolError> {
        let write = || {
            let temp = temp_beside(textfile)?;
            let mut file = open_alone(&temp)?;
            let mut activity = Activity::default();
            activity.read(&self.root().join(DIR).join(format!("{host}.jsonl")));
            file.set_len(0)?;
            file.set_permissions(Permissions::from_mode(0o644))?;
            file.write_all(metrics(&activity.runs).as_bytes())?;
            fs::rename(&temp, textfile)
        };
        write().map_err(|e| SpoolError::io("write the metrics to", textfile, e))
    }
}

impl Activity {
    /// Adds what one file holds.
    fn read(&mut self, path: &Path) {
        let shown = foreign::path(path);
        let lines = match File::open(path) {
            Ok(file) => BufReader::new(file).split(b'\n'),
            Err(e) => return self.unreadable.push(format!("{shown}: {e}")),
        };
        for (number, line) in lines.enumerate() {
            match line.map(|line| (line.is_empty(), serde_json::from_slice(&line))) {
                Ok((_, Ok(run))) => self.runs.push(run),
                Ok((true, Err(_))) => {}
                Ok((false, Err(_))) => self.unreadable.push(format!("{shown}:{}", number + 1)),
                // What comes behind is lost; the other files are not.
                Err(e) => return self.unreadable.push(format!("{shown}: {e}")),
            }
        }
    }
}

/// Returns the name that a file has until it is whole. It does not end as what node_exporter reads.
fn temp_beside(path: &Path) -> io::Result<PathBuf> {
    let name = path.file_name().ok_or_else(|| io::Error::other("it is no name of a file"))?;
    let mut temp = OsString::from(".");
    temp.push(name);
    temp.push(".tmp");
    Ok(path.with_file_name(temp))
}

fn make(dir: &Path) -> io::Result<()> {
    match fs::DirBuilder::new().mode(0o700).create(dir) {
        Err(e) if e.kind() != io::ErrorKind::AlreadyExists => Err(e),
        _ => Ok(()),
    }
}

/// Opens a file for appending, and locks it for as long as it is open.
fn open_alone(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.read(true).append(true).create(true).mode(0o640);
    for _ in 0..TRIES {
        let file = options.open(path)?;
        match file.try_lock() {
            // It may have been replaced since it was opened.
            Ok(()) if fs::metadata(path).is_ok_and(|seen| is_same(&seen, &file)) => return Ok(file),
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => std::thread::sleep(PAUSE),
            Err(TryLockError::Error(e)) => return Err(e),
        }
    }
    Err(io::Error::other("another process has it locked"))
}

fn is_same(seen: &fs::Metadata, file: &File) -> bool {
    file.metadata().is_ok_and(|own| (own.dev(), own.ino()) == (seen.dev(), seen.ino()))
}

/// Returns whether a file ends within a line.
fn ends_within_a_line(file: &File) -> io::Result<bool> {
    let length = file.metadata()?.len();
    let mut last = *b"\n";
    if length > 0 {
        file.read_exact_at(&mut last, length - 1)?;
    }
    Ok(last != *b"\n")
}

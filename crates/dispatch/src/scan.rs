//! What is new in trees that packages are dropped into: path, size and content are compared with what was
//! seen before.
//!
//! A scan goes through a tree ([`walk`]) beside what is known of it ([`seen`], [`mod@compare`]), and reads a
//! file ([`mod@read`]) only if its status is not the one that was noted: its length, its inode, or one of its
//! times, of which the last one nobody can set. What then has the content that was noted was touched and is
//! not new; every other content is.
//!
//! | a file | what a scan does |
//! |---|---|
//! | is there when the tree is scanned for the first time | takes it as seen, unless all of it is asked for; its content is read and noted once |
//! | was written to less than the settle time ago | leaves it for the next scan |
//! | is new, or has another content | plans it as if it had been named |
//! | is new, and has no route | says so once for its content; the others go on, and it goes when it has a route |
//! | is gone | remembers it for a year: at the same path the same content is not new |
//! | cannot be read | says so once for its status; each scan tries it |
//!
//! What is below a directory that cannot be read is not gone, and a tree that is not there, as when its disk
//! is not mounted, changes nothing that is known of it. Each scan says so.
//!
//! A file has settled if all its times are older than the settle time. On a disk that several hosts share
//! they are by another clock, and so may be those of the future: there two scans must find it the same, as
//! far apart as that.
//!
//! What was found is planned first, and then noted as seen ([`Scan::note`]): a crash in between finds it
//! again, which the plan knows. One scan at a time, by a lock of whoever calls this.

mod compare;
mod read;
mod seen;
mod walk;

use std::collections::HashMap;
use std::ffi::OsStr;
use std::io::{self, ErrorKind};
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use intraware_core::exit::Fault;
use intraware_core::foreign;
use intraware_core::mount;
use intraware_core::run::{RunContext, Stopped};
use jiff::Timestamp;

use self::compare::{Differing, compare};
use self::read::{Reading, read};
pub use self::seen::Seen;
use self::seen::{Entry, Standing};
use self::walk::Walk;
use crate::plan::Content;
use crate::state::StateError;

/// So many files are read before what was read is noted.
const BATCH: usize = 500;

/// How to scan.
#[derive(Debug, Clone, Copy)]
pub struct Wish {
    /// For so long nobody may have written to a file.
    pub settle: Duration,
    /// All that is there is new, even in a tree that is scanned for the first time.
    pub takes_all: bool,
}

/// A scan cannot go on.
#[derive(Debug, thiserror::Error)]
pub enum ScanError {
    /// What is known cannot be read or written.
    #[error(transparent)]
    State(#[from] StateError),
    /// A signal has come.
    #[error(transparent)]
    Stopped(#[from] Stopped),
}

/// What a scan has found, of which nothing is noted yet.
#[derive(Debug, Default)]
pub struct Scan {
    /// The contents that are to be dispatched.
    pub found: Vec<Content>,
    /// What cannot be looked at, and is told each time.
    pub unreadable: Vec<(Fault, String)>,
    /// So many files are left for the next scan.
    pub young: usize,
    /// The trees that were scanned for the first time.
    pub first: Vec<PathBuf>,
    /// What was there before, and is to be read.
    listed: Vec<(PathBuf, Entry)>,
    /// How files stand that are not to be dispatched.
    rest: Vec<(PathBuf, Entry)>,
    /// The same of those that are, if it works out; in the order of `found`.
    new: Vec<(PathBuf, Entry)>,
    /// What could not be read, and was not told before.
    troubles: Vec<(Fault, String)>,
}

/// A file that was found, and cannot be planned.
#[derive(Debug, Clone)]
pub struct Refused {
    /// The file.
    pub file: PathBuf,
    /// What has to happen.
    pub fault: Fault,
    /// What is told, once.
    pub why: String,
    /// It was told already, as in each scan.
    pub is_told: bool,
}

impl Scan {
    /// Looks at these trees. Nothing is written.
    pub fn look(seen: &Seen, trees: &[PathBuf], wish: Wish, context: &RunContext) -> Result<Self, ScanError> {
        let mut scan = Self::default();
        for tree in trees {
            context.stop.check()?;
            scan.look_at(seen, tree, wish, context)?;
        }
        Ok(scan)
    }

    fn look_at(
        &mut self,
        seen: &Seen,
        tree: &Path,
        wish: Wish,
        context: &RunContext,
    ) -> Result<(), ScanError> {
        let shown = foreign::path(tree);
        if let Some(point) = mount::unmounted(tree) {
            let point = foreign::path(&point);
            let why = format!("cannot scan the tree {shown}: nothing is mounted at {point}; mount it");
            self.unreadable.push((Fault::TryLater, why));
            return Ok(());
        }
        let begun = Walk::begin(tree).and_then(|walk| Ok((walk, mount::kind_of_disk(tree)?)));
        let (walk, kind) = match begun {
            Ok(begun) => begun,
            Err(error) => {
                self.unreadable.push((fault_of(&error), format!("cannot scan the tree {shown}: {error}")));
                return Ok(());
            }
        };
        let has_clock_of_ours = mount::network_name(kind).is_none();
        let is_first = !seen.knows(tree)?;
        let now = context.now();
        let compared =
            seen.below(tree, |known| walk.while_looking(|met| compare(met, known, wish.takes_all, now)))?;
        for (path, error) in &compared.unreadable {
            let path = foreign::path(Path::new(OsStr::from_bytes(path)));
            self.unreadable.push((fault_of(error), format!("cannot look at {path}: {error}")));
        }
        self.rest.extend(compared.gone);
        for differing in compared.differing {
            context.stop.check()?;
            if is_first && differing.known.is_none() && !wish.takes_all {
                self.listed.push((differing.path, Entry::new(differing.stamp, Standing::Listed, now)));
            } else if differing.is_listed() && !wish.takes_all {
                let Differing { path, known, .. } = differing;
                self.listed.extend(known.map(|entry| (path, Entry { gone: None, ..entry })));
            } else if differing.has_settled(wish.settle, has_clock_of_ours, now) {
                self.take(differing, wish, now, context)?;
            } else {
                self.leave(differing, now);
            }
        }
        if is_first {
            self.first.push(tree.to_owned());
        }
        Ok(())
    }

    /// Leaves a file for the next scan. The content that is known of it stays known.
    fn leave(&mut self, Differing { path, stamp, known }: Differing, now: Timestamp) {
        self.young += 1;
        let mut entry = Entry::new(stamp, Standing::Young, now);
        if let Some(known) = known {
            entry.sha256 = known.sha256;
            if (known.stamp, known.standing) == (stamp, Standing::Young) {
                (entry.since, entry.told) = (known.since, known.told);
            }
        }
        self.rest.push((path, entry));
    }

    /// Takes a file that has settled: reads it, unless that was done, and has it dispatched if its content is
    /// new.
    fn take(
        &mut self,
        differing: Differing,
        wish: Wish,
        now: Timestamp,
        context: &RunContext,
    ) -> Result<(), ScanError> {
        let Differing { path, stamp, known } = differing;
        let is_read = known.as_ref().is_some_and(|entry| entry.stamp == stamp && entry.is_read());
        let was_new = known.as_ref().is_some_and(|entry| entry.standing == Standing::New);
        let before = known.as_ref().and_then(|entry| entry.sha256);
        let told = known.as_ref().and_then(|entry| entry.told.clone());
        let reading = match before.filter(|_| is_read) {
            Some(sha256) => Reading::Content(sha256),
            None => read(&path, stamp, context)?,
        };
        let mut entry = Entry::new(stamp, Standing::Seen, now);
        match reading {
            Reading::Content(sha256) => {
                entry.sha256 = Some(sha256);
                entry.told = told.filter(|_| before == Some(sha256));
                if before == Some(sha256) && !was_new && !wish.takes_all {
                    self.rest.push((path, entry));
                } else {
                    self.found.push(Content { file: path.clone(), sha256, size: stamp.size.cast_unsigned() });
                    self.new.push((path, entry));
                }
            }
            Reading::Changed => self.leave(Differing { path, stamp, known }, now),
            Reading::Vanished => {}
            Reading::Failed(error) => {
                // Of what was to be dispatched before, the content is known, and it is still to be
                // dispatched.
                entry.standing = if was_new && is_read { Standing::New } else { Standing::Young };
                entry.sha256 = before;
                entry.told = told;
                self.trouble(&path, &mut entry, &error);
                self.rest.push((path, entry));
            }
        }
        Ok(())
    }

    /// Notes why a file cannot be read.
    fn trouble(&mut self, path: &Path, entry: &mut Entry, error: &io::Error) {
        self.troubles.extend(trouble(path, entry, error));
    }

    /// Notes what was found as seen, but what is refused, and says what of that is told for the first time.
    /// To be called when all the others are planned.
    pub fn note(
        self,
        seen: &mut Seen,
        refused: &[Refused],
        context: &RunContext,
    ) -> Result<Noted, ScanError> {
        let Self { first, mut rest, new, mut troubles, listed, .. } = self;
        let refused: HashMap<&Path, &Refused> = refused.iter().map(|one| (&*one.file, one)).collect();
        for (path, mut entry) in new {
            let refused = refused.get(&*path);
            if let Some(Refused { fault, why, is_told, .. }) = refused {
                entry.standing = Standing::New;
                if !is_told && entry.told.as_ref() != Some(why) {
                    troubles.push((*fault, why.clone()));
                }
            }
            entry.told = refused.map(|one| one.why.clone());
            rest.push((path, entry));
        }
        rest.extend_from_slice(&listed);
        if !rest.is_empty() || !first.is_empty() {
            seen.note(&first, &rest, context.now())?;
        }
        Ok(Noted { told: troubles, listed })
    }
}

/// A scan that was noted.
#[derive(Debug)]
pub struct Noted {
    /// What is told of files, for the first time.
    pub told: Vec<(Fault, String)>,
    listed: Vec<(PathBuf, Entry)>,
}

impl Noted {
    /// Returns how many files were there before the first scan, and are still to be read.
    pub fn listed(&self) -> usize {
        self.listed.len()
    }

    /// Reads what was there before the first scan, and notes its content. Returns what is told, for the first
    /// time.
    pub fn read_listed(
        self,
        seen: &mut Seen,
        context: &RunContext,
    ) -> Result<Vec<(Fault, String)>, ScanError> {
        let mut told = Vec::new();
        let mut read_now = Vec::new();
        let mut stopped = Ok(());
        for (path, mut entry) in self.listed {
            match read(&path, entry.stamp, context) {
                Ok(Reading::Content(sha256)) => {
                    (entry.standing, entry.sha256, entry.told) = (Standing::Seen, Some(sha256), None);
                }
                // The next scan finds that it is not what it was.
                Ok(Reading::Changed | Reading::Vanished) => continue,
                Ok(Reading::Failed(error)) => told.extend(trouble(&path, &mut entry, &error)),
                Err(error) => {
                    stopped = Err(error);
                    break;
                }
            }
            read_now.push((path, entry));
            if read_now.len() == BATCH {
                seen.note(&[], &read_now, context.now())?;
                read_now.clear();
            }
        }
        if !read_now.is_empty() {
            seen.note(&[], &read_now, context.now())?;
        }
        stopped.map_err(ScanError::from).map(|()| told)
    }
}

/// Says why a file cannot be read, unless that was said before.
fn trouble(path: &Path, entry: &mut Entry, error: &io::Error) -> Option<(Fault, String)> {
    let why = format!("cannot read {}: {error}", foreign::path(path));
    let was_told = entry.told.as_ref() == Some(&why);
    entry.told = Some(why.clone());
    (!was_told).then_some((fault_of(error), why))
}

fn fault_of(error: &io::Error) -> Fault {
    match error.kind() {
        ErrorKind::NotFound | ErrorKind::NotADirectory => Fault::Configuration,
        ErrorKind::PermissionDenied => Fault::Access,
        _ => Fault::Spool,
    }
}

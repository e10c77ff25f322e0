//! The trials: each puts a file into the state it needs, does one thing to it, and looks what has become of
//! it.

use std::io::{self, Write};
use std::time::Duration;

use super::names::Names;
use super::{Abilities, Connections, Hashing, ProbeError, Reading, Renaming, Rewriting, Stat, median};
use crate::digest::{Digester, Sha256Hex};
use crate::run::Stop;
use crate::site::{Entry, EntryKind, RemotePath, Session, SiteError, SiteErrorKind};

/// Longer than a packet of any protocol, and no multiple of one.
const SIZE: usize = 100_003;

/// The longest name there is with common file systems, in bytes.
const LONGEST: usize = 255;

/// How far behind the end of a file is written.
const AHEAD: usize = 4096;

/// A connection with a file on which things are tried.
pub(super) struct Trial<'a> {
    pub(super) session: &'a mut dyn Session,
    names: &'a mut Names,
    stop: &'a Stop,
    /// The file that is tried on, and in the end the one that is renamed and must stay.
    file: RemotePath,
    /// What stands in it.
    content: Vec<u8>,
    /// Whether what stands in a file can be seen.
    reads: bool,
}

impl<'a> Trial<'a> {
    /// Makes sure that files can be put and removed, and puts one.
    pub(super) fn begin(
        session: &'a mut dyn Session,
        names: &'a mut Names,
        stop: &'a Stop,
    ) -> Result<Self, ProbeError> {
        stop.check()?;
        let mut file = names.take("a")?;
        let content: Vec<u8> =
            (0..SIZE as u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
        let mut trial = Self { session, names, stop, file: file.clone(), content: Vec::new(), reads: false };
        // Before there is more that could not be removed.
        match trial.remove_one() {
            Err(ProbeError::Site(refused)) if refused.kind == SiteErrorKind::Permission => {
                // It may be for the dot.
                trial.names.give_back(&file);
                trial.names.has_dot = false;
                file = trial.names.take("a")?;
                match trial.remove_one() {
                    Err(ProbeError::Site(_)) => return Err(refused.into()),
                    done => done?,
                }
                trial.file = file.clone();
            }
            done => done?,
        }
        trial.put(&file, 0, &content)?;
        trial.content = content;
        Ok(trial)
    }

    /// Makes sure that a file can be removed; one that cannot be is one that an earlier probe has left, from
    /// the next on.
    fn remove_one(&mut self) -> Result<(), ProbeError> {
        let path = self.names.shared()?;
        match self.put(&path, 0, b"x") {
            Err(err) if err.kind.is_dead() || self.session.stat(&path)?.is_none() => return Err(err.into()),
            // It stands there, and may not be written over.
            Ok(_) | Err(_) => {}
        }
        match self.session.remove(&path) {
            Err(source) if source.kind == SiteErrorKind::Permission => {
                Err(ProbeError::Keeps { left: path, source })
            }
            // Another host's probe was quicker.
            Err(err) if err.kind != SiteErrorKind::NotFound => Err(err.into()),
            Ok(()) | Err(_) => Ok(()),
        }
    }

    /// Tries everything that one connection is enough for. That files are kept and how many connections there
    /// may be is found out later.
    pub(super) fn learn(&mut self) -> Result<Abilities, ProbeError> {
        // The first are about the file as it was put.
        let flushes = self.session.is_flushed();
        let stat = self.stat()?;
        let reads = self.reading()?;
        self.reads = reads == Reading::Right;
        let hashes = self.hashing()?;
        let appends = self.append()?;
        let rewrites = self.rewriting()?;
        let writes_ahead = self.write_ahead()?;
        let cuts = self.cut()?;
        let renames = self.renaming()?;
        Ok(Abilities {
            stat,
            reads,
            hashes,
            appends,
            rewrites,
            writes_ahead,
            cuts,
            flushes,
            renames,
            keeps: false,
            tells_space: self.session.free_space(&RemotePath::base())?.is_some(),
            takes_unicode: self.takes_unicode()?,
            takes_dot_names: self.names.has_dot,
            longest_name: self.longest_name()?,
            tells_cases: self.tells_cases()?,
            connections: Connections::AtLeast(1),
        })
    }

    /// Returns the median of the times that some looks at the file take.
    pub(super) fn median_answer(&mut self, looks: usize) -> Result<Duration, SiteError> {
        median(looks, || self.session.stat(&self.file).map(drop))
    }

    /// Returns whether the file is what it was left as.
    pub(super) fn is_kept(&mut self) -> Result<bool, SiteError> {
        let (file, content) = (self.file.clone(), self.content.clone());
        self.holds(&file, &content)
    }

    fn stat(&mut self) -> Result<Stat, ProbeError> {
        Ok(match self.session.stat(&self.file)? {
            Some(entry) if entry == a_file(self.content.len()) => Stat::Right,
            Some(_) => Stat::Wrong,
            None => Stat::Absent,
        })
    }

    fn reading(&mut self) -> Result<Reading, ProbeError> {
        let mut seen = Compared::with(&self.content);
        let read = self.session.get(&self.file, 0, &mut seen);
        Ok(match allowed(read)? {
            true if seen.is_same() => Reading::Right,
            true => Reading::Wrong,
            false => Reading::Withheld,
        })
    }

    fn hashing(&mut self) -> Result<Hashing, ProbeError> {
        let hashed = self.session.sha256(&self.file, self.content.len() as u64);
        Ok(match answered(hashed)?.flatten() {
            None => Hashing::Nothing,
            Some(hash) if hash == sha256(&self.content) => Hashing::Files,
            Some(_) => Hashing::Wrong,
        })
    }

    fn append(&mut self) -> Result<bool, ProbeError> {
        let tail = b"appended";
        let appended = [&self.content[..], tail].concat();
        let is_done = self.write(self.content.len(), tail)?;
        Ok(self.becomes([appended])? == Some(0) && is_done)
    }

    fn rewriting(&mut self) -> Result<Rewriting, ProbeError> {
        let (at, patch) = (self.content.len() / 2, b"rewritten");
        let begun = [&self.content[..at], patch].concat();
        let kept = [&begun, &self.content[begun.len()..]].concat();
        let is_done = self.write(at, patch)?;
        Ok(match self.becomes([kept, begun])? {
            Some(0) if is_done => Rewriting::Keeps,
            Some(1) if is_done => Rewriting::Cuts,
            _ => Rewriting::Refused,
        })
    }

    fn write_ahead(&mut self) -> Result<bool, ProbeError> {
        let (gap, piece) = ([0; AHEAD], b"ahead");
        let longer = [&self.content[..], &gap, piece].concat();
        let is_done = self.write(self.content.len() + AHEAD, piece)?;
        Ok(self.becomes([longer])? == Some(0) && is_done)
    }

    fn cut(&mut self) -> Result<bool, ProbeError> {
        let size = self.content.len() / 3;
        let is_done = allowed(self.session.truncate(&self.file, size as u64))?;
        let cut = self.content[..size].to_vec();
        Ok(self.becomes([cut])? == Some(0) && is_done)
    }

    /// Has two files meet at one name, and then gives one of them a name of its own, by which it is to be
    /// seen at the end.
    fn renaming(&mut self) -> Result<Renaming, ProbeError> {
        let (new, old, last) = (self.take("new")?, self.take("old")?, self.take("renamed")?);
        self.put(&new, 0, b"the new one")?;
        self.put(&old, 0, b"the old one")?;
        let mut outcome = Renaming::Guarded;
        for is_blind in [false, true] {
            let renamed = match is_blind {
                false => self.session.rename_new(&new, &old),
                true => self.session.rename_blindly(&new, &old),
            };
            let is_refused = !allowed(renamed)?;
            let are_both_there = self.holds(&new, b"the new one")? && self.holds(&old, b"the old one")?;
            outcome = match (is_refused && are_both_there, is_blind) {
                (true, _) => continue,
                (false, false) => Renaming::Overwritten,
                (false, true) => Renaming::LookedAt,
            };
            break;
        }
        let file = self.file.clone();
        self.names.fill(&last);
        let is_renamed = allowed(self.session.rename_new(&file, &last))?;
        let is_moved = self.session.stat(&file)?.is_none();
        if is_renamed && is_moved {
            self.file = last;
        } else if outcome != Renaming::Overwritten {
            outcome = Renaming::Impossible;
        }
        Ok(outcome)
    }

    fn takes_unicode(&mut self) -> Result<bool, ProbeError> {
        let path = self.take("ü")?;
        self.takes(path)
    }

    /// Returns whether a name in other letters is another name; `None` if a file cannot be seen under its
    /// own.
    fn tells_cases(&mut self) -> Result<Option<bool>, ProbeError> {
        let (lower, upper) = (self.take("case")?, self.take("CASE")?);
        let is_put = allowed(self.put(&lower, 0, b"x"))?;
        let is_seen = is_put && answered(self.session.stat(&lower))?.flatten().is_some();
        let other = if is_seen { answered(self.session.stat(&upper))? } else { None };
        if is_put {
            allowed(self.session.remove(&lower))?;
        }
        self.names.give_back(&upper);
        Ok(other.map(|entry| entry.is_none()))
    }

    fn longest_name(&mut self) -> Result<usize, ProbeError> {
        let (mut takes, mut refuses) = (self.file.name().len(), LONGEST + 1);
        let mut next = LONGEST;
        while takes + 1 < refuses {
            self.stop.check()?;
            let path = self.names.take_long(next)?;
            match self.takes(path)? {
                true => takes = next,
                false => refuses = next,
            }
            next = usize::midpoint(takes, refuses);
        }
        Ok(takes)
    }

    /// Returns whether a file can stand under exactly this name; none is left there.
    fn takes(&mut self, path: RemotePath) -> Result<bool, ProbeError> {
        let is_put = allowed(self.put(&path, 0, b""))?;
        let stands = is_put
            && match answered(self.session.list(&RemotePath::base()))? {
                Some(names) if names.iter().any(|name| name == path.name()) => true,
                // It would be there, as this one is.
                Some(names) if names.iter().any(|name| name == self.file.name()) => false,
                // Who may not list, or is not shown names that begin with a dot, can still ask.
                Some(_) | None => self.session.stat(&path)?.is_some(),
            };
        match self.session.remove(&path) {
            Err(err) if is_put && err.kind != SiteErrorKind::NotFound => return Err(err.into()),
            removed => allowed(removed)?,
        };
        self.names.give_back(&path);
        Ok(stands)
    }

    fn take(&mut self, role: &str) -> Result<RemotePath, ProbeError> {
        self.stop.check()?;
        Ok(self.names.take(role)?)
    }

    /// Puts bytes into a file. If that fails, a file counts as put unless it is known that there is none.
    fn put(&mut self, path: &RemotePath, from: usize, mut bytes: &[u8]) -> Result<u64, SiteError> {
        let put = self.session.put(path, from as u64, &mut bytes, &mut |_| ());
        let is_absent = match &put {
            Err(err) if !err.kind.is_dead() => matches!(self.session.stat(path), Ok(None)),
            Ok(_) | Err(_) => false,
        };
        if !is_absent {
            self.names.fill(path);
        }
        put
    }

    /// Writes into the file, and returns whether that was allowed.
    fn write(&mut self, at: usize, bytes: &[u8]) -> Result<bool, ProbeError> {
        self.stop.check()?;
        let file = self.file.clone();
        Ok(allowed(self.put(&file, at, bytes))?)
    }

    /// Returns which of these contents the file has now. If it has none of them, it gets back the one it had.
    fn becomes<const N: usize>(&mut self, contents: [Vec<u8>; N]) -> Result<Option<usize>, ProbeError> {
        let file = self.file.clone();
        for (which, content) in contents.into_iter().enumerate() {
            if self.holds(&file, &content)? {
                self.content = content;
                return Ok(Some(which));
            }
        }
        let content = self.content.clone();
        if !self.holds(&file, &content)? {
            allowed(self.session.remove(&file))?;
            self.put(&file, 0, &content)?;
        }
        Ok(None)
    }

    /// Returns whether a file has this content, as far as that can be seen.
    fn holds(&mut self, path: &RemotePath, content: &[u8]) -> Result<bool, SiteError> {
        if self.session.stat(path)? != Some(a_file(content.len())) {
            return Ok(false);
        }
        if !self.reads {
            return Ok(true);
        }
        let mut seen = Compared::with(content);
        Ok(allowed(self.session.get(path, 0, &mut seen))? && seen.is_same())
    }
}

/// Returns what a site says, or `None` if it refuses; an error is one after which nothing more can be
/// learned.
fn answered<T>(result: Result<T, SiteError>) -> Result<Option<T>, SiteError> {
    match result {
        Ok(answer) => Ok(Some(answer)),
        Err(err) if err.kind.is_dead() || err.kind == SiteErrorKind::NoSpace => Err(err),
        Err(_) => Ok(None),
    }
}

/// Returns whether a site has done what it was asked for, as far as [`answered`] is an answer.
fn allowed<T>(result: Result<T, SiteError>) -> Result<bool, SiteError> {
    Ok(answered(result)?.is_some())
}

fn a_file(size: usize) -> Entry {
    Entry { kind: EntryKind::File, size: size as u64 }
}

fn sha256(bytes: &[u8]) -> Sha256Hex {
    let mut digester = Digester::default();
    digester.update(bytes);
    digester.finish().sha256
}

/// Compares what is written to it.
struct Compared<'a> {
    /// What is still to come.
    rest: &'a [u8],
    differs: bool,
}

impl<'a> Compared<'a> {
    fn with(expected: &'a [u8]) -> Self {
        Self { rest: expected, differs: false }
    }

    fn is_same(&self) -> bool {
        !self.differs && self.rest.is_empty()
    }
}

impl Write for Compared<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self.rest.strip_prefix(bytes) {
            Some(rest) => self.rest = rest,
            None => self.differs = true,
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

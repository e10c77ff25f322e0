//! What stands at a name, from servers that say it in different ways, and some of them wrongly.
//!
//! A listing of the directory tells files from links and devices with every server we know, so it comes first; it is
//! believed only if it lists the directory itself, because servers answer "done" and nothing else for directories that
//! do not exist or may not be read. A name that is not in it may still have been left out, so absence is asked for
//! again, by facts or by size.

use super::control::Failure;
use super::listing::{Facts, Line};
use super::session::Open;
use crate::site::{Entry, EntryKind, RemotePath, SiteError, SiteErrorKind};

/// How the server lists a directory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Lister {
    /// Nobody has tried.
    Untried,
    /// In an answer, to `STAT`.
    Answer,
    /// Over a data connection, to `LIST`.
    Data,
    /// Not in a way that we read.
    Unavailable,
}

impl Open {
    /// Returns what is at a path.
    pub(super) fn look(&mut self, path: &RemotePath) -> Result<Option<Entry>, SiteError> {
        let failed = |open: &Self, failure| open.control.error(&format!("looking at {path}"), failure);
        if path.is_base() {
            let is_directory = self.enter(&self.base.clone()).map_err(|failure| failed(self, failure))?;
            return Ok(is_directory.then_some(Entry { kind: EntryKind::Directory, size: 0 }));
        }
        let dir = self.at(&path.parent());
        if !self.enter(&dir).map_err(|failure| failed(self, failure))? {
            return match self.look(&path.parent())? {
                None | Some(Entry { kind: EntryKind::File, .. }) => Ok(None),
                Some(_) => {
                    self.control.confirm().map_err(|failure| failed(self, failure))?;
                    let text = format!(
                        "looking at {path} at site {}: its directory cannot be entered",
                        self.control.peer
                    );
                    Err(SiteError::new(SiteErrorKind::Permission, format!("{text}; have it allowed there")))
                }
            };
        }
        let lines = self.lines(&dir).map_err(|failure| failed(self, failure))?;
        if let Some(line) = lines.iter().flatten().find(|line| line.is_of(path.name())) {
            return Ok(Some(line.entry));
        }
        self.look_closer(path, lines.is_some()).map_err(|failure| failed(self, failure))
    }

    /// Looks at a single name, which may have been left out of a listing.
    fn look_closer(&mut self, path: &RemotePath, is_listed: bool) -> Result<Option<Entry>, Failure> {
        let at = self.at(path);
        if self.features.has("MLST") {
            let reply = self.control.ask("MLST", &at)?;
            if reply.is_done() {
                let facts = reply.inner().iter().find_map(|line| Facts::parse(line));
                return match facts {
                    Some(facts) if facts.name.rsplit('/').next() != Some(path.name()) => {
                        self.control.confirm()?;
                        Err(Failure::Garbled("its facts are about another name"))
                    }
                    Some(facts) => Ok(Some(facts.entry)),
                    None => Err(Failure::Garbled("its facts cannot be read")),
                };
            }
            if !reply.is_unknown() {
                return match is_absence(reply.code) {
                    true => Ok(None),
                    false => Err(self.control.doubt(Failure::Refused(reply))),
                };
            }
        }
        if !is_listed {
            return Err(Failure::Garbled("it lists directories in no form that this program reads"));
        }
        let reply = self.control.ask("SIZE", &at)?;
        match reply.text().trim().parse() {
            Ok(size) if reply.is_done() => {
                self.control.confirm()?;
                Ok(Some(Entry { kind: EntryKind::File, size }))
            }
            // The listing has said that it is not there, and a server without this command has no more to say.
            _ if is_absence(reply.code) || reply.is_unknown() => Ok(None),
            _ => Err(self.control.doubt(Failure::Refused(reply))),
        }
    }

    /// Changes to a directory, or a link to one; returns whether there is one that may be entered.
    pub(super) fn enter(&mut self, dir: &str) -> Result<bool, Failure> {
        if self.entered.as_deref() == Some(dir) {
            return Ok(true);
        }
        let reply = self.control.ask("CWD", dir)?;
        self.entered = reply.is_done().then(|| dir.to_owned());
        match reply.is_done() || is_absence(reply.code) {
            true => Ok(reply.is_done()),
            false => Err(self.control.doubt(Failure::Refused(reply))),
        }
    }

    /// Returns the lines of a listing of the directory we are in, or `None` if the server lists none that we read.
    pub(super) fn lines(&mut self, dir: &str) -> Result<Option<Vec<Line>>, Failure> {
        if matches!(self.lister, Lister::Untried | Lister::Answer) {
            let reply = self.control.ask("STAT", "-a")?;
            let lines = believable(reply.lines.iter().map(String::as_str).filter(|_| reply.is_done()));
            if lines.is_some() {
                self.lister = Lister::Answer;
                return Ok(lines);
            }
        }
        if matches!(self.lister, Lister::Untried | Lister::Data) {
            let listed = match self.channel.lines(&mut self.control, ("LIST", "-a")) {
                Err(Failure::Refused(reply)) if reply.code != super::reply::code::CLOSING => Vec::new(),
                listed => listed?,
            };
            let lines = believable(listed.iter().map(String::as_str));
            if lines.is_some() {
                self.lister = Lister::Data;
                return Ok(lines);
            }
        }
        if self.lister == Lister::Untried && self.features.has("MLST") {
            self.lister = Lister::Unavailable;
        }
        // It may have been removed since we entered it.
        if self.entered.take().as_deref() != Some(dir) || self.lister == Lister::Unavailable {
            return Ok(None);
        }
        match self.enter(dir)? {
            true => Ok(None),
            false => Ok(Some(Vec::new())),
        }
    }
}

/// Returns the lines of a listing if it lists the directory itself.
fn believable<'a>(lines: impl Iterator<Item = &'a str>) -> Option<Vec<Line>> {
    let lines: Vec<Line> = lines.filter_map(Line::parse).collect();
    lines.iter().any(|line| line.is_of(".") && line.entry.kind == EntryKind::Directory).then_some(lines)
}

/// Returns whether an answer may say that something is not there: servers have these two numbers for it, and the
/// same for what they do not let us see.
fn is_absence(code: u16) -> bool {
    matches!(code, 450 | 550)
}

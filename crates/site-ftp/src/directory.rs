//! What a directory holds, from servers that list in different ways.
//!
//! A listing is certainly all there is only if it has an entry for the directory itself: servers answer
//! "done", and list nothing, for directories that do not exist or may not be read. Many servers never list
//! that entry. What they show is there all the same, and only what they do not show has to be asked for in
//! another way ([`super::look`]).

use super::control::Failure;
use super::data::Ended;
use super::listing::{Facts, Line, Lister};
use super::open::{Entered, Open};
use super::reply::code;
use intraware_core::site::{EntryKind, RemotePath, SiteError, SiteErrorKind};

/// Names that a directory may have; a hostile server could go on for ever.
const MAX_NAMES: usize = 100_000;

/// What a server lists of a directory.
pub(super) enum Listed {
    /// All there is.
    Whole(Vec<Line>),
    /// Some of it, as far as we know.
    Shown(Vec<Line>),
    /// Nothing that we read.
    Unread,
}

impl Listed {
    /// Returns the line about a name.
    pub(super) fn find(&self, name: &str) -> Option<&Line> {
        match self {
            Self::Whole(lines) | Self::Shown(lines) => lines.iter().find(|line| line.is_of(name)),
            Self::Unread => None,
        }
    }

    pub(super) fn is_whole(&self) -> bool {
        matches!(self, Self::Whole(_))
    }
}

impl Open {
    /// Makes a directory and those above it where they are missing; returns how many it made.
    pub(super) fn make_all(&mut self, dir: &RemotePath) -> Result<usize, SiteError> {
        // In the usual case it is there, which costs one question instead of one a name.
        if self.may_enter(dir)? {
            return Ok(0);
        }
        let mut made = 0;
        for dir in dir.with_parents() {
            if self.may_enter(&dir)? {
                continue;
            }
            let reply = self.control.ask("MKD", &self.at(&dir));
            let reply = reply.map_err(|failure| self.error("making directory", &dir, failure))?;
            if reply.is_done() {
                made += 1;
                continue;
            }
            // Somebody else may have made it meanwhile.
            if self.may_enter(&dir)? {
                continue;
            }
            let failure = self.control.doubt(Failure::Refused(reply));
            let kind = match self.look(&dir)? {
                Some(_) => SiteErrorKind::NotRegular,
                None if failure.is_vague() => SiteErrorKind::Permission,
                None => failure.kind(),
            };
            return Err(self.control.error_of(kind, &format!("making directory {dir}"), failure));
        }
        Ok(made)
    }

    /// Returns whether a directory that is to be made can be entered already; whatever else is said of it,
    /// making it says more.
    fn may_enter(&mut self, dir: &RemotePath) -> Result<bool, SiteError> {
        match self.try_to_enter(&self.at(dir)) {
            Ok(Entered::Yes) => Ok(true),
            Ok(Entered::No | Entered::Unclear(_)) => Ok(false),
            Err(failure) => Err(self.error("making directory", dir, failure)),
        }
    }

    /// Returns the names in a directory.
    pub(super) fn names_in(&mut self, dir: &RemotePath) -> Result<Vec<String>, SiteError> {
        let at = self.at(dir);
        if !self.enter(&at).map_err(|failure| self.error("listing", dir, failure))? {
            let why = "there is no such directory; look whether somebody removed it";
            return Err(self.refusal(SiteErrorKind::NotFound, "listing", dir, why));
        }
        let listed = self.lines(&at).map_err(|failure| self.error("listing", dir, failure))?;
        let names: Vec<String> = match listed {
            Listed::Whole(lines) => lines.iter().map(|line| line.name().to_owned()).collect(),
            Listed::Shown(lines) if self.lister != Lister::Unavailable => {
                lines.iter().map(|line| line.name().to_owned()).collect()
            }
            Listed::Shown(_) | Listed::Unread => {
                self.enter(&at).map_err(|failure| self.error("listing", dir, failure))?;
                self.names_by_facts(dir)?
            }
        };
        let names: Vec<String> = names.into_iter().filter(|name| !matches!(&**name, "." | "..")).collect();
        if names.len() > MAX_NAMES || names.iter().any(|name| name.contains('/')) {
            let failure = Failure::Garbled("its names cannot be those of one directory");
            return Err(self.error("listing", dir, failure));
        }
        Ok(names)
    }

    fn names_by_facts(&mut self, dir: &RemotePath) -> Result<Vec<String>, SiteError> {
        match self.listing(("MLSD", "")) {
            Ok(lines) => {
                let facts = lines.iter().filter_map(|line| Some((Facts::parse(line)?, line)));
                let names = facts.filter(|(facts, line)| !facts.is_about_directory(line));
                Ok(names.map(|(facts, _)| facts.name).collect())
            }
            Err(Failure::Refused(reply)) if reply.is_unknown() => Err(self.unlisted("listing", dir)),
            Err(failure) => Err(self.error("listing", dir, failure)),
        }
    }

    /// Makes an error of a directory that is not listed in any form that we read.
    pub(super) fn unlisted(&self, doing: &str, path: &RemotePath) -> SiteError {
        if self.lists_itself {
            let why = "its directory cannot be listed; have it allowed there";
            return self.refusal(SiteErrorKind::Permission, doing, path, why);
        }
        self.error(doing, path, Failure::Unfit("it lists directories in no form that this program reads"))
    }

    /// Returns what the server lists of the directory we are in.
    pub(super) fn lines(&mut self, dir: &str) -> Result<Listed, Failure> {
        let has_facts = self.features.has("MLST");
        let mut shown = None;
        let mut is_read = false;
        let tries = match self.lister {
            Lister::Untried if has_facts => vec![Lister::Answer, Lister::Data],
            Lister::Untried => vec![Lister::Answer, Lister::Data, Lister::Bare],
            Lister::Unavailable => vec![],
            one @ (Lister::Answer | Lister::Data | Lister::Bare) => vec![one],
        };
        for lister in tries {
            if lister == Lister::Bare && shown.is_some() {
                break;
            }
            let Some(texts) = self.texts(lister)? else { continue };
            let lines: Vec<Line> = texts.iter().filter_map(|text| Line::parse(text)).collect();
            if lines.iter().any(|line| line.is_of(".") && line.entry.kind == EntryKind::Directory) {
                (self.lister, self.lists_itself) = (lister, true);
                return Ok(Listed::Whole(lines));
            }
            // What is answered to `STAT` may be about something else, as long as it has shown no file.
            let is_empty = || match lister {
                Lister::Answer => self.lister == Lister::Answer,
                _ => texts.iter().all(|text| says_nothing(text)),
            };
            is_read |= !lines.is_empty() || is_empty();
            if !lines.is_empty() && shown.is_none() {
                shown = Some((lister, lines));
            }
        }
        if self.lister == Lister::Untried && has_facts {
            self.lister = Lister::Unavailable;
        }
        if let Some((lister, lines)) = shown {
            if self.lister == Lister::Untried {
                self.lister = lister;
            }
            return Ok(Listed::Shown(lines));
        }
        if self.lister == Lister::Unavailable {
            return Ok(Listed::Unread);
        }
        // It may have been removed since we entered it.
        self.entered = None;
        match self.enter(dir)? {
            false => Ok(Listed::Whole(Vec::new())),
            true if is_read && !self.lists_itself => Ok(Listed::Shown(Vec::new())),
            true => Ok(Listed::Unread),
        }
    }

    /// Returns the lines that come over a connection for data.
    fn listing(&mut self, command: (&str, &str)) -> Result<Vec<String>, Failure> {
        match self.with_data(|channel, control| channel.lines(control, command)) {
            Ok(lines) => Ok(lines),
            Err(Ended::Site(failure) | Ended::NotBegun(failure)) => Err(failure),
            Err(Ended::Local(err)) => Err(Failure::Lost(Some(err))),
        }
    }

    /// Returns what the server says in one of its ways to list, or `None` if it refuses.
    fn texts(&mut self, lister: Lister) -> Result<Option<Vec<String>>, Failure> {
        let argument = match lister {
            Lister::Untried | Lister::Unavailable => return Ok(None),
            Lister::Answer => {
                let reply = self.control.ask("STAT", "-a")?;
                return Ok(reply.is_done().then_some(reply.lines));
            }
            Lister::Data => "-a",
            Lister::Bare => "",
        };
        match self.listing(("LIST", argument)) {
            Ok(lines) => Ok(Some(lines)),
            // Nothing is known, unless there are facts.
            Err(Failure::Refused(reply)) if reply.is_about_data() && !self.features.has("MLST") => {
                Err(Failure::Refused(reply))
            }
            Err(Failure::Refused(reply)) if reply.code != code::CLOSING => Ok(None),
            Err(failure) => Err(failure),
        }
    }
}

/// Returns whether a line belongs to a listing without entries.
fn says_nothing(text: &str) -> bool {
    text.trim().is_empty() || text.starts_with("total ")
}

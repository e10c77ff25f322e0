//! What stands at a name, from servers that say it in different ways, and some of them wrongly.
//!
//! A listing of the directory tells files from links and devices with every server we know, so it comes first
//! ([`super::directory`]); a name that it shows is there. One that it does not show may have been left out,
//! so absence is asked for again, by facts or by size; by both if nothing has shown yet that the server means
//! its directory by what it lists, or the name by what it says of it.

use super::control::Failure;
use super::directory::Listed;
use super::listing::{Facts, Lister};
use super::open::{Entered, Open, says_absence};
use super::reply::Reply;
use intraware_core::site::{Entry, EntryKind, RemotePath, SiteError, SiteErrorKind};

/// A name that nobody has.
const NOBODYS: &str = "./intraware-asks-for-nothing";

impl Open {
    /// Returns what is at a path.
    pub(super) fn look(&mut self, path: &RemotePath) -> Result<Option<Entry>, SiteError> {
        let failed = |open: &Self, failure| open.control.error(&format!("looking at {path}"), failure);
        if path.is_base() {
            let is_directory = self.enter(&self.base.clone()).map_err(|failure| failed(self, failure))?;
            return Ok(is_directory.then_some(Entry { kind: EntryKind::Directory, size: 0 }));
        }
        let dir = self.at(&path.parent());
        let refused = match self.try_to_enter(&dir).map_err(|failure| failed(self, failure))? {
            Entered::Yes => return self.look_within(&dir, path),
            Entered::No => None,
            Entered::Unclear(reply) => Some(Failure::Refused(reply)),
        };
        match (self.look(&path.parent())?, refused) {
            (None | Some(Entry { kind: EntryKind::File, .. }), _) => Ok(None),
            (Some(_), Some(failure)) => {
                let failure = self.control.doubt(failure);
                Err(failed(self, failure))
            }
            (Some(_), None) => {
                self.control.confirm().map_err(|failure| failed(self, failure))?;
                let why = "its directory cannot be entered; have it allowed there";
                Err(self.refusal(SiteErrorKind::Permission, "looking at", path, why))
            }
        }
    }

    /// Looks at a name in the directory we are in.
    fn look_within(&mut self, dir: &str, path: &RemotePath) -> Result<Option<Entry>, SiteError> {
        let failed = |open: &Self, failure| open.error("looking at", path, failure);
        let listed = self.lines(dir).map_err(|failure| failed(self, failure))?;
        if let Some(line) = listed.find(path.name()) {
            return Ok(Some(line.entry));
        }
        match self.look_closer(path, &listed).map_err(|failure| failed(self, failure))? {
            Seen::Entry(entry) => Ok(Some(entry)),
            Seen::Nothing => Ok(None),
            Seen::Unknown => Err(self.unlisted("looking at", path)),
        }
    }

    /// Looks at a single name, which may have been left out of a listing.
    fn look_closer(&mut self, path: &RemotePath, listed: &Listed) -> Result<Seen, Failure> {
        let name = self.name_within(path)?;
        let mut is_denied = false;
        if self.features.has("MLST") || (!listed.is_whole() && !self.lacks_facts) {
            let reply = self.control.ask("MLST", &name)?;
            if reply.is_done() {
                return self.read_facts(path, &reply).map(Seen::Entry);
            }
            if reply.is_unknown() {
                self.lacks_facts = true;
            } else if !self.is_absence("MLST", &reply)? {
                return Err(self.control.doubt(Failure::Refused(reply)));
            } else if listed.is_whole() || self.has_shown_facts {
                return Ok(Seen::Nothing);
            } else {
                is_denied = true;
            }
        }
        if matches!(listed, Listed::Unread) && !is_denied {
            return Ok(Seen::Unknown);
        }
        let reply = self.control.ask("SIZE", &name)?;
        match reply.text().trim().parse() {
            Ok(size) if reply.is_done() => {
                self.control.confirm()?;
                Ok(Seen::Entry(Entry { kind: EntryKind::File, size }))
            }
            // A server without this command has no more to say than it has said.
            _ if reply.is_unknown() && (listed.is_whole() || is_denied) => Ok(Seen::Nothing),
            _ if reply.is_unknown() => Ok(Seen::Unknown),
            _ if self.is_absence("SIZE", &reply)? => Ok(Seen::Nothing),
            _ => Err(self.control.doubt(Failure::Refused(reply))),
        }
    }

    fn read_facts(&mut self, path: &RemotePath, reply: &Reply) -> Result<Entry, Failure> {
        match reply.inner().iter().find_map(|line| Facts::parse(line)) {
            Some(facts) if facts.name.rsplit('/').next() != Some(path.name()) => {
                self.control.confirm()?;
                Err(Failure::Unfit("its facts are about another name"))
            }
            Some(facts) => {
                self.has_shown_facts = true;
                if !self.lists_itself {
                    self.lister = Lister::Unavailable;
                }
                Ok(facts.entry)
            }
            None => Err(Failure::Unfit("its facts cannot be read")),
        }
    }

    /// Returns whether a refusal may say that something is not there: servers have two numbers for it, and
    /// the same for what they do not let us see. Another one is believed if the server says it of a name that
    /// nobody has as well.
    fn is_absence(&mut self, verb: &str, reply: &Reply) -> Result<bool, Failure> {
        if says_absence(reply.code) {
            return Ok(true);
        }
        if !Failure::Refused(reply.clone()).is_vague() {
            return Ok(false);
        }
        Ok(self.control.ask(verb, NOBODYS)?.code == reply.code)
    }
}

/// What is known of a name after a closer look.
enum Seen {
    Entry(Entry),
    Nothing,
    /// The server has no words for it.
    Unknown,
}

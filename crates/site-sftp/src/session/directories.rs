//! Directories of a session: their names, and making them in one breath.

use crate::failure::Failure;
use crate::open::Open;
use crate::packet::{Attributes, Request, status};
use intraware_core::site::{RemotePath, SiteError, SiteErrorKind};

/// Names that a directory may have; a hostile server could go on for ever.
const MAX_NAMES: usize = 100_000;

impl Open {
    /// Returns the names in a directory, without `.` and `..`.
    pub(super) fn names_in(&mut self, dir: &RemotePath) -> Result<Vec<String>, SiteError> {
        let at = self.at(dir);
        let opened = self.sftp.ask_handle(&self.link, Request::OpenDirectory { path: &at });
        let handle = opened.map_err(|failure| self.error("listing", dir, failure))?;
        let mut names = Vec::new();
        // One question ahead, since the answer to the last one is only that it was the last.
        let mut asked = self.sftp.say(Request::ReadDirectory { handle: &handle });
        let listed = loop {
            let ahead = self.sftp.say(Request::ReadDirectory { handle: &handle });
            let more = self.sftp.hear_names(&self.link, std::mem::replace(&mut asked, ahead));
            match more {
                Ok(Some(more)) => {
                    names.extend(more.into_iter().filter(|name| !matches!(&**name, "." | "..")))
                }
                Ok(None) => break Ok(names),
                Err(failure) => break Err(self.error("listing", dir, failure)),
            }
            if names.len() > MAX_NAMES || names.iter().any(|name| name.contains('/')) {
                break Err(self.refusal(SiteErrorKind::Protocol, "listing", dir, status::FAILURE));
            }
        };
        self.sftp.forget(asked);
        self.sftp.close(&handle);
        listed
    }

    /// Makes a directory and those above it where they are missing; returns how many.
    pub(super) fn make_all(&mut self, dir: &RemotePath) -> Result<usize, SiteError> {
        let failed = |open: &Self, dir: &RemotePath, failure| open.error("making directory", dir, failure);
        // In the usual case it is there, which costs one question instead of one a name.
        match self.is_directory(&self.at(dir)) {
            Ok(true) => return Ok(0),
            Err(failure) if !failure.is_vague() => return Err(failed(self, dir, failure)),
            Ok(false) | Err(_) => {}
        }
        let attributes = Attributes::mode(self.settings.dir_mode);
        let mut said = Vec::new();
        for dir in dir.with_parents() {
            let path = self.at(&dir);
            said.push((self.sftp.say(Request::MakeDirectory { path: &path, attributes }), dir));
        }
        let (mut made, mut refused) = (0, Vec::new());
        for (asked, dir) in said {
            match self.sftp.hear_done(&self.link, asked) {
                Ok(()) => made += 1,
                Err(failure) if failure.kind().is_dead() => return Err(failed(self, &dir, failure)),
                Err(failure) => refused.push((dir, failure)),
            }
        }
        for (dir, failure) in refused {
            made += usize::from(self.make_after_all(&dir, failure)?);
        }
        Ok(made)
    }

    /// Makes a directory that the server has refused to make, if that was not because it is there; returns
    /// whether it did.
    ///
    /// Servers refuse an existing directory in several ways, some before they look at it. And what they are
    /// asked for in one breath they may do in any order, so that one is refused for which its parent had yet
    /// to be made.
    fn make_after_all(&mut self, dir: &RemotePath, failure: Failure) -> Result<bool, SiteError> {
        let at = self.at(dir);
        let doing = format!("making directory {dir}");
        let is_there =
            |open: &mut Self| open.is_directory(&at).map_err(|failure| open.link.error(&doing, failure));
        if is_there(self)? {
            return Ok(false);
        }
        let attributes = Attributes::mode(self.settings.dir_mode);
        let failure = match failure.kind() {
            SiteErrorKind::NotFound | SiteErrorKind::Protocol => {
                match self.sftp.ask_done(&self.link, Request::MakeDirectory { path: &at, attributes }) {
                    Ok(()) => return Ok(true),
                    Err(failure) if failure.kind().is_dead() => return Err(self.link.error(&doing, failure)),
                    Err(_) if is_there(self)? => return Ok(false),
                    Err(failure) => failure,
                }
            }
            _ => failure,
        };
        let kind = match failure.kind() {
            _ if self.look(&at).is_ok() => SiteErrorKind::NotRegular,
            // Its parent is there.
            SiteErrorKind::NotFound => SiteErrorKind::Protocol,
            kind => kind,
        };
        Err(self.link.error_of(kind, &doing, failure))
    }
}

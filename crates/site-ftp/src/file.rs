//! A file at an FTP server: looked at before, sent or fetched, and looked at again, since "done" is all that
//! a server says.

use std::io::{self, Read};

use super::control::Failure;
use super::data::Ended;
use super::open::Open;
use super::reply::Reply;
use intraware_core::site::{Entry, EntryKind, RemotePath, Session as _, SiteError, SiteErrorKind};

/// What was to be done with a file when it was refused.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Use {
    Write,
    Read,
}

impl Open {
    /// Makes an error of a failure with a file, after looking at what stands there if the server has not
    /// said.
    pub(super) fn file_error(&mut self, usage: Use, path: &RemotePath, failure: Failure) -> SiteError {
        let doing = if usage == Use::Write { "writing" } else { "reading" };
        let failure = self.control.doubt(failure);
        if !failure.is_vague() {
            return self.error(doing, path, failure);
        }
        let kind = match (self.look(path), usage) {
            (Ok(Some(Entry { kind: EntryKind::File, .. })), Use::Write) if self.is_full(path) => {
                SiteErrorKind::NoSpace
            }
            // A refusal that may pass: the file is busy, or the disk of that server is in trouble.
            (Ok(Some(Entry { kind: EntryKind::File, .. })), _) => match &failure {
                Failure::Refused(Reply { code: 400..500, .. }) => SiteErrorKind::Protocol,
                _ => SiteErrorKind::Permission,
            },
            (Ok(Some(_)), _) => SiteErrorKind::NotRegular,
            (Ok(None), Use::Read) => SiteErrorKind::NotFound,
            (Ok(None), Use::Write) => match self.look(&path.parent()) {
                Ok(Some(Entry { kind: EntryKind::Directory, .. })) => SiteErrorKind::Permission,
                Ok(_) => SiteErrorKind::NotFound,
                Err(err) => return err,
            },
            (Err(err), _) => return err,
        };
        self.control.error_of(kind, &format!("{doing} {path}"), failure)
    }

    fn is_full(&mut self, path: &RemotePath) -> bool {
        matches!(self.free_space(&path.parent()), Ok(Some(free)) if free < 1 << 20)
    }

    /// Makes an error of a failure of our side, after which the session goes on. Some servers (ProFTPD over
    /// TLS) end it when a transfer is broken off; then it goes on over a new connection.
    pub(super) fn local_error(&mut self, doing: &str, path: &RemotePath, err: io::Error) -> SiteError {
        if self.control.is_dead() {
            // If it cannot be had, whoever goes on finds that out.
            let _ = self.renew();
        }
        let text = format!("{doing} the local side of {path}; look at the spool's disk");
        SiteError::caused(SiteErrorKind::Source, text, err)
    }

    /// Returns the size of the regular file at a path, or `None` if nothing is there.
    pub(super) fn regular(&mut self, doing: &str, path: &RemotePath) -> Result<Option<u64>, SiteError> {
        match self.look(path)? {
            None => Ok(None),
            Some(Entry { kind: EntryKind::File, size }) => Ok(Some(size)),
            Some(_) => {
                let why = "a link, directory or device is in the way; look at what it is, and whose";
                Err(self.refusal(SiteErrorKind::NotRegular, doing, path, why))
            }
        }
    }

    pub(super) fn must_exist(
        &self,
        doing: &str,
        path: &RemotePath,
        size: Option<u64>,
    ) -> Result<u64, SiteError> {
        let why = "there is no such file; look whether somebody removed it";
        size.ok_or_else(|| self.refusal(SiteErrorKind::NotFound, doing, path, why))
    }

    /// Sends a file, at a position behind `there` bytes that stay.
    pub(super) fn store(
        &mut self,
        path: &RemotePath,
        from: u64,
        there: Option<u64>,
        source: &mut dyn Read,
        progress: &mut dyn FnMut(u64),
    ) -> Result<u64, Ended> {
        self.hashed.insert(self.at(path));
        let at = self.name_within(path)?;
        if there == Some(0) {
            // Some servers let nobody write to a file that exists.
            self.control.ask("DELE", &at)?;
        }
        let sent =
            self.with_data(|channel, control| channel.send(control, ("STOR", &at), from, source, progress));
        match sent {
            // It knows no positions, or allows none for what it is sent; to append is the same at the end.
            Err(Ended::NotBegun(failure)) if from > 0 && there == Some(from) && failure.is_objection() => {
                self.with_data(|channel, control| channel.send(control, ("APPE", &at), 0, source, progress))
            }
            sent => sent,
        }
    }

    /// Makes sure that everything arrived, and gives the file its mode while it still has its temporary name.
    pub(super) fn settle(&mut self, path: &RemotePath, end: u64) -> Result<(), SiteError> {
        let size = match self.control.ask("SIZE", &self.at(path)) {
            Ok(reply) if reply.is_done() => reply.text().trim().parse().ok(),
            Ok(_) => None,
            Err(failure) => return Err(self.error("asking for the size of", path, failure)),
        };
        let size = match size {
            Some(size) => size,
            None => self.regular("writing", path)?.unwrap_or(0),
        };
        if size < end {
            let why = format!("it has {size} of {end} bytes, and said that it had all; try again later");
            return Err(self.refusal(SiteErrorKind::Protocol, "writing", path, &why));
        }
        if self.sets_modes && !self.has_mode_already(path)? {
            let failed = |open: &Self, failure| open.error("setting the mode of", path, failure);
            let at = self.name_within(path).map_err(|failure| failed(self, failure))?;
            let argument = format!("CHMOD {:o} {at}", self.settings.file_mode);
            match self.control.ask("SITE", &argument) {
                Ok(reply) if reply.is_done() => {}
                // Some servers keep modes to themselves, and deliver files all the same.
                Ok(reply) => {
                    let site = &self.control.peer;
                    tracing::info!(%site, %path, code = reply.code, "the site does not let us set the mode");
                    if reply.is_unknown() {
                        self.sets_modes = false;
                        self.learn(|habits| habits.sets_modes = Some(false));
                    }
                }
                Err(failure) => return Err(failed(self, failure)),
            }
        }
        Ok(())
    }

    /// Returns whether a file is known to have its mode already, where it is better not to set it again: in
    /// the clear a line may be cut, and what is left of this one may take the right to enter its directory
    /// from everybody.
    fn has_mode_already(&mut self, path: &RemotePath) -> Result<bool, SiteError> {
        if self.control.protection().is_some() {
            return Ok(false);
        }
        let failed = |open: &Self, failure| open.error("looking at", path, failure);
        let dir = self.at(&path.parent());
        if !self.enter(&dir).map_err(|failure| failed(self, failure))? {
            return Ok(false);
        }
        let listed = self.lines(&dir).map_err(|failure| failed(self, failure))?;
        Ok(listed.find(path.name()).is_some_and(|line| line.has_mode(self.settings.file_mode)))
    }
}

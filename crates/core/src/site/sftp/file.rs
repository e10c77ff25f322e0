//! A file of a session while it is open: looked at before and after, given its mode, flushed, and left behind when a
//! transfer breaks.

use std::io;

use ssh2::{File, FileStat, OpenFlags, OpenType};

use super::link::{Failure, code};
use super::session::Open;
use super::window::WINDOW;
use crate::site::{EntryKind, RemotePath, Session as _, SiteError, SiteErrorKind};

impl Open {
    /// Opens a regular file. What stands at the name is looked at before, because a server opens links and waits for
    /// the other end of a pipe; and the opened file is looked at again.
    pub(super) fn open(
        &mut self,
        doing: &str,
        path: &RemotePath,
        flags: OpenFlags,
    ) -> Result<File, SiteError> {
        let not_regular =
            |open: &Self| open.refusal(SiteErrorKind::NotRegular, doing, path, code::FX_FAILURE);
        if self.stat(path)?.is_some_and(|entry| entry.kind != EntryKind::File) {
            return Err(not_regular(self));
        }
        let at = self.at(path);
        let mode = i32::try_from(self.file_mode).unwrap_or(0o600);
        let mut file = self
            .link
            .ask(|| Ok(self.sftp.open_mode(&at, flags, mode, OpenType::File)?))
            .map_err(|failure| self.error(doing, path, failure))?;
        let stat = self.link.ask(|| Ok(file.stat()?)).map_err(|failure| self.error(doing, path, failure))?;
        if stat.perm.is_some() && !stat.is_file() {
            return Err(not_regular(self));
        }
        if flags.contains(OpenFlags::CREATE) {
            self.set_mode(&mut file, &stat, path)?;
        }
        Ok(file)
    }

    /// Gives a file its final mode while it still has its temporary name, whatever the server's umask is.
    fn set_mode(&self, file: &mut File, stat: &FileStat, path: &RemotePath) -> Result<(), SiteError> {
        if stat.perm.is_some_and(|perm| perm & 0o7777 == self.file_mode) {
            return Ok(());
        }
        let mode = FileStat { perm: Some(self.file_mode), ..blank() };
        match self.link.ask(|| Ok(file.setstat(mode.clone())?)) {
            Ok(()) => Ok(()),
            // Some servers keep modes to themselves, and deliver files all the same.
            Err(Failure::Status(status)) => {
                tracing::warn!(site = %self.link.peer, %path, status, "the site does not let us set the mode");
                Ok(())
            }
            Err(failure) => Err(self.error("setting the mode of", path, failure)),
        }
    }

    /// Finishes a written file: on the server's disk if it can do that, and closed.
    pub(super) fn finish(&mut self, mut file: File, path: &RemotePath) -> Result<(), SiteError> {
        let flushed = self.link.ask(|| Ok(file.fsync()?));
        self.is_flushed = flushed.is_ok();
        match flushed {
            // The extension is unknown there, or denied to everybody; writing this file is not, as it was opened for that.
            Err(Failure::Status(code::FX_OP_UNSUPPORTED | code::FX_PERMISSION_DENIED)) => {}
            done => done.map_err(|failure| self.write_error(path, failure))?,
        }
        self.link.ask(|| Ok(file.close()?)).map_err(|failure| self.error("closing", path, failure))
    }

    /// Goes on over a new channel after a transfer has ended early; the old one may hold half a request.
    pub(super) fn renew(&mut self, file: File) {
        let fresh = self.link.ask(|| Ok(self.link.ssh.sftp()?));
        self.link.abandon(file);
        let Ok(fresh) = fresh else { return self.link.give_up() };
        let old = std::mem::replace(&mut self.sftp, fresh);
        self.link.abandon(old);
        if !matches!(self.is_directory(&self.base), Ok(true)) {
            self.link.give_up();
        }
    }

    /// Makes an error of a refused write; a server of this version cannot say that its disk is full.
    pub(super) fn write_error(&mut self, path: &RemotePath, failure: Failure) -> SiteError {
        if failure.is_vague()
            && let Ok(Some(free)) = self.free_space(&path.parent())
            && free < WINDOW as u64
        {
            return self.link.error_of(SiteErrorKind::NoSpace, &format!("writing {path}"), failure);
        }
        self.error("writing", path, failure)
    }

    pub(super) fn source_error(&self, doing: &str, path: &RemotePath, err: io::Error) -> SiteError {
        let text = format!("{doing} the local side of {path}; look at the spool's disk");
        SiteError::caused(SiteErrorKind::Source, text, err)
    }
}

/// Attributes that say nothing.
pub(super) fn blank() -> FileStat {
    FileStat { size: None, uid: None, gid: None, perm: None, atime: None, mtime: None }
}

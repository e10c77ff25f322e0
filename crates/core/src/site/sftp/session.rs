//! An SFTP session: the contract of [`Session`] in terms of version 3 of the protocol.
//!
//! That version has eight statuses, and most refusals come as "failure" without a reason. Whoever gets one
//! looks at the names concerned afterwards and says what it finds; the answer cannot be in doubt by more than
//! what somebody else changes in between.

use std::io::{self, Read, Seek as _, SeekFrom, Write};
use std::path::{Path, PathBuf};

use ssh2::{ErrorCode, File, FileStat, OpenFlags, OpenType, RenameFlags};

use super::hash::Hasher;
use super::link::{Failure, Link, code};
use super::transfer::{Broken, receive, send};
use super::window::WINDOW;
use super::{BasePath, SftpSettings};
use crate::digest::Sha256Hex;
use crate::foreign;
use crate::site::{Entry, EntryKind, RemotePath, Session, SiteError, SiteErrorKind};

/// Names that a directory may have; a hostile server could go on for ever.
const MAX_NAMES: usize = 100_000;

/// An open session.
pub(super) struct Open {
    // Dropped before the link that it speaks over.
    sftp: ssh2::Sftp,
    link: Link,
    base: String,
    file_mode: u32,
    dir_mode: u32,
    hasher: Hasher,
}

impl Open {
    /// Starts the SFTP subsystem and finds the base.
    pub(super) fn begin(link: Link, settings: &SftpSettings) -> Result<Self, SiteError> {
        let sftp = link
            .ask(|| Ok(link.ssh.sftp()?))
            .map_err(|failure| link.error("starting the sftp subsystem", failure))?;
        let base = match &settings.base {
            BasePath::Absolute(base) => base.clone(),
            BasePath::Home(below) => {
                let home = link
                    .ask(|| Ok(sftp.realpath(Path::new("."))?))
                    .map_err(|failure| link.error("asking for the login directory", failure))?;
                let home = home.to_str().ok_or_else(|| {
                    let text = format!("using the login directory of site {}: it is not UTF-8", link.peer);
                    SiteError::new(SiteErrorKind::Configuration, text)
                })?;
                join(home, below)
            }
        };
        let hasher = if settings.exec_hash { Hasher::Untried } else { Hasher::Unavailable };
        let open =
            Self { sftp, link, base, file_mode: settings.file_mode, dir_mode: settings.dir_mode, hasher };
        match open.is_directory(&open.base) {
            Ok(true) => Ok(open),
            Ok(false) => {
                let base = foreign::escape(&open.base);
                let text = format!(
                    "looking at the base {base} of site {}: it is not a directory; correct the url or have it made",
                    open.link.peer
                );
                Err(SiteError::new(SiteErrorKind::Configuration, text))
            }
            Err(failure) => Err(open.link.error("looking at the base", failure)),
        }
    }

    fn at(&self, path: &RemotePath) -> PathBuf {
        join(&self.base, path.as_str()).into()
    }

    fn error(&self, doing: &str, path: &RemotePath, failure: Failure) -> SiteError {
        self.link.error(&format!("{doing} {path}"), failure)
    }

    fn refusal(&self, kind: SiteErrorKind, doing: &str, path: &RemotePath, status: i32) -> SiteError {
        self.link.error_of(kind, &format!("{doing} {path}"), Failure::Status(status))
    }

    /// Returns whether a directory, or a link to one, is at an absolute path.
    fn is_directory(&self, path: &str) -> Result<bool, Failure> {
        match self.link.ask(|| Ok(self.sftp.stat(Path::new(path))?)) {
            Ok(stat) => Ok(stat.is_dir()),
            Err(failure) if failure.kind() == SiteErrorKind::NotFound => Ok(false),
            Err(failure) => Err(failure),
        }
    }

    /// Opens a regular file. What stands at the name is looked at before, because a server opens links and waits for
    /// the other end of a pipe; and the opened file is looked at again.
    fn open(&mut self, doing: &str, path: &RemotePath, flags: OpenFlags) -> Result<File, SiteError> {
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
    fn finish(&mut self, mut file: File, path: &RemotePath) -> Result<(), SiteError> {
        match self.link.ask(|| Ok(file.fsync()?)) {
            Err(Failure::Status(code::FX_OP_UNSUPPORTED)) => {}
            done => done.map_err(|failure| self.write_error(path, failure))?,
        }
        self.link.ask(|| Ok(file.close()?)).map_err(|failure| self.error("closing", path, failure))
    }

    /// Goes on over a new channel after a transfer has ended early; the old one may hold half a request.
    fn renew(&mut self, file: File) {
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
    fn write_error(&mut self, path: &RemotePath, failure: Failure) -> SiteError {
        if failure.is_vague()
            && let Ok(Some(free)) = self.free_space(&path.parent())
            && free < WINDOW as u64
        {
            return self.link.error_of(SiteErrorKind::NoSpace, &format!("writing {path}"), failure);
        }
        self.error("writing", path, failure)
    }

    fn source_error(&self, doing: &str, path: &RemotePath, err: io::Error) -> SiteError {
        let text = format!("{doing} the local side of {path}; look at the spool's disk");
        SiteError::caused(SiteErrorKind::Source, text, err)
    }
}

impl Session for Open {
    fn stat(&mut self, path: &RemotePath) -> Result<Option<Entry>, SiteError> {
        let at = self.at(path);
        match self.link.ask(|| Ok(self.sftp.lstat(&at)?)) {
            Ok(stat) => Ok(Some(Entry {
                kind: match stat {
                    ref stat if stat.is_dir() => EntryKind::Directory,
                    ref stat if stat.is_file() || stat.perm.is_none() => EntryKind::File,
                    _ => EntryKind::Other,
                },
                size: stat.size.ok_or_else(|| {
                    self.refusal(SiteErrorKind::Protocol, "asking for the size of", path, code::FX_FAILURE)
                })?,
            })),
            Err(failure) if failure.kind() == SiteErrorKind::NotFound => Ok(None),
            Err(failure) => Err(self.error("looking at", path, failure)),
        }
    }

    fn list(&mut self, dir: &RemotePath) -> Result<Vec<String>, SiteError> {
        let failed = |failure| self.error("listing", dir, failure);
        let at = self.at(dir);
        let mut handle = self.link.ask(|| Ok(self.sftp.opendir(&at)?)).map_err(failed)?;
        let mut names = Vec::new();
        loop {
            let name = match self.link.ask(|| Ok(handle.readdir()?)) {
                Ok((name, _)) => name.to_string_lossy().into_owned(),
                Err(Failure::Library(err)) if err.code() == ErrorCode::Session(code::FILE) => break,
                Err(failure) => return Err(failed(failure)),
            };
            if matches!(&*name, "." | "..") {
                continue;
            }
            if name.contains('/') || names.len() == MAX_NAMES {
                return Err(self.refusal(SiteErrorKind::Protocol, "listing", dir, code::FX_FAILURE));
            }
            names.push(name);
        }
        self.link.ask(|| Ok(handle.close()?)).map_err(failed)?;
        Ok(names)
    }

    fn make_dirs(&mut self, dir: &RemotePath) -> Result<usize, SiteError> {
        let failed = |dir: &RemotePath, failure| self.error("making directory", dir, failure);
        // In the usual case it is there, which costs one question instead of one a name.
        if self.is_directory(&join(&self.base, dir.as_str())).map_err(|failure| failed(dir, failure))? {
            return Ok(0);
        }
        let mut made = 0;
        for dir in dir.with_parents() {
            let at = join(&self.base, dir.as_str());
            let mode = i32::try_from(self.dir_mode).unwrap_or(0o700);
            let Err(failure) = self.link.ask(|| Ok(self.sftp.mkdir(Path::new(&at), mode)?)) else {
                made += 1;
                continue;
            };
            if failure.kind().is_dead() {
                return Err(failed(&dir, failure));
            }
            // Servers refuse an existing directory in several ways, some before they look at it.
            if !self.is_directory(&at).map_err(|failure| failed(&dir, failure))? {
                let doing = format!("making directory {dir}");
                let taken = self.link.ask(|| Ok(self.sftp.lstat(Path::new(&at))?)).is_ok();
                let kind = if taken { SiteErrorKind::NotRegular } else { failure.kind() };
                return Err(self.link.error_of(kind, &doing, failure));
            }
        }
        Ok(made)
    }

    fn put(
        &mut self,
        path: &RemotePath,
        from: u64,
        source: &mut dyn Read,
        progress: &mut dyn FnMut(u64),
    ) -> Result<u64, SiteError> {
        let mut file = self.open("writing", path, OpenFlags::WRITE | OpenFlags::CREATE)?;
        seek(&mut file, from);
        match send(&self.link, &mut file, source, progress) {
            Ok(sent) => self.finish(file, path).map(|()| sent),
            Err(broken) => {
                self.renew(file);
                Err(match broken {
                    Broken::Site(failure) => self.write_error(path, failure),
                    Broken::Local(err) => self.source_error("reading", path, err),
                })
            }
        }
    }

    fn get(&mut self, path: &RemotePath, from: u64, sink: &mut dyn Write) -> Result<u64, SiteError> {
        let mut file = self.open("reading", path, OpenFlags::READ)?;
        seek(&mut file, from);
        match receive(&self.link, &mut file, sink) {
            Ok(read) => {
                self.link
                    .ask(|| Ok(file.close()?))
                    .map_err(|failure| self.error("closing", path, failure))?;
                Ok(read)
            }
            Err(broken) => {
                self.renew(file);
                Err(match broken {
                    Broken::Site(failure) => self.error("reading", path, failure),
                    Broken::Local(err) => self.source_error("writing", path, err),
                })
            }
        }
    }

    fn truncate(&mut self, path: &RemotePath, size: u64) -> Result<(), SiteError> {
        let mut file = self.open("cutting", path, OpenFlags::WRITE)?;
        let stat = FileStat { size: Some(size), ..blank() };
        self.link
            .ask(|| Ok(file.setstat(stat.clone())?))
            .map_err(|failure| self.error("cutting", path, failure))?;
        self.finish(file, path)
    }

    fn rename_new(&mut self, from: &RemotePath, to: &RemotePath) -> Result<(), SiteError> {
        let doing = format!("renaming {from} to {to}");
        // Version 3 of the protocol and OpenSSH refuse a taken name; some servers overwrite it.
        if self.stat(to)?.is_some() {
            return Err(self.link.error_of(SiteErrorKind::Exists, &doing, Failure::Status(code::FX_FAILURE)));
        }
        let (old, new) = (self.at(from), self.at(to));
        let renamed = self.link.ask(|| Ok(self.sftp.rename(&old, &new, Some(RenameFlags::empty()))?));
        let Err(failure) = renamed else { return Ok(()) };
        if !failure.is_vague() {
            return Err(self.link.error(&doing, failure));
        }
        let kind = match (self.stat(from)?, self.stat(to)?) {
            (None, _) => SiteErrorKind::NotFound,
            (Some(_), Some(_)) => SiteErrorKind::Exists,
            (Some(_), None) => failure.kind(),
        };
        Err(self.link.error_of(kind, &doing, failure))
    }

    fn remove(&mut self, path: &RemotePath) -> Result<(), SiteError> {
        let at = self.at(path);
        let Err(failure) = self.link.ask(|| Ok(self.sftp.unlink(&at)?)) else { return Ok(()) };
        if !failure.is_vague() {
            return Err(self.error("removing", path, failure));
        }
        let kind = match self.stat(path)?.map(|entry| entry.kind) {
            None => SiteErrorKind::NotFound,
            Some(EntryKind::Directory) => SiteErrorKind::NotRegular,
            Some(EntryKind::File | EntryKind::Other) => failure.kind(),
        };
        Err(self.link.error_of(kind, &format!("removing {path}"), failure))
    }

    fn sha256(&mut self, path: &RemotePath, size: u64) -> Result<Option<Sha256Hex>, SiteError> {
        let failed = |open: &Self, failure| open.error("hashing", path, failure);
        if !self.hasher.probe(&self.link).map_err(|failure| failed(self, failure))? {
            return Ok(None);
        }
        let length = match self.stat(path)? {
            None => {
                return Err(self.refusal(SiteErrorKind::NotFound, "hashing", path, code::FX_NO_SUCH_FILE));
            }
            Some(Entry { kind: EntryKind::File, size }) => size,
            Some(_) => {
                return Err(self.refusal(SiteErrorKind::NotRegular, "hashing", path, code::FX_FAILURE));
            }
        };
        if length < size {
            let text = format!("hashing {size} bytes of {path} at site {}: it has {length}", self.link.peer);
            return Err(SiteError::new(SiteErrorKind::Protocol, format!("{text}; look again")));
        }
        let at = join(&self.base, path.as_str());
        self.hasher.hash(&self.link, &at, length, size).map_err(|failure| failed(self, failure))
    }

    fn free_space(&mut self, dir: &RemotePath) -> Result<Option<u64>, SiteError> {
        let mut dir = dir.clone();
        loop {
            // A directory opened as if it were a file: the handle of a listing cannot be asked.
            let at = self.at(&dir);
            let disk = self
                .link
                .ask(|| Ok(self.sftp.open(&at)?))
                .and_then(|mut handle| self.link.ask(|| Ok(handle.statvfs()?)));
            match disk {
                Ok(disk) => return Ok(Some(disk.f_bavail.saturating_mul(disk.f_frsize))),
                Err(failure) if failure.kind().is_dead() => {
                    return Err(self.error("asking for the free space of", &dir, failure));
                }
                Err(failure) if failure.kind() == SiteErrorKind::NotFound && !dir.is_base() => {
                    dir = dir.parent();
                }
                // Neither the extension nor the opening of directories is required of a server.
                Err(_) => return Ok(None),
            }
        }
    }

    fn peer(&self) -> String {
        let banner = foreign::escape(self.link.ssh.banner_bytes().unwrap_or_default());
        let key = self.link.ssh.host_key().map(|(blob, _)| super::known_hosts::fingerprint(blob));
        format!("sftp, {banner}, host key {}", key.unwrap_or_default())
    }
}

/// Joins an absolute path and one below it.
fn join(base: &str, below: &str) -> String {
    match (base.trim_end_matches('/'), below) {
        ("", "") => "/".to_owned(),
        (base, "") => base.to_owned(),
        (base, below) => format!("{base}/{below}"),
    }
}

fn seek(file: &mut File, to: u64) {
    // The position is kept on this side; nothing is said to the server, and nothing can fail.
    let _ = file.seek(SeekFrom::Start(to));
}

/// Attributes that say nothing.
fn blank() -> FileStat {
    FileStat { size: None, uid: None, gid: None, perm: None, atime: None, mtime: None }
}

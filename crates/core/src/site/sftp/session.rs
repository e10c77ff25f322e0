//! An SFTP session: the contract of [`Session`] in terms of version 3 of the protocol.
//!
//! That version has eight statuses, and most refusals come as "failure" without a reason. Whoever gets one
//! looks at the names concerned afterwards and says what it finds; the answer cannot be in doubt by more than
//! what somebody else changes in between.

use std::io::{Read, Seek as _, SeekFrom, Write};
use std::path::{Path, PathBuf};

use ssh2::{ErrorCode, File, FileStat, OpenFlags, RenameFlags};

use super::file::blank;
use super::hash::Hasher;
use super::link::{Failure, Link, code};
use super::transfer::{Broken, receive, send};
use super::{BasePath, SftpSettings};
use crate::digest::Sha256Hex;
use crate::foreign;
use crate::site::{Entry, EntryKind, RemotePath, Session, SiteError, SiteErrorKind};

/// Names that a directory may have; a hostile server could go on for ever.
const MAX_NAMES: usize = 100_000;

/// An open session.
pub(super) struct Open {
    // Dropped before the link that it speaks over.
    pub(super) sftp: ssh2::Sftp,
    pub(super) link: Link,
    pub(super) base: String,
    pub(super) file_mode: u32,
    pub(super) dir_mode: u32,
    pub(super) hasher: Hasher,
    pub(super) hides_links: bool,
    pub(super) is_flushed: bool,
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
        // ProFTPD resolves a path before it looks, even if it is asked not to follow a link.
        let hides_links = link.ssh.banner_bytes().is_some_and(|banner| contains(banner, b"mod_sftp"));
        let (file_mode, dir_mode) = (settings.file_mode, settings.dir_mode);
        let open = Self { sftp, link, base, file_mode, dir_mode, hasher, hides_links, is_flushed: false };
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

    pub(super) fn at(&self, path: &RemotePath) -> PathBuf {
        join(&self.base, path.as_str()).into()
    }

    pub(super) fn error(&self, doing: &str, path: &RemotePath, failure: Failure) -> SiteError {
        self.link.error(&format!("{doing} {path}"), failure)
    }

    pub(super) fn refusal(
        &self,
        kind: SiteErrorKind,
        doing: &str,
        path: &RemotePath,
        status: i32,
    ) -> SiteError {
        self.link.error_of(kind, &format!("{doing} {path}"), Failure::Status(status))
    }

    /// Returns whether a directory, or a link to one, is at an absolute path.
    pub(super) fn is_directory(&self, path: &str) -> Result<bool, Failure> {
        match self.link.ask(|| Ok(self.sftp.stat(Path::new(path))?)) {
            Ok(stat) => Ok(stat.is_dir()),
            Err(failure) if failure.kind() == SiteErrorKind::NotFound => Ok(false),
            Err(failure) => Err(failure),
        }
    }

    /// Returns the length of a file of at least `size` bytes, or `None` if this server does not hash.
    fn length_to_hash(&mut self, path: &RemotePath, size: u64) -> Result<Option<u64>, SiteError> {
        let can_hash = self.hasher.probe(&self.link);
        if !can_hash.map_err(|failure| self.error("hashing", path, failure))? {
            return Ok(None);
        }
        match self.stat(path)? {
            None => Err(self.refusal(SiteErrorKind::NotFound, "hashing", path, code::FX_NO_SUCH_FILE)),
            Some(Entry { kind: EntryKind::File, size: length }) if length < size => {
                Err(self.wrong_length(path, size, length))
            }
            Some(Entry { kind: EntryKind::File, size: length }) => Ok(Some(length)),
            Some(_) => Err(self.refusal(SiteErrorKind::NotRegular, "hashing", path, code::FX_FAILURE)),
        }
    }

    fn wrong_length(&self, path: &RemotePath, size: u64, length: u64) -> SiteError {
        let text = format!("hashing {size} bytes of {path} at site {}: it has {length}", self.link.peer);
        SiteError::new(SiteErrorKind::Protocol, format!("{text}; look again"))
    }

    /// Returns whether a link is at a path, at a server that takes it for what it leads to when asked what it is.
    fn is_link(&self, path: &RemotePath) -> Result<bool, SiteError> {
        let at = self.at(path);
        match self.link.ask(|| Ok(self.sftp.readlink(&at)?)) {
            Ok(_) => Ok(true),
            Err(failure) if failure.kind().is_dead() => Err(self.error("looking at", path, failure)),
            Err(_) => Ok(false),
        }
    }
}

impl Session for Open {
    fn stat(&mut self, path: &RemotePath) -> Result<Option<Entry>, SiteError> {
        let at = self.at(path);
        if self.hides_links && self.is_link(path)? {
            return Ok(Some(Entry { kind: EntryKind::Other, size: 0 }));
        }
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
            // Some servers have no word for a name below a file.
            Err(failure) if failure.is_vague() && !path.is_base() => match self.stat(&path.parent())? {
                Some(Entry { kind: EntryKind::File, .. }) | None => Ok(None),
                Some(_) => Err(self.error("looking at", path, failure)),
            },
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
        match self.is_directory(&join(&self.base, dir.as_str())) {
            Ok(true) => return Ok(0),
            Err(failure) if !failure.is_vague() => return Err(failed(dir, failure)),
            Ok(false) | Err(_) => {}
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
        match self.link.ask(|| Ok(file.setstat(stat.clone())?)) {
            Ok(()) => self.finish(file, path),
            // It let us open the file for writing, so it is not this file that it protects.
            Err(failure) if failure.kind() == SiteErrorKind::Permission => {
                Err(self.link.error_of(SiteErrorKind::Unsupported, &format!("cutting {path}"), failure))
            }
            Err(failure) => Err(self.error("cutting", path, failure)),
        }
    }

    fn rename_new(&mut self, from: &RemotePath, to: &RemotePath) -> Result<(), SiteError> {
        // Version 3 of the protocol and OpenSSH refuse a taken name; some servers overwrite it.
        if self.stat(to)?.is_some() {
            let doing = format!("renaming {from} to");
            return Err(self.refusal(SiteErrorKind::Exists, &doing, to, code::FX_FAILURE));
        }
        self.rename_blindly(from, to)
    }

    fn rename_blindly(&mut self, from: &RemotePath, to: &RemotePath) -> Result<(), SiteError> {
        let doing = format!("renaming {from} to {to}");
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
        let Some(length) = self.length_to_hash(path, size)? else { return Ok(None) };
        let at = join(&self.base, path.as_str());
        let hash = self.hasher.hash(&self.link, &at, length, size);
        hash.map_err(|failure| self.error("hashing", path, failure))
    }

    fn sha256_of_blocks(
        &mut self,
        path: &RemotePath,
        size: u64,
        block: u64,
    ) -> Result<Option<Vec<Sha256Hex>>, SiteError> {
        let Some(length) = self.length_to_hash(path, size)? else { return Ok(None) };
        if length != size {
            return Err(self.wrong_length(path, size, length));
        }
        let at = join(&self.base, path.as_str());
        let hashes = self.hasher.hash_blocks(&self.link, &at, size, block);
        hashes.map_err(|failure| self.error("hashing the blocks of", path, failure))
    }

    fn writes_anywhere(&self) -> bool {
        true
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

    fn is_flushed(&self) -> bool {
        self.is_flushed
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

fn contains(text: &[u8], word: &[u8]) -> bool {
    text.windows(word.len()).any(|part| part == word)
}

fn seek(file: &mut File, to: u64) {
    // The position is kept on this side; nothing is said to the server, and nothing can fail.
    let _ = file.seek(SeekFrom::Start(to));
}

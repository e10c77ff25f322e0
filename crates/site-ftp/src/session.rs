//! An FTP session: the contract of [`Session`] in terms of RFC 959 and its successors.
//!
//! Most refusals have the number 550 and a reason in words, which are for people. Whoever gets one looks at
//! the names concerned afterwards and says what it finds; the answer cannot be in doubt by more than what
//! somebody else changes in between.

use std::io::{self, Read, Write};

use super::control::Failure;
use super::data::Ended;
use super::file::Use;
use super::hash::Hasher;
use super::open::Open;
use intraware_core::digest::Sha256Hex;
use intraware_core::foreign;
use intraware_core::site::{Entry, EntryKind, RemotePath, Session, SiteError, SiteErrorKind};

impl Session for Open {
    fn stat(&mut self, path: &RemotePath) -> Result<Option<Entry>, SiteError> {
        self.look(path)
    }

    fn list(&mut self, dir: &RemotePath) -> Result<Vec<String>, SiteError> {
        self.names_in(dir)
    }

    fn make_dirs(&mut self, dir: &RemotePath) -> Result<usize, SiteError> {
        self.make_all(dir)
    }

    fn put(
        &mut self,
        path: &RemotePath,
        from: u64,
        source: &mut dyn Read,
        progress: &mut dyn FnMut(u64),
    ) -> Result<u64, SiteError> {
        let there = self.regular("writing", path)?;
        if from > there.unwrap_or(0) {
            // Some servers would append, some refuse, and some leave a hole.
            let why = "FTP cannot write behind the end of a file; send it from the beginning";
            return Err(self.refusal(SiteErrorKind::Unsupported, "writing", path, why));
        }
        let mut first = [0];
        let begun = match read_some(source, &mut first) {
            // Nothing is to be sent, and some servers refuse or hang at the end of a file.
            Ok(0) if there == Some(from) => return self.settle(path, from).map(|()| 0),
            Ok(read) => &first[..read],
            Err(err) => return Err(self.local_error("reading", path, err)),
        };
        let source = &mut begun.chain(source);
        match self.store(path, from, there, source, progress) {
            Ok(sent) => self.settle(path, from + sent).map(|()| sent),
            Err(Ended::NotBegun(failure)) if from > 0 && failure.is_objection() => {
                let failure = self.control.doubt(failure);
                if !failure.is_objection() {
                    return Err(self.error("writing", path, failure));
                }
                let doing = format!("going on with {path}");
                Err(self.control.error_of(SiteErrorKind::Unsupported, &doing, failure))
            }
            Err(Ended::Site(failure) | Ended::NotBegun(failure)) => {
                Err(self.file_error(Use::Write, path, failure))
            }
            Err(Ended::Local(err)) => Err(self.local_error("reading", path, err)),
        }
    }

    fn get(&mut self, path: &RemotePath, from: u64, sink: &mut dyn Write) -> Result<u64, SiteError> {
        let size = self.regular("reading", path)?;
        let size = self.must_exist("reading", path, size)?;
        if from >= size {
            return Ok(0);
        }
        let at = self.at(path);
        let left = size - from;
        let fetched =
            self.with_data(|channel, control| channel.receive(control, ("RETR", &at), from, left, sink));
        match fetched {
            Ok(read) if read >= size - from => Ok(read),
            Ok(read) => {
                let why = format!(
                    "it gave {read} of {} bytes, and said that it was all; try again later",
                    size - from
                );
                Err(self.refusal(SiteErrorKind::Protocol, "reading", path, &why))
            }
            Err(Ended::Site(failure) | Ended::NotBegun(failure)) => {
                Err(self.file_error(Use::Read, path, failure))
            }
            Err(Ended::Local(err)) => Err(self.local_error("writing", path, err)),
        }
    }

    /// FTP has no way to cut a file, but to write it anew.
    fn truncate(&mut self, path: &RemotePath, size: u64) -> Result<(), SiteError> {
        let there = self.regular("cutting", path)?;
        match self.must_exist("cutting", path, there)? {
            there if there == size => Ok(()),
            _ => {
                let why = "FTP cannot cut files; remove it and send it again";
                Err(self.refusal(SiteErrorKind::Unsupported, "cutting", path, why))
            }
        }
    }

    fn rename_new(&mut self, from: &RemotePath, to: &RemotePath) -> Result<(), SiteError> {
        // Most servers overwrite, and none can be asked not to.
        if self.look(to)?.is_some() {
            let why = "the name is taken; look at what stands there";
            return Err(self.refusal(SiteErrorKind::Exists, &format!("renaming {from} to"), to, why));
        }
        self.rename_blindly(from, to)
    }

    fn rename_blindly(&mut self, from: &RemotePath, to: &RemotePath) -> Result<(), SiteError> {
        let doing = format!("renaming {from} to {to}");
        let failed = |open: &Self, failure| open.control.error(&doing, failure);
        let (mut old, mut new) = (self.at(from), self.at(to));
        if from.parent() == to.parent() {
            old = self.name_within(from).map_err(|failure| failed(self, failure))?;
            new = self.name_within(to).map_err(|failure| failed(self, failure))?;
        }
        let mut reply = self.control.ask("RNFR", &old).map_err(|failure| failed(self, failure))?;
        if reply.wants_more() {
            reply = self.control.ask("RNTO", &new).map_err(|failure| failed(self, failure))?;
            if reply.is_done() {
                return self.control.confirm().map_err(|failure| failed(self, failure));
            }
        }
        let failure = self.control.doubt(Failure::Refused(reply));
        if !failure.is_vague() {
            return Err(failed(self, failure));
        }
        let kind = match (self.look(from)?, self.look(to)?) {
            (None, _) => SiteErrorKind::NotFound,
            (Some(_), Some(_)) => SiteErrorKind::Exists,
            (Some(_), None) => match self.look(&to.parent())? {
                Some(Entry { kind: EntryKind::Directory, .. }) => SiteErrorKind::Permission,
                _ => SiteErrorKind::NotFound,
            },
        };
        Err(self.control.error_of(kind, &doing, failure))
    }

    fn remove(&mut self, path: &RemotePath) -> Result<(), SiteError> {
        let reply = self
            .control
            .ask("DELE", &self.at(path))
            .map_err(|failure| self.error("removing", path, failure))?;
        if reply.is_done() {
            return Ok(());
        }
        let failure = self.control.doubt(Failure::Refused(reply));
        if !failure.is_vague() {
            return Err(self.error("removing", path, failure));
        }
        let kind = match self.look(path)?.map(|entry| entry.kind) {
            None => SiteErrorKind::NotFound,
            Some(EntryKind::Directory) => SiteErrorKind::NotRegular,
            Some(EntryKind::File | EntryKind::Other) => SiteErrorKind::Permission,
        };
        Err(self.control.error_of(kind, &format!("removing {path}"), failure))
    }

    fn sha256(&mut self, path: &RemotePath, size: u64) -> Result<Option<Sha256Hex>, SiteError> {
        if self.hasher == Hasher::Unavailable {
            return Ok(None);
        }
        let length = self.regular("hashing", path)?;
        let length = self.must_exist("hashing", path, length)?;
        if length != size {
            let why = format!("it has {length} bytes instead of {size}; look again");
            return Err(self.refusal(SiteErrorKind::Protocol, "hashing", path, &why));
        }
        let at = self.at(path);
        // ProFTPD hashes what it receives, and keeps that, and every hash, for as long as a file's size and
        // second of change are the same; but only in the process of one connection.
        if self.hashed.contains(&at) {
            self.renew()?;
        }
        self.hashed.insert(at.clone());
        self.hasher.hash(&mut self.control, &at, size).map_err(|failure| self.error("hashing", path, failure))
    }

    fn sha256_of_blocks(
        &mut self,
        _path: &RemotePath,
        _size: u64,
        _block: u64,
    ) -> Result<Option<Vec<Sha256Hex>>, SiteError> {
        Ok(None)
    }

    fn writes_anywhere(&self) -> bool {
        false
    }

    fn free_space(&mut self, dir: &RemotePath) -> Result<Option<u64>, SiteError> {
        if !self.features.has("AVBL") {
            return Ok(None);
        }
        let mut dir = dir.clone();
        loop {
            let reply = self.control.ask("AVBL", &self.at(&dir));
            let reply = reply.map_err(|failure| self.error("asking for the free space of", &dir, failure))?;
            match reply.text().trim().parse() {
                Ok(free) if reply.is_done() => return Ok(Some(free)),
                _ if dir.is_base() => return Ok(None),
                _ => dir = dir.parent(),
            }
        }
    }

    fn appends(&self) -> Option<bool> {
        self.habits().appends
    }

    fn takes_dot_names(&self) -> Option<bool> {
        // That they were taken once is asked again when one is refused.
        self.habits().takes_dot_names.filter(|takes| !takes)
    }

    fn refuses_dot_names(&mut self) {
        self.learn(|habits| habits.takes_dot_names = Some(false));
    }

    fn cannot_append(&mut self) {
        self.learn(|habits| habits.appends = Some(false));
    }

    /// FTP has no word for it.
    fn is_flushed(&self) -> bool {
        false
    }

    fn peer(&self) -> String {
        let greeting = foreign::escape(&self.greeting);
        match (self.control.protection(), self.channel.tls.as_ref().and_then(|tls| tls.seen())) {
            (Some(protection), Some(seen)) => {
                format!("ftps, {greeting}, {protection}, certificate SHA256:{seen}")
            }
            _ => format!("ftp without protection, {greeting}"),
        }
    }
}

/// Reads some bytes, none at the end.
fn read_some(source: &mut dyn Read, buffer: &mut [u8]) -> io::Result<usize> {
    loop {
        match source.read(buffer) {
            Err(err) if err.kind() == io::ErrorKind::Interrupted => {}
            read => return read,
        }
    }
}

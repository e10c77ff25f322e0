//! An SFTP session: the contract of [`Session`] in terms of version 3 of the protocol.
//!
//! That version has eight statuses, and most refusals come as "failure" without a reason. Whoever gets one
//! looks at the names concerned afterwards and says what it finds; the answer cannot be in doubt by more than
//! what somebody else changes in between.

mod directories;

use std::io::{Read, Write};
use std::ops::ControlFlow;

use super::file::Put;
use super::open::Open;
use super::packet::{self, Answer, Request, status};
use super::subsystem::Subsystem;
use super::transfer::Onwards;
use intraware_core::digest::Sha256Hex;
use intraware_core::site::{Entry, EntryKind, Pieces, Ran, RemotePath, Session, SiteError, SiteErrorKind};

/// Channels besides the first for a large file far away: a server lets a certain amount be under way on each.
const FURTHER: usize = 2;

impl Session for Open {
    fn stat(&mut self, path: &RemotePath) -> Result<Option<Entry>, SiteError> {
        let at = self.at(path);
        match self.look(&at) {
            Ok(looked) => Ok(Some(Entry {
                kind: match looked {
                    _ if looked.is_directory() => EntryKind::Directory,
                    _ if looked.may_be_file() => EntryKind::File,
                    _ => EntryKind::Other,
                },
                size: looked.size.ok_or_else(|| {
                    self.refusal(SiteErrorKind::Protocol, "asking for the size of", path, status::FAILURE)
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
        self.write(path, Put::Any, &mut Onwards { at: from, source }, progress)
    }

    fn put_new(
        &mut self,
        path: &RemotePath,
        source: &mut dyn Read,
        progress: &mut dyn FnMut(u64),
    ) -> Result<u64, SiteError> {
        self.write(path, Put::New, &mut Onwards { at: 0, source }, progress)
    }

    fn put_pieces(
        &mut self,
        path: &RemotePath,
        pieces: &mut dyn Pieces,
        progress: &mut dyn FnMut(u64),
    ) -> Result<u64, SiteError> {
        self.write(path, Put::Wide, pieces, progress)
    }

    fn widen(&mut self) -> Result<(), SiteError> {
        while self.further.len() < FURTHER {
            match Subsystem::start(&self.link) {
                Ok(mut sftp) => {
                    // It is the same server.
                    sftp.longest_write = self.sftp.longest_write;
                    self.further.push(sftp);
                }
                Err(failure) if failure.kind().is_dead() => {
                    return Err(self.link.error("starting the sftp subsystem once more", failure));
                }
                Err(_) => break,
            }
        }
        Ok(())
    }

    fn begin_peek(&mut self, path: &RemotePath) {
        self.say_peek(path);
    }

    fn end_peek(&mut self) -> Option<Vec<u8>> {
        self.hear_peek()
    }

    fn expect_rename(&mut self, to: &RemotePath) -> Result<(), SiteError> {
        self.say_expected(to).map_err(|failure| self.error("asking about", to, failure))
    }

    fn begin_hash(&mut self, path: &RemotePath) -> Result<(), SiteError> {
        self.try_commands(path)?;
        let at = self.at(path);
        self.hasher.begin(&self.link, &at).map_err(|failure| self.hash_error("hashing", path, failure))
    }

    fn end_hash(&mut self, size: u64) -> Result<Option<Sha256Hex>, SiteError> {
        let hash =
            self.hasher.end(&self.link, size).map_err(|failure| self.link.error("hashing", failure))?;
        self.note_mute();
        Ok(hash)
    }

    fn settle(&mut self, path: &RemotePath, _size: u64) -> Result<(), SiteError> {
        self.set_mode(path)
    }

    fn get(&mut self, path: &RemotePath, from: u64, sink: &mut dyn Write) -> Result<u64, SiteError> {
        self.read(path, from, sink)
    }

    fn truncate(&mut self, path: &RemotePath, size: u64) -> Result<(), SiteError> {
        self.cut(path, size)
    }

    fn rename_new(&mut self, from: &RemotePath, to: &RemotePath) -> Result<(), SiteError> {
        // What SSH says of itself says nothing of the program that is the subsystem.
        if self.habits().guards_names != Some(true) && !self.is_free(to)? {
            let doing = format!("renaming {from} to");
            return Err(self.refusal(SiteErrorKind::Exists, &doing, to, status::FAILURE));
        }
        self.rename_blindly(from, to)
    }

    fn rename_blindly(&mut self, from: &RemotePath, to: &RemotePath) -> Result<(), SiteError> {
        let doing = format!("renaming {from} to {to}");
        let (old, new) = (self.at(from), self.at(to));
        let renamed = self.sftp.ask_done(&self.link, Request::Rename { from: &old, to: &new });
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
        let removed = self.sftp.ask_done(&self.link, Request::Remove { path: &at });
        let Err(failure) = removed else { return Ok(()) };
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
        self.try_commands(path)?;
        let at = self.at(path);
        let hash = self.hasher.hash(&self.link, &at, size);
        let hash = hash.map_err(|failure| self.hash_error("hashing", path, failure))?;
        if hash.is_none() {
            self.note_mute();
            self.look_for_hash(path, size)?;
        }
        Ok(hash)
    }

    fn sha256_of_blocks(
        &mut self,
        path: &RemotePath,
        size: u64,
        block: u64,
    ) -> Result<Option<Vec<Sha256Hex>>, SiteError> {
        self.try_commands(path)?;
        let at = self.at(path);
        let hashes = self.hasher.hash_blocks(&self.link, &at, size, block);
        let hashes = hashes.map_err(|failure| self.hash_error("hashing the blocks of", path, failure))?;
        if hashes.is_none() {
            self.note_mute();
            self.look_for_hash(path, size)?;
        }
        Ok(hashes)
    }

    fn writes_anywhere(&self) -> bool {
        self.habits().writes_anywhere != Some(false)
    }

    fn takes_dot_names(&self) -> Option<bool> {
        // That they were taken once is asked again when one is refused.
        self.habits().takes_dot_names.filter(|takes| !takes)
    }

    fn refuses_dot_names(&mut self) {
        self.settings.known.learn(&self.peer, |habits| habits.takes_dot_names = Some(false));
    }

    fn appends(&self) -> Option<bool> {
        self.habits().appends
    }

    fn cannot_append(&mut self) {
        self.settings.known.learn(&self.peer, |habits| habits.appends = Some(false));
    }

    fn spoils_pieces(&mut self) {
        self.settings.known.learn(&self.peer, |habits| habits.writes_anywhere = Some(false));
    }

    fn free_space(&mut self, dir: &RemotePath) -> Result<Option<u64>, SiteError> {
        if !self.sftp.extensions.tells_disk {
            return Ok(None);
        }
        let mut dir = dir.clone();
        loop {
            let at = self.at(&dir);
            match self.sftp.ask(&self.link, Request::Disk { path: &at }) {
                Ok(Answer::Extended(answer)) => return Ok(packet::free_space(&answer)),
                Err(failure) if failure.kind().is_dead() => {
                    return Err(self.error("asking for the free space of", &dir, failure));
                }
                Err(failure) if failure.kind() == SiteErrorKind::NotFound && !dir.is_base() => {
                    dir = dir.parent();
                }
                Ok(_) | Err(_) => return Ok(None),
            }
        }
    }

    fn run(
        &mut self,
        script: &str,
        hear: &mut dyn FnMut(&[u8]) -> ControlFlow<()>,
    ) -> Result<Option<Ran>, SiteError> {
        super::run::run(&self.link, script, hear)
    }

    fn is_flushed(&self) -> bool {
        self.is_flushed
    }

    fn peer(&self) -> String {
        self.peer.clone()
    }
}

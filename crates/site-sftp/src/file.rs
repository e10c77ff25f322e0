//! A file of a session while it is open: looked at before and after, and given its mode.

use std::io::{self, Write};

use super::failure::Failure;
use super::open::Open;
use super::packet::{Attributes, Handle, Request, open as how, status};
use super::subsystem::Asked;
use super::transfer::{Broken, Lane, Onwards, receive, send};
use super::wire::Wire as _;
use intraware_core::site::{Entry, EntryKind, Pieces, RemotePath, Session as _, SiteError, SiteErrorKind};

/// A disk that has less free space than this is full.
const FULL: u64 = 4 << 20;

/// How a file is made, in the order in which it is tried. Some servers know only the flags that C's `fopen`
/// has words for, and to empty a file that is new changes nothing.
const MAKING: [u32; 2] =
    [how::WRITE | how::CREATE | how::EXCLUSIVE, how::WRITE | how::CREATE | how::TRUNCATE | how::EXCLUSIVE];

/// How a file that is there is opened for writing: some servers empty one that is opened for nothing else, or
/// know no such thing; others let nobody read.
const WRITING: [u32; 2] = [how::READ | how::WRITE, how::WRITE];

/// How a file is put.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Put {
    /// Whether it is there or not.
    Any,
    /// If something is there, that is an error.
    New,
    /// As any, and over all channels that there are.
    Wide,
}

/// The questions about a file's mode, the answers to which have time until the file is written.
struct Mode {
    before: Asked,
    set: Asked,
}

impl Open {
    /// Writes pieces to a file that is there, or is made, as `put` says.
    pub(super) fn write(
        &mut self,
        path: &RemotePath,
        put: Put,
        pieces: &mut dyn Pieces,
        progress: &mut dyn FnMut(u64),
    ) -> Result<u64, SiteError> {
        let handle = match put == Put::Wide && pieces.is_begun() {
            true => self.open_there(path)?,
            false => self.make(path, put)?,
        };
        self.go_on_peeking();
        self.fill(path, &handle, put == Put::Wide, pieces, progress)
    }

    /// Makes a file, or opens the one that is there if `put` lets it.
    ///
    /// To make it is tried at once, which follows no link and waits for no pipe. How a server refuses a name
    /// that is taken is its own affair, so that what stands there is asked in the same breath.
    fn make(&mut self, path: &RemotePath, put: Put) -> Result<Handle, SiteError> {
        let (at, attributes) = (self.at(path), Attributes::mode(self.settings.file_mode));
        let makes = self.sftp.say(Request::Open { path: &at, how: MAKING[0], attributes });
        let there = self.stat(path);
        match (self.sftp.hear_handle(&self.link, makes), there) {
            (Ok(handle), _) => Ok(handle),
            (Err(failure), Ok(Some(_))) if put == Put::New => {
                Err(self.link.error_of(SiteErrorKind::Exists, &format!("making {path}"), failure))
            }
            (Err(_), Ok(Some(Entry { kind: EntryKind::File, .. }))) => {
                self.open_any(&at, &WRITING).map_err(|failure| self.error("writing", path, failure))
            }
            (Err(_), Ok(Some(_))) => {
                Err(self.refusal(SiteErrorKind::NotRegular, "writing", path, status::FAILURE))
            }
            (Err(failure), Ok(None)) if failure.is_ignorant() => {
                self.open_any(&at, &MAKING[1..]).map_err(|_| self.write_error(path, failure))
            }
            (Err(failure), Ok(None)) => Err(self.making_error(path, failure)),
            (Err(_), Err(error)) => Err(error),
        }
    }

    /// Opens a file for writing that another connection has made. It is looked at in the same breath.
    fn open_there(&mut self, path: &RemotePath) -> Result<Handle, SiteError> {
        let (at, attributes) = (self.at(path), Attributes::default());
        let opens = self.sftp.say(Request::Open { path: &at, how: WRITING[0], attributes });
        let there = self.stat(path);
        let opened = self.sftp.hear_handle(&self.link, opens);
        match (opened, there?) {
            (Ok(handle), Some(Entry { kind: EntryKind::File, .. })) => Ok(handle),
            (Err(failure), Some(Entry { kind: EntryKind::File, .. })) if !failure.kind().is_dead() => {
                self.open_any(&at, &WRITING[1..]).map_err(|failure| self.error("writing", path, failure))
            }
            (Err(failure), _) => Err(self.error("writing", path, failure)),
            (Ok(handle), _) => {
                self.sftp.close(&handle);
                Err(self.refusal(SiteErrorKind::NotRegular, "writing", path, status::FAILURE))
            }
        }
    }

    /// Opens a file in the first of these ways that the server lets us.
    fn open_any(&mut self, at: &str, ways: &[u32]) -> Result<Handle, Failure> {
        let attributes = Attributes::mode(self.settings.file_mode);
        let mut first = None;
        for &how in ways {
            match self.sftp.ask_handle(&self.link, Request::Open { path: at, how, attributes }) {
                Err(failure) if !failure.kind().is_dead() => first = first.or(Some(failure)),
                opened => return opened,
            }
        }
        Err(first.unwrap_or(Failure::Status(status::FAILURE)))
    }

    /// Writes to an open file, over the further channels as well if it is a wide put, and closes it.
    fn fill(
        &mut self,
        path: &RemotePath,
        handle: &Handle,
        is_wide: bool,
        pieces: &mut dyn Pieces,
        progress: &mut dyn FnMut(u64),
    ) -> Result<u64, SiteError> {
        let mode = Mode {
            before: self.sftp.say(Request::LookAt { handle }),
            set: self
                .sftp
                .say(Request::Set { handle, attributes: Attributes::mode(self.settings.file_mode) }),
        };
        let mut sent = 0;
        let mut count = |acknowledged| {
            sent = acknowledged;
            progress(acknowledged);
        };
        let handles = match is_wide {
            true => self.open_further(path).map_err(|failure| self.error("writing", path, failure))?,
            false => Vec::new(),
        };
        let further = self.further.iter_mut().zip(&handles);
        let further = further.filter_map(|(sftp, handle)| Some(Lane::new(sftp, handle.as_ref()?)));
        let lanes = [Lane::new(&mut self.sftp, handle)].into_iter().chain(further).collect();
        // What is complete is hashed meanwhile, if that was begun.
        let mut complete = |to| self.hasher.follow(&self.link, to);
        match send(&self.link, lanes, pieces, &mut count, &mut complete) {
            Ok(is_flushed) => self.is_flushed = is_flushed,
            Err(broken) => {
                self.sftp.forget(mode.before);
                self.sftp.forget(mode.set);
                return Err(self.put_error(path, broken));
            }
        }
        self.hear_mode(path, &mode)?;
        Ok(sent)
    }

    /// Opens a file over the further channels, where the server lets us.
    fn open_further(&mut self, path: &RemotePath) -> Result<Vec<Option<Handle>>, Failure> {
        let at = self.at(path);
        let mut handles = vec![None; self.further.len()];
        for how in WRITING {
            let mut said = Vec::new();
            for (sftp, _) in self.further.iter_mut().zip(&handles).filter(|(_, handle)| handle.is_none()) {
                said.push(sftp.say(Request::Open { path: &at, how, attributes: Attributes::default() }));
                self.link.ask(|| sftp.push(&self.link))?;
            }
            let missing = self.further.iter_mut().zip(&mut handles).filter(|(_, handle)| handle.is_none());
            for ((sftp, handle), asked) in missing.zip(said) {
                *handle = match sftp.hear_handle(&self.link, asked) {
                    Ok(handle) => Some(handle),
                    Err(Failure::Status(_)) => None,
                    Err(failure) => return Err(failure),
                };
            }
        }
        Ok(handles)
    }

    /// Gives a file that is whole its final mode, as [`Self::hear_mode`] does.
    pub(super) fn set_mode(&mut self, path: &RemotePath) -> Result<(), SiteError> {
        let at = self.at(path);
        let attributes = Attributes::mode(self.settings.file_mode);
        let set = self.sftp.say(Request::SetAt { path: &at, attributes });
        let before = self.look(&at);
        match self.sftp.hear_done(&self.link, set) {
            Ok(()) => Ok(()),
            Err(Failure::Status(status)) => {
                self.miss_mode(path, before.ok(), status);
                Ok(())
            }
            Err(failure) => Err(self.error("setting the mode of", path, failure)),
        }
    }

    /// Says that a file did not get its mode, unless it had it. Some servers keep modes to themselves, and
    /// deliver files all the same.
    fn miss_mode(&self, path: &RemotePath, before: Option<Attributes>, status: u32) {
        let is_right = |mode: u32| mode & 0o7777 == self.settings.file_mode;
        if !before.is_some_and(|before| before.mode.is_some_and(is_right)) {
            tracing::info!(site = %self.link.peer, %path, status, "the site does not let us set the mode");
            self.settings.known.learn(&self.peer, |habits| habits.sets_modes = Some(false));
        }
    }

    /// Hears whether a file was given its final mode, which happens while it still has its temporary name,
    /// whatever the server's umask is.
    fn hear_mode(&mut self, path: &RemotePath, mode: &Mode) -> Result<(), SiteError> {
        let before = self.sftp.hear_attributes(&self.link, mode.before);
        if before.as_ref().is_ok_and(|before| !before.may_be_file()) {
            return Err(self.refusal(SiteErrorKind::NotRegular, "writing", path, status::FAILURE));
        }
        match self.sftp.hear_done(&self.link, mode.set) {
            Ok(()) => Ok(()),
            Err(Failure::Status(status)) => {
                self.miss_mode(path, before.ok(), status);
                Ok(())
            }
            Err(failure) => Err(self.error("setting the mode of", path, failure)),
        }
    }

    /// Reads a file from byte `from` to its end.
    pub(super) fn read(
        &mut self,
        path: &RemotePath,
        from: u64,
        sink: &mut dyn Write,
    ) -> Result<u64, SiteError> {
        let (handle, attributes) = self.open("reading", path, &[how::READ])?;
        let size = attributes.size.unwrap_or(0);
        receive(&self.link, &mut self.sftp, &handle, from, size, sink).map_err(|broken| match broken {
            Broken::Site(failure) => self.error("reading", path, failure),
            Broken::Local(err) => source_error("writing", path, err),
        })
    }

    /// Cuts a file to `size` bytes.
    pub(super) fn cut(&mut self, path: &RemotePath, size: u64) -> Result<(), SiteError> {
        let (handle, _) = self.open("cutting", path, &WRITING)?;
        let attributes = Attributes::size(size);
        if let Err(failure) = self.sftp.ask_done(&self.link, Request::Set { handle: &handle, attributes }) {
            self.sftp.close(&handle);
            // It let us open the file for writing, so it is not this file that it protects.
            let kind = match failure.kind() {
                SiteErrorKind::Permission => SiteErrorKind::Unsupported,
                kind => kind,
            };
            return Err(self.link.error_of(kind, &format!("cutting {path}"), failure));
        }
        // Nothing more is written; this has it flushed and closed.
        let mut nothing = Onwards { at: size, source: &mut std::io::empty() };
        let lanes = vec![Lane::new(&mut self.sftp, &handle)];
        match send(&self.link, lanes, &mut nothing, &mut |_| (), &mut |_| Ok(())) {
            Ok(is_flushed) => {
                self.is_flushed = is_flushed;
                Ok(())
            }
            Err(broken) => Err(self.put_error(path, broken)),
        }
    }

    /// Explains why a file of `size` bytes could not be hashed, if that is the file's fault.
    pub(super) fn look_for_hash(&mut self, path: &RemotePath, size: u64) -> Result<(), SiteError> {
        match self.stat(path)? {
            None => Err(self.refusal(SiteErrorKind::NotFound, "hashing", path, status::NO_SUCH_FILE)),
            Some(Entry { kind: EntryKind::File, size: length }) if length != size => {
                let text =
                    format!("hashing {size} bytes of {path} at site {}: it has {length}", self.link.peer);
                Err(SiteError::new(SiteErrorKind::Protocol, format!("{text}; look again")))
            }
            Some(Entry { kind: EntryKind::File, .. }) => Ok(()),
            Some(_) => Err(self.refusal(SiteErrorKind::NotRegular, "hashing", path, status::FAILURE)),
        }
    }

    /// Opens a regular file. What stands at the name is looked at before, because a server opens links and
    /// waits for the other end of a pipe; and the opened file is looked at again, where the server has an
    /// answer to that.
    fn open(
        &mut self,
        doing: &str,
        path: &RemotePath,
        ways: &[u32],
    ) -> Result<(Handle, Attributes), SiteError> {
        let there = self.stat(path)?;
        if there.is_some_and(|entry| entry.kind != EntryKind::File) {
            return Err(self.refusal(SiteErrorKind::NotRegular, doing, path, status::FAILURE));
        }
        let at = self.at(path);
        let handle = self.open_any(&at, ways).map_err(|failure| self.error(doing, path, failure))?;
        match (self.sftp.ask_attributes(&self.link, Request::LookAt { handle: &handle }), there) {
            (Ok(attributes), _) if attributes.may_be_file() => Ok((handle, attributes)),
            (Err(Failure::Status(_)), Some(there)) => Ok((handle, Attributes::size(there.size))),
            (looked, _) => {
                self.sftp.close(&handle);
                Err(match looked {
                    Ok(_) => self.refusal(SiteErrorKind::NotRegular, doing, path, status::FAILURE),
                    Err(failure) => self.error(doing, path, failure),
                })
            }
        }
    }

    /// Makes an error of a put that has ended early.
    fn put_error(&mut self, path: &RemotePath, broken: Broken) -> SiteError {
        match broken {
            Broken::Site(failure) => self.write_error(path, failure),
            Broken::Local(err) => source_error("reading", path, err),
        }
    }

    /// Makes an error of a file that was not made. That something is missing is believed if it is the
    /// directory.
    fn making_error(&mut self, path: &RemotePath, failure: Failure) -> SiteError {
        let parent = self.at(&path.parent());
        if failure.kind() == SiteErrorKind::NotFound
            && self.is_directory(&parent).is_ok_and(|is_there| is_there)
        {
            return self.link.error_of(SiteErrorKind::Protocol, &format!("making {path}"), failure);
        }
        self.write_error(path, failure)
    }

    /// Makes an error of a refused write; a server of this version cannot say that its disk is full.
    fn write_error(&mut self, path: &RemotePath, failure: Failure) -> SiteError {
        if failure.is_vague()
            && let Ok(Some(free)) = self.free_space(&path.parent())
            && free < FULL
        {
            return self.link.error_of(SiteErrorKind::NoSpace, &format!("writing {path}"), failure);
        }
        self.error("writing", path, failure)
    }
}

fn source_error(doing: &str, path: &RemotePath, err: io::Error) -> SiteError {
    let text = format!("{doing} the local side of {path}; look at the spool's disk");
    SiteError::caused(SiteErrorKind::Source, text, err)
}

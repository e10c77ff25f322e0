//! One fragment, read once: contents to numbered files, everything else to memory, and then compared with its list.
//!
//! The numbered files are all there is on the disk until the merge has decided, whatever paths the archive has. Within an
//! archive nothing comes twice, and nothing is below a file or a link.

mod listed;

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{Read, Write as _};
use std::os::fd::BorrowedFd;

use intraware_core::digest::{Hex, Md5Hex};
use intraware_core::foreign;
use intraware_core::run::Stop;
use md5::{Digest as _, Md5};
use rustix::fs::{AtFlags, Mode, OFlags};

use crate::list::{self, More};
use crate::names::{self, MachineName};
use crate::path;
use crate::refused::{Refused, Unread};
use crate::request::{Limits, Modes};
use crate::tar::{Entries, Entry, What};

/// How much of a file is in memory at once.
const CHUNK: usize = 128 << 10;

/// What a fragment holds.
pub(crate) struct Contents {
    /// By path, without the package itself and without the list.
    pub(crate) nodes: BTreeMap<Box<str>, Held>,
    /// Files.
    pub(crate) files: usize,
    /// Bytes in them.
    pub(crate) bytes: u64,
    /// What is odd and stops nothing; escaped.
    pub(crate) warnings: Vec<String>,
    /// The list as it came.
    pub(crate) list: Vec<u8>,
}

/// Something at a path, and what the list says of it.
#[derive(Debug)]
pub(crate) struct Held {
    pub(crate) node: Node,
    /// Whether the list has it.
    pub(crate) is_listed: bool,
    /// Whether the archive has no entry of it: a directory that something else is in.
    pub(crate) is_implied: bool,
    /// A type of the list's that is none of ours.
    pub(crate) odd_type: Option<Box<str>>,
    /// The list's further attributes.
    pub(crate) more: More,
}

/// What is at a path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Node {
    Directory,
    File(Content),
    Link(Box<str>),
}

/// A file's content and permissions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Content {
    pub(crate) md5: Md5Hex,
    pub(crate) size: u64,
    /// As they will be in the target.
    pub(crate) mode: u32,
    /// The number of the file that holds it.
    pub(crate) blob: u32,
}

/// Where contents go.
pub(crate) enum Blobs<'d> {
    /// To files in this directory, which is empty.
    In(BorrowedFd<'d>),
    /// Nowhere: the archive is only checked.
    Nowhere,
}

/// Reads an uncompressed archive, writing nothing, and returns how many entries it has besides its list.
pub fn check_archive(tar: impl Read, machine: &MachineName, limits: &Limits) -> Result<usize, Refused> {
    let unpacker = Unpacker::new(machine, Blobs::Nowhere, Modes::Readable, limits, Stop::default());
    match unpacker.unpack(&mut Entries::new(tar)) {
        Ok(contents) => Ok(contents.nodes.len()),
        Err(Unread::Refused(refused)) => Err(refused),
        Err(error) => Err(Refused(error.to_string())),
    }
}

/// An archive on its way to [`Contents`].
pub(crate) struct Unpacker<'a> {
    machine: &'a MachineName,
    blobs: Blobs<'a>,
    modes: Modes,
    limits: &'a Limits,
    stop: Stop,
    next_blob: u32,
    special_bits: usize,
    /// Bytes in the paths so far.
    names: usize,
    /// The list, under which name it came.
    list: Option<(String, Vec<u8>)>,
    contents: Contents,
}

impl<'a> Unpacker<'a> {
    pub(crate) fn new(
        machine: &'a MachineName,
        blobs: Blobs<'a>,
        modes: Modes,
        limits: &'a Limits,
        stop: Stop,
    ) -> Self {
        let (nodes, list) = (BTreeMap::new(), Vec::new());
        let contents = Contents { nodes, files: 0, bytes: 0, warnings: Vec::new(), list };
        Self {
            machine,
            blobs,
            modes,
            limits,
            stop,
            next_blob: 0,
            special_bits: 0,
            names: 0,
            list: None,
            contents,
        }
    }

    /// Reads an archive to its end.
    pub(crate) fn unpack<R: Read>(mut self, entries: &mut Entries<R>) -> Result<Contents, Unread> {
        let mut buffer = Vec::new();
        let mut count = 0;
        while let Some(entry) = entries.next()? {
            self.stop.check()?;
            count += 1;
            if count > self.limits.max_entries {
                return Err(Refused(format!("it has more than {} entries", self.limits.max_entries)).into());
            }
            self.take(entries, entry, &mut buffer)?;
        }
        if self.special_bits > 0 {
            let bits = self.special_bits;
            self.warn(format!("setuid, setgid or sticky bits of {bits} entries are left out"));
        }
        let (_, list) =
            self.list.take().ok_or_else(|| Refused(format!("it has no list {}", self.machine.list())))?;
        listed::compare(&list, self.machine, &mut self.contents)?;
        self.contents.list = list;
        Ok(self.contents)
    }

    fn take<R: Read>(
        &mut self,
        entries: &mut Entries<R>,
        entry: Entry,
        buffer: &mut Vec<u8>,
    ) -> Result<(), Unread> {
        if entry.path.is_empty() {
            return Ok(());
        }
        if names::is_list(&entry.path) {
            return self.take_list(entries, &entry);
        }
        self.special_bits += usize::from(entry.mode & 0o7000 != 0);
        let node = match entry.what {
            What::Directory => Node::Directory,
            What::Link(target) => Node::Link(target.into()),
            What::File(size) => {
                self.place(&entry.path, false)?;
                // Of a file with holes less came out of the stream.
                if size > self.limits.max_bytes.saturating_sub(self.contents.bytes) {
                    let most = self.limits.max_bytes;
                    return Err(Refused(format!("its files are more than {most} bytes together")).into());
                }
                Node::File(self.write(entries, size, self.modes.of_file(entry.mode), buffer)?)
            }
            What::HardLink(to) => self.further_name(&entry.path, &to)?,
        };
        if let Node::File(content) = &node {
            self.contents.files += 1;
            self.contents.bytes += content.size;
        }
        self.put(&entry.path, node)
    }

    fn take_list<R: Read>(&mut self, entries: &mut Entries<R>, entry: &Entry) -> Result<(), Unread> {
        let shown = foreign::escape(&entry.path);
        if let Some((name, _)) = &self.list {
            let name = foreign::escape(name);
            return Err(
                Refused(format!("it has two lists, {name} and {shown}; only one can be right")).into()
            );
        }
        let What::File(size) = entry.what else {
            return Err(Refused(format!("its list {shown} is no file")).into());
        };
        if size > list::MAX_BYTES {
            return Err(Refused(format!("its list is larger than {} bytes", list::MAX_BYTES)).into());
        }
        let mut bytes = Vec::new();
        let mut chunk = vec![0; CHUNK];
        loop {
            match entries.read(&mut chunk)? {
                0 => break,
                read => bytes.extend_from_slice(&chunk[..read]),
            }
        }
        self.list = Some((entry.path.clone(), bytes));
        Ok(())
    }

    /// Makes sure that there can be something at `path`: nothing is, and directories are above it.
    fn place(&mut self, path: &str, is_directory: bool) -> Result<(), Refused> {
        match self.contents.nodes.get(path) {
            None => {}
            // The same directory again says nothing new.
            Some(held) if held.node == Node::Directory && is_directory => {}
            Some(held) if held.is_implied => {
                return Err(Refused(format!(
                    "{} is there twice, once as a directory",
                    foreign::escape(path)
                )));
            }
            Some(_) => return Err(Refused(format!("{} is there twice", foreign::escape(path)))),
        }
        let mut below = path;
        while let Some(parent) = path::parent(below) {
            match self.contents.nodes.get(parent).map(|held| &held.node) {
                Some(Node::Directory) => break,
                Some(Node::File(_) | Node::Link(_)) => {
                    let (path, parent) = (foreign::escape(path), foreign::escape(parent));
                    return Err(Refused(format!("{path} is below {parent}, which is no directory")));
                }
                None => {}
            }
            let implied = Held { is_implied: true, ..Held::new(Node::Directory) };
            self.insert(parent, implied)?;
            below = parent;
        }
        Ok(())
    }

    fn insert(&mut self, path: &str, held: Held) -> Result<(), Refused> {
        self.contents.nodes.insert(path.into(), held);
        self.names += path.len();
        let Limits { max_entries, max_names, .. } = *self.limits;
        if self.contents.nodes.len() > max_entries {
            return Err(Refused(format!("it has more than {max_entries} entries")));
        }
        if self.names > max_names {
            return Err(Refused(format!("its paths are more than {max_names} bytes together")));
        }
        Ok(())
    }

    fn put(&mut self, path: &str, node: Node) -> Result<(), Unread> {
        self.place(path, node == Node::Directory)?;
        self.insert(path, Held::new(node))?;
        Ok(())
    }

    fn write<R: Read>(
        &mut self,
        entries: &mut Entries<R>,
        size: u64,
        mode: u32,
        buffer: &mut Vec<u8>,
    ) -> Result<Content, Unread> {
        let blob = self.number()?;
        let mut file = match &self.blobs {
            Blobs::In(dir) => Some(create(*dir, blob, mode).map_err(Unread::Write)?),
            Blobs::Nowhere => None,
        };
        // Most files are small, and memory is only taken for those that are not.
        let chunk = usize::try_from(size).unwrap_or(CHUNK).clamp(1, CHUNK);
        if buffer.len() < chunk {
            buffer.resize(chunk, 0);
        }
        let mut digest = Md5::new();
        loop {
            let read = entries.read(&mut buffer[..chunk])?;
            if read == 0 {
                break;
            }
            self.stop.check()?;
            digest.update(&buffer[..read]);
            if let Some(file) = &mut file {
                file.write_all(&buffer[..read]).map_err(Unread::Write)?;
            }
        }
        Ok(Content { md5: Hex(digest.finalize().into()), size, mode, blob })
    }

    /// Returns what is at `path`, a further name of what is at `to`: the content of that file under a number of its own,
    /// or a link that leads where that one does, if it may from there.
    fn further_name(&mut self, path: &str, to: &str) -> Result<Node, Unread> {
        let content = match self.contents.nodes.get(to).map(|held| &held.node) {
            Some(Node::File(content)) => content.clone(),
            Some(Node::Link(target)) => {
                let target = target.clone();
                path::target(target.as_bytes(), path)
                    .map_err(|why| Refused(format!("{}: {why}", foreign::escape(path))))?;
                return Ok(Node::Link(target));
            }
            Some(Node::Directory) | None => {
                let (path, to) = (foreign::escape(path), foreign::escape(to));
                let why = format!("{path} is a hard link to {to}, which is no file or link before it");
                return Err(Refused(why).into());
            }
        };
        let blob = self.number()?;
        if let Blobs::In(dir) = &self.blobs {
            let (from, to) = (content.blob.to_string(), blob.to_string());
            rustix::fs::linkat(*dir, from, *dir, to, AtFlags::empty())
                .map_err(|e| Unread::Write(e.into()))?;
        }
        Ok(Node::File(Content { blob, ..content }))
    }

    fn number(&mut self) -> Result<u32, Unread> {
        let blob = self.next_blob;
        self.next_blob = blob.checked_add(1).ok_or_else(|| Refused::from("it has too many files"))?;
        Ok(blob)
    }

    fn warn(&mut self, what: String) {
        self.contents.warnings.push(what);
    }
}

impl Held {
    fn new(node: Node) -> Self {
        Self { node, is_listed: false, is_implied: false, odd_type: None, more: Box::default() }
    }
}

fn create(dir: BorrowedFd<'_>, blob: u32, mode: u32) -> std::io::Result<File> {
    let how = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let file = rustix::fs::openat(dir, blob.to_string(), how, Mode::from_raw_mode(0o600))?;
    rustix::fs::fchmod(&file, Mode::from_raw_mode(mode))?;
    Ok(file.into())
}

#[cfg(test)]
mod tests;

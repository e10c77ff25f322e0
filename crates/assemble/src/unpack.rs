//! One fragment, read once: contents and the list to the disk ([`store`](crate::store)), everything else to
//! memory ([`nodes`](crate::nodes)), and then compared with its list, which is read back element by element,
//! since it may be as large as all the rest.
//!
//! What the store keeps is all there is on the disk until the merge has decided, whatever paths the archive
//! has. Within an archive nothing comes twice, and nothing is below a file or a link.

mod listed;

use std::fs::File;
use std::io::{BufReader, Read, Seek as _, Write as _};

use intraware_core::digest::Hex;
use intraware_core::foreign;
use intraware_core::run::Stop;
use md5::{Digest as _, Md5};

use crate::list;
use crate::names::{self, MachineName};
use crate::nodes::{Content, Id, Node, Nodes, Place, TOP};
use crate::path;
use crate::refused::{Refused, Unread};
use crate::request::{Limits, Modes};
use crate::store::{Kept, Store, Writing};
use crate::tar::{Entries, Entry, What};

/// How much of a file is in memory at once.
const CHUNK: usize = 128 << 10;

/// What a fragment holds.
#[derive(Default)]
pub(crate) struct Contents {
    pub(crate) nodes: Nodes,
    /// Files.
    pub(crate) files: usize,
    /// Bytes in them.
    pub(crate) bytes: u64,
    /// What is odd and stops nothing; escaped.
    pub(crate) warnings: Vec<String>,
    /// Where the files' contents are; nowhere if the archive was only checked.
    pub(crate) kept: Option<Kept>,
    /// The list as it came.
    pub(crate) list: Option<File>,
}

/// A list on its way.
enum List {
    Memory(Vec<u8>),
    Disk(File),
}

/// Reads an uncompressed archive, writing nothing, and returns how many entries it has besides its list.
pub fn check_archive(tar: impl Read, machine: &MachineName, limits: &Limits) -> Result<usize, Refused> {
    let unpacker = Unpacker::new(machine, None, Modes::Readable, limits, Stop::default());
    match unpacker.unpack(&mut Entries::new(tar)) {
        Ok(contents) => Ok(contents.nodes.len()),
        Err(Unread::Refused(refused)) => Err(refused),
        Err(error) => Err(Refused(error.to_string())),
    }
}

/// An archive on its way to [`Contents`].
pub(crate) struct Unpacker<'a> {
    machine: &'a MachineName,
    /// Nowhere if the archive is only checked.
    store: Option<Store>,
    modes: Modes,
    limits: &'a Limits,
    stop: Stop,
    special_bits: usize,
    /// Bytes in the paths so far.
    names: usize,
    /// The list, under which name it came.
    list: Option<(String, List)>,
    contents: Contents,
}

impl<'a> Unpacker<'a> {
    pub(crate) fn new(
        machine: &'a MachineName,
        store: Option<Store>,
        modes: Modes,
        limits: &'a Limits,
        stop: Stop,
    ) -> Self {
        let contents = Contents::default();
        Self { machine, store, modes, limits, stop, special_bits: 0, names: 0, list: None, contents }
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
        match list {
            List::Memory(list) => listed::compare(&*list, self.machine, &mut self.contents)?,
            List::Disk(mut list) => {
                list.rewind().map_err(Unread::Write)?;
                listed::compare(BufReader::with_capacity(CHUNK, &list), self.machine, &mut self.contents)?;
                self.contents.list = Some(list);
            }
        }
        self.contents.kept = self.store.map(Store::finish).transpose().map_err(Unread::Write)?;
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
        let (dir, name) = self.place(&entry.path, entry.what == What::Directory)?;
        let node = match entry.what {
            What::Directory => Node::Directory,
            What::Link(target) => Node::Link(target.into()),
            What::File(size) => {
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
        Ok(self.put(&entry.path, dir, name, node)?)
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
        let mut list = match &mut self.store {
            Some(store) => List::Disk(store.list().map_err(Unread::Write)?),
            None => List::Memory(Vec::new()),
        };
        let mut chunk = vec![0; CHUNK];
        loop {
            match (entries.read(&mut chunk)?, &mut list) {
                (0, _) => break,
                (read, List::Memory(bytes)) => bytes.extend_from_slice(&chunk[..read]),
                (read, List::Disk(file)) => file.write_all(&chunk[..read]).map_err(Unread::Write)?,
            }
        }
        self.list = Some((entry.path.clone(), list));
        Ok(())
    }

    /// Makes sure that there can be something at `path`: nothing is, and directories are above it. Returns
    /// the directory that it is in, and its name there.
    fn place<'p>(&mut self, path: &'p str, is_directory: bool) -> Result<(Id, &'p str), Refused> {
        let mut dir = TOP;
        let mut begins = 0;
        for (ends, _) in path.match_indices('/') {
            let name = &path[begins..ends];
            dir = match self.contents.nodes.child(dir, name) {
                None => {
                    let id = self.add(&path[..ends], dir, name, Node::Directory)?;
                    self.contents.nodes.held_mut(id).is_implied = true;
                    id
                }
                Some(id) if self.contents.nodes.held(id).node == Node::Directory => id,
                Some(_) => {
                    let (path, parent) = (foreign::escape(path), foreign::escape(&path[..ends]));
                    return Err(Refused(format!("{path} is below {parent}, which is no directory")));
                }
            };
            begins = ends + 1;
        }
        let name = &path[begins..];
        let there = self.contents.nodes.child(dir, name).map(|id| self.contents.nodes.held(id));
        match there {
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
        Ok((dir, name))
    }

    fn add(&mut self, path: &str, dir: Id, name: &str, node: Node) -> Result<Id, Refused> {
        self.names += path.len();
        let Limits { max_entries, max_names, .. } = *self.limits;
        if self.names > max_names {
            return Err(Refused(format!("its paths are more than {max_names} bytes together")));
        }
        if self.contents.nodes.len() >= max_entries {
            return Err(Refused(format!("it has more than {max_entries} entries")));
        }
        self.contents.nodes.add(dir, name, node)
    }

    /// Puts something at a place that was found for it.
    fn put(&mut self, path: &str, dir: Id, name: &str, node: Node) -> Result<(), Refused> {
        if let Some(id) = self.contents.nodes.child(dir, name) {
            self.contents.nodes.held_mut(id).is_implied = false;
            return Ok(());
        }
        self.add(path, dir, name, node).map(drop)
    }

    fn write<R: Read>(
        &mut self,
        entries: &mut Entries<R>,
        size: u64,
        mode: u16,
        buffer: &mut Vec<u8>,
    ) -> Result<Content, Unread> {
        let (place, mut file) = match &mut self.store {
            Some(store) => {
                let (place, file) = store.place(size, mode).map_err(Unread::Write)?;
                (place, Some(file))
            }
            None => (Place::among(0), None),
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
                Writing::write(file, &buffer[..read]).map_err(Unread::Write)?;
            }
        }
        Ok(Content { md5: Hex(digest.finalize().into()), size, mode, place })
    }

    /// Returns what is at `path`, a further name of what is at `to`: the content of that file at a place of
    /// its own, or a link that leads where that one does, if it may from there.
    fn further_name(&mut self, path: &str, to: &str) -> Result<Node, Unread> {
        let first = self.contents.nodes.find(to);
        let content = match first.map(|id| &mut self.contents.nodes.held_mut(id).node) {
            Some(Node::File(content)) => content,
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
        let Some(store) = &mut self.store else { return Ok(Node::File(content.clone())) };
        let (first, second) = store.two_names(content).map_err(Unread::Write)?;
        content.place = Place::own(first);
        Ok(Node::File(Content { place: Place::own(second), ..content.clone() }))
    }

    fn warn(&mut self, what: String) {
        self.contents.warnings.push(what);
    }
}

#[cfg(test)]
mod tests;

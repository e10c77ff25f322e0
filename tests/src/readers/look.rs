//! What is in a tree or an archive, in a form that can be compared.

use std::collections::HashMap;
use std::fmt;
use std::fs::{self, File};
use std::io::{self, Read};
use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

use md5::{Digest as _, Md5};

/// The latest time that a header has room for, in the year 2242.
const LATEST: i64 = 0o777_7777_7777;

/// One entry.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Entry {
    /// The path in the archive, that of a directory with a slash at its end.
    pub(crate) path: Vec<u8>,
    pub(crate) kind: Kind,
    pub(crate) mode: u32,
    /// Seconds since 1970.
    pub(crate) mtime: i64,
    /// Bytes of a file.
    pub(crate) size: u64,
    /// The MD5 of a file's content.
    pub(crate) content: String,
    /// What a link says, or the path of the entry that a hard link is another name of.
    pub(crate) target: Vec<u8>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Directory,
    File,
    Link,
    HardLink,
}

impl fmt::Display for Entry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { path, kind, mode, mtime, size, content, target } = self;
        let (path, target) = (short(path), short(target));
        write!(f, "{kind:?} {path} -> \"{target}\", mode {mode:o}, mtime {mtime}, {size} bytes {content}")
    }
}

/// Returns the first and the last of a name.
fn short(name: &[u8]) -> String {
    let shown = name.escape_ascii().to_string();
    if shown.len() <= 60 {
        return shown;
    }
    format!("{}…{} ({} bytes)", &shown[..30], &shown[shown.len() - 20..], name.len())
}

/// Returns what is in the directory `top`, by the bytes of the paths, `top`'s own name first.
pub(crate) fn at(top: &Path) -> io::Result<Vec<Entry>> {
    let above = top.parent().unwrap_or(top);
    let (mut found, mut left) = (Vec::new(), vec![top.to_owned()]);
    while let Some(path) = left.pop() {
        let (entry, inode) = entry_at(&path, above)?;
        if entry.kind == Kind::Directory {
            for inside in fs::read_dir(&path)? {
                left.push(inside?.path());
            }
        }
        found.push((entry, inode));
    }
    found.sort_by(|(a, _), (b, _)| a.path.cmp(&b.path));
    let mut first_names: HashMap<u64, Vec<u8>> = HashMap::new();
    for (entry, inode) in found.iter_mut().filter(|(entry, _)| entry.kind == Kind::File) {
        match first_names.get(inode) {
            Some(first) => {
                (entry.kind, entry.target) = (Kind::HardLink, first.clone());
                (entry.size, entry.content) = (0, String::new());
            }
            None => {
                first_names.insert(*inode, entry.path.clone());
            }
        }
    }
    Ok(found.into_iter().map(|(entry, _)| entry).collect())
}

fn entry_at(path: &Path, above: &Path) -> io::Result<(Entry, u64)> {
    let seen = fs::symlink_metadata(path)?;
    let mut entry = Entry {
        path: path.strip_prefix(above).unwrap_or(path).as_os_str().as_bytes().to_owned(),
        kind: Kind::File,
        mode: seen.mode() & 0o7777,
        mtime: seen.mtime(),
        size: 0,
        content: String::new(),
        target: Vec::new(),
    };
    if seen.is_dir() {
        entry.kind = Kind::Directory;
        entry.path.push(b'/');
    } else if seen.is_symlink() {
        entry.kind = Kind::Link;
        entry.target = fs::read_link(path)?.into_os_string().into_vec();
    } else {
        (entry.size, entry.content) = digest(File::open(path)?)?;
    }
    Ok((entry, seen.ino()))
}

/// Returns how many bytes there are, and their MD5.
pub(crate) fn digest(mut content: impl Read) -> io::Result<(u64, String)> {
    let (mut size, mut digest, mut buffer) = (0, Md5::new(), vec![0; 1 << 20]);
    loop {
        match content.read(&mut buffer)? {
            0 => break,
            read => {
                size += read as u64;
                digest.update(&buffer[..read]);
            }
        }
    }
    Ok((size, digest.finalize().iter().map(|byte| format!("{byte:02x}")).collect()))
}

/// Returns these entries with this size and content in their files.
pub(crate) fn with_content(entries: &[Entry], (size, content): (u64, String)) -> Vec<Entry> {
    let mut entries = entries.to_vec();
    for file in entries.iter_mut().filter(|entry| entry.kind == Kind::File) {
        (file.size, file.content) = (size, content.clone());
    }
    entries
}

/// Changes what is in a build into what its archive holds: without special bits, with times that fit.
pub(crate) fn as_archived(mut entries: Vec<Entry>) -> Vec<Entry> {
    for entry in &mut entries {
        entry.mode &= 0o777;
        entry.mtime = entry.mtime.clamp(0, LATEST);
    }
    entries
}

/// Reads lines such as those of `tarfile_reader.py`.
pub(crate) fn in_lines(printed: &[u8]) -> Result<Vec<Entry>, String> {
    let text = str::from_utf8(printed).map_err(|_| "it prints something else than ASCII".to_owned())?;
    let mut entries: Vec<Entry> = text.lines().map(in_line).collect::<Result<_, _>>()?;
    entries.sort_by(|a, b| a.path.cmp(&b.path));
    Ok(entries)
}

fn in_line(line: &str) -> Result<Entry, String> {
    let odd = || format!("it prints {line}");
    let [kind, mode, mtime, size, owner, content, path, target] = line.split(' ').collect::<Vec<_>>()[..]
    else {
        return Err(odd());
    };
    let kind = match kind {
        "d" => Kind::Directory,
        "f" => Kind::File,
        "l" => Kind::Link,
        "h" => Kind::HardLink,
        _ => return Err(odd()),
    };
    if owner != "0:0::" {
        return Err(format!("an entry belongs to {owner}: {line}"));
    }
    Ok(Entry {
        path: bytes(path).ok_or_else(odd)?,
        kind,
        mode: u32::from_str_radix(mode, 8).map_err(|_| odd())?,
        mtime: mtime.parse().map_err(|_| odd())?,
        size: size.parse().map_err(|_| odd())?,
        content: content.trim_start_matches('-').to_owned(),
        target: bytes(target).ok_or_else(odd)?,
    })
}

/// Reads hexadecimal digits with a dot behind them.
fn bytes(text: &str) -> Option<Vec<u8>> {
    let digits = text.strip_suffix('.')?.as_bytes();
    digits.chunks(2).map(|two| u8::from_str_radix(str::from_utf8(two).ok()?, 16).ok()).collect()
}

/// Returns what a library says is in an entry's header.
pub(crate) fn entry(kind: Kind, path: &[u8], mode: u32, mtime: i64, target: &[u8]) -> Entry {
    let (path, target) = (path.to_owned(), target.to_owned());
    Entry { path, kind, mode, mtime, size: 0, content: String::new(), target }
}

/// Returns the first difference, if there is one.
pub(crate) fn difference(found: &[Entry], right: &[Entry]) -> Option<String> {
    let (mut found, mut right) = (found.iter().peekable(), right.iter().peekable());
    loop {
        match (found.peek(), right.peek()) {
            (None, None) => return None,
            (Some(more), None) => return Some(format!("there is also {more}")),
            (None, Some(missing)) => return Some(format!("there is no {missing}")),
            (Some(found), Some(right)) if found.path < right.path => {
                return Some(format!("there is also {found}"));
            }
            (Some(found), Some(right)) if found.path > right.path => {
                return Some(format!("there is no {right}"));
            }
            (Some(found), Some(right)) if found != right => {
                return Some(format!("{found} instead of {right}"));
            }
            (Some(_), Some(_)) => {
                found.next();
                right.next();
            }
        }
    }
}

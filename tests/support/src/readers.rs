//! The programs that people unpack a payload with, and what each of them finds in it.
//!
//! A payload is right if everybody who receives it gets the same tree, whatever he unpacks it with. So each
//! reader's findings are turned into the same [`Entry`]s, and tests compare all of them, contents included.

use std::collections::HashMap;
use std::fmt;
use std::fs;
use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::process::Command;

use jiff::civil::DateTime;
use jiff::tz::TimeZone;

/// One entry of an archive, as a reader sees it.
#[derive(Clone, PartialEq, Eq)]
pub struct Entry {
    /// The path in the archive, that of a directory with a slash at its end.
    pub path: Vec<u8>,
    /// What it is.
    pub kind: Kind,
    /// Permission bits.
    pub mode: u32,
    /// Seconds since 1970.
    pub mtime: i64,
    /// What a link says, or the path of the entry that a hard link is another name of.
    pub target: Vec<u8>,
    /// What a file holds.
    pub content: Vec<u8>,
}

/// What an entry is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A directory.
    Directory,
    /// A regular file, at the first of its names.
    File,
    /// A symbolic link.
    Link,
    /// A further name of a file.
    HardLink,
}

impl fmt::Debug for Entry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { path, kind, mode, mtime, target, content } = self;
        let (path, target) = (path.escape_ascii(), target.escape_ascii());
        write!(f, "{kind:?} {mode:o} {mtime} \"{path}\" -> \"{target}\", {} bytes", content.len())
    }
}

/// Checks that a reader has found what there is, entry by entry.
///
/// # Panics
/// If not; it names the first difference.
#[track_caller]
pub fn assert_same(reader: &str, found: &[Entry], expected: &[Entry]) {
    for (found, expected) in found.iter().zip(expected) {
        assert!(found == expected, "{reader} finds\n{found:?} instead of\n{expected:?}");
    }
    let more = found.get(expected.len()).or(expected.get(found.len()));
    assert!(more.is_none(), "{reader} finds {} entries instead of {}: {more:?}", found.len(), expected.len());
}

/// Returns what an archive of the directory `top` must hold, by the bytes of the paths.
pub fn of_tree(top: &Path) -> Vec<Entry> {
    let above = top.parent().expect("a directory below another");
    let (mut found, mut left) = (Vec::new(), vec![top.to_owned()]);
    while let Some(path) = left.pop() {
        let seen = fs::symlink_metadata(&path).expect("a path that was listed");
        let mut entry = Entry {
            path: path.strip_prefix(above).expect("below").as_os_str().as_bytes().to_owned(),
            kind: Kind::File,
            mode: seen.mode() & 0o7777,
            mtime: seen.mtime(),
            target: Vec::new(),
            content: Vec::new(),
        };
        if seen.is_dir() {
            entry.kind = Kind::Directory;
            entry.path.push(b'/');
            let inside = fs::read_dir(&path).expect("a directory that was listed");
            left.extend(inside.map(|inside| inside.expect("an entry").path()));
        } else if seen.is_symlink() {
            entry.kind = Kind::Link;
            entry.target = fs::read_link(&path).expect("a link").into_os_string().into_vec();
        } else {
            entry.content = fs::read(&path).expect("a file");
        }
        found.push((entry, seen.ino()));
    }
    found.sort_by(|(a, _), (b, _)| a.path.cmp(&b.path));
    let mut first_names = HashMap::new();
    let link = |(mut entry, inode): (Entry, u64)| {
        if entry.kind == Kind::File {
            let first = first_names.entry(inode).or_insert_with(|| entry.path.clone());
            if *first != entry.path {
                (entry.kind, entry.target) = (Kind::HardLink, first.clone());
                entry.content.clear();
            }
        }
        entry
    };
    found.into_iter().map(link).collect()
}

/// Returns what GNU tar lists, with the contents that it extracts, without anything being made on a disk: a
/// path may be longer than the kernel takes.
pub fn gnu_tar(payload: &Path) -> Vec<Entry> {
    let mut list = tool("tar");
    list.args([
        "--list",
        "--verbose",
        "--full-time",
        "--numeric-owner",
        "--quoting-style=c",
        "--gzip",
        "--file",
    ]);
    let listing = output(list.arg(payload));
    let mut extract = tool("tar");
    let contents = output(extract.args(["--extract", "--to-stdout", "--gzip", "--file"]).arg(payload));
    let mut contents = contents.as_slice();
    let lines = listing.split(|&b| b == b'\n').filter(|line| !line.is_empty());
    let entries = lines.map(|line| {
        let (mut entry, size) = gnu_line(line);
        let (content, rest) = contents.split_at_checked(size).expect("as many bytes as the list says");
        (entry.content, contents) = (content.to_vec(), rest);
        entry
    });
    let entries = entries.collect();
    assert!(contents.is_empty(), "tar extracts more than it lists");
    entries
}

/// Reads a line like `hrw-r--r-- 0/0 0 2026-01-02 03:04:05 "p7/a" link to "p7/b"`.
fn gnu_line(line: &[u8]) -> (Entry, usize) {
    let shown = line.escape_ascii();
    let quote = line.iter().position(|&b| b == b'"').unwrap_or_else(|| panic!("no path: {shown}"));
    let (before, names) = line.split_at(quote);
    let before = str::from_utf8(before).expect("GNU tar's own words");
    let [mode, owner, size, date, time] = before.split_whitespace().collect::<Vec<_>>()[..] else {
        panic!("not five fields before the path: {shown}");
    };
    assert_eq!(owner, "0/0", "{shown}");
    let (path, after) = quoted(names);
    let (kind, between) = match mode.as_bytes()[0] {
        b'd' => (Kind::Directory, &b""[..]),
        b'-' => (Kind::File, &b""[..]),
        b'l' => (Kind::Link, &b" -> "[..]),
        b'h' => (Kind::HardLink, &b" link to "[..]),
        _ => panic!("an unknown kind of entry: {shown}"),
    };
    let target = after.strip_prefix(between).unwrap_or_else(|| panic!("no target: {shown}"));
    let (target, after) = if between.is_empty() { (Vec::new(), target) } else { quoted(target) };
    assert!(after.is_empty(), "more than a path: {shown}");
    let bit = |(i, letter): (usize, u8)| match letter {
        b'-' => 0,
        b'r' | b'w' | b'x' => 0o400 >> i,
        _ => panic!("a special bit: {shown}"),
    };
    let mode = mode.bytes().skip(1).enumerate().map(bit).sum();
    let moment: DateTime = format!("{date}T{time}").parse().expect("a date and a time");
    let mtime = moment.to_zoned(TimeZone::UTC).expect("a moment").timestamp().as_second();
    let size = size.parse().expect("a size");
    (Entry { path, kind, mode, mtime, target, content: Vec::new() }, size)
}

/// Reads a text in quotes from the beginning of `bytes`; returns it, and what follows.
fn quoted(bytes: &[u8]) -> (Vec<u8>, &[u8]) {
    let inside = bytes.strip_prefix(b"\"").expect("an opening quote");
    let mut escaped = false;
    let end = inside.iter().position(|&b| {
        let is_end = b == b'"' && !escaped;
        escaped = b == b'\\' && !escaped;
        is_end
    });
    let end = end.expect("a closing quote");
    (unescape(&inside[..end]), &inside[end + 1..])
}

/// Undoes escapes as in C, with which GNU tar and bsdtar show a name.
fn unescape(mut shown: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::new();
    while let Some((&first, rest)) = shown.split_first() {
        let (byte, len) = match (first, rest) {
            (b'\\', [a @ b'0'..=b'3', b, c, ..]) => ((a - b'0') << 6 | (b - b'0') << 3 | (c - b'0'), 3),
            (b'\\', [letter, ..]) => (simple_escape(*letter), 1),
            _ => (first, 0),
        };
        bytes.push(byte);
        shown = &rest[len..];
    }
    bytes
}

fn simple_escape(letter: u8) -> u8 {
    match letter {
        b'a' => 7,
        b'b' => 8,
        b't' => b'\t',
        b'n' => b'\n',
        b'v' => 11,
        b'f' => 12,
        b'r' => b'\r',
        b'"' | b'\\' => letter,
        _ => panic!("an unknown escape: \\{}", letter.escape_ascii()),
    }
}

/// Prints a line for each entry, and behind it what a file holds.
const TARFILE: &str = r#"
import os, sys, tarfile

KINDS = {tarfile.DIRTYPE: "d", tarfile.REGTYPE: "f", tarfile.SYMTYPE: "l", tarfile.LNKTYPE: "h"}
with tarfile.open(sys.argv[1], "r:gz") as archive:
    for entry in archive:
        assert (entry.uid, entry.gid, entry.uname, entry.gname) == (0, 0, "", ""), entry.name
        content = archive.extractfile(entry).read() if entry.isreg() else b""
        assert len(content) == entry.size, entry.name
        fields = [KINDS[entry.type], entry.mode, entry.mtime, len(content)]
        fields += [os.fsencode(name).hex() + "." for name in (entry.name.rstrip("/"), entry.linkname)]
        sys.stdout.buffer.write(" ".join(map(str, fields)).encode() + b"\n" + content)
"#;

/// Returns what Python's `tarfile` finds.
pub fn python(payload: &Path) -> Vec<Entry> {
    let printed = output(tool("python3").args(["-c", TARFILE]).arg(payload));
    let (mut entries, mut left) = (Vec::new(), printed.as_slice());
    while let Some(end) = left.iter().position(|&b| b == b'\n') {
        let line = str::from_utf8(&left[..end]).expect("a line of our own script");
        let [kind, mode, mtime, size, path, target] = line.split(' ').collect::<Vec<_>>()[..] else {
            panic!("not six fields: {line}");
        };
        let kind = match kind {
            "d" => Kind::Directory,
            "f" => Kind::File,
            "l" => Kind::Link,
            _ => Kind::HardLink,
        };
        let mut path = unhex(path);
        if kind == Kind::Directory {
            path.push(b'/');
        }
        let number = |text: &str| text.parse::<i64>().expect("a number");
        let (content, rest) = left[end + 1..].split_at(number(size) as usize);
        let (mode, mtime, target) = (number(mode) as u32, number(mtime), unhex(target));
        entries.push(Entry { path, kind, mode, mtime, target, content: content.to_vec() });
        left = rest;
    }
    entries
}

fn unhex(text: &str) -> Vec<u8> {
    let digits = text.strip_suffix('.').expect("a dot behind the digits").as_bytes();
    let byte =
        |two: &[u8]| u8::from_str_radix(str::from_utf8(two).expect("ASCII"), 16).expect("hexadecimal digits");
    digits.chunks(2).map(byte).collect()
}

/// Returns the paths that bsdtar lists.
pub fn bsdtar_paths(payload: &Path) -> Vec<Vec<u8>> {
    let listing = output(tool("bsdtar").arg("-tf").arg(payload));
    listing.split(|&b| b == b'\n').filter(|line| !line.is_empty()).map(unescape).collect()
}

/// Returns the paths that 7z lists in an archive that is not compressed. It shows a line's end as `_`, and no
/// slash behind a directory.
pub fn seven_zip_paths(tar: &Path) -> Vec<Vec<u8>> {
    let listing = output(tool("7z").args(["l", "-ba", "-slt"]).arg(tar));
    let lines = listing.split(|&b| b == b'\n');
    lines.filter_map(|line| line.strip_prefix(b"Path = ")).map(<[u8]>::to_vec).collect()
}

/// Has each program that inflates do so, and test what it is given; returns the bytes, which are the same for
/// all.
pub fn inflated(payload: &Path) -> Vec<u8> {
    for test in [["gzip", "-t"], ["pigz", "-t"], ["7z", "t"]] {
        output(tool(test[0]).arg(test[1]).arg(payload));
    }
    let python = "import gzip, sys; sys.stdout.buffer.write(gzip.open(sys.argv[1]).read())";
    let all = [&["gzip", "-dc"][..], &["pigz", "-dc"], &["7z", "x", "-so"], &["python3", "-c", python]]
        .map(|words| output(tool(words[0]).args(&words[1..]).arg(payload)));
    let [gzip, others @ ..] = all;
    assert!(
        others.iter().all(|other| *other == gzip),
        "gzip, pigz, 7z and Python's gzip disagree on the bytes"
    );
    gzip
}

/// Unpacks with `program` and its `words`, the archive's path last, in the directory `into`.
pub fn unpack(program: &str, words: &[&str], archive: &Path, into: &Path) {
    output(tool(program).args(words).arg(archive).current_dir(into));
}

/// The environment in which people run these.
fn tool(program: &str) -> Command {
    let mut command = Command::new(program);
    command.env_clear().env("PATH", "/usr/bin:/bin").env("LC_ALL", "C.UTF-8").env("TZ", "UTC");
    command
}

/// Returns what a program prints, once it has succeeded without a word of complaint.
fn output(command: &mut Command) -> Vec<u8> {
    let output = command.output().unwrap_or_else(|error| panic!("{command:?} (is it installed?): {error}"));
    let complaint = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && complaint.is_empty(), "{command:?}: {}: {complaint}", output.status);
    output.stdout
}

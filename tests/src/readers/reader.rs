//! The programs and libraries, and how each is asked.

use std::fs::{self, File, Permissions};
use std::io::Read as _;
use std::os::unix::fs::{PermissionsExt as _, chown};
use std::path::{Path, PathBuf};
use std::process::Command;

use flate2::read::GzDecoder;
use rustix::process::geteuid;
use tempfile::TempDir;

use crate::look::{self, Entry, Kind};
use crate::script;
use crate::trees::{LARGE, Tree};

/// `nobody` and `nogroup`, as whom some unpack.
const NOBODY: u32 = 65_534;

/// One way to read a payload. Commands are for `sh`, which has the payload as `$1`, where the readers are
/// installed as `$2`, and the scripts of ours as `$3`; they run in an empty directory.
pub(crate) struct Reader {
    pub(crate) name: &'static str,
    /// Prints its version on the first line.
    version: &'static str,
    how: How,
}

enum How {
    /// Unpacks the payload, as root or as somebody else.
    Unpacks { who: Who, command: &'static str, content: &'static str },
    /// Prints what it finds, as `tarfile_reader.py` does.
    Prints(&'static str),
    /// Is a library that is linked into this program.
    Linked(fn(&Path, &Path) -> Result<Vec<Entry>, String>),
    /// Compares by itself; it succeeds or not.
    Compares(&'static str),
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Who {
    Root,
    Nobody,
}

const fn unpacks(name: &'static str, version: &'static str, who: Who, command: &'static str) -> Reader {
    Reader { name, version, how: How::Unpacks { who, command, content: "" } }
}

/// One that also prints the content of the file of the large tree, which is not for the disk.
const fn streams(
    name: &'static str,
    version: &'static str,
    who: Who,
    command: &'static str,
    content: &'static str,
) -> Reader {
    Reader { name, version, how: How::Unpacks { who, command, content } }
}

const fn prints(name: &'static str, version: &'static str, command: &'static str) -> Reader {
    Reader { name, version, how: How::Prints(command) }
}

const GNU: &str = "tar --version";
const BSD: &str = "bsdtar --version";
const BUSYBOX: &str = "busybox | head -n 1";
const TOYBOX: &str = "toybox --version";
const PYTHON: &str = "python3 --version";
const EXTRACTALL: &str = "python3 -c 'import sys, tarfile; tarfile.open(sys.argv[1]).extractall()' \"$1\"";
const RUST: &str = "echo of Cargo.lock";

pub(crate) const READERS: [Reader; 23] = [
    streams("GNU tar", GNU, Who::Root, "tar -xpzf \"$1\"", "tar -xOzf \"$1\" large/hole"),
    unpacks("GNU tar, nobody", GNU, Who::Nobody, "tar -xpzf \"$1\""),
    streams("bsdtar", BSD, Who::Root, "bsdtar -xpf \"$1\"", "bsdtar -xOf \"$1\" large/hole"),
    unpacks("bsdtar, nobody", BSD, Who::Nobody, "bsdtar -xpf \"$1\""),
    streams("BusyBox", BUSYBOX, Who::Root, "busybox tar -xpzf \"$1\"", "busybox tar -xOzf \"$1\" large/hole"),
    unpacks("BusyBox, nobody", BUSYBOX, Who::Nobody, "busybox tar -xpzf \"$1\""),
    unpacks("toybox", TOYBOX, Who::Root, "toybox tar -xpzf \"$1\""),
    unpacks("toybox, nobody", TOYBOX, Who::Nobody, "toybox tar -xpzf \"$1\""),
    prints("tarfile", PYTHON, "python3 \"$3/tarfile_reader.py\" \"$1\""),
    unpacks("tarfile, extractall", PYTHON, Who::Root, EXTRACTALL),
    unpacks("tarfile, extractall, nobody", PYTHON, Who::Nobody, EXTRACTALL),
    prints(
        "tarfile in pyodide 0.22",
        "node \"$3/pyodide_reader.js\" \"$2/pyodide-0.22.1/node_modules/pyodide\"",
        "node \"$3/pyodide_reader.js\" \"$2/pyodide-0.22.1/node_modules/pyodide\" \"$1\"",
    ),
    prints(
        "tarfile in pyodide 0.26",
        "node \"$3/pyodide_reader.js\" \"$2/pyodide-0.26.4/node_modules/pyodide\"",
        "node \"$3/pyodide_reader.js\" \"$2/pyodide-0.26.4/node_modules/pyodide\" \"$1\"",
    ),
    prints(
        "tarfile in pyodide 314",
        "node \"$3/pyodide_reader.js\" \"$2/pyodide-314.0.7/node_modules/pyodide\"",
        "node \"$3/pyodide_reader.js\" \"$2/pyodide-314.0.7/node_modules/pyodide\" \"$1\"",
    ),
    prints(
        "tarfile, filter data",
        "node \"$3/pyodide_reader.js\" \"$2/pyodide-314.0.7/node_modules/pyodide\"",
        "node \"$3/pyodide_reader.js\" \"$2/pyodide-314.0.7/node_modules/pyodide\" \"$1\" data",
    ),
    prints("Go archive/tar", "go version", "\"$2/go-reader\" \"$1\""),
    Reader { name: "Rust tar and flate2", version: RUST, how: How::Linked(rust_lists) },
    Reader { name: "Rust tar and flate2, unpack", version: RUST, how: How::Linked(rust_unpacks) },
    streams(
        "7-Zip",
        "7z | sed -n 2p",
        Who::Root,
        "7z x -so \"$1\" >../inner.tar && 7z x -y ../inner.tar",
        "7z x -so \"$1\" | 7z x -si -ttar -so",
    ),
    unpacks(
        "Archive::Tar",
        "perl -MArchive::Tar -e 'print \"$Archive::Tar::VERSION\\n\"'",
        Who::Root,
        "perl -MArchive::Tar -e 'Archive::Tar->extract_archive($ARGV[0]) or die Archive::Tar->error' \"$1\"",
    ),
    unpacks("cpio", "cpio --version", Who::Root, "gzip -dc \"$1\" | cpio -idmu --quiet -H tar"),
    unpacks("unar", "unar --version", Who::Root, "unar -q \"$1\""),
    Reader {
        name: "rapidgzip",
        version: "\"$2/venv/bin/python\" -c 'import rapidgzip; print(rapidgzip.__version__)'",
        how: How::Compares("\"$2/venv/bin/python\" \"$3/rapidgzip_reader.py\" \"$1\""),
    },
];

impl Reader {
    pub(crate) fn needs_root(&self) -> bool {
        matches!(self.how, How::Unpacks { who: Who::Root, .. } | How::Linked(_))
    }

    /// Returns whether it shall read this tree.
    pub(crate) fn takes(&self, tree: &Tree) -> bool {
        let is_large = tree.name == LARGE.name;
        match self.how {
            How::Unpacks { content, .. } => !is_large || !content.is_empty(),
            How::Linked(library) => !is_large || std::ptr::fn_addr_eq(library, rust_lists as Library),
            // What its filter leaves of the one file is no news.
            How::Prints(command) => !is_large || !command.ends_with(" data"),
            // It keeps all of it in memory, to compare.
            How::Compares(_) => !is_large,
        }
    }

    pub(crate) fn version(&self, room: &Room) -> String {
        let work = Work::new();
        let said = work.sh(Who::Root, self.version, Path::new(""), room);
        let said = said.unwrap_or_else(|error| error.into_bytes());
        let line = said.split(|&b| b == b'\n').find(|line| !line.is_empty()).unwrap_or_default();
        String::from_utf8_lossy(line).chars().take(30).collect()
    }

    /// Returns what it finds in the payload of this tree.
    pub(crate) fn read(
        &self,
        room: &Room,
        tree: &Tree,
        payload: &Path,
        right: &[Entry],
    ) -> Result<Vec<Entry>, String> {
        let work = Work::new();
        match self.how {
            How::Unpacks { who, content, .. } if tree.name == LARGE.name => {
                let printed = work.digest(who, content, payload, room)?;
                // All that it is asked for.
                Ok(look::with_content(right, printed))
            }
            How::Unpacks { who, command, .. } => {
                work.sh(who, command, payload, room)?;
                look::at(&work.dir().join(tree.name)).map_err(|error| format!("looking at it: {error}"))
            }
            How::Prints(command) => look::in_lines(&work.sh(Who::Root, command, payload, room)?),
            How::Linked(library) => library(payload, &work.dir()),
            How::Compares(command) => {
                work.sh(Who::Root, command, payload, room)?;
                Ok(right.to_vec())
            }
        }
    }
}

/// Where the readers are installed.
pub(crate) struct Room {
    readers: PathBuf,
}

impl Room {
    pub(crate) fn new(readers: &Path) -> Self {
        Self { readers: fs::canonicalize(readers).unwrap_or_else(|_| readers.to_owned()) }
    }
}

/// A directory that everybody may pass through, with an empty one in it to unpack to.
struct Work(TempDir);

impl Work {
    fn new() -> Self {
        let work = Self(tempfile::tempdir().expect("a temporary directory"));
        fs::set_permissions(work.0.path(), Permissions::from_mode(0o755)).expect("a directory of ours");
        fs::create_dir(work.dir()).expect("a directory");
        work
    }

    fn dir(&self) -> PathBuf {
        self.0.path().join("unpacked")
    }

    /// Has `sh` run a command, and returns what it prints.
    fn sh(&self, who: Who, command: &str, payload: &Path, room: &Room) -> Result<Vec<u8>, String> {
        let output = self.command(who, command, payload, room).output();
        let output = output.map_err(|error| error.to_string())?;
        if output.status.success() {
            return Ok(output.stdout);
        }
        // Some complain on standard output.
        let said = [output.stderr, output.stdout].concat();
        let said = String::from_utf8_lossy(&said).split_whitespace().collect::<Vec<_>>().join(" ");
        Err(format!("{}: {}", output.status, said.chars().take(2_000).collect::<String>().escape_debug()))
    }

    /// Has `sh` run a command, and returns how much it prints, and the MD5 of that.
    fn digest(&self, who: Who, command: &str, payload: &Path, room: &Room) -> Result<(u64, String), String> {
        let mut child = self.command(who, command, payload, room);
        child.stdout(std::process::Stdio::piped()).stderr(std::process::Stdio::null());
        let mut child = child.spawn().map_err(|error| error.to_string())?;
        let printed = child.stdout.take().map(look::digest).transpose().map_err(|error| error.to_string())?;
        let status = child.wait().map_err(|error| error.to_string())?;
        printed.filter(|_| status.success()).ok_or_else(|| status.to_string())
    }

    fn command(&self, who: Who, command: &str, payload: &Path, room: &Room) -> Command {
        let mut sh = if who == Who::Nobody && geteuid().is_root() {
            chown(self.dir(), Some(NOBODY), Some(NOBODY)).expect("root may");
            let mut sh = Command::new("setpriv");
            sh.args(["--reuid=nobody", "--regid=nogroup", "--clear-groups", "sh"]);
            sh
        } else {
            Command::new("sh")
        };
        // What Debian has comes before what somebody has made for himself; node may be elsewhere.
        let command = format!("PATH=/usr/bin:/bin:$PATH; umask 022; {command}");
        sh.arg("-c").arg(command).arg("sh").arg(payload).arg(&room.readers).arg(script(""));
        sh.current_dir(self.dir()).env("HOME", self.0.path());
        sh.env("LC_ALL", "C.UTF-8").env("TZ", "UTC");
        sh
    }
}

impl Drop for Work {
    fn drop(&mut self) {
        // What is left over is in the system's temporary directory.
        let _ = Command::new("chmod").args(["-R", "u+rwx"]).arg(self.dir()).output();
    }
}

type Library = fn(&Path, &Path) -> Result<Vec<Entry>, String>;

type Archive = tar::Archive<GzDecoder<File>>;

fn open(payload: &Path) -> Result<Archive, String> {
    let file = File::open(payload).map_err(|error| error.to_string())?;
    Ok(tar::Archive::new(GzDecoder::new(file)))
}

fn rust_lists(payload: &Path, _: &Path) -> Result<Vec<Entry>, String> {
    let mut archive = open(payload)?;
    let mut found = archive
        .entries()
        .and_then(|entries| entries.map(|entry| rust_entry(entry?)).collect::<std::io::Result<Vec<_>>>())
        .map_err(|error| error.to_string())?;
    // Only the end of the stream has the checksum of all before it.
    std::io::copy(&mut archive.into_inner(), &mut std::io::sink()).map_err(|error| error.to_string())?;
    found.sort_by(|a, b| a.path.cmp(&b.path));
    Ok(found)
}

fn rust_entry(mut entry: tar::Entry<'_, GzDecoder<File>>) -> std::io::Result<Entry> {
    let header = entry.header();
    let kind = match header.entry_type() {
        tar::EntryType::Directory => Kind::Directory,
        tar::EntryType::Regular => Kind::File,
        tar::EntryType::Symlink => Kind::Link,
        tar::EntryType::Link => Kind::HardLink,
        other => return Err(std::io::Error::other(format!("an entry of type {other:?}"))),
    };
    let (mode, mtime) = (header.mode()?, header.mtime()?.cast_signed());
    if (header.uid()?, header.gid()?) != (0, 0) {
        return Err(std::io::Error::other("an entry has an owner"));
    }
    let target = entry.link_name_bytes().unwrap_or_default().into_owned();
    let mut found = look::entry(kind, &entry.path_bytes(), mode, mtime, &target);
    if kind == Kind::File {
        (found.size, found.content) = look::digest(entry.by_ref())?;
    }
    Ok(found)
}

fn rust_unpacks(payload: &Path, into: &Path) -> Result<Vec<Entry>, String> {
    let mut archive = open(payload)?;
    archive.set_preserve_permissions(true);
    archive.unpack(into).map_err(|error| {
        let cause = std::error::Error::source(&error).map(|cause| format!(": {cause}")).unwrap_or_default();
        format!("{error}{cause}")
    })?;
    let mut tops = fs::read_dir(into).map_err(|error| error.to_string())?;
    let top = tops.next().and_then(Result::ok).ok_or("it unpacks nothing")?;
    look::at(&top.path()).map_err(|error| format!("looking at it: {error}"))
}

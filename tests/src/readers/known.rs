//! What readers are known to do otherwise, and why an archive can do nothing about it. `docs/operations.md`,
//! "A customer cannot unpack a payload", tells customers the same.

use crate::look::{Entry, Kind};

/// What a reader does otherwise.
pub(crate) enum Known {
    /// It fails, and says these words.
    Fails(&'static str),
    /// It makes exactly this of what is right.
    Makes(fn(&mut Entry)),
    /// This is not the same, and all else is.
    Ignores(fn(&mut Entry)),
    /// It says nothing, and the tree is another one.
    Spoils,
}

struct Row {
    /// The readers whose names begin so.
    reader: &'static str,
    /// The trees; none is all of them.
    trees: &'static [&'static str],
    what: Known,
    reason: &'static str,
}

/// Returns what is known of a reader and a tree; the first row counts.
pub(crate) fn known(reader: &str, tree: &str) -> Option<(&'static Known, &'static str)> {
    let is_meant = |row: &&Row| {
        reader.starts_with(row.reader)
            && (row.trees.is_empty() || row.trees.contains(&tree))
            && tree != "large"
    };
    KNOWN.iter().find(is_meant).map(|row| (&row.what, row.reason))
}

const fn row(reader: &'static str, trees: &'static [&'static str], what: Known, reason: &'static str) -> Row {
    Row { reader, trees, what, reason }
}

const READ_ONLY: &str =
    "it makes a directory read-only before it puts files in, which only root may then: 0555 and the like";
const TIMES: &str = "directories and links get the time at which they are unpacked, not their own";
const LINK_TIMES: &str = "links get the time at which they are unpacked, not their own";
const CUT: &str = "names and targets over 100 bytes are cut, without a word, or with a failure later on";
const UP: &str = "links with .., to . or to another link become empty files, and it ends with status 2";

static KNOWN: [Row; 18] = [
    row("BusyBox, nobody", &["modes"], Known::Fails("Permission denied"), READ_ONLY),
    row("BusyBox", &[], Known::Ignores(times), TIMES),
    row("toybox, nobody", &["modes"], Known::Fails("Permission denied"), READ_ONLY),
    row("tarfile, extractall", &["links", "up", "untidy", "odd"], Known::Ignores(link_times), LINK_TIMES),
    row(
        "tarfile, filter data",
        &[],
        Known::Makes(filtered),
        "from Python 3.14 on, directories get the modes that the umask leaves, files are written to by their owner alone, and \
         targets of links are tidied",
    ),
    row(
        "Rust tar and flate2, unpack",
        &[],
        Known::Ignores(rust_times),
        "directories get the time at which they are unpacked, and files of the first second of 1970 that of the next",
    ),
    row("7-Zip", &["links"], Known::Fails("Dangerous link via another link"), UP),
    row("7-Zip", &["up", "untidy"], Known::Fails("Dangerous link path"), UP),
    row(
        "7-Zip",
        &["modes"],
        Known::Makes(seven_zip),
        "the umask takes rights away, and directories are the owner's to write to",
    ),
    row("Archive::Tar", &["links"], Known::Spoils, CUT),
    row("Archive::Tar", &["hard"], Known::Fails("Making hard link from"), CUT),
    row(
        "Archive::Tar",
        &[],
        Known::Ignores(directories),
        "directories get the time at which they are unpacked, and the modes that the umask leaves; links get that time, too",
    ),
    row("cpio", &["long", "links", "hard"], Known::Spoils, CUT),
    row("cpio", &[], Known::Ignores(times), TIMES),
    row(
        "unar",
        &["odd"],
        Known::Spoils,
        "names that are not UTF-8 are spelt with %, and a backslash makes a directory",
    ),
    row("unar", &["hard"], Known::Spoils, "hard links become symbolic ones that lead nowhere"),
    row(
        "unar",
        &["modes"],
        Known::Makes(unar),
        "the umask takes rights away, and all is the owner's to read and to write to",
    ),
    row("unar", &["times"], Known::Spoils, "times after 2106 become other ones"),
];

fn times(entry: &mut Entry) {
    if matches!(entry.kind, Kind::Directory | Kind::Link) {
        entry.mtime = 0;
    }
}

fn rust_times(entry: &mut Entry) {
    entry.mtime = if entry.kind == Kind::Directory { 0 } else { entry.mtime.max(1) };
}

fn link_times(entry: &mut Entry) {
    if entry.kind == Kind::Link {
        entry.mtime = 0;
    }
}

fn directories(entry: &mut Entry) {
    times(entry);
    if entry.kind == Kind::Directory {
        entry.mode = 0;
    }
}

fn seven_zip(entry: &mut Entry) {
    match entry.kind {
        Kind::Directory => entry.mode = entry.mode & 0o755 | 0o700,
        Kind::File => entry.mode &= 0o755,
        Kind::Link | Kind::HardLink => {}
    }
}

fn unar(entry: &mut Entry) {
    match entry.kind {
        Kind::Directory | Kind::File => entry.mode = entry.mode & 0o755 | 0o600,
        Kind::Link | Kind::HardLink => {}
    }
}

/// What Python's filter "data" says of itself.
fn filtered(entry: &mut Entry) {
    match entry.kind {
        Kind::Directory => entry.mode = 0,
        Kind::Link => {
            entry.mode = 0;
            entry.target = tidy(&entry.target);
        }
        Kind::File | Kind::HardLink => {
            entry.mode &= if entry.mode & 0o100 == 0 { 0o644 } else { 0o755 };
            entry.mode |= 0o600;
        }
    }
}

/// Takes needless dots and slashes out of a relative path.
fn tidy(target: &[u8]) -> Vec<u8> {
    let names = target.split(|&b| b == b'/').filter(|name| !matches!(name, [] | [b'.']));
    let tidied = names.collect::<Vec<_>>().join(&b'/');
    if tidied.is_empty() { b".".to_vec() } else { tidied }
}

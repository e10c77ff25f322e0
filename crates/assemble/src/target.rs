//! From a merge to a target: the tree is made, flushed, and named.
//!
//! Order: directories, files (as the [`store`](crate::store) puts them there), the list, links, permissions
//! of directories, one flush of the file system, the rename. What is flushed before the rename includes
//! everything that was written since the partial directory was opened.

use std::io::{self, BufWriter, Write as _};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use nix::sched::CloneFlags;
use rustix::fs::{AtFlags, Mode, OFlags, RenameFlags};
use rustix::io::Errno;

use crate::list::{self, Writer};
use crate::merge::{Chosen, Merged, Part, Provided};
use crate::nodes::Node;
use crate::partial::{OLD, Partial, TREE};
use crate::request::Modes;

/// Everybody may read and enter a directory of a package, and its owner may change it.
const DIRECTORY_MODE: Mode =
    Mode::RWXU.union(Mode::RGRP).union(Mode::XGRP).union(Mode::ROTH).union(Mode::XOTH);

/// Why a tree could not be made.
pub(crate) struct Failed {
    pub(crate) doing: &'static str,
    /// Below the partial directory, or empty.
    pub(crate) path: String,
    pub(crate) source: io::Error,
}

fn failed<E: Into<io::Error>>(doing: &'static str, path: &str) -> impl FnOnce(E) -> Failed {
    move |source| Failed { doing, path: path.to_owned(), source: source.into() }
}

/// Makes everything but links and the final permissions.
pub(crate) fn build(
    partial: &Partial,
    merged: &Merged,
    parts: &[Part],
    threads: usize,
) -> Result<(), Failed> {
    let tree = partial.open(TREE).map_err(failed("open", TREE))?;
    for path in directories(merged, parts) {
        rustix::fs::mkdirat(&tree, &path, Mode::RWXU).map_err(failed("make directory", &path))?;
    }
    let share = merged.chosen.len().div_ceil(threads.max(1)).max(1);
    std::thread::scope(|scope| {
        let place = |share: &[Chosen]| {
            umask_of_its_own();
            share.iter().try_for_each(|one| place(tree.as_fd(), one.by, parts))
        };
        let shares: Vec<_> =
            merged.chosen.chunks(share).map(|share| scope.spawn(move || place(share))).collect();
        let ended = shares.into_iter().map(|share| share.join());
        // All of them have ended before the first failure is told.
        let ended: Vec<_> = ended.map(|end| end.unwrap_or_else(|e| std::panic::resume_unwind(e))).collect();
        ended.into_iter().collect()
    })
}

/// Has this thread make files with the permissions that it says; the other threads' umask stays. A call less
/// for each file.
fn umask_of_its_own() {
    // Where a sandbox forbids it, each file gets its permissions afterwards.
    if nix::sched::unshare(CloneFlags::CLONE_FS).is_ok() {
        rustix::process::umask(Mode::empty());
    }
}

fn directories<'m>(merged: &'m Merged, parts: &'m [Part]) -> impl Iterator<Item = String> + 'm {
    let chosen = merged.chosen.iter().map(|one| one.by);
    chosen.filter(|one| one.held(parts).node == Node::Directory).map(|one| one.path(parts))
}

fn place(tree: BorrowedFd<'_>, one: Provided, parts: &[Part]) -> Result<(), Failed> {
    let Node::File(content) = &one.held(parts).node else { return Ok(()) };
    let Some(kept) = &one.part(parts).contents.kept else { return Ok(()) };
    let path = one.path(parts);
    kept.put(content, tree, &path).map_err(failed("place", &path))
}

/// Makes links and permissions, after which nothing is added.
pub(crate) fn finish(partial: &Partial, merged: &Merged, parts: &[Part]) -> Result<(), Failed> {
    let tree = partial.open(TREE).map_err(failed("open", TREE))?;
    for one in &merged.chosen {
        if let Node::Link(target) = &one.by.held(parts).node {
            let path = one.by.path(parts);
            rustix::fs::symlinkat(&**target, &tree, &path).map_err(failed("make link", &path))?;
        }
    }
    for path in directories(merged, parts) {
        let change = rustix::fs::chmodat(&tree, &path, DIRECTORY_MODE, AtFlags::empty());
        change.map_err(failed("set the permissions of", &path))?;
    }
    rustix::fs::fchmod(&tree, DIRECTORY_MODE).map_err(failed("set the permissions of", TREE))
}

/// Writes the list of the package.
pub(crate) fn write_list(
    partial: &Partial,
    merged: &Merged,
    parts: &[Part],
    modes: Modes,
) -> Result<(), Failed> {
    let write = || -> io::Result<()> {
        let how = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let tree = partial.open(TREE)?;
        let file = rustix::fs::openat(&tree, list::ASSEMBLED, how, Mode::RUSR | Mode::WUSR)?;
        rustix::fs::fchmod(&file, Mode::from_raw_mode(modes.of_file(0o644).into()))?;
        let mut writer = Writer::new(BufWriter::new(std::fs::File::from(file)))?;
        for one in &merged.chosen {
            let path = one.by.path(parts);
            entry(&mut writer, &path, one.by, parts, false)?;
            for other in merged.also(one) {
                if matches!(other.held(parts).node, Node::File(_)) {
                    entry(&mut writer, &path, *other, parts, true)?;
                }
            }
        }
        writer.finish()?.flush()
    };
    write().map_err(failed("write", list::ASSEMBLED))
}

/// Writes what one machine provides at a path. Of a further provider neither digest nor size is told.
fn entry(
    writer: &mut Writer<impl io::Write>,
    path: &str,
    one: Provided,
    parts: &[Part],
    is_further: bool,
) -> io::Result<()> {
    let node = &one.held(parts).node;
    let (mut md5, mut size) = (String::new(), String::new());
    let kind = match node {
        _ if is_further => "merge",
        Node::File(content) => {
            (md5, size) = (content.md5.to_string(), content.size.to_string());
            "file"
        }
        Node::Directory => "dir",
        Node::Link(_) => "link",
    };
    let target = match node {
        Node::Link(target) => &**target,
        Node::Directory | Node::File(_) => "",
    };
    let own = [("md5sum", &*md5), ("size", &*size), ("target", target)];
    let head = [("fullname", path), ("host", one.part(parts).machine.as_str())];
    let more =
        one.said(parts).into_iter().flat_map(|said| &said.more).map(|(name, value)| (&**name, &**value));
    let own = own.into_iter().filter(|(_, value)| !value.is_empty());
    writer
        .entry(head.into_iter().chain(more).chain(own).chain([("type", one.odd_type(parts).unwrap_or(kind))]))
}

/// Flushes everything that was written to the disk.
pub(crate) fn sync(partial: &Partial) -> Result<(), Failed> {
    rustix::fs::syncfs(partial.fd()).map_err(failed("flush", ""))
}

/// How a target got its name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Published {
    /// It stands.
    Done,
    /// There is something at its place, which may not be replaced.
    Exists,
}

/// Gives the tree its final name in the package's directory.
pub(crate) fn publish(
    partial: &Partial,
    package_dir: &OwnedFd,
    version: &str,
    replace: bool,
) -> Result<Published, Failed> {
    let rename = |flags| rustix::fs::renameat_with(partial.fd(), TREE, package_dir, version, flags);
    let tree =
        rustix::fs::statat(partial.fd(), TREE, AtFlags::SYMLINK_NOFOLLOW).map_err(failed("look at", TREE))?;
    let renamed = match rename(RenameFlags::NOREPLACE) {
        Err(Errno::EXIST) if replace => match rename(RenameFlags::EXCHANGE) {
            Err(Errno::INVAL | Errno::NOSYS) => in_two_steps(partial, package_dir, version, true),
            exchanged => exchanged,
        },
        Err(Errno::INVAL | Errno::NOSYS) => in_two_steps(partial, package_dir, version, replace),
        renamed => renamed,
    };
    match renamed {
        Ok(()) => {}
        Err(Errno::EXIST | Errno::NOTEMPTY | Errno::NOTDIR) => return Ok(Published::Exists),
        Err(errno) => {
            // On NFS a rename may have been made although its answer says otherwise.
            let seen = rustix::fs::statat(package_dir, version, AtFlags::SYMLINK_NOFOLLOW);
            if !seen.is_ok_and(|seen| (seen.st_dev, seen.st_ino) == (tree.st_dev, tree.st_ino)) {
                return Err(failed("publish", version)(errno));
            }
        }
    }
    rustix::fs::fsync(package_dir).map_err(failed("flush", version))?;
    Ok(Published::Done)
}

/// Where the file system knows no other rename. The target is absent for a moment when one is replaced.
fn in_two_steps(partial: &Partial, package_dir: &OwnedFd, version: &str, replace: bool) -> Result<(), Errno> {
    match rustix::fs::statat(package_dir, version, AtFlags::SYMLINK_NOFOLLOW) {
        Ok(_) if !replace => return Err(Errno::EXIST),
        Ok(_) => rustix::fs::renameat(package_dir, version, partial.fd(), OLD)?,
        Err(Errno::NOENT) => {}
        Err(errno) => return Err(errno),
    }
    rustix::fs::renameat(partial.fd(), TREE, package_dir, version)
}

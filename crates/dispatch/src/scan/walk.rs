//! The files of a tree, in the order of their paths' bytes, so that they can be compared with a sorted list
//! as they come.
//!
//! Of a file only its status is asked. What begins with a dot is passed over, files and directories: so are
//! files called that are still written, and what version control keeps beside others. Symbolic links are not
//! followed, since what they lead to may change without a trace here; the tree itself may be one. Sockets,
//! devices and the like are no packages. What vanishes while it is looked at counts as if it had not been
//! there.
//!
//! A thread of its own does it: what the file system takes its time for is compared meanwhile.

use std::ffi::OsStr;
use std::io;
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;
use std::sync::mpsc::sync_channel;
use std::thread;

use rustix::fd::{AsFd, OwnedFd};
use rustix::fs::{AtFlags, Dir, FileType, Mode, OFlags, Stat, openat, statat};
use rustix::io::Errno;

/// So many are handed over at once, and so many batches may wait.
const BATCH: usize = 1000;
const AHEAD: usize = 8;

/// What of a file changes when somebody writes to it, or puts another in its place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Stamp {
    /// Its length in bytes.
    pub(crate) size: i64,
    /// When it was written to, in nanoseconds; whoever writes can set it.
    pub(crate) modified: i64,
    /// When anything of it was changed, which nobody can set.
    pub(crate) changed: i64,
    /// Which file it is.
    pub(crate) inode: i64,
}

impl Stamp {
    /// Takes it from a file's status; times out of all reason are as good as any other.
    pub(crate) fn of(stat: &Stat) -> Self {
        let time = |seconds: i64, nanoseconds: i64| {
            seconds.saturating_mul(1_000_000_000).saturating_add(nanoseconds)
        };
        Self {
            size: stat.st_size,
            modified: time(stat.st_mtime, stat.st_mtime_nsec as i64),
            changed: time(stat.st_ctime, stat.st_ctime_nsec as i64),
            inode: stat.st_ino.cast_signed(),
        }
    }

    /// Returns when it was last touched in any way.
    pub(crate) fn latest(&self) -> i64 {
        self.modified.max(self.changed)
    }
}

/// What comes next in a tree.
#[derive(Debug)]
pub(crate) enum Met {
    /// A regular file.
    File(Stamp),
    /// A file or a directory that cannot be looked at. What is below it is not known.
    Unreadable(io::Error),
}

/// A walk through a tree.
pub(crate) struct Walk {
    /// The path of what was met last; one of a directory ends with a slash.
    path: Vec<u8>,
    levels: Vec<Level>,
}

/// A directory that is being gone through.
struct Level {
    dir: Dir,
    names: std::vec::IntoIter<Name>,
    /// How much of the path is its own.
    path: usize,
}

/// A name in a directory, of a directory with a slash behind it. They come in the order of these bytes.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Name(Vec<u8>);

impl Walk {
    /// Begins to go through a tree.
    pub(crate) fn begin(tree: &Path) -> io::Result<Self> {
        let fd = rustix::fs::open(tree, OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())?;
        let mut path = tree.as_os_str().as_bytes().to_owned();
        path.push(b'/');
        let level = level(fd, path.len())?;
        Ok(Self { path, levels: vec![level] })
    }

    /// Goes through the tree while `look` takes what is met, by its path; that of a directory ends with a
    /// slash.
    pub(crate) fn while_looking<T>(
        mut self,
        look: impl FnOnce(&mut dyn Iterator<Item = (Vec<u8>, Met)>) -> T,
    ) -> T {
        thread::scope(|scope| {
            let (give, take) = sync_channel::<Vec<(Vec<u8>, Met)>>(AHEAD);
            scope.spawn(move || {
                loop {
                    let next = || self.next().map(|met| (self.path.clone(), met));
                    let batch: Vec<_> = std::iter::from_fn(next).take(BATCH).collect();
                    // Whoever looks may have seen enough.
                    if batch.is_empty() || give.send(batch).is_err() {
                        break;
                    }
                }
            });
            look(&mut take.into_iter().flatten())
        })
    }

    /// Goes on to what comes next; none at the end.
    fn next(&mut self) -> Option<Met> {
        loop {
            let level = self.levels.last_mut()?;
            self.path.truncate(level.path);
            let Some(Name(name)) = level.names.next() else {
                self.levels.pop();
                continue;
            };
            self.path.extend_from_slice(&name);
            let tried = match name.strip_suffix(b"/") {
                None => match level.dir.fd().and_then(|dir| status(dir, &name)) {
                    Ok(stat) if FileType::from_raw_mode(stat.st_mode) == FileType::RegularFile => {
                        return Some(Met::File(Stamp::of(&stat)));
                    }
                    // Its names can be read, and nothing else: that is told once.
                    Err(Errno::ACCESS) => {
                        self.path.truncate(level.path);
                        self.levels.pop();
                        Err(Errno::ACCESS)
                    }
                    other => other.map(drop),
                },
                Some(name) => {
                    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
                    let name = OsStr::from_bytes(name);
                    let opened = level.dir.fd().and_then(|dir| openat(dir, name, flags, Mode::empty()));
                    opened
                        .and_then(|fd| self::level(fd, self.path.len()))
                        .map(|level| self.levels.push(level))
                }
            };
            match tried {
                // It has vanished, or is something else by now, which the next walk finds.
                Ok(()) | Err(Errno::NOENT | Errno::NOTDIR | Errno::LOOP) => {}
                Err(errno) => return Some(Met::Unreadable(errno.into())),
            }
        }
    }
}

fn status(dir: impl AsFd, name: &[u8]) -> rustix::io::Result<Stat> {
    statat(dir, OsStr::from_bytes(name), AtFlags::SYMLINK_NOFOLLOW)
}

/// Reads the names in a directory that is open.
fn level(fd: OwnedFd, path: usize) -> rustix::io::Result<Level> {
    let mut names = Vec::new();
    let mut dir = Dir::new(fd)?;
    while let Some(entry) = dir.read() {
        let entry = entry?;
        let name = entry.file_name().to_bytes();
        if name.starts_with(b".") {
            continue;
        }
        let kind = match entry.file_type() {
            // Some file systems do not tell.
            FileType::Unknown => match status(dir.fd()?, name) {
                Ok(stat) => FileType::from_raw_mode(stat.st_mode),
                Err(Errno::NOENT) => continue,
                Err(errno) => return Err(errno),
            },
            kind => kind,
        };
        let mut name = name.to_owned();
        match kind {
            FileType::RegularFile => {}
            FileType::Directory => name.push(b'/'),
            _ => continue,
        }
        names.push(Name(name));
    }
    names.sort_unstable();
    Ok(Level { dir, names: names.into_iter(), path })
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::{PermissionsExt as _, symlink};

    use super::*;

    fn met(tree: &Path) -> Vec<String> {
        Walk::begin(tree).unwrap().while_looking(|found| {
            let shown = |(path, met): (Vec<u8>, Met)| {
                let path = String::from_utf8_lossy(&path[tree.as_os_str().len() + 1..]).into_owned();
                match met {
                    Met::File(stamp) => format!("{path} {}", stamp.size),
                    Met::Unreadable(_) => format!("{path} !"),
                }
            };
            found.map(shown).collect()
        })
    }

    #[test]
    fn s2_03_files_come_in_the_order_of_their_paths_and_links_and_hidden_names_do_not() {
        let dir = tempfile::tempdir().unwrap();
        let tree = dir.path().join("in");
        for path in ["a/b/c", "a/x", "a-b", "a.x", "a b", ".part", ".git/x", "z"] {
            fs::create_dir_all(tree.join(path).parent().unwrap()).unwrap();
            fs::write(tree.join(path), "12").unwrap();
        }
        symlink("z", tree.join("link")).unwrap();
        symlink("a", tree.join("directory")).unwrap();
        symlink("..", tree.join("a/up")).unwrap();
        rustix::fs::mknodat(rustix::fs::CWD, tree.join("fifo"), FileType::Fifo, Mode::RUSR, 0).unwrap();
        assert_eq!(met(&tree), ["a b 2", "a-b 2", "a.x 2", "a/b/c 2", "a/x 2", "z 2"]);
        symlink(&tree, dir.path().join("there")).unwrap();
        assert_eq!(met(&dir.path().join("there")).len(), 6, "the tree itself may be a link");
        assert!(Walk::begin(&dir.path().join("missing")).is_err());
        // To root nothing is unreadable.
        if !rustix::process::geteuid().is_root() {
            fs::set_permissions(tree.join("a"), fs::Permissions::from_mode(0o000)).unwrap();
            assert!(met(&tree).contains(&"a/ !".to_owned()));
        }
    }
}

//! A site that is a directory of this host, perhaps on a network file system.
//!
//! Everything goes through a descriptor of the base, one name at a time and without following links, so that
//! nothing that somebody puts below the base can lead out of it. The file system's own guarantees are
//! what the contract asks for; only the time that a call takes is the kernel's, not ours.

#[cfg(test)]
mod tests;

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::path::PathBuf;

use rustix::fs::{self, AtFlags, FileType, Mode, OFlags, RenameFlags};
use rustix::io::Errno;
use sha2::{Digest as _, Sha256};

use super::{Entry, EntryKind, Known, RemotePath, Session, Site, SiteError, SiteErrorKind};
use crate::digest::{Hex, Sha256Hex};
use crate::file_size;
use crate::foreign;
use crate::mount;

/// Bytes read or written at a time.
const CHUNK: usize = 1 << 20;

/// A directory as a site.
#[derive(Debug, Clone)]
pub struct Directory {
    /// The name from the configuration.
    pub name: String,
    /// The directory; it must exist.
    pub base: PathBuf,
    /// The mode of delivered files.
    pub file_mode: u32,
    /// The mode of made directories.
    pub dir_mode: u32,
    /// What is known of its file system's habits.
    pub known: Known,
}

impl Site for Directory {
    fn name(&self) -> &str {
        &self.name
    }

    fn connect(&self) -> Result<Box<dyn Session>, SiteError> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let base = fs::open(&self.base, flags, Mode::empty()).map_err(|errno| {
            let kind = match kind(errno) {
                SiteErrorKind::NotFound | SiteErrorKind::NotRegular => SiteErrorKind::Configuration,
                other => other,
            };
            let base = foreign::path(&self.base);
            SiteError::caused(
                kind,
                format!("opening directory {base} of site {}; make or mount it", self.name),
                errno,
            )
        })?;
        // A mount that cannot be told is one of this host.
        let writes_late = mount::of(&self.base).is_ok_and(|mount| mount.is_nfs());
        Ok(Box::new(Open { site: self.clone(), base, writes_late }))
    }
}

/// The session: nothing but the descriptor of the base.
struct Open {
    site: Directory,
    base: OwnedFd,
    /// It is on NFS.
    writes_late: bool,
}

impl Open {
    /// Opens a directory without following links; with `make`, makes what is missing and counts it.
    fn dir(&self, path: &RemotePath, make: Option<&mut usize>) -> Result<OwnedFd, Errno> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let mut dir = fs::openat(&self.base, ".", flags, Mode::empty())?;
        let mut made = make;
        for name in path.as_str().split('/').filter(|name| !name.is_empty()) {
            if let Some(made) = made.as_deref_mut() {
                match fs::mkdirat(&dir, name, Mode::from_raw_mode(self.site.dir_mode)) {
                    Ok(()) => {
                        // Our umask is for the spool; what is delivered is for others to read.
                        let mode = Mode::from_raw_mode(self.site.dir_mode);
                        self.hear_mode(name, mode, fs::chmodat(&dir, name, mode, AtFlags::empty()))?;
                        fs::fsync(&dir)?;
                        *made += 1;
                    }
                    Err(Errno::EXIST) => {}
                    Err(errno) => return Err(errno),
                }
            }
            dir = fs::openat(&dir, name, flags, Mode::empty())?;
        }
        Ok(dir)
    }

    /// Opens a regular file without following a link, and without waiting for the other end of a pipe.
    fn file(&self, path: &RemotePath, flags: OFlags) -> Result<(File, OwnedFd), Errno> {
        let dir = self.dir(&path.parent(), None)?;
        let flags = flags | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
        let file = fs::openat(&dir, path.name(), flags, Mode::RUSR | Mode::WUSR)?;
        match FileType::from_raw_mode(fs::fstat(&file)?.st_mode) {
            FileType::RegularFile => Ok((file.into(), dir)),
            _ => Err(Errno::LOOP),
        }
    }

    fn error(&self, doing: &str, path: &RemotePath, errno: Errno) -> SiteError {
        let name = &self.site.name;
        if errno == Errno::FBIG {
            // A limit of this host, and not of the site.
            let text = format!("{doing} {path} at site {name}");
            return SiteError::caused(SiteErrorKind::Source, text, file_size::told(errno.into()));
        }
        let kind = kind(errno);
        SiteError::caused(kind, format!("{doing} {path} at site {name}; {}", advice(kind)), errno)
    }

    fn copy(
        &self,
        path: &RemotePath,
        source: &mut dyn Read,
        sink: &mut dyn Write,
        ours: Side,
        progress: &mut dyn FnMut(u64),
    ) -> Result<u64, SiteError> {
        let mut buffer = vec![0; CHUNK];
        let mut copied = 0;
        let failed = |side: Side, doing: &str, err: io::Error| match side == ours {
            true => self.error(doing, path, errno_of(&err)),
            false => SiteError::caused(
                SiteErrorKind::Source,
                format!("{doing} the local side of {path}; look at the spool's disk"),
                err,
            ),
        };
        loop {
            let n = match source.read(&mut buffer) {
                Ok(0) => return Ok(copied),
                Ok(n) => n,
                Err(err) if err.kind() == io::ErrorKind::Interrupted => continue,
                Err(err) => return Err(failed(Side::Source, "reading", err)),
            };
            sink.write_all(&buffer[..n]).map_err(|err| failed(Side::Sink, "writing", err))?;
            copied += n as u64;
            progress(copied);
        }
    }

    /// Hears whether something got its mode. Some file systems keep modes to themselves, and deliver files
    /// all the same.
    fn hear_mode(&self, name: &str, mode: Mode, set: Result<(), Errno>) -> Result<(), Errno> {
        match set {
            Err(errno @ (Errno::PERM | Errno::NOTSUP | Errno::NOSYS)) => {
                let (site, mode) = (&self.site.name, mode.as_raw_mode());
                tracing::info!(%site, name, %errno, "the site does not let us set the mode {mode:o}");
                self.site.known.learn(&self.peer(), |habits| habits.sets_modes = Some(false));
                Ok(())
            }
            set => set,
        }
    }

    /// Renames where the file system cannot do it without overwriting: a second name, then away with the
    /// first.
    fn link_and_unlink(&self, from: (&OwnedFd, &str), to: (&OwnedFd, &str)) -> Result<(), Errno> {
        match fs::linkat(from.0, from.1, to.0, to.1, AtFlags::empty()) {
            // On NFS the answer to a link that was made may get lost, and its repetition says that it exists.
            Err(Errno::EXIST) if same_file(from, to)? => {}
            done => done?,
        }
        fs::unlinkat(from.0, from.1, AtFlags::empty())
    }
}

impl Session for Open {
    fn stat(&mut self, path: &RemotePath) -> Result<Option<Entry>, SiteError> {
        let stat = self.dir(&path.parent(), None).and_then(|dir| {
            let name = if path.is_base() { "." } else { path.name() };
            fs::statat(&dir, name, AtFlags::SYMLINK_NOFOLLOW)
        });
        match stat {
            Ok(stat) => Ok(Some(Entry {
                kind: match FileType::from_raw_mode(stat.st_mode) {
                    FileType::RegularFile => EntryKind::File,
                    FileType::Directory => EntryKind::Directory,
                    _ => EntryKind::Other,
                },
                size: u64::try_from(stat.st_size).unwrap_or(0),
            })),
            Err(Errno::NOENT | Errno::NOTDIR) => Ok(None),
            Err(errno) => Err(self.error("looking at", path, errno)),
        }
    }

    fn list(&mut self, dir: &RemotePath) -> Result<Vec<String>, SiteError> {
        let failed = |errno| self.error("listing", dir, errno);
        let fd = self.dir(dir, None).map_err(failed)?;
        let mut names = Vec::new();
        for entry in fs::Dir::new(fd).map_err(failed)? {
            let entry = entry.map_err(failed)?;
            let name = entry.file_name().to_string_lossy();
            if !matches!(&*name, "." | "..") {
                names.push(name.into_owned());
            }
        }
        Ok(names)
    }

    fn make_dirs(&mut self, dir: &RemotePath) -> Result<usize, SiteError> {
        let mut made = 0;
        self.dir(dir, Some(&mut made)).map_err(|errno| self.error("making directory", dir, errno))?;
        Ok(made)
    }

    fn put(
        &mut self,
        path: &RemotePath,
        from: u64,
        source: &mut dyn Read,
        progress: &mut dyn FnMut(u64),
    ) -> Result<u64, SiteError> {
        let failed = |errno| self.error("writing", path, errno);
        let (mut file, dir) = self.file(path, OFlags::WRONLY | OFlags::CREATE).map_err(failed)?;
        file.seek(SeekFrom::Start(from)).map_err(|err| failed(errno_of(&err)))?;
        let written = self.copy(path, source, &mut file, Side::Sink, progress)?;
        // After a successful fsync there is nothing left that close could report.
        let mode = Mode::from_raw_mode(self.site.file_mode);
        self.hear_mode(path.as_str(), mode, fs::fchmod(&file, mode))
            .and_then(|()| fs::fsync(&file))
            .and_then(|()| fs::fsync(&dir))
            .map_err(failed)?;
        Ok(written)
    }

    fn get(&mut self, path: &RemotePath, from: u64, sink: &mut dyn Write) -> Result<u64, SiteError> {
        let failed = |errno| self.error("reading", path, errno);
        let (mut file, _) = self.file(path, OFlags::RDONLY).map_err(failed)?;
        file.seek(SeekFrom::Start(from)).map_err(|err| failed(errno_of(&err)))?;
        self.copy(path, &mut file, sink, Side::Source, &mut |_| ())
    }

    fn truncate(&mut self, path: &RemotePath, size: u64) -> Result<(), SiteError> {
        let failed = |errno| self.error("cutting", path, errno);
        let (file, _) = self.file(path, OFlags::WRONLY).map_err(failed)?;
        fs::ftruncate(&file, size).and_then(|()| fs::fsync(&file)).map_err(failed)
    }

    fn rename_new(&mut self, from: &RemotePath, to: &RemotePath) -> Result<(), SiteError> {
        let failed = |errno| self.error(&format!("renaming {from} to"), to, errno);
        let old = self.dir(&from.parent(), None).map_err(failed)?;
        let new = self.dir(&to.parent(), None).map_err(failed)?;
        match fs::renameat_with(&old, from.name(), &new, to.name(), RenameFlags::NOREPLACE) {
            Err(Errno::INVAL | Errno::NOSYS | Errno::NOTSUP) => {
                self.link_and_unlink((&old, from.name()), (&new, to.name()))
            }
            // Where the call itself is denied, as in some containers, it cannot even find a file in its own
            // way.
            Err(Errno::PERM) if is_denied(&old, from.name()) => {
                self.link_and_unlink((&old, from.name()), (&new, to.name()))
            }
            done => done,
        }
        .and_then(|()| fs::fsync(&new))
        .and_then(|()| fs::fsync(&old))
        .map_err(failed)
    }

    /// The kernel itself refuses a taken name.
    fn rename_blindly(&mut self, from: &RemotePath, to: &RemotePath) -> Result<(), SiteError> {
        self.rename_new(from, to)
    }

    fn remove(&mut self, path: &RemotePath) -> Result<(), SiteError> {
        self.dir(&path.parent(), None)
            .and_then(|dir| fs::unlinkat(&dir, path.name(), AtFlags::empty()).and_then(|()| fs::fsync(&dir)))
            .map_err(|errno| self.error("removing", path, errno))
    }

    fn sha256(&mut self, path: &RemotePath, size: u64) -> Result<Option<Sha256Hex>, SiteError> {
        let failed = |errno| self.error("reading", path, errno);
        let (file, _) = self.file(path, OFlags::RDONLY).map_err(failed)?;
        let mut hash = Sha256::new();
        let read =
            self.copy(path, &mut file.take(size + 1), &mut HashSink(&mut hash), Side::Source, &mut |_| ())?;
        if read != size {
            return Err(SiteError::new(
                SiteErrorKind::Protocol,
                format!(
                    "hashing {size} bytes of {path} at site {}: it has {}; look again",
                    self.site.name,
                    if read > size { "more".to_owned() } else { read.to_string() }
                ),
            ));
        }
        Ok(Some(Hex(hash.finalize().into())))
    }

    fn sha256_of_blocks(
        &mut self,
        path: &RemotePath,
        size: u64,
        block: u64,
    ) -> Result<Option<Vec<Sha256Hex>>, SiteError> {
        let failed = |errno| self.error("reading", path, errno);
        let (mut file, _) = self.file(path, OFlags::RDONLY).map_err(failed)?;
        let mut hashes = Vec::new();
        for at in (0..size).step_by(usize::try_from(block).unwrap_or(usize::MAX)) {
            let mut hash = Sha256::new();
            let mut piece = (&mut file).take(block.min(size - at));
            self.copy(path, &mut piece, &mut HashSink(&mut hash), Side::Source, &mut |_| ())?;
            hashes.push(Hex(hash.finalize().into()));
        }
        Ok(Some(hashes))
    }

    fn writes_late(&self) -> bool {
        self.writes_late
    }

    fn writes_anywhere(&self) -> bool {
        true
    }

    fn free_space(&mut self, dir: &RemotePath) -> Result<Option<u64>, SiteError> {
        let mut dir = dir.clone();
        loop {
            match self.dir(&dir, None).and_then(|fd| fs::fstatvfs(fd.as_fd())) {
                Ok(disk) => return Ok(Some(disk.f_bavail.saturating_mul(disk.f_frsize))),
                Err(Errno::NOENT) if !dir.is_base() => dir = dir.parent(),
                Err(errno) => return Err(self.error("asking for the free space of", &dir, errno)),
            }
        }
    }

    fn is_flushed(&self) -> bool {
        true
    }

    fn peer(&self) -> String {
        format!("directory {}", foreign::path(&self.site.base))
    }
}

/// Which side of a copy something is on.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Side {
    Source,
    Sink,
}

/// Hashes what is written to it.
struct HashSink<'a>(&'a mut Sha256);

impl Write for HashSink<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.update(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Returns whether the kernel lets nobody ask for a rename that does not overwrite, be it of a file to its
/// own name.
fn is_denied(dir: &OwnedFd, name: &str) -> bool {
    fs::renameat_with(dir, name, dir, name, RenameFlags::NOREPLACE) == Err(Errno::PERM)
}

fn same_file(a: (&OwnedFd, &str), b: (&OwnedFd, &str)) -> Result<bool, Errno> {
    let a = fs::statat(a.0, a.1, AtFlags::SYMLINK_NOFOLLOW)?;
    let b = fs::statat(b.0, b.1, AtFlags::SYMLINK_NOFOLLOW)?;
    Ok((a.st_dev, a.st_ino) == (b.st_dev, b.st_ino))
}

fn errno_of(err: &io::Error) -> Errno {
    Errno::from_io_error(err).unwrap_or(Errno::IO)
}

fn kind(errno: Errno) -> SiteErrorKind {
    match errno {
        Errno::NOENT => SiteErrorKind::NotFound,
        Errno::EXIST | Errno::NOTEMPTY => SiteErrorKind::Exists,
        Errno::NOSPC | Errno::DQUOT => SiteErrorKind::NoSpace,
        Errno::ACCESS | Errno::PERM | Errno::ROFS => SiteErrorKind::Permission,
        // A pipe nobody reads is ENXIO.
        Errno::LOOP | Errno::ISDIR | Errno::NOTDIR | Errno::NXIO => SiteErrorKind::NotRegular,
        Errno::TIMEDOUT => SiteErrorKind::Timeout,
        _ => SiteErrorKind::Protocol,
    }
}

/// Returns what a person can do about a failure of this kind.
fn advice(kind: SiteErrorKind) -> &'static str {
    match kind {
        SiteErrorKind::NoSpace => "make room there",
        SiteErrorKind::Permission => "allow it to this account",
        SiteErrorKind::NotRegular => {
            "a link, directory or device is in the way; look at what it is, and whose"
        }
        SiteErrorKind::Exists => "look at what stands there",
        SiteErrorKind::NotFound => "look whether somebody removed it",
        _ => "look at the file system and its mount",
    }
}

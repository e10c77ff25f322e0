//! Files that appear whole, and directories whose changes survive a power loss.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::os::fd::OwnedFd;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use rustix::fs::{AtFlags, Mode, OFlags, statat};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::SpoolError;
use crate::lock::is_gone;

/// Largest JSON file that is read, in bytes.
const JSON_MAX: u64 = 1024 * 1024;

/// Flushes the entries of a directory to disk.
pub(super) fn sync_dir(dir: &Path) -> io::Result<()> {
    File::open(dir)?.sync_all()
}

/// Returns the names in a directory, sorted. Those that an NFS client gave to unlinked files, and temporary
/// ones of [`write_json`], are left out, as are names that are not UTF-8: nothing of ours has such a name.
pub(super) fn names(dir: &Path) -> io::Result<Vec<String>> {
    let mut names = Vec::new();
    for entry in fs::read_dir(dir)? {
        let Ok(name) = entry?.file_name().into_string() else { continue };
        if !name.starts_with('.') {
            names.push(name);
        }
    }
    names.sort();
    Ok(names)
}

/// Returns the names of the files in a directory that [`write_file`] began and did not finish, or has under
/// way.
pub(super) fn temps(dir: &Path) -> io::Result<Vec<String>> {
    let mut names = Vec::new();
    for entry in fs::read_dir(dir)? {
        let Ok(name) = entry?.file_name().into_string() else { continue };
        if name.starts_with('.') && name.ends_with(".tmp") {
            names.push(name);
        }
    }
    names.sort();
    Ok(names)
}

/// Writes `value` to `dir/name`: whoever looks sees the old content or the new one, also after a power loss.
/// Until it is whole, its file is called after `mark`, which names the writer.
pub(super) fn write_json<T: Serialize>(
    dir: &Path,
    name: &str,
    value: &T,
    mark: &str,
) -> Result<(), SpoolError> {
    let write = || {
        let mut text = serde_json::to_vec_pretty(value)?;
        text.push(b'\n');
        write_file(dir, name, &text, mark)
    };
    write().map_err(|e| SpoolError::io("write", &dir.join(name), e))
}

/// Writes `content` to `dir/name` as [`write_json`] does.
pub(super) fn write_file(dir: &Path, name: &str, content: &[u8], mark: &str) -> io::Result<()> {
    let (temp, mut file) = begin(dir, mark)?;
    let written = file.write_all(content).and_then(|()| close(file));
    if let Err(error) = written.and_then(|()| fs::rename(&temp, dir.join(name))) {
        // At worst it is found by a later run.
        let _ = fs::remove_file(&temp);
        return Err(error);
    }
    sync_dir(dir)
}

/// Numbers the half-written files of this process.
static NEXT: AtomicU64 = AtomicU64::new(0);

/// How many names are tried for a half-written file.
const NAMES: u32 = 1000;

/// Makes a file that nobody else writes to. Its name is short, whatever it is to be called in the end.
fn begin(dir: &Path, mark: &str) -> io::Result<(PathBuf, File)> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true).mode(0o600);
    for _ in 0..NAMES {
        let temp = dir.join(format!(".{mark}.{}.tmp", NEXT.fetch_add(1, Ordering::Relaxed)));
        match options.open(&temp) {
            // Another process with this mark had it, be it on another host.
            Err(e) if e.kind() == io::ErrorKind::AlreadyExists => {}
            made => return Ok((temp, made?)),
        }
    }
    Err(io::Error::other("all names for half-written files are taken"))
}

/// Flushes a file to disk and closes it. NFS reports a full disk here at the latest, so the answer counts.
pub(super) fn close(file: File) -> io::Result<()> {
    file.sync_all()?;
    nix::unistd::close(file).map_err(io::Error::from)
}

/// Reads a JSON file; `None` if there is none. Asks the directory first, as every look into the spool.
pub(super) fn read_json<T: DeserializeOwned>(path: &Path) -> io::Result<Option<T>> {
    Ok(match read_file(path)? {
        Some(text) => Some(serde_json::from_slice(&text)?),
        None => None,
    })
}

/// Returns whether reading failed because of what stands in the file, and not on the way to it.
pub(super) fn is_garbled(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::InvalidData | io::ErrorKind::UnexpectedEof)
}

/// Reads a small file; `None` if it is not there.
pub(super) fn read_file(path: &Path) -> io::Result<Option<Vec<u8>>> {
    if !is_there(path)? {
        return Ok(None);
    }
    read_listed(path)
}

/// Returns whether something has this name, be it a link that leads nowhere.
///
/// It is asked for below its directory, opened anew: that makes an NFS client ask the server whether the
/// directory has changed, and forget what it remembers of names there. The cost does not grow with the
/// directory, as that of a listing does.
pub(super) fn is_there(path: &Path) -> io::Result<bool> {
    let (Some(dir), Some(name)) = (path.parent(), path.file_name()) else { return Ok(false) };
    let seen = open_dir(dir).and_then(|dir| Ok(statat(&dir, name, AtFlags::SYMLINK_NOFOLLOW)?));
    match seen {
        Ok(_) => Ok(true),
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(e) => Err(e),
    }
}

/// Opens a directory, after which its names are looked up as the server has them.
pub(super) fn open_dir(dir: &Path) -> io::Result<OwnedFd> {
    Ok(rustix::fs::open(dir, OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())?)
}

/// How often a file is opened that is replaced meanwhile.
const ATTEMPTS: u32 = 3;

/// Reads a small file that its directory has listed a moment ago; `None` if it was removed since.
pub(super) fn read_listed(path: &Path) -> io::Result<Option<Vec<u8>>> {
    let read = || {
        let mut text = Vec::new();
        let file = OpenOptions::new().read(true).custom_flags(nix::libc::O_NOFOLLOW).open(path)?;
        file.take(JSON_MAX).read_to_end(&mut text)?;
        Ok(text)
    };
    for attempt in 1.. {
        match read() {
            Ok(text) => return Ok(Some(text)),
            // Another host has removed it, or is replacing it: only its directory tells.
            Err(e) if is_gone(&e) && attempt < ATTEMPTS => {
                if !is_there(path)? {
                    break;
                }
            }
            Err(e) => return Err(e),
        }
    }
    Ok(None)
}

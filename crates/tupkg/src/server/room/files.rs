//! Files and directories, one at a time.

use std::fs::{self, File};
use std::io::{self, Read as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::Path;
use std::time::{Duration, SystemTime};

use rustix::fs::OFlags;

use crate::digest::{Digests, Md5Sum, Sha256Sum};

/// Makes a directory with this mode, unless it is there.
pub(super) fn make_dir(path: &Path, mode: u32) -> io::Result<()> {
    match fs::DirBuilder::new().mode(mode).create(path) {
        // The umask may have taken something away.
        Ok(()) => fs::set_permissions(path, fs::Permissions::from_mode(mode)),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists && path.is_dir() => Ok(()),
        Err(error) => Err(error),
    }
}

/// Returns the bytes that can still be written to a file system.
pub(super) fn free(path: &Path) -> io::Result<u64> {
    let found = rustix::fs::statvfs(path)?;
    Ok(found.f_bavail.saturating_mul(found.f_frsize))
}

/// Returns the digests of a regular file.
pub(super) fn digests(path: &Path) -> io::Result<(Md5Sum, Option<Sha256Sum>)> {
    let flags = OFlags::NOFOLLOW | OFlags::NONBLOCK;
    let mut file = File::options().read(true).custom_flags(flags.bits().cast_signed()).open(path)?;
    let mut digests = Digests::begin(true);
    let mut buffer = vec![0; 64 << 10];
    loop {
        match file.read(&mut buffer)? {
            0 => return Ok(digests.finish()),
            count => digests.update(&buffer[..count]),
        }
    }
}

/// Flushes a directory, so that its names survive a loss of power.
pub(super) fn flush_dir(path: &Path) -> io::Result<()> {
    File::open(path)?.sync_all()
}

/// Removes the files of a directory that are older than so many days, and returns their names.
pub(super) fn remove_old(dir: &Path, days: u64, is_claimed: impl Fn(&str) -> bool) -> Vec<String> {
    let age = Duration::from_secs(days.saturating_mul(24 * 3600));
    let is_old = |entry: &fs::DirEntry| {
        let modified = entry.metadata().and_then(|found| found.modified());
        modified.is_ok_and(|modified| now().duration_since(modified).is_ok_and(|old| old > age))
    };
    let entries = fs::read_dir(dir).into_iter().flatten().flatten().filter(is_old);
    let names = entries.map(|entry| entry.file_name().to_string_lossy().into_owned());
    let is_removed = |name: &String| !is_claimed(name) && fs::remove_file(dir.join(name)).is_ok();
    names.filter(is_removed).collect()
}

#[expect(clippy::disallowed_methods, reason = "the one place that compares the ages of files with the clock")]
fn now() -> SystemTime {
    SystemTime::now()
}

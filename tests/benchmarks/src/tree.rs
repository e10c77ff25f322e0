//! The regular files and directories below a directory, in the order of their names.

use std::fs::{self, File, Metadata};
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use crate::failure::{Doing as _, Failure};

/// What is in a tree.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Size {
    pub(crate) files: u64,
    /// Including the one at the top.
    pub(crate) directories: u64,
    /// Bytes in files, by their lengths.
    pub(crate) bytes: u64,
}

/// Shows `file` each regular file below `root`, on the same file system, without following links. Counts the
/// tree.
pub(crate) fn walk(
    root: &Path,
    file: &mut dyn FnMut(&Path, &Metadata) -> Result<(), Failure>,
) -> Result<Size, Failure> {
    let look =
        |path: &Path| fs::symlink_metadata(path).doing(|| format!("cannot look at {}", path.display()));
    let device = device(&look(root)?);
    let mut size = Size::default();
    let mut left = vec![root.to_owned()];
    while let Some(path) = left.pop() {
        let seen = look(&path)?;
        if seen.is_file() {
            size.files += 1;
            size.bytes += seen.len();
            file(&path, &seen)?;
        } else if seen.is_dir() && self::device(&seen) == device {
            size.directories += 1;
            left.extend(names(&path)?);
        }
    }
    Ok(size)
}

/// Reads everything below `root`, so that it is in the page cache where there is room.
pub(crate) fn read(root: &Path) -> Result<Size, Failure> {
    let mut buffer = vec![0; 1 << 20];
    walk(root, &mut |path, _| {
        let mut drain = || -> io::Result<()> {
            let mut file = File::open(path)?;
            while file.read(&mut buffer)? > 0 {}
            Ok(())
        };
        drain().doing(|| format!("cannot read {}", path.display()))
    })
}

/// Returns how many bytes are in the files below `root`.
pub(crate) fn bytes(root: &Path) -> Result<u64, Failure> {
    Ok(walk(root, &mut |_, _| Ok(()))?.bytes)
}

/// Removes a directory and everything in it, if it is there.
pub(crate) fn remove(dir: &Path) -> Result<(), Failure> {
    match fs::remove_dir_all(dir) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
    .doing(|| format!("cannot remove {}", dir.display()))
}

/// Makes an empty directory, whatever was there.
pub(crate) fn clear(dir: &Path) -> Result<(), Failure> {
    remove(dir)?;
    fs::create_dir_all(dir).doing(|| format!("cannot make {}", dir.display()))
}

/// Returns the paths in a directory, the first last.
fn names(dir: &Path) -> Result<Vec<PathBuf>, Failure> {
    let list = || fs::read_dir(dir)?.map(|entry| Ok(entry?.path())).collect::<io::Result<Vec<_>>>();
    let mut names = list().doing(|| format!("cannot list {}", dir.display()))?;
    names.sort_unstable_by(|a, b| b.cmp(a));
    Ok(names)
}

fn device(seen: &Metadata) -> u64 {
    std::os::unix::fs::MetadataExt::dev(seen)
}

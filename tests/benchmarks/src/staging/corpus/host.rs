//! Corpora out of the host's own files.

use std::collections::HashSet;
use std::fs::{self, DirBuilder, File, Permissions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use crate::failure::{Doing as _, Failure};
use crate::hash;
use crate::tree;

const USR: &str = "/usr";

/// Where programs begin in the image, as in a file system.
const PAGE: u64 = 4096;

/// Copies regular files of `/usr`, with their paths, until there are about so many bytes. What is taken
/// depends on the paths alone: one file in so many, from everywhere.
pub(super) fn release(at: &Path, most: u64) -> Result<(), Failure> {
    let (from, mut left) = (Path::new(USR), most);
    for (path, len) in shuffled(from)? {
        // Filled up to the last byte, it would end in very many very small files.
        if left < most / 1024 {
            break;
        }
        if len <= left && copy(from, &path, at)? {
            left -= len;
        }
    }
    Ok(())
}

/// Puts programs and libraries of `/usr` one behind the other, each content once, until there are so many
/// bytes.
pub(super) fn image(at: &Path, most: u64) -> Result<(), Failure> {
    let doing = || format!("cannot write {}", at.display());
    let mut image = File::create(at).doing(doing)?;
    let (mut seen, mut written) = (HashSet::new(), 0);
    for (path, len) in shuffled(Path::new(USR))? {
        if written >= most {
            break;
        }
        let Some(content) = program(&path, len) else { continue };
        if !seen.insert(hash::of(&content)) {
            continue;
        }
        let content = &content[..content.len().min(usize::try_from(most - written).unwrap_or(usize::MAX))];
        image.write_all(content).doing(doing)?;
        let padding = len.next_multiple_of(PAGE) - len;
        image.write_all(&vec![0; usize::try_from(padding).expect("less than a page")]).doing(doing)?;
        written += len + padding;
    }
    Ok(())
}

/// Copies trees, each as often as it takes to come to so many bytes, in turn.
pub(super) fn copies(trees: &[PathBuf], at: &Path, least: u64) -> Result<(), Failure> {
    let mut bytes = 0;
    for (number, from) in trees.iter().cycle().enumerate() {
        if bytes >= least {
            break;
        }
        let to = at.join(format!("{number:04}"));
        bytes += tree::walk(from, &mut |path, _| copy(from, path, &to).map(drop))?.bytes;
        if bytes == 0 && number >= trees.len() {
            return Err(Failure::new("there is nothing to copy"));
        }
    }
    Ok(())
}

/// Returns the regular files below `dir` and their lengths in an order that only depends on their paths.
fn shuffled(dir: &Path) -> Result<Vec<(PathBuf, u64)>, Failure> {
    let mut files = Vec::new();
    tree::walk(dir, &mut |path, seen| {
        files.push((path.to_owned(), seen.len()));
        Ok(())
    })?;
    files.sort_by_cached_key(|(path, _)| hash::of(path.as_os_str().as_encoded_bytes()));
    Ok(files)
}

/// Copies the file `path` below `from` to the same place below `to`, with its mode and time. Returns whether
/// it could be read.
fn copy(from: &Path, path: &Path, to: &Path) -> Result<bool, Failure> {
    let below = path.strip_prefix(from).doing(|| format!("{} is somewhere else", path.display()))?;
    let to = to.join(below);
    let write = |source: &mut File| -> io::Result<()> {
        if let Some(parent) = to.parent() {
            DirBuilder::new().recursive(true).mode(0o755).create(parent)?;
        }
        let seen = source.metadata()?;
        let mut copy = File::create(&to)?;
        io::copy(source, &mut copy)?;
        copy.set_permissions(Permissions::from_mode(seen.mode() & 0o777))?;
        copy.set_modified(seen.modified()?)
    };
    let Ok(mut source) = File::open(path) else { return Ok(false) };
    write(&mut source).doing(|| format!("cannot copy {} to {}", path.display(), to.display()))?;
    Ok(true)
}

/// Returns the content of a file that is a program, a library or another product of a linker.
fn program(path: &Path, len: u64) -> Option<Vec<u8>> {
    let mut start = [0; 4];
    File::open(path).ok()?.read_exact(&mut start).ok()?;
    let content = (start == *b"\x7fELF").then(|| fs::read(path).ok()).flatten()?;
    (u64::try_from(content.len()) == Ok(len)).then_some(content)
}

//! Whether a run has delivered what it was to deliver, and nothing else. Never part of a measurement.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use super::payloads::Payloads;
use crate::failure::{Doing as _, Failure};
use crate::ours::Ours;
use crate::tree;

/// What a run sends.
pub(crate) enum Sent {
    /// The files as they are.
    Peers,
    /// The payloads in the spool.
    Ours(Ours),
}

impl Sent {
    /// Returns the directory that holds it before the run.
    pub(crate) fn dir(&self, payloads: &Payloads) -> PathBuf {
        match self {
            Self::Peers => payloads.flat(),
            Self::Ours(ours) => ours.path("spool"),
        }
    }

    /// Returns, for each path that must be at the site, a file with the bytes that must be under it.
    pub(crate) fn expected(&self, payloads: &Payloads) -> Result<BTreeMap<PathBuf, PathBuf>, Failure> {
        let Self::Ours(ours) = self else {
            return Ok(payloads
                .names()
                .map(|name| (name.clone().into(), payloads.flat().join(name)))
                .collect());
        };
        let mut found = BTreeMap::new();
        tree::walk(&ours.path("spool"), &mut |path, _| {
            found.insert(path.file_name().unwrap_or_default().to_owned(), path.to_owned());
            Ok(())
        })?;
        let pair = |build: String| {
            let name = format!("{build}.tar.gz");
            let payload = found.remove(OsStr::new(&name));
            let payload =
                payload.ok_or_else(|| Failure::new(format!("the spool has no payload of {build}")))?;
            Ok((Path::new(&build).join(name), payload))
        };
        payloads.builds().map(pair).collect()
    }
}

/// Compares what is at the site, byte by byte, with what must be there. Returns how many bytes that is.
pub(crate) fn delivered(base: &Path, expected: &BTreeMap<PathBuf, PathBuf>) -> Result<u64, Failure> {
    let mut found = Vec::new();
    let size = tree::walk(base, &mut |path, _| {
        found.push(path.strip_prefix(base).unwrap_or(path).to_owned());
        Ok(())
    })?;
    found.sort();
    if !found.iter().eq(expected.keys()) {
        let missing = expected.keys().find(|path| !found.contains(path));
        let besides = found.iter().find(|path| !expected.contains_key(*path));
        return Err(Failure::new(format!("the site lacks {missing:?} and has {besides:?} besides")));
    }
    for (path, source) in expected {
        let same =
            are_same(&base.join(path), source).doing(|| format!("cannot compare {}", path.display()))?;
        if !same {
            return Err(Failure::new(format!("wrong bytes under {}", path.display())));
        }
    }
    Ok(size.bytes)
}

/// Returns whether two files hold the same bytes.
pub(crate) fn are_same(a: &Path, b: &Path) -> io::Result<bool> {
    let [mut a, mut b] = [File::open(a)?, File::open(b)?];
    let [mut of_a, mut of_b] = [vec![0; 1 << 20], vec![0; 1 << 20]];
    loop {
        let n = fill(&mut a, &mut of_a)?;
        if fill(&mut b, &mut of_b)? != n || of_a[..n] != of_b[..n] {
            return Ok(false);
        }
        if n == 0 {
            return Ok(true);
        }
    }
}

/// Reads until the buffer is full or the file at its end.
fn fill(file: &mut File, buffer: &mut [u8]) -> io::Result<usize> {
    let mut filled = 0;
    while filled < buffer.len() {
        match file.read(&mut buffer[filled..])? {
            0 => break,
            n => filled += n,
        }
    }
    Ok(filled)
}

//! Which fragments there are, and which there must be.

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

use intraware_core::foreign;

use crate::error::AssembleError;
use crate::names::{MachineName, SUFFIX};
use crate::request::Request;

/// A fragment's file.
pub(super) struct Found {
    pub(super) machine: MachineName,
    pub(super) file: String,
    /// What it was when it was found: a newer one of the same name is not ours to delete.
    seen: (u64, u64, u64, i64),
}

impl Found {
    pub(super) fn shown(&self) -> String {
        foreign::escape(&self.file)
    }
}

/// Returns the package's fragments, in the order of their machines.
pub(super) fn fragments(request: &Request) -> Result<Vec<Found>, AssembleError> {
    let dir = &request.source;
    let listed = || -> io::Result<(Vec<Found>, Vec<String>)> {
        let (mut found, mut passed_over) = (Vec::new(), Vec::new());
        for entry in fs::read_dir(dir)? {
            let name = entry?.file_name();
            let Some(rest) = request.package.rest(&name) else { continue };
            let declared = request.machines.iter().flatten().find(|machine| machine.as_str() == rest);
            let Some(machine) = declared.cloned().or_else(|| MachineName::found(rest)) else {
                passed_over.push(foreign::escape(name.as_encoded_bytes()));
                continue;
            };
            let file = format!("{}_{rest}{SUFFIX}", request.package);
            let seen = identity(&dir.join(&file))?;
            found.push(Found { machine, file, seen });
        }
        Ok((found, passed_over))
    };
    let (mut found, mut passed_over) = listed().map_err(|e| AssembleError::io("list", dir, e))?;
    found.sort_by(|a, b| a.machine.cmp(&b.machine));
    passed_over.sort();
    if let Some(declared) = &request.machines {
        complete(declared, &found)?;
    }
    if found.is_empty() {
        let hint = match passed_over.as_slice() {
            [] => String::new(),
            names => {
                format!("; {} may be of another version, name the machine with --machines", names.join(", "))
            }
        };
        let pattern = foreign::escape(format!("{}_<machine>{SUFFIX}", request.package));
        let dir = foreign::path(dir).to_string();
        return Err(AssembleError::NoFragments { dir, pattern, hint });
    }
    Ok(found)
}

fn complete(declared: &[MachineName], found: &[Found]) -> Result<(), AssembleError> {
    let declared: BTreeSet<&str> = declared.iter().map(MachineName::as_str).collect();
    let there: BTreeSet<&str> = found.iter().map(|found| found.machine.as_str()).collect();
    let names =
        |a: &BTreeSet<&str>, b: &BTreeSet<&str>| a.difference(b).map(|name| (*name).to_owned()).collect();
    let (missing, unexpected): (Vec<String>, Vec<String>) =
        (names(&declared, &there), names(&there, &declared));
    if missing.is_empty() && unexpected.is_empty() {
        return Ok(());
    }
    Err(AssembleError::Machines { missing, unexpected })
}

/// Deletes fragments; returns what is said of those that stay.
pub(super) fn delete(dir: &Path, found: &[Found]) -> Vec<String> {
    let mut kept = Vec::new();
    for fragment in found {
        let path = dir.join(&fragment.file);
        let deleted = match identity(&path) {
            Ok(now) if now == fragment.seen => fs::remove_file(&path),
            Ok(_) => Err(io::Error::other("it was replaced meanwhile")),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            Err(error) => Err(error),
        };
        if let Err(error) = deleted {
            kept.push(format!("{} is not deleted: {error}", fragment.shown()));
        }
    }
    if let Err(error) = fs::File::open(dir).and_then(|dir| dir.sync_all()) {
        kept.push(format!("{} cannot be flushed: {error}", foreign::path(dir)));
    }
    kept
}

fn identity(path: &Path) -> io::Result<(u64, u64, u64, i64)> {
    let seen = fs::symlink_metadata(path)?;
    Ok((seen.dev(), seen.ino(), seen.size(), seen.mtime_nsec().wrapping_add(seen.mtime() << 30)))
}

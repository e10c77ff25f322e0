//! A new tree, looked at as apt would, before readers can.
//!
//! What is looked at belongs to the suites that were renewed: Release, what it names, and what the indexes
//! name in the pool. Of the pool only what the old tree did not name is read; the rest was read when it was
//! new.

mod index;
mod public;
mod release;

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::time::Duration;

use intraware_core::foreign;
use jiff::Timestamp;

use self::index::Member;
pub(crate) use self::public::Public;
use self::release::{Listed, Release};
pub(crate) use self::release::{is_below, signed_text};
use crate::command::Commands;
use crate::error::PublishError;
use crate::sum::sum;

/// How long gpgv may take.
const GPGV: Duration = Duration::from_secs(60);

/// A suite of a new tree.
pub(crate) struct Suite<'a> {
    pub(crate) name: &'a str,
    /// The directory that the names in indexes begin at.
    pub(crate) stage: &'a Path,
    /// The new dists.
    pub(crate) new: &'a Path,
    /// The dists that readers have.
    pub(crate) old: Option<&'a Path>,
    pub(crate) kind: Kind,
}

/// What a new tree's suite is, beside the one that readers have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Something has to be different.
    Changed,
    /// Nothing has to.
    Renewed,
    /// It is an older one, which may have had less.
    Former,
}

/// What is wrong with a tree.
pub(crate) type Wrong = String;

impl Suite<'_> {
    /// Fails if apt could not use the suite. Returns the files of the pool that it names and the old tree did
    /// not.
    pub(crate) fn check(
        &self,
        keyring: Option<&Path>,
        commands: &Commands<'_>,
        now: Timestamp,
    ) -> Result<Vec<PathBuf>, PublishError> {
        let fresh = self.look(now).map_err(|wrong| self.wrong(wrong))?;
        if let Some(keyring) = keyring {
            self.signatures(keyring, commands)?;
        }
        Ok(fresh)
    }

    fn wrong(&self, wrong: Wrong) -> PublishError {
        PublishError::Tree { suite: self.name.to_owned(), wrong }
    }

    fn look(&self, now: Timestamp) -> Result<Vec<PathBuf>, Wrong> {
        let dir = self.new.join(self.name);
        let text = fs::read_to_string(dir.join("Release"))
            .map_err(|error| format!("the publisher has left no Release that can be read: {error}"))?;
        let release = Release::parse(&text)?;
        let old_dir = self.old.map(|old| old.join(self.name));
        let old = old_dir.as_ref().and_then(|old| fs::read_to_string(old.join("Release")).ok());
        if self.kind == Kind::Changed && old.as_ref() == Some(&text) {
            return Err("it was to be renewed, and the publisher has left its Release as it was".into());
        }
        release.is_valid_at(now)?;
        let old = old.as_deref().and_then(|text| Release::parse(text).ok());
        if let Some(old) = old.as_ref().filter(|_| self.kind != Kind::Former) {
            release.drops_nothing_of(old)?;
        }
        let mut known = BTreeSet::new();
        if let (Some(old), Some(dir)) = (&old, &old_dir) {
            // Of an old tree that cannot be read nothing is known, and all is looked at.
            for listed in old.indexes(dir) {
                known.extend(index::members(dir, listed).unwrap_or_default());
            }
        }
        release.listed.iter().try_for_each(|listed| present(&dir, &release, listed))?;
        let mut fresh = Vec::new();
        for listed in release.indexes(&dir) {
            for member in index::members(&dir, listed)? {
                let is_known = known.contains(&member);
                let path = self.in_pool(&member, is_known)?;
                fresh.extend((!is_known).then_some(path));
            }
        }
        Ok(fresh)
    }

    /// Fails if what an index names is not in the pool, or has another size, or, if it is new, another
    /// digest. Returns where it is.
    fn in_pool(&self, member: &Member, is_known: bool) -> Result<PathBuf, Wrong> {
        let path = self.stage.join(&member.path);
        same_file(&path, member.size, (!is_known).then_some(member.sha256.as_str()))
            .map_err(|wrong| format!("{} {wrong}", foreign::escape(&member.path)))?;
        Ok(path)
    }

    fn signatures(&self, keyring: &Path, commands: &Commands<'_>) -> Result<(), PublishError> {
        let dir = self.new.join(self.name);
        let (release, inline, detached) =
            (dir.join("Release"), dir.join("InRelease"), dir.join("Release.gpg"));
        let text = fs::read_to_string(&inline)
            .map_err(|error| self.wrong(format!("there is no InRelease that can be read: {error}")))?;
        let mut calls = vec![vec![inline.into_os_string()]];
        if detached.exists() {
            calls.push(vec![detached.into_os_string(), release.clone().into_os_string()]);
        }
        for files in calls {
            let mut arguments = vec!["--keyring".into(), keyring.into(), "--".into()];
            arguments.extend(files);
            commands.system("gpgv", arguments, GPGV).map(drop).map_err(|error| match error {
                PublishError::Command { told, .. } => {
                    self.wrong(format!("its signature is not good: gpgv {told}"))
                }
                other => other,
            })?;
        }
        let plain = fs::read_to_string(&release).map_err(PublishError::io("read", &release))?;
        if release::signed_text(&text).as_deref() != Some(plain.trim_end()) {
            return Err(self.wrong("InRelease and Release say different things".into()));
        }
        Ok(())
    }
}

/// Fails if a file that Release names is not there as it says, by its name and by its digest.
fn present(dir: &Path, release: &Release, listed: &Listed) -> Result<(), Wrong> {
    let path = dir.join(&listed.path);
    let wrong = |wrong: Wrong| format!("{} {wrong}", foreign::escape(&listed.path));
    if !path.exists() {
        // Of an index one form is enough: most trees have no uncompressed ones.
        return match release.has_other_form(dir, listed) {
            true => Ok(()),
            false => Err(wrong("is named by Release and is not there".into())),
        };
    }
    same_file(&path, listed.size, Some(&listed.sha256)).map_err(wrong)?;
    if release.by_hash {
        let name = listed.by_hash();
        let by_hash = path.parent().unwrap_or(dir).join(&name);
        same_file(&by_hash, listed.size, None).map_err(|found| wrong(format!("as {name} {found}")))?;
    }
    Ok(())
}

pub(crate) fn same_file(path: &Path, size: u64, sha256: Option<&str>) -> Result<(), Wrong> {
    let file = File::open(path).map_err(|error| format!("is not there or cannot be read: {error}"))?;
    let seen = file.metadata().map_err(|error| error.to_string())?;
    if !seen.is_file() || seen.len() != size {
        return Err(format!("has {} bytes and not {size}", seen.len()));
    }
    match sha256 {
        Some(expected) => {
            let (_, found) = sum(file, |_| Ok(())).map_err(|error| format!("cannot be read: {error}"))?;
            if found == expected { Ok(()) } else { Err("has another SHA-256".into()) }
        }
        None => Ok(()),
    }
}

/// Returns path and SHA-256 of each file that the Release of a suite names.
pub(crate) fn named_by_release(dir: &Path) -> Result<Vec<(String, String)>, Wrong> {
    let text = fs::read_to_string(dir.join("Release"))
        .map_err(|error| format!("there is no Release that can be read: {error}"))?;
    let listed = Release::parse(&text)?.listed.into_iter();
    Ok(listed.map(|listed| (listed.path, listed.sha256)).collect())
}

/// Returns the packages and sources that a suite has, by its indexes.
pub(crate) fn packages(dir: &Path) -> Result<Vec<index::Package>, Wrong> {
    let text = fs::read_to_string(dir.join("Release"))
        .map_err(|error| format!("its Release cannot be read: {error}"))?;
    let release = Release::parse(&text)?;
    let mut found = Vec::new();
    for listed in release.indexes(dir) {
        found.extend(index::packages(dir, listed)?);
    }
    Ok(found)
}

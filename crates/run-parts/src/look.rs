//! Which programs of a directory are hooks, and why the others are not.

use std::ffi::OsStr;
use std::fs::{self, Metadata};
use std::io;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use rustix::process::geteuid;

/// What a directory holds: what is run, in its order, and what is not.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Listing {
    /// What is run, in this order.
    pub hooks: Vec<Hook>,
    /// What is left out, by name.
    pub left: Vec<Left>,
}

impl Listing {
    /// Returns what is left out though somebody meant it to be run.
    pub fn faults(&self) -> impl Iterator<Item = &Left> {
        self.left.iter().filter(|left| left.why.is_fault())
    }
}

/// A program that is run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hook {
    /// Where it is, with the directory as it was given.
    pub path: PathBuf,
}

/// Something in the directory that is not run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Left {
    /// Where it is.
    pub path: PathBuf,
    /// Why it is not run.
    pub why: Why,
}

/// Why something is not run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Why {
    /// Its name has other characters than the rules allow: a copy of an editor or of dpkg, a document.
    #[error("its name has other characters than letters, digits, _ and -")]
    Name,
    /// It is a directory or something special.
    #[error("it is not a file")]
    NoFile,
    /// Nobody may execute it: how a hook is switched off.
    #[error("it is not executable")]
    NotExecutable,
    /// It is a link, and what it names is not there or cannot be reached.
    #[error("what it names cannot be reached; mend the link, or remove it")]
    Broken,
    /// Nothing of it can be seen: whether it should be run is not known.
    #[error("it cannot be looked at by this user; use chmod on the directory that it is in")]
    Unseen,
    /// Others than its owner can change it, or put another file in its place.
    #[error("others can write it, or the directory that it is in; use chmod go-w")]
    Writable,
    /// Its owner is neither root nor who would run it.
    #[error("it belongs to another user, or the directory that it is in does; use chown")]
    Owner,
}

impl Why {
    /// Returns whether somebody probably meant it to be run.
    pub fn is_fault(self) -> bool {
        match self {
            Self::Name | Self::NoFile | Self::NotExecutable => false,
            Self::Broken | Self::Unseen | Self::Writable | Self::Owner => true,
        }
    }
}

/// A directory of hooks that cannot be used; none of them is run.
#[derive(Debug, thiserror::Error)]
pub enum LookError {
    /// It cannot be read.
    #[error("cannot read the directory of hooks")]
    Read(#[source] io::Error),
    /// Others could put hooks into it.
    #[error("others can write the directory of hooks; use chmod go-w")]
    Writable,
    /// Another user could.
    #[error("the directory of hooks belongs to another user; use chown")]
    Owner,
}

/// Finds the hooks of a directory, and changes nothing.
pub fn look(dir: &Path) -> Result<Listing, LookError> {
    match safe(&fs::metadata(dir).map_err(LookError::Read)?) {
        Ok(()) => {}
        Err(Why::Owner) => return Err(LookError::Owner),
        Err(_) => return Err(LookError::Writable),
    }
    let mut names = Vec::new();
    for entry in fs::read_dir(dir).map_err(LookError::Read)? {
        names.push(entry.map_err(LookError::Read)?.file_name());
    }
    names.sort_unstable_by(|a, b| a.as_bytes().cmp(b.as_bytes()));
    let mut listing = Listing::default();
    for name in names {
        let path = dir.join(&name);
        match judge(&name, &path) {
            // One that has been removed since is no reason not to run the others.
            Ok(Verdict::Gone) => {}
            Ok(Verdict::Run) => listing.hooks.push(Hook { path }),
            Err(why) => listing.left.push(Left { path, why }),
        }
    }
    Ok(listing)
}

enum Verdict {
    Run,
    Gone,
}

fn judge(name: &OsStr, path: &Path) -> Result<Verdict, Why> {
    let is_word = |byte: &u8| byte.is_ascii_alphanumeric() || *byte == b'_' || *byte == b'-';
    if !name.as_bytes().iter().all(is_word) {
        return Err(Why::Name);
    }
    let entry = match fs::symlink_metadata(path) {
        Ok(entry) => entry,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Verdict::Gone),
        Err(_) => return Err(Why::Unseen),
    };
    let file = if entry.is_symlink() { fs::metadata(path).map_err(|_| Why::Broken)? } else { entry.clone() };
    if !file.is_file() {
        return Err(Why::NoFile);
    }
    if file.mode() & 0o111 == 0 {
        return Err(Why::NotExecutable);
    }
    safe(&file)?;
    if entry.is_symlink() {
        // The hooks' own directory was looked at; the one that the link leads to is as good as the file in
        // it.
        let target = fs::canonicalize(path).map_err(|_| Why::Broken)?;
        let dir = target.parent().unwrap_or(&target);
        safe(&fs::metadata(dir).map_err(|_| Why::Broken)?)?;
    }
    Ok(Verdict::Run)
}

/// Fails if somebody else can change a file, or the entries of a directory.
fn safe(seen: &Metadata) -> Result<(), Why> {
    if seen.uid() != 0 && seen.uid() != geteuid().as_raw() {
        return Err(Why::Owner);
    }
    if seen.mode() & 0o022 != 0 {
        return Err(Why::Writable);
    }
    Ok(())
}

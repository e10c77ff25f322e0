//! Names of packages, versions and machines, and the fragments that are named after them.
//!
//! `<name>_<version>_<machine>.tar.gz` cannot be taken apart for certain, since names and versions may hold
//! underscores. So it is not taken apart: name and version are given, and what follows them must be a
//! machine's name as a whole. Machines have no underscore, as hosts have none, unless the caller has named
//! them: `foo_1.0_1_ebb.tar.gz` is of version `1.0_1` and never of `1.0`.

use std::ffi::OsStr;
use std::fmt;
use std::path::Path;

use intraware_core::foreign;

/// What a fragment's name ends with.
pub const SUFFIX: &str = ".tar.gz";

/// Longest name of anything, in bytes; `.<version>.partial.<run>` must fit into a file name.
const MAX: usize = 128;

/// A package and its version, fit to be names of directories.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Package {
    name: String,
    version: String,
}

/// The machine that made a fragment.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, serde::Serialize)]
#[serde(transparent)]
pub struct MachineName(String);

/// A name that is not allowed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{what} \"{name}\" is not allowed: {why}")]
pub struct BadName {
    what: &'static str,
    name: String,
    why: &'static str,
}

impl Package {
    /// Takes a name and a version.
    pub fn new(name: &str, version: &str) -> Result<Self, BadName> {
        let check = |what, name: &str| match fault(name) {
            Some(why) => Err(BadName { what, name: foreign::escape(name), why }),
            None => Ok(name.to_owned()),
        };
        Ok(Self { name: check("package name", name)?, version: check("package version", version)? })
    }

    /// Takes both from the last two names of a directory, as in a package archive.
    pub fn of_dir(dir: &Path) -> Option<Result<Self, BadName>> {
        let name = dir.parent()?.file_name()?.to_str()?;
        Some(Self::new(name, dir.file_name()?.to_str()?))
    }

    /// Returns the name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Returns the version.
    pub fn version(&self) -> &str {
        &self.version
    }

    /// Returns the name of a machine's fragment.
    pub fn fragment(&self, machine: &MachineName) -> String {
        format!("{self}_{machine}{SUFFIX}")
    }

    /// Returns what stands where the machine's name does in a file's name, if that is a fragment's.
    pub(crate) fn rest<'f>(&self, file: &'f OsStr) -> Option<&'f str> {
        let file = file.to_str()?.strip_suffix(SUFFIX)?;
        file.strip_prefix(&self.name)?.strip_prefix('_')?.strip_prefix(&self.version)?.strip_prefix('_')
    }
}

impl fmt::Display for Package {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}_{}", self.name, self.version)
    }
}

impl MachineName {
    /// Takes a machine's name.
    pub fn new(name: &str) -> Result<Self, BadName> {
        let plain = name.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b'_'));
        let why = fault(name).or((!plain).then_some("it has other characters than letters, digits, . - _"));
        match why {
            Some(why) => Err(BadName { what: "machine name", name: foreign::escape(name), why }),
            None => Ok(Self(name.to_owned())),
        }
    }

    /// Takes one that nobody has named, from a file's name.
    pub(crate) fn found(name: &str) -> Option<Self> {
        (!name.contains('_')).then(|| Self::new(name).ok()).flatten()
    }

    /// Returns it as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Returns the name of the machine's list.
    pub fn list(&self) -> String {
        format!("built.files.{}.xml", self.0)
    }
}

impl fmt::Display for MachineName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Returns whether a path is that of a list, which is no part of a package.
pub(crate) fn is_list(path: &str) -> bool {
    path.strip_prefix("built.files.").is_some_and(|rest| rest.ends_with(".xml") && !rest.contains('/'))
}

fn fault(name: &str) -> Option<&'static str> {
    if name.is_empty() {
        Some("it is empty")
    } else if name.len() > MAX {
        Some("it is longer than 128 bytes")
    } else if name.starts_with('.') {
        Some("it begins with a dot")
    } else if name.contains('/') {
        Some("it has a slash")
    } else if name.chars().any(|c| foreign::is_unsafe(c) || c == '\0') {
        Some("it has control characters")
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn s3_12_a_fragment_of_another_version_is_never_taken() {
        let package = Package::new("foo", "1.0").unwrap();
        let machine = |file: &str| package.rest(OsStr::new(file)).and_then(MachineName::found);
        assert_eq!(machine("foo_1.0_ebb.tar.gz").unwrap().as_str(), "ebb");
        for other in ["foo_1.0_1_ebb.tar.gz", "foo_1.0.tar.gz", "foo_1.0_.tar.gz", "foo_1.01_ebb.tar.gz"] {
            assert_eq!(machine(other), None, "{other}");
        }
        for other in
            ["xfoo_1.0_ebb.tar.gz", "foo_1.0_ebb.tar", "foo_1.0_ebb.tar.gz.part", "foo_1.0_.x.tar.gz"]
        {
            assert_eq!(machine(other), None, "{other}");
        }
        let longer = Package::new("foo", "1.0_1").unwrap();
        assert_eq!(longer.rest(OsStr::new("foo_1.0_1_ebb.tar.gz")), Some("ebb"));
    }

    #[test]
    fn names_that_would_lead_elsewhere_are_refused() {
        for wrong in ["", ".", "..", ".x", "a/b", "a\nb", "a\u{202e}b", "a\0"] {
            assert!(Package::new(wrong, "1").is_err() && Package::new("a", wrong).is_err(), "{wrong:?}");
            assert!(MachineName::new(wrong).is_err(), "{wrong:?}");
        }
        assert!(MachineName::new("a b").is_err() && MachineName::new("build_01.x-y").is_ok());
        assert_eq!(Package::of_dir(Path::new("/builds/foo/1.0")), Some(Package::new("foo", "1.0")));
    }

    #[test]
    fn lists_are_told_from_other_files() {
        assert!(is_list("built.files.ebb.xml") && is_list("built.files.packageAssembly.xml"));
        assert!(
            !is_list("doc/built.files.ebb.xml") && !is_list("built.files.a/b.xml") && !is_list("built.xml")
        );
    }
}

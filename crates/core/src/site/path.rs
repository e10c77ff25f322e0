//! Names at a site.
//!
//! A remote name is derived from a build path, which an outsider chose. It is valid UTF-8, holds
//! nothing that steers a terminal or forges a line of a checksum file, and never points upwards.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::digest::Generation;
use crate::foreign;
use crate::sidecar::SidecarKind;

/// Longest file name that common file systems keep, in bytes.
const NAME_MAX: usize = 255;

/// Longest remote path, in bytes, below the 4,096 that Linux allows to leave room for the site's base.
const PATH_MAX: usize = 3_000;

/// A path below a site's base: one or more names joined by `/`, or empty for the base itself.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct RemotePath(String);

/// Why a path cannot be used at a site.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PathError {
    /// A component is empty, `.` or `..`, or the path begins or ends with a slash.
    #[error("remote path {0} has an empty, \".\" or \"..\" component")]
    Component(String),
    /// A character could steer a terminal or forge a line.
    #[error("remote path {0} holds control characters; rename the build directory")]
    Character(String),
    /// The build's own name begins with a dot.
    #[error(
        "a payload named {0} would be hidden at the site, as all names that begin with a dot; rename the build directory"
    )]
    Hidden(String),
    /// A name or the whole path is longer than file systems allow.
    #[error("remote path {0} is too long")]
    TooLong(String),
    /// The path is not valid UTF-8, so the record could not name it.
    #[error("remote path {0} is not valid UTF-8; rename the build directory")]
    Encoding(String),
}

impl RemotePath {
    /// Returns the site's base itself.
    pub fn base() -> Self {
        Self(String::new())
    }

    /// Checks `text` and takes it as a path.
    pub fn new(text: &str) -> Result<Self, PathError> {
        let shown = || foreign::escape(text);
        if text.chars().any(foreign::is_unsafe) {
            return Err(PathError::Character(shown()));
        }
        if text.split('/').any(|name| matches!(name, "" | "." | "..")) {
            return Err(PathError::Component(shown()));
        }
        if text.len() > PATH_MAX || text.split('/').any(|name| name.len() > NAME_MAX) {
            return Err(PathError::TooLong(shown()));
        }
        Ok(Self(text.to_owned()))
    }

    /// Returns the path as text; empty for the base.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Returns whether this is the site's base.
    pub fn is_base(&self) -> bool {
        self.0.is_empty()
    }

    /// Returns the last name; empty for the base.
    pub fn name(&self) -> &str {
        self.0.rsplit('/').next().unwrap_or("")
    }

    /// Returns the directory that holds this path.
    pub fn parent(&self) -> Self {
        Self(self.0.rsplit_once('/').map_or("", |(dir, _)| dir).to_owned())
    }

    /// Returns this path and every directory above it, the topmost first, without the base.
    pub fn with_parents(&self) -> impl Iterator<Item = Self> + '_ {
        let ends = self.0.match_indices('/').map(|(i, _)| i).chain([self.0.len()]);
        ends.filter(|&end| end > 0).map(|end| Self(self.0[..end].to_owned()))
    }

    /// Returns this path with a name that does not begin with a dot, for sites that take none that do.
    pub fn without_dot(&self) -> Self {
        self.parent().join(self.name().trim_start_matches('.'))
    }

    fn join(&self, name: &str) -> Self {
        if self.is_base() { Self(name.to_owned()) } else { Self(format!("{}/{name}", self.0)) }
    }
}

impl fmt::Display for RemotePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.is_base() { "." } else { &self.0 })
    }
}

impl TryFrom<String> for RemotePath {
    type Error = PathError;

    fn try_from(text: String) -> Result<Self, PathError> {
        if text.is_empty() { Ok(Self::base()) } else { Self::new(&text) }
    }
}

impl From<RemotePath> for String {
    fn from(path: RemotePath) -> Self {
        path.0
    }
}

/// Where one build's payload and sidecars stand at a site.
///
/// The build directory's path below its root is mirrored: `blast/5.1/p7` is delivered as
/// `blast/5.1/p7/p7.tar.gz` and its sidecars. A package stands in a directory by its own name, and has no
/// sidecars.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "RemotePath", into = "RemotePath")]
pub struct Place {
    dir: RemotePath,
    payload: String,
    has_sidecars: bool,
}

/// Room that the names derived from a payload's need: a leading dot, `.superseded.` or `.part` and a
/// generation.
const DECORATION: usize = ".".len() + ".superseded.".len() + 12;

impl Place {
    /// Returns the place for the build directory `dir`, a path below its build root.
    pub fn of_build(dir: &[u8]) -> Result<Self, PathError> {
        let text = std::str::from_utf8(dir).map_err(|_| PathError::Encoding(foreign::escape(dir)))?;
        RemotePath::new(text)?.try_into()
    }

    /// Returns the place of a package in the directory `dir`.
    pub fn of_package(dir: RemotePath, name: &str) -> Result<Self, PathError> {
        if name.starts_with('.') {
            return Err(PathError::Hidden(foreign::escape(name)));
        }
        if name.len() + DECORATION > NAME_MAX {
            return Err(PathError::TooLong(foreign::escape(name)));
        }
        if name.contains('/') {
            return Err(PathError::Component(foreign::escape(name)));
        }
        let payload = RemotePath::new(name)?.0;
        RemotePath::new(dir.join(name).as_str())?;
        Ok(Self { dir, payload, has_sidecars: false })
    }

    /// Returns whether there are files beside the payload that belong to it.
    pub fn has_sidecars(&self) -> bool {
        self.has_sidecars
    }

    /// Returns the directory that is made at the site.
    pub fn dir(&self) -> &RemotePath {
        &self.dir
    }

    /// Returns the payload's file name without directories.
    pub fn payload_name(&self) -> &str {
        &self.payload
    }

    /// Returns the payload's final name.
    pub fn payload(&self) -> RemotePath {
        self.dir.join(&self.payload)
    }

    /// Returns the name under which a generation of the payload is uploaded.
    pub fn part(&self, generation: Generation) -> RemotePath {
        self.dir.join(&format!(".{}.{generation}.part", self.payload))
    }

    /// Returns the name that a payload gets which stood at the final name, was never released, and had to
    /// make room for `generation`.
    pub fn superseded(&self, generation: Generation) -> RemotePath {
        self.dir.join(&format!(".{}.superseded.{generation}", self.payload))
    }

    /// Returns the final name of a sidecar.
    pub fn sidecar(&self, kind: SidecarKind) -> RemotePath {
        self.dir.join(&format!("{}{}", self.payload, kind.suffix()))
    }

    /// Returns all final names: the payload's and its sidecars'.
    pub fn files(&self) -> impl Iterator<Item = RemotePath> {
        std::iter::once(self.payload()).chain(SidecarKind::ALL.map(|kind| self.sidecar(kind)))
    }

    /// Returns the name under which a sidecar is uploaded.
    pub fn sidecar_part(&self, kind: SidecarKind, generation: Generation) -> RemotePath {
        self.dir.join(&format!(".{}{}.{generation}.part", self.payload, kind.suffix()))
    }
}

impl TryFrom<RemotePath> for Place {
    type Error = PathError;

    fn try_from(dir: RemotePath) -> Result<Self, PathError> {
        if dir.is_base() {
            return Err(PathError::Component(String::new()));
        }
        if dir.name().starts_with('.') {
            return Err(PathError::Hidden(foreign::escape(dir.name())));
        }
        let payload = format!("{}.tar.gz", dir.name());
        if payload.len() + DECORATION > NAME_MAX {
            return Err(PathError::TooLong(foreign::escape(dir.as_str())));
        }
        Ok(Self { payload, dir, has_sidecars: true })
    }
}

impl From<Place> for RemotePath {
    fn from(place: Place) -> Self {
        place.dir
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.payload().fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_build_is_mirrored_with_its_directories() {
        let place = Place::of_build(b"blast/5.1/p7").unwrap();
        assert_eq!(place.payload().as_str(), "blast/5.1/p7/p7.tar.gz");
        assert_eq!(place.sidecar(SidecarKind::Signature).as_str(), "blast/5.1/p7/p7.tar.gz.asc");
        let generation = "0123456789ab".parse().unwrap();
        assert_eq!(place.part(generation).as_str(), "blast/5.1/p7/.p7.tar.gz.0123456789ab.part");
        let dirs: Vec<_> = place.dir().with_parents().map(String::from).collect();
        assert_eq!(dirs, ["blast", "blast/5.1", "blast/5.1/p7"]);
    }

    #[test]
    fn s2_11_a_package_stands_in_its_directory_by_its_own_name() {
        let place = |dir: &str, name| Place::of_package(RemotePath::try_from(dir.to_owned()).unwrap(), name);
        assert_eq!(place("in/20261201", "a b.tgz").unwrap().payload().as_str(), "in/20261201/a b.tgz");
        assert_eq!(place("", "-a'$(x)").unwrap().payload().as_str(), "-a'$(x)");
        for wrong in ["", ".a", "a/b", "a\nb", "..", &"x".repeat(240)] {
            assert!(place("in", wrong).is_err(), "{wrong:?}");
        }
    }

    #[test]
    fn g_1_a_build_that_nobody_would_see_is_refused() {
        let refused = Place::of_build(b"b/.p7").unwrap_err().to_string();
        assert!(refused.contains("named .p7 would be hidden at the site"), "{refused}");
    }

    #[test]
    fn names_that_could_leave_the_base_or_forge_a_line_are_refused() {
        for wrong in ["", "/a", "a/", "a//b", "a/../b", ".", "a\nb", "a\u{1b}[2Jb", "a\u{202e}b"] {
            assert!(Place::of_build(wrong.as_bytes()).is_err(), "{wrong:?}");
        }
        assert!(matches!(Place::of_build(b"a/\xff"), Err(PathError::Encoding(_))));
        assert!(Place::of_build(b".x/p7").is_ok());
        assert!(matches!(Place::of_build("x".repeat(240).as_bytes()), Err(PathError::TooLong(_))));
        assert!(Place::of_build("x".repeat(220).as_bytes()).is_ok());
    }
}

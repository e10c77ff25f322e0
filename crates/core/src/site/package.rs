//! The names of a build's payload and sidecars at a desk.
//!
//! A desk has no directories: its packages lie side by side, and their names hold letters, digits and `._+-@`
//! alone. So the build's path is one name there, with `@` for each slash: `blast/5.1/p7` is handed in as
//! `blast@5.1@p7.tar.gz`, and its sidecars as that with their endings. Two builds never have the same one; a
//! path that has no such name is refused.

use super::path::{Place, RemotePath};
use crate::sidecar::SidecarKind;

/// The longest name of a package, its ending included, in bytes.
const NAME_MAX: usize = 140;

/// Stands for a slash.
const SLASH: char = '@';

/// The name of a payload at a desk.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PackageName(String);

/// A build's path has no name at a desk.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PackageNameError {
    /// It holds what names there must not.
    #[error(
        "{0} cannot be named at a tupkg site: names there hold letters, digits and ._+- alone, and begin with no dot; rename \
         the build directory, or leave it out by `builds`"
    )]
    Character(RemotePath),
    /// It is too long.
    #[error(
        "{0} cannot be named at a tupkg site: with its endings the name would have {1} bytes, and {NAME_MAX} are allowed; \
         rename the build directory, or leave it out by `builds`"
    )]
    TooLong(RemotePath, usize),
}

impl PackageName {
    /// Returns the name of the payload of the build at this place.
    pub fn of(place: &Place) -> Result<Self, PackageNameError> {
        let dir = place.dir().as_str();
        let is_plain = |c: char| c.is_ascii_alphanumeric() || "._+-/".contains(c);
        if dir.starts_with('.') || !dir.chars().all(is_plain) {
            return Err(PackageNameError::Character(place.dir().clone()));
        }
        let name = Self(format!("{}.tar.gz", dir.replace('/', &SLASH.to_string())));
        let longest =
            SidecarKind::ALL.map(|kind| name.sidecar(kind).len()).into_iter().max().unwrap_or_default();
        if longest > NAME_MAX {
            return Err(PackageNameError::TooLong(place.dir().clone(), longest));
        }
        Ok(name)
    }

    /// Returns the payload's name.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Returns the name of a sidecar.
    pub fn sidecar(&self, kind: SidecarKind) -> String {
        format!("{}{}", self.0, kind.suffix())
    }
}

impl From<PackageName> for RemotePath {
    fn from(name: PackageName) -> Self {
        Self::new(&name.0).expect("letters, digits and ._+-@ that end with .tar.gz are a name at any site")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(path: &str) -> Result<String, PackageNameError> {
        PackageName::of(&Place::of_build(path.as_bytes()).unwrap()).map(|name| name.0)
    }

    #[test]
    fn a_path_is_one_name_of_its_own() {
        assert_eq!(name("blast/5.1/p7").unwrap(), "blast@5.1@p7.tar.gz");
        assert_eq!(name("p7").unwrap(), "p7.tar.gz");
        assert_ne!(name("a/b-c"), name("a-b/c"));
        let of = PackageName::of(&Place::of_build(b"a/b").unwrap()).unwrap();
        assert_eq!(of.sidecar(SidecarKind::Signature), "a@b.tar.gz.asc");
    }

    #[test]
    fn a_path_that_has_no_name_there_is_refused() {
        for path in ["a b", "a/b@c", ".a/b", "a/é", "a\\b", "a/b:c"] {
            assert!(matches!(name(path), Err(PackageNameError::Character(_))), "{path}");
        }
        assert!(name("a/b.c").is_ok());
        let room = NAME_MAX - ".tar.gz.filesize".len();
        assert!(name(&"x".repeat(room)).is_ok());
        assert!(matches!(name(&"x".repeat(room + 1)), Err(PackageNameError::TooLong(_, 141))));
    }
}

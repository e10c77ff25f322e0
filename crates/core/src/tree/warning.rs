//! What a person should know about a build, though it is delivered all the same.
//!
//! A million files may each deserve the same warning; it is kept once, with a count and the first case.

use std::fmt;

use serde::Serialize;

/// One kind of oddity, how often it was met, and where first.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Warning {
    /// What it is.
    pub kind: WarningKind,
    /// How often it was met.
    pub count: u64,
    /// The first case, escaped.
    pub first: String,
}

/// The oddities that do not stop a build.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum WarningKind {
    /// Setuid, setgid or sticky was cleared in the archive.
    SpecialBits,
    /// The capabilities of a program are not in the archive.
    Capability,
    /// A time before 1970 or after 2242 was clamped in the archive.
    ClampedTime,
    /// A file has further names, in the build or outside.
    HardLink,
    /// A removed file that an NFS client keeps for a process was left out of the archive.
    NfsLeftover,
    /// A link leads out of the unpacked build and is kept by policy.
    LinkOut,
    /// So many files have further names that some are archived as copies instead of links.
    LinkAsCopy,
}

impl Warning {
    /// Adds one case of `kind`.
    pub(crate) fn note(warnings: &mut Vec<Self>, kind: WarningKind, place: impl FnOnce() -> String) {
        match warnings.iter_mut().find(|warning| warning.kind == kind) {
            Some(warning) => warning.count += 1,
            None => warnings.push(Self { kind, count: 1, first: place() }),
        }
    }

    /// Adds the cases of a later part of the build.
    pub(crate) fn join(warnings: &mut Vec<Self>, later: Vec<Self>) {
        for other in later {
            match warnings.iter_mut().find(|warning| warning.kind == other.kind) {
                Some(warning) => warning.count += other.count,
                None => warnings.push(other),
            }
        }
    }
}

impl fmt::Display for Warning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let what = match self.kind {
            WarningKind::SpecialBits => "setuid, setgid or sticky bits are not archived",
            WarningKind::Capability => "capabilities of programs (setcap) are not archived",
            WarningKind::ClampedTime => {
                "times before 1970 or after 2242 are archived as the nearest that fits"
            }
            WarningKind::HardLink => "files have further names",
            WarningKind::NfsLeftover => "removed files that an NFS client still holds open are left out",
            WarningKind::LinkOut => "links lead out of the build and are kept",
            WarningKind::LinkAsCopy => "files with further names are archived as copies",
        };
        write!(f, "{what}: {} of them, the first {}", self.count, self.first)
    }
}

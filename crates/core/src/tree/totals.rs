//! What a walk has counted, and the limits that it keeps.

use super::{TreePolicy, Warning};
use crate::build_dir::{BuildDir, BuildError, Limit};

/// What a walk has counted so far.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Totals {
    /// Regular files.
    pub files: u64,
    /// Bytes in regular files, by their lengths.
    pub bytes: u64,
    /// Files, directories and links.
    pub entries: u64,
    pub(super) links: u64,
    /// What a person should know about, but what stops nothing.
    pub warnings: Vec<Warning>,
}

impl Totals {
    /// Adds what was counted in another part of the build.
    pub(super) fn add(&mut self, other: Self) {
        self.files += other.files;
        self.links += other.links;
        self.entries += other.entries;
        self.bytes = self.bytes.saturating_add(other.bytes);
        Warning::join(&mut self.warnings, other.warnings);
    }

    /// Fails if there is more than `policy` allows.
    pub(super) fn check(&self, build: &BuildDir, policy: &TreePolicy) -> Result<(), BuildError> {
        let limit = if self.bytes > policy.max_payload {
            Limit::Bytes(policy.max_payload)
        } else if self.entries > policy.max_entries {
            Limit::Entries(policy.max_entries)
        } else {
            return Ok(());
        };
        Err(BuildError::TooLarge { path: build.shown(b""), limit })
    }
}

//! What is to be assembled, from where, to where, and how.

use std::fmt;
use std::path::PathBuf;

use intraware_core::foreign::escape;

use crate::merge::rules::Rules;
use crate::names::{MachineName, Package};

/// What is to be assembled.
#[derive(Debug, Clone)]
pub struct Request {
    /// The package.
    pub package: Package,
    /// The directory with the fragments.
    pub source: PathBuf,
    /// The archive; the target is `<output>/<name>/<version>`.
    pub output: PathBuf,
    /// Where lists and what differs are left for people to look at.
    pub work: Option<PathBuf>,
    /// The machines that must have a fragment each, and no other.
    pub machines: Option<Vec<MachineName>>,
    /// Whether contradictions are settled by the rules and only warned of.
    pub merge_errors: bool,
    /// Whether an existing target is replaced.
    pub predelete: bool,
    /// Whether the fragments stay when the target stands.
    pub keep_fragments: bool,
    /// Whether the fragments go when there is no target.
    pub delete_on_error: bool,
    /// What becomes of permissions.
    pub modes: Modes,
    /// What may differ.
    pub rules: Rules,
    /// How many fragments are read at once.
    pub threads: usize,
    /// What a fragment may hold.
    pub limits: Limits,
}

impl Request {
    /// Returns the directory that the package's versions are in.
    pub fn package_dir(&self) -> PathBuf {
        self.output.join(self.package.name())
    }

    /// Returns the target's path.
    pub fn target(&self) -> PathBuf {
        self.package_dir().join(self.package.version())
    }
}

/// What becomes of permissions. Special bits, and the right of others to write, never get into a target.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Modes {
    /// All can read; what somebody can execute, all can.
    Readable,
    /// All can read and execute everything, as the original did.
    Executable,
}

impl Modes {
    /// Returns the permissions of a file in the target.
    pub(crate) fn of_file(self, archived: u32) -> u16 {
        let kept = (archived & 0o755 | 0o444) as u16;
        match self {
            Self::Readable if archived & 0o111 == 0 => kept,
            Self::Readable | Self::Executable => kept | 0o111,
        }
    }
}

/// What a fragment may hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Most bytes out of a fragment.
    pub max_bytes: u64,
    /// Most entries of a fragment.
    pub max_entries: usize,
    /// Most bytes in the names of all its entries, which are in memory.
    pub max_names: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { max_bytes: 256 << 30, max_entries: 2_000_000, max_names: 128 << 20 }
    }
}

/// A step that people may want to see.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// These fragments will be merged.
    Found(Vec<String>),
    /// What a crashed assembly left was removed.
    Removed(String),
    /// A fragment is being read.
    Reading(String),
    /// A fragment was read and agrees with its list.
    Read {
        /// Its name.
        fragment: String,
        /// Files in it.
        files: usize,
        /// Bytes in them.
        bytes: u64,
    },
    /// The tree is made of what the machines provide.
    Building,
    /// The list of the package is written.
    Listing,
    /// The tree is flushed to the disk.
    Syncing,
    /// The target stands.
    Published(String),
    /// Cleaning up begins.
    CleaningUp,
    /// The fragments are deleted.
    Deleting,
    /// The fragments are kept.
    Keeping,
    /// What was left in the working directory, for people to look at.
    Retained(String),
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Found(fragments) => {
                f.write_str("Package fragments found:")?;
                fragments.iter().try_for_each(|fragment| write!(f, "\n    {}", escape(fragment)))
            }
            Self::Removed(path) => write!(f, "Removed what a crashed assembly left: {path}"),
            Self::Reading(fragment) => write!(f, "Extracting all files from {}", escape(fragment)),
            Self::Read { fragment, files, bytes } => {
                write!(f, "Checked {}: {files} files, {bytes} bytes, as listed", escape(fragment))
            }
            Self::Building => f.write_str("Merging and setting file permissions"),
            Self::Listing => f.write_str("Write new archive metadata"),
            Self::Syncing => f.write_str("Flushing the package to the disk"),
            Self::Published(path) => write!(f, "Package Target: {path}"),
            Self::CleaningUp => f.write_str("Cleanup processing"),
            Self::Deleting => f.write_str("Delete package fragments"),
            Self::Keeping => f.write_str("Keeping package fragments"),
            Self::Retained(path) => write!(f, "Retaining workdir: {path}"),
        }
    }
}

/// Takes the steps; called from several threads.
pub type Tell<'t> = &'t (dyn Fn(Step) + Sync);

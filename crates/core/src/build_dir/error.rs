//! What can be wrong with a build, from its path to the last byte of its last file.
//!
//! Most of it is the build's own fault and becomes its record's detail; the message is therefore
//! written for the release engineer who reads it there. What is not the build's fault (descriptors
//! run out, the file server forgot a handle) is told apart, because it must not change the record.

use rustix::io::Errno;

use crate::exit::Fault;

/// Why a build cannot be staged. Paths and targets are already escaped.
#[derive(Debug, thiserror::Error)]
pub enum BuildError {
    /// A configured build root cannot be opened.
    #[error("cannot open build root {path}; check spool.build_roots and that the file system is mounted")]
    Root {
        /// The configured path.
        path: String,
        /// The cause.
        #[source]
        source: Errno,
    },
    /// The record's build path breaks the rules for build paths.
    #[error("build path {path} is not allowed: {why}; correct the record's build path")]
    NotAllowed {
        /// The record's build path.
        path: String,
        /// The rule.
        why: &'static str,
    },
    /// There is no such directory. The words are what the record's users look for.
    #[error("Build Not Found: {path} is not a directory; correct the record's build path or make the build")]
    NotFound {
        /// The record's build path.
        path: String,
    },
    /// Something in the build cannot be read.
    #[error("cannot read {path} in the build; check its owner, its mode and the disk")]
    Unreadable {
        /// What cannot be read.
        path: String,
        /// The cause.
        #[source]
        source: Errno,
    },
    /// The build holds something that an archive must not hold.
    #[error("{path} is a {kind}; only files, directories and links are delivered, remove it from the build")]
    Special {
        /// What it is.
        path: String,
        /// What kind of thing it is.
        kind: &'static str,
    },
    /// Another file system is mounted inside the build.
    #[error("{path} is on another file system than the build; unmount it or copy its content into the build")]
    MountPoint {
        /// Where it is mounted.
        path: String,
    },
    /// A symbolic link would point out of the unpacked build.
    #[error(
        "link {path} to {target} {why}; make it relative and direct, or allow such links in the configuration"
    )]
    Link {
        /// The link.
        path: String,
        /// What it points to.
        target: String,
        /// What is wrong with it.
        why: &'static str,
    },
    /// There is nothing to deliver.
    #[error("build {path} holds no file; make the build again")]
    Empty {
        /// The build.
        path: String,
    },
    /// The build is larger than the policy allows.
    #[error("build {path} has {limit}; reduce it or raise the limit in the configuration")]
    TooLarge {
        /// Where the limit was passed.
        path: String,
        /// The limit.
        limit: Limit,
    },
    /// The build changed while it was read, so no archive of it would be right.
    #[error("{path} changed while the build was read: {what}; wait until the build is finished")]
    Changed {
        /// What changed.
        path: String,
        /// In which way.
        what: &'static str,
    },
    /// Not the build's fault: this host or the file server failed, and may succeed later.
    #[error("cannot go on reading {path}; the next run tries again")]
    Interrupted {
        /// What was being read.
        path: String,
        /// The cause.
        #[source]
        source: Errno,
    },
}

/// A limit that a build has passed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Limit {
    /// Sum of the files' sizes.
    #[error("more than {0} bytes")]
    Bytes(u64),
    /// Number of files, directories and links.
    #[error("more than {0} files, directories and links")]
    Entries(u64),
    /// Directories within directories.
    #[error("directories nested deeper than {0}")]
    Depth(usize),
}

impl BuildError {
    /// Returns the error of a failed read at `path`, told apart by whose fault it is.
    pub fn reading(path: String, source: Errno) -> Self {
        match source {
            // AGAIN: a server on this host is asking a client to give back its lease on the file, or no
            // thread can be started.
            Errno::STALE
            | Errno::MFILE
            | Errno::NFILE
            | Errno::NOMEM
            | Errno::INTR
            | Errno::AGAIN
            | Errno::TIMEDOUT => Self::Interrupted { path, source },
            source => Self::Unreadable { path, source },
        }
    }

    /// Returns what has to happen before it can succeed.
    pub fn fault(&self) -> Fault {
        match self {
            Self::Root { source: Errno::NOENT | Errno::NOTDIR | Errno::INVAL, .. } => Fault::Configuration,
            Self::Root { source: Errno::MFILE | Errno::NFILE | Errno::NOMEM, .. } => Fault::TryLater,
            Self::Root { .. } | Self::Interrupted { source: Errno::STALE, .. } => Fault::Spool,
            Self::Interrupted { .. } => Fault::TryLater,
            Self::NotAllowed { .. }
            | Self::NotFound { .. }
            | Self::Unreadable { .. }
            | Self::Special { .. }
            | Self::MountPoint { .. }
            | Self::Link { .. }
            | Self::Empty { .. }
            | Self::TooLarge { .. }
            | Self::Changed { .. } => Fault::Build,
        }
    }
}

//! Why there is no target.

use std::io;
use std::path::Path;

use intraware_core::exit::{Fault, HasFault as _};
use intraware_core::foreign;
use intraware_core::lock::LockError;
use intraware_core::run::Stopped;
use rustix::io::Errno;
use rustix::process::{Resource, getrlimit};

use crate::merge::Conflict;
use crate::merge::links::DeadLink;

/// A fragment that cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct RefusedFragment {
    /// Its path; escaped.
    pub fragment: String,
    /// Why; escaped.
    pub why: String,
}

impl std::fmt::Display for RefusedFragment {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Refused: {}: {}", self.fragment, self.why)
    }
}

/// Why there is no target. Paths in it are escaped.
#[derive(Debug, thiserror::Error)]
pub enum AssembleError {
    /// No fragment has this name and version.
    #[error("no package fragments {pattern} in {dir}{hint}")]
    NoFragments {
        /// Where they were looked for.
        dir: String,
        /// What their names look like.
        pattern: String,
        /// What else there is that may be meant, or nothing.
        hint: String,
    },
    /// The machines are not those that were declared.
    #[error("{}", machines(.missing, .unexpected))]
    Machines {
        /// Declared, without a fragment.
        missing: Vec<String>,
        /// With a fragment, not declared.
        unexpected: Vec<String>,
    },
    /// Fragments are wrong; each with its reason.
    #[error("{}", refused(.0.len()))]
    Refused(Vec<RefusedFragment>),
    /// The machines contradict each other.
    #[error("{}", differing(.conflicts.len(), .dead.len()))]
    Conflicts {
        /// Paths of which machines provide different things.
        conflicts: Vec<Conflict>,
        /// Links to nothing.
        dead: Vec<DeadLink>,
    },
    /// There is something at the target's place.
    #[error("the target {0} exists; remove it, or assemble with --predelete")]
    TargetExists(String),
    /// A directory that must be there is not.
    #[error("{what} {path} is not a directory; {advice}")]
    NoDirectory {
        /// Which one it is.
        what: &'static str,
        /// Its path.
        path: String,
        /// What to do.
        advice: &'static str,
    },
    /// Another process assembles this package, or its lock cannot be used.
    #[error("cannot begin: the assembly of {package} is locked")]
    Locked {
        /// Name and version.
        package: String,
        /// By whom, or why not.
        source: Box<LockError>,
    },
    /// All fragments are open at the same time.
    #[error(
        "too many fragments: this host lets the process have no more than {limit} files open, and each fragment takes two; raise \
         that for the user of this program (`ulimit -n`, LimitNOFILE=, limits.conf)"
    )]
    OpenFiles {
        /// How many it may have.
        limit: u64,
    },
    /// The file system failed.
    #[error("cannot {doing} {path}")]
    Io {
        /// What was being done.
        doing: &'static str,
        /// To what.
        path: String,
        /// Why.
        source: io::Error,
    },
    /// A signal.
    #[error("stopped by a signal; nothing was published, and the fragments are kept")]
    Stopped,
}

impl AssembleError {
    pub(crate) fn io(doing: &'static str, path: &Path, source: impl Into<io::Error>) -> Self {
        let source = source.into();
        if source.raw_os_error() == Some(Errno::MFILE.raw_os_error()) {
            let limit = getrlimit(Resource::Nofile).current;
            return Self::OpenFiles { limit: limit.unwrap_or(u64::MAX) };
        }
        Self::Io { doing, path: foreign::path(path).to_string(), source }
    }

    /// Returns what has to happen before it can succeed.
    pub fn fault(&self) -> Fault {
        match self {
            Self::NoFragments { .. }
            | Self::Machines { .. }
            | Self::Refused(_)
            | Self::Conflicts { .. }
            | Self::TargetExists(_) => Fault::Build,
            Self::NoDirectory { .. } => Fault::Configuration,
            Self::Locked { source, .. } => source.fault(),
            Self::Io { .. } | Self::OpenFiles { .. } => Fault::Spool,
            Self::Stopped => Fault::TryLater,
        }
    }
}

impl From<Stopped> for AssembleError {
    fn from(_: Stopped) -> Self {
        Self::Stopped
    }
}

fn machines(missing: &[String], unexpected: &[String]) -> String {
    let part = |names: &[String], words: &str| match names {
        [] => None,
        names => Some(format!("{words}: {}", names.join(", "))),
    };
    let parts = [part(missing, "no fragment of"), part(unexpected, "a fragment of a machine not named")];
    let parts: Vec<String> = parts.into_iter().flatten().collect();
    format!("{}; wait for what is missing, or correct --machines", parts.join("; "))
}

fn refused(fragments: usize) -> String {
    match fragments {
        1 => "1 fragment is refused; make it again, nothing was published".to_owned(),
        _ => format!("{fragments} fragments are refused; make them again, nothing was published"),
    }
}

fn differing(conflicts: usize, dead: usize) -> String {
    let count = |number: usize, one: &str, many: &str| match number {
        0 => None,
        1 => Some(format!("1 {one}")),
        _ => Some(format!("{number} {many}")),
    };
    let parts = [
        count(conflicts, "path differs between machines", "paths differ between machines"),
        count(dead, "link leads to nothing", "links lead to nothing"),
    ];
    let parts: Vec<String> = parts.into_iter().flatten().collect();
    format!("{}; nothing was published", parts.join(" and "))
}

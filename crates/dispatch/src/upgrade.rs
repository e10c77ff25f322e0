//! The upgrade of a package at a machine: what is run there, and what came of it.
//!
//! All that is run is one POSIX shell script ([`job`]), which keeps a marker at the machine, runs the
//! section's commands there, and lives on when the connection is lost. Names are quoted for it once, here
//! ([`words`]). What it says is read back ([`report`]), and becomes a state ([`apply`]); the same script says
//! what runs there ([`mod@versions`]).

mod apply;
mod job;
mod report;
mod versions;
mod words;

use std::time::Duration;

pub(crate) use apply::{Asked, Trouble, Upgraded};
pub use versions::{Version, versions};
pub use words::Words;

/// What a section has run at its machines.
#[derive(Debug, Default)]
pub struct Commands {
    /// The upgrade itself.
    pub upgrade: Option<Words>,
    /// Has to end with 0 before the machine counts as upgraded, and says so of one of which it is not known.
    pub check: Option<Words>,
    /// Is run when one of the two has failed.
    pub rollback: Option<Words>,
    /// Says in its first line what is installed.
    pub version: Option<Words>,
    /// How long each of them may take.
    pub limit: Duration,
    /// The directory of the markers.
    pub markers: Markers,
}

impl Commands {
    /// Returns whether anything is run at the machines.
    pub fn is_any(&self) -> bool {
        self.upgrade.is_some() || self.version.is_some()
    }
}

/// Where a machine keeps its markers: below the directory that a login begins in, or an absolute path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Markers(String);

/// Stands for the machine as the routes name it, where several are one to the shell.
const HOST: &str = "{host}";

impl Default for Markers {
    fn default() -> Self {
        Self(".intraware-dispatch".to_owned())
    }
}

impl Markers {
    /// Takes a directory, or says what is allowed.
    pub(crate) fn parse(text: &str) -> Result<Self, &'static str> {
        const ALLOWED: &str = "must be a directory such as ~/.intraware-dispatch or /srv/markers/{host}";
        let below = text.strip_prefix("~/").unwrap_or(text).trim_end_matches('/');
        let sample = below.replace(HOST, "h");
        let is_right = !sample.contains(['{', '}', '~']) && !sample.trim_start_matches('/').is_empty();
        let parts = || sample.split('/').filter(|part| !part.is_empty());
        if !is_right || parts().any(|part| part == "." || part == "..") {
            return Err(ALLOWED);
        }
        Ok(Self(below.to_owned()))
    }

    /// Returns it at a machine.
    fn at(&self, machine: &str) -> String {
        self.0.replace(HOST, machine)
    }
}

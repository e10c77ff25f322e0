//! That the record store cannot be read, for all hosts to know.
//!
//! Written by the run of `manage` that holds its lock. A success ends it only on the host that failed last:
//! hosts that can reach the store say nothing of one that cannot.

use std::fmt;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{Note, NoteKey, Spool};
use crate::exit::Fault;
use crate::foreign::{escape, tame};
use crate::run::RunContext;
use crate::streak::{Concern, Lasting, Streak};
use crate::txlog::chain;

/// Records could not be read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Unread {
    /// The format of what follows.
    pub format: u32,
    /// When it last was so.
    pub at: Timestamp,
    /// The host on which it was so.
    pub host: String,
    /// Why.
    pub error: String,
    /// How often that was the same.
    pub streak: Streak,
}

impl Unread {
    const FORMAT: u32 = 1;

    fn key_of() -> NoteKey {
        // No site has this name.
        NoteKey::hashed("\0records")
    }

    /// Returns what is to be said if it was so too often to pass by itself.
    pub fn lasting(&self) -> Option<Lasting> {
        self.streak.lasting(Concern::Store)
    }
}

impl fmt::Display for Unread {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let reason = tame(Lasting::tell(self.lasting(), &self.error));
        write!(f, "records could not be read at {:.0} on {}: {reason}", self.at, escape(&self.host))
    }
}

impl Note for Unread {
    /// Beside the sites that are away.
    const DIR: &'static str = "sites";

    fn key(&self) -> NoteKey {
        Self::key_of()
    }
}

impl Spool {
    /// Returns that records could not be read, if that was so. What cannot be understood counts as nothing.
    pub fn unread(&self) -> Option<Unread> {
        let kept = self.note::<Unread>(&Unread::key_of()).unwrap_or_else(|error| {
            tracing::debug!("{}", chain(&error));
            None
        });
        kept.filter(|kept| kept.format == Unread::FORMAT)
    }

    /// Counts that records could not be read, and returns what is to be said if it was so too often to pass
    /// by itself. What does not pass at all is said by its own status each time, and is not counted.
    pub fn count_unread(&self, fault: Fault, reason: &str, context: &RunContext) -> Option<Lasting> {
        if !fault.is_passing() {
            return None;
        }
        let mut streak = self.unread().map(|before| before.streak).unwrap_or_default();
        streak.count(fault, reason, context.now());
        let (at, host) = (context.now(), context.identity.host.clone());
        let note = Unread { format: Unread::FORMAT, at, host, error: reason.to_owned(), streak };
        if let Err(error) = self.put_unless_newer(&note, Unread::FORMAT) {
            tracing::warn!("{}", chain(&error));
        }
        note.lasting()
    }

    /// Forgets that records could not be read on this host, because they were.
    pub fn end_unread(&self, context: &RunContext) {
        let is_over = self.unread().is_some_and(|before| before.host == context.identity.host);
        if is_over && let Err(error) = self.remove_note::<Unread>(&Unread::key_of()) {
            tracing::warn!("{}", chain(&error));
        }
    }
}

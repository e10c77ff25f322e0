//! That a site cannot be connected to, for all hosts to know.

use std::fmt;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::notes::Kept;
use super::{Note, NoteKey, Spool, SpoolError};
use crate::foreign::{escape, tame};
use crate::retry::Pause;
use crate::streak::{Concern, Lasting, Streak};
use crate::txlog::chain;

/// Connections to a site cannot be made; it is left alone with growing pauses.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Outage {
    /// The format of what follows.
    pub format: u32,
    /// The site's name in the configuration.
    pub site: String,
    /// How many attempts have failed in a row.
    pub count: u32,
    /// No attempt before this time, unless somebody asks for it.
    pub next_try: Timestamp,
    /// When the last one failed.
    pub at: Timestamp,
    /// The host on which it failed.
    pub host: String,
    /// Why it failed.
    pub error: String,
    /// How often the same has failed, of all attempts.
    #[serde(default, skip_serializing_if = "Streak::is_empty")]
    pub streak: Streak,
}

impl Outage {
    /// The format that this program reads and writes.
    pub const FORMAT: u32 = 1;

    /// Returns the time in which no try is made.
    pub fn pause(&self) -> Pause {
        Pause { begun: self.at, until: self.next_try }
    }

    fn key_of(site: &str) -> NoteKey {
        NoteKey::hashed(&format!("{site}\0outage"))
    }

    /// Returns what is to be said if the last attempt has failed too often in that way to pass by itself.
    /// Then runs that leave the site alone say so, and do not end as if all were well.
    pub fn lasting(&self) -> Option<Lasting> {
        self.streak.lasting(Concern::Site)
    }
}

impl Outage {
    /// Returns whether its pause is one that can be. What no run believes is not shown.
    pub fn is_believed(&self, now: Timestamp) -> bool {
        self.pause().end(now) == self.next_try
    }

    /// Returns what is to be said about it at `now`, when the pause may be over.
    pub fn told(&self, now: Timestamp) -> String {
        match self.pause().is_on(now) {
            true => self.to_string(),
            false if self.count <= 1 => self.to_string(),
            false => self.unpaused("the next run tries again"),
        }
    }

    /// Returns what is to be said while it costs no pause.
    fn unpaused(&self, what_next: &str) -> String {
        format!(
            "site {} cannot be reached since {:.0}, as seen on {}; {what_next}: {}",
            escape(&self.site),
            self.streak.since().unwrap_or(self.at),
            escape(&self.host),
            tame(Lasting::tell(self.lasting(), &self.error))
        )
    }
}

impl fmt::Display for Outage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { site, count, next_try, at, host, error, .. } = self;
        // The first failure costs no pause.
        if *count <= 1 {
            return f
                .write_str(&self.unpaused("each run tries again, from the second failure on after pauses"));
        }
        write!(
            f,
            "site {} is left alone until {next_try:.0}: connecting failed {count} times in a row, the last time {at:.0} on \
             {}: {}",
            escape(site),
            escape(host),
            tame(Lasting::tell(self.lasting(), error))
        )
    }
}

impl Note for Outage {
    /// Beside what is known of the sites.
    const DIR: &'static str = "sites";

    const INSTEAD: &'static str = "the site counts as one that was not away";

    fn key(&self) -> NoteKey {
        Self::key_of(&self.site)
    }
}

impl Spool {
    /// Returns whether and why a site is left alone. A note that cannot be understood, or has another format,
    /// is reported and counts as none: at worst an attempt is made too early.
    pub fn outage(&self, site: &str) -> Option<Outage> {
        let why = match self.kept::<Outage>(&Outage::key_of(site)) {
            Ok(Kept::Nothing) => return None,
            Ok(Kept::Note(outage)) if outage.format == Outage::FORMAT => return Some(outage),
            Ok(Kept::Note(outage)) => format!("it has format {}", outage.format),
            Ok(Kept::Unusable(why)) => why,
            Err(error) => chain(&error),
        };
        tracing::warn!("the note of an outage of site {} cannot be used: {why}", escape(site));
        None
    }

    /// Writes that a site cannot be connected to; not over what a newer version wrote.
    pub fn put_outage(&self, outage: &Outage) -> Result<(), SpoolError> {
        self.put_unless_newer(outage, Outage::FORMAT)
    }

    /// Forgets that a site could not be connected to; returns whether that was so.
    pub fn end_outage(&self, site: &str) -> Result<bool, SpoolError> {
        self.remove_note::<Outage>(&Outage::key_of(site))
    }

    /// Returns the lock of whoever tries a site that was away.
    pub fn site_lock(&self, site: &str) -> std::path::PathBuf {
        self.root().join(format!("locks/site-{}.lock", Outage::key_of(site).0))
    }
}

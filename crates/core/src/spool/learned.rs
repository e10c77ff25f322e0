//! What runs have learned about a site's habits, for the next runs on all hosts.

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use super::{Note, NoteKey, Spool, SpoolError};
use crate::foreign::escape;
use crate::run::RunContext;
use crate::site::probe::Capabilities;
use crate::site::{Habits, Known};
use crate::txlog::chain;

/// How long what was learned is believed: servers are updated, and then it is asked again.
const BELIEVED: SignedDuration = SignedDuration::from_hours(30 * 24);

/// Habits that a run has met.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Learned {
    /// The format of what follows.
    pub format: u32,
    /// The site's name in the configuration.
    pub site: String,
    /// Whose habits they are.
    pub peer: String,
    /// When this was learned.
    pub at: Timestamp,
    /// On which host.
    pub host: String,
    /// The habits.
    pub habits: Habits,
}

impl Learned {
    const FORMAT: u32 = 1;

    fn key_of(site: &str) -> NoteKey {
        NoteKey::hashed(&format!("{site}\0habits"))
    }
}

impl Note for Learned {
    /// Beside what `upload check` has found out.
    const DIR: &'static str = "sites";

    fn key(&self) -> NoteKey {
        Self::key_of(&self.site)
    }
}

impl Spool {
    /// Returns what is known of a site's habits: what `upload check` has found out, which is `checked`, and
    /// what runs have learned since. What is too old, from the future, or cannot be read counts as nothing.
    pub fn known(&self, site: &str, checked: Option<&Capabilities>, now: Timestamp) -> Known {
        let is_believed = |at: Timestamp| at <= now && now.duration_since(at) <= BELIEVED;
        let learned = self.note::<Learned>(&Learned::key_of(site)).unwrap_or_else(|error| {
            tracing::debug!("what was learned of site {} is not used: {}", escape(site), chain(&error));
            None
        });
        let learned = learned.filter(|note| note.format == Learned::FORMAT && is_believed(note.at));
        let checked = checked.filter(|found| is_believed(found.at));
        match (learned, checked) {
            (None, None) => Known::default(),
            // What was learned after a check includes what that found out.
            (Some(note), found) if found.is_none_or(|found| found.at <= note.at) => {
                Known::of(note.peer, note.habits)
            }
            (_, Some(found)) => Known::of(found.peer.clone(), Habits::found(found)),
            (Some(_), None) => Known::default(),
        }
    }

    /// Keeps what a run has learned of a site's habits, if it has.
    pub fn keep_known(&self, site: &str, known: &Known, context: &RunContext) -> Result<(), SpoolError> {
        let Some((peer, habits)) = known.changed() else { return Ok(()) };
        let note = Learned {
            format: Learned::FORMAT,
            site: site.to_owned(),
            peer,
            at: context.now(),
            host: context.identity.host.clone(),
            habits,
        };
        self.put_unless_newer(&note, Learned::FORMAT)
    }
    /// Puts what `upload check` has met on its way to what it `found` in place of what runs had learned
    /// before.
    pub fn renew_known(
        &self,
        found: &Capabilities,
        known: &Known,
        context: &RunContext,
    ) -> Result<(), SpoolError> {
        if known.changed().is_none() {
            return self.remove_note::<Learned>(&Learned::key_of(&found.site)).map(drop);
        }
        known.learn(&found.peer, |habits| *habits = habits.or(Habits::found(found)));
        self.keep_known(&found.site, known, context)
    }
}

//! What is not the build's fault and should pass: it is counted, so that it is not said to pass for ever.
//!
//! It is noted beside the build's own failures ([`Retry`]), changes no record, and costs no pause. A step
//! that goes well ends it.

use super::{Run, Trouble, fault_of};
use intraware_core::exit::Fault;
use intraware_core::outcome::End;
use intraware_core::record::RecordId;
use intraware_core::spool::{NoteKey, Retry, SpoolError};
use intraware_core::streak::{Lasting, Streak};
use intraware_core::txlog::chain;

impl Run<'_, '_> {
    /// Counts a trouble that should pass, and returns it with what there is to say after all of its kind.
    pub(super) fn count(&self, record: &RecordId, trouble: Trouble) -> Trouble {
        // What concerns the spool is not written to it.
        if matches!(trouble.itself(), Trouble::Lock(_) | Trouble::Spool(_)) {
            return trouble;
        }
        let Some(fault) = fault_of(&trouble) else { return trouble };
        match self.count_passing(record, fault, &chain(&trouble)) {
            Some(lasting) => Trouble::Lasting { lasting, source: Box::new(trouble) },
            None => trouble,
        }
    }

    /// Returns how a build ends that could not be looked at.
    pub(super) fn unseen(&self, record: &RecordId, fault: Fault, reason: &str) -> End {
        let lasting = self.count_passing(record, fault, reason);
        let fault = lasting.map_or(fault, |lasting| lasting.fault);
        End::Failed { fault, reason: Lasting::tell(lasting, reason) }
    }

    fn count_passing(&self, record: &RecordId, fault: Fault, reason: &str) -> Option<Lasting> {
        if !fault.is_passing() {
            return None;
        }
        let now = self.manager.context.now();
        let noted = || -> Result<Option<Lasting>, SpoolError> {
            let before: Option<Retry> = self.manager.spool.note(&NoteKey::from(record))?;
            let mut note = before.unwrap_or_else(|| Retry {
                record: record.clone(),
                attempts: 0,
                next_try: now,
                reason: String::new(),
                at: now,
                seen: String::new(),
                passing: None,
                streak: Streak::default(),
            });
            // Nor do tries by name make it last.
            if !self.manager.is_asked_for || note.streak.is_empty() {
                note.streak.count(fault, reason, now);
            }
            note.passing = Some(reason.to_owned());
            self.manager.spool.put_note(&note)?;
            Ok(note.lasting())
        };
        // That this cannot be noted must not hide what happened.
        noted().unwrap_or_else(|error| {
            tracing::error!("{}", chain(&error));
            None
        })
    }

    /// Forgets what should pass, because it has.
    pub(super) fn end_passing(&self, record: &RecordId) {
        let (spool, key) = (self.manager.spool, NoteKey::from(record));
        let forget = || match spool.note::<Retry>(&key)? {
            Some(note) if note.passing.is_some() && note.attempts == 0 => {
                spool.remove_note::<Retry>(&key).map(|_| ())
            }
            Some(note) if note.passing.is_some() => {
                spool.put_note(&Retry { passing: None, streak: Streak::default(), ..note })
            }
            Some(_) | None => Ok(()),
        };
        if let Err(error) = forget() {
            tracing::error!("{}", chain(&error));
        }
    }
}

//! One change of one record: when it may be sent, and what became of it.

use std::collections::BTreeMap;

use jiff::SignedDuration;
use rsforce::Name;
use serde_json::Value;

use super::fault::{Verdict, store_error, verdict};
use super::{Found, SETTLED, SalesforceStore, row};
use intraware_core::exit::Fault;
use intraware_core::record::{Record, Revision, Status};
use intraware_core::store::{StoreError, WriteRefusal};

/// How often an update is sent whose outcome stays unknown.
const SENDS: u32 = 2;

/// A revision that no record has: the next write based on it is refused as moved.
fn no_revision() -> Revision {
    Revision(String::new())
}

impl SalesforceStore {
    /// Makes sure that the condition on the record's revision is exact, or says why there must be
    /// no write.
    pub(super) fn settle(&mut self, record: &Record) -> Result<Option<WriteRefusal>, StoreError> {
        // The server's clock is what counts, so it is asked; but not for ever.
        for _ in 0..3 {
            if self.settled.get(&record.id) == Some(&record.revision) {
                return Ok(None);
            }
            let started = self.clock.now();
            let Some(Found { record: now, .. }) = self.find_one(&record.id)? else {
                return Ok(Some(WriteRefusal::Gone));
            };
            if now.status != record.status || now.revision != record.revision {
                return Ok(Some(moved(&now)));
            }
            let age = row::modified(&now.revision).zip(self.server_time_since(started));
            let left =
                SETTLED - age.map_or(SignedDuration::ZERO, |(modified, now)| now.duration_since(modified));
            if let Ok(left) = left.min(SETTLED).try_into() {
                self.clock.pause(left);
            }
        }
        Ok(Some(WriteRefusal::Busy("it is being changed all the time".to_owned())))
    }

    /// Sends the change until its outcome is known.
    pub(super) fn send(
        &mut self,
        record: &Record,
        fields: &BTreeMap<Name, Value>,
    ) -> Result<Option<WriteRefusal>, StoreError> {
        let object = self.description()?.object;
        let since = row::modified(&record.revision);
        let mut is_unknown = false;
        let mut error = None;
        for _ in 0..SENDS {
            let sent = self.call(|client| client.update(&object, record.id.as_str(), fields, since))?;
            let Err(refused) = sent else { return Ok(None) };
            let rule = match verdict(&refused) {
                Verdict::Refused(refusal) => return Ok(Some(refusal)),
                Verdict::Failed => return Err(store_error(&refused)),
                Verdict::LookAgain(rule) => rule,
                Verdict::Unknown => {
                    is_unknown = true;
                    None
                }
            };
            let Some(found) = self.find_one(&record.id).map_err(later)? else {
                return Ok(Some(WriteRefusal::Gone));
            };
            if is_unknown && row::holds(&found.row, fields) {
                return Ok(None);
            }
            match rule {
                Some(_) if found.record.status == Status::DoNotRelease => {
                    return Ok(Some(WriteRefusal::Held));
                }
                Some(rule) => return Ok(Some(WriteRefusal::Rejected(rule))),
                None if found.record.revision != record.revision => return Ok(Some(moved(&found.record))),
                None => error = Some(store_error(&refused)),
            }
        }
        let unknown = || StoreError::new(Fault::TryLater, format!("cannot write record {}", record.id));
        Err(later(error.unwrap_or_else(unknown)))
    }

    /// Returns the revision after a change that was made. If somebody else has changed the record
    /// in the meantime, or it cannot be read, it is one that no record has.
    pub(super) fn revision_after(&mut self, record: &Record, fields: &BTreeMap<Name, Value>) -> Revision {
        let Ok(Some(Found { record: now, row })) = self.find_one(&record.id) else { return no_revision() };
        let is_ours = row::holds(&row, fields)
            && (&now.name, &now.build_type, &now.build_path, now.priority)
                == (&record.name, &record.build_type, &record.build_path, record.priority);
        if is_ours { now.revision } else { no_revision() }
    }
}

/// Why a write on what the record was is refused, by what it is now.
fn moved(now: &Record) -> WriteRefusal {
    if now.status == Status::DoNotRelease { WriteRefusal::Held } else { WriteRefusal::Moved }
}

/// An outcome that stays unknown is looked at by the next run.
fn later(error: StoreError) -> StoreError {
    match error.fault {
        Fault::Access | Fault::Configuration => error,
        _ => StoreError { fault: Fault::TryLater, ..error },
    }
}

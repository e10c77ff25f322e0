//! The build that an operator means by an id or a name.

use std::collections::BTreeSet;

use intraware_cli::failure::Failure;
use intraware_core::exit::Fault;
use intraware_core::foreign::escape;
use intraware_core::record::{Record, RecordId, Status};
use intraware_core::spool::{Found, Room, Spool};
use intraware_core::store::RecordStore;

/// Returns the one record with this id or name.
pub(crate) fn record(store: &mut dyn RecordStore, word: &str) -> Result<Record, Failure> {
    let mut found = store.find(word)?;
    match (found.pop(), found.len()) {
        (Some(record), 0) => Ok(record),
        (None, _) => {
            Err(Failure::new(Fault::Build, format!("no record has the id or name \"{}\"", escape(word))))
        }
        (Some(record), _) => {
            let ids: Vec<String> =
                found.iter().chain([&record]).map(|record| record.id.to_string()).collect();
            let message =
                format!("\"{}\" names several records: {}; give the id", escape(word), ids.join(", "));
            Err(Failure::usage(message))
        }
    }
}

/// Returns the id of the record with this id or name, as [`id_and_status`] does.
pub(crate) fn id(
    store: Result<Box<dyn RecordStore>, Failure>,
    spool: &Spool,
    word: &str,
) -> Result<RecordId, Failure> {
    id_and_status(store, spool, word).map(|(id, _)| id)
}

/// Returns the id of the record with this id or name, and its status. When the store cannot be asked, a job
/// in the spool answers, which knows no status: holding a build must be possible when nothing else is.
pub(crate) fn id_and_status(
    store: Result<Box<dyn RecordStore>, Failure>,
    spool: &Spool,
    word: &str,
) -> Result<(RecordId, Option<Status>), Failure> {
    let asked = store.and_then(|mut store| record(store.as_mut(), word));
    let failure = match asked {
        Ok(record) => return Ok((record.id, Some(record.status))),
        Err(failure) if matches!(failure.fault, None | Some(Fault::Build)) => return Err(failure),
        Err(failure) => failure,
    };
    let mut ids = in_spool(spool, word)?;
    match (ids.pop_first(), ids.is_empty()) {
        (Some(id), true) => {
            tracing::warn!("the record store cannot be asked ({failure}); going by the jobs of record {id}");
            Ok((id, None))
        }
        _ => Err(failure),
    }
}

/// Returns the records with this id or name that have jobs in the spool.
pub(crate) fn in_spool(spool: &Spool, word: &str) -> Result<BTreeSet<RecordId>, Failure> {
    let mut ids = BTreeSet::new();
    for room in Room::ALL {
        for found in spool.list(room)? {
            if let Found::Job(job) = found
                && (job.id.record.as_str() == word || job.manifest.name == word)
            {
                ids.insert(job.id.record.clone());
            }
        }
    }
    Ok(ids)
}

/// Returns the name of a record that was found by `word`, unless that is its id, for the transaction log.
pub(crate) fn name_of(record: &RecordId, word: &str) -> Option<(String, String)> {
    (record.as_str() != word).then(|| (record.to_string(), word.to_owned()))
}

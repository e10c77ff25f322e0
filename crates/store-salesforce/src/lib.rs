//! Records in Salesforce.
//!
//! What it costs: a run with nothing to do makes one call if token and description are kept, a
//! transition makes two (the conditional update, and a read that returns the new revision).
//!
//! **Conditional writes.** `If-Unmodified-Since` compares whole seconds. If the server's clock was
//! at least [`SETTLED`] past a record's last change when we read it, any later change has
//! a later second, and the condition alone is exact. If the record was changed just before
//! it was read, it is read again until that holds, and compared whole; this costs one more call and at
//! most a pause of [`SETTLED`], and only for such records. Two changes cannot be confused either way.
//! Besides, the organisation has a validation rule that refuses our change away from Do Not Release;
//! that refusal is [`WriteRefusal::Held`].
//!
//! **Unknown outcomes.** If the answer to an update is lost, the record is read back: it holds all
//! the fields of the change (it was made), or is as it was (it is sent once more), or is as
//! somebody else left it.

mod cache;
mod description;
mod fault;
mod filter;
mod row;
mod settings;
#[cfg(test)]
mod tests;
mod write;

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use rsforce::{Client, Clock, Condition, Kind, Literal, Name, Object, Query, Row};

use intraware_core::exit::Fault;
use intraware_core::foreign::escape;
use intraware_core::record::{Change, Record, RecordId, Revision, Status};
use intraware_core::store::values::Values;
use intraware_core::store::{CHANGED, RecordStore, Selected, StoreError, Usage, WriteError, WriteRefusal};

pub use settings::{Auth, SalesforceSettings};

use cache::Cache;
use description::{Description, Findings};
use fault::store_error;
use filter::compared;
use row::{ID, whole_id};

/// How far the server's clock must be past a record's last change for the condition to be exact:
/// one second of resolution, and one for what is lost in whole seconds and between the service's clocks.
const SETTLED: SignedDuration = SignedDuration::from_secs(2);

/// Ids in one query; an address may have 16,384 characters.
const IDS_A_QUERY: usize = 300;

/// The record store in Salesforce.
#[derive(Debug)]
pub struct SalesforceStore {
    settings: SalesforceSettings,
    values: Values,
    client: Client,
    clock: Arc<dyn Clock>,
    cache: Cache,
    description: Option<Description>,
    /// Revisions for which the condition is exact.
    settled: HashMap<RecordId, Revision>,
    /// Why no more calls are made in this run.
    exhausted: Option<String>,
}

/// A record and the row it was read from.
struct Found {
    record: Record,
    row: Row,
}

impl SalesforceStore {
    /// Makes the store; it logs in and looks at the object when it is first asked for something.
    pub fn new(
        settings: SalesforceSettings,
        values: Values,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, StoreError> {
        Ok(Self {
            client: settings.client(Arc::clone(&clock))?,
            cache: Cache::new(&settings),
            settings,
            values,
            clock,
            description: None,
            settled: HashMap::new(),
            exhausted: None,
        })
    }

    /// Makes a call, unless the allowance is known to be used up.
    fn call<T>(
        &mut self,
        call: impl FnOnce(&mut Client) -> Result<T, rsforce::Error>,
    ) -> Result<Result<T, rsforce::Error>, StoreError> {
        if let Some(message) = &self.exhausted {
            return Err(StoreError::new(Fault::TryLater, message.clone()));
        }
        let done = call(&mut self.client);
        if let Err(error) = &done {
            match error.kind() {
                Kind::RequestLimit => self.exhausted = Some(error.to_string()),
                // The organisation may have changed since it was described: another field, another length,
                // another value.
                Kind::NoSuchField
                | Kind::NoSuchType
                | Kind::MalformedQuery
                | Kind::RestrictedPicklist
                | Kind::StringTooLong
                | Kind::Rejected
                | Kind::Forbidden => self.cache.forget(),
                _ => {}
            }
        }
        Ok(done)
    }

    /// Makes a call whose every failure is the store's.
    fn ask<T>(
        &mut self,
        call: impl FnOnce(&mut Client) -> Result<T, rsforce::Error>,
    ) -> Result<T, StoreError> {
        self.call(call)?.map_err(|error| store_error(&error))
    }

    /// Returns the names to use, from a description of the last day or a new one.
    fn description(&mut self) -> Result<Description, StoreError> {
        if let Some(description) = &self.description {
            return Ok(description.clone());
        }
        if let Some(object) = self.cache.load(&self.settings, self.clock.now())
            && let (Some(description), _) = Description::new(&self.settings, &self.values, &object)
        {
            self.description = Some(description.clone());
            return Ok(description);
        }
        self.describe().map(|(description, _)| description)
    }

    /// Asks the organisation what the object looks like, and compares that with the configuration.
    fn describe(&mut self) -> Result<(Description, Findings), StoreError> {
        let name = Name::new(&self.settings.object).map_err(|error| {
            StoreError::new(Fault::Configuration, format!("records.salesforce.object: {error}"))
        })?;
        let object: Object = match self.call(|client| client.describe(&name))? {
            Ok(object) => object,
            Err(error) => {
                // Where there is no such version, nothing is found.
                if matches!(error.kind(), Kind::NotFound | Kind::NoSuchType | Kind::VersionGone) {
                    self.check_version()?;
                }
                return Err(store_error(&error));
            }
        };
        let (description, findings) = Description::new(&self.settings, &self.values, &object);
        let Some(description) = description else {
            let message = format!(
                "object {name} in Salesforce does not fit the configuration: {}",
                findings.problems.join("; ")
            );
            return Err(StoreError::new(Fault::Configuration, message));
        };
        self.cache.save(&self.settings, &object, self.clock.now(), self.clock.random());
        self.description = Some(description.clone());
        Ok((description, findings))
    }

    /// Fails if the organisation does not offer the configured version of its interface.
    fn check_version(&mut self) -> Result<(), StoreError> {
        let versions = self.ask(Client::versions)?;
        let wanted = &self.settings.api_version;
        if versions.iter().any(|version| version.version == *wanted) {
            return Ok(());
        }
        let message = format!(
            "this organisation has no API version {}; set records.salesforce.api_version to one from {} to {}",
            escape(wanted),
            versions.first().map_or_else(String::new, |version| escape(&version.version)),
            versions.last().map_or_else(String::new, |version| escape(&version.version)),
        );
        Err(StoreError::new(Fault::Configuration, message))
    }

    /// Reads the records that fulfil `filter`, each once; no more than `limit`.
    fn read(&mut self, filter: Condition, limit: Option<u32>) -> Result<Selected, StoreError> {
        let names = self.description()?;
        let query = Query {
            fields: names.fields(),
            object: names.object.clone(),
            filter: Some(filter),
            order: None,
            limit,
        };
        let started = self.clock.now();
        let rows = self.ask(|client| client.query(&query))?;
        let mut missing = rows.lost.as_ref().map(store_error);
        let mut records: BTreeMap<RecordId, Record> = BTreeMap::new();
        for row in &rows.rows {
            match row::record(row, &names, &self.values) {
                // A record that moved between pages came twice; the later row is the newer one.
                Ok(record) => drop(records.insert(record.id.clone(), record)),
                Err(what) => {
                    let message = format!("cannot read all of {}: {what}", names.object);
                    missing.get_or_insert(StoreError::new(Fault::Unreachable, message));
                }
            }
        }
        let records: Vec<Record> = records.into_values().collect();
        let read_at = self.server_time_since(started);
        records.iter().for_each(|record| self.note(record, read_at));
        Ok(Selected { records, missing })
    }

    /// Reads one record now; `None` if it does not exist.
    fn find_one(&mut self, id: &RecordId) -> Result<Option<Found>, StoreError> {
        let names = self.description()?;
        let started = self.clock.now();
        let row = match self.call(|client| client.get(&names.object, id.as_str(), &names.fields()))? {
            Ok(row) => row,
            Err(error) if matches!(error.kind(), Kind::NotFound | Kind::Deleted) => return Ok(None),
            Err(error) => return Err(store_error(&error)),
        };
        let record = row::record(&row, &names, &self.values).map_err(|what| {
            StoreError::new(Fault::Unreachable, format!("cannot read {} {id}: {what}", names.object))
        })?;
        let read_at = self.server_time_since(started);
        self.note(&record, read_at);
        Ok(Some(Found { record, row }))
    }

    /// Returns the server's time when it began to read what was asked for at `started` by our
    /// clock and has just been answered; in whole seconds, and at most one too late.
    fn server_time_since(&self, started: Timestamp) -> Option<Timestamp> {
        let answered = self.client.server_time()?;
        let took = self.clock.now().duration_since(started).abs();
        answered.checked_sub(SignedDuration::from_secs(took.as_secs())).ok()
    }

    /// Notes whether the condition is exact for a record that was read at `read_at` or later.
    fn note(&mut self, record: &Record, read_at: Option<Timestamp>) {
        let is_settled = row::modified(&record.revision)
            .zip(read_at)
            .is_some_and(|(modified, read_at)| read_at.duration_since(modified) >= SETTLED);
        if is_settled {
            self.settled.insert(record.id.clone(), record.revision.clone());
        } else {
            self.settled.remove(&record.id);
        }
    }
}

impl RecordStore for SalesforceStore {
    fn select(&mut self) -> Result<Selected, StoreError> {
        let names = self.description()?;
        let mut selected = self.read(names.due(&self.values), None)?;
        // Salesforce compares without regard to letter case; we do not.
        let types = &self.values.build_type;
        selected.records.retain(|record| {
            let is_due = matches!(record.status, Status::Empty | Status::Error | Status::InProcess);
            let is_ours = record.build_type.as_ref().is_some_and(|kind| types.contains(kind));
            is_due && is_ours && record.build_path.is_some()
        });
        Ok(selected)
    }

    fn get(&mut self, ids: &[RecordId]) -> Result<Vec<Record>, StoreError> {
        // What is not an id of Salesforce names no record there, and would spoil the query.
        let ids: Vec<RecordId> = ids.iter().filter_map(|id| whole_id(id.as_str())).collect();
        let mut records = Vec::new();
        for chunk in ids.chunks(IDS_A_QUERY) {
            let literals = chunk.iter().map(|id| Literal::Text(id.to_string())).collect();
            let name = Name::new(ID).map_err(|error| StoreError::new(Fault::Bug, error.to_string()))?;
            let read = self.read(Condition::In(name, literals), None)?;
            match read.missing {
                Some(missing) => return Err(missing),
                None => records.extend(read.records),
            }
        }
        Ok(records)
    }

    fn find(&mut self, word: &str) -> Result<Vec<Record>, StoreError> {
        if let Some(id) = whole_id(word) {
            let found = self.get(&[id])?;
            if !found.is_empty() {
                return Ok(found);
            }
        }
        if word.trim().is_empty() {
            return Ok(Vec::new());
        }
        let names = self.description()?;
        let read = self.read(Condition::Is(names.name, Literal::Text(word.to_owned())), None)?;
        match read.missing {
            Some(missing) => Err(missing),
            None => Ok(read.records.into_iter().filter(|record| record.name == word).collect()),
        }
    }

    fn why_left_out(&mut self, record: &Record) -> Result<String, StoreError> {
        if let Some(reason) = self.values.why_left_out(record) {
            return Ok(reason);
        }
        let names = self.description()?;
        let fields: Vec<Name> = names.filter.iter().filter_map(compared).cloned().collect();
        if fields.is_empty() {
            return Ok(CHANGED.to_owned());
        }
        let row = self.ask(|client| client.get(&names.object, record.id.as_str(), &fields))?;
        let differs = |(name, wanted): &&(String, String)| !row::is(&row, name, wanted);
        let told = self.settings.filter.iter().filter(differs).map(|(name, wanted)| {
            let (field, is) = (escape(name), row::told(&row, name));
            format!("its {field} is {is}, and records.filter takes \"{}\"", escape(wanted))
        });
        let told = told.collect::<Vec<_>>().join("; ");
        Ok(if told.is_empty() { CHANGED.to_owned() } else { told })
    }

    fn one_spooled(&mut self) -> Result<Option<Record>, StoreError> {
        let names = self.description()?;
        let status = [&self.values.in_process, &self.values.completed].map(|word| names.has_status(word));
        let spooled = names.ours(&self.values, vec![Condition::Any(status.to_vec())]);
        let read = self.read(spooled, Some(1))?;
        match read.missing {
            Some(missing) => Err(missing),
            None => Ok(read.records.into_iter().next()),
        }
    }

    fn write(&mut self, record: &Record, change: &Change) -> Result<Revision, WriteError> {
        let refused = |refusal| Err(WriteError::Refused { id: record.id.clone(), refusal });
        if !change.is_legal_from(&record.status) {
            return refused(if record.status == Status::DoNotRelease {
                WriteRefusal::Held
            } else {
                WriteRefusal::Rejected(format!("this change does not start from {}", record.status))
            });
        }
        let names = self.description()?;
        if let Some(refusal) = self.settle(record)? {
            return refused(refusal);
        }
        let fields = row::fields(change, &names, &self.values, &self.settings.time_zone);
        // From here on the record is not as it was read, whatever comes of it.
        self.settled.remove(&record.id);
        match self.send(record, &fields)? {
            Some(refusal) => refused(refusal),
            None => Ok(self.revision_after(record, &fields)),
        }
    }

    fn check(&mut self) -> Result<Vec<String>, StoreError> {
        self.ask(Client::log_in)?;
        let (client_id, username) = self.settings.identity();
        let who = if username.is_empty() { client_id } else { username };
        let mut lines =
            vec![format!("login at {} as {}: accepted", escape(&self.settings.login_url), escape(who))];
        self.check_version()?;
        lines.push(format!("API version {}: offered", escape(&self.settings.api_version)));
        let (_, findings) = self.describe()?;
        lines.extend(findings.lines);
        if let Some(usage) = self.usage() {
            lines.push(format!("requests: {} of {} used in 24 hours", usage.used, usage.allowed));
        }
        Ok(lines)
    }

    fn log_out(&mut self) -> Result<(), StoreError> {
        if self.settings.cache_dir.is_some() {
            return Ok(());
        }
        self.client.log_out().map_err(|error| store_error(&error))
    }

    fn usage(&self) -> Option<Usage> {
        let usage = self.client.usage()?;
        Some(Usage { used: usage.used, allowed: usage.allowed, here: self.client.calls() })
    }

    fn clock_ahead(&self) -> Option<SignedDuration> {
        self.client.clock_ahead()
    }
}

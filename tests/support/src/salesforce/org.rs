//! An organisation: its objects and records, its app and user, its sessions and counters.

use std::collections::{BTreeMap, HashMap};

use jiff::{SignedDuration, Timestamp};
use serde_json::{Map, Value, json};

use super::fault::Ordered;
use super::refusal::Refusal;
use super::schema::{FieldType, ObjectSpec, print_time};

/// The app that may log in, and the user it acts as.
#[derive(Debug, Clone)]
pub struct App {
    /// The consumer key.
    pub client_id: String,
    /// The consumer secret.
    pub client_secret: String,
    /// The integration user.
    pub username: String,
    /// The user's password.
    pub password: String,
    /// The public key of the app's certificate, as PKCS #1 DER; without one there is no JWT login.
    pub public_key: Option<Vec<u8>>,
}

impl Default for App {
    fn default() -> Self {
        Self {
            client_id: "3MVG9test.intraware".into(),
            client_secret: "client-secret-7F3A".into(),
            username: "intraware@example.com".into(),
            password: "password-9C41".into(),
            public_key: None,
        }
    }
}

/// A validation rule of this kind refuses the integration user's change away from one value.
#[derive(Debug, Clone)]
pub struct KeepRule {
    /// The field.
    pub field: String,
    /// The value that is kept.
    pub value: String,
    /// What the refusal says.
    pub message: String,
}

/// A record: its fields, the system's own included.
pub(crate) type Row = Map<String, Value>;

pub(crate) struct Table {
    pub(crate) spec: ObjectSpec,
    pub(crate) rows: BTreeMap<String, Row>,
}

/// The rest of a query's result.
pub(crate) struct Cursor {
    pub(crate) rows: Vec<Value>,
    pub(crate) at: usize,
    pub(crate) size: usize,
}

pub(crate) struct Org {
    pub(crate) app: App,
    pub(crate) tables: Vec<Table>,
    pub(crate) rule: Option<KeepRule>,
    pub(crate) faults: Vec<Ordered>,
    pub(crate) sessions: Vec<String>,
    /// The address that logins tell, if it is not the server's own.
    pub(crate) instance: Option<String>,
    pub(crate) cursors: HashMap<String, Cursor>,
    pub(crate) calls: u64,
    pub(crate) logins: u64,
    pub(crate) allowance: u64,
    pub(crate) log: Vec<String>,
    deleted: Vec<String>,
    offset: SignedDuration,
    made: u64,
}

impl Org {
    pub(crate) fn new(app: App) -> Self {
        Self {
            app,
            tables: vec![Table { spec: ObjectSpec::build(), rows: BTreeMap::new() }],
            rule: Some(KeepRule {
                field: "Magma_Intraware_Upload__c".into(),
                value: "Do Not Release".into(),
                message: "This build is on Do Not Release; only a person may change that.".into(),
            }),
            faults: Vec::new(),
            sessions: Vec::new(),
            instance: None,
            cursors: HashMap::new(),
            calls: 0,
            logins: 0,
            allowance: 15_000,
            log: Vec::new(),
            deleted: Vec::new(),
            offset: SignedDuration::ZERO,
            made: 0,
        }
    }

    /// The organisation's time: the host's, and what tests have moved it on by.
    #[expect(clippy::disallowed_methods, reason = "a server has a clock of its own")]
    pub(crate) fn now(&self) -> Timestamp {
        let now = Timestamp::now() + self.offset;
        Timestamp::from_second(now.as_second()).unwrap_or(now)
    }

    pub(crate) fn advance(&mut self, time: SignedDuration) {
        self.offset += time;
    }

    /// Makes something that is used once: a session's id, a cursor's name.
    pub(crate) fn unique(&mut self) -> u64 {
        self.made += 1;
        self.made
    }

    pub(crate) fn specs(&self) -> Vec<&ObjectSpec> {
        self.tables.iter().map(|table| &table.spec).collect()
    }

    pub(crate) fn table(&mut self, object: &str) -> Result<&mut Table, Refusal> {
        let found = self.tables.iter_mut().find(|table| table.spec.name.eq_ignore_ascii_case(object));
        found.ok_or_else(Refusal::no_resource)
    }

    /// Finds a record by its id of 15 or 18 characters.
    pub(crate) fn row(&mut self, object: &str, id: &str) -> Result<&mut Row, Refusal> {
        let whole = whole_id(id);
        let is_deleted = whole.as_ref().is_some_and(|id| self.deleted.contains(id));
        let table = self.table(object)?;
        let Some(whole) = whole else {
            let message = format!("Provided external ID field does not exist or is not accessible: {id}");
            return Err(Refusal::new(404, "NOT_FOUND", message));
        };
        match table.rows.get_mut(&whole) {
            Some(row) => Ok(row),
            None if is_deleted => Err(Refusal::new(404, "ENTITY_IS_DELETED", "entity is deleted")),
            None => Err(Refusal::no_resource()),
        }
    }

    /// Makes a record and returns its id.
    pub(crate) fn create(&mut self, object: &str, given: &Row) -> Result<String, Refusal> {
        let number = self.unique();
        let now = json!(print_time(self.now()));
        let table = self.table(object)?;
        let mut row: Row =
            table.spec.fields.iter().map(|field| (field.name.clone(), field.kind.empty())).collect();
        row.extend(table.spec.check(given)?);
        let id = whole_id(&format!("{}5g{number:010}", table.spec.prefix)).unwrap_or_default();
        if row["Name"].is_null() {
            row.insert("Name".into(), json!(id));
        }
        row.insert("Id".into(), json!(id));
        for stamp in ["CreatedDate", "LastModifiedDate", "SystemModstamp"] {
            row.insert(stamp.into(), now.clone());
        }
        table.rows.insert(id.clone(), row);
        Ok(id)
    }

    /// Changes fields of a record, as the integration user or as a person, whom no rule stops.
    pub(crate) fn update(
        &mut self,
        object: &str,
        id: &str,
        given: &Row,
        person: bool,
    ) -> Result<(), Refusal> {
        let changes = self.table(object)?.spec.check(given)?;
        let now = json!(print_time(self.now()));
        let rule = self.rule.clone().filter(|_| !person);
        let row = self.row(object, id)?;
        if let Some(rule) = rule {
            let leaves = |(field, value): &(String, Value)| *field == rule.field && *value != rule.value;
            if row[&rule.field] == rule.value.as_str() && changes.iter().any(leaves) {
                let refusal = Refusal::new(400, "FIELD_CUSTOM_VALIDATION_EXCEPTION", rule.message);
                return Err(refusal.about(&rule.field));
            }
        }
        row.extend(changes);
        row.insert("LastModifiedDate".into(), now.clone());
        row.insert("SystemModstamp".into(), now);
        Ok(())
    }

    pub(crate) fn delete(&mut self, object: &str, id: &str) -> Result<(), Refusal> {
        let whole = self.row(object, id)?["Id"].as_str().unwrap_or_default().to_owned();
        self.table(object)?.rows.remove(&whole);
        self.deleted.push(whole);
        Ok(())
    }
}

impl FieldType {
    fn empty(&self) -> Value {
        if matches!(self, Self::Checkbox) { json!(false) } else { Value::Null }
    }
}

/// Returns the id with its three check characters, which tell the case of the first 15.
pub(crate) fn whole_id(id: &str) -> Option<String> {
    if !matches!(id.len(), 15 | 18) || !id.bytes().all(|b| b.is_ascii_alphanumeric()) {
        return None;
    }
    let mut whole = id[..15].to_owned();
    for chunk in id.as_bytes()[..15].chunks(5) {
        let bits =
            chunk.iter().enumerate().map(|(i, b)| usize::from(b.is_ascii_uppercase()) << i).sum::<usize>();
        whole.push(b"ABCDEFGHIJKLMNOPQRSTUVWXYZ012345"[bits] as char);
    }
    (id.len() == 15 || id == whole).then_some(whole)
}

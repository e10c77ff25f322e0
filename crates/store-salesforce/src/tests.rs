//! The store against a server that speaks the real wire protocol: what is particular to Salesforce.

mod faults;
mod object;
mod people;

use std::fs;
use std::path::Path;
use std::sync::Mutex;
use std::time::Duration;

use intraware_test_support::salesforce::{
    App, Fault as Broken, FieldType, ObjectSpec, On, Options, Salesforce,
};
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use rsforce::{Access, SystemClock};
use serde_json::{Value, json};

use super::*;
use intraware_core::digest::{Digester, Digests};
use intraware_core::secret::Secret;
use intraware_core::store::Fields;

const BUILD: &str = "Build__c";
const STATUS: &str = "Magma_Intraware_Upload__c";

/// The real clock, but that a pause lets the server's time pass instead of ours.
#[derive(Debug)]
struct TestClock {
    server: Arc<Salesforce>,
    ahead: Mutex<SignedDuration>,
}

impl Clock for TestClock {
    fn now(&self) -> Timestamp {
        SystemClock.now() + *self.ahead.lock().unwrap()
    }

    fn pause(&self, time: Duration) {
        self.server.advance(time);
        *self.ahead.lock().unwrap() += SignedDuration::try_from(time).unwrap();
    }

    fn random(&self) -> u64 {
        SystemClock.random()
    }
}

fn values() -> Values {
    Values {
        build_type: vec!["Patch Build".into()],
        error: "Error".into(),
        in_process: "In Process".into(),
        completed: "Completed".into(),
        do_not_release: "Do Not Release".into(),
        ready: "Ready for Intraware File Association".into(),
        associated: "File Associated".into(),
    }
}

fn fields() -> Fields {
    Fields {
        name: "Name".into(),
        build_type: "build_type__c".into(),
        build_path: "Build_Path__c".into(),
        status: STATUS.into(),
        detail: Some("Magma_Intraware_Upload_Detail__c".into()),
        trigger: "Intraware_Upload__c".into(),
        size: "Payload_Size__c".into(),
        md5: "MD5_Digest__c".into(),
        sha1: "SHA1_Digest__c".into(),
        build_date: "Build_Creation_Date__c".into(),
        priority: Some("Priority__c".into()),
    }
}

fn settings(server: &Salesforce) -> SalesforceSettings {
    let app = App::default();
    SalesforceSettings {
        login_url: server.url().to_owned(),
        api_version: "66.0".into(),
        auth: Auth::ClientCredentials {
            client_id: app.client_id,
            client_secret: Secret::new(app.client_secret),
        },
        object: BUILD.into(),
        fields: fields(),
        filter: Vec::new(),
        time_zone: TimeZone::UTC,
        ca_file: None,
        cache_dir: None,
        cache_access: Access::ReadWrite,
        connect_timeout: Duration::from_secs(5),
        io_timeout: Duration::from_secs(20),
    }
}

fn server() -> Arc<Salesforce> {
    Arc::new(Salesforce::start(Options::default()).unwrap())
}

fn store_of(server: &Arc<Salesforce>, settings: SalesforceSettings) -> SalesforceStore {
    let clock = TestClock { server: Arc::clone(server), ahead: Mutex::default() };
    SalesforceStore::new(settings, values(), Arc::new(clock)).unwrap()
}

fn store(server: &Arc<Salesforce>) -> SalesforceStore {
    store_of(server, settings(server))
}

fn build(status: &str) -> Value {
    json!({
        "Name": "b1", "build_type__c": "Patch Build", "Build_Path__c": "/builds/b1",
        STATUS: status, "Magma_Intraware_Upload_Detail__c": "old reason",
    })
}

fn digests() -> Digests {
    let mut digester = Digester::default();
    digester.update(b"payload");
    digester.finish()
}

fn prepared() -> Change {
    Change::Prepared { build_date: "2026-11-20T10:11:12.987Z".parse().unwrap(), digests: digests() }
}

/// Makes a record in this status that was last changed a while ago, and reads it.
fn settled(server: &Arc<Salesforce>, store: &mut SalesforceStore, status: &str) -> Record {
    let id = server.create(BUILD, build(status));
    server.advance(Duration::from_secs(10));
    read(store, &id)
}

fn read(store: &mut SalesforceStore, id: &str) -> Record {
    store.get(&[id.parse().unwrap()]).unwrap().remove(0)
}

fn stored(server: &Salesforce, record: &Record) -> Value {
    server.record(BUILD, record.id.as_str()).unwrap()
}

fn refusal(result: Result<Revision, WriteError>) -> WriteRefusal {
    match result {
        Err(WriteError::Refused { refusal, .. }) => refusal,
        other => panic!("not refused: {other:?}"),
    }
}

fn fault<T: std::fmt::Debug>(result: Result<T, StoreError>) -> (Fault, String) {
    let error = result.unwrap_err();
    (error.fault, error.message)
}

#[test]
fn s0_17_s0_18_4500_records_come_once_each_in_three_calls() {
    let server = server();
    for i in 0..4500 {
        let status = ["", "Error", "In Process"][i % 3];
        server.create(BUILD, json!({ "Name": format!("b{i}"), "build_type__c": "Patch Build", "Build_Path__c": format!("/builds/b{i}"), STATUS: status }));
    }
    for (kind, path, status) in [
        ("Full Build", "/b", "Error"),
        ("PATCH BUILD", "/b", "Error"),
        ("Patch Build", "", "Error"),
        ("Patch Build", "/b", "Completed"),
        ("Patch Build", "/b", "Do Not Release"),
    ] {
        server.create(BUILD, json!({ "build_type__c": kind, "Build_Path__c": path, STATUS: status }));
    }
    let mut store = store(&server);
    let selected = store.select().unwrap();
    assert!(selected.missing.is_none());
    let mut names: Vec<_> = selected.records.iter().map(|record| record.name.clone()).collect();
    names.sort();
    names.dedup();
    assert_eq!((selected.records.len(), names.len()), (4500, 4500));
    assert_eq!(server.calls(), 1 + 3, "describe, and three pages");
}

#[test]
fn s0_14_a_run_with_nothing_to_do_makes_one_call_with_what_was_kept() {
    let server = server();
    let dir = tempfile::tempdir().unwrap();
    let kept = || SalesforceSettings { cache_dir: Some(dir.path().into()), ..settings(&server) };
    store_of(&server, kept()).select().unwrap();
    assert_eq!((server.logins(), server.calls()), (1, 2));
    let mut store = store_of(&server, kept());
    store.select().unwrap();
    assert_eq!((server.logins(), server.calls()), (1, 3));
    let usage = store.usage().unwrap();
    assert_eq!((usage.used, usage.here), (3, 1));
    assert_eq!(files(dir.path()), ["salesforce-object.json", "salesforce-token.json"]);

    store.clock.pause(Duration::from_secs(25 * 3600));
    store.description = None;
    store.select().unwrap();
    assert_eq!(server.calls(), 5, "a description is believed for a day");
}

fn files(dir: &Path) -> Vec<String> {
    let names = fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let mut names: Vec<_> = names.collect();
    names.sort();
    names
}

#[test]
fn a_reading_run_keeps_nothing() {
    let server = server();
    let dir = tempfile::tempdir().unwrap();
    let cache_dir = Some(dir.path().to_owned());
    let reading = SalesforceSettings { cache_dir, cache_access: Access::Read, ..settings(&server) };
    let mut store = store_of(&server, reading);
    store.select().unwrap();
    store.check().unwrap();
    assert!(files(dir.path()).is_empty());
}

#[test]
fn s0_36_s0_37_s0_38_prepared_is_one_update_and_one_read() {
    let server = server();
    let mut store = store(&server);
    let record = settled(&server, &mut store, "Error");
    let before = server.calls();
    let revision = store.write(&record, &prepared()).unwrap();
    assert_eq!(server.calls() - before, 2);
    let row = stored(&server, &record);
    assert_eq!(row[STATUS], "In Process");
    assert_eq!(row["Magma_Intraware_Upload_Detail__c"], Value::Null);
    assert_eq!(row["Build_Creation_Date__c"], "2026-11-20T10:11:12.000+0000");
    assert_eq!(row["Payload_Size__c"], 7);
    assert_eq!(row["MD5_Digest__c"], digests().md5.to_string());
    assert_eq!(row["SHA1_Digest__c"], digests().sha1.to_string());
    let now = read(&mut store, record.id.as_str());
    assert!(now.describes(&digests()));
    assert_eq!(now.revision, revision);
}

#[test]
fn s0_24_s0_25_delivered_sets_both_fields_in_one_update() {
    let server = server();
    let mut store = store(&server);
    let record = settled(&server, &mut store, "In Process");
    store.write(&record, &Change::Delivered).unwrap();
    let row = stored(&server, &record);
    assert_eq!(
        (&row[STATUS], &row["Intraware_Upload__c"]),
        (&json!("Completed"), &json!("Ready for Intraware File Association"))
    );
    let updates = server.log().iter().filter(|line| line.starts_with("PATCH")).count();
    assert_eq!(updates, 1);
}

#[test]
fn s0_29_a_reason_is_cut_to_the_field() {
    let server = server();
    let mut store = store(&server);
    let record = settled(&server, &mut store, "");
    let reason = format!("Build Not Found: {}", "é".repeat(400));
    store.write(&record, &Change::Failed { reason }).unwrap();
    let detail = stored(&server, &record)["Magma_Intraware_Upload_Detail__c"].as_str().unwrap().to_owned();
    assert_eq!(detail.chars().count(), 255);
    assert!(detail.starts_with("Build Not Found: é") && detail.ends_with("é…"));
}

#[test]
fn s0_10_a_hold_in_the_same_second_as_the_read_is_seen() {
    for change in [prepared(), Change::Failed { reason: "x".into() }, Change::Retry] {
        let server = server();
        // Without the validation rule the store has only its own eyes.
        server.set_rule(None);
        let mut store = store(&server);
        let id = server.create(BUILD, build("Error"));
        let record = read(&mut store, &id);
        server.edit(BUILD, &id, json!({ STATUS: "Do Not Release" }));
        assert_eq!(refusal(store.write(&record, &change)), WriteRefusal::Held, "{change:?}");
        assert_eq!(stored(&server, &record)[STATUS], "Do Not Release");
    }
}

#[test]
fn any_edit_in_the_same_second_as_the_read_is_seen() {
    let server = server();
    let mut store = store(&server);
    let id = server.create(BUILD, build("Error"));
    let record = read(&mut store, &id);
    server.edit(BUILD, &id, json!({ "Build_Path__c": "/builds/other" }));
    assert_eq!(refusal(store.write(&record, &prepared())), WriteRefusal::Moved);
}

#[test]
fn a_record_that_was_just_changed_is_written_when_its_second_is_over() {
    let server = server();
    let mut store = store(&server);
    let id = server.create(BUILD, build("Error"));
    let record = read(&mut store, &id);
    let before = server.calls();
    store.write(&record, &prepared()).unwrap();
    assert!(server.calls() - before <= 4, "{}", server.calls() - before);
    assert_eq!(stored(&server, &record)[STATUS], "In Process");
}

#[test]
fn s0_10_a_later_hold_is_refused_by_the_condition_and_by_the_rule() {
    let server = server();
    let mut store = store(&server);
    let record = settled(&server, &mut store, "In Process");
    server.edit(BUILD, record.id.as_str(), json!({ STATUS: "Do Not Release" }));
    assert_eq!(refusal(store.write(&record, &Change::Delivered)), WriteRefusal::Held);

    // Should the condition ever let a hold pass, the rule refuses, and that is a hold as well.
    let record = settled(&server, &mut store, "In Process");
    server.force(BUILD, record.id.as_str(), json!({ STATUS: "Do Not Release" }));
    assert_eq!(refusal(store.write(&record, &Change::Delivered)), WriteRefusal::Held);
    assert_eq!(stored(&server, &record)[STATUS], "Do Not Release");
}

#[test]
fn what_moved_or_is_gone_is_told_apart() {
    let server = server();
    let mut store = store(&server);
    let record = settled(&server, &mut store, "In Process");
    server.edit(BUILD, record.id.as_str(), json!({ "Priority__c": 3 }));
    assert_eq!(refusal(store.write(&record, &Change::Delivered)), WriteRefusal::Moved);
    let record = settled(&server, &mut store, "In Process");
    server.delete(BUILD, record.id.as_str());
    assert_eq!(refusal(store.write(&record, &Change::Delivered)), WriteRefusal::Gone);
    assert!(store.get(std::slice::from_ref(&record.id)).unwrap().is_empty());
}

#[test]
fn the_same_change_by_somebody_else_is_not_ours() {
    let server = server();
    let (mut one, mut other) = (store(&server), store(&server));
    let record = settled(&server, &mut one, "In Process");
    assert_eq!(read(&mut other, record.id.as_str()), record);
    one.write(&record, &Change::Delivered).unwrap();
    assert_eq!(refusal(other.write(&record, &Change::Delivered)), WriteRefusal::Moved);
}

#[test]
fn an_edit_right_after_a_write_is_not_taken_for_it() {
    let server = server();
    let mut store = store(&server);
    let mut record = settled(&server, &mut store, "");
    let (object, id) = (BUILD.to_owned(), record.id.to_string());
    let fields = json!({ "Build_Path__c": "/builds/other" }).as_object().unwrap().clone();
    server.inject(Broken::EditFirst { object, id, fields }, On::Get, 0, 1);
    record.revision = store.write(&record, &prepared()).unwrap();
    record.status = Status::InProcess;
    assert_eq!(refusal(store.write(&record, &Change::Delivered)), WriteRefusal::Moved);

    // Nor does it matter if nobody can tell.
    let mut record = settled(&server, &mut store, "");
    server.inject(Broken::Unavailable(None), On::Get, 0, 3);
    record.revision = store.write(&record, &prepared()).unwrap();
    record.status = Status::InProcess;
    assert_eq!(refusal(store.write(&record, &Change::Delivered)), WriteRefusal::Moved);
}

#[test]
fn other_refusals_say_what_the_organisation_said() {
    let server = server();
    let mut store = store(&server);
    let record = settled(&server, &mut store, "In Process");
    server.inject(Broken::EntityLocked, On::Update, 0, 1);
    let refused = refusal(store.write(&record, &Change::Delivered));
    assert!(
        matches!(&refused, WriteRefusal::Rejected(why) if why.contains("ENTITY_IS_LOCKED")),
        "{refused:?}"
    );
}

#[test]
fn nothing_shown_holds_a_secret() {
    let server = server();
    let mut store = store(&server);
    store.select().unwrap();
    let mut shown = format!("{store:?}");
    server.inject(
        Broken::Answer(400, r#"{"error":"invalid_client","error_description":"no"}"#.into()),
        On::Login,
        0,
        1,
    );
    server.expire_sessions();
    shown.push_str(&format!("{:?}", store.select().unwrap_err()));
    assert!(!shown.contains("canary") && !shown.contains("client-secret"), "{shown}");
}

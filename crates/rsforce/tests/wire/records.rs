//! Reading and writing records when nothing is wrong but the values.

use std::time::Duration;

use rsforce::{Kind, Order, parse_datetime};
use serde_json::{Value, json};

use crate::*;

#[test]
fn s0_17_4500_records_come_in_three_pages_each_once() {
    let server = server();
    for i in 0..4500 {
        server.create("Build__c", json!({ "Name": format!("b{i:04}") }));
    }
    let (mut client, _) = client(&server);
    let mut query = all();
    query.order = Some(Order::Ascending(name("Name")));
    let rows = client.query(&query).unwrap();
    assert!(rows.lost.is_none());
    let names: Vec<&str> = rows.rows.iter().map(|row| row["Name"].as_str().unwrap()).collect();
    assert_eq!(names, (0..4500).map(|i| format!("b{i:04}")).collect::<Vec<_>>());
    assert_eq!(server.calls(), 3);
    assert!(rows.rows.iter().all(|row| !row.contains_key("attributes")));

    let (mut small, _) = client_of(Settings { page_size: Some(900), ..settings(&server) });
    assert_eq!(small.query(&query).unwrap().rows.len(), 4500);
    assert_eq!(server.calls(), 3 + 5);
}

#[test]
fn hostile_values_stay_values() {
    let server = server();
    let (mut client, _) = client(&server);
    for value in [
        "O'Hara",
        "a\\",
        "\\' OR Name != '",
        "tab\there",
        "ünï%&+=#",
        "a\u{202e}b",
        "quote\"s",
        "li\\ne\u{1b}",
    ] {
        let id = server.create("Build__c", json!({ "Name": value }));
        let rows = client.query(&query_where(Some(Condition::Is(name("Name"), text(value))))).unwrap().rows;
        let found: Vec<&Value> = rows.iter().map(|row| &row["Id"]).collect();
        assert_eq!(found, [&json!(id)], "{value:?}");
    }
}

#[test]
fn empty_values_are_found_as_null() {
    let server = server();
    let (mut client, _) = client(&server);
    let id = server.create("Build__c", json!({ "Name": "empty", "Build_Path__c": "" }));
    server.create("Build__c", json!({ "Name": "full", "Build_Path__c": "/b" }));
    let rows = client.query(&query_where(Some(Condition::Is(name("Build_Path__c"), text(""))))).unwrap();
    assert_eq!(rows.rows.len(), 1);
    assert_eq!(rows.rows[0]["Id"], id.as_str());
}

#[test]
fn an_update_is_made_whole_and_only_if_unmodified() {
    let server = server();
    let (mut client, _) = client(&server);
    let id = server.create("Build__c", json!({ "Name": "b" }));
    let row = client.get(&builds(), &id, &[name("LastModifiedDate"), name("Priority__c")]).unwrap();
    assert_eq!(row.len(), 2);
    let read = parse_datetime(row["LastModifiedDate"].as_str().unwrap()).unwrap();
    let fields = change(&[("Payload_Size__c", json!(7)), ("MD5_Digest__c", json!("d"))]);
    client.update(&builds(), &id, &fields, Some(read)).unwrap();
    let record = server.record("Build__c", &id).unwrap();
    assert_eq!((&record["Payload_Size__c"], &record["MD5_Digest__c"]), (&json!(7), &json!("d")));

    server.advance(Duration::from_secs(5));
    server.edit("Build__c", &id, json!({ "Priority__c": 1 }));
    let error =
        client.update(&builds(), &id, &change(&[("MD5_Digest__c", Value::Null)]), Some(read)).unwrap_err();
    assert_eq!((error.kind(), error.status()), (Kind::Modified, Some(412)));
    assert_eq!(server.record("Build__c", &id).unwrap()["MD5_Digest__c"], "d");
}

#[test]
fn refused_values_name_their_field() {
    let server = server();
    let (mut client, clock) = client(&server);
    let held = server.create("Build__c", json!({ "Magma_Intraware_Upload__c": "Do Not Release" }));
    let cases = [
        ("MD5_Digest__c", json!("x".repeat(33)), Kind::StringTooLong, Some("MD5_Digest__c")),
        (
            "Magma_Intraware_Upload__c",
            json!("Done"),
            Kind::RestrictedPicklist,
            Some("Magma_Intraware_Upload__c"),
        ),
        (
            "Magma_Intraware_Upload__c",
            json!("Error"),
            Kind::ValidationRule,
            Some("Magma_Intraware_Upload__c"),
        ),
        ("No_Such__c", json!(1), Kind::NoSuchField, None),
        ("CreatedDate", json!("2026-01-01T00:00:00Z"), Kind::NoSuchField, Some("CreatedDate")),
        ("Payload_Size__c", json!("7"), Kind::Rejected, None),
        ("Build_Creation_Date__c", json!("yesterday"), Kind::Rejected, None),
    ];
    for (field, value, kind, named) in cases {
        let error = client.update(&builds(), &held, &change(&[(field, value)]), None).unwrap_err();
        assert_eq!(error.kind(), kind, "{error}");
        assert_eq!(error.fields().first().map(String::as_str), named, "{error}");
    }
    assert!(clock.pauses().is_empty());
}

#[test]
fn missing_things_are_told_apart() {
    let server = server();
    let (mut client, _) = client(&server);
    let id = server.create("Build__c", json!({}));
    server.delete("Build__c", &id);
    let fields = [name("Id")];
    assert_eq!(client.get(&builds(), &id, &fields).unwrap_err().kind(), Kind::Deleted);
    assert_eq!(client.get(&builds(), "a0B5g0000000000", &fields).unwrap_err().kind(), Kind::NotFound);
    assert_eq!(client.get(&builds(), "../../query", &fields).unwrap_err().kind(), Kind::NotFound);
    assert_eq!(client.describe(&name("Bild__c")).unwrap_err().kind(), Kind::NotFound);
    let mut query = all();
    query.object = name("Bild__c");
    assert_eq!(client.query(&query).unwrap_err().kind(), Kind::NoSuchType);
    query = all();
    query.fields.push(name("Bild__c"));
    assert_eq!(client.query(&query).unwrap_err().kind(), Kind::NoSuchField);
    let (mut old, _) = client_of(Settings { api_version: "29.0".into(), ..settings(&server) });
    assert_eq!(old.query(&all()).unwrap_err().kind(), Kind::VersionGone);
}

#[test]
fn an_object_describes_its_fields() {
    let server = server();
    let (mut client, _) = client(&server);
    let object = client.describe(&name("build__C")).unwrap();
    assert_eq!(object.name, "Build__c");
    let status = object.field("magma_intraware_upload__c").unwrap();
    assert!(status.updateable && status.restricted_picklist && status.filterable);
    assert!(status.offers("In Process") && !status.offers("in process"));
    assert_eq!(object.field("MD5_Digest__c").unwrap().length, 32);
    assert!(!object.field("Notes__c").unwrap().filterable);
}

#[test]
fn versions_and_usage_are_read() {
    let server = server();
    let (mut client, _) = client(&server);
    let versions = client.versions().unwrap();
    assert!(versions.iter().any(|version| version.version == "66.0"));
    assert_eq!((server.calls(), client.usage()), (0, None));
    client.query(&all()).unwrap();
    let usage = client.usage().unwrap();
    assert_eq!((usage.used, usage.allowed), (1, 15_000));
    assert!(client.server_time().is_some());
}

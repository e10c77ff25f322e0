//! What the object in the organisation is like, and what stands in its fields.

use super::*;

#[test]
fn values_of_other_people_and_programs_cannot_be_more_than_absent() {
    let server = server();
    let mut store = store(&server);
    let id = server.create(BUILD, build("Error"));
    for (size, read_as) in [
        (json!(-1), None),
        (json!(1.5), None),
        (json!(1e300), None),
        (json!("7"), None),
        (json!([7]), None),
        (json!(5.000000007e9), Some(5_000_000_007)),
        (json!(9_007_199_254_740_992_u64), Some(1 << 53)),
    ] {
        server.force(BUILD, &id, json!({ "Payload_Size__c": size }));
        assert_eq!(read(&mut store, &id).size, read_as, "{size}");
    }
    server.force(
        BUILD,
        &id,
        json!({
            "MD5_Digest__c": "../..", "SHA1_Digest__c": 5, "Build_Creation_Date__c": "soon", "Name": null,
            "Build_Path__c": {"a": 1}, "Priority__c": "high", STATUS: 7,
        }),
    );
    let record = read(&mut store, &id);
    assert_eq!((record.md5, record.sha1, record.build_date, record.priority), (None, None, None, None));
    assert_eq!((record.name.as_str(), record.build_path), (record.id.as_str(), None));
    assert_eq!(record.status, Status::Other("7".into()));
    for word in ["error", "IN PROCESS", "Error ", "Parked"] {
        server.force(BUILD, &id, json!({ STATUS: word, "Build_Path__c": "/b" }));
        assert_eq!(read(&mut store, &id).status, Status::Other(word.into()));
        assert!(store.select().unwrap().records.is_empty(), "{word}");
    }
}

#[test]
fn a_record_without_a_usable_id_makes_the_selection_incomplete() {
    let server = server();
    server.create(BUILD, build("Error"));
    let bad = server.create(BUILD, build("Error"));
    server.force(BUILD, &bad, json!({ "Id": "../../../../etc/x" }));
    let selected = store(&server).select().unwrap();
    assert_eq!(selected.records.len(), 1);
    assert!(selected.missing.unwrap().message.contains("../../../../etc/x"));
}

#[test]
fn hostile_names_are_found_and_nothing_else() {
    let server = server();
    let mut store = store(&server);
    for name in ["x' OR Name != '", "O'Hara", "back\\slash", "p8"] {
        let id = server.create(BUILD, json!({ "Name": name }));
        let found = store.find(name).unwrap();
        assert_eq!(found.iter().map(|record| record.id.as_str()).collect::<Vec<_>>(), [&*id]);
        assert_eq!(store.find(&id).unwrap(), found);
        assert_eq!(store.find(&id[..15]).unwrap(), found);
    }
    for word in ["", " ", "P8", "%", "' OR '' = '", "000000000000000000"] {
        assert_eq!(store.find(word).unwrap(), [], "{word:?}");
    }
}

#[test]
fn s0_50_filters_are_part_of_the_query_in_their_fields_types() {
    let server = server();
    for (product, visible) in [("Blast", true), ("Blast", false), ("Other", true)] {
        let mut fields = build("Error");
        fields["Product__c"] = json!(product);
        fields["Customer_Visible__c"] = json!(visible);
        server.create(BUILD, fields);
    }
    let filtered = |filter: &[(&str, &str)]| {
        let filter = filter.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        store_of(&server, SalesforceSettings { filter, ..settings(&server) }).select()
    };
    assert_eq!(filtered(&[("product__c", "Blast")]).unwrap().records.len(), 2);
    assert_eq!(
        filtered(&[("Product__c", "Blast"), ("Customer_Visible__c", "true")]).unwrap().records.len(),
        1
    );
    assert_eq!(filtered(&[("Product__c", "x' OR Name != '")]).unwrap().records.len(), 0);
    let (fault, message) =
        fault(filtered(&[("Customer_Visible__c", "maybe"), ("Nothing__c", "x"), ("Notes__c", "x")]));
    assert_eq!(fault, Fault::Configuration);
    for name in ["Customer_Visible__c", "Nothing__c", "Notes__c"] {
        assert!(message.contains(name), "{message}");
    }
}

#[test]
fn every_disagreement_with_the_object_is_told_at_once() {
    let server = server();
    let mut spec = ObjectSpec::build();
    spec.fields.retain(|field| field.name != "MD5_Digest__c");
    for field in &mut spec.fields {
        match field.name.as_str() {
            "SHA1_Digest__c" => field.kind = FieldType::Text(32),
            "Payload_Size__c" => field.kind = FieldType::Text(18),
            "Build_Creation_Date__c" => field.updateable = false,
            "Build_Path__c" => field.kind = FieldType::LongText(1000),
            STATUS => {
                field.kind = FieldType::Picklist {
                    values: vec!["Error".into(), "In Process".into(), "Done".into()],
                    restricted: true,
                }
            }
            _ => {}
        }
    }
    server.define(spec);
    let (fault, message) = fault(store(&server).check());
    assert_eq!(fault, Fault::Configuration);
    for what in [
        "MD5_Digest__c (fields.md5) does not exist",
        "SHA1_Digest__c (fields.sha1) has room for 32 characters and needs 40",
        "Payload_Size__c (fields.size) is of type string",
        "Build_Creation_Date__c (fields.build_date) cannot be changed",
        "Build_Path__c (fields.build_path) cannot be compared",
        "does not offer the value \"Completed\"",
        "does not offer the value \"Do Not Release\"",
    ] {
        assert!(message.contains(what), "{what}: {message}");
    }
    assert!(!message.contains('\n'));
}

#[test]
fn check_says_what_it_looked_at_and_costs_one_call() {
    let server = server();
    let lines = store(&server).check().unwrap();
    let text = lines.join("\n");
    for what in [
        "login at http://127.0.0.1",
        "API version 66.0: offered",
        "object Build__c",
        "fields.trigger",
        "requests: 1 of 15000",
    ] {
        assert!(text.contains(what), "{what}: {text}");
    }
    assert_eq!(server.calls(), 1);
    let old = SalesforceSettings { api_version: "99.0".into(), ..settings(&server) };
    let (fault, message) = fault(store_of(&server, old).check());
    assert!(fault == Fault::Configuration && message.contains("from 31.0 to 67.0"), "{message}");
}

#[test]
fn names_in_another_letter_case_and_absent_optional_fields_work() {
    let server = server();
    let mut fields = fields();
    fields.status = "magma_intraware_upload__C".into();
    fields.size = "PAYLOAD_SIZE__C".into();
    fields.detail = None;
    fields.priority = None;
    let mut store =
        store_of(&server, SalesforceSettings { fields, object: "build__C".into(), ..settings(&server) });
    let record = settled(&server, &mut store, "Error");
    assert_eq!((record.status.clone(), record.detail.clone()), (Status::Error, None));
    store.write(&record, &prepared()).unwrap();
    let row = stored(&server, &record);
    assert_eq!((&row[STATUS], &row["Payload_Size__c"]), (&json!("In Process"), &json!(7)));
    assert_eq!(row["Magma_Intraware_Upload_Detail__c"], "old reason");
}

/// A server whose object keeps the day of a build alone.
fn server_of_days() -> Arc<Salesforce> {
    let server = server();
    let mut spec = ObjectSpec::build();
    for field in spec.fields.iter_mut().filter(|field| field.name == "Build_Creation_Date__c") {
        field.kind = FieldType::Date;
    }
    server.define(spec);
    server
}

#[test]
fn a_date_field_keeps_the_day() {
    let server = server_of_days();
    let mut store = store(&server);
    let record = settled(&server, &mut store, "Error");
    server.inject(Broken::LoseAnswer, On::Update, 0, 1);
    store.write(&record, &prepared()).unwrap();
    assert_eq!(stored(&server, &record)["Build_Creation_Date__c"], "2026-11-20");
    let day = read(&mut store, record.id.as_str()).build_date;
    assert_eq!(day, Some("2026-11-20T00:00:00Z".parse().unwrap()));
}

#[test]
fn f_17_a_date_field_keeps_the_day_of_this_host() {
    // 10:11 in Greenwich.
    for (zone, day) in [("LOC11", "2026-11-19"), ("LOC10", "2026-11-20"), ("LOC-14", "2026-11-21")] {
        let server = server_of_days();
        let time_zone = TimeZone::posix(zone).unwrap();
        let mut store = store_of(&server, SalesforceSettings { time_zone, ..settings(&server) });
        let record = settled(&server, &mut store, "Error");
        // It is known for what was written, also when the answer is lost.
        server.inject(Broken::LoseAnswer, On::Update, 0, 1);
        store.write(&record, &prepared()).unwrap();
        assert_eq!(stored(&server, &record)["Build_Creation_Date__c"], day, "{zone}");
    }
}

//! Which records are worked on, and what each status means to both programs.

use std::fs;
use std::path::Path;

use intraware_tests::support::salesforce::Salesforce;
use intraware_tests::{BUILD, Bench};
use serde_json::{Value, json};

const STATUS: &str = "Magma_Intraware_Upload__c";

fn fill(dir: &Path) {
    fs::write(dir.join("setup.sh"), format!("#!/bin/sh\necho {}\n", dir.display())).expect("a file");
}

fn bench() -> Bench {
    Bench::builder().salesforce().build()
}

/// Adds a build and sets fields of its record, as a person.
fn add(bench: &Bench, name: &str, fields: Value) -> String {
    let id = bench.add_build(name, &format!("blast/{name}"), fill);
    bench.salesforce().edit(BUILD, &id, fields);
    id
}

fn row(server: &Salesforce, id: &str) -> Value {
    server.record(BUILD, id).expect("a record")
}

#[test]
fn s0_06_s0_07_s0_09_s0_10_s0_17_empty_and_error_patch_builds_with_a_path_are_taken() {
    let bench = bench();
    let taken = [
        add(&bench, "empty", json!({})),
        add(&bench, "error", json!({ STATUS: "Error", "Magma_Intraware_Upload_Detail__c": "it was so" })),
    ];
    let left = [
        add(&bench, "completed", json!({ STATUS: "Completed" })),
        add(&bench, "held", json!({ STATUS: "Do Not Release" })),
        add(&bench, "full", json!({ "build_type__c": "Full Build" })),
        add(&bench, "other-case", json!({ "build_type__c": "patch build" })),
        add(&bench, "untyped", json!({ "build_type__c": null })),
        add(&bench, "pathless", json!({ "Build_Path__c": null })),
    ];
    let before = left.each_ref().map(|id| row(bench.salesforce(), id));
    bench.manage(&["run"]).expect_silence();
    bench.upload(&["run"]).expect_silence();
    for id in &taken {
        let row = row(bench.salesforce(), id);
        assert_eq!(
            (&row[STATUS], &row["Magma_Intraware_Upload_Detail__c"]),
            (&json!("In Process"), &Value::Null)
        );
    }
    bench.manage(&["run"]).expect_silence();
    ["empty", "error"].iter().for_each(|name| bench.assert_delivered(name));
    assert_eq!(left.each_ref().map(|id| row(bench.salesforce(), id)), before, "nobody touches the others");
    let mirrored: Vec<_> = fs::read_dir(bench.site_file("blast")).expect("a directory").collect();
    assert_eq!(mirrored.len(), 2);
}

#[test]
fn s0_08_s0_20_in_process_without_a_payload_anywhere_is_an_error_and_prepared_again() {
    let bench = bench();
    let described = json!({
        STATUS: "In Process", "Payload_Size__c": 4711, "MD5_Digest__c": "0".repeat(32), "SHA1_Digest__c": "0".repeat(40),
    });
    add(&bench, "p7", described);
    bench.manage(&["run"]).expect(1).complains(&["payload lost", "the payload is missing"]);
    assert_eq!(bench.status("p7").0, "Error");
    bench.deliver();
    bench.assert_delivered("p7");
}

#[test]
fn s0_50_further_conditions_are_configuration() {
    let bench = Bench::builder().salesforce().set("records.filter.Product__c", "Blast 'n' \\ Fusion").build();
    add(&bench, "ours", json!({ "Product__c": "Blast 'n' \\ Fusion" }));
    add(&bench, "theirs", json!({ "Product__c": "Blast" }));
    bench.deliver();
    bench.assert_delivered("ours");
    assert_eq!(bench.status("theirs"), (String::new(), String::new()));
}

#[test]
fn s0_10_a_build_put_on_hold_while_it_waits_is_not_uploaded_until_it_is_let_go() {
    let bench = bench();
    let id = add(&bench, "p7", json!({}));
    bench.manage(&["run"]).expect_silence();
    bench.salesforce().edit(BUILD, &id, json!({ STATUS: "Do Not Release" }));
    let held = row(bench.salesforce(), &id);
    bench.manage(&["run"]).expect_silence();
    bench.deliver();
    assert_eq!(row(bench.salesforce(), &id), held);
    assert!(!bench.payload("p7").exists());
    assert_eq!(bench.spool_listing().counts(), [0, 0, 0, 0, 1]);
    bench.salesforce().edit(BUILD, &id, json!({ STATUS: "In Process" }));
    bench.deliver();
    bench.assert_delivered("p7");
}

#[test]
fn s0_10_a_build_put_on_hold_after_its_upload_is_not_handed_to_association() {
    let bench = bench();
    let id = add(&bench, "p7", json!({}));
    bench.manage(&["run"]).expect_silence();
    bench.upload(&["run"]).expect_silence();
    bench.salesforce().edit(BUILD, &id, json!({ STATUS: "Do Not Release" }));
    let held = row(bench.salesforce(), &id);
    bench.deliver();
    assert_eq!(row(bench.salesforce(), &id), held);
    bench.salesforce().edit(BUILD, &id, json!({ STATUS: null }));
    bench.deliver();
    bench.assert_delivered("p7");
}

#[test]
fn s0_10_an_operators_hold_stops_both_programs_and_leaves_the_record_alone() {
    let bench = bench();
    let waiting = add(&bench, "waiting", json!({}));
    bench.manage(&["run"]).expect_silence();
    let fresh = add(&bench, "fresh", json!({}));
    for name in ["waiting", "fresh"] {
        bench.manage(&["hold", name, "--reason", "wrong licence file"]).expect_silence();
    }
    let before = [&waiting, &fresh].map(|id| row(bench.salesforce(), id));
    bench.deliver();
    assert_eq!([&waiting, &fresh].map(|id| row(bench.salesforce(), id)), before);
    assert_eq!(bench.spool_listing().counts(), [0, 1, 0, 0, 0]);
    for name in ["waiting", "fresh"] {
        let why = bench.manage(&["why", name]).expect(0);
        assert!(why.stdout.contains("wrong licence file"), "{why:?}");
        bench.manage(&["unhold", name]).expect_silence();
    }
    bench.deliver();
    ["waiting", "fresh"].iter().for_each(|name| bench.assert_delivered(name));
}

#[test]
fn s0_26_what_the_sites_owner_has_associated_is_left_as_it_is() {
    let bench = bench();
    let id = add(&bench, "p7", json!({}));
    bench.deliver();
    bench.salesforce().edit(BUILD, &id, json!({ "Intraware_Upload__c": "File Associated" }));
    let associated = row(bench.salesforce(), &id);
    bench.deliver();
    assert_eq!(row(bench.salesforce(), &id), associated);
    bench.assert_delivered("p7");
}

#[test]
fn an_urgent_build_is_prepared_and_delivered_first() {
    let mut bench = bench();
    // One after the other.
    bench.set_site("connections", 1);
    add(&bench, "some-day", json!({}));
    add(&bench, "soon", json!({ "Priority__c": 20 }));
    add(&bench, "now", json!({ "Priority__c": 1 }));
    bench.deliver();
    let order = |step: &str| -> Vec<String> {
        let events = bench.tx_events();
        let begun = events.iter().filter(|event| event["step"] == step && event["phase"] == "begin");
        let name = |event: &Value| {
            let id = event["record"].as_str().expect("a record");
            row(bench.salesforce(), id)["Name"].as_str().expect("a name").to_owned()
        };
        begun.map(name).collect()
    };
    assert_eq!(order("M2"), ["now", "soon", "some-day"]);
    assert_eq!(order("U4"), ["now", "soon", "some-day"]);
}
